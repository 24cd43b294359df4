"""Plots, tables and statements of the last chapter: alternatives to InDI at equal numbers of calls of F."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import pandas as pd
from matplotlib.figure import Figure

from indi import evaluation
from indi.claims.decide import worded
from indi.evaluation import INPUT, metrics
from indi.evaluation.metrics.intervals import FEWEST_IMAGES
from indi.figures import (
    BLUE,
    DASHDOT,
    DASHED,
    DOTTED,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SOLID,
    Look,
    interval,
    looks,
    metric_label,
)
from indi.figures.plots import lines_over_steps, log_ticks, over_steps
from indi.method import solvers

BASELINE = "indi"
CALLS = "calls of F"

METHODS = {
    BASELINE: Look("InDI, equal steps, L1 (the paper)", BLUE, "o", SOLID),
    "chosen": Look("InDI, chosen steps, L1", ORANGE, "D", DASHED),
    "multistep": Look("multistep, equal steps, L1", GREEN, "^", DASHDOT),
    "heun": Look("Heun, equal steps, L1", PURPLE, "v", DOTTED),
    "squared": Look("InDI, equal steps, squared error", RED, "s", DASHED),
}
SCHEDULE_LABELS = {
    "uniform": "equal steps (the paper)",
    "concave": "concave: t = (1 − i/N)^½",
    "convex": "convex: t = (1 − i/N)²",
    "cosine": "cosine",
    "geometric": "1 − t in equal ratios",
    "front": "half of the steps above t = 0.9",
}


def order(rows: pd.DataFrame) -> Figure:
    """|gain - limit| against the calls of F, both logarithmic: a line per solver, its slope in the legend.

    Args:
        rows: columns solver, calls, error, slope.
    """
    slopes = rows.groupby("solver", sort=False)["slope"].first()
    labels = {name: f"{solvers.solver(name).label}: slope −{slope:.2f}" for name, slope in slopes.items()}
    figure = lines_over_steps(
        rows, "solver", "error", labels, "|gain − exact gain| (log scale) ↓", x="calls", xlabel=CALLS
    )
    figure.axes[0].set_yscale("log")
    return figure


def lost_variance(rows: pd.DataFrame) -> Figure:
    """Variance of the coordinate that the degradation removes: a panel per solver, a line per schedule.

    Args:
        rows: columns solver, schedule, calls, variance.
    """
    figure = over_steps(
        rows,
        {name: solvers.solver(name).label for name in rows["solver"].unique()},
        looks(SCHEDULE_LABELS, SCHEDULE_LABELS),
        panel="solver",
        by="schedule",
        x="calls",
        y="variance",
        right=1.0,
        xlabel=CALLS,
        sharey=True,
        size=(3.4, 3.7),
    )
    log_ticks(figure.axes[0], (0.25, 0.5, 1, 2, 5, 10, 20, 50))
    figure.axes[0].set_ylabel("variance of the lost coordinate\n(log scale; line: right)")
    return figure


def quality(rows: pd.DataFrame, found: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Means (top) and paired differences to InDI with equal steps (bottom, intervals of 95 %) at equal calls.

    Args:
        rows: as `evaluation.evaluate` gives them, `steps` counting calls of F.
        found: as `comparisons` gives it. names: metrics, one column each.
    """
    means = rows.groupby(["sampler", "steps", "metric"], sort=False)["value"].mean().rename("mean")
    gaps = found.rename(columns={"method": "sampler", "calls": "steps"})
    gaps = gaps[["sampler", "steps", "metric", "mean", "low", "high"]]
    gaps["metric"] += ", difference"
    titles = {name: metric_label(name) for name in names} | {f"{name}, difference": "" for name in names}
    here = {name: look for name, look in METHODS.items() if name in set(rows["sampler"])}
    zero = {f"{name}, difference": 0.0 for name in names}
    both = pd.concat([means.reset_index(), gaps], ignore_index=True)
    figure = over_steps(
        both, titles, here, right=zero, xlabel=CALLS, columns=len(names), size=(3.5, 2.9), bars=True
    )
    figure.axes[0].set_ylabel("mean")
    figure.axes[len(names)].set_ylabel("minus InDI, equal steps, L1,\nat as many calls")
    return figure


def loss_score(metric: str) -> Callable[[pd.Series], pd.Series]:
    """Values of a metric -> a number that is better when lower; a detail ratio's distance from 1."""
    direction = metrics.describe(metric).direction
    if direction == "none":
        return lambda value: (value - 1).abs()
    return (lambda value: -value) if direction == "higher" else (lambda value: value)


def comparisons(
    rows: pd.DataFrame, pairs: Sequence[tuple[str, int, str, int]], names: Sequence[str]
) -> pd.DataFrame:
    """Paired differences over images, a row per pair and metric.

    Args:
        rows: as `evaluation.evaluate` gives them.
        pairs: (method, calls, baseline, calls of the baseline).

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
            word = worded(evaluation.difference(scores, metric, (a, n), (b, m)))
            out.append((a, n, b, m, metric, interval.mean, interval.low, interval.high, interval.n, word))
    setting = ["method", "calls", "baseline", "baseline_calls", "metric"]
    return pd.DataFrame(out, columns=[*setting, "mean", "low", "high", "n", "verdict"])


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
            text = "same" if m.verdict == "same" else interval((m.mean, m.low, m.high), m.metric, plus=True)
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
        f"Of {len(tested)} intervals of 95 %, {shown} exclude zero. If no method made any difference, one "
        f"would expect {0.05 * len(tested):.0f} of them to exclude it by chance, and more with few images, "
        "whose intervals are too narrow."
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
