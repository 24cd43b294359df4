"""Plots, tables and statements of the last chapter: alternatives to InDI at equal numbers of calls of F."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from indi import evaluation
from indi.evaluation import INPUT, metrics
from indi.evaluation.metrics.intervals import FEWEST_IMAGES
from indi.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, RED
from indi.figures.restoration import metric_label, step_axis
from indi.method import solvers

BASELINE = "indi"
CALLS = "calls of F"

#: Method -> what readers see, colour, marker and line.
METHODS = {
    BASELINE: ("InDI, equal steps, L1 (the paper)", BLUE, "o", "-"),
    "chosen": ("InDI, chosen steps, L1", ORANGE, "D", "--"),
    "multistep": ("multistep, equal steps, L1", GREEN, "^", "-."),
    "heun": ("Heun, equal steps, L1", PURPLE, "v", ":"),
    "squared": ("InDI, equal steps, squared error", RED, "s", "--"),
}
SCHEDULE_LABELS = {
    "uniform": "equal steps (the paper)",
    "concave": "concave: t = (1 − i/N)^½",
    "convex": "convex: t = (1 − i/N)²",
    "cosine": "cosine",
    "geometric": "1 − t in equal ratios",
    "front": "half of them before t = 0.9",
}
_MARKERS, _LINES = "osD^vP", ("-", "--", "-.", ":", "-", "--")


def order(rows: pd.DataFrame) -> Figure:
    """|gain - limit| against the calls of F, both logarithmic: a line per solver, its slope in the legend.

    Args:
        rows: columns solver, calls, error, slope.
    """
    figure, axes = plt.subplots(figsize=(6.2, 3.6))
    for i, (name, group) in enumerate(rows.groupby("solver", sort=False)):
        label = f"{solvers.solver(str(name)).label}: slope −{group['slope'].iloc[0]:.2f}"
        axes.plot(
            group["calls"], group["error"], color=PALETTE[i], marker=_MARKERS[i], linestyle=_LINES[i], label=label
        )  # fmt: skip
    step_axis(axes, rows["calls"], CALLS)
    axes.set(yscale="log", ylabel="|gain − exact gain|  (↓)")
    axes.legend()
    return figure


def lost_variance(rows: pd.DataFrame) -> Figure:
    """Variance of the coordinate that the degradation removes: a panel per solver, a line per schedule.

    Args:
        rows: columns solver, schedule, calls, variance.
    """
    names = list(rows["solver"].unique())
    figure, panels = plt.subplots(1, len(names), figsize=(3.4 * len(names), 3.7), sharey=True)
    for axes, name in zip(panels, names, strict=True):
        part = rows[rows["solver"] == name]
        for i, (schedule, group) in enumerate(part.groupby("schedule", sort=False)):
            axes.plot(
                group["calls"], group["variance"], color=PALETTE[i], marker=_MARKERS[i], linestyle=_LINES[i],
                label=SCHEDULE_LABELS[str(schedule)],
            )  # fmt: skip
        axes.axhline(1, color=BLACK, linewidth=0.8)
        step_axis(axes, rows["calls"], CALLS)
        axes.set_title(solvers.solver(name).label)
    panels[0].set(ylabel="variance of the lost coordinate\n(line: right)", yscale="log")
    ticks = [v for v in (0.25, 0.5, 1, 2, 5, 10, 20, 50) if v <= 1.2 * rows["variance"].max()]
    panels[0].set_yticks(ticks, [f"{v:g}" for v in ticks])
    panels[0].yaxis.set_minor_locator(NullLocator())
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def quality(rows: pd.DataFrame, found: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Means (top) and paired differences to InDI with equal steps (bottom, bars of 95 %) at equal calls.

    Args:
        rows: as `evaluation.evaluate` gives them, `steps` counting calls of F.
        found: as `comparisons` gives it.
        names: metrics, one column each.
    """
    means = rows.groupby(["sampler", "steps", "metric"], sort=False)["value"].mean().reset_index()
    figure, panels = plt.subplots(2, len(names), figsize=(3.5 * len(names), 5.6), sharex=True, squeeze=False)
    methods = [name for name in METHODS if name in set(rows["sampler"])]
    calls = sorted(rows.loc[rows["steps"] > 0, "steps"].unique())
    for (top, bottom), metric in zip(panels.T, names, strict=True):
        for i, name in enumerate(methods):
            label, colour, marker, line = METHODS[name]
            style = {"color": colour, "marker": marker, "linestyle": line, "label": label}
            part = means[(means["sampler"] == name) & (means["metric"] == metric)].sort_values("steps")
            top.plot(part["steps"], part["value"], **style)
            if name == BASELINE:
                continue  # the zero line
            part = found[(found["method"] == name) & (found["metric"] == metric)].sort_values("calls")
            shift = 1.03 ** (i - len(methods) / 2)  # bars beside one another
            bars = np.abs(part[["low", "high"]].to_numpy().T - part["mean"].to_numpy())
            bottom.errorbar(
                part["calls"] * shift, part["mean"], yerr=np.nan_to_num(bars), elinewidth=1, **style
            )
        top.axhline(
            means[(means["sampler"] == INPUT) & (means["metric"] == metric)]["value"].iloc[0],
            color=GREY, linestyle=":", label="input y",
        )  # fmt: skip
        bottom.axhline(0, color=BLUE)
        top.set_title(metric_label(metric))
        step_axis(bottom, calls, CALLS)
    panels[0, 0].set_ylabel("mean")
    panels[1, 0].set_ylabel("minus InDI, equal steps, L1,\nat as many calls")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def loss_score(metric: str) -> Callable[[pd.Series], pd.Series]:
    """Values of a metric -> a number that is better when lower; a detail ratio's distance from 1."""
    direction = metrics.describe(metric).direction
    if direction == "none":
        return lambda value: (value - 1).abs()
    return (lambda value: -value) if direction == "higher" else (lambda value: value)


