"""Plots of the toy example: Fig. 1, its paths stopped at some times, and the same as an animation."""

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


def toy_animation(runs: Sequence[ToyRun], points: int = 60, limit: float = 3.2, seconds: float = 4.0) -> str:
    """The same as a small animation, HTML with an inline SVG: no script, no outside request.

    It stands still until the reader ticks its box, and stays still for readers who asked their
    system for less motion.
    """
    size, frames = 220, len(runs[0].times)

    def place(p: np.ndarray) -> tuple[float, float]:
        return (p[0] + limit) / (2 * limit) * size, (limit - p[1]) / (2 * limit) * size

    groups = []
    for i in range(frames):
        dots = [f'<text x="6" y="{size + 16}">t = {runs[0].times[i]:.2f}</text>']
        for panel, run in enumerate(runs):
            for p in run.states[i][:points]:
                u, v = place(p)
                dots.append(f'<circle cx="{u + panel * (size + 10):.0f}" cy="{v:.0f}" r="2.5"/>')
        last = " indi-last" if i == frames - 1 else ""
        delay = -seconds * (1 - i / frames)
        groups.append(f'<g class="indi-frame{last}" style="animation-delay:{delay:.2f}s">{"".join(dots)}</g>')
    modes = "".join(
        f'<circle class="indi-mode" cx="{place(m)[0] + panel * (size + 10):.0f}" cy="{place(m)[1]:.0f}" r="6"/>'
        for panel, run in enumerate(runs)
        for m in run.modes
    )
    boxes = "".join(f'<rect x="{p * (size + 10)}" width="{size}" height="{size}"/>' for p in range(len(runs)))
    width = len(runs) * (size + 10) - 10
    return f"""<div class="indi-toy"><style>
.indi-toy svg {{ max-width: {width}px; width: 100%; background: white; display: block; }}
.indi-toy rect {{ fill: none; stroke: #767676; }}
.indi-toy .indi-mode {{ fill: {ORANGE}; }}
.indi-toy .indi-frame {{ opacity: 0; fill: {BLUE}; font: 12px sans-serif; }}
.indi-toy .indi-last {{ opacity: 1; }}
.indi-toy input:checked ~ svg .indi-frame {{ animation: indi-toy {seconds}s step-end infinite; }}
@keyframes indi-toy {{ 0% {{ opacity: 1; }} {100 / frames:.3f}% {{ opacity: 0; }} 100% {{ opacity: 0; }} }}
@media (prefers-reduced-motion: reduce) {{
  .indi-toy input, .indi-toy label {{ display: none; }}
  .indi-toy input:checked ~ svg .indi-frame {{ animation: none; }}
}}
</style>
<input type="checkbox" id="indi-toy-play"> <label for="indi-toy-play">play the paths from t = 1 to t = 0</label>
<svg viewBox="-1 -1 {width + 2} {size + 22}" role="img"
  aria-label="The iterates of InDI move from the observed points to the modes.">
{boxes}{modes}{"".join(groups)}</svg></div>"""
