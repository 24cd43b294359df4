"""The forward process against its moments, and p(t) against its own distribution function."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from indi.errors import InDIError
from indi.method import process

DRAWS = 200_000
NAMES = ("linear_0", "linear_0.5", "linear_1.0", "bias_t1", "bias_t0", "bias_t0_t1")


@pytest.mark.parametrize(("schedule", "power"), [("constant", 2), ("brownian", 1)])
@pytest.mark.parametrize("t", [0.1, 0.5, 1.0])
def test_variance_of_x_t(schedule: str, power: int, t: float, generator: torch.Generator) -> None:
    """t^2 eps^2 for constant noise, t eps^2 for Brownian (errata 2 and 3)."""
    eps, zero = 0.06, torch.zeros(DRAWS, dtype=torch.float64)
    noise = process.randn_like(zero, generator)
    x_t = process.interpolate(zero, zero, torch.full((DRAWS,), t).double(), noise, eps, schedule)
    expected = t**power * eps**2
    five_standard_errors = 5 * expected * math.sqrt(2 / DRAWS)
    assert float(x_t.var()) == pytest.approx(expected, abs=five_standard_errors)


def test_interpolate_by_hand() -> None:
    x, y = torch.tensor([[[[1.0]]], [[[1.0]]]]), torch.tensor([[[[-1.0]]], [[[3.0]]]])
    noise = torch.tensor([[[[2.0]]], [[[-1.0]]]])
    x_t = process.interpolate(x, y, torch.tensor([0.25, 0.5]), noise, eps=0.1)
    assert x_t.flatten().tolist() == pytest.approx([0.75 - 0.25 + 0.25 * 0.1 * 2, 0.5 + 1.5 - 0.05])


@pytest.mark.parametrize("schedule", process.SCHEDULES)
def test_fault_x_and_y_swapped(schedule: str, generator: torch.Generator) -> None:
    """t = 0 is the clean x whatever the noise; t = 1 is y + eps n."""
    x, y, noise = torch.randn(3, 4, 3, 5, 5, generator=generator)
    ends = [process.interpolate(x, y, torch.full((4,), t), noise, 0.06, schedule) for t in (0.0, 1.0)]
    assert torch.equal(ends[0], x)
    torch.testing.assert_close(ends[1], y if schedule == "none" else y + 0.06 * noise)


def test_fault_noise_only_while_sampling(generator: torch.Generator) -> None:
    """Training sees the noise that sampling starts from: the same level at t = 1, and none may be left out."""
    zero = torch.zeros(DRAWS, 1)
    seen = process.interpolate(zero, zero, torch.ones(DRAWS), process.randn_like(zero, generator), 0.06)
    assert float(seen.std()) == pytest.approx(0.06, rel=0.01)
    with pytest.raises(InDIError, match="needs noise"):
        process.interpolate(zero, zero, torch.ones(DRAWS), eps=0.06)


@pytest.mark.parametrize("schedule", process.SCHEDULES)
@pytest.mark.parametrize(("t", "s"), [(1.0, 0.5), (0.5, 0.1), (0.3, 0.0)])
def test_a_step_keeps_the_noise_on_schedule(schedule: str, t: float, s: float) -> None:
    """Eq. 10: the old noise shrinks by s/t, and what is added brings it to s eps_s."""
    rule, eps = process.noise_schedule(schedule), 0.06
    before, after = (float(rule.std(eps, torch.tensor(v, dtype=torch.float64))) for v in (t, s))
    assert (s / t * before) ** 2 + rule.added(eps, t, s) ** 2 == pytest.approx(after**2, abs=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_cdf(name: str, generator: torch.Generator) -> None:
    p = process.time_distribution(name)
    t = p.sample(DRAWS, generator)
    assert 0 <= float(t.min()) <= float(t.max()) <= 1
    below = t[t < 1].double().numpy()  # the atom at 1 is tested apart: a KS test needs a density
    scale = 1 - p.mass_at_1
    result = stats.kstest(below, lambda v: p.cdf(torch.from_numpy(np.asarray(v))).numpy() / scale)
    assert result.pvalue > 1e-3


@pytest.mark.parametrize(("name", "mass"), [("linear_0", 0), ("linear_0.5", 1 / 3), ("linear_1.0", 1 / 2)])
def test_mass_at_1(name: str, mass: float, generator: torch.Generator) -> None:
    """Erratum 7."""
    p = process.time_distribution(name)
    assert p.mass_at_1 == pytest.approx(mass)
    share = float((p.sample(DRAWS, generator) == 1).double().mean())
    assert share == pytest.approx(mass, abs=5 * math.sqrt(mass * (1 - mass) / DRAWS))


@pytest.mark.parametrize("name", ["linear_0.5", "linear_1.0"])
def test_fault_never_t_1(name: str, generator: torch.Generator) -> None:
    """Every sampler starts at t = 1 exactly, so training must see it, not only come near."""
    assert bool((process.time_distribution(name).sample(256, generator) == 1).any())


def test_the_cdf_jumps_to_1() -> None:
    cdf = process.time_distribution("linear_1.0").cdf(torch.tensor([0.0, 0.5, 0.999, 1.0]))
    assert cdf.tolist() == pytest.approx([0.0, 0.25, 0.4995, 1.0])


def test_means_and_tails_of_the_sine_based() -> None:
    """bias_t0_t1 is biased to both ends (erratum 8)."""
    low, high = process.time_distribution("bias_t0_t1").cdf(torch.tensor([0.1, 0.9])).tolist()
    assert (low, 1 - high) == pytest.approx((0.205, 0.205), abs=5e-4)
    u = (torch.arange(100_000) + 0.5) / 100_000
    expected = {"bias_t1": 2 / math.pi, "bias_t0": 1 - 2 / math.pi, "bias_t0_t1": 0.5}
    for name, mean in expected.items():
        assert float(process.time_distribution(name).quantile(u).mean()) == pytest.approx(mean, abs=1e-4)


def test_the_seed_is_used() -> None:
    p = process.time_distribution("bias_t1")
    first, again, other = (p.sample(8, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    "name", ["linear_-1", "linear_", "linear_x", "linear_inf", "linear_nan", "xlinear_1"]
)
def test_no_such_linear(name: str) -> None:
    with pytest.raises(InDIError, match="Valid: "):
        process.time_distribution(name)


def test_errors_name_the_nearest() -> None:
    with pytest.raises(InDIError, match=r"unknown time distribution 'bias_t2'\. Did you mean 'bias_t[01]'"):
        process.time_distribution("bias_t2")
    with pytest.raises(InDIError, match=r"Did you mean 'brownian'.*Valid: brownian, constant, none"):
        process.noise_schedule("browian")
