"""Which of two precisions a processor is faster in, measured once.

A recipe or a protocol that names bf16-mixed allows bf16: its results differ from those in fp32 by less than
another seed's. On a CPU with AMX, or a recent AMD one, bf16 is about twice as fast; on others it is emulated and
half as fast, so that fp32 is taken there, and the record says so.
"""

from __future__ import annotations

import functools
import os
import time

import torch
import torch.nn.functional as nnf

from indi.errors import unknown
from indi.training.recipes import Precision

CHOICES: tuple[Precision, ...] = ("32-true", "bf16-mixed")

#: fp32 is taken where it is faster by this much: a noisy probe does not flip the choice.
MARGIN = 1.15


def resolve(allowed: Precision, device: torch.device) -> Precision:
    """What to compute in on `device`, where `allowed` is allowed.

    INDI_PRECISION ("32-true" or "bf16-mixed") decides in place of the probe.

    Raises:
        InDIError: INDI_PRECISION is neither.
    """
    if allowed != "bf16-mixed":
        return allowed
    if chosen := os.environ.get("INDI_PRECISION"):
        if chosen not in CHOICES:
            raise unknown("INDI_PRECISION", chosen, CHOICES)
        return chosen
    if device.type != "cpu":
        return allowed
    return "32-true" if cpu_ratio() < 1 / MARGIN else allowed


@functools.cache
def cpu_ratio(seconds: float = 0.8) -> float:
    """Rate of bf16 over that of fp32 on this CPU: a convolution of the network's middle, forward and backward.

    The two take turns, so that other load slows both; the fastest turn of each counts.
    """
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        x = torch.randn(4, 64, 32, 32).contiguous(memory_format=torch.channels_last).requires_grad_()
        weight = torch.randn(64, 64, 3, 3, requires_grad=True)
    best = {"32-true": float("inf"), "bf16-mixed": float("inf")}

    def turn(name: str) -> float:
        started = time.perf_counter()
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16-mixed"):
            y = nnf.conv2d(nnf.silu(x), weight, padding=1)
        torch.autograd.grad(y.float().sum(), (x, weight))
        return time.perf_counter() - started

    for name in best:
        turn(name)  # the first builds its kernels
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for name in best:
            best[name] = min(best[name], turn(name))
    return best["32-true"] / best["bf16-mixed"]
