"""Distances between two sets of images: FID and KID, or their like on SqueezeNet features.

The numbers are clean-fid's own (`cleanfid.fid`; Parmar, Zhang, Zhu, CVPR 2022). FID and KID are
those of Inception features alone; on SqueezeNet features the same distances have their own names,
FD-squeeze and KD-squeeze, and are not comparable with any FID or KID.

Both compare distributions from samples. The Frechet distance of few patches is biased upwards (two
samples of one distribution are apart, too), and with fewer patches than features its covariances
are rank-deficient; compare only numbers of equally many patches, and report how many. The kernel
distance is unbiased, and can therefore come out slightly negative.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from indi.errors import InDIError, unknown
from indi.evaluation.metrics.features import Features, extract
from indi.evaluation.metrics.intervals import Interval, bootstrap_statistic
from indi.progress import progress as progress_bar

DISTANCES = {
    "fid": ("frechet", "inception"),
    "kid": ("kernel", "inception"),
    "fd_squeeze": ("frechet", "squeeze"),
    "kd_squeeze": ("kernel", "squeeze"),
}
EXACT = 5000  # up to here one pass over all pairs of patches, which fits in a gigabyte
SUBSET, SUBSETS = 1000, 100  # beyond, or for sides of unequal size: clean-fid's defaults
RESAMPLES = 50  # a standard error from 50 resamples is itself known to about 10 %

Source = Path | str | Tensor | Features


@dataclass(frozen=True)
class SetDistance:
    """A distance between two sets: value, interval over images, number of patches a side."""

    name: str
    interval: Interval
    patches: tuple[int, int]


def feature_network(name: str) -> str:
    """The network whose features the distance `name` compares, "inception" or "squeeze".

    Raises:
        InDIError: unknown name.
    """
    if name not in DISTANCES:
        raise unknown("distance between sets", name, DISTANCES)
    return DISTANCES[name][1]


def set_distance(
    name: str,
    restored: Source,
    truth: Source,
    patch: tuple[int, int] | None = None,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
    progress: bool = False,
) -> SetDistance:
    """The distance between restored images and their truths, with its interval over images.

    Args:
        name: "fid", "kid", "fd_squeeze" or "kd_squeeze".
        restored, truth: a folder, images (B, 3, H, W) in [-1, 1], or features from `extract`
            (compute the truth's once). Equally many images are resampled together, one by one in their
            order: that respects pairs, and where there are none (generation, y is noise) it draws both
            sides anew, so that the interval holds the chance of the truths too. With unequal numbers
            only the restored ones are resampled, and the truths stand as they are.
        patch: as in `extract`.
        resamples: 0 for no interval; one resample costs one distance.

    Raises:
        InDIError: unknown name, features of another network, fewer than two patches on a side, and
            those of `extract`.
    """
    if name not in DISTANCES:
        raise unknown("distance between sets", name, DISTANCES)
    kind, network = DISTANCES[name]
    a, b = (
        source if isinstance(source, Features) else extract(source, network, patch, progress=progress)
        for source in (restored, truth)
    )
    if a.network != network or b.network != network:
        raise InDIError(
            f"{name} compares {network} features, not {a.network} with {b.network}: extract them anew."
        )
    x, y = a.values, b.values
    rows_a, rows_b = _rows(a), _rows(b)
    paired = a.images == b.images
    shown = progress_bar(total=resamples + 1, desc=name, unit="distance") if progress else nullcontext()
    with shown as bar:

        def statistic(images: NDArray[np.int64]) -> float:
            if bar is not None:
                bar.update()
            left = x[np.concatenate([rows_a[i] for i in images])]
            right = y[np.concatenate([rows_b[i] for i in images])] if paired else y
            if kind == "frechet":
                return frechet(left, right)
            whole = np.array_equal(images, np.arange(a.images))
            return kernel(left, right, seed, SUBSETS if whole else SUBSETS // 10)

        if resamples:
            interval = bootstrap_statistic(statistic, a.images, confidence, resamples, seed)
        else:
            interval = Interval(statistic(np.arange(a.images)), float("nan"), float("nan"), a.images)
    return SetDistance(name, interval, (a.patches, b.patches))


def frechet(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Squared Frechet distance of the Gaussians fitted to x (n, D) and y (m, D), by clean-fid.

    Where a covariance is singular (fewer rows than features, repeated rows) clean-fid's matrix
    square root loses digits or fails. There the covariances are first expressed in the range of the
    one of lower rank: Tr sqrt(A B) depends on nothing outside it, and what lies outside adds its
    trace. The number is the same, and costs as little as the rank is small.

    Raises:
        InDIError: fewer than two rows on a side, which have no covariance.
    """
    _check(x, y)
    shift = float(np.square(x.mean(axis=0) - y.mean(axis=0)).sum())
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    spread = [float(np.square(z).sum() / (len(z) - 1)) for z in (a, b)]
    basis = min(_axes(a), _axes(b), key=lambda axes: axes.shape[1])
    if basis.shape[1] == x.shape[1]:
        return _frechet_of_moments(x, y)
    if basis.shape[1] == 0:  # all rows of one side are equal
        return shift + sum(spread)
    if basis.shape[1] == 1:  # SciPy's sqrtm fails for a single number
        one, other = (float(np.sqrt(np.square(z @ basis).sum() / (len(z) - 1))) for z in (a, b))
        return shift + sum(spread) - 2 * one * other
    # In units of the spread, because clean-fid's tolerance for rounding errors is absolute.
    unit = float(np.sqrt(sum(spread)))
    a, b = a @ basis / unit, b @ basis / unit
    outside = sum(spread) - sum(float(np.square(z).sum() / (len(z) - 1)) * unit**2 for z in (a, b))
    return shift + outside + unit**2 * _frechet_of_moments(a, b)


def _axes(centred: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal basis (D, rank) of the rows (n, D)."""
    if len(centred) <= centred.shape[1]:
        _, size, axes = np.linalg.svd(centred, full_matrices=False)
    else:
        squares, columns = np.linalg.eigh(centred.T @ centred)
        size, axes = np.sqrt(squares.clip(min=0)), columns.T
    return axes[size > 1e-6 * size.max()].T


def _frechet_of_moments(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    from cleanfid.fid import frechet_distance

    moments = [part for z in (x, y) for part in (z.mean(axis=0), np.cov(z, rowvar=False))]
    with warnings.catch_warnings():
        # clean-fid asks SciPy's sqrtm with an argument that SciPy 1.18 removes.
        warnings.simplefilter("ignore")
        return float(frechet_distance(*moments))


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


def _rows(features: Features) -> list[NDArray[np.int64]]:
    """For each image, which rows are its patches."""
    starts = np.searchsorted(features.image, np.arange(1, features.images))
    return np.split(np.arange(features.patches), starts)


def _check(x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    if min(len(x), len(y)) < 2:
        raise InDIError(
            f"a distance between sets needs two patches a side at least, not {len(x)} and {len(y)}."
        )
