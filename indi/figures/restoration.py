"""Plots and tables of the chapters that restore images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, ScalarFormatter

from indi import evaluation
from indi.evaluation import INPUT, metrics
from indi.figures import BLUE, GREY, PALETTE, SAMPLER_COLOURS, SAMPLER_LABELS, SAMPLER_LINES, SAMPLER_MARKERS
from indi.training import recipes
from indi.training.recipes import Recipe

_ARROWS = {"higher": "↑", "lower": "↓", "none": ""}


def metric_label(name: str) -> str:
    """ "PSNR [dB] ↑": name, unit, and the direction that is better; for a detail ratio, "(1 is right)"."""
    metric = metrics.describe(name)
    unit = f" [{metric.unit}]" if metric.unit else ""
    suffix = " (1 is right)" if metric.direction == "none" else f" {_ARROWS[metric.direction]}"
    return f"{metric.label}{unit}{suffix}"


def training_curve(log: pd.DataFrame, loss: str = "absolute error of x") -> Figure:
    """Training loss (images in [-1, 1]) against the step, as logged and as a running mean."""
    figure, axes = plt.subplots(figsize=(6.4, 3.0))
    axes.plot(log["step"], log["loss"], color=BLUE, alpha=0.25, linewidth=1, label="logged")
    window = max(1, len(log) // 20)
    smooth = log["loss"].rolling(window, center=True, min_periods=1).mean()
    axes.plot(log["step"], smooth, color=BLUE, label=f"mean of {window}")
    axes.set(xlabel="optimiser step", ylabel=f"mean {loss}", yscale="log")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_locator(NullLocator())
    low, high = smooth.min(), smooth.max()
    axes.set_yticks(np.geomspace(low, high, 4).round(3))
    axes.legend()
    return figure


def quality_by_steps(changes: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Each metric against the number of steps: a line per sampler, y in grey, 95 % intervals shaded.

    Args:
        changes: as `evaluation.changes` gives it, so that an interval is that of the change against
            its baseline; images differ far more from one another than settings do.
        names: metrics, one panel each.
    """
    figure, panels = plt.subplots(1, len(names), figsize=(3.4 * len(names), 3.2), squeeze=False, sharex=True)
    for axes, name in zip(panels[0], names, strict=True):
        part = changes[changes["metric"] == name]
        for sampler, rows in part.groupby("sampler", sort=False):
            if sampler == INPUT:
                axes.axhline(rows["mean"].iloc[0], color=GREY, linestyle=":", label="input y")
                continue
            rows = rows.sort_values("steps")
            axes.plot(
                rows["steps"],
                rows["mean"],
                color=SAMPLER_COLOURS[sampler],
                marker=SAMPLER_MARKERS[sampler],
                linestyle=SAMPLER_LINES[sampler],
                label=SAMPLER_LABELS[sampler],
            )
            axes.fill_between(
                rows["steps"], rows["low"], rows["high"], color=SAMPLER_COLOURS[sampler], alpha=0.12
            )
        step_axis(axes, part["steps"])
        axes.set_title(metric_label(name))
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def perception_distortion(changes: pd.DataFrame, perception: str, distortion: str = "psnr") -> Figure:
    """The perception-distortion plane: one curve per sampler, its points labelled with N, bars of 95 %.

    Args:
        changes: as `evaluation.changes` gives it; bars are intervals of the change against its baseline.
        perception: metric of the vertical axis. distortion: of the horizontal one.
    """
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    index = ["sampler", "steps"]
    columns = [
        changes[changes["metric"] == name].set_index(index)[["mean", "low", "high"]].add_prefix(f"{axis}_")
        for axis, name in (("x", distortion), ("y", perception))
    ]
    points = columns[0].join(columns[1]).reset_index()
    for sampler, rows in points[points["sampler"] != INPUT].groupby("sampler", sort=False):
        rows = rows.sort_values("steps")
        axes.errorbar(
            rows["x_mean"],
            rows["y_mean"],
            xerr=[rows["x_mean"] - rows["x_low"], rows["x_high"] - rows["x_mean"]],
            yerr=[rows["y_mean"] - rows["y_low"], rows["y_high"] - rows["y_mean"]],
            color=SAMPLER_COLOURS[sampler],
            marker=SAMPLER_MARKERS[sampler],
            linestyle=SAMPLER_LINES[sampler],
            elinewidth=0.5,
            alpha=0.9,
            label=SAMPLER_LABELS[sampler],
        )
        for _, row in rows.iterrows():
            axes.annotate(
                f"{row['steps']:.0f}",
                (row["x_mean"], row["y_mean"]),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
                color=SAMPLER_COLOURS[sampler],
            )
    axes.set(xlabel=metric_label(distortion), ylabel=metric_label(perception))
    axes.legend(title="number of steps N at each point", title_fontsize=9)
    return figure


