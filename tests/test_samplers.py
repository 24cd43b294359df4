"""The samplers against closed forms, and against what holds for any F."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from indi.errors import InDIError
from indi.method import closed_form, process, samplers
from indi.method.samplers import Restorer

ALL = tuple(samplers.SAMPLERS)
SCHEDULES = tuple(process.SCHEDULES)

#: Gains for s = sigma = 1, worked out apart from this code, to four decimals.
TABLE = {
    1: (0.5000, 0.5000, 0.5000),
    2: (0.6000, 0.6000, 0.5500),
    3: (0.6346, 0.6462, 0.5667),
    5: (0.6629, 0.6973, 0.5804),
    10: (0.6847, 0.7576, 0.5910),
    50: (0.7026, 0.8645, 0.5997),
    100: (0.7048, 0.8975, 0.6009),
}


def gaussian(s: float, sigma: float) -> Restorer:
    return lambda x, t: x * (s**2 / (s**2 + t**2 * sigma**2)).view(-1, 1)


def random_restorer(seed: int = 3) -> Restorer:
    """A nonlinear F that depends on x and t, so that no identity holds by accident."""
    W = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return lambda x, t: torch.tanh(x @ W[0] + t[:, None]) @ W[1]


def random_times(seed: int, n: int = 7) -> np.ndarray:
    inner = np.sort(np.random.default_rng(seed).uniform(0.01, 0.99, n - 1))[::-1]
    return np.concatenate([[1.0], inner, [0.0]])


def points(n: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def record(name: str, F: Restorer, y: Tensor, times: np.ndarray, **more: object) -> tuple[Tensor, list]:
    """x_0 and (i, t, s, x_t, F) of each step."""
    steps: list = []
    x_0 = samplers.sampler(name)(F, y, times, callback=lambda *step: steps.append(step), **more)  # type: ignore[arg-type]
    return x_0, steps


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("schedule", ["constant", "brownian"])
def test_one_generator_per_signal_makes_batches_irrelevant(name: str, schedule: str) -> None:
    def generators() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(i) for i in range(3)]

    def run(some: slice) -> Tensor:
        times = samplers.uniform_times(4)
        return samplers.sampler(name)(lambda x, t: 0.5 * x, y[some], times, 0.3, schedule, generators()[some])

    y = points(3)
    whole = run(slice(None))
    assert torch.equal(whole, torch.cat([run(slice(i, i + 1)) for i in range(3)]))
    with pytest.raises(InDIError, match="2 generators for 3 images"):
        process.randn_like(y, generators()[:2])


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("s", "sigma"), [(1.0, 1.0), (1.0, 0.1), (0.3, 2.0), (5.0, 1.0)])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 50, 333])
def test_gaussian_gain(name: str, s: float, sigma: float, n: int) -> None:
    y = torch.tensor([[1.0], [-2.0]], dtype=torch.float64)
    x_0 = samplers.sampler(name)(gaussian(s, sigma), y, samplers.uniform_times(n))
    gain = closed_form.sampler_gain(name, n, s, sigma)
    assert (x_0 / y).flatten().tolist() == pytest.approx([gain, gain], abs=1e-10, rel=1e-10)


@pytest.mark.parametrize("n", TABLE)
def test_gaussian_gain_table(n: int) -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    gains = [samplers.sampler(name)(gaussian(1, 1), one, samplers.uniform_times(n)).item() for name in ALL]
    assert gains == pytest.approx(TABLE[n], abs=5.1e-5)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("seed", range(4))
def test_an_oracle_recovers_x(schedule: str, seed: int) -> None:
    """F = x, any steps, any noise: InDI returns x."""
    x, y = points(seed=1), points(seed=2)
    generator = torch.Generator().manual_seed(seed)
    x_0 = samplers.indi(lambda x_t, t: x, y, random_times(seed), 0.5, schedule, generator)
    torch.testing.assert_close(x_0, x, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_one_step_is_the_regression(name: str) -> None:
    F, y = random_restorer(), points()
    x_0 = samplers.sampler(name)(F, y, samplers.uniform_times(1))
    torch.testing.assert_close(x_0, F(y, torch.ones(len(y), dtype=y.dtype)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_one_step_with_noise_restores_the_perturbed_y(name: str) -> None:
    """Erratum 11: F(y + eps n, 1), with nothing of eps n left over."""
    F, y = random_restorer(), points()
    noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(5), dtype=y.dtype)
    x_0 = samplers.sampler(name)(F, y, [1.0, 0.0], 0.3, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(x_0, F(y + 0.3 * noise, torch.ones(len(y), dtype=y.dtype)))


@pytest.mark.parametrize("eps", [0.0, 0.3])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_cold_diffusion_is_the_mean_of_its_predictions(
    eps: float, schedule: str, generator: torch.Generator
) -> None:
    times = random_times(1)
    x_0, steps = record(
        "cold_diffusion", random_restorer(), points(), times, eps=eps, schedule=schedule, generator=generator
    )
    weighted = sum((t - s) * prediction for _, t, s, _, prediction in steps)
    torch.testing.assert_close(x_0, weighted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["indi", "naive"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_last_step_returns_the_prediction(name: str, schedule: str, generator: torch.Generator) -> None:
    F = random_restorer()
    x_0, steps = record(name, F, points(), random_times(2), eps=0.3, schedule=schedule, generator=generator)
    _, t, s, x_delta, prediction = steps[-1]
    assert s == 0
    assert torch.equal(x_0, prediction)
    assert torch.equal(prediction, F(x_delta, torch.full((len(x_delta),), t, dtype=x_delta.dtype)))


def test_indi_is_cold_diffusion_with_the_estimated_y() -> None:
    F, times = random_restorer(), random_times(3)
    x = y = points()
    for t, s in pairwise(times):
        estimate = F(x, torch.full((len(x),), t, dtype=x.dtype))
        y_hat = (x - (1 - t) * estimate) / t
        x = x - ((1 - t) * estimate + t * y_hat) + ((1 - s) * estimate + s * y_hat)  # Eq. 13
    torch.testing.assert_close(samplers.indi(F, y, times), x, rtol=0, atol=1e-12)


def test_naive_by_hand() -> None:
    """Two steps of Eq. 11 with F = x / 2: x_.5 = .5 * .5 y + .5 y = .75 y, x_0 = .375 y."""
    y = torch.tensor([[8.0]])
    assert samplers.naive(lambda x, t: x / 2, y, [1.0, 0.5, 0.0]).item() == 3.0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", range(1, 21))
def test_fault_n_minus_1_steps(name: str, n: int) -> None:
    """n steps are n calls of F, the first at t = 1 and the last at t = 1/n (erratum 6)."""
    seen: list[float] = []

    def F(x: Tensor, t: Tensor) -> Tensor:
        assert t.shape == (2,)
        assert t[0] == t[1]
        seen.append(t[0].item())
        return x

    samplers.sampler(name)(F, torch.zeros(2, 3, dtype=torch.float64), samplers.uniform_times(n))
    assert seen == [i / n for i in range(n, 0, -1)]


def test_fault_integer_i_at_sampling() -> None:
    """The times F sees while sampling lie in (0, 1], as in training, and are not step numbers."""
    _, steps = record("indi", random_restorer(), points(), samplers.uniform_times(8))
    assert [t for _, t, *_ in steps] == [1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]


@pytest.mark.parametrize("name", ALL)
def test_fault_noise_only_while_sampling(name: str) -> None:
    """The state at each t has the noise that training saw there; with F = 0 and y = 0 it is all there is."""
    n, eps = 40_000, 0.5
    zero = torch.zeros(n, 1, dtype=torch.float64)
    for schedule in ("constant", "brownian") if name == "indi" else ("constant",):
        generator = torch.Generator().manual_seed(0)
        _, steps = record(
            name, lambda x, t: torch.zeros_like(x), zero, samplers.uniform_times(4),
            eps=eps, schedule=schedule, generator=generator,
        )  # fmt: skip
        for _, t, _, x_t, _ in steps:
            expected = float(process.noise_schedule(schedule).std(eps, torch.tensor(t)))
            assert float(x_t.std()) == pytest.approx(expected, rel=5 / math.sqrt(2 * n))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_brownian_ends_finite(name: str, dtype: torch.dtype, generator: torch.Generator) -> None:
    """Erratum 5: Eq. 10 as printed is 0 * inf at the last step."""
    y = points().to(dtype)
    x_0 = samplers.sampler(name)(
        lambda x, t: x / 2, y, samplers.uniform_times(10), 0.06, "brownian", generator
    )
    assert bool(torch.isfinite(x_0).all())
    assert x_0.dtype == dtype


@pytest.mark.parametrize("schedule", ["none", "constant", "brownian"])
def test_indi_keeps_the_law(schedule: str, generator: torch.Generator) -> None:
    """With exact F, x_t has its own law at every t of many small steps, and x_0 has that of x."""
    n, s, sigma, eps = 100_000, 1.0, 0.7, 0.4
    std = process.noise_schedule(schedule).std

    def F(x: Tensor, t: Tensor) -> Tensor:
        return x * (s**2 / (s**2 + t**2 * sigma**2 + std(eps, t) ** 2)).view(-1, 1)

    x = s * torch.randn(n, 1, generator=generator, dtype=torch.float64)
    y = x + sigma * torch.randn(n, 1, generator=generator, dtype=torch.float64)
    x_0, steps = record(
        "indi", F, y, samplers.uniform_times(200), eps=eps, schedule=schedule, generator=generator
    )
    tolerance = 5 * math.sqrt(2 / n) + 0.005  # sampling error, and the bias of 200 steps
    for _, t, _, x_t, _ in steps[::40]:
        law = s**2 + t**2 * sigma**2 + float(std(eps, torch.tensor(t))) ** 2
        assert float(x_t.var()) == pytest.approx(law, rel=tolerance)
    assert float(x_0.var()) == pytest.approx(s**2, rel=tolerance)


@pytest.mark.parametrize(("H", "sigma"), [([[1.0, 0], [0, 1]], 1.0), ([[1.0, 0], [0, 0]], 0.4)])
def test_toy_iterates_end_on_modes(H: list[list[float]], sigma: float, generator: torch.Generator) -> None:
    """Fig. 1 (a) and (b): InDI ends on a mode, where one step returns a mean of them."""
    modes = torch.tensor([[1.0, 1], [-1, 1], [-1, -1], [1, -1]], dtype=torch.float64)
    operator, weights = torch.tensor(H, dtype=torch.float64), torch.full((4,), 0.25, dtype=torch.float64)
    x = modes[torch.randint(4, (500,), generator=generator)]
    y = x @ operator.T + sigma * torch.randn(500, 2, generator=generator, dtype=torch.float64)

    def F(x: Tensor, t: Tensor) -> Tensor:
        return closed_form.mixture_posterior_mean(x, t, modes, weights, operator, sigma)

    distance = {
        n: torch.cdist(samplers.indi(F, y, samplers.uniform_times(n)), modes).amin(1) for n in (1, 100)
    }
    assert float((distance[100] < 1e-6).double().mean()) > 0.99
    assert float((distance[1] < 0.1).double().mean()) < 0.2
    assert float(distance[100].max()) < 0.5


@pytest.mark.parametrize(("n", "variance"), [(1, 0.25), (10, 0.44), (100, 0.91), (1000, 0.99)])
def test_why_noise_matters(n: int, variance: float) -> None:
    """y = diag(1, 0) x, correlation .5: the lost variance returns with eps = .06, and never with eps = 0."""
    covariance = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    H, zero = torch.diag(torch.tensor([1.0, 0.0])).double(), torch.zeros(2, dtype=torch.float64)

    def lost(eps: float) -> float:
        def F(x: Tensor, t: Tensor) -> Tensor:
            return closed_form.linear_gaussian_posterior_mean(x, t, zero, covariance, H, t * eps)

        # InDI is linear here: its matrix is what it makes of the two unit vectors (no noise is drawn)
        A = samplers.indi(F, torch.eye(2, dtype=torch.float64), samplers.uniform_times(n)).T
        start = H @ covariance @ H.T + eps**2 * torch.eye(2, dtype=torch.float64)
        return float((A @ start @ A.T)[1, 1])

    assert lost(0.06) == pytest.approx(variance, abs=0.005)
    assert lost(0.0) == pytest.approx(0.25, abs=1e-8)


@pytest.mark.parametrize("name", ALL)
def test_the_input_stays_and_the_seed_counts(name: str) -> None:
    F, y = random_restorer(), points()
    kept = y.clone()
    runs = [
        samplers.sampler(name)(
            F, y, samplers.uniform_times(4), 0.3, "brownian", torch.Generator().manual_seed(seed)
        )
        for seed in (1, 1, 2)
    ]
    assert torch.equal(y, kept)
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


@pytest.mark.parametrize(
    "times",
    [[1.0], [1.0, 0.5], [0.9, 0.0], [1.0, 0.5, 0.5, 0.0], [0.0, 1.0], [1.0, float("nan"), 0.0], [[1.0, 0.0]]],
)
def test_malformed_times(times: list) -> None:
    with pytest.raises(InDIError, match="descend strictly from 1 to 0"):
        samplers.indi(lambda x, t: x, torch.zeros(1, 1), times)


def test_unknown_names() -> None:
    with pytest.raises(InDIError, match="Did you mean 'indi'"):
        samplers.sampler("indy")
    with pytest.raises(InDIError, match="at least 1"):
        samplers.uniform_times(0)
    with pytest.raises(InDIError, match="Did you mean 'constant'"):
        samplers.naive(lambda x, t: x, torch.zeros(1, 1), [1.0, 0.0], 0.1, "constnat")


LAMBDAS = (-0.3, 0.0, 0.5, 0.8, 1.0, 1.3)


@pytest.mark.parametrize(("lam", "name"), [(1.0, "indi"), (0.0, "cold_diffusion")])
@pytest.mark.parametrize("eps", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_the_family_ends_in_the_two_samplers(lam: float, name: str, eps: float, seed: int) -> None:
    """For any F, any steps: every state is that of InDI (lam = 1) or of Cold Diffusion (lam = 0)."""
    F, y, times = random_restorer(seed), points(), random_times(seed)

    def run(sample: samplers.Sampler) -> list[Tensor]:
        visited: list[Tensor] = []
        generator = torch.Generator().manual_seed(7)
        x_0 = sample(F, y, times, eps, generator=generator, callback=lambda i, t, s, x, p: visited.append(x))
        return [*visited, x_0]

    expected = run(samplers.sampler(name))
    for ours, theirs in zip(run(samplers.family(lam)), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("lam", LAMBDAS)
def test_the_family_is_its_definition(lam: float) -> None:
    """x_s = x_t + (t - s) [F - lam y_t - (1 - lam) x_1], with the y_t that state and prediction agree with."""
    y, times, steps = points(), random_times(2), []
    samplers.family(lam)(random_restorer(), y, times, callback=lambda *step: steps.append(step))
    for (_, t, s, x_t, F), (_, _, _, x_s, _) in pairwise(steps):
        y_t = (x_t - (1 - t) * F) / t
        torch.testing.assert_close(x_t, (1 - t) * F + t * y_t)  # x_t lies on the line from F to y_t
        torch.testing.assert_close(x_s, x_t + (t - s) * (F - lam * y_t - (1 - lam) * y), rtol=0, atol=1e-12)


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize(("s", "sigma"), [(1.0, 1.0), (0.3, 2.0), (5.0, 1.0)])
@pytest.mark.parametrize(
    ("n", "stop", "power"),
    [
        (1, 0.0, 1.0),
        (2, 0.0, 1.0),
        (7, 0.0, 1.0),
        (100, 0.0, 1.0),
        (2, 0.3, 1.0),
        (9, 0.6, 0.5),
        (9, 0.0, 2.0),
    ],
)
def test_gain_of_the_family(lam: float, s: float, sigma: float, n: int, stop: float, power: float) -> None:
    one, times = torch.ones(1, 1, dtype=torch.float64), samplers.uniform_times(n)
    gain = closed_form.family_gain(lam, n, s, sigma, stop, power)
    found = samplers.family(lam, stop, power)(gaussian(s, sigma), one, times).item()
    assert found == pytest.approx(gain, rel=1e-11)


@pytest.mark.parametrize("lam", LAMBDAS)
@pytest.mark.parametrize("J", [-0.2, 0.0, 0.6, 1.0, 1.1])
def test_errors_are_forgotten_as_the_linear_model_says(lam: float, J: float) -> None:
    """Two runs of one F, linear with slope J, that differ by an error in the state at t: its factor down to s."""
    times, target = samplers.uniform_times(40), points(seed=4)

    def F(x: Tensor, t: Tensor) -> Tensor:
        return target + J * (x - target)

    def run(error: float) -> list[Tensor]:
        visited: list[Tensor] = []

        def disturbed(x: Tensor, t: Tensor) -> Tensor:
            # e enters the state through the first prediction alone
            return F(x, t) + (error if float(t[0]) == 1 else 0.0)

        samplers.family(lam)(disturbed, points(), times, callback=lambda i, t, s, x, p: visited.append(x))
        return visited

    ratios = [(b - a).mean().item() for a, b in zip(run(0.0), run(1e-3), strict=True)][1:]
    for (before, after), (t, s) in zip(pairwise(ratios), pairwise(times[1:-1]), strict=True):
        assert after / before == pytest.approx(closed_form.error_factor(lam, J, t, s), rel=1e-6)


@pytest.mark.parametrize("p", [0.5, 1.0, 2.0])
def test_errors_of_F_itself_add_up_where_none_is_forgotten(p: float) -> None:
    """F adds beta t^p to x and J times the state's error: chapter 16's sum for J = 1, the last error for J = 0."""
    x, y, beta, n = points(seed=4), points(), 0.01, 1000

    def left(J: float, steps: int) -> float:
        def F(z: Tensor, t: Tensor) -> Tensor:
            s = t[:, None]
            return x + J * (z - (1 - s) * x - s * y) + beta * s**p

        return (samplers.indi(F, y, samplers.uniform_times(steps)) - x).mean().item()

    added = sum((i / n) ** p / i for i in range(1, n + 1))
    assert left(1.0, n) == pytest.approx(beta * added, rel=1e-9)
    assert added == pytest.approx(1 / p, rel=0.03)  # the integral of t^p / t
    assert left(0.0, n) == pytest.approx(beta / n**p, rel=1e-6)
    assert left(0.3, 1) == pytest.approx(beta, rel=1e-9)


def test_the_family_refuses_what_it_has_no_rule_for() -> None:
    with pytest.raises(InDIError, match="no rule"):
        samplers.family(0.5)(random_restorer(), points(), [1.0, 0.0], 0.1, "brownian")
    with pytest.raises(InDIError, match="finite"):
        samplers.family(math.nan)
    with pytest.raises(InDIError, match="below 1"):
        samplers.family(1.0, 1.0)
    with pytest.raises(InDIError, match="positive"):
        samplers.family(1.0, power=0.0)


@pytest.mark.parametrize("n", [1, 2, 9])
def test_stopping_returns_the_prediction_there(n: int) -> None:
    """lam = 1: all steps but the last lie above `stop`, and the last returns its F; the first is at 1."""
    steps: list = []
    x_0 = samplers.family(1.0, 0.4)(
        random_restorer(), points(), samplers.uniform_times(n), callback=lambda *step: steps.append(step)
    )
    times = [t for _, t, _, _, _ in steps]
    assert times == pytest.approx([1 - 0.6 * i / n for i in range(n)])
    torch.testing.assert_close(x_0, steps[-1][-1], rtol=0, atol=1e-13)
    assert samplers.stopped([1.0, 0.5, 0.0], 0.0).tolist() == [1, 0.5, 0]


@pytest.mark.parametrize("n", [1, 2, 10, 100])
def test_our_sampler_has_its_closed_form(n: int) -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    gain = closed_form.family_gain(0.8, n, 1.5, 0.7, power=0.75)
    ours = samplers.sampler("anchored")(gaussian(1.5, 0.7), one, samplers.uniform_times(n))
    assert ours.item() == pytest.approx(gain, rel=1e-12)
