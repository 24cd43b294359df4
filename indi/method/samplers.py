"""From the degraded y to a restored x_0 in N calls of F: InDI, naive and Cold Diffusion.

Every sampler has one signature and knows no network: F(x, t) is any callable on the state x,
(B, ...), and the time t, (B,), that returns an estimate of the clean x. With eps > 0 the perturbed
start y + eps n stands wherever the paper writes y (erratum 11).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from indi.errors import InDIError, unknown
from indi.method.process import Generators, noise_schedule, randn_like

Restorer = Callable[[Tensor, Tensor], Tensor]
"""F(x_t, t): an estimate of x."""

Callback = Callable[[int, float, float, Tensor, Tensor], None]
"""Called once a step with (i, t, s, x_t, F(x_t, t)): the step goes from time t to s < t."""


class Sampler(Protocol):
    def __call__(
        self,
        F: Restorer,
        y: Tensor,
        times: Sequence[float] | np.ndarray,
        eps: float = 0.0,
        schedule: str = "constant",
        generator: Generators | None = None,
        callback: Callback | None = None,
    ) -> Tensor: ...


def uniform_times(n: int) -> np.ndarray:
    """The n + 1 descending float64 times 1, (n-1)/n, ..., 1/n, 0 of n equal steps.

    Raises:
        InDIError: n < 1.
    """
    if n < 1:
        raise InDIError(f"{n} steps: a sampler takes at least 1.")
    return np.arange(n, -1, -1) / n


def pairs_of(times: Sequence[float] | np.ndarray) -> list[tuple[int, float, float]]:
    """(i, t_i, t_{i+1}) of each step; times are counted, never accumulated (erratum 6).

    Raises:
        InDIError: `times` do not descend strictly from 1 to 0.
    """
    grid = np.asarray(times, dtype=np.float64)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 1 or grid[-1] != 0 or not (np.diff(grid) < 0).all():
        raise InDIError(
            f"times must descend strictly from 1 to 0, got {grid.tolist()}; "
            "samplers.uniform_times(n) gives n equal steps."
        )
    return [(i, float(t), float(s)) for i, (t, s) in enumerate(pairwise(grid))]


def perturbed(y: Tensor, eps: float, schedule: str, generator: Generators | None) -> Tensor:
    """x_1 = y + eps_1 n (Algorithm 1)."""
    std = float(noise_schedule(schedule).std(eps, torch.ones(1)))
    return y + std * randn_like(y, generator) if std > 0 else y


def predict(F: Restorer, x: Tensor, t: float) -> Tensor:
    """F(x, t) with one time for the whole batch."""
    return F(x, torch.full((len(x),), t, dtype=x.dtype, device=x.device))


@torch.no_grad()
def indi(
    F: Restorer,
    y: Tensor,
    times: Sequence[float] | np.ndarray,
    eps: float = 0.0,
    schedule: str = "constant",
    generator: Generators | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Algorithm 1 with Eq. 10: x_s = (1 - s/t) F(x_t, t) + (s/t) x_t + s sqrt(eps_s^2 - eps_t^2) zeta.

    Args:
        F: the restorer; called exactly len(times) - 1 times.
        y: degraded signals, (B, ...), images in [-1, 1].
        times: strictly descending from 1 to 0, float64; see `uniform_times`.
        eps: level of the perturbation, in the units of y; the one F was trained with.
        schedule: "none", "constant" or "brownian".
        generator: of the perturbation, one or one for each image; may live on another device than y.
        callback: sees each step, see `Callback`.

    Returns:
        x_0, of the shape and dtype of y, not clipped. The last step returns F(x_t, t) itself.

    Raises:
        InDIError: malformed times, or no such schedule.
    """
    added = noise_schedule(schedule).added
    x = perturbed(y, eps, schedule, generator)
    for i, t, s in pairs_of(times):
        prediction = predict(F, x, t)
        if callback is not None:
            callback(i, t, s, x, prediction)
        x = (1 - s / t) * prediction + (s / t) * x
        if (std := added(eps, t, s)) > 0:
            x = x + std * randn_like(x, generator)
    return x


