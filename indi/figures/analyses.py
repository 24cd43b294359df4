"""Plots and tables of the paper's analyses: samplers (Fig. 9), p(t) (Fig. 10), the perturbation (Fig. 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from indi import profiles
from indi.claims import MARGINS, Measured, Number
from indi.evaluation import INPUT
from indi.figures import GREY, SAMPLER_LABELS, difference, looks, metric_label
from indi.figures.plots import (
    axes_grid,
    draw,
    keep_in_frame,
    legend_below,
    lines_over_steps,
    number,
    over_steps,
    paths,
)
from indi.method import closed_form, process, samplers


def of_setting(rows: pd.DataFrame, sets: pd.DataFrame | None) -> Measured:
    """InDI's rows with the setting's label in place of the sampler: what the functions here compare.

    Args:
        rows, sets: as `evaluation.evaluate` gives them, with the column `setting` that names the training.
    """

    def part(table: pd.DataFrame) -> pd.DataFrame:
        own = table[table["sampler"] == "indi"]
        return own.assign(sampler=own["setting"])

    return Measured(part(rows), None if sets is None or sets.empty else part(sets))


def cumulative(names: Sequence[str], draws: int, seed: int) -> tuple[Figure, pd.DataFrame]:
    """Fig. 10(c): P(T <= t) of each distribution as a line, and the share among `draws` samples as marks."""
    figure, axes = plt.subplots(figsize=(6.4, 4.0))
    t, marks = torch.linspace(0, 1, 201), torch.linspace(0.05, 1, 20)
    lines, rows = [], []
    for k, (name, look) in enumerate(looks(names).items()):
        law = process.time_distribution(name)
        drawn = law.sample(draws, torch.Generator().manual_seed(seed + k))
        empirical = torch.stack([(drawn <= m).float().mean() for m in marks])
        lines.append(pd.DataFrame({"p_t": name, "t": t, "cdf": law.cdf(t)}))
        rows.append(pd.DataFrame({"p_t": name, "t": marks, "cdf": law.cdf(marks), "empirical": empirical}))
        axes.scatter(marks, empirical, s=16, color=look.colour, marker=look.marker)
    draw(axes, pd.concat(lines), looks(names), "p_t", "t", "cdf", markers=False)
    axes.set(xlabel="t (0: clean, 1: degraded)", ylabel="P(T ≤ t)", xlim=(0, 1.01), ylim=(0, 1.02))
    axes.legend()
    return figure, pd.concat(rows, ignore_index=True)


def by_setting(found: Measured, baseline: str, names: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """Each metric against the number of steps, a line per setting.

    The bands are 95 % intervals of the difference to the baseline's training at the same N, laid
    around the setting's mean: a band that does not hold the baseline's line shows a difference.
    """
    rows = _levels(found, names).rename(columns={"sampler": "setting"})
    bounds = []
    for row in rows.itertuples():
        low = high = row.mean
        if row.setting != baseline:
            gap = found.compare(row.metric, (row.setting, row.steps), (baseline, row.steps))
            low, high = row.mean - gap.value + gap.low, row.mean - gap.value + gap.high
        bounds.append((low, high))
    rows[["low", "high"]] = bounds
    return over_steps(rows, {name: metric_label(name) for name in names}, by="setting"), rows


def setting_planes(found: Measured, names: Sequence[str]) -> Figure:
    """PSNR against each perceptual metric, a curve per setting, its points labelled with N (Figs. 10b, 11)."""
    return _planes([("", found, name) for name in names], len(names))


def difference_table(
    found: Measured, pairs: Sequence[tuple[str, str]], names: Sequence[str], counts: Sequence[int]
) -> pd.DataFrame:
    """Paired differences with 95 % intervals, for `show_table`: a row per pair (a minus b) and number of steps."""
    out = []
    for a, b in pairs:
        for n in counts:
            row = {"difference": f"{a} − {b}", "N": str(n)}
            for name in names:
                row[metric_label(name)] = _shown(found.compare(name, (a, n), (b, n)), name)
            out.append(row)
    return pd.DataFrame(out)


def sampler_planes(tasks: Mapping[str, Measured], columns: Sequence[str]) -> Figure:
    """Fig. 9: PSNR against perceptual metrics, a panel per task and metric, a curve per sampler."""
    every = [(profiles.words(task, task), found, name) for task, found in tasks.items() for name in columns]
    return _planes(every, max(2, len(columns)))  # with one metric, two tasks side by side


def _planes(every: Sequence[tuple[str, Measured, str]], columns: int) -> Figure:
    figure, grid = axes_grid(len(every), columns, (4.6, 3.9))
    points = {}
    for axes, (title, found, name) in zip(grid, every, strict=True):
        axes.set(xlabel=metric_label("psnr"), ylabel=metric_label(name), title=title)
        if name not in found.metrics():
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY)
            continue
        points[axes] = paths(axes, _levels(found, ["psnr", name]), name, bars=False)
        keep_in_frame(axes, points[axes])
        axes.set(xlabel=metric_label("psnr"), ylabel=metric_label(name))
        _least_span(axes, name)
    legend_below(figure)
    for axes, of_axes in points.items():
        number(axes, of_axes)
    return figure


def _levels(found: Measured, names: Sequence[str]) -> pd.DataFrame:
    """Means of what was measured, without the input: columns sampler, metric, steps, mean, low, high."""
    there = list(dict.fromkeys(found.rows["sampler"]))
    series = [key for key in SAMPLER_LABELS if key in there] or there
    rows = []
    for name in names:
        for key in series:
            for n in found.steps(key):
                level = found.interval(name, (key, n))
                rows.append((key, name, n, level.mean, level.low, level.high))
    return pd.DataFrame(rows, columns=["sampler", "metric", "steps", "mean", "low", "high"])


def against_theory(tasks: Mapping[str, Measured]) -> Figure:
    """Detail ratio against N per task, beside the variance in the Gaussian model, s = sigma = 1, with exact F."""
    model = "Gaussian model, exact F"
    counts = sorted({n for found in tasks.values() for n in found.steps("indi")})
    rows = [(model, INPUT, 0, 2.0)]
    for sampler in SAMPLER_LABELS:
        for n in counts:
            gain = closed_form.sampler_gain(sampler, n, 1.0, 1.0)
            rows.append((model, sampler, n, closed_form.output_variance(gain, 1.0, 1.0)))
    for task, found in tasks.items():
        keys = [(INPUT, 0), *((sampler, n) for sampler in SAMPLER_LABELS for n in found.steps(sampler))]
        rows += [(task, *key, found.mean("detail_ratio", key)) for key in keys]
    figure = over_steps(
        pd.DataFrame(rows, columns=["metric", "sampler", "steps", "mean"]),
        {name: profiles.words(name, name) for name in (model, *tasks)},
        right=1.0,
        columns=3,
        size=(3.0, 2.9),
    )
    for k, axes in enumerate(figure.axes[: len(tasks) + 1]):
        axes.set_ylabel("detail ratio (1 is right)" if k else "variance / right variance (1 is right)")
    return figure


def landmarks(found: Measured, names: Sequence[str]) -> pd.DataFrame:
    """Where the samplers turn, a row per metric: with 95 % intervals widened for the number of step counts.

    Naive diverges at the first N from which on it is worse than InDI at every larger N too; InDI falls
    at the first N after its best that is worse than that; Cold Diffusion's last change is shown.
    """
    rows = []
    counts = [n for n in found.steps("indi") if n > 1]
    for name in names:
        shared = [n for n in found.steps("naive") if n in counts]
        worse = [found.compare(name, ("naive", n), ("indi", n), len(shared)).worse for n in shared]
        diverges = next((n for i, n in enumerate(shared) if all(worse[i:])), None)
        best = found.best(name, [("indi", n) for n in found.steps("indi")])[1]
        after = [n for n in counts if n > best]
        fallen = (n for n in after if found.compare(name, ("indi", n), ("indi", best), len(after)).worse)
        falls = next(fallen, None)
        before, last = [1, *found.steps("cold_diffusion")][-2:]
        change = found.compare(name, ("cold_diffusion", last), ("cold_diffusion", before))
        rows.append(
            {
                "metric": metric_label(name),
                "naive worse than InDI from": f"N = {diverges}" if diverges else "not shown",
                "InDI best at": f"N = {best}",
                "worse again from": f"N = {falls}" if falls else "not shown",
                f"Cold Diffusion, {before} to {last} steps": _shown(change, name),
            }
        )
    return pd.DataFrame(rows)


def lost_coordinate(levels: Sequence[float], counts: Sequence[int]) -> tuple[Figure, pd.DataFrame]:
    """Variance of the coordinate that H = diag(1, 0) loses, against N, for each eps; exact F, right is 1.

    x ~ N(0, C) with unit variances and correlation 0.5, y = Hx: a deterministic degradation.
    """
    covariance = torch.tensor([[1.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    H = torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64))
    eye = torch.eye(2, dtype=torch.float64)

    def variance(eps: float, n: int) -> float:
        def F(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            mean = torch.zeros(2, dtype=torch.float64)
            return closed_form.linear_gaussian_posterior_mean(x, t, mean, covariance, H, eps * t)

        # F is linear: the rows of the result are what the two unit vectors become
        gain = samplers.indi(F, eye, samplers.uniform_times(n)).T
        start = H @ covariance @ H.T + eps**2 * eye
        return float((gain @ start @ gain.T)[1, 1])

    rows = [(eps, n, variance(eps, n)) for eps in levels for n in counts]
    found = pd.DataFrame(rows, columns=["eps", "steps", "variance"])
    labels = {eps: f"ε = {eps:g}" for eps in levels}
    ylabel = "variance of the lost coordinate (1 is right)"
    return lines_over_steps(found, "eps", "variance", labels, ylabel, target=1.0), found


def _least_span(axes: Axes, name: str) -> None:
    """Keep both axes from magnifying differences that do not matter: at least four margins, or 2 %."""
    for axis, metric in ((axes.xaxis, "psnr"), (axes.yaxis, name)):
        low, high = axis.get_view_interval()
        least = 4 * MARGINS.get(metric, 0.005 * max(abs(low), abs(high)))
        if high - low < least:
            middle = (low + high) / 2
            (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(middle - least / 2, middle + least / 2)


def _shown(number: Number, metric: str) -> str:
    return difference((number.value, number.low, number.high), metric)
