"""Rules of the claims that hold, or do not, whatever was trained: full results in every profile."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from indi.claims.evidence import Evidence, Number, Verdict
from indi.method import closed_form

CLOSE = 1e-9
VALID = 0.99


def toy(evidence: Evidence) -> Verdict:
    """Share of InDI's end points at a mode, at the largest N, in both cases of Fig. 1."""
    rows = evidence.rows("toy")
    rows = rows[rows["sampler"] == "indi"]
    last = rows[rows["steps"] == rows["steps"].max()]
    numbers = tuple(
        Number(what, row.fraction, row.low, row.high, int(row.points), difference=False)
        for row in last.itertuples()
        for what in [f"share at a mode, {row.case}, N = {row.steps}"]
    )
    if (last["low"] > VALID).all():
        return Verdict("reproduced", "", numbers)
    outcome = "not reproduced" if (last["high"] < VALID).any() else "inconclusive"
    return Verdict(outcome, f"the share should exceed {VALID:g}", numbers)  # type: ignore[arg-type]


def proposition(evidence: Evidence) -> Verdict:
    """Prop. 4.1 against the regression of x_s on x_t, and the sampler built on it against its closed form."""
    gains, identities = evidence.rows("gaussian_gains"), evidence.rows("identities")
    numbers = (
        _exact("largest error of Prop. 4.1, Gaussian models", proposition_error()),
        _exact("largest error of the samplers' gains", float((gains["gain"] - gains["run"]).abs().max())),
        _exact("largest error of the samplers' identities", float(identities["largest difference"].max())),
    )
    holds = all(number.value < CLOSE for number in numbers)
    return Verdict("reproduced" if holds else "not reproduced", "", numbers)


def proposition_error() -> float:
    """Largest |E[x_s | x_t] - right-hand side of Prop. 4.1| over times, in Gaussian models.

    The left-hand side is the regression coefficient Cov(x_s, x_t) / Var(x_t), from Eq. 1 and the
    covariance of (x, y) alone; x ~ N(0, s^2), y = h x + sigma n, so that y also loses contrast.
    """
    worst = 0.0
    for s, sigma, h in product((0.5, 1.0, 2.0), (0.3, 1.0), (1.0, 0.5, 0.0)):
        joint = np.array([[s**2, h * s**2], [h * s**2, h**2 * s**2 + sigma**2]])
        for t, u in product((0.1, 0.35, 0.8, 1.0), (0.0, 0.3, 0.7, 1.0)):
            at_t, at_u = np.array([1 - t, t]), np.array([1 - t * u, t * u])  # weights of x, y; s = t u
            left = (at_u @ joint @ at_t) / (at_t @ joint @ at_t)
            posterior = (joint[0] @ at_t) / (at_t @ joint @ at_t)
            if h == 1:
                posterior = closed_form.gaussian_gain(t, s, sigma)
            worst = max(worst, abs(left - ((1 - u) * posterior + u)))
    return worst


def network(evidence: Evidence) -> Verdict:
    """Counted parameters against the printed millions, to their two decimals."""
    rows = evidence.rows("network")
    numbers = tuple(
        _exact(f"{task}: counted minus printed, millions", counted / 1e6 - printed)
        for task, counted, printed in zip(
            rows["task"], rows["counted"], rows["printed, millions"], strict=True
        )
    )
    holds = (rows["counted"] / 1e6).round(2) == rows["printed, millions"]
    return Verdict("reproduced" if holds.all() else "not reproduced", "", numbers)


def _exact(what: str, value: float) -> Number:
    return Number(what, value, math.nan, math.nan, 0, difference=False)
