"""Plots and tables of the chapters that restore images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from indi import evaluation
from indi.evaluation import INPUT, TRUTH
from indi.figures import BLUE, LOOKS, difference, interval, looks, metric_label
from indi.figures.plots import draw, log_ticks, metric_plane, middle, over_steps, pictures
from indi.training import recipes
from indi.training.recipes import Recipe

__all__ = ["metric_label"]  # its old place, where chapters find it

perception_distortion = metric_plane


def training_curve(log: pd.DataFrame, loss: str = "absolute error of x") -> Figure:
    """Training loss (images in [-1, 1]) against the step, as logged and as a running mean."""
    figure, axes = plt.subplots(figsize=(6.4, 3.0))
    axes.plot(log["step"], log["loss"], color=BLUE, alpha=0.25, linewidth=1, label="logged")
    window = max(1, len(log) // 20)
    _losses(axes, _running(log, window).assign(run=f"mean of {window}"), "run", loss)
    return figure


def training_curves(log: pd.DataFrame, by: str) -> Figure:
    """Running means of several trainings' losses (images in [-1, 1]); the column `by` tells them apart."""
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    parts = [_running(part, max(1, len(part) // 8)) for _, part in log.groupby(by, sort=False)]
    _losses(axes, pd.concat(parts, ignore_index=True), by, "absolute error of x")
    return figure


def _running(log: pd.DataFrame, window: int) -> pd.DataFrame:
    return log.assign(loss=log["loss"].rolling(window, center=True, min_periods=1).mean())


def _losses(axes: Axes, log: pd.DataFrame, by: str, loss: str) -> None:
    draw(axes, log, looks(log[by]), by, "step", "loss", markers=False)
    log_ticks(axes, np.geomspace(log["loss"].min(), log["loss"].max(), 4).round(3).tolist())
    axes.set(xlabel="optimiser step", ylabel=f"mean {loss} (log scale) ↓")
    axes.legend()


def quality_by_steps(changes: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Each metric against the number of steps: a line per sampler, y in grey, 95 % intervals shaded.

    Args:
        changes: as `evaluation.changes` gives it, so that an interval is that of the change against
            its baseline; images differ far more from one another than settings do.
        names: metrics, one panel each.
    """
    return over_steps(changes, {name: metric_label(name) for name in names})


def restored_strip(
    kept: Mapping[tuple[str, str, int], np.ndarray],
    images: Sequence[str],
    step_counts: Sequence[int],
    side: int | None = 64,
) -> Figure:
    """A row per image: y, InDI's restorations at several step counts, and the truth, enlarged.

    Args:
        kept: as `evaluation.Evaluated.kept`.
        images: names of the rows; those that were not kept are left out.
        side: of the central window shown, pixels; None for all.
    """
    columns = [(INPUT, 0), *(("indi", n) for n in step_counts), (TRUTH, 0)]
    there = [image for image in images if (image, INPUT, 0) in kept]
    rows = [[middle(kept[image, *column], side) for column in columns] for image in there]
    return pictures(rows, ["input y", *(f"N = {n}" for n in step_counts), "truth x"])


def metric_table(summary: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Mean and 95 % interval of each metric, a row per sampler and step count, ready for `show_table`."""
    return pd.DataFrame(
        {**_setting(sampler, steps), **metric_cells(group, names)}
        for (sampler, steps), group in summary.groupby(["sampler", "steps"], sort=False)
    )


def set_table(sets: pd.DataFrame) -> pd.DataFrame:
    """Distances between sets with their intervals, a row per sampler and step count, for `show_table`."""
    if sets.empty:
        return pd.DataFrame({"distances between sets": ["not measured: their weights are missing"]})
    counted = {"images": "images", "patches": "patches a side"}
    return pd.DataFrame(
        {
            **_setting(sampler, steps),
            **metric_cells(group.rename(columns={"value": "mean"}), list(sets["metric"].unique())),
            **{shown: group[name].iloc[0] for name, shown in counted.items()},
        }
        for (sampler, steps), group in sets.groupby(["sampler", "steps"], sort=False)
    )


def _setting(sampler: str, steps: int) -> dict[str, object]:
    if sampler == INPUT:
        return {"sampler": "input y", "N": "–"}
    return {"sampler": LOOKS[sampler].label, "N": str(steps)}


def metric_cells(found: pd.DataFrame, names: Sequence[str]) -> dict[str, str]:
    """One setting's numbers with their intervals, under the labels of their metrics.

    Args:
        found: columns metric, mean, low, high; a row per metric.
        names: metrics, in this order.
    """
    rows = found.set_index("metric")[["mean", "low", "high"]]
    return {
        metric_label(name): interval(rows.loc[name], name) if name in rows.index else "not measured"
        for name in names
    }


def recipe_table(recipe: Recipe) -> pd.DataFrame:
    """The settings of a training beside those of the paper."""
    ours, paper = recipes.public(recipe), recipes.recipe(recipe.task, "paper")
    return pd.DataFrame(
        {
            "setting": name,
            f"this run ({recipe.profile})": _plain(ours[name]),
            "paper profile": _plain(getattr(paper, name)),
        }
        for name in ours
        if name not in ("task", "profile")
    )


def _plain(value: object) -> str:
    if value is None:
        return "the data set's pairs"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value)) or "none"
    return str(value)


def comparison_table(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The paper's questions to one task as paired differences over images, for `show_table`.

    Args:
        rows: as `evaluation.evaluate` gives them, with all three samplers.
        names: metrics, one column each.
    """
    counts = sorted(rows.loc[rows["sampler"] == "indi", "steps"].unique())
    few = next((n for n in counts if n >= 5), counts[-1])
    most = counts[-1]
    questions = {
        "InDI, 1 step, against the input": (("indi", 1), (INPUT, 0)),
        f"InDI, {few} steps against 1": (("indi", few), ("indi", 1)),
        f"InDI, {most} steps against {few}": (("indi", most), ("indi", few)),
    }
    for other in ("naive", "cold_diffusion"):
        for n in (few, most):
            questions[f"{LOOKS[other].label} against InDI, {n} steps"] = ((other, n), ("indi", n))
    out = []
    for question, (a, b) in questions.items():
        row = {"comparison": question}
        for name in names:
            found = evaluation.difference(rows, name, a, b)
            row[metric_label(name)] = difference((found.mean, found.low, found.high), name)
        out.append(row)
    return pd.DataFrame(out)