def verdict(worse: metrics.Interval) -> str:
    """What an interval of (method - baseline), in a score that is better when lower, says."""
    if worse.n and worse.mean == 0 and np.isnan(worse.low):
        return "same"
    if worse.n < FEWEST_IMAGES:
        return "too few images"
    if worse.high < 0:
        return "better"
    return "worse" if worse.low > 0 else "none shown"


def comparisons(
    rows: pd.DataFrame, pairs: Sequence[tuple[str, int, str, int]], names: Sequence[str]
) -> pd.DataFrame:
    """Paired differences over images, a row per pair and metric.

    Args:
        rows: as `evaluation.evaluate` gives them.
        pairs: (method, calls, baseline, calls of the baseline).
        names: metrics.

    Returns:
        Columns method, calls, baseline, baseline_calls, metric, mean, low, high, n and verdict:
        better, worse, none shown (the 95 % interval covers zero), too few images (less than
        `FEWEST_IMAGES`) or same (not a single difference).
        For the detail ratio the verdict is on its distance from 1.
    """
    out = []
    for a, n, b, m in pairs:
        for metric in names:
            interval = evaluation.difference(rows, metric, (a, n), (b, m))
            part = rows[rows["metric"] == metric]
            scores = part.assign(value=loss_score(metric)(part["value"]))
            word = verdict(evaluation.difference(scores, metric, (a, n), (b, m)))
            out.append((a, n, b, m, metric, interval.mean, interval.low, interval.high, interval.n, word))
    columns = [
        "method",
        "calls",
        "baseline",
        "baseline_calls",
        "metric",
        "mean",
        "low",
        "high",
        "n",
        "verdict",
    ]
    return pd.DataFrame(out, columns=columns)


