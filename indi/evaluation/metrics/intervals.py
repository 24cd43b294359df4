"""Means with bootstrap intervals over images: no number of the project stands without them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from indi.errors import InDIError

RESAMPLES = 9999

FEWEST_IMAGES = 10
"""With fewer images an interval decides nothing. With 10, of normal values, a bootstrap interval of 95 % covers
about 90 % (it is as short as sqrt(1 - 1/n) of the normal one, not as long as Student's); with 6, 87 %."""

MANY_IMAGES = 30
"""From here on verdicts rest on bootstrap intervals; with fewer images on Student's, which are long enough."""


@dataclass(frozen=True)
class Interval:
    """A mean over n images and the bounds of its confidence interval; NaN where there are none.

    Over several trainings of one recipe it covers what another seed would change; `freedom` are then the degrees
    of freedom of its standard error, infinite where images alone decide it and are many.
    """

    mean: float
    low: float
    high: float
    n: int
    seeds: int = 1
    freedom: float | None = None


def bootstrap_interval(values: ArrayLike, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Mean of `values`, one per image, with its bootstrap interval over images.

    The bias-corrected and accelerated bootstrap (BCa; Efron 1987) of `scipy.stats.bootstrap`, 9999
    resamples; plain percentiles where BCa is undefined or, below `FEWEST_IMAGES`, erratic.

    NaN marks an image for which the metric is not defined: it is left out and not counted in `n`.
    The bounds are NaN, not invented, where resampling says nothing: fewer than two values, all
    values equal up to rounding, or an infinite value (the PSNR of a perfect restoration), when the mean is
    infinite.

    Raises:
        InDIError: `confidence` is not inside (0, 1).
    """
    from scipy import stats  # here, so that importing indi.metrics stays fast

    _check(confidence)
    flat = _flat(values)
    flat = flat[~np.isnan(flat)]
    if flat.size == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(flat.mean()) if np.isfinite(flat).all() else float(flat.sum())
    if flat.size < 2 or not math.isfinite(mean) or np.ptp(flat) <= 1e-12 * np.abs(flat).max():
        return Interval(mean, math.nan, math.nan, flat.size)
    for method in ("BCa", "percentile") if flat.size >= FEWEST_IMAGES else ("percentile",):
        with warnings.catch_warnings():  # BCa warns where it is undefined; the percentiles follow then
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            bounds = stats.bootstrap(
                (flat,),
                np.mean,
                confidence_level=confidence,
                n_resamples=RESAMPLES,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(bounds).all():
            break
    return Interval(mean, float(bounds.low), float(bounds.high), flat.size)


def paired_difference(a: ArrayLike, b: ArrayLike) -> Interval:
    """Mean of a - b over images, with its 95 % bootstrap interval over images: the way to compare two settings.

    `a[i]` and `b[i]` belong to the same image, so that the differences between images cancel. An
    image with NaN on either side is left out. NaN bounds as in `bootstrap_interval`.

    Raises:
        InDIError: `a` and `b` are not of one length.
    """
    left, right = _flat(a), _flat(b)
    if left.shape != right.shape:
        raise InDIError(
            f"a paired difference needs one value per image on both sides, not {left.size} and "
            f"{right.size}: restrict both to the images they share."
        )
    measured = ~(np.isnan(left) | np.isnan(right))
    with np.errstate(invalid="ignore"):  # inf - inf, two perfect restorations: the difference is NaN
        difference = left[measured] - right[measured]
    if np.isnan(difference).any():
        return Interval(math.nan, math.nan, math.nan, difference.size)
    return bootstrap_interval(difference)


def interval_of_mean(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean of `values`, one per image, with the interval that verdicts rest on.

    Student's t below `MANY_IMAGES`, the bootstrap of `bootstrap_interval` from there on. Where every value
    is exactly 0, as the difference of two settings that coincide, the bounds are 0 too: nothing is uncertain
    about it. NaN marks an image for which the metric is not defined; other NaN bounds as in
    `bootstrap_interval`.

    Raises:
        InDIError: `confidence` is not inside (0, 1).
    """
    _check(confidence)
    flat = _flat(values)
    flat = flat[~np.isnan(flat)]
    if flat.size > 1 and not flat.any():
        return Interval(0.0, 0.0, 0.0, flat.size)
    spread = float(flat.std(ddof=1)) if flat.size > 1 and np.isfinite(flat).all() else 0.0
    if flat.size >= MANY_IMAGES or spread <= 1e-12 * np.abs(flat).max(initial=0.0):
        return bootstrap_interval(flat, confidence)
    mean, half = float(flat.mean()), quantile(confidence, flat.size) * spread / math.sqrt(flat.size)
    return Interval(mean, mean - half, mean + half, flat.size)


def interval_over_seeds(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean of `values`, (images, trainings), with an interval over other images *and* other seeds.

    Images and seeds are crossed random effects: the variance of the mean is (MSi + MSs - MSr)/(n S) of the mean
    squares of a two-way analysis of variance (images, seeds, residual), never taken below the larger of the two
    alone, with Satterthwaite's degrees of freedom and Student's quantile (Searle, Casella & McCulloch,
    Variance Components, 1992, Sec. 4.3). With three seeds whose means differ much that is wide: rightly so.

    An image with NaN in any training is left out. One training: `interval_of_mean`.

    Raises:
        InDIError: `values` is no table, or `confidence` is not inside (0, 1).
    """
    _check(confidence)
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not table.shape[1]:
        raise InDIError(f"an interval over seeds needs values (images, trainings), not {table.shape}.")
    if table.shape[1] == 1:
        return interval_of_mean(table, confidence)
    table = table[~np.isnan(table).any(axis=1)]
    n, seeds = table.shape
    mean = float(table.mean()) if n else math.nan
    if n > 1 and not table.any():
        return Interval(0.0, 0.0, 0.0, n, seeds)
    if n < 2 or not math.isfinite(mean):
        return Interval(mean, math.nan, math.nan, n, seeds)
    images, trainings = table.mean(axis=1) - mean, table.mean(axis=0) - mean
    rest = table - mean - images[:, None] - trainings
    by_image = seeds * float(images @ images) / (n - 1)
    by_seed = n * float(trainings @ trainings) / (seeds - 1)
    residual = float((rest**2).sum()) / ((n - 1) * (seeds - 1))
    return two_way(mean, by_image, by_seed, residual, n, seeds, confidence, scale=n * seeds)


def two_way(
    mean: float,
    by_image: float,
    by_seed: float,
    residual: float,
    n: int,
    seeds: int,
    confidence: float = 0.95,
    scale: float = 1.0,
) -> Interval:
    """The interval of a mean whose variance is (by_image + by_seed - residual)/scale; see `interval_over_seeds`."""
    total = by_image + by_seed - residual
    if total >= max(by_image, by_seed) > 0:
        uncertain = by_image**2 / (n - 1) + by_seed**2 / (seeds - 1) + residual**2 / ((n - 1) * (seeds - 1))
        freedom = total**2 / uncertain
    else:
        total, freedom = max((by_image, n - 1.0), (by_seed, seeds - 1.0))
    if total <= 0:
        return Interval(mean, math.nan, math.nan, n, seeds)
    half = quantile(confidence, freedom + 1) * math.sqrt(total / scale)
    return Interval(mean, mean - half, mean + half, n, seeds, freedom)


def quantile(confidence: float, n: float) -> float:
    """Standard errors from a mean to the bound of its two-sided interval: Student's below `MANY_IMAGES`.

    Args:
        n: images, or one more than the degrees of freedom.

    Raises:
        InDIError: `confidence` is not inside (0, 1).
    """
    from scipy import stats

    _check(confidence)
    upper = (1 + confidence) / 2
    return float(stats.t.ppf(upper, n - 1) if 1 < n < MANY_IMAGES else stats.norm.ppf(upper))


def tail(errors: float, n: float) -> float:
    """Chance of a value at least so many standard errors from the mean, on either side: inverts `quantile`."""
    from scipy import stats

    return float(2 * (stats.t.sf(errors, n - 1) if 1 < n < MANY_IMAGES else stats.norm.sf(errors)))


def bootstrap_statistic(
    statistic: Callable[[NDArray[np.int64]], float],
    n: int,
    confidence: float = 0.95,
    resamples: int = 100,
    seed: int = 0,
) -> Interval:
    """A statistic of a whole set of n images, with an interval from resampling its images.

    Args:
        statistic: takes indices of images (n,), with repetitions, and returns the number; called
            with 0, ..., n - 1 for the value itself.
        n: images in the set; resampling whole images keeps the patches of one image together.

    The interval is the value plus or minus the normal quantile times the bootstrap standard error.
    Percentiles would not do: a resample repeats images, which shifts distances between sets
    upwards, so that their percentiles can lie wholly above the value itself. The interval says how
    far the value moves with other images, not how biased it is at this n.

    Raises:
        InDIError: `confidence` is not inside (0, 1).
    """
    from scipy import stats

    _check(confidence)
    value = float(statistic(np.arange(n))) if n else math.nan
    if n < 2 or not math.isfinite(value):
        return Interval(value, math.nan, math.nan, n)
    result = stats.bootstrap(
        (np.arange(n),),
        lambda indices: float(statistic(indices)),
        n_resamples=resamples,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    half = float(stats.norm.ppf((1 + confidence) / 2) * result.standard_error)
    return Interval(value, value - half, value + half, n)


def _flat(values: ArrayLike) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64).reshape(-1)


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise InDIError(f"confidence {confidence} is not inside (0, 1): give a fraction such as 0.95.")
