"""Plots and tables of the chapter on the conditional DDPM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from indi.evaluation import INPUT, TRUTH
from indi.evaluation.ddpm_steps import steps_to_reach, verdict
from indi.evaluation.metrics import describe
from indi.figures import BLUE, GREY, ORANGE, PURPLE
from indi.figures.restoration import metric_label, step_axis
from indi.method import cddpm

COLOURS = {"indi": BLUE, "ddpm": ORANGE, "ddim": PURPLE}
MARKERS = {"indi": "o", "ddpm": "D", "ddim": "v"}
LINES = {"indi": "-", "ddpm": "--", "ddim": "-."}
LABELS = {INPUT: "input y", "indi": "InDI", "ddpm": "conditional DDPM", "ddim": "conditional DDPM, DDIM"}


def schedules(n: int = 100) -> Figure:
    """The six inference schedules at n steps: level, and noise-to-signal ratio, against the step."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.0))
    lines = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)))
    for name, line in zip(cddpm.SCHEDULES, lines, strict=True):
        level = cddpm.levels(name, n)
        step = np.arange(n + 1)
        left.plot(step, level, linestyle=line, label=name)
        right.plot(step[:-1], np.sqrt(1 / level[:-1] ** 2 - 1), linestyle=line)
    left.set(xlabel=f"step, of {n}", ylabel=r"level $\sqrt{\bar\alpha}$")
    right.set(xlabel=f"step, of {n}", ylabel="noise / signal", yscale="log")
    left.legend()
    return figure


def perception_distortion(means: pd.DataFrame, perception: str, distortion: str = "psnr") -> Figure:
    """Fig. 12: InDI and the fused curves, labelled with N; every schedule as a small point behind its curve.

    Args:
        means: as `comparison.choices` gives it, with both metrics.
    """
    figure, axes = plt.subplots(figsize=(6.8, 4.4))
    for sampler, part in means.groupby("sampler", sort=False):
        colour = COLOURS[sampler]
        if part["schedule"].nunique() > 1:
            axes.scatter(
                part[distortion], part[perception], s=14, color=colour, alpha=0.35, marker=MARKERS[sampler]
            )
        chosen = part[part["chosen"]].sort_values("steps")
        axes.plot(
            chosen[distortion],
            chosen[perception],
            color=colour,
            marker=MARKERS[sampler],
            linestyle=LINES[sampler],
            label=LABELS[sampler],
        )
        for _, row in chosen.iterrows():
            axes.annotate(
                f"{row['steps']:.0f}",
                (row[distortion], row[perception]),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
                color=colour,
            )
    axes.set(xlabel=metric_label(distortion), ylabel=metric_label(perception))
    axes.legend(title="number of steps N at each point;\nsmall: schedules not chosen", title_fontsize=9)
    return figure


