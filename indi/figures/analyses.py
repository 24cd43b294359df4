"""Plots and tables of the paper's analyses: samplers (Fig. 9), p(t) (Fig. 10), the perturbation (Fig. 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from indi.claims import MARGINS, Measured, Number
from indi.evaluation import INPUT
from indi.figures import GREY, PALETTE, SAMPLER_COLOURS, SAMPLER_LABELS, SAMPLER_LINES, SAMPLER_MARKERS
from indi.figures.restoration import metric_label, step_axis
from indi.method import closed_form, process, samplers

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES = ("-", "--", "-.", ":")


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
    t = torch.linspace(0, 1, 201)
    marks = torch.linspace(0.05, 1, 20)
    rows = []
    for k, name in enumerate(names):
        law = process.time_distribution(name)
        drawn = law.sample(draws, torch.Generator().manual_seed(seed + k))
        empirical = torch.stack([(drawn <= m).float().mean() for m in marks])
        style = _style(k)
        axes.plot(t, law.cdf(t), **{**style, "marker": ""})
        axes.plot(marks, empirical, **{**style, "linestyle": ""}, markersize=4)
        axes.plot([], [], **style, label=name)
        values = zip(marks.tolist(), law.cdf(marks).tolist(), empirical.tolist(), strict=True)
        rows += [(name, *row) for row in values]
    axes.set(xlabel="t (0: clean, 1: degraded)", ylabel="P(T ≤ t)", xlim=(0, 1.01), ylim=(0, 1.02))
    axes.legend()
    return figure, pd.DataFrame(rows, columns=["p_t", "t", "cdf", "empirical"])


def by_setting(found: Measured, baseline: str, names: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """Each metric against the number of steps, a line per setting.

    The bands are 95 % intervals of the difference to the baseline's training at the same N, laid
    around the setting's mean: a band that does not hold the baseline's line shows a difference.
    """
    figure, panels = plt.subplots(1, len(names), figsize=(3.5 * len(names), 3.5), squeeze=False)
    settings = _settings(found)
    rows = []
    for axes, name in zip(panels[0], names, strict=True):
        for k, setting in enumerate(settings):
            counts = found.steps(setting)
            means = np.array([found.mean(name, (setting, n)) for n in counts])
            low, high = means, means
            if setting != baseline:
                gaps = [found.compare(name, (setting, n), (baseline, n)) for n in counts]
                base = means - [gap.value for gap in gaps]
                low, high = base + [gap.low for gap in gaps], base + [gap.high for gap in gaps]
            axes.plot(counts, means, **_style(k), label=setting)
            axes.fill_between(counts, low, high, color=PALETTE[k % len(PALETTE)], alpha=0.12)
            rows += [(setting, name, *row) for row in zip(counts, means, low, high, strict=True)]
        step_axis(axes, {n for s in settings for n in found.steps(s)})
        axes.set_title(metric_label(name))
    _legend_below(figure, panels[0][0])
    return figure, pd.DataFrame(rows, columns=["setting", "metric", "steps", "mean", "low", "high"])


def setting_planes(found: Measured, names: Sequence[str]) -> Figure:
    """PSNR against each perceptual metric, a curve per setting, its points labelled with N (Figs. 10b, 11)."""
    figure, panels = plt.subplots(1, len(names), figsize=(5.0 * len(names), 4.2), squeeze=False)
    for axes, name in zip(panels[0], names, strict=True):
        for k, setting in enumerate(_settings(found)):
            _curve(axes, found, setting, name, label=setting, **_style(k))
        _least_span(axes, name)
        axes.set(xlabel=metric_label("psnr"), ylabel=metric_label(name))
    _legend_below(figure, panels[0][0])
    return figure


def difference_table(
    found: Measured, pairs: Sequence[tuple[str, str]], names: Sequence[str], counts: Sequence[int]
) -> pd.DataFrame:
    """Paired differences with 95 % intervals, for `show_table`: a row per pair (a less b) and number of steps."""
    out = []
    for a, b in pairs:
        for n in counts:
            row = {"difference": f"{a} − {b}", "N": str(n)}
            for name in names:
                row[metric_label(name)] = _shown(found.compare(name, (a, n), (b, n)))
            out.append(row)
    return pd.DataFrame(out)


def sampler_planes(tasks: Mapping[str, Measured], columns: Sequence[str]) -> Figure:
    """Fig. 9: PSNR against perceptual metrics, a panel per task and metric, a curve per sampler."""
    wide = max(2, len(columns))  # with one metric, two tasks side by side
    every = [(task, found, name) for task, found in tasks.items() for name in columns]
    tall = -(-len(every) // wide)
    figure, panels = plt.subplots(tall, wide, figsize=(4.6 * wide, 3.7 * tall), squeeze=False)
    for axes in panels.flat[len(every) :]:
        axes.set_axis_off()
    for axes, (task, found, name) in zip(panels.flat, every, strict=False):
        axes.set(xlabel=metric_label("psnr"), ylabel=metric_label(name), title=task.replace("_", " "))
        if name not in found.metrics():
            axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center", color=GREY)
            continue
        for sampler in SAMPLER_LABELS:
            _curve(axes, found, sampler, name, label=SAMPLER_LABELS[sampler], **_sampler_style(sampler))
        _least_span(axes, name)
    _legend_below(figure, panels[0][0])
    return figure


def against_theory(tasks: Mapping[str, Measured], s: float = 1.0, sigma: float = 1.0) -> Figure:
    """Detail ratio against N per task, beside the variance ratio of the Gaussian model with exact F."""
    tall = -(-(len(tasks) + 1) // 3)
    figure, panels = plt.subplots(tall, 3, figsize=(9.0, 2.9 * tall), squeeze=False)
    every = sorted({n for found in tasks.values() for n in found.steps("indi")})
    model, *measured = panels.flat[: len(tasks) + 1]
    for axes in panels.flat[len(tasks) + 1 :]:
        axes.set_axis_off()
    for sampler in SAMPLER_LABELS:
        style = _sampler_style(sampler)
        gains = [closed_form.sampler_gain(sampler, n, s, sigma) for n in every]
        ratio = [closed_form.output_variance(gain, s, sigma) / s**2 for gain in gains]
        model.plot(every, ratio, label=SAMPLER_LABELS[sampler], **style)
        for axes, found in zip(measured, tasks.values(), strict=True):
            counts = found.steps(sampler)
            axes.plot(counts, [found.mean("detail_ratio", (sampler, n)) for n in counts], **style)
    for axes, found in zip(measured, tasks.values(), strict=True):
        axes.axhline(found.mean("detail_ratio", (INPUT, 0)), color=GREY, linestyle=":", linewidth=1.2)
    model.axhline((s**2 + sigma**2) / s**2, color=GREY, linestyle=":", linewidth=1.2, label="input y")
    for axes, title in zip([model, *measured], ["Gaussian model, exact F", *tasks], strict=True):
        axes.axhline(1, color="black", linewidth=0.6)
        step_axis(axes, every)
        axes.set_title(title.replace("_", " "))
    model.set_ylabel("variance over the right one")
    for axes in measured:
        axes.set_ylabel("detail ratio (1 is right)")
    _legend_below(figure, model)
    return figure


def landmarks(found: Measured, names: Sequence[str]) -> pd.DataFrame:
    """Where the samplers turn, a row per metric: with 95 % intervals widened for the number of step counts.

    Naive diverges at the first N from which on it is worse than InDI at every larger N too; InDI falls
    at the first N after its best that is worse than that; Cold Diffusion's last change is shown.
    """
    rows = []
    counts = [n for n in found.steps("indi") if n > 1]
    for name in names:
        worse = [found.compare(name, ("naive", n), ("indi", n), len(counts)).worse for n in counts]
        diverges = next((n for i, n in enumerate(counts) if all(worse[i:])), None)
        best = found.best(name, [("indi", n) for n in found.steps("indi")])[1]
        after = [n for n in counts if n > best]
        falls = next(
            (n for n in after if found.compare(name, ("indi", n), ("indi", best), len(after)).worse), None
        )
        before, last = counts[-2:] if len(counts) > 1 else (1, counts[-1])
        change = found.compare(name, ("cold_diffusion", last), ("cold_diffusion", before))
        rows.append(
            {
                "metric": metric_label(name),
                "naive worse than InDI from": f"N = {diverges}" if diverges else "not shown",
                "InDI best at": f"N = {best}",
                "worse again from": f"N = {falls}" if falls else "not shown",
                f"Cold Diffusion, {before} to {last} steps": _shown(change),
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

    figure, axes = plt.subplots(figsize=(6.4, 3.6))
    rows = []
    for k, eps in enumerate(levels):
        values = [variance(eps, n) for n in counts]
        axes.plot(counts, values, **_style(k), label=f"ε = {eps:g}")
        rows += [(eps, n, value) for n, value in zip(counts, values, strict=True)]
    axes.axhline(1, color="black", linewidth=0.6)
    step_axis(axes, counts)
    axes.set(ylabel="variance of the lost coordinate (1 is right)", ylim=(0, 1.05))
    axes.legend()
    return figure, pd.DataFrame(rows, columns=["eps", "steps", "variance"])


def _settings(found: Measured) -> list[str]:
    return list(dict.fromkeys(found.rows["sampler"]))


def _style(k: int) -> dict[str, Any]:
    return {
        "color": PALETTE[k % len(PALETTE)],
        "marker": _MARKERS[k % len(_MARKERS)],
        "linestyle": _LINES[k % len(_LINES)],
    }


def _sampler_style(sampler: str) -> dict[str, Any]:
    return {
        "color": SAMPLER_COLOURS[sampler],
        "marker": SAMPLER_MARKERS[sampler],
        "linestyle": SAMPLER_LINES[sampler],
    }


def _curve(axes: Axes, found: Measured, key: str, name: str, label: str, **style: Any) -> None:
    """Means in the plane of PSNR and another metric, joined in the order of N."""
    counts = found.steps(key)
    x = [found.mean("psnr", (key, n)) for n in counts]
    y = [found.mean(name, (key, n)) for n in counts]
    axes.plot(x, y, label=label, **style)
    for n, point in zip(counts, zip(x, y, strict=True), strict=True):
        axes.annotate(
            str(n), point, xytext=(3, 3), textcoords="offset points", fontsize=7, color=style["color"]
        )


def _least_span(axes: Axes, name: str) -> None:
    """Keep both axes from magnifying differences that do not matter: at least four margins, or 2 %."""
    for axis, metric in ((axes.xaxis, "psnr"), (axes.yaxis, name)):
        low, high = axis.get_view_interval()
        least = 4 * MARGINS.get(metric, 0.005 * max(abs(low), abs(high)))
        if high - low < least:
            middle = (low + high) / 2
            (axes.set_xlim if axis is axes.xaxis else axes.set_ylim)(middle - least / 2, middle + least / 2)


def _shown(number: Number) -> str:
    if not np.isfinite(number.low):
        return f"{number.value:+.3f} [no interval]"
    mark = "" if number.better or number.worse else ": none shown"
    return f"{number.value:+.3f} [{number.low:+.3f}, {number.high:+.3f}]{mark}"


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4))
