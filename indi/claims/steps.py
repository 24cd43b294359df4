"""Rules about the number of steps and the sampler, each for one task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from indi import metrics
from indi.claims.decide import all_better, not_worse, some_better, together
from indi.claims.evidence import MARGINS, Evidence, Key, Measured, NotTested, Number, Verdict

MANY = 100
"""Step counts that the paper's "very large number of steps" starts at here."""

COLUMNS = ["image", "sampler", "steps", "metric", "value"]


def measured(evidence: Evidence, name: str) -> Measured:
    """The tables <name> and, where there is one, <name>_sets.

    Raises:
        NotTested: there is no table <name>.
    """
    sets = evidence.tables.get(f"{name}_sets")
    return Measured(evidence.rows(name), None if sets is None else sets.rows)


def one_step_psnr(evidence: Evidence, task: str) -> Verdict:
    """PSNR of one step above that of every other N."""
    found = measured(evidence, task)
    more = _more(found)
    return all_better([found.compare("psnr", ("indi", 1), ("indi", n), len(more)) for n in more])


def several_steps(evidence: Evidence, task: str) -> Verdict:
    """LPIPS and FD of some N > 1 better than of one step."""
    found = measured(evidence, task)
    more = _more(found)
    return together(
        [
            some_better([found.compare(metric, ("indi", n), ("indi", 1), len(more)) for n in more])
            for metric in found.perceptual()
        ]
    )


def more_detail(evidence: Evidence, task: str) -> Verdict:
    """Power in the top octave at every N > 1 above that of one step."""
    found = measured(evidence, task)
    if "detail_ratio" not in found.metrics():
        raise NotTested("the detail ratio was not measured")
    more = _more(found)
    return all_better([found.compare("detail_ratio", ("indi", n), ("indi", 1), len(more)) for n in more])


def falls_again(evidence: Evidence, tasks: Sequence[str]) -> Verdict:
    """In one of the tasks, the largest N worse than some smaller N > 1, in LPIPS and FD."""
    verdicts, reasons = [], []
    for task in tasks:
        try:
            found = measured(evidence, task)
            *fewer, most = _more(found)
            _many(most)
            family = len(fewer) * len(tasks)
            verdicts.append(
                together(
                    [
                        some_better([found.compare(name, ("indi", n), ("indi", most), family) for n in fewer])
                        for name in found.perceptual()
                    ]
                )
            )
        except NotTested as reason:
            reasons.append(str(reason))
    if not verdicts:
        raise NotTested("; ".join(dict.fromkeys(reasons)))
    numbers = tuple(number for verdict in verdicts for number in verdict.numbers)
    outcomes = [verdict.outcome for verdict in verdicts]
    if "reproduced" in outcomes:
        return Verdict("reproduced", "", numbers)
    if set(outcomes) == {"not reproduced"} and len(verdicts) == len(tasks):
        return Verdict("not reproduced", "", numbers)
    why = next((verdict.reason for verdict in verdicts if verdict.reason), "not all tasks were measured")
    return Verdict("inconclusive", why, numbers)


def naive_few(evidence: Evidence, task: str) -> Verdict:
    """With 2 and 3 steps, naive not worse than InDI by more than the margin, in PSNR and LPIPS."""
    found = measured(evidence, task)
    few = [n for n in found.steps("naive") if n in (2, 3)]
    names = [name for name in found.metrics() if name in MARGINS]
    if not few or not any(name.startswith("lpips") for name in names):
        raise NotTested("LPIPS of 2 or 3 steps was not measured")
    numbers = [found.compare(name, ("naive", n), ("indi", n)) for name in names for n in few]
    return not_worse(numbers, [MARGINS[name] for name in names for _ in few])


def naive_diverges(evidence: Evidence, task: str) -> Verdict:
    """At the largest N, naive worse than InDI and worse than itself at 2 steps, in every metric."""
    found = measured(evidence, task)
    most = found.steps("naive")[-1]
    others: list[Key] = [("indi", most), ("naive", 2)]
    names = ["psnr", *found.perceptual()]
    return together(
        [
            all_better([found.compare(name, other, ("naive", most), len(others)) for other in others])
            for name in names
        ]
    )


def cold_steadier(evidence: Evidence, task: str) -> Verdict:
    """Between the two largest N, images change less under Cold Diffusion than under the other two."""
    found = measured(evidence, task)
    before, most = found.steps("cold_diffusion")[-2:]
    _many(most)
    names = [name for name in found.metrics() if name in MARGINS]

    def moved(metric: str, sampler: str) -> pd.Series:
        return (found.values(metric, (sampler, most)) - found.values(metric, (sampler, before))).abs()

    verdicts = []
    for name in names:
        numbers = []
        for other in ("indi", "naive"):
            change = metrics.paired_difference(
                moved(name, other), moved(name, "cold_diffusion"), 1 - 0.05 / 2
            )
            what = (
                f"{metrics.describe(name).label}, |change| from {before} to {most} steps, {other} less Cold"
            )
            numbers.append(Number(what, change.mean, change.low, change.high, change.n, 1 - 0.05 / 2))
        verdicts.append(all_better(numbers))
    return together(verdicts)


def cold_behind(evidence: Evidence, task: str) -> Verdict:
    """At the PSNR of each Cold Diffusion point (N > 1), LPIPS of InDI, interpolated, below Cold's; their mean."""
    found = measured(evidence, task)
    lpips = [name for name in found.metrics() if name.startswith("lpips")]
    if not lpips:
        raise NotTested("LPIPS was not measured")
    indi = sorted(found.steps("indi"), key=lambda n: found.values("psnr", ("indi", n)).mean())
    psnr = [found.values("psnr", ("indi", n)).mean() for n in indi]
    numbers = []
    for name in lpips:
        curve = pd.concat([found.values(name, ("indi", n)) for n in indi], axis=1)
        differences = []
        for n in found.steps("cold_diffusion"):
            level = found.values("psnr", ("cold_diffusion", n)).mean()
            if n == 1 or not psnr[0] <= level <= psnr[-1]:
                continue
            weights = np.array([np.interp(level, psnr, np.eye(len(psnr))[i]) for i in range(len(psnr))])
            differences.append(found.values(name, ("cold_diffusion", n)) - curve @ weights)
        if not differences:
            raise NotTested("no Cold Diffusion point lies within InDI's range of PSNR")
        mean = pd.concat(differences, axis=1).mean(axis=1)
        gap = metrics.bootstrap_interval(mean)
        what = f"{metrics.describe(name).label}, Cold Diffusion less InDI at equal PSNR"
        numbers.append(Number(what, gap.mean, gap.low, gap.high, gap.n))
    return all_better(numbers)


def generates(evidence: Evidence) -> Verdict:
    """From noise, the Fréchet distance of some N > 1 below that of one step, and below that of the noise."""
    found = Measured(pd.DataFrame(columns=COLUMNS), evidence.rows("generation_sets"))
    name = found.perceptual()[0]
    more = _more(found)
    starts: list[Key] = [("indi", 1)]
    if found.sets is not None and "input" in set(found.sets["sampler"]):
        starts.append(("input", 0))
    return together(
        [some_better([found.compare(name, ("indi", n), start, len(more)) for n in more]) for start in starts]
    )


def _more(found: Measured) -> list[int]:
    more = [n for n in found.steps("indi") if n > 1]
    if not more:
        raise NotTested("only one step was measured")
    return more


def _many(most: int) -> None:
    if most < MANY:
        raise NotTested(f"needs at least {MANY} steps; at most {most} were run")
