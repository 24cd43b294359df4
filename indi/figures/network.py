"""The network drawn from the network: a diagram, and what each stage of it costs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from indi.figures import BLACK, BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, RED, SKY
from indi.method.unet import ResBlock, UNet

_HEIGHT = 0.62  # of a box, in units of the distance between levels


def _box(ax: Axes, x: float, y: float, width: float, text: str, colour: str, size: float = 8) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - _HEIGHT / 2),
            width,
            _HEIGHT,
            boxstyle="round,pad=0.02",
            facecolor=colour + "30",
            edgecolor=colour,
            linewidth=1.2,
        )
    )
    ax.text(x, y, text, ha="center", va="center", fontsize=size)


def _arrow(
    ax: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    text: str = "",
    colour: str = BLACK,
    **style: str,
) -> None:
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.0, **style})
    if text:
        ax.text(
            (start[0] + end[0]) / 2,
            (start[1] + end[1]) / 2 + 0.06,
            text,
            ha="center",
            va="bottom",
            fontsize=7.5,
            color=colour,
        )


def _runs(blocks: nn.ModuleList) -> list[tuple[str | None, int, int]]:
    """(resampling, width, count) of each run of equal blocks, read off the model."""

    def kind(block: nn.Module) -> tuple[str | None, int]:
        assert isinstance(block, ResBlock)
        name = getattr(block.resample, "__name__", "")
        return ("down" if "down" in name else "up" if "up" in name else None), block.conv2.out_channels

    return [(*key, len(list(group))) for key, group in groupby(blocks, key=kind)]


def topology(model: UNet) -> Figure:
    """The U of `model` with the widths and block counts that it really has, and one block in detail."""
    figure, (ax, detail) = plt.subplots(1, 2, figsize=(10.2, 5.6), width_ratios=(2.9, 1))
    wide, left, right = 1.75, -2.6, 2.6
    level = 0
    joined: list[int] = []
    _box(ax, left, 1, wide, f"conv 3×3 → {model.channels}", ORANGE)
    for resample, width, count in _runs(model.encoder):
        if resample == "down":
            level += 1
            _arrow(ax, (left, -level + 1 - _HEIGHT / 2), (left, -level + _HEIGHT / 2))
            ax.text(left - 0.08, -level + 0.5, f"down block, {width}", ha="right", va="center", fontsize=7.5)
        else:
            _box(ax, left, -level, wide, f"{count} blocks, {width}", BLUE)
            joined.append(count + 1)  # and the output of the down block, or of the first convolution
    _arrow(ax, (left, 1 - _HEIGHT / 2), (left, _HEIGHT / 2))

    bottom = -level - 1.0
    _, width, count = _runs(model.middle)[0]
    _box(ax, 0, bottom, wide, f"middle: {count} blocks, {width}", PURPLE)
    _arrow(
        ax,
        (left, -level - _HEIGHT / 2),
        (-wide / 2 - 0.05, bottom),
        connectionstyle="angle,angleA=90,angleB=0,rad=8",
    )
    _arrow(
        ax,
        (wide / 2 + 0.05, bottom),
        (right, -level - _HEIGHT / 2),
        connectionstyle="angle,angleA=0,angleB=90,rad=8",
    )

    for resample, width, count in _runs(model.decoder):
        if resample == "up":
            _arrow(ax, (right, -level + _HEIGHT / 2), (right, -level + 1 - _HEIGHT / 2))
            ax.text(right + 0.08, -level + 0.5, f"up block, {width}", ha="left", va="center", fontsize=7.5)
            level -= 1
        else:
            _box(ax, right, -level, wide, f"{count} blocks, {width}", GREEN)
            text = f"{joined[level]} skips, each concatenated before one block"
            _arrow(
                ax,
                (left + wide / 2 + 0.05, -level),
                (right - wide / 2 - 0.05, -level),
                text if level == 0 else f"{joined[level]} skips",
                GREY,
            )
            ax.text(
                0,
                -level - 0.07,
                f"1/{2**level} of the size" if level else "full size",
                ha="center",
                va="top",
                fontsize=7.5,
            )
    _box(ax, right, 1, wide, "SiLU, conv 3×3 → 3", ORANGE)
    _arrow(ax, (right, _HEIGHT / 2), (right, 1 - _HEIGHT / 2))
    ax.text(left, 1.78, "$x_t$", ha="center", fontsize=12)
    _arrow(ax, (left, 1.72), (left, 1 + _HEIGHT / 2))
    ax.text(right, 1.78, "$F(x_t, t)$", ha="center", fontsize=12)
    _arrow(ax, (right, 1 + _HEIGHT / 2), (right, 1.74))
    _arrow(ax, (left + 0.25, 1.84), (right - 0.5, 1.84), "$x_t + t\\,$net (velocity output)", RED)
    width = model.channels
    ax.text(
        0,
        0.98,
        f"t → sinusoid ({width}) → linear ({4 * width}) → SiLU\n→ linear ({4 * width}) = e, to every block",
        ha="center",
        va="center",
        fontsize=8,
        bbox={"boxstyle": "round", "fc": SKY + "30", "ec": SKY},
    )
    ax.set(xlim=(-4.5, 4.5), ylim=(bottom - 0.5, 2.25))
    ax.axis("off")

    steps = ("SiLU", "(resample)", "conv 3×3", "+ linear(SiLU(e))", "SiLU", "conv 3×3")
    for i, text in enumerate(steps):
        _box(detail, 0, -i, 1.6, text, SKY if "e)" in text else BLUE)
        _arrow(detail, (0, -i + 1 - _HEIGHT / 2), (0, -i + _HEIGHT / 2))
    _arrow(detail, (0, -5 - _HEIGHT / 2), (0, -6.5))
    _arrow(detail, (0, 0.55), (0, -6.0), colour=RED, connectionstyle="bar,fraction=-0.2")
    detail.text(
        1.12,
        -2.75,
        "shortcut: (resample), then\n1×1 conv if the width changes",
        rotation=90,
        ha="left",
        va="center",
        fontsize=7.5,
        color=RED,
    )
    detail.text(0, 0.95, "one block", ha="center", fontsize=9)
    detail.set(xlim=(-1.0, 2.1), ylim=(-6.7, 2.0))
    detail.axis("off")
    return figure


def cost_by_stage(rows: pd.DataFrame, stages: Sequence[str]) -> Figure:
    """Parameters and FLOPs of each stage, one bar a network.

    Args:
        rows: columns network, stage, parameters (millions), gflop.
        stages: order of the bars.
    """
    figure, axes = plt.subplots(1, 2, figsize=(9.6, 4.4), sharey=True)
    networks, place = list(rows["network"].unique()), np.arange(len(stages))
    thick = 0.8 / len(networks)
    for i, name in enumerate(networks):
        group = rows[rows["network"] == name].set_index("stage").loc[list(stages)]
        for ax, value in zip(axes, ("parameters", "gflop"), strict=True):
            ax.barh(
                place + (i - (len(networks) - 1) / 2) * thick,
                group[value],
                thick,
                color=PALETTE[i],
                label=name,
                hatch=("", "//", "..")[i],
                edgecolor="white",
            )
    axes[0].set(xlabel="parameters, millions", yticks=place, yticklabels=stages)
    axes[0].invert_yaxis()
    axes[1].set(xlabel="GFLOP for one 128×128 image (2 per multiply-add)")
    axes[1].legend(title="channels, multipliers", title_fontsize=9)
    for ax in axes:
        ax.grid(axis="y", visible=False)
    return figure


def embeddings(scaled: np.ndarray, unscaled: np.ndarray) -> Figure:
    """The sines of the sinusoid over t in [0, 1], with and without the factor 1000, (times, width) each."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
    titles = ("t as it is", "1000 t (used here)")
    for ax, values, title in zip(axes, (unscaled, scaled), titles, strict=True):
        half = values.shape[1] // 2
        image = ax.imshow(
            values[:, :half].T, aspect="auto", extent=(0, 1, half, 0), cmap="PuOr", vmin=-1, vmax=1
        )
        ax.set(title=title, xlabel="t")
        ax.grid(visible=False)
    axes[0].set_ylabel("sine, fast to slow")
    figure.colorbar(image, ax=axes, label="value")
    return figure
