"""From noise and y to a restored x_0 in N calls of the noise predictor: the DDPM's own sampler, and DDIM.

One signature, as the samplers of InDI have; the predictor is any callable n(z, y, level).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from indi.errors import InDIError
from indi.process import Generators, randn_like
from indi.samplers import Callback, Restorer

NoisePredictor = Callable[[Tensor, Tensor, Tensor], Tensor]
"""n(z, y, level): an estimate of the noise in z, of the shape of z; level is (B,)."""


class LevelSampler(Protocol):
    def __call__(
        self,
        noise_predictor: NoisePredictor,
        y: Tensor,
        schedule: Sequence[float] | np.ndarray,
        generator: Generators | None = None,
        callback: Callback | None = None,
        clip: bool = True,
    ) -> Tensor: ...


def predictor(network: Restorer) -> NoisePredictor:
    """The noise predictor of a network that sees z and y side by side, (B, 6, H, W), and the level."""

    def predict(z: Tensor, y: Tensor, level: Tensor) -> Tensor:
        return network(torch.cat([z, y], dim=1).contiguous(memory_format=torch.channels_last), level)

    return predict


def _steps(schedule: Sequence[float] | np.ndarray) -> list[tuple[int, float, float]]:
    grid = np.asarray(schedule, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] <= 0 or grid[-1] != 1 or not (np.diff(grid) > 0).all():
        raise InDIError(
            f"levels must ascend strictly from above 0 to 1, got {grid.tolist()}; "
            "cddpm.levels('cosine', n) gives those of n steps."
        )
    return [(i, float(a), float(b)) for i, (a, b) in enumerate(pairwise(grid))]


def _sigma(level: float) -> float:
    return math.sqrt((1 - level) * (1 + level))


def _estimate(
    noise_predictor: NoisePredictor, z: Tensor, y: Tensor, level: float, clip: bool
) -> tuple[Tensor, Tensor]:
    """The predicted noise, and the estimate of x that it implies (Ho et al. 2020, Eq. 15)."""
    noise = noise_predictor(z, y, torch.full((len(z),), level, dtype=z.dtype, device=z.device))
    x = (z - _sigma(level) * noise) / level
    return noise, x.clamp(-1, 1) if clip else x


@torch.no_grad()
def ancestral(
    noise_predictor: NoisePredictor,
    y: Tensor,
    schedule: Sequence[float] | np.ndarray,
    generator: Generators | None = None,
    callback: Callback | None = None,
    clip: bool = True,
) -> Tensor:
    """The DDPM's sampler: each step draws from q(z_s | z, x) with x as predicted (Ho et al. 2020, Eqs. 6, 7).

    Args:
        noise_predictor: called exactly len(schedule) - 1 times.
        y: the condition, (B, ...), images in [-1, 1]; x_0 gets its shape and dtype.
        schedule: levels sqrt(alpha_bar), float64, strictly ascending from above 0 to 1; see `levels`.
        generator: of the start and of the noise of the steps, one or one for each image; may live on
            another device than y.
        callback: sees each step: (i, level, next level, z, predicted noise).
        clip: clamp each estimate of x to [-1, 1], as SR3 and Ho et al. do. Nothing else keeps the
            first steps in range: there an error of the noise is divided by a level near 0.

    Returns:
        x_0; the last step adds no noise and returns the last estimate itself.

    Raises:
        InDIError: malformed levels.
    """
    steps = _steps(schedule)
    z = randn_like(y, generator)
    for i, level, target in steps:
        noise, x = _estimate(noise_predictor, z, y, level, clip)
        if callback is not None:
            callback(i, level, target, z, noise)
        alpha = (level / target) ** 2
        total = _sigma(level) ** 2
        left = _sigma(target) ** 2
        z = (target * (1 - alpha) * x + math.sqrt(alpha) * left * z) / total
        if left > 0:
            z = z + math.sqrt(left / total * (1 - alpha)) * randn_like(y, generator)
    return z


@torch.no_grad()
def ddim(
    noise_predictor: NoisePredictor,
    y: Tensor,
    schedule: Sequence[float] | np.ndarray,
    generator: Generators | None = None,
    callback: Callback | None = None,
    clip: bool = True,
) -> Tensor:
    """Deterministic steps: z_s = l_s x + sqrt(1 - l_s^2) n, both as predicted (Song et al. 2021, Eq. 12, eta = 0).

    Arguments, result and errors as for `ancestral`; the generator draws the start alone. Where clip
    changes the estimate of x, the noise is taken anew from it, so that z is still made of the two
    (Dhariwal and Nichol 2021, their code).
    """
    steps = _steps(schedule)
    z = randn_like(y, generator)
    for i, level, target in steps:
        noise, x = _estimate(noise_predictor, z, y, level, clip)
        if callback is not None:
            callback(i, level, target, z, noise)
        if clip:
            noise = (z - level * x) / _sigma(level)
        z = target * x + _sigma(target) * noise
    return z


SAMPLERS: dict[str, LevelSampler] = {"ddpm": ancestral, "ddim": ddim}