def restored_strip(
    kept: Mapping[tuple[str, str, int], np.ndarray],
    images: Sequence[str],
    step_counts: Sequence[int],
    sampler: str = "indi",
    side: int | None = 64,
) -> Figure:
    """A row per image: y, the restorations at several step counts, and the truth, enlarged.

    Args:
        kept: as `evaluation.Evaluated.kept`.
        images: names of the rows; those that were not kept are left out.
        step_counts: N of the columns.
        sampler: whose restorations.
        side: of the central window shown, pixels; None for all.
    """
    columns = [
        ("input y", INPUT, 0),
        *((f"N = {n}", sampler, n) for n in step_counts),
        ("truth x", "truth", 0),
    ]
    images = [image for image in images if (image, INPUT, 0) in kept]
    figure, panels = plt.subplots(
        len(images),
        len(columns),
        figsize=(1.45 * len(columns), 1.5 * len(images) + 0.25),
        squeeze=False,
        gridspec_kw={"wspace": 0.03, "hspace": 0.03},
    )
    for axes, (title, _, _) in zip(panels[0], columns, strict=True):
        axes.set_title(title)
    for row, image in zip(panels, images, strict=True):
        for axes, (_, name, steps) in zip(row, columns, strict=True):
            picture = kept[image, name, steps]
            if side is not None:
                top, left = ((np.array(picture.shape[:2]) - side) // 2).clip(min=0)
                picture = picture[top : top + side, left : left + side]
            axes.imshow(picture, interpolation="nearest")
            axes.set_axis_off()
    return figure


def metric_table(summary: pd.DataFrame, names: Sequence[str], digits: int = 3) -> pd.DataFrame:
    """Mean and 95 % interval of each metric, a row per sampler and step count, ready for `show_table`."""
    rows = []
    for (sampler, steps), group in summary.groupby(["sampler", "steps"], sort=False):
        row: dict[str, object] = {
            "sampler": "input y" if sampler == INPUT else SAMPLER_LABELS[sampler],
            "N": "–" if sampler == INPUT else str(steps),
        }
        found = group.set_index("metric")
        for name in names:
            places = 2 if metrics.describe(name).unit == "dB" else digits
            if name in found.index:
                m = found.loc[name]
                row[metric_label(name)] = (
                    f"{m['mean']:.{places}f} [{m['low']:.{places}f},\u00a0{m['high']:.{places}f}]"
                )
            else:
                row[metric_label(name)] = "not measured"
        rows.append(row)
    return pd.DataFrame(rows)


def step_axis(axes: Axes, steps: Iterable[float], label: str = "number of steps N") -> None:
    """A logarithmic axis whose ticks are the step counts themselves; 0, that of y, has none."""
    axes.set_xscale("log")
    ticks = sorted({int(s) for s in steps if s > 0})
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(label)


def recipe_table(recipe: Recipe) -> pd.DataFrame:
    """The settings of a training beside those of the paper."""
    ours, paper = recipes.as_dict(recipe), recipes.as_dict(recipes.recipe(recipe.task, "paper"))
    return pd.DataFrame(
        {
            "setting": name,
            f"this run ({recipe.profile})": _plain(ours[name]),
            "paper profile": _plain(paper[name]),
        }
        for name in ours
        if name not in ("task", "profile")
    )


def _plain(value: object) -> str:
    if value is None:
        return "the data set's pairs"
    return ", ".join(map(_plain, value)) if isinstance(value, list) else str(value)


def set_table(sets: pd.DataFrame, digits: int = 3) -> pd.DataFrame:
    """Distances between sets with their intervals, a row per sampler and step count, for `show_table`."""
    if sets.empty:
        return pd.DataFrame({"distances between sets": ["not measured: their weights are missing"]})
    rows = []
    for (sampler, steps), group in sets.groupby(["sampler", "steps"], sort=False):
        row: dict[str, object] = {
            "sampler": "input y" if sampler == INPUT else SAMPLER_LABELS[sampler],
            "N": "–" if sampler == INPUT else str(steps),
        }
        for _, m in group.iterrows():
            row[metric_label(m["metric"])] = (
                f"{m['value']:.{digits}f} [{m['low']:.{digits}f},\u00a0{m['high']:.{digits}f}]"
            )
        rows.append(row | {"images": group["images"].iloc[0], "patches a side": group["patches"].iloc[0]})
    return pd.DataFrame(rows)


def comparison_table(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The paper's questions to one task as paired differences over images, for `show_table`.

    Args:
        rows: as `evaluation.evaluate` gives them, with all three samplers.
        names: metrics, one column each.
    """
    counts = sorted(rows.loc[rows["sampler"] == "indi", "steps"].unique())
    few = next((n for n in counts if n >= 5), counts[-1])
    most = counts[-1]
    questions = [
        ("InDI, 1 step, against the input", ("indi", 1), (INPUT, 0)),
        (f"InDI, {few} steps against 1", ("indi", few), ("indi", 1)),
        (f"InDI, {most} steps against {few}", ("indi", most), ("indi", few)),
        (f"naive against InDI, {few} steps", ("naive", few), ("indi", few)),
        (f"naive against InDI, {most} steps", ("naive", most), ("indi", most)),
        (f"Cold Diffusion against InDI, {few} steps", ("cold_diffusion", few), ("indi", few)),
        (f"Cold Diffusion against InDI, {most} steps", ("cold_diffusion", most), ("indi", most)),
    ]
    out = []
    for question, a, b in questions:
        row = {"comparison": question}
        for name in names:
            found = evaluation.difference(rows, name, a, b)
            shown = "" if found.low > 0 or found.high < 0 else ": none shown"
            row[metric_label(name)] = f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]{shown}"
        out.append(row)
    return pd.DataFrame(out)


def training_curves(log: pd.DataFrame, by: str, loss: str = "absolute error of x") -> Figure:
    """Running means of several trainings' losses (images in [-1, 1]); the column `by` tells them apart."""
    figure, axes = plt.subplots(figsize=(6.4, 3.4))
    lines = ("-", "--", "-.", ":")
    for k, (name, part) in enumerate(log.groupby(by, sort=False)):
        smooth = part["loss"].rolling(max(1, len(part) // 8), center=True, min_periods=1).mean()
        colour = PALETTE[k % len(PALETTE)]
        axes.plot(part["step"], smooth, color=colour, linestyle=lines[k % len(lines)], label=name)
    axes.set(xlabel="optimiser step", ylabel=f"mean {loss}", yscale="log")
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.legend()
    return figure
