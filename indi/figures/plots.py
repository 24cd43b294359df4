"""The plots that all chapters share: curves over the number of steps, a plane of two metrics, rows of pictures."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import textalloc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from indi.errors import InDIError
from indi.evaluation import INPUT
from indi.evaluation.metrics import describe
from indi.figures import BLACK, GREY, Look, interval, looks, metric_label
from indi.records.results import ASKED

STEPS = "number of steps N"


def over_steps(
    rows: pd.DataFrame,
    panels: Mapping[Any, str],
    given: Mapping[Any, Look] | None = None,
    *,
    panel: str = "metric",
    by: str = "sampler",
    x: str = "steps",
    y: str = "mean",
    right: Mapping[Any, float] | float | None = None,
    xlabel: str = STEPS,
    columns: int | None = None,
    size: tuple[float, float] = (3.4, 3.2),
    sharey: bool | Literal["row"] = False,
    bars: bool = False,
) -> Figure:
    """Curves against the number of steps: a panel each for some of the rows, a line per series, intervals shaded.

    Args:
        rows: columns `panel`, `by`, `x`, `y` and, for shaded intervals, low and high. Rows of the input (its
            name in the column `by`) become a dotted line.
        panels: values of the column `panel` -> titles.
        given: series -> look; None: see `figures.looks`.
        right: where a curve should lie, a thin line: one number, or one for each panel.
        columns: of panels; None: all in one row.
        size: of a panel, inches.
        sharey: as in `plt.subplots`.
        bars: draw intervals as bars in place of shades, for curves that lie upon one another.
    """
    figure, grid = axes_grid(len(panels), columns, size, sharey=sharey)
    given = given or looks(name for name in rows[by] if name != INPUT)
    for axes, (key, title) in zip(grid, panels.items(), strict=True):
        part = rows[rows[panel] == key]
        for level in part.loc[part[by] == INPUT, y].head(1):
            axes.axhline(level, color=GREY, linestyle=":", label="input y")
        draw(axes, part[part[by] != INPUT], given, by, x, y, bars=bars)
        level = right.get(key) if isinstance(right, Mapping) else right
        if level is not None:
            axes.axhline(level, color=BLACK, linewidth=0.8)
        step_axis(axes, part[x], xlabel)
        axes.set_title(title)
    legend_below(figure)
    return figure


def lines_over_steps(
    rows: pd.DataFrame,
    series: str,
    value: str,
    labels: Mapping[Any, str],
    ylabel: str,
    target: float | None = None,
    **more: Any,
) -> Figure:
    """`value` against `steps` in one panel, a line per value of `series`; `target` is drawn as a thin line."""
    rows = rows[rows[series].isin(list(labels))].assign(metric="")
    figure = over_steps(
        rows, {"": ""}, looks(labels, labels), by=series, y=value, right=target, size=(6.2, 3.8), **more
    )
    figure.axes[0].set_ylabel(ylabel)
    return figure


def plane(
    axes: Axes,
    rows: pd.DataFrame,
    perception: str,
    distortion: str = "psnr",
    labelled: Mapping[Any, Sequence[int]] | None = None,
) -> None:
    """`paths` with N beside their points.

    Args:
        labelled: series -> the N that are written; None: all.
    """
    points = paths(axes, rows, perception, distortion)
    if labelled is not None:
        points = points[[row.n in labelled[row.series] for row in points.itertuples()]]
    number(axes, points)


def paths(
    axes: Axes, rows: pd.DataFrame, perception: str, distortion: str = "psnr", bars: bool = True
) -> pd.DataFrame:
    """One metric against another, a path per series in the order of N, whose points say what they are.

    Args:
        rows: columns sampler, steps, metric, mean and, for intervals, low and high. The input is left out.
        perception, distortion: metrics of the vertical and of the horizontal axis.
        bars: draw the intervals, where there are any; else only the points tell them.

    Returns:
        The points, for `number`: columns series, n, x, y, colour and, of bars, lowx, highx, lowy, highy.
    """
    wanted = rows[(rows["sampler"] != INPUT) & rows["metric"].isin((perception, distortion))]
    given = looks(wanted["sampler"])
    wide = wanted.pivot(index=["sampler", "steps"], columns="metric")
    means = wide["mean"]
    bars = bars and "low" in rows
    if bars:
        bounds = {
            f"{axis}err": np.abs(np.stack([wide[b][name] - means[name] for b in ("low", "high")]))
            for axis, name in (("x", distortion), ("y", perception))
        }
        axes.errorbar(
            means[distortion], means[perception], **bounds, linestyle="", elinewidth=0.5, ecolor=GREY, zorder=1
        )  # fmt: skip
    points = means.reset_index()
    draw(axes, points, given, "sampler", distortion, perception, path=True)
    names = {"sampler": "series", "steps": "n", distortion: "x", perception: "y"}
    points = points.rename(columns=names)[list(names.values())]
    mark = axes.scatter(points["x"], points["y"], visible=False)
    mark.set_gid(ASKED)
    of = "intervals: the bars" if bars else "95 % intervals over images"
    said = (_said(wide.loc[key], given[key[0]], key, (distortion, perception), of) for key in wide.index)
    mark.set_urls([json.dumps({**told, "panel": axes.get_title()}, ensure_ascii=False) for told in said])
    drawn = {
        bound + axis: wide[bound][name].to_numpy()
        for axis, name in (("x", distortion), ("y", perception))
        for bound in ("low", "high")
        if bars
    }
    return points.assign(**drawn, colour=[given[name].colour for name in points["series"]])


def _said(
    values: pd.Series, look: Look, key: tuple[str, int], names: Sequence[str], of: str
) -> dict[str, Any]:
    """What a point says when it is asked, its series and N; `of` tells what its intervals are, if it has any."""
    told, intervals = [], False
    for name in names:
        numbers = [values.get((bound, name), math.nan) for bound in ("mean", "low", "high")]
        intervals |= not math.isnan(numbers[1])
        try:
            metric = describe(name)
        except InDIError:  # an exact quantity: its name is for readers
            told.append(f"{name} = {numbers[0]:.3g}")
            continue
        told.append(
            f"{metric.label} {interval(numbers, name).removesuffix(' [no interval]')} {metric.unit}".rstrip()
        )
    says = f"{look.label}, N = {key[1]}: {'; '.join(told)}{f' ({of})' if intervals else ''}"
    return {"says": says, "series": key[0], "steps": int(key[1])}


def keep_in_frame(axes: Axes, points: pd.DataFrame) -> None:
    """Let the naive sampler reach beyond the other points by their own extent, and no further.

    Else all of them would lie upon one another. The title says at which N it is outside.

    Args:
        points: as `paths` returns them.
    """
    others = points[points["series"] != "naive"]
    least, most = others[["x", "y"]].min(), others[["x", "y"]].max()
    far = (points[["x", "y"]] < 2 * least - most) | (points[["x", "y"]] > 2 * most - least)
    outside = far.any(axis=1) & (points["series"] == "naive")
    if others.empty or not outside.any():
        return
    for name, set_limits in (("x", axes.set_xlim), ("y", axes.set_ylim)):
        seen = points.loc[~outside, points.columns.intersection([name, f"low{name}", f"high{name}"])].stack()
        room = 0.06 * (seen.max() - seen.min())
        set_limits(seen.min() - room, seen.max() + room)
    gone = ", ".join(f"{n:.0f}" for n in points.loc[outside, "n"])
    axes.set_title("\n".join(filter(None, [axes.get_title(), f"outside the frame: naive, N = {gone}"])))


def number(axes: Axes, points: pd.DataFrame) -> None:
    """Write N beside its point, or where there is room, with a thin line to the point.

    To be called last: the room depends on the frame.

    Args:
        points: as `paths` returns them; those outside the frame are left out, and one that several series share is
            numbered once, in black.
    """
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    seen = points[points["x"].between(left, right) & points["y"].between(low, high)]
    once = seen.groupby(["n", seen["x"].round(9), seen["y"].round(9)], sort=False)["colour"].agg(
        lambda colours: colours.iloc[0] if len(set(colours)) == 1 else BLACK
    )
    if once.empty:
        return
    n, x, y = (once.index.get_level_values(k) for k in range(3))
    curves = [curve.T for line in axes.lines if len(curve := np.asarray(line.get_xydata())) > 1]
    textalloc.allocate(
        axes, x, y, [f"{steps:.0f}" for steps in n], x_scatter=list(seen["x"]), y_scatter=list(seen["y"]),
        x_lines=[curve[0] for curve in curves], y_lines=[curve[1] for curve in curves],
        textsize=8, textcolor=list(once), linecolor=list(once), linewidth=0.5, max_distance=0.15,
        plot_kwargs={"label": "_nolegend_"},
    )  # fmt: skip


def metric_plane(rows: pd.DataFrame, perception: str, distortion: str = "psnr", bars: bool = True) -> Figure:
    """A figure with one plane of two metrics, see `paths`, labelled."""
    figure, axes = plt.subplots(figsize=(6.4, 4.2))
    points = paths(axes, rows, perception, distortion, bars)
    keep_in_frame(axes, points)
    axes.set(xlabel=metric_label(distortion), ylabel=metric_label(perception))
    number(axes, points)
    axes.legend(title=f"{STEPS} at each point", title_fontsize=9)
    return figure


def draw(
    axes: Axes,
    rows: pd.DataFrame,
    given: Mapping[Any, Look],
    by: str,
    x: str,
    y: str,
    *,
    path: bool = False,
    markers: bool = True,
    bars: bool = False,
) -> None:
    """A line per series, in the order of x or, as a `path`, of the rows; low and high as a shade or as bars."""
    rows = rows.dropna(subset=[x, y])
    here = [name for name in given if name in set(rows[by])]
    if bars:  # beside one another
        rows = rows.assign(**{x: rows[x] * rows[by].map({name: 1.03**k for k, name in enumerate(here)})})
    sns.lineplot(
        rows, x=x, y=y, hue=by, style=by, hue_order=here, style_order=here,
        palette={name: given[name].colour for name in here},
        markers={name: given[name].marker for name in here} if markers else False,
        dashes={name: given[name].dash for name in here},
        markeredgewidth=0, estimator=None, sort=not path, legend=False, ax=axes,
    )  # fmt: skip
    axes.set(xlabel="", ylabel="")
    for name, line in zip(here, axes.lines[len(axes.lines) - len(here) :], strict=True):
        line.set_label(given[name].label)
        part = rows[rows[by] == name]
        if "low" in part and bars:
            spread = np.abs(part[["low", "high"]].to_numpy().T - part[y].to_numpy())
            axes.errorbar(part[x], part[y], spread, linestyle="", elinewidth=1, ecolor=given[name].colour)
        elif "low" in part:
            part = part.sort_values(x)
            axes.fill_between(
                part[x], part["low"], part["high"], color=given[name].colour, alpha=0.12, linewidth=0
            )


def step_axis(axes: Axes, steps: Iterable[float], label: str = STEPS) -> None:
    """A logarithmic axis whose ticks are the step counts themselves; 0, that of y, has none."""
    axes.set_xscale("log")
    ticks = sorted({int(s) for s in steps if s > 0})
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(f"{label} (log scale)")


def log_ticks(axes: Axes, ticks: Sequence[float]) -> None:
    """A logarithmic vertical axis with these plain numbers as its ticks, as far as its curves go."""
    low, high = axes.get_ylim()
    axes.set_yscale("log")
    kept = [tick for tick in ticks if low / 1.5 <= tick <= high * 1.2]
    axes.set_yticks(kept, [f"{tick:g}" for tick in kept])
    axes.yaxis.set_minor_locator(NullLocator())


def axes_grid(
    count: int, columns: int | None, size: tuple[float, float], **more: Any
) -> tuple[Figure, list[Axes]]:
    """So many panels of a size in inches, row by row; places that remain are empty."""
    wide = columns or count
    tall = -(-count // wide)
    figure, grid = plt.subplots(tall, wide, figsize=(size[0] * wide, size[1] * tall), squeeze=False, **more)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return figure, list(grid.flat[:count])


def legend_below(figure: Figure, columns: int = 4) -> None:
    """One legend for all panels, each label once; none where there is but one unnamed curve."""
    handles = {
        label: handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if handles:
        # in a row wider than the figure the last ones would be cut; a letter takes about 0.07 inches
        label = max(1.2, 0.6 + 0.07 * max(map(len, handles)))
        wide = min(len(handles), columns, max(1, int(figure.get_figwidth() / label)))
        figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=wide)


def pictures(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str] = (),
    names: Sequence[str] = (),
    size: float = 1.5,
) -> Figure:
    """Rows of pictures, uint8 (H, W, 3), without axes.

    Args:
        titles: above the columns. names: beside the rows.
        size: of a picture, inches.
    """
    wide, tall = len(rows[0]), len(rows)
    figure, grid = plt.subplots(
        tall, wide, figsize=(size * wide + (0.9 if names else 0), size * tall + 0.25), squeeze=False,
        gridspec_kw={"wspace": 0.03, "hspace": 0.03},
    )  # fmt: skip
    for line, row in zip(grid, rows, strict=True):
        for axes, picture in zip(line, row, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
    for axes, title in zip(grid[0], titles, strict=False):
        axes.set_title(title)
    for line, name in zip(grid, names, strict=False):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def middle(picture: np.ndarray, side: int | None) -> np.ndarray:
    """The central window of a picture (H, W, 3), `side` pixels high and wide at most; None: all of it."""
    if side is None:
        return picture
    top, left = ((np.array(picture.shape[:2]) - side) // 2).clip(min=0)
    return picture[top : top + side, left : left + side]
