"""The conditional DDPM that Sec. 6.5 compares InDI with: process and schedules, samplers.

The network is InDI's with six input channels: the noisy image and y side by side. It returns the
noise, and is conditioned on the noise level in place of t.
"""

from indi.cddpm.process import (
    SCHEDULES,
    TRAINING_END,
    levels,
    noisy,
    training_example,
    training_levels,
)
from indi.cddpm.samplers import SAMPLERS, NoisePredictor, ancestral, ddim, predictor

__all__ = [
    "SAMPLERS",
    "SCHEDULES",
    "TRAINING_END",
    "NoisePredictor",
    "ancestral",
    "ddim",
    "levels",
    "noisy",
    "predictor",
    "training_example",
    "training_levels",
]
