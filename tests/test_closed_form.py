"""The exact posterior means against numerical integration and Gaussian conditioning."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from scipy.integrate import quad, solve_ivp
from scipy.stats import multivariate_normal, norm
from torch import Tensor

from indi.errors import InDIError
from indi.method import closed_form

MODES = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [0.5, -2.0]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
EYE = torch.eye(2, dtype=torch.float64)
H = torch.tensor([[1.0, 0.4], [0.0, 0.3]], dtype=torch.float64)


def column(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_mixture_by_densities() -> None:
    """Eq. 3 with scipy's densities."""
    x_t, t, sigma = torch.tensor([[0.3, -0.7], [1.5, 0.2]]).double(), column(0.6, 1.0), 0.8
    ours = closed_form.mixture_posterior_mean(x_t, t, MODES, WEIGHTS, H, sigma)
    for i in range(2):
        H_t = (1 - t[i]) * EYE + t[i] * H
        density = [
            float(w) * multivariate_normal.pdf(x_t[i].numpy(), (H_t @ c).numpy(), (float(t[i]) * sigma) ** 2)
            for w, c in zip(WEIGHTS, MODES, strict=True)
        ]
        expected = sum(d * c for d, c in zip(density, MODES, strict=True)) / sum(density)
        torch.testing.assert_close(ours[i], expected, rtol=1e-10, atol=1e-12)


def test_mixture_is_the_regression_of_x_on_x_t() -> None:
    """The defining property, by numerical integration: E[x g(x_t)] = E[F(x_t) g(x_t)] for test functions g."""
    modes, weights = torch.tensor([[-1.0], [2.0]]).double(), column(0.7, 0.3)
    t, sigma, eye = 0.5, 1.3, torch.eye(1, dtype=torch.float64)

    def F(v: float) -> float:
        return closed_form.mixture_posterior_mean(
            column(v)[None], column(t), modes, weights, eye, sigma
        ).item()

    for g in (math.cos, math.tanh, lambda v: v**2):
        left = right = 0.0
        for c, w in zip((-1.0, 2.0), (0.7, 0.3), strict=True):
            law = norm(c, t * sigma)  # x_t = x + t sigma n, since H = I
            left += w * c * quad(lambda v, law=law, g=g: g(v) * law.pdf(v), -8, 9)[0]
            right += w * quad(lambda v, law=law, g=g: F(v) * g(v) * law.pdf(v), -8, 9)[0]
        assert left == pytest.approx(right, abs=1e-7)


def test_two_points_by_hand() -> None:
    """+-1 with equal weights and H = I: E[x | x_t] = tanh(x_t / (t sigma)^2)."""
    modes, weights = torch.tensor([[1.0], [-1.0]]).double(), column(0.5, 0.5)
    eye = torch.eye(1, dtype=torch.float64)
    F = closed_form.mixture_posterior_mean(column(0.3)[None], column(0.5), modes, weights, eye, 1.2)
    assert F.item() == pytest.approx(math.tanh(0.3 / 0.36), abs=1e-14)


def test_mixture_survives_underflow() -> None:
    """Near t = 0 every Gaussian of Eq. 3 underflows, and as printed it is 0/0."""
    eye, weights = torch.eye(2, dtype=torch.float64), column(1, 0, 0) * 0.5 + 0.5 / 3
    x_t = MODES + 0.2
    F = closed_form.mixture_posterior_mean(x_t, torch.full((3,), 1e-6).double(), MODES, weights, eye, 1.0)
    torch.testing.assert_close(F, MODES)


def test_linear_gaussian_by_joint_covariance() -> None:
    """The conditional mean of a joint Gaussian of (x, x_t), built from (x, n)."""
    mean, covariance = column(0.5, -1.0), torch.tensor([[2.0, 0.6], [0.6, 1.0]]).double()
    x_t, t, std = torch.tensor([[0.3, -0.7], [1.5, 0.2]]).double(), column(0.3, 0.9), column(0.2, 0.5)
    ours = closed_form.linear_gaussian_posterior_mean(x_t, t, mean, covariance, H, std)
    for i in range(2):
        H_t = (1 - t[i]) * EYE + t[i] * H
        lift = torch.cat([EYE, H_t])  # (x, n) -> (x, x_t)
        joint = lift @ covariance @ lift.T
        joint[2:, 2:] += std[i] ** 2 * EYE
        expected = mean + joint[:2, 2:] @ torch.linalg.solve(joint[2:, 2:], x_t[i] - H_t @ mean)
        torch.testing.assert_close(ours[i], expected, rtol=1e-10, atol=1e-12)


