"""Plots and tables of the chapter on the conditional DDPM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from indi.claims import Measured
from indi.claims.steps import curve
from indi.evaluation import INPUT, TRUTH
from indi.evaluation.ddpm_steps import steps_to_reach
from indi.evaluation.metrics import describe
from indi.figures import LOOKS, looks, metric_label
from indi.figures.plots import draw, metric_plane, middle, pictures
from indi.figures.restoration import metric_cells
from indi.figures.restoration import quality_by_steps as quality_by_steps
from indi.method import cddpm

LABELS = {INPUT: "input y"} | {name: LOOKS[name].label for name in ("indi", "ddpm", "ddim")}


def schedules() -> Figure:
    """The six inference schedules at 100 steps: level, and noise-to-signal ratio, against the step."""
    n = 100
    rows = pd.concat(
        pd.DataFrame({"schedule": name, "step": np.arange(n + 1), "level": cddpm.levels(name, n)})
        for name in cddpm.SCHEDULES
    )
    noisy = rows[rows["level"] < 1].assign(ratio=lambda part: np.sqrt(1 / part["level"] ** 2 - 1))
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.0))
    for axes, part, value in ((left, rows, "level"), (right, noisy, "ratio")):
        draw(axes, part, looks(cddpm.SCHEDULES), "schedule", "step", value, markers=False)
    left.set(xlabel=f"step, of {n}", ylabel=r"level $\sqrt{\bar\alpha}$")
    right.set(xlabel=f"step, of {n}", ylabel="noise / signal (log scale)", yscale="log")
    left.legend()
    return figure


def perception_distortion(
    means: pd.DataFrame, perception: str, intervals: pd.DataFrame | None = None
) -> Figure:
    """Fig. 12: InDI and the fused curves, labelled with N; every schedule as a small point behind its curve.

    Args:
        means: as `comparison.choices` gives it, with PSNR and the perceptual metric.
        intervals: of the fused curves, as `evaluation.summary` gives them: told by the points, not drawn.
    """
    keys = ["sampler", "steps", "metric"]
    chosen = means[means["chosen"]].melt(keys[:2], [perception, "psnr"], "metric", "mean")
    if intervals is not None:
        chosen = chosen.merge(intervals[[*keys, "low", "high"]], how="left", on=keys)
    figure = metric_plane(chosen, perception, bars=False)
    for name, part in means[~means["chosen"]].groupby("sampler"):
        look = LOOKS[str(name)]
        figure.axes[0].scatter(
            part["psnr"], part[perception], s=14, color=look.colour, alpha=0.35, marker=look.marker
        )
    title = "number of steps N at each point;\nsmall: schedules not chosen"
    figure.axes[0].legend(title=title, title_fontsize=9)
    return figure


def gallery(
    kept: Mapping[tuple[str, str, int], np.ndarray],
    image: str,
    step_counts: Sequence[int],
    chosen: Mapping[tuple[str, int], str],
) -> Figure:
    """The middle of one image: a row per method, a column per number of steps, y and the truth at the sides.

    Args:
        kept: as `evaluation.Evaluated.kept`, of both evaluations.
        image: its name.
        step_counts: N of the columns.
        chosen: (sampler, N) -> the schedule that is shown.
    """
    names = list(dict.fromkeys(sampler for sampler, _ in chosen))
    rows = []
    for name in names:
        restored = [(name if name == "indi" else f"{name}:{chosen[name, n]}", n) for n in step_counts]
        rows.append([(INPUT, 0), *restored, (TRUTH, 0)])
    return pictures(
        [[middle(kept[image, *key], 64) for key in row] for row in rows],
        ["input y", *(f"N = {n}" for n in step_counts), "truth x"],
        [LABELS[name].replace(", ", ",\n").replace(" D", "\nD") for name in names],
        size=1.6,
    )


def curve_table(
    summary: pd.DataFrame, chosen: Mapping[tuple[str, int], str], names: Sequence[str]
) -> pd.DataFrame:
    """Mean and 95 % interval of each metric for the fused curves, with the schedule, for `show_table`."""
    groups = dict(iter(summary.groupby(["sampler", "steps"])))
    out = []
    for sampler, steps in sorted(groups, key=lambda key: (list(LABELS).index(key[0]), key[1])):
        schedule = chosen.get((sampler, steps), "none")
        setting = {
            "method": LABELS[sampler],
            "N": "–" if sampler == INPUT else str(steps),
            "schedule": "–" if schedule == "none" else schedule,
        }
        out.append(setting | metric_cells(groups[sampler, steps], names))
    return pd.DataFrame(out)


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
                certain = not np.isfinite(m["low"])  # no interval, or never reached
                row[LABELS[sampler]] = _count(m["steps"]) if certain else _counts(m, "steps", "low", "high")
            out.append(row)
    return pd.DataFrame(out)


def findings(rows: pd.DataFrame, sets: pd.DataFrame, metric: str) -> pd.DataFrame:
    """What the claim of fewer steps rests on, a row per baseline, for `show_table`; the ledger judges it.

    Args:
        rows, sets: tidy.
        metric: the perceptual one that has a value per image.
    """
    every = Measured(rows)
    indi = every.best(metric, curve(every, "indi"))
    out = []
    for baseline in ("ddpm", "ddim"):
        both = rows[rows["sampler"].isin(("indi", baseline, INPUT))]
        found = steps_to_reach(both, metric).set_index("sampler").loc[baseline]
        best = steps_to_reach(both, metric, indi).set_index("sampler").loc[baseline]
        reached = "not with any N tried" if np.isinf(best["steps"]) else f"at N = {best['steps']:.0f}"
        row = {
            "baseline": f"{LABELS[baseline]} (fused)",
            "steps over those of InDI, to the best that both reach": _counts(
                found, "ratio", "ratio_low", "ratio_high"
            ),
            "InDI's best reached by the baseline": f"{reached} ({best['reached']:.0%} of resamples)",
            "images": int(found["n"]),
        }
        for name in sets["metric"].unique():
            part = sets[sets["sampler"].isin(("indi", baseline)) & (sets["metric"] == name)]
            one = steps_to_reach(part, name).set_index("sampler").loc[baseline]
            row[f"the ratio by {describe(name).label}"] = _count(one["ratio"])
        out.append(row)
    return pd.DataFrame(out)


def _counts(found: pd.Series, value: str, low: str, high: str) -> str:
    return f"{_count(found[value])} [{_count(found[low])}, {_count(found[high])}]"


def _count(value: float) -> str:
    if np.isnan(value):
        return "–"
    return "not reached" if np.isinf(value) else f"{value:.3g}"
