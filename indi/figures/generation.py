"""Plots of the chapter on generation from noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from indi.evaluation import INPUT
from indi.figures import GREY, SAMPLER_COLOURS, SAMPLER_LABELS, SAMPLER_LINES, SAMPLER_MARKERS
from indi.figures.restoration import metric_label, step_axis


def samples_grid(
    kept: Mapping[tuple[str, str, int], np.ndarray],
    names: Sequence[str],
    samplers: Sequence[str],
    step_counts: Sequence[int],
) -> Figure:
    """A row per sampler and step count, a column per draw of noise: what becomes of the same noise."""
    rows = [(s, n) for s in samplers for n in step_counts]
    figure, panels = plt.subplots(
        len(rows),
        len(names),
        figsize=(0.8 * len(names) + 1.3, 0.82 * len(rows)),
        squeeze=False,
        gridspec_kw={"wspace": 0.04, "hspace": 0.04},
    )
    for row, (sampler, steps) in zip(panels, rows, strict=True):
        for axes, name in zip(row, names, strict=True):
            axes.imshow(kept[name, sampler, steps], interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        row[0].set_ylabel(
            f"{SAMPLER_LABELS[sampler]}\nN = {steps}", rotation=0, ha="right", va="center", fontsize=9,
            color=SAMPLER_COLOURS[sampler],
        )  # fmt: skip
    return figure


def distances_by_steps(sets: pd.DataFrame, statistics: pd.DataFrame) -> Figure:
    """Distances between sets against the number of steps, and the two statistics that need no weights."""
    labels = {"detail": "detail of the set (1 is right)", "contrast": "contrast (1 is right)"}
    panels = [(metric_label(m), sets[sets["metric"] == m], "value") for m in sets["metric"].unique()]
    panels += [(label, statistics, column) for column, label in labels.items()]
    figure, all_axes = plt.subplots(1, len(panels), figsize=(3.3 * len(panels), 3.2), squeeze=False)
    for axes, (title, rows, column) in zip(all_axes[0], panels, strict=True):
        for sampler, part in rows[rows["sampler"] != INPUT].groupby("sampler", sort=False):
            part = part.sort_values("steps")
            axes.plot(
                part["steps"], part[column], color=SAMPLER_COLOURS[sampler],
                marker=SAMPLER_MARKERS[sampler], linestyle=SAMPLER_LINES[sampler],
                label=SAMPLER_LABELS[sampler],
            )  # fmt: skip
            if column == "value":
                colour = SAMPLER_COLOURS[sampler]
                axes.fill_between(part["steps"], part["low"], part["high"], color=colour, alpha=0.12)
        if column != "value":
            axes.axhline(1, color=GREY, linestyle=":")
        step_axis(axes, rows["steps"])
        axes.set_title(title)
    handles, names = all_axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(names))
    return figure


def nearest_strip(
    samples: Sequence[np.ndarray], neighbours: Sequence[np.ndarray], distances: Sequence[float]
) -> Figure:
    """Samples above, under each the training image that is closest to it, with the distance."""
    figure, panels = plt.subplots(
        2, len(samples), figsize=(0.95 * len(samples) + 0.8, 2.3), squeeze=False,
        gridspec_kw={"wspace": 0.04, "hspace": 0.04},
    )  # fmt: skip
    for column, (sample, neighbour, distance) in enumerate(zip(samples, neighbours, distances, strict=True)):
        for row, image in enumerate((sample, neighbour)):
            axes = panels[row][column]
            axes.imshow(image, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        panels[1][column].set_xlabel(f"{distance:.0f}")
    panels[0][0].set_ylabel("sample")
    panels[1][0].set_ylabel("nearest")
    return figure
