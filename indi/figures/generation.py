"""Plots of the chapter on generation from noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from indi.figures import LOOKS, metric_label
from indi.figures.plots import over_steps, pictures


def samples_grid(
    kept: Mapping[tuple[str, str, int], np.ndarray],
    names: Sequence[str],
    samplers: Sequence[str],
    step_counts: Sequence[int],
) -> Figure:
    """A row per sampler and step count, a column per draw of noise: what becomes of the same noise."""
    rows = [(sampler, n) for sampler in samplers for n in step_counts]
    return pictures(
        [[kept[name, *row] for name in names] for row in rows],
        names=[f"{LOOKS[sampler].label}\nN = {n}" for sampler, n in rows],
        size=0.82,
    )


def distances_by_steps(sets: pd.DataFrame, statistics: pd.DataFrame) -> Figure:
    """Distances between sets against the number of steps, and the two statistics that need no weights."""
    others = {"detail": "detail of the set (1 is right)", "contrast": "contrast (1 is right)"}
    parts = [
        sets[sets["sampler"].isin(list(LOOKS))].rename(columns={"value": "mean"}),
        statistics.melt(["sampler", "steps"], list(others), "metric", "mean"),
    ]
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True)
    titles = {name: metric_label(name) for name in sets["metric"].unique()} | others
    return over_steps(rows, titles, right=dict.fromkeys(others, 1.0), columns=2)


def nearest_strip(
    samples: Sequence[np.ndarray], neighbours: Sequence[np.ndarray], distances: Sequence[float]
) -> Figure:
    """Samples above, under each the training image that is closest to it, with the distance above both."""
    titles = [f"{distance:.0f}" for distance in distances]
    return pictures([samples, neighbours], titles, ["sample", "nearest"], size=0.95)