def test_linear_gaussian_without_noise() -> None:
    """y = diag(1, 0) x without noise: the first coordinate is known, the second regresses on it."""
    covariance = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    lost, zero = torch.diag(column(1, 0)), column(0, 0)
    at_1 = closed_form.linear_gaussian_posterior_mean(
        column(1, 0)[None], column(1), zero, covariance, lost, 0.0
    )
    torch.testing.assert_close(at_1, column(1, 0.5)[None])
    x = column(0.8, -0.3)
    half = closed_form.linear_gaussian_posterior_mean(
        (x * column(1, 0.5))[None], column(0.5), zero, covariance, lost, 0.0
    )
    torch.testing.assert_close(half, x[None])  # H_t is invertible for t < 1


def test_gaussian_is_the_linear_case() -> None:
    s, sigma, t = 1.4, 0.7, 0.6
    one = torch.ones(1, 1, dtype=torch.float64)
    F = closed_form.linear_gaussian_posterior_mean(one, column(t), column(0), one * s**2, one, t * sigma)
    assert F.item() == pytest.approx(closed_form.gaussian_gain(t, s, sigma), abs=1e-14)


@pytest.mark.parametrize(("s", "sigma"), [(1.0, 1.0), (1.0, 0.2), (0.5, 2.0)])
@pytest.mark.parametrize("sampler", ["indi", "cold_diffusion"])
def test_limit_gain_solves_the_ode(sampler: str, s: float, sigma: float) -> None:
    """The limit of small steps, by an ODE solver: dg/dt = (1 - a_t) g / t, or 1 - a_t g."""

    def slope(t: float, g: float) -> float:
        a = closed_form.gaussian_gain(t, s, sigma)
        return 1 - a * g if sampler == "cold_diffusion" else (1 - a) * g / t

    end = solve_ivp(slope, (1.0, 1e-9), [1.0], rtol=1e-11, atol=1e-12).y[0, -1]
    assert closed_form.limit_gain(sampler, s, sigma) == pytest.approx(end, abs=1e-7)


@pytest.mark.parametrize("sampler", ["indi", "naive", "cold_diffusion"])
def test_gains_tend_to_the_limit(sampler: str) -> None:
    limit = closed_form.limit_gain(sampler, 1.0, 1.0)
    error = [abs(closed_form.sampler_gain(sampler, n, 1.0, 1.0) - limit) for n in (100, 400, 1600)]
    assert error[0] > error[1] > error[2]
    assert error[2] < (0.03 if sampler == "naive" else 2e-4)  # the naive one is slow, as 1/sqrt(n)


def test_limits_for_equal_scales() -> None:
    """Gain, variance and error worked out apart from this code."""
    gains = {name: closed_form.limit_gain(name, 1, 1) for name in ("indi", "naive", "cold_diffusion")}
    assert gains == pytest.approx({"indi": math.sqrt(0.5), "naive": 1.0, "cold_diffusion": 0.602}, abs=5e-4)
    errors = [closed_form.mean_squared_error(g, 1, 1) for g in (0.5, *gains.values())]
    assert errors == pytest.approx([0.5, 0.586, 1.0, 0.521], abs=5e-4)
    assert closed_form.output_variance(gains["cold_diffusion"], 1, 1) == pytest.approx(0.725, abs=5e-4)


def test_variance_and_error_by_quadrature() -> None:
    """Over a grid of (x, n) that integrates Gaussians exactly."""
    g, s, sigma = 0.6, 1.5, 0.8
    nodes, weights = hermegauss(8)
    x, noise = s * nodes[:, None], sigma * nodes[None, :]
    w = weights[:, None] * weights[None, :] / (2 * math.pi)
    x_0 = g * (x + noise)
    assert closed_form.output_variance(g, s, sigma) == pytest.approx((w * x_0**2).sum())
    assert closed_form.mean_squared_error(g, s, sigma) == pytest.approx((w * (x_0 - x) ** 2).sum())


def test_indi_has_the_least_error_with_the_right_law() -> None:
    """Freirich et al. (2021): 2 s^2 (1 - s / sqrt(s^2 + sigma^2)) for Gaussians."""
    for s, sigma in ((1.0, 1.0), (2.0, 0.5), (0.3, 3.0)):
        g = closed_form.limit_gain("indi", s, sigma)
        assert closed_form.output_variance(g, s, sigma) == pytest.approx(s**2)
        least = 2 * s**2 * (1 - s / math.hypot(s, sigma))
        assert closed_form.mean_squared_error(g, s, sigma) == pytest.approx(least)


