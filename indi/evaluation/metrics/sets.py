"""Distances between two sets of images: FID and KID, or their like on SqueezeNet features.

Features and kernel distance are clean-fid's own (Parmar, Zhang, Zhu, CVPR 2022), and the Frechet distance
equals its. FID and KID are those of Inception features alone; on SqueezeNet features the same distances have
their own names, FD-squeeze and KD-squeeze, and are not comparable with any FID or KID.

Both compare distributions from samples. The Frechet distance of few patches is biased upwards (two
samples of one distribution are apart, too), and with fewer patches than features its covariances
are rank-deficient; compare only numbers of equally many patches, and report how many. The kernel
distance is unbiased, and can therefore come out slightly negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from indi.errors import InDIError, unknown
from indi.evaluation.metrics.features import Features, extract
from indi.evaluation.metrics.intervals import Interval, bootstrap_statistic

DISTANCES = {
    "fid": ("frechet", "inception"),
    "kid": ("kernel", "inception"),
    "fd_squeeze": ("frechet", "squeeze"),
    "kd_squeeze": ("kernel", "squeeze"),
}
EXACT = 5000  # up to here one pass over all pairs of patches, which fits in a gigabyte
SUBSET, SUBSETS = 1000, 100  # beyond, or for sides of unequal size: clean-fid's defaults
RESAMPLES = 50  # a standard error from 50 resamples is itself known to about 10 %
DRAWS = 500  # of stored resamples, which decide: 3 %

Source = Path | str | Tensor | Features


@dataclass(frozen=True)
class SetDistance:
    """A distance between two sets: value, interval over images, number of patches a side."""

    name: str
    interval: Interval
    patches: tuple[int, int]


def _parts(name: str) -> tuple[str, str]:
    if name not in DISTANCES:
        raise unknown("distance between sets", name, DISTANCES)
    return DISTANCES[name]


def feature_network(name: str) -> str:
    """The network whose features the distance `name` compares, "inception" or "squeeze".

    Raises:
        InDIError: unknown name.
    """
    return _parts(name)[1]


def set_distance(name: str, restored: Source, truth: Source, resamples: int = RESAMPLES) -> SetDistance:
    """The distance between restored images and their truths, with its 95 % interval over images.

    Args:
        name: "fid", "kid", "fd_squeeze" or "kd_squeeze".
        restored, truth: a folder, images (B, 3, H, W) in [-1, 1], or features from `extract`
            (compute the truth's once). Equally many images are resampled together, one by one in their
            order: that respects pairs, and where there are none (generation, y is noise) it draws both
            sides anew, so that the interval holds the chance of the truths too. With unequal numbers
            only the restored ones are resampled, and the truths stand as they are.
        resamples: 0 for no interval; one resample costs one distance.

    Raises:
        InDIError: unknown name, features of another network, fewer than two patches on a side, and
            those of `extract`.
    """
    kind, network = _parts(name)
    a, b = (
        source if isinstance(source, Features) else extract(source, network) for source in (restored, truth)
    )
    if a.network != network or b.network != network:
        raise InDIError(
            f"{name} compares {network} features, not {a.network} with {b.network}: extract them anew."
        )
    x, y = a.values, b.values
    rows_a, rows_b = _rows(a), _rows(b)
    paired = a.images == b.images

    def statistic(images: NDArray[np.int64]) -> float:
        left = x[np.concatenate([rows_a[i] for i in images])]
        right = y[np.concatenate([rows_b[i] for i in images])] if paired else y
        if kind == "frechet":
            return frechet(left, right)
        whole = np.array_equal(images, np.arange(a.images))
        return kernel(left, right, subsets=SUBSETS if whole else SUBSETS // 10)

    if resamples:
        interval = bootstrap_statistic(statistic, a.images, resamples=resamples)
    else:
        interval = Interval(statistic(np.arange(a.images)), float("nan"), float("nan"), a.images)
    return SetDistance(name, interval, (a.patches, b.patches))


def frechet(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Squared Frechet distance of the Gaussians fitted to x (n, D) and y (m, D).

    |a - b|^2 + Tr A + Tr B - 2 Tr sqrt(A B) with means a, b and covariances A = Ra^T Ra, B = Rb^T Rb: the last
    trace is the sum of the singular values of Ra Rb^T. Ra is the centred rows over sqrt(n - 1), or the R of
    their QR decomposition where there are more rows than features. Equal to the matrix square root of
    clean-fid (Parmar, Zhang, Zhu, CVPR 2022) where that works, and exact where a covariance is singular
    (fewer rows than features, repeated rows), where the square root loses digits or fails.

    Raises:
        InDIError: fewer than two rows on a side, which have no covariance.
    """
    _check(x, y)
    return _distance(_gaussian(x), _gaussian(y))


Gaussian = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Mean (D,) and a root (k, D) of the covariance, k at most D."""


def _gaussian(x: NDArray[np.float64], counts: NDArray[np.int64] | None = None) -> Gaussian:
    """The Gaussian fitted to the rows (n, D), each taken `counts` times."""
    counts = np.ones(len(x), np.int64) if counts is None else counts
    x, counts = x[counts > 0], counts[counts > 0]
    mean = counts @ x / counts.sum()
    root = np.sqrt(counts / (counts.sum() - 1))[:, None] * (x - mean)
    return mean, np.asarray(np.linalg.qr(root, mode="r") if len(root) > root.shape[1] else root)


def _distance(a: Gaussian, b: Gaussian) -> float:
    cross = np.linalg.svd(a[1] @ b[1].T, compute_uv=False).sum()
    shift, spread = np.square(a[0] - b[0]).sum(), np.square(a[1]).sum() + np.square(b[1]).sum()
    return float(shift + spread - 2 * cross)


def kernel(x: NDArray[np.float64], y: NDArray[np.float64], seed: int = 0, subsets: int = SUBSETS) -> float:
    """Squared maximum mean discrepancy of x (n, D), y (m, D) under (x.y / D + 1)^3, by clean-fid.

    Args:
        seed, subsets: exact over all pairs where both sides have equally many rows, up to 5000;
            otherwise the mean over so many random subsets of up to 1000 rows, as clean-fid does.

    Raises:
        InDIError: fewer than two rows on a side.
    """
    from cleanfid.fid import kernel_distance

    _check(x, y)
    exact = len(x) == len(y) <= EXACT
    size, count = (EXACT, 1) if exact else (SUBSET, subsets)
    # clean-fid draws from NumPy's global generator: seeded for it, and put back afterwards.
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        return float(kernel_distance(x, y, num_subsets=count, max_subset_size=size))
    finally:
        np.random.set_state(state)  # noqa: NPY002


def draws(images: int, resamples: int = DRAWS) -> NDArray[np.int64]:
    """How often each of the images is drawn in each resample, (resamples, images): the same for every setting.

    Equal arguments give equal draws, so that statistics of two settings with as many images, whichever
    evaluation they come from, are paired, and their difference has the error of a difference.
    """
    chance = np.full(images, 1 / images)
    return np.random.default_rng(0).multinomial(images, chance, size=resamples)


def resampled(
    name: str, restored: Sequence[Features], truth: Features, counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The distance of each of several sets to the truths, in each resample of their common images.

    Args:
        name: as in `set_distance`. The kernel distance is over all pairs, whatever their number.
        restored: sets with as many images, in the same order, as `truth`.
        counts: (resamples, images) as `draws` gives it.

    Returns:
        (resamples, sets). A resample repeats images, which shifts all distances alike: take the spread of
        their differences, not their level.

    Raises:
        InDIError: an unknown distance, or sets of other images than the truths'.
    """
    kind, _ = _parts(name)
    if any(len(part.image) != len(truth.image) or (part.image != truth.image).any() for part in restored):
        raise InDIError(f"{name}: resamples need the same images and patches on both sides.")
    patches = counts[:, truth.image]
    if kind == "kernel":
        return np.stack([_kernels(part.values, truth.values, patches) for part in restored], axis=1)
    out = np.empty((len(counts), len(restored)))
    for r, some in enumerate(patches):
        b = _gaussian(truth.values, some)
        out[r] = [_distance(_gaussian(part.values, some), b) for part in restored]
    return out


def _kernels(
    x: NDArray[np.float64], y: NDArray[np.float64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """`kernel` of the rows of x and y, each taken counts[r] times, for every r."""
    total = counts.sum(axis=1)

    def mean(a: NDArray[np.float64], b: NDArray[np.float64], own: bool) -> NDArray[np.float64]:
        k = (a @ b.T / a.shape[1] + 1) ** 3
        pairs = np.einsum("rn,rn->r", counts @ k, counts)
        if not own:
            return np.asarray(pairs / total**2)
        return np.asarray((pairs - counts @ np.diagonal(k)) / (total * (total - 1)))

    return mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)


def floor(name: str, truth: Features) -> SetDistance:
    """The distance of two disjoint random halves of the truths: what no restoration can be asked to beat.

    Without an interval. A Frechet distance of half as many images is biased upwards the more, so that it is
    a high floor; the kernel distance is unbiased.

    Raises:
        InDIError: unknown distance, or fewer than four images.
    """
    if truth.images < 4:
        raise InDIError(f"{name}: two halves of {truth.images} images say nothing; use at least four.")
    order = np.random.default_rng(0).permutation(truth.images)
    half = truth.images // 2
    one, other = (truth.values[np.isin(truth.image, order[at : at + half])] for at in (0, half))
    kind, _ = _parts(name)
    value = frechet(one, other) if kind == "frechet" else kernel(one, other)
    return SetDistance(name, Interval(value, np.nan, np.nan, half), (len(one), len(other)))


def _rows(features: Features) -> list[NDArray[np.int64]]:
    """For each image, which rows are its patches."""
    starts = np.searchsorted(features.image, np.arange(1, features.images))
    return np.split(np.arange(features.patches), starts)


def _check(x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    if min(len(x), len(y)) < 2:
        raise InDIError(
            f"a distance between sets needs two patches a side at least, not {len(x)} and {len(y)}."
        )
