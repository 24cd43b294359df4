"""One curve per value of a setting that was trained with: noise levels, for one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from indi import evaluation
from indi.evaluation import INPUT, metrics
from indi.figures import interval, metric_label
from indi.figures.plots import over_steps


def quality_by_setting(rows: pd.DataFrame, setting: str, names: Sequence[str], symbol: str) -> Figure:
    """Each metric against the number of steps: a line per value of a setting, with 95 % intervals.

    Args:
        rows: as `evaluation.evaluate` gives them for InDI, with the column `setting`; one trained
            network per value, all on the same images.
        setting: that column. names: metrics, one panel each. symbol: of the setting, in the legend.

    The bands are intervals of the paired change against one step of the same network.
    """
    parts = [
        evaluation.changes(part).assign(setting=f"{symbol} = {value:g}")
        for value, part in rows.groupby(setting, sort=True)
    ]
    changes = pd.concat(parts, ignore_index=True)
    panels = {name: metric_label(name) for name in names}
    return over_steps(changes[changes["sampler"] != INPUT], panels, by="setting")


def setting_table(
    rows: pd.DataFrame, sets: pd.DataFrame, setting: str, symbol: str, columns: Sequence[tuple[str, int]]
) -> pd.DataFrame:
    """InDI's means and 95 % intervals by the value of a setting, for `show_table`.

    Args:
        rows, sets: as `evaluation.evaluate` gives them, with the column `setting`.
        setting, symbol: that column, and its heading.
        columns: (metric or distance between sets, N).
    """
    keys = [setting, "sampler", "metric", "steps"]
    found = pd.concat([evaluation.summary(rows, keys), sets.rename(columns={"value": "mean"})])
    found = found.set_index(keys)[["mean", "low", "high"]].sort_index()
    out = []
    for value in sorted(rows[setting].unique()):
        row = {symbol: f"{value:g}"}
        for name, steps in columns:
            name = metrics.resolve(name)
            key = (value, "indi", name, steps)
            there = key in found.index
            row[f"{metric_label(name)}, N = {steps}"] = (
                interval(found.loc[key], name) if there else "not measured"
            )
        out.append(row)
    return pd.DataFrame(out)
