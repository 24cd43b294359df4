"""Beyond the paper: where the steps are put, and second-order solvers of dx/dt = (x - F(x, t)) / t.

The equation is Eq. 6 as corrected (erratum 1). On a solution, F(x_t, t) = x_t - t x'_t, so that
dF/dt = -t x''_t: where x'' is finite, F along the path is flat at t = 0 and smooth in t^2 rather
than in t. With F_r known at another time r of the path, the line through F_t and F_r in t^2, put
into the exact solution x_s = (s/t) x_t + s int_s^t F(tau) / tau^2 dtau, gives

    x_s = (s/t) x_t + (1 - s/t) F_t - (t - s)^2 / (r^2 - t^2) (F_r - F_t),

without a singularity at s = 0. The first two terms are InDI's step (Eq. 5); the third vanishes where
F is constant, and the whole is exact where the path is a parabola. A line in t instead of t^2 would
leave an error of N^-2 log N.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from indi.errors import InDIError, unknown
from indi.method import samplers
from indi.method.samplers import Restorer, Rule, Sampler, by_rule, uniform_times

Times = Callable[[int], np.ndarray]
"""n -> the n + 1 descending float64 times 1, ..., 0 of n steps."""


def power_times(n: int, rho: float) -> np.ndarray:
    """t_i = (1 - i/n)^rho: rho > 1 is fine near t = 0, rho < 1 near t = 1, rho = 1 is uniform.

    Raises:
        InDIError: n < 1, or rho is not positive.
    """
    if not rho > 0:
        raise InDIError(f"rho must be positive, not {rho!r}.")
    return uniform_times(n) ** rho


def cosine_times(n: int) -> np.ndarray:
    """t_i = cos(i/n pi/2): 1 - t grows quadratically at first.

    Raises:
        InDIError: n < 1.
    """
    return np.append(np.cos((1 - uniform_times(n)[:-1]) * np.pi / 2), 0.0)


def geometric_times(n: int, first: float = 0.01) -> np.ndarray:
    """1 - t = first, ..., 1 in equal ratios; one step goes from 1 to 0.

    Raises:
        InDIError: n < 1, or `first` is not inside (0, 1).
    """
    if not 0 < first < 1:
        raise InDIError(f"the first step must be inside (0, 1), not {first!r}.")
    if n <= 1:
        return uniform_times(n)
    return np.concatenate([[1.0], 1 - np.geomspace(first, 1, n)])


def front_times(n: int, knee: float = 0.9) -> np.ndarray:
    """Half of the steps (rounded down) from 1 to `knee`, the rest from there to 0: 1, 0.9, 0 for n = 2.

    Raises:
        InDIError: n < 1, or the knee is not inside (0, 1).
    """
    if not 0 < knee < 1:
        raise InDIError(f"the knee must be inside (0, 1), not {knee!r}.")
    if n <= 1:
        return uniform_times(n)
    early, late = uniform_times(n // 2), uniform_times(n - n // 2)
    return np.concatenate([knee + (1 - knee) * early, knee * late[1:]])


STEP_SCHEDULES: dict[str, Times] = {
    "uniform": uniform_times,
    "concave": lambda n: power_times(n, 0.5),
    "convex": lambda n: power_times(n, 2.0),
    "cosine": cosine_times,
    "geometric": geometric_times,
    "front": front_times,
}


def step_schedule(name: str) -> Times:
    """The step schedule called `name`: see `STEP_SCHEDULES`.

    Raises:
        InDIError: no such schedule.
    """
    if name not in STEP_SCHEDULES:
        raise unknown("step schedule", name, STEP_SCHEDULES)
    return STEP_SCHEDULES[name]


@by_rule
def multistep(F: Restorer, start: Tensor) -> Rule:
    """Second order with one call a step: the formula above with F_r from the step before.

    The first step is InDI's, so that one step is the regression F(y, 1). The last of n equal steps
    returns (4 F_t - F_r) / 3, not F_t itself. The weight of F_r - F_t is at most 1/3 with equal steps;
    after a much shorter step it is large, the line is drawn out far, and few steps overshoot.
    """
    before: tuple[float, Tensor] | None = None  # time and prediction of the step before

    def step(x: Tensor, t: float, s: float, prediction: Tensor) -> Tensor:
        nonlocal before
        x_s = (1 - s / t) * prediction + (s / t) * x
        if before is not None:
            r, F_r = before
            x_s = x_s - (t - s) ** 2 / (r**2 - t**2) * (F_r - prediction)
        before = t, prediction
        return x_s

    return step


@by_rule
def heun(F: Restorer, start: Tensor) -> Rule:
    """Second order with two calls a step: Heun's method, the mean of the velocities at t and s.

    With InDI's step as the predictor p, x_s = p + (t - s) / (2 s) (F(p, s) - F(x_t, t)). The last
    step, where s = 0, is InDI's (exact F has F(p, 0) = p, and a call would say nothing): n steps are
    2n - 1 calls. The callback is called once a step.
    """

    def step(x: Tensor, t: float, s: float, prediction: Tensor) -> Tensor:
        predicted = (1 - s / t) * prediction + (s / t) * x
        if s == 0:
            return predicted
        return predicted + (t - s) / (2 * s) * (samplers.predict(F, predicted, s) - prediction)

    return step


@dataclass(frozen=True)
class Solver:
    """A solver and its price.

    Attributes:
        sample: of the signature of the samplers.
        calls: n -> how often F is called in n steps.
        label: for readers.
    """

    sample: Sampler
    calls: Callable[[int], int]
    label: str


SOLVERS: dict[str, Solver] = {
    "indi": Solver(samplers.indi, lambda n: n, "InDI (order 1)"),
    "multistep": Solver(multistep, lambda n: n, "multistep (order 2)"),
    "heun": Solver(heun, lambda n: 2 * n - 1, "Heun (order 2)"),
}


def solver(name: str) -> Solver:
    """The solver called `name`: "indi", "multistep" or "heun".

    Raises:
        InDIError: no such solver.
    """
    if name not in SOLVERS:
        raise unknown("solver", name, SOLVERS)
    return SOLVERS[name]


def times_for_calls(name: str, calls: int, step_schedule_name: str = "uniform") -> np.ndarray:
    """The times at which solver `name` calls F exactly `calls` times.

    Raises:
        InDIError: no such solver or schedule, or no number of steps takes that many calls: Heun's
            are odd.
    """
    found = next((n for n in range(1, calls + 1) if solver(name).calls(n) == calls), None)
    if found is None:
        raise InDIError(f"no number of steps of {name} takes {calls} calls of F; heun takes an odd number.")
    return step_schedule(step_schedule_name)(found)
