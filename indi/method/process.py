"""The forward process: from the clean x at t = 0 to the degraded y at t = 1.

    x_t = (1 - t) x + t y + t eps_t n,    n ~ N(0, I)            (Eqs. 1, 7, 8, 9)

eps_t is the noise schedule, t ~ p(t) the distribution of times in training (Fig. 10a). Equation
numbers are those of the review version; Eq. 8 is used as corrected (erratum 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indi.errors import InDIError, unknown

Generators = torch.Generator | Sequence[torch.Generator]
"""One generator for a batch, or one for each of its images."""


@dataclass(frozen=True)
class NoiseSchedule:
    """A schedule eps_t, given through the two products of it that stay finite at t = 0.

    Attributes:
        std: (eps, t) -> t eps_t, the standard deviation of the noise in x_t (Eq. 9).
        added: (eps, t, s) -> s sqrt(eps_s^2 - eps_t^2), s < t, the noise added by a step (Eq. 10).
    """

    std: Callable[[float, Tensor], Tensor]
    added: Callable[[float, float, float], float]


SCHEDULES: dict[str, NoiseSchedule] = {
    "none": NoiseSchedule(std=lambda eps, t: torch.zeros_like(t), added=lambda eps, t, s: 0.0),
    "constant": NoiseSchedule(std=lambda eps, t: eps * t, added=lambda eps, t, s: 0.0),
    # eps_t = eps / sqrt(t). As printed, Eq. 10 is 0 * inf at s = 0; simplified, it is 0 (erratum 5).
    "brownian": NoiseSchedule(
        std=lambda eps, t: eps * t.sqrt(),
        added=lambda eps, t, s: eps * math.sqrt(s * (t - s) / t),
    ),
}


def noise_schedule(name: str) -> NoiseSchedule:
    """The schedule called `name`: "none", "constant" (Eq. 7) or "brownian" (Sec. 6.4).

    Raises:
        InDIError: no such schedule.
    """
    if name not in SCHEDULES:
        raise unknown("noise schedule", name, SCHEDULES)
    return SCHEDULES[name]


def randn_like(x: Tensor, generator: Generators | None) -> Tensor:
    """Standard normal noise of the shape, dtype and device of x, drawn where the generator lives.

    Args:
        x: (B, ...).
        generator: one for all of x, or B of them: the noise of an image is then the same in any batch.

    Raises:
        InDIError: several generators, and not one for each image.
    """
    if isinstance(generator, Sequence):
        if len(generator) != len(x):
            raise InDIError(f"{len(generator)} generators for {len(x)} images: give one, or one for each.")
        return torch.cat([randn_like(x[i : i + 1], one) for i, one in enumerate(generator)])
    device = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)


def interpolate(
    x: Tensor,
    y: Tensor,
    t: Tensor,
    noise: Tensor | None = None,
    eps: float = 0.0,
    schedule: str = "constant",
) -> Tensor:
    """x_t = (1 - t) x + t y + t eps_t noise (Eqs. 1, 7, 8).

    Args:
        x, y: the clean and the degraded signal, (B, ...), images in [-1, 1].
        t: times in [0, 1], (B,).
        noise: standard normal, of the shape of x; needed only where eps > 0.
        eps: noise level in the units of x (an image spans 2 units).
        schedule: "none", "constant" or "brownian".

    Raises:
        InDIError: no such schedule, or eps > 0 without noise.
    """
    std = noise_schedule(schedule).std(eps, t)
    t, std = (v.view(-1, *[1] * (x.ndim - 1)).to(x.dtype) for v in (t, std))
    x_t = (1 - t) * x + t * y
    if eps == 0 or schedule == "none":
        return x_t
    if noise is None:
        raise InDIError(f"eps = {eps} needs noise: pass noise=process.randn_like(x, generator).")
    return x_t + std * noise


@dataclass(frozen=True)
class TimeDistribution:
    """p(t) on [0, 1], given by its quantile function and cumulative distribution (Fig. 10a, c).

    Attributes:
        name: the paper's key.
        quantile: u in [0, 1] -> t.
        cdf: t in [0, 1] -> P(T <= t).
        mass_at_1: P(T = 1), zero unless the distribution has an atom there.
    """

    name: str
    quantile: Callable[[Tensor], Tensor]
    cdf: Callable[[Tensor], Tensor]
    mass_at_1: float = 0.0

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """n times, float32, (n,), on the device of the generator."""
        device = "cpu" if generator is None else generator.device
        return self.quantile(torch.rand(n, generator=generator, device=device)).clamp(0, 1)


_SINE_BASED = {
    "bias_t1": TimeDistribution(
        "bias_t1",
        quantile=lambda u: torch.sin(u * math.pi / 2),
        cdf=lambda t: torch.asin(t) * 2 / math.pi,
    ),
    "bias_t0": TimeDistribution(
        "bias_t0",
        quantile=lambda u: torch.sin((u - 1) * math.pi / 2) + 1,
        cdf=lambda t: 1 + torch.asin(t - 1) * 2 / math.pi,
    ),
    "bias_t0_t1": TimeDistribution(
        "bias_t0_t1",
        quantile=lambda u: torch.sin(u * math.pi / 2) ** 2,
        cdf=lambda t: torch.asin(t.sqrt()) * 2 / math.pi,
    ),
}


def _linear(a: float) -> TimeDistribution:
    """U[0, 1] and an atom at t = 1 with weights 1/(1+a) and a/(1+a): min(1, U[0, 1+a]).

    Fig. 10(a) prints the weights (1-a) and a, with a < 1, yet Table 2 uses linear_1.0 (erratum 7).
    """
    return TimeDistribution(
        f"linear_{a:g}",
        quantile=lambda u: ((1 + a) * u).clamp(max=1),
        cdf=lambda t: torch.where(t < 1, t / (1 + a), torch.ones_like(t)),
        mass_at_1=a / (1 + a),
    )


def time_distribution(name: str) -> TimeDistribution:
    """p(t) by the paper's key: "linear_0" (uniform), "linear_A" (A >= 0), "bias_t1", "bias_t0", "bias_t0_t1".

    Raises:
        InDIError: no such distribution.
    """
    if name in _SINE_BASED:
        return _SINE_BASED[name]
    prefix, _, weight = name.partition("linear_")
    try:
        a = float(weight)
    except ValueError:
        a = -1.0
    if prefix or not (0 <= a < math.inf):
        raise unknown(
            "time distribution", name, [*_SINE_BASED, "linear_0", "linear_0.5", "linear_A (any A >= 0)"]
        )
    return _linear(a)