def at_equal_calls(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """`comparisons` of every other method with InDI at equal steps, at each number of calls."""
    calls = sorted(rows.loc[rows["sampler"] == BASELINE, "steps"].unique())
    methods = [name for name in METHODS if name in set(rows["sampler"]) and name != BASELINE]
    return comparisons(rows, [(name, n, BASELINE, n) for name in methods for n in calls], names)


def after_many(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """`comparisons` of each method with itself: each number of calls against the one before."""
    calls = sorted(rows.loc[rows["sampler"] == BASELINE, "steps"].unique())
    methods = [name for name in METHODS if name in set(rows["sampler"])]
    return comparisons(rows, [(name, b, name, a) for name in methods for a, b in pairwise(calls)], names)


def comparison_table(found: pd.DataFrame) -> pd.DataFrame:
    """Comparisons for `show_table`: a row per method and calls, a column per metric."""
    out = []
    for (method, calls, before), group in found.groupby(["method", "calls", "baseline_calls"], sort=False):
        row = {
            "method": METHODS[str(method)][0],
            "calls": f"{calls}" if calls == before else f"{calls} − {before}",
        }
        for m in group.itertuples():
            text = "same" if m.verdict == "same" else f"{m.mean:+.2g} [{m.low:+.2g}, {m.high:+.2g}]"
            given = m.verdict in ("better", "worse", "none shown")
            row[metric_label(m.metric)] = f"{text}: {m.verdict}" if given else text
        out.append(row)
    return pd.DataFrame(out)


def statements(found: pd.DataFrame, questions: Mapping[str, Sequence[str]]) -> str:
    """Markdown: per experiment, method and metric, at which numbers of calls it is better or worse.

    Args:
        found: as `at_equal_calls` gives it.
        questions: the experiment in words -> its methods.
    """
    lines = []
    for question, methods in questions.items():
        lines.append(f"- **{question}**")
        for method in methods:
            for metric in found["metric"].unique():
                part = found[(found["method"] == method) & (found["metric"] == metric)]
                label = metrics.describe(str(metric)).label
                lines.append(f"  - {METHODS[method][0]}, {label}: {_said(part)}.")
    return "\n".join(lines)


def _said(part: pd.DataFrame) -> str:
    said = []
    for word in ("better", "worse"):
        shown = part[part["verdict"] == word]
        if len(shown):
            sizes = ", ".join(f"{m.mean:+.2g} at {m.calls}" for m in shown.itertuples())
            said.append(f"{word} at {len(shown)} of {len(part)} numbers of calls ({sizes})")
    if said:
        return "; ".join(said)
    if (part["verdict"] == "too few images").any():
        largest = part.loc[part["mean"].abs().idxmax()]
        return f"inconclusive, {largest['n']} images; largest difference {largest['mean']:+.2g}"
    return "no difference shown at any number of calls"


def chance(found: pd.DataFrame) -> str:
    """How many of the comparisons one would expect to be shown by chance alone."""
    tested = found[found["verdict"].isin(["better", "worse", "none shown"])]
    if tested.empty:
        return f"No verdict is given: fewer than {FEWEST_IMAGES} images say nothing about a difference."
    shown = int((tested["verdict"] != "none shown").sum())
    return (
        f"Of {len(tested)} intervals of 95 %, {shown} lie clear of zero. If no method made any difference, "
        f"about {0.05 * len(tested):.0f} would, and more with few images, whose intervals are too narrow."
    )


def choice_table(summary: pd.DataFrame, choice: Mapping[int, str], metric: str) -> pd.DataFrame:
    """Mean of `metric` on the training images by schedule and calls, the chosen one starred."""
    part = summary[summary["metric"] == metric]
    out = []
    for name, group in part[part["sampler"] != INPUT].groupby("sampler", sort=False):
        row = {"steps": SCHEDULE_LABELS[str(name)]}
        for m in group.sort_values("steps").itertuples():
            star = " *" if choice.get(m.steps) == name else ""
            row[f"{m.steps} calls"] = f"{m.mean:.4f}{star}"
        out.append(row)
    return pd.DataFrame(out)
