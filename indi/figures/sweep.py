"""One curve per value of a setting that was trained with: noise levels, for one."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from indi import evaluation, figures
from indi.evaluation import INPUT, metrics
from indi.figures.restoration import metric_label, step_axis

_MARKERS = ("o", "s", "^", "D", "v", "P")


def quality_by_setting(rows: pd.DataFrame, setting: str, names: Sequence[str], symbol: str) -> Figure:
    """Each metric against the number of steps: a line per value of a setting, with 95 % intervals.

    Args:
        rows: as `evaluation.evaluate` gives them for InDI, with the column `setting`; one trained
            network per value, all on the same images.
        setting: that column. names: metrics, one panel each. symbol: of the setting, in the legend.

    The bands are intervals of the paired change against one step of the same network.
    """
    figure, panels = plt.subplots(1, len(names), figsize=(3.4 * len(names), 3.2), squeeze=False, sharex=True)
    for k, (value, part) in enumerate(rows.groupby(setting, sort=True)):
        changes = evaluation.changes(part)
        for axes, name in zip(panels[0], names, strict=True):
            found = changes[(changes["metric"] == name) & (changes["sampler"] != INPUT)].sort_values("steps")
            colour = figures.PALETTE[k % len(figures.PALETTE)]
            axes.plot(
                found["steps"], found["mean"], color=colour, marker=_MARKERS[k % len(_MARKERS)],
                label=f"{symbol} = {value:g}",
            )  # fmt: skip
            axes.fill_between(found["steps"], found["low"], found["high"], color=colour, alpha=0.12)
    for axes, name in zip(panels[0], names, strict=True):
        step_axis(axes, rows["steps"])
        axes.set_title(metric_label(name))
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def setting_table(
    rows: pd.DataFrame, sets: pd.DataFrame, setting: str, symbol: str, columns: Sequence[tuple[str, int]]
) -> pd.DataFrame:
    """InDI's means and 95 % intervals by the value of a setting, for `show_table`.

    Args:
        rows, sets: as `evaluation.evaluate` gives them, with the column `setting`.
        setting, symbol: that column, and its heading.
        columns: (metric or distance between sets, N).
    """
    out = []
    for value in sorted(rows[setting].unique()):
        row = {symbol: f"{value:g}"}
        for name, steps in [(metrics.resolve(name), steps) for name, steps in columns]:
            found, distances = (
                table[
                    (table[setting] == value)
                    & (table["sampler"] == "indi")
                    & (table["steps"] == steps)
                    & (table["metric"] == name)
                ]
                for table in (rows, sets)
            )
            text = "not measured"
            if len(found):
                text = metrics.bootstrap_interval(found["value"]).text(3).split(", n")[0]
            elif len(distances):
                d = distances.iloc[0]
                text = f"{d['value']:.3f} [{d['low']:.3f}, {d['high']:.3f}]"
            row[f"{metric_label(name)}, N = {steps}"] = text
        out.append(row)
    return pd.DataFrame(out)
