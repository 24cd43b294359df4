"""What F and the samplers are exactly, where that can be worked out.

Three models of (x, y): a discrete mixture under y = Hx + n (Eq. 3, Fig. 1), a Gaussian under noise,
and a linear-Gaussian one. These functions share no code with `samplers`, so that each tests the other.
"""

from __future__ import annotations

import math

import torch
from scipy.integrate import quad
from torch import Tensor

from indi.errors import unknown


def mixture_posterior_mean(
    x_t: Tensor, t: Tensor, modes: Tensor, weights: Tensor, H: Tensor, sigma: float
) -> Tensor:
    """E[x | x_t] for x ~ sum_k w_k delta(x - c_k), y = Hx + sigma n (Eq. 3 and the line after it).

    Args:
        x_t: points, (B, d).
        t: times in (0, 1], (B,).
        modes: c_k, (K, d).
        weights: w_k >= 0, (K,), summing to 1.
        H: the degradation, (d, d).
        sigma: standard deviation of n; with a constant perturbation eps, sqrt(sigma^2 + eps^2).

    Returns:
        (B, d), inside the convex hull of the modes.
    """
    H_t = (1 - t).view(-1, 1, 1) * torch.eye(len(H), dtype=x_t.dtype) + t.view(-1, 1, 1) * H
    means = torch.einsum("bij,kj->bki", H_t, modes)
    squared_distance = ((x_t[:, None] - means) ** 2).sum(-1)
    sigma_t = (t * sigma).view(-1, 1)
    # In logarithms: near t = 0 every Gaussian underflows and Eq. 3 as printed is 0/0.
    posterior = torch.softmax(weights.log() - squared_distance / (2 * sigma_t**2), dim=1)
    return posterior @ modes


def linear_gaussian_posterior_mean(
    x_t: Tensor, t: Tensor, mean: Tensor, covariance: Tensor, H: Tensor, noise_std: Tensor | float
) -> Tensor:
    """E[x | x_t] for x ~ N(mean, covariance) and x_t = H_t x + noise, H_t = (1-t) I + t H.

    Args:
        x_t: points, (B, d).
        t: times in [0, 1], (B,).
        mean, covariance: of x, (d,) and (d, d).
        H: the degradation, (d, d); may be singular.
        noise_std: standard deviation of the noise in x_t, (B,) or a number: t sqrt(sigma^2 + eps_t^2).
            Zero is allowed: the pseudo-inverse then gives the posterior mean of what is observable.

    Returns:
        (B, d).
    """
    eye = torch.eye(len(H), dtype=x_t.dtype)
    H_t = (1 - t).view(-1, 1, 1) * eye + t.view(-1, 1, 1) * H
    variance = torch.as_tensor(noise_std, dtype=x_t.dtype).expand(len(x_t)).view(-1, 1, 1) ** 2
    cross = covariance @ H_t.mT
    gain = cross @ torch.linalg.pinv(H_t @ cross + variance * eye, hermitian=True)
    return mean + torch.einsum("bij,bj->bi", gain, x_t - H_t @ mean)


def gaussian_gain(t: float, s: float, sigma: float) -> float:
    """a_t with E[x | x_t] = a_t x_t, for x ~ N(0, s^2) and y = x + sigma n: s^2 / (s^2 + t^2 sigma^2)."""
    return s**2 / (s**2 + t**2 * sigma**2)


def sampler_gain(sampler: str, n: int, s: float, sigma: float) -> float:
    """g with x_0 = g y after n equal steps and exact F, in the Gaussian model of `gaussian_gain`.

    Args:
        sampler: "indi", "naive" or "cold_diffusion".
        n: number of steps, at least 1.
        s, sigma: standard deviations of x and of the noise in y.

    Raises:
        InDIError: no such sampler.
    """
    a = {i: gaussian_gain(i / n, s, sigma) for i in range(1, n + 1)}
    if sampler == "indi":
        return math.prod(1 - (1 - a[i]) / i for i in range(1, n + 1))  # delta / t = 1 / i
    if sampler == "naive":
        g = 1.0
        for i in range(n, 0, -1):
            g = (1 - (i - 1) / n) * a[i] * g + (i - 1) / n
        return g
    if sampler == "cold_diffusion":
        g = 1.0
        for i in range(n, 0, -1):
            g += (a[i] * g - 1) / n
        return g
    raise unknown("sampler", sampler, ("indi", "naive", "cold_diffusion"))


