"""The conditional DDPM that Sec. 6.5 compares InDI with: process, schedules and samplers.

The forward process, in the convention of a continuous noise level, is

    z = l x + sqrt(1 - l^2) n,    n ~ N(0, I),    l = sqrt(alpha_bar) in [0, 1]

(Ho et al. 2020, Eq. 4). The level l is 1 for the clean x and nearly 0 for pure noise, so it runs the
other way than t. Schedules are computed in float64. The network is InDI's with six input channels: the noisy
image and y side by side. It returns the noise n, as in the paper, or v = l n - sqrt(1 - l^2) x (Salimans and Ho
2022, Sec. 4), which stays well defined at both ends of the process, and is conditioned on the noise level in place
of t. The samplers, from noise and y to a restored x_0 in N calls of the noise predictor, are the DDPM's own and DDIM;
they have one signature, and the predictor is any callable n(z, y, level).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from indi.errors import InDIError, unknown
from indi.method.process import Generators, TimeDistribution, randn_like
from indi.method.samplers import Callback, Restorer

# Of the training: SR3's and DvSR's 2000 steps with variances that rise linearly from 1e-6 to 1e-2.
_TRAINING_STEPS, _BETA_FIRST, _BETA_LAST = 2000, 1e-6, 1e-2
_BETAS = np.linspace(_BETA_FIRST, _BETA_LAST, _TRAINING_STEPS)
_TRAINING = np.concatenate([[1.0], np.sqrt(np.cumprod(1 - _BETAS))])

TRAINING_END = float(_TRAINING[-1])
"""The lowest level seen in training, 0.0067: pure noise but for 5e-5 of the variance."""


def noisy(x: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    """z = level x + sqrt(1 - level^2) noise.

    Args:
        x: clean images, (B, ...), in [-1, 1].
        level: sqrt(alpha_bar) in [0, 1], (B,).
        noise: standard normal, of the shape of x.
    """
    level = level.view(-1, *[1] * (x.ndim - 1)).to(x.dtype)
    # 1 - level is exact in floating point near 1, where 1 - level^2 would lose its digits
    return level * x + ((1 - level) * (1 + level)).sqrt() * noise


Prediction = Literal["noise", "v"]
"""What the network returns."""


def training_example(
    x: Tensor, y: Tensor, level: Tensor, noise: Tensor, prediction: Prediction = "noise"
) -> tuple[Tensor, Tensor, Tensor]:
    """(inputs, level, target): the network sees (z, y), 6 channels, and the level, and is to return the noise or v.

    Args:
        x, y: clean and degraded images, (B, 3, H, W), in [-1, 1]; y is not perturbed.
        level, noise: as `noisy` takes them.
    """
    # v is the noise of the process in which x and the noise have changed places
    target = noise if prediction == "noise" else noisy(noise, level, -x)
    return torch.cat([noisy(x, level, noise), y], dim=1), level, target


def training_levels() -> TimeDistribution:
    """The distribution of levels in training: uniform between two neighbours of the training schedule.

    The neighbours are drawn uniformly among the 2000 steps (Chen et al. 2021, WaveGrad, Algorithm 1,
    on sqrt(alpha_bar); SR3 draws alpha_bar itself so, which differs in the second order of a step).
    """
    knots = torch.tensor(_TRAINING, dtype=torch.float32)

    def quantile(u: Tensor) -> Tensor:
        at = (1 - u) * _TRAINING_STEPS
        low = at.long().clamp(max=_TRAINING_STEPS - 1)
        known = knots.to(u.device)
        return torch.lerp(known[low], known[low + 1], at - low)

    def cdf(level: Tensor) -> Tensor:
        u = np.interp(level.cpu().double(), _TRAINING[::-1], np.linspace(0, 1, _TRAINING_STEPS + 1))
        return torch.as_tensor(u, dtype=level.dtype, device=level.device)

    return TimeDistribution("ddpm_levels", quantile, cdf)


def _linear(u: np.ndarray) -> np.ndarray:
    first, last = (_TRAINING_STEPS * beta for beta in (_BETA_FIRST, _BETA_LAST))
    return np.exp(-(first * u + (last - first) * u**2 / 2))


def _quadratic(u: np.ndarray) -> np.ndarray:
    first, last = math.sqrt(0.1), math.sqrt(20)
    rise = last - first
    return np.exp(-((first + rise * u) ** 3 - first**3) / (3 * rise))


def _cosine(u: np.ndarray) -> np.ndarray:
    return np.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2


def _sigmoid(u: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(6 * u - 3))


def _straight(u: np.ndarray) -> np.ndarray:
    return 1 - u


def _karras(u: np.ndarray) -> np.ndarray:
    first, last = 0.002 ** (1 / 7), 80 ** (1 / 7)
    return 1 / (1 + ((1 - u) * first + u * last) ** 14)


#: Shapes alpha_bar(u) of the six inference schedules, u = 0 clean, u = 1 noise.
#:
#: linear: exp(-integral of beta), beta(u) from 2000 * 1e-6 to 2000 * 1e-2: that of the training
#:   (Ho et al. 2020; SR3; DvSR).
#: quadratic: as linear, sqrt(beta) from sqrt(0.1) to sqrt(20) (DDIM's "quad"; latent diffusion).
#: cosine: cos^2((u + s)/(1 + s) pi/2), s = 0.008 (Nichol and Dhariwal 2021, Eq. 17).
#: sigmoid: sigma(3 - 6 u) (Jabri et al. 2023, start -3, end 3, tau 1).
#: straight: 1 - u (Chen 2023, "simple linear").
#: karras: 1/(1 + s^2), s^(1/7) straight from 0.002^(1/7) to 80^(1/7) (Karras et al. 2022, Eq. 5).
SCHEDULES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": _linear,
    "quadratic": _quadratic,
    "cosine": _cosine,
    "sigmoid": _sigmoid,
    "straight": _straight,
    "karras": _karras,
}


def levels(schedule: str, n: int) -> np.ndarray:
    """The n + 1 levels sqrt(alpha_bar) of n steps in the order of sampling: from `TRAINING_END` up to 1.

    The shape is read at u = 1, (n-1)/n, ..., 0, stretched to fall from 1 to 0, then raised to end at
    the level where the training ended, so that every schedule, at every n, starts from the same
    nearly pure noise and asks the network for no level that it never saw. At n = 1 all six are one.

    Returns:
        float64, strictly ascending, (n + 1,).

    Raises:
        InDIError: no such schedule, or n < 1.
    """
    if schedule not in SCHEDULES:
        raise unknown("inference schedule", schedule, SCHEDULES)
    if n < 1:
        raise InDIError(f"{n} steps: a sampler takes at least 1.")
    first, last = SCHEDULES[schedule](np.array([0.0, 1.0]))
    shape = (SCHEDULES[schedule](np.arange(n, -1, -1) / n) - last) / (first - last)
    end = TRAINING_END**2
    return np.sqrt(end + (1 - end) * shape)


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


def predictor(network: Restorer, prediction: Prediction = "noise") -> NoisePredictor:
    """The noise predictor of a network that sees z and y side by side, (B, 6, H, W), and the level.

    From v it is n = l v + sqrt(1 - l^2) z.
    """

    def predict(z: Tensor, y: Tensor, level: Tensor) -> Tensor:
        found = network(torch.cat([z, y], dim=1).contiguous(memory_format=torch.channels_last), level)
        return found if prediction == "noise" else noisy(found, level, z)

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
