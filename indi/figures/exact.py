"""Curves of the exact chapters: where the samplers end, against the number of their steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from indi.figures import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    PALETTE,
    RED,
    SAMPLER_COLOURS,
    SAMPLER_LABELS,
    SAMPLER_LINES,
    SAMPLER_MARKERS,
)


def _step_axis(ax: Axes, steps: Sequence[int]) -> None:
    """A logarithmic axis of step counts, labelled with plain numbers."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(
        FixedLocator([n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n <= max(steps)])
    )
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.set_xlabel("number of steps N")


def fraction_at_mode(rows: pd.DataFrame) -> Figure:
    """Share of end points at a mode against the number of steps, one panel a case.

    Args:
        rows: columns case, sampler, steps, fraction, low, high (a confidence interval).
    """
    cases = rows["case"].unique()
    figure, axes = plt.subplots(1, len(cases), figsize=(4.2 * len(cases), 3.4), sharey=True)
    for ax, case in zip(axes, cases, strict=True):
        for name, group in rows[rows["case"] == case].groupby("sampler", sort=False):
            ax.fill_between(
                group["steps"],
                group["low"],
                group["high"],
                color=SAMPLER_COLOURS[name],
                alpha=0.2,
                linewidth=0,
            )
            sampler_line(ax, str(name), group["steps"], group["fraction"])
        _step_axis(ax, rows["steps"])
        ax.set(title=case, ylim=(-0.03, 1.03))
    axes[0].set_ylabel("share of end points at a mode (↑)")
    axes[0].legend()
    return figure


def sampler_line(ax: Axes, name: str, x: pd.Series, y: pd.Series, **more: Any) -> None:
    """A curve in the colour, marker and line style of the sampler `name`."""
    ax.plot(
        x,
        y,
        color=SAMPLER_COLOURS[name],
        marker=SAMPLER_MARKERS[name],
        linestyle=SAMPLER_LINES[name],
        **{"label": SAMPLER_LABELS[name], **more},
    )


def mode_frequencies(frequencies: pd.DataFrame, calibration: pd.DataFrame) -> Figure:
    """How often each mode is reached, over all y (left) and for a given y (right).

    Args:
        frequencies: columns mode, estimator, fraction.
        calibration: columns y, estimator, probability; the estimator "posterior" is the truth.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    wide = frequencies.pivot(index="mode", columns="estimator", values="fraction")[
        list(frequencies["estimator"].unique())
    ]
    wide.plot.bar(
        ax=left, color=[GREY, BLUE, GREEN, RED][: wide.shape[1]], rot=0, width=0.8, edgecolor="white"
    )
    for bars, hatch in zip(left.containers, ("", "//", "..", "xx"), strict=False):
        for bar in bars:
            bar.set_hatch(hatch)
    left.set(xlabel="mode", ylabel="share of end points", title="over all observations")
    left.legend(title="")
    lines = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
    groups = calibration.groupby("estimator", sort=False)
    for (name, group), colour, line in zip(groups, (BLACK, *PALETTE), lines, strict=False):
        right.plot(group["y"], group["probability"], color=colour, linestyle=line, label=name)
    right.set(
        xlabel="observed first coordinate y₁", ylabel="P(x₁ = +1 | y₁)", title="for a given observation"
    )
    right.legend()
    return figure


def gaussian_curves(rows: pd.DataFrame, bounds: pd.DataFrame) -> Figure:
    """Variance (top) and squared error (bottom) of x_0 against N; one column a noise level.

    Args:
        rows: columns ratio (sigma / s), sampler, steps, variance, mse, for s = 1.
        bounds: columns ratio, mmse, perfect_perception (the least error with the right law).
    """
    ratios = sorted(rows["ratio"].unique())
    figure, axes = plt.subplots(2, len(ratios), figsize=(3.2 * len(ratios), 5.4), sharex=True, sharey="row")
    for column, ratio in zip(axes.T, ratios, strict=True):
        bound = bounds[bounds["ratio"] == ratio].iloc[0]
        for name, group in rows[rows["ratio"] == ratio].groupby("sampler", sort=False):
            for ax, value in zip(column, ("variance", "mse"), strict=True):
                unit = bound["mmse"] if value == "mse" else 1
                sampler_line(ax, str(name), group["steps"], group[value] / unit, markersize=3.5)
            column[0].axhline(1, color=BLACK, linewidth=0.8)
        least = bound["perfect_perception"] / bound["mmse"]
        column[1].axhline(least, color=BLACK, linewidth=0.8, linestyle=":")
        column[0].set_title(f"σ / s = {ratio:g}")
        _step_axis(column[1], rows["steps"])
    axes[0, 0].set(ylabel="Var x₀ / s²\n(solid line: right)")
    axes[1, 0].set(ylabel="E(x₀ − x)² / MMSE  (↓)\n(dotted: least with the right law)")
    for ax, ticks in zip(axes[:, 0], ((0.2, 0.5, 1, 2), (1, 1.5, 2, 3)), strict=True):
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(FixedLocator(ticks))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(ScalarFormatter())
    axes[0, 0].legend()
    return figure


def tradeoff(rows: pd.DataFrame, curve: pd.DataFrame, labelled: Mapping[str, Sequence[int]]) -> Figure:
    """Perception against distortion: squared error and Wasserstein-2 distance to the law of x.

    Args:
        rows: columns sampler, steps, mse, w2.
        curve: columns mse, w2 of the best possible estimators.
        labelled: sampler -> step counts written beside their points.
    """
    figure, ax = plt.subplots(figsize=(6.2, 4.2))
    ax.plot(
        curve["mse"],
        curve["w2"],
        color=GREY,
        linewidth=5,
        alpha=0.4,
        label="best possible (Freirich et al., 2021)",
    )
    for name, group in rows.groupby("sampler", sort=False):
        sampler_line(ax, str(name), group["mse"], group["w2"], linewidth=0.7)
        for _, point in group[group["steps"].isin(labelled[str(name)])].iterrows():
            ax.annotate(
                f"{point['steps']:.0f}", (point["mse"], point["w2"]),
                xytext=(-22, -4) if name == "cold_diffusion" else (6, 4), textcoords="offset points",
                fontsize=8, color=SAMPLER_COLOURS[str(name)],
            )  # fmt: skip
    ax.set(xlabel="distortion: E(x₀ − x)² / s²  (←)", ylabel="perception: W₂(x₀, x) / s  (↓)")
    ax.legend()
    return figure


def lines_over_steps(
    rows: pd.DataFrame,
    series: str,
    value: str,
    labels: Mapping[object, str],
    ylabel: str,
    target: float | None = None,
) -> Figure:
    """`value` against `steps`, one line per `series`; `target` is drawn as a thin line."""
    figure, ax = plt.subplots(figsize=(6.2, 3.6))
    markers, lines = "os^vDP", ("-", "--", "-.", ":", "-", "--")
    for i, (key, label) in enumerate(labels.items()):
        group = rows[rows[series] == key]
        ax.plot(
            group["steps"], group[value], color=PALETTE[i], marker=markers[i], linestyle=lines[i], label=label
        )
    if target is not None:
        ax.axhline(target, color=BLACK, linewidth=0.8)
    _step_axis(ax, rows["steps"])
    ax.set_ylabel(ylabel)
    ax.legend()
    return figure