def limit_gain(sampler: str, s: float, sigma: float) -> float:
    """The limit of `sampler_gain` as n grows.

    indi: s / sqrt(s^2 + sigma^2), so that x_0 ~ N(0, s^2) exactly. naive: 1, y itself. Cold
    Diffusion: g(0) of dg/dt = 1 - a_t g, g(1) = 1, by its integrating factor.

    Raises:
        InDIError: no such sampler.
    """
    if sampler == "indi":
        return s / math.hypot(s, sigma)
    if sampler == "naive":
        return 1.0
    if sampler == "cold_diffusion":

        def factor(t: float) -> float:
            return math.exp(s / sigma * math.atan(t * sigma / s))

        return factor(1.0) - quad(factor, 0.0, 1.0)[0]
    raise unknown("sampler", sampler, ("indi", "naive", "cold_diffusion"))


def family_gain(lam: float, n: int, s: float, sigma: float, stop: float = 0.0, power: float = 1.0) -> float:
    """g with x_0 = g y for `samplers.family(lam)` and exact F, in the Gaussian model of `gaussian_gain`.

    Args:
        lam: 1 is InDI, 0 Cold Diffusion.
        n: calls of F, at least 1.
        s, sigma: standard deviations of x and of the noise in y.
        stop: 0 for n equal steps; else the times before the last are drawn together into [stop, 1].
        power: of the times, before that; it does not change the limit.
    """
    times = [stop + (1 - stop) * (1 - i / n) ** power for i in range(n)]
    g = 1.0
    for t, later in zip(times, [*times[1:], 0.0], strict=True):
        a_g = gaussian_gain(t, s, sigma) * g
        g += (t - later) * (lam * (a_g - g) / t + (1 - lam) * (a_g - 1))
    return g


def family_limit_gain(lam: float, s: float, sigma: float, stop: float = 0.0) -> float:
    """The limit of `family_gain` as n grows.

    dg/dt = p g + 1 - lam with p = lam (1 - a_t) / t - (1 - lam) a_t and g(1) = 1, by its integrating factor
    exp(-P), P = lam/2 log(s^2 + t^2 sigma^2) - (1 - lam) (s/sigma) arctan(t sigma / s); from `stop` on, one step.
    For lam = 1 the limit is a_stop sqrt((s^2 + stop^2 sigma^2) / (s^2 + sigma^2)).
    """

    def log_factor(t: float) -> float:
        return lam / 2 * math.log(s**2 + t**2 * sigma**2) - (1 - lam) * s / sigma * math.atan(t * sigma / s)

    inner = math.exp(-log_factor(1.0)) - (1 - lam) * quad(lambda t: math.exp(-log_factor(t)), stop, 1.0)[0]
    g = math.exp(log_factor(stop)) * inner
    a_g = gaussian_gain(stop, s, sigma) * g
    return g + lam * (a_g - g) + stop * (1 - lam) * (a_g - 1)


def error_factor(lam: float, J: float, t: float, s: float) -> float:
    """e_s / e_t for an error e_t of the state that F answers with J e_t, in one step of `samplers.family(lam)`.

    1 - (t - s) (lam (1 - J) / t - (1 - lam) J): InDI forgets what F ignores (J = 0) as s/t and keeps what F
    passes on (J = 1); Cold Diffusion keeps the former and lets the latter grow as 1 + t - s.
    """
    return 1 - (t - s) * (lam * (1 - J) / t - (1 - lam) * J)


def error_limit(lam: float, J: float, t: float, s: float) -> float:
    """e_s / e_t of `error_factor` over many small steps with the same J: (s/t)^(lam (1-J)) exp((1-lam) J (t-s))."""
    return (s / t) ** (lam * (1 - J)) * math.exp((1 - lam) * J * (t - s))


def output_variance(gain: float, s: float, sigma: float) -> float:
    """Variance of x_0 = gain * y in the Gaussian model; s^2 would be the right one."""
    return gain**2 * (s**2 + sigma**2)


def mean_squared_error(gain: float, s: float, sigma: float) -> float:
    """E (gain * y - x)^2 in the Gaussian model."""
    return (1 - gain) ** 2 * s**2 + gain**2 * sigma**2