@torch.no_grad()
def naive(
    F: Restorer,
    y: Tensor,
    times: Sequence[float] | np.ndarray,
    eps: float = 0.0,
    schedule: str = "constant",
    generator: Generators | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Eq. 11: x_s = (1 - s) F(x_t, t) + s y, the degradation applied anew to each estimate.

    Arguments, result and errors as for `indi`. The schedule matters through the start alone.
    """
    x = start = perturbed(y, eps, schedule, generator)
    for i, t, s in pairs_of(times):
        prediction = predict(F, x, t)
        if callback is not None:
            callback(i, t, s, x, prediction)
        x = (1 - s) * prediction + s * start
    return x


@torch.no_grad()
def cold_diffusion(
    F: Restorer,
    y: Tensor,
    times: Sequence[float] | np.ndarray,
    eps: float = 0.0,
    schedule: str = "constant",
    generator: Generators | None = None,
    callback: Callback | None = None,
) -> Tensor:
    """Eq. 15: x_s = x_t + (t - s)(F(x_t, t) - y), Algorithm 2 of Bansal et al. on the linear path.

    Arguments, result and errors as for `indi`. The schedule matters through the start alone. The
    result is the mean of the predictions, weighted by the lengths of the steps.
    """
    x = start = perturbed(y, eps, schedule, generator)
    for i, t, s in pairs_of(times):
        prediction = predict(F, x, t)
        if callback is not None:
            callback(i, t, s, x, prediction)
        x = x + (t - s) * (prediction - start)
    return x


Rule = Callable[[Tensor, float, float, Tensor], Tensor]
"""A step without noise of its own: (x_t, t, s, F(x_t, t)) -> x_s."""


def by_rule(begin: Callable[[Restorer, Tensor], Rule]) -> Sampler:
    """The sampler that takes every step by one rule, with the arguments and the result of `indi`.

    Args:
        begin: gives the rule for one run from F and the start x_1 = y + eps n.

    Returns:
        A sampler. It raises InDIError for malformed times, and for no such schedule or one that adds noise on the
        way, for which only `indi` is derived.
    """

    @torch.no_grad()
    def sample(
        F: Restorer,
        y: Tensor,
        times: Sequence[float] | np.ndarray,
        eps: float = 0.0,
        schedule: str = "constant",
        generator: Generators | None = None,
        callback: Callback | None = None,
    ) -> Tensor:
        if noise_schedule(schedule).added(eps, 1.0, 0.5) > 0:
            raise InDIError(
                f"the {schedule} schedule draws new noise at every step, and this sampler has no rule for it: "
                "use schedule='constant', or samplers.indi."
            )
        steps = pairs_of(times)
        x = perturbed(y, eps, schedule, generator)
        rule = begin(F, x)
        for i, t, s in steps:
            prediction = predict(F, x, t)
            if callback is not None:
                callback(i, t, s, x, prediction)
            x = rule(x, t, s, prediction)
        return x

    sample.__doc__ = begin.__doc__
    return sample


def family(lam: float, stop: float = 0.0, power: float = 1.0) -> Sampler:
    """InDI (lam = 1), Cold Diffusion (lam = 0) and all between: x_s = x_t + (t - s) [F - lam y_t - (1 - lam) x_1].

    y_t = (x_t - (1 - t) F(x_t, t)) / t is the y that state and prediction agree with, x_1 = y + eps n the
    start. InDI steps away from the former, Cold Diffusion from the latter; lam weighs the two. An error of the
    state is forgotten the faster the larger lam is (`closed_form.error_factor`).

    Args:
        lam: finite; outside [0, 1] the rule extrapolates.
        stop: in [0, 1): the times are drawn together into [stop, 1], see `stopped`, so that the last step goes
            from near `stop` to 0 in one. For lam = 1 it returns F(x_stop, stop) as the steps grow in number.
        power: above 0: each time t becomes t^power first, so that with less than 1 the steps near t = 1 are short.

    Returns:
        A sampler as `by_rule` makes it.

    Raises:
        InDIError: lam is not finite, `stop` is outside [0, 1), or `power` is not positive.
    """
    if not math.isfinite(lam):
        raise InDIError(f"lam must be a finite number, 0 (Cold Diffusion) to 1 (InDI), not {lam!r}.")
    if not 0 <= stop < 1:
        raise InDIError(f"stop must be at least 0 and below 1, not {stop!r}.")
    if not 0 < power < math.inf:
        raise InDIError(f"power must be a positive number, not {power!r}.")

    @by_rule
    def at_times(F: Restorer, start: Tensor) -> Rule:
        def step(x: Tensor, t: float, s: float, prediction: Tensor) -> Tensor:
            return x + (t - s) * (lam / t * (prediction - x) + (1 - lam) * (prediction - start))

        return step

    def sample(
        F: Restorer, y: Tensor, times: Sequence[float] | np.ndarray, *further: Any, **options: Any
    ) -> Tensor:
        grid = np.asarray(times, dtype=np.float64) ** power
        return at_times(F, y, stopped(grid, stop), *further, **options)

    given = f"lam={lam:g}, stop={stop:g}, power={power:g}"
    sample.__doc__ = f"`samplers.family({given})`; arguments and result as for `indi`."
    return sample


def stopped(times: Sequence[float] | np.ndarray, stop: float) -> np.ndarray:
    """The times with all but the last, 0, drawn together into [stop, 1]: t becomes stop + (1 - stop) t."""
    grid = np.asarray(times, dtype=np.float64)
    return np.append(stop + (1 - stop) * grid[:-1], grid[-1:])


anchored = family(lam=0.8, power=0.75)
"""A fifth of each step is anchored at the start, and the steps near t = 1 are short: t = (1 - i/N)^0.75.

Ours, not the paper's: of all candidates of chapter 16, its rule chose this one, on training images of all four tasks.
Whether it is better than `indi`, which stays the default, is judged there. Its gain in the Gaussian model is
`closed_form.family_gain(0.8, n, s, sigma, power=0.75)`; it leaves too little variance.
"""

SAMPLERS: dict[str, Sampler] = {"indi": indi, "naive": naive, "cold_diffusion": cold_diffusion}
"""The three of the paper, which its tables and figures compare."""

OURS: dict[str, Sampler] = {"anchored": anchored}


def sampler(name: str) -> Sampler:
    """The sampler called `name`: "indi", "naive", "cold_diffusion", or ours, "anchored".

    Raises:
        InDIError: no such sampler.
    """
    known = SAMPLERS | OURS
    if name not in known:
        raise unknown("sampler", name, known)
    return known[name]
