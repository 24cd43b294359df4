"""How many steps each method needs for the same quality, with intervals over images.

Schedules are fused as in `schedules.fuse`, anew in each resample of the images, so that the
intervals hold the luck of the choice too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from indi.comparison.schedules import require, sign
from indi.errors import InDIError
from indi.evaluation import INPUT
from indi.metrics.intervals import FEWEST_IMAGES

Target = float | tuple[str, int] | None
"""A value of the metric; or that of (sampler, steps); or None: the best that every sampler reaches."""


def steps_to_reach(
    rows: pd.DataFrame,
    metric: str,
    target: Target = None,
    *,
    reference: str = "indi",
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The smallest tested number of steps with which each sampler's fused mean is at least as good as `target`.

    Args:
        rows: tidy; without a column image (distances between sets) there are no intervals.
        metric: which.
        target: see `Target`; one that rests on the rows is found anew in each resample.
        reference: the ratios are steps over those of this sampler.
        resamples: of the images, with replacement; percentiles give the 95 % intervals.

    Returns:
        Columns sampler, target, steps, low, high, reached (share of the resamples), ratio, ratio_low,
        ratio_high, n (images). Infinite steps: not reached with any tested number. NaN bounds: fewer
        than two images.

    Raises:
        InDIError: the metric, a sampler or a number of steps is not among the rows.
    """
    fused = _fused(rows, metric, resamples, seed)
    if reference not in fused.curves:
        raise InDIError(f"no rows of {reference!r}: choose among {', '.join(fused.curves)}.")
    aim = _target(fused, target)
    needed = {name: _first(fused, name, aim) for name in fused.curves}
    out = []
    for name, steps in needed.items():
        with np.errstate(invalid="ignore"):  # neither reaches it: no ratio
            ratio = steps / needed[reference]
        low, high = _bounds(steps[1:])
        ratio_low, ratio_high = _bounds(ratio[1:])
        reached = float(np.isfinite(steps[1:] if fused.n > 1 else steps).mean())
        out.append(
            (
                name,
                fused.sign * aim[0],
                steps[0],
                low,
                high,
                reached,
                ratio[0],
                ratio_low,
                ratio_high,
                fused.n,
            )
        )
    columns = [
        "sampler",
        "target",
        "steps",
        "low",
        "high",
        "reached",
        "ratio",
        "ratio_low",
        "ratio_high",
        "n",
    ]
    return pd.DataFrame(out, columns=columns)


def verdict(rows: pd.DataFrame, metric: str, baseline: str = "ddpm", resamples: int = 2000) -> str:
    """The claim "InDI needs fewer steps than `baseline` for comparable results", by a fixed rule.

    The quality is the best that both reach. "reproduced": the 95 % interval of the ratio of steps
    lies above 1; "not reproduced": below 1; "inconclusive" otherwise, and always where fewer than
    `FEWEST_IMAGES` images were measured or that quality is not shown to be better than the input's.

    Raises:
        InDIError: as `steps_to_reach`, or y was not measured.
    """
    both = rows[rows["sampler"].isin(("indi", baseline, INPUT))]
    found = steps_to_reach(both, metric, resamples=resamples).set_index("sampler").loc[baseline]
    fused = _fused(both, metric, resamples, 0)
    if fused.given is None:
        raise InDIError(f"no {metric} of the input among the rows: evaluate it too.")
    better = (_target(fused, None) < fused.given)[1:].mean() if fused.n > 1 else 0.0
    if fused.n < FEWEST_IMAGES or better < 0.975:
        return "inconclusive"
    if found["ratio_low"] > 1:
        return "reproduced"
    return "not reproduced" if found["ratio_high"] < 1 else "inconclusive"


@dataclass(frozen=True)
class _Fused:
    """Fused means, lower is better. Row 0 is the data, the others are resamples.

    curves: sampler -> (steps (K,), means (1 + R, K)). given: means of y. n: images. sign: of the metric.
    """

    curves: dict[str, tuple[np.ndarray, np.ndarray]]
    given: np.ndarray | None
    n: int
    sign: float


def _fused(rows: pd.DataFrame, metric: str, resamples: int, seed: int) -> _Fused:
    require(rows, metric)
    rows = rows[rows["metric"] == metric]
    rows = rows if "image" in rows else rows.assign(image="all")
    index = ["sampler", "schedule", "steps"]
    table = rows.pivot_table(index="image", columns=index, values="value").dropna()
    n = len(table)
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples if n > 1 else 0)
    weights = np.concatenate([np.ones((1, n)), draws]) / n
    means = pd.DataFrame(sign(metric) * (weights @ table.to_numpy()), columns=table.columns)
    best = means.T.groupby(["sampler", "steps"]).min().T
    names = [name for name in dict.fromkeys(rows["sampler"]) if name != INPUT]
    curves = {name: (best[name].columns.to_numpy(), best[name].to_numpy()) for name in names}
    given = best[INPUT].to_numpy()[:, 0] if INPUT in best else None
    return _Fused(curves, given, n, sign(metric))


def _target(fused: _Fused, target: Target) -> np.ndarray:
    size = len(next(iter(fused.curves.values()))[1])
    if target is None:
        return np.max([means.min(axis=1) for _, means in fused.curves.values()], axis=0)
    if isinstance(target, tuple):
        name, count = target
        if name not in fused.curves or count not in fused.curves[name][0]:
            raise InDIError(f"no rows of {name!r} at {count} steps to take the target from.")
        steps, means = fused.curves[name]
        return means[:, steps == count][:, 0]
    return np.full(size, fused.sign * target)


def _first(fused: _Fused, name: str, target: np.ndarray) -> np.ndarray:
    steps, means = fused.curves[name]
    return np.where(means <= target[:, None], steps.astype(float), np.inf).min(axis=1)


def _bounds(values: np.ndarray) -> tuple[float, float]:
    if not len(values) or np.isnan(values).any():
        return np.nan, np.nan
    # an observed number of steps, not one interpolated between two, of which one may be infinite
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)
