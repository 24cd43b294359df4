"""Plots of the toy example: Fig. 1, and its paths stopped at some times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from indi.figures import BLACK, BLUE, GREEN, ORANGE, RED


@dataclass(frozen=True)
class ToyRun:
    """One case of Fig. 1, run.

    Attributes:
        title: shown above the panel.
        modes: (K, 2).
        times: (N + 1,), descending from 1 to 0.
        states: x_t at these times, (N + 1, B, 2); the first is y, the last x_0.
        regression: F(y, 1), (B, 2).
    """

    title: str
    modes: np.ndarray
    times: np.ndarray
    states: np.ndarray
    regression: np.ndarray

    def nearest_mode(self) -> np.ndarray:
        """Index of the mode nearest to each end point, (B,)."""
        distance = np.linalg.norm(self.states[-1][:, None] - self.modes, axis=-1)
        return distance.argmin(axis=1)


def _plane(ax: Axes, limit: float) -> None:
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    ax.set_xlabel("first coordinate")


def toy_figure(runs: Sequence[ToyRun], limit: float = 3.4) -> Figure:
    """Fig. 1: observed, one-step regression, the paths of InDI and where they end."""
    figure, axes = plt.subplots(1, len(runs), figsize=(4.4 * len(runs), 5.0), sharey=True)
    for ax, run in zip(axes, runs, strict=True):
        inner = run.states[1:-1].reshape(-1, 2)
        ax.scatter(*run.states[0].T, s=16, color=BLUE, marker="o", label="observed y")
        # one bitmap for the many small dots keeps the file small
        ax.scatter(*inner.T, s=3, color=GREEN, rasterized=True, label="path of InDI")
        ax.scatter(*run.regression.T, s=22, color=RED, marker="x", linewidths=1.1, label="one step, E[x | y]")
        ax.scatter(*run.modes.T, s=130, color=ORANGE, marker="D", label="the modes of p(x)", zorder=3)
        ax.scatter(
            *run.states[-1].T, s=46, facecolors="none", edgecolors=BLACK, linewidths=0.9,
            label=f"InDI after {len(run.times) - 1} steps", zorder=4,
        )  # fmt: skip
        ax.set_title(run.title)
        _plane(ax, limit)
    axes[0].set_ylabel("second coordinate")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, markerscale=0.8)
    return figure


def toy_steps(runs: Sequence[ToyRun], shown: Sequence[float], limit: float = 3.0) -> Figure:
    """x_t at the times `shown`, left to right; colour and shape tell the mode a point will end at."""
    figure, axes = plt.subplots(
        len(runs), len(shown), figsize=(1.75 * len(shown), 2.1 * len(runs)), sharex=True, sharey=True
    )
    markers = ("o", "s", "^", "v")
    for row, run in zip(axes, runs, strict=True):
        mode = run.nearest_mode()
        for ax, t in zip(row, shown, strict=True):
            state = run.states[np.abs(run.times - t).argmin()]
            ax.scatter(*run.modes.T, s=60, color=ORANGE, marker="D", alpha=0.5, linewidths=0)
            for k in range(len(run.modes)):
                colour = (BLUE, RED, GREEN, BLACK)[k % 4]
                ax.scatter(*state[mode == k].T, s=8, marker=markers[k % 4], color=colour, linewidths=0)
            ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", xticks=[-1, 1], yticks=[-1, 1])
            ax.set_title(f"t = {t:g}")
        row[0].set_ylabel(run.title, fontsize=9)
    return figure
