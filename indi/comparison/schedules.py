"""Fig. 12: the schedules of the conditional DDPM, fused to one curve per sampler.

Rows are tidy: image, sampler, schedule, steps, metric, value. Where a sampler has several schedules,
each number of steps takes the one whose mean of the metric is best. The choice is made on the very
images that are compared, as in the paper, which favours the DDPM.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from torch import Tensor

from indi import cddpm, metrics
from indi.errors import InDIError
from indi.evaluation import INPUT, Method
from indi.process import Generators
from indi.samplers import Callback, Restorer, Sampler

NO_SCHEDULE = "none"
"""Stands in the column `schedule` where a sampler has none."""

KEYS = ["sampler", "schedule", "steps", "metric"]
"""The columns that say what was measured; rows of single images have `image` beside them."""


def methods(
    samplers: Sequence[str] = tuple(cddpm.SAMPLERS), schedules: Sequence[str] = tuple(cddpm.SCHEDULES)
) -> dict[str, Method]:
    """ "sampler:schedule" -> what `evaluation.evaluate` takes as a method of F, for every pair of the two."""
    return {
        f"{sampler}:{schedule}": Method(_of_network(sampler), partial(cddpm.levels, schedule))
        for sampler in samplers
        for schedule in schedules
    }


def _of_network(name: str) -> Sampler:
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
        return cddpm.SAMPLERS[name](cddpm.predictor(F), y, times, generator, callback)

    return sample


def tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows or sets of `evaluation.evaluate` with "sampler:schedule" taken apart into two columns."""
    names = [name.partition(":") for name in rows["sampler"]]
    out = rows.assign(sampler=[sampler for sampler, _, _ in names])
    schedules = [schedule or NO_SCHEDULE for _, _, schedule in names]
    out.insert(list(out.columns).index("sampler") + 1, "schedule", schedules)
    return out


def choices(rows: pd.DataFrame, metric: str, against: str = "psnr") -> pd.DataFrame:
    """Every schedule at every number of steps: its means, whether it is chosen, whether it is on the front.

    Args:
        rows: tidy, with or without a column image.
        metric: what the choice is made by (the best mean).
        against: the other axis of the front.

    Returns:
        Columns sampler, schedule, steps, <against> (where measured), <metric>, chosen, on_front: no
        other schedule of that sampler and number of steps is at least as good in both and better in one.
    """
    names = [name for name in dict.fromkeys((against, metric)) if (rows["metric"] == name).any()]
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
