"""Step schedules and second-order solvers, against closed forms and exact transport."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import norm
from torch import Tensor

from indi.errors import InDIError
from indi.method import closed_form, samplers, solvers
from indi.method.samplers import Restorer

SECOND_ORDER = ("multistep", "heun")
SMOOTH = ("uniform", "convex", "cosine")


def gaussian(s: float = 1.0, sigma: float = 1.0) -> Restorer:
    return lambda x, t: x * (s**2 / (s**2 + t**2 * sigma**2)).view(-1, 1)


def one() -> Tensor:
    return torch.ones(1, 1, dtype=torch.float64)


def solve(name: str, F: Restorer, y: Tensor, calls: int, schedule: str = "uniform") -> Tensor:
    return solvers.solver(name).sample(F, y, solvers.times_for_calls(name, calls, schedule))


def slope(errors: list[float], calls: list[int]) -> float:
    return -float(np.polyfit(np.log(calls), np.log(errors), 1)[0])


@pytest.mark.parametrize("name", solvers.STEP_SCHEDULES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 10, 99, 500])
def test_schedules_descend_from_1_to_0_in_n_steps(name: str, n: int) -> None:
    times = solvers.step_schedule(name)(n)
    assert times.dtype == np.float64
    assert (len(times), times[0], times[-1]) == (n + 1, 1, 0)
    assert (np.diff(times) < 0).all()


def test_schedules_by_hand() -> None:
    assert solvers.power_times(4, 2.0).tolist() == [1, 0.5625, 0.25, 0.0625, 0]
    assert solvers.power_times(4, 1.0).tolist() == samplers.uniform_times(4).tolist()
    assert solvers.front_times(2).tolist() == [1, 0.9, 0]
    assert solvers.front_times(4, 0.5).tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert solvers.geometric_times(3).tolist() == pytest.approx([1, 0.99, 0.9, 0])
    assert solvers.cosine_times(3).tolist() == pytest.approx([1, math.sqrt(0.75), 0.5, 0])
    for name in ("concave", "cosine", "geometric", "front"):
        assert 1 - solvers.step_schedule(name)(10)[1] < 0.1, name  # finer than uniform at t = 1
    assert solvers.step_schedule("convex")(10)[-2] == pytest.approx(0.01)  # and the convex one at t = 0


@pytest.mark.parametrize("schedule", SMOOTH)
@pytest.mark.parametrize(("name", "order"), [("indi", 1), ("multistep", 2), ("heun", 2)])
@pytest.mark.parametrize(("s", "sigma"), [(1.0, 1.0), (1.0, 3.0)])
def test_order_on_the_gaussian(schedule: str, name: str, order: int, s: float, sigma: float) -> None:
    """The slope of log |gain - limit| against log N, N counting calls of F."""
    calls = [65, 129, 257, 513, 1025]
    limit = closed_form.limit_gain("indi", s, sigma)
    errors = [abs(float(solve(name, gaussian(s, sigma), one(), n, schedule)) - limit) for n in calls]
    assert slope(errors, calls) == pytest.approx(order, abs=0.1)


def mixture() -> tuple[np.ndarray, np.ndarray, float, float]:
    """Weights, means, standard deviation of each part of x, and sigma of y = x + sigma n."""
    return np.array([0.7, 0.3]), np.array([1.0, -1.0]), 0.5, 0.8


def mixture_restorer() -> Restorer:
    w, m, s, sigma = mixture()
    weights, means = torch.from_numpy(w), torch.from_numpy(m)

    def F(x: Tensor, t: Tensor) -> Tensor:
        variance = (s**2 + t**2 * sigma**2)[:, None]
        posterior = torch.softmax(weights.log() - (x - means) ** 2 / (2 * variance), dim=1)
        return (posterior * (means + s**2 / variance * (x - means))).sum(1, keepdim=True)

    return F


def mixture_transport(y: float) -> float:
    """x_0 of the exact path from y: in one dimension a law-keeping path keeps quantiles."""
    w, m, s, sigma = mixture()
    rank = float(w @ norm.cdf(y, m, math.hypot(s, sigma)))
    return float(brentq(lambda x: float(w @ norm.cdf(x, m, s)) - rank, -10, 10, xtol=1e-14))


@pytest.mark.parametrize(("name", "order"), [("indi", 1), ("multistep", 2), ("heun", 2)])
def test_order_with_a_nonlinear_restorer(name: str, order: int) -> None:
    y = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    exact = torch.tensor([mixture_transport(float(v)) for v in y], dtype=torch.float64)[:, None]
    calls = [129, 257, 513, 1025]
    errors = [float((solve(name, mixture_restorer(), y, n) - exact).abs().mean()) for n in calls]
    assert slope(errors, calls) == pytest.approx(order, abs=0.15)
    if order == 2:
        assert errors[0] < 0.1 * float((solve("indi", mixture_restorer(), y, calls[0]) - exact).abs().mean())


def test_a_line_in_t_would_lose_a_logarithm() -> None:
    """The reason for t^2 in `multistep`: with F a line in t, the order is visibly below 2."""

    def gain(n: int) -> float:
        x, before = 1.0, None
        for t, s in pairwise(samplers.uniform_times(n).tolist()):
            F = x / (1 + t**2)
            x = s / t * x + (1 - s / t) * F
            if before is not None:
                x += (before[1] - F) / (before[0] - t) * ((s * math.log(t / s) if s else 0) - (t - s))
            before = t, F
        return x

    calls = [65, 129, 257, 513, 1025]
    assert slope([abs(gain(n) - math.sqrt(0.5)) for n in calls], calls) < 1.9


@pytest.mark.parametrize("name", SECOND_ORDER)
@pytest.mark.parametrize("schedule", solvers.STEP_SCHEDULES)
@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_an_oracle_recovers_x(name: str, schedule: str, eps: float, generator: torch.Generator) -> None:
    x, y = torch.randn(2, 16, 4, generator=generator, dtype=torch.float64)
    for n in (1, 2, 7):
        x_0 = solvers.solver(name).sample(
            lambda x_t, t: x, y, solvers.step_schedule(schedule)(n), eps, "constant", generator
        )
        torch.testing.assert_close(x_0, x, rtol=0, atol=1e-11)


@pytest.mark.parametrize("schedule", solvers.STEP_SCHEDULES)
def test_multistep_is_exact_on_a_parabola_after_its_first_step(schedule: str) -> None:
    """x_t = A + B t + C t^2 has F = A - C t^2; an error e at t is carried on as (s/t) e."""
    A, B, C = 0.3, -1.0, 0.7
    states: list[tuple[float, float]] = []
    times = solvers.step_schedule(schedule)(6)
    x_0 = solvers.multistep(
        lambda x, t: (A - C * t**2)[:, None],
        (A + B + C) * one(),
        times,
        callback=lambda i, t, s, x, prediction: states.append((t, float(x))),
    )
    states.append((0.0, float(x_0)))
    error = [x - (A + B * t + C * t**2) for t, x in states]
    first = times[1]
    expected = [-C * (1 - first) ** 2 * t / first for t, _ in states[1:]]
    assert error[1:] == pytest.approx(expected, abs=1e-12)


def test_heun_by_hand() -> None:
    """F = t at t = 1, 1/2, 1/2: p = .5 y + .5 = 1, x_.5 = 1 + .5 (.5 - 1) = .75, x_0 = F = .5."""
    states: list[float] = []
    x_0 = solvers.heun(
        lambda x, t: t[:, None].expand_as(x),
        one(),
        samplers.uniform_times(2),
        callback=lambda i, t, s, x, prediction: states.append(float(x)),
    )
    assert [*states, float(x_0)] == pytest.approx([1, 0.75, 0.5])


@pytest.mark.parametrize("name", solvers.SOLVERS)
@pytest.mark.parametrize("calls", [1, 3, 5, 9, 19])
@pytest.mark.parametrize("schedule", solvers.STEP_SCHEDULES)
def test_calls_are_counted(name: str, calls: int, schedule: str) -> None:
    seen: list[float] = []

    def F(x: Tensor, t: Tensor) -> Tensor:
        seen.append(t[0].item())
        return x / 2

    solve(name, F, one(), calls, schedule)
    assert len(seen) == calls
    assert min(seen) > 0  # where (x - F) / t is not defined


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_one_step_is_the_regression_and_constants_stay(name: str) -> None:
    y = torch.randn(5, 3, dtype=torch.float64)
    F = gaussian()
    torch.testing.assert_close(solve(name, F, y, 1), F(y, torch.ones(5, dtype=torch.float64)))
    constant = solve(name, lambda x, t: torch.full_like(x, 0.25), y, 9)
    torch.testing.assert_close(constant, torch.full_like(y, 0.25))


def test_the_last_equal_step_by_hand() -> None:
    """F = t at t = 1, 1/2: x_.5 = .5 y + .5, then (4 * .5 - 1) / 3."""
    x_0 = solve("multistep", lambda x, t: t[:, None].expand_as(x), one(), 2)
    assert x_0.item() == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_the_start_is_that_of_the_samplers(name: str) -> None:
    """The same perturbation as InDI's, so that differences are paired."""
    y, F = torch.randn(5, 3, dtype=torch.float64), gaussian()
    starts: list[Tensor] = []
    for sample in (samplers.indi, solvers.solver(name).sample):
        sample(
            F, y, samplers.uniform_times(3), 0.3, "constant", torch.Generator().manual_seed(1),
            lambda i, t, s, x, prediction: starts.append(x) if i == 0 else None,
        )  # fmt: skip
    assert torch.equal(*starts)
    assert not torch.equal(starts[0], y)


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_brownian_noise_is_refused(name: str) -> None:
    sample = solvers.solver(name).sample
    with pytest.raises(InDIError, match="schedule='constant'"):
        sample(gaussian(), one(), samplers.uniform_times(2), 0.1, "brownian")
    assert bool(torch.isfinite(sample(gaussian(), one(), samplers.uniform_times(2), 0.0, "brownian")))


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(InDIError, match="heun takes an odd number"):
        solvers.times_for_calls("heun", 4)
    with pytest.raises(InDIError, match="Did you mean 'cosine'"):
        solvers.step_schedule("cosin")
    with pytest.raises(InDIError, match="Did you mean 'heun'"):
        solvers.solver("huen")
    with pytest.raises(InDIError, match="descend strictly"):
        solvers.multistep(gaussian(), one(), [1.0, 0.5])
    with pytest.raises(InDIError, match="rho"):
        solvers.power_times(3, 0.0)
    with pytest.raises(InDIError, match="inside"):
        solvers.geometric_times(3, 1.0)
    with pytest.raises(InDIError, match="knee"):
        solvers.front_times(3, 0.0)
    with pytest.raises(InDIError, match="at least 1"):
        solvers.front_times(0)