@pytest.mark.parametrize(("lam", "name"), [(1.0, "indi"), (0.0, "cold_diffusion")])
@pytest.mark.parametrize(("s", "sigma"), [(1.0, 1.0), (0.5, 2.0)])
def test_the_family_holds_the_known_gains(lam: float, name: str, s: float, sigma: float) -> None:
    limit = closed_form.limit_gain(name, s, sigma)
    assert closed_form.family_limit_gain(lam, s, sigma) == pytest.approx(limit, rel=1e-9)
    for n in (1, 2, 5, 50):
        gain = closed_form.sampler_gain(name, n, s, sigma)
        assert closed_form.family_gain(lam, n, s, sigma) == pytest.approx(gain, rel=1e-12)


@pytest.mark.parametrize("lam", [-0.3, 0.0, 0.5, 0.8, 1.0, 1.3])
@pytest.mark.parametrize("stop", [0.0, 0.35])
@pytest.mark.parametrize(("s", "sigma"), [(1.0, 1.0), (0.5, 2.0)])
def test_gains_of_the_family_tend_to_their_limit(lam: float, stop: float, s: float, sigma: float) -> None:
    """First order: ten times the calls, a tenth of the distance. How the steps are spaced changes no limit."""
    limit = closed_form.family_limit_gain(lam, s, sigma, stop)
    assert closed_form.family_gain(lam, 20_000, s, sigma, stop, 0.75) == pytest.approx(limit, abs=1e-3)
    near, far = (abs(closed_form.family_gain(lam, n, s, sigma, stop) - limit) for n in (4000, 400))
    assert near < 1e-3
    assert near == pytest.approx(far / 10, rel=0.1, abs=1e-6)


def test_stopping_walks_the_best_trade_off() -> None:
    """lam = 1: the limit in closed form, from the regression (stop at 1) to the right law (stop at 0)."""
    for stop in (0.01, 0.3, 0.99):
        a = closed_form.gaussian_gain(stop, 1.5, 0.7)
        known = a * math.sqrt((1.5**2 + (stop * 0.7) ** 2) / (1.5**2 + 0.7**2))
        assert closed_form.family_limit_gain(1.0, 1.5, 0.7, stop) == pytest.approx(known, rel=1e-9)


@pytest.mark.parametrize("J", [0.0, 0.4, 1.0, 1.1])
@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_small_steps_forget_as_their_limit(J: float, lam: float) -> None:
    times = [0.9 - 0.7 * i / 20_000 for i in range(20_001)]
    product = math.prod(closed_form.error_factor(lam, J, t, s) for t, s in pairwise(times))
    assert product == pytest.approx(closed_form.error_limit(lam, J, 0.9, 0.2), rel=1e-3)


@pytest.mark.parametrize("lam", [-0.3, 0.0, 0.5, 1.0])
@pytest.mark.parametrize(("t", "s"), [(0.9, 0.8), (0.9, 0.0), (0.5, 0.1)])
def test_errors_of_lost_frequencies_grow_as_the_signal(lam: float, t: float, s: float) -> None:
    """Exact F of a frequency that y has lost, without noise: J = 1 / (1 - t). No lambda and no step changes it."""
    assert closed_form.error_factor(lam, 1 / (1 - t), t, s) == pytest.approx((1 - s) / (1 - t), rel=1e-12)


def test_what_is_forgotten_by_hand() -> None:
    assert closed_form.error_factor(1, 0, 0.8, 0.2) == pytest.approx(0.25)  # InDI, ignored by F: s/t
    assert closed_form.error_factor(1, 1, 0.8, 0.2) == 1  # InDI, passed on by F: never forgotten
    assert closed_form.error_factor(0, 0, 0.8, 0.2) == 1  # Cold Diffusion forgets nothing
    assert closed_form.error_factor(0, 1, 0.8, 0.2) == pytest.approx(1.6)


def test_unknown_sampler() -> None:
    for function in (
        lambda: closed_form.sampler_gain("cold", 3, 1, 1),
        lambda: closed_form.limit_gain("cold", 1, 1),
    ):
        with pytest.raises(InDIError, match=r"unknown sampler 'cold'.*Valid: cold_diffusion, indi, naive"):
            function()
