"""InDI against the conditional DDPM: the schedules of the baseline fused, and the steps that each needs.

It stands above `evaluation`, whose rows it reads; `cddpm`, which the training uses, stands below.
"""

from indi.comparison.schedules import KEYS, NO_SCHEDULE, choices, fuse, methods, require, sign, tidy
from indi.comparison.steps import Target, steps_to_reach, verdict

__all__ = [
    "KEYS",
    "NO_SCHEDULE",
    "Target",
    "choices",
    "fuse",
    "methods",
    "require",
    "sign",
    "steps_to_reach",
    "tidy",
    "verdict",
]