def lost_variance(name: str, schedule: str, calls: int) -> float:
    """Variance of the coordinate that H = diag(1, 0) loses; correlation .5, eps = .06; 1 is right."""
    H, zero = torch.diag(torch.tensor([1.0, 0.0])).double(), torch.zeros(2, dtype=torch.float64)
    covariance, eye = torch.tensor([[1.0, 0.5], [0.5, 1.0]]).double(), torch.eye(2, dtype=torch.float64)

    def F(x: Tensor, t: Tensor) -> Tensor:
        return closed_form.linear_gaussian_posterior_mean(x, t, zero, covariance, H, t * 0.06)

    A = solve(name, F, eye, calls, schedule).T
    return float((A @ (H @ covariance @ H.T + 0.06**2 * eye) @ A.T)[1, 1])


def test_where_the_degradation_is_deterministic_the_steps_decide() -> None:
    """What the last chapter says of its exact part."""
    late = 1 - lost_variance("multistep", "uniform", 11)
    for name in ("concave", "cosine", "geometric", "front"):
        assert 1 - lost_variance("indi", name, 11) < late, name
    assert lost_variance("multistep", "geometric", 5) > 2  # few calls after tiny steps: it overshoots
    for name, schedule in (("indi", "geometric"), ("heun", "geometric"), ("multistep", "uniform")):
        assert lost_variance(name, schedule, 5) < 1
    for name in solvers.SOLVERS:
        assert lost_variance(name, "cosine", 501) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("name", solvers.SOLVERS)
def test_where_y_is_noisy_equal_steps_do(name: str) -> None:
    """Of the schedules, equal steps are the best or the second best; the order matters more."""
    limit = math.sqrt(0.5)
    errors = {
        schedule: abs(float(solve(name, gaussian(), one(), 11, schedule)) - limit)
        for schedule in solvers.STEP_SCHEDULES
    }
    assert sorted(errors, key=errors.__getitem__).index("uniform") <= 1
    if name != "indi":
        first = abs(float(solve("indi", gaussian(), one(), 11)) - limit)
        assert errors["uniform"] < first / 2