def quality_by_steps(changes: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Each metric against the number of steps, fused; bands are 95 % of the change against InDI's one step.

    Args:
        changes: as `evaluation.changes` gives it for fused rows.
        names: metrics, one panel each.
    """
    figure, panels = plt.subplots(1, len(names), figsize=(3.6 * len(names), 3.2), squeeze=False)
    for axes, name in zip(panels[0], names, strict=True):
        part = changes[changes["metric"] == name]
        for sampler, rows in part.groupby("sampler", sort=False):
            if sampler == INPUT:
                axes.axhline(rows["mean"].iloc[0], color=GREY, linestyle=":", label=LABELS[INPUT])
                continue
            rows = rows.sort_values("steps")
            look = {"color": COLOURS[sampler], "marker": MARKERS[sampler], "linestyle": LINES[sampler]}
            axes.plot(rows["steps"], rows["mean"], label=LABELS[sampler], **look)
            axes.fill_between(rows["steps"], rows["low"], rows["high"], color=COLOURS[sampler], alpha=0.12)
        step_axis(axes, part["steps"])
        axes.set_title(metric_label(name))
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def gallery(
    kept: Mapping[tuple[str, str, int], np.ndarray],
    image: str,
    step_counts: Sequence[int],
    chosen: Mapping[tuple[str, int], str],
    side: int = 64,
) -> Figure:
    """One image: a row per method, a column per number of steps, y and the truth at the sides.

    Args:
        kept: as `evaluation.Evaluated.kept`, of both evaluations.
        image: its name.
        step_counts: N of the columns.
        chosen: (sampler, N) -> the schedule that is shown.
        side: of the central window, pixels.
    """
    names = list(dict.fromkeys(sampler for sampler, _ in chosen))
    figure, panels = plt.subplots(
        len(names),
        len(step_counts) + 2,
        figsize=(1.6 * (len(step_counts) + 2) + 0.4, 1.7 * len(names)),
        squeeze=False,
        gridspec_kw={"wspace": 0.03, "hspace": 0.03},
    )
    for row, (sampler, line) in enumerate(zip(names, panels, strict=True)):
        keys = [(sampler if sampler == "indi" else f"{sampler}:{chosen[sampler, n]}", n) for n in step_counts]
        for axes, (name, n) in zip(line, [(INPUT, 0), *keys, (TRUTH, 0)], strict=True):
            picture = kept[image, name, n]
            top, left = ((np.array(picture.shape[:2]) - side) // 2).clip(min=0)
            axes.imshow(picture[top : top + side, left : left + side], interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title({INPUT: "input y", TRUTH: "truth x"}.get(name, f"N = {n}"))
        line[0].set_ylabel(LABELS[sampler].replace(", ", ",\n"), fontsize=9)
    return figure


def curve_table(
    summary: pd.DataFrame, chosen: Mapping[tuple[str, int], str], names: Sequence[str]
) -> pd.DataFrame:
    """Mean and 95 % interval of each metric for the fused curves, with the schedule, for `show_table`."""
    rows = []
    order = {name: k for k, name in enumerate(LABELS)}
    summary = summary.sort_values(
        ["sampler", "steps"], key=lambda c: c.map(order) if c.name == "sampler" else c
    )
    for (sampler, steps), group in summary.groupby(["sampler", "steps"], sort=False):
        found = group.set_index("metric")
        schedule = chosen.get((sampler, steps), "–")
        row = {
            "method": LABELS[sampler],
            "N": "–" if sampler == INPUT else str(steps),
            "schedule": "–" if schedule == "none" else schedule,
        }
        for name in names:
            digits = 2 if describe(name).unit == "dB" else 3
            m = found.loc[name]
            row[metric_label(name)] = (
                f"{m['mean']:.{digits}f} [{m['low']:.{digits}f},\u00a0{m['high']:.{digits}f}]"
            )
        rows.append(row)
    return pd.DataFrame(rows)


def steps_table(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Steps that each method needs: for what InDI reaches at each N, and for the best that all reach.

    Args:
        rows: tidy; without a column image no intervals are given.
        metrics: the qualities to reach, one block of rows each.
    """
    out = []
    for metric in metrics:
        counts = sorted(rows.loc[rows["sampler"] == "indi", "steps"].unique())
        for n in [*counts, None]:
            found = steps_to_reach(rows, metric, None if n is None else ("indi", n)).set_index("sampler")
            row = {
                "quality": "the best that all reach" if n is None else f"that of InDI, N = {n}",
                "metric": metric_label(metric),
                "value": f"{found['target'].iloc[0]:.3f}",
            }
            for sampler, m in found.iterrows():
                certain = np.isnan(m["low"]) or np.isinf(m["low"])  # no interval, or never reached
                interval = "" if certain else f" [{_count(m['low'])}, {_count(m['high'])}]"
                row[LABELS[sampler]] = _count(m["steps"]) + interval
            out.append(row)
    return pd.DataFrame(out)


def findings(rows: pd.DataFrame, sets: pd.DataFrame, metric: str) -> pd.DataFrame:
    """What matches the paper and what does not: a verdict per baseline, for `show_table`.

    Args:
        rows, sets: tidy.
        metric: the perceptual one that has a value per image.
    """
    out = []
    for baseline in ("ddpm", "ddim"):
        both = rows[rows["sampler"].isin(("indi", baseline, INPUT))]
        found = steps_to_reach(both, metric).set_index("sampler").loc[baseline]
        best = steps_to_reach(both, metric, _best(both, metric)).set_index("sampler").loc[baseline]
        out.append(
            {
                "claim": f"InDI needs fewer steps than the {LABELS[baseline]} (fused)",
                "ratio of steps at the best that both reach": _ratio(found),
                f"{LABELS['indi']}'s best reached by the baseline": _reached(best),
                "images": int(found["n"]),
                "verdict": verdict(rows, metric, baseline),
            }
        )
        for name in sets["metric"].unique():
            part = sets[sets["sampler"].isin(("indi", baseline)) & (sets["metric"] == name)]
            one = steps_to_reach(part, name).set_index("sampler").loc[baseline]
            out[-1][f"the ratio by {describe(name).label}"] = _count(one["ratio"])
    return pd.DataFrame(out)


def _best(rows: pd.DataFrame, metric: str) -> tuple[str, int]:
    means = rows[(rows["metric"] == metric) & (rows["sampler"] == "indi")].groupby("steps")["value"].mean()
    return "indi", int(means.idxmin() if describe(metric).direction == "lower" else means.idxmax())


def _ratio(found: pd.Series) -> str:
    interval = [_count(found[name]) for name in ("ratio_low", "ratio_high")]
    return f"{_count(found['ratio'])} [{', '.join(interval)}]"


def _reached(found: pd.Series) -> str:
    steps = "not with any N tried" if np.isinf(found["steps"]) else f"at N = {found['steps']:.0f}"
    return f"{steps} ({found['reached']:.0%} of resamples)"


def _count(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "not reached" if np.isinf(value) else f"{value:.3g}"
