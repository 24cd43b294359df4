"""Fig. 12: how many steps InDI and the conditional DDPM need for the same quality, with intervals over images.

Rows are tidy: image, sampler, schedule, steps, metric, value. The schedules of the conditional DDPM are fused
to one curve per sampler: each number of steps takes the one whose mean of the metric is best. The choice is
made on the very images that are compared, as in the paper, which favours the DDPM; it is made anew in each
resample of the images, so that the intervals hold its luck too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from torch import Tensor

from indi.errors import InDIError
from indi.evaluation import INPUT, Method, metrics
from indi.method import cddpm
from indi.method.process import Generators
from indi.method.samplers import Callback, Restorer, Sampler

NO_SCHEDULE = "none"
"""Stands in the column `schedule` where a sampler has none."""

KEYS = ["sampler", "schedule", "steps", "metric"]
"""The columns that say what was measured; rows of single images have `image` beside them."""


def methods(
    schedules: Sequence[str] = tuple(cddpm.SCHEDULES), prediction: cddpm.Prediction = "noise"
) -> dict[str, Method]:
    """ "sampler:schedule" -> what `evaluation.evaluate` takes as a method of F, for every pair of the two."""
    return {
        f"{sampler}:{schedule}": Method(_of_network(sampler, prediction), partial(cddpm.levels, schedule))
        for sampler in cddpm.SAMPLERS
        for schedule in schedules
    }


def _of_network(name: str, prediction: cddpm.Prediction) -> Sampler:
    """A sampler of the DDPM in the signature of InDI's: `times` are the levels, eps and schedule do not apply."""

    def sample(
        F: Restorer,
        y: Tensor,
        times: Sequence[float] | np.ndarray,
        eps: float = 0.0,
        schedule: str = "constant",
        generator: Generators | None = None,
        callback: Callback | None = None,
    ) -> Tensor:
        return cddpm.SAMPLERS[name](cddpm.predictor(F, prediction), y, times, generator, callback)

    return sample


def tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows or sets of `evaluation.evaluate` with "sampler:schedule" taken apart into two columns."""
    names = [name.partition(":") for name in rows["sampler"]]
    out = rows.assign(sampler=[sampler for sampler, _, _ in names])
    schedules = [schedule or NO_SCHEDULE for _, _, schedule in names]
    out.insert(list(out.columns).index("sampler") + 1, "schedule", schedules)
    return out


def choices(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Every schedule at every number of steps: its means, whether it is chosen, whether it is on the front.

    Args:
        rows: tidy, with or without a column image.
        metric: what the choice is made by (the best mean); PSNR is the other axis of the front.

    Returns:
        Columns sampler, schedule, steps, psnr (where measured), <metric>, chosen, on_front: no
        other schedule of that sampler and number of steps is at least as good in both and better in one.
    """
    names = [name for name in dict.fromkeys(("psnr", metric)) if (rows["metric"] == name).any()]
    require(rows, metric)
    restored = rows[(rows["sampler"] != INPUT) & rows["metric"].isin(names)]
    index = ["sampler", "schedule", "steps"]
    table = restored.pivot_table(index=index, columns="metric", values="value", sort=False)[names]
    points = table.reset_index().rename_axis(columns=None)
    cost = np.stack([sign(name) * points[name] for name in names], axis=1)
    chosen, front = np.zeros(len(points), bool), np.zeros(len(points), bool)
    for _, part in points.groupby(["sampler", "steps"]):
        at = part.index.to_numpy()
        chosen[at[np.argmin(cost[at, names.index(metric)])]] = True
        for i in at:
            others = cost[at]
            dominated = (others <= cost[i]).all(axis=1) & (others < cost[i]).any(axis=1)
            front[i] = not dominated.any()
    return points.assign(chosen=chosen, on_front=front)


def fuse(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of the schedule with the best mean of `metric` at each number of steps; all others go.

    Args:
        rows: tidy, with or without a column image; y and samplers without schedules are kept.
        metric: a perceptual metric, so that the fused curve is the perceptual end of each front.

    Raises:
        InDIError: the metric is not among the rows.
    """
    points = choices(rows, metric)
    index = ["sampler", "schedule", "steps"]
    chosen = pd.MultiIndex.from_frame(points.loc[points["chosen"], index])
    keep = pd.MultiIndex.from_frame(rows[index]).isin(chosen) | (rows["sampler"] == INPUT)
    return rows[keep]


def sign(metric: str) -> float:
    """1 where a lower value of the metric is better, -1 where a higher one is.

    Raises:
        InDIError: neither is.
    """
    direction = metrics.describe(metric).direction
    if direction == "none":
        raise InDIError(f"{metric} has no better direction: choose PSNR, SSIM, LPIPS or a distance.")
    return 1.0 if direction == "lower" else -1.0


def require(rows: pd.DataFrame, metric: str) -> None:
    """Raise InDIError unless the metric is among the rows."""
    if not (rows["metric"] == metric).any():
        raise InDIError(f"no {metric} among the rows: they hold {', '.join(rows['metric'].unique())}.")


Target = float | tuple[str, int] | None
"""A value of the metric; or that of (sampler, steps); or None: the best that every sampler reaches."""


def steps_to_reach(
    rows: pd.DataFrame, metric: str, target: Target = None, *, reference: str = "indi", resamples: int = 2000
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
    fused = _fused(rows, metric, resamples)
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
            {
                "sampler": name,
                "target": fused.sign * aim[0],
                "steps": steps[0],
                "low": low,
                "high": high,
                "reached": reached,
                "ratio": ratio[0],
                "ratio_low": ratio_low,
                "ratio_high": ratio_high,
                "n": fused.n,
            }
        )
    return pd.DataFrame(out)


@dataclass(frozen=True)
class Shares:
    """Of the resamples: how many have `baseline` need more, or fewer, steps than InDI to the best quality that
    both reach, and in how many that is better than the input's. All 0 with fewer than two images."""

    more: float
    fewer: float
    better_than_input: float


def shares(rows: pd.DataFrame, metric: str, baseline: str = "ddpm", resamples: int = 2000) -> Shares:
    """How sure it is which of two needs more steps.

    Args:
        rows: tidy, with InDI, the baseline and the input. metric, resamples: as in `steps_to_reach`.

    Raises:
        InDIError: the metric or the input was not measured.
    """
    both = rows[rows["sampler"].isin(("indi", baseline, INPUT))]
    fused = _fused(both, metric, resamples)
    if fused.given is None:
        raise InDIError(f"no {metric} of the input among the rows: evaluate it too.")
    if fused.n < 2:
        return Shares(0.0, 0.0, 0.0)
    target = _target(fused, None)
    ours, theirs = (_first(fused, name, target)[1:] for name in ("indi", baseline))
    found = (theirs > ours, theirs < ours, (target < fused.given)[1:])
    return Shares(*(float(share.mean()) for share in found))


@dataclass(frozen=True)
class _Fused:
    """Fused means, lower is better. Row 0 is the data, the others are resamples.

    curves: sampler -> (steps (K,), means (1 + R, K)). given: means of y. n: images. sign: of the metric.
    """

    curves: dict[str, tuple[np.ndarray, np.ndarray]]
    given: np.ndarray | None
    n: int
    sign: float


def _fused(rows: pd.DataFrame, metric: str, resamples: int) -> _Fused:
    require(rows, metric)
    rows = rows[rows["metric"] == metric]
    rows = rows if "image" in rows else rows.assign(image="all")
    index = ["sampler", "schedule", "steps"]
    table = rows.pivot_table(index="image", columns=index, values="value").dropna()
    n = len(table)
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=resamples if n > 1 else 0)
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
