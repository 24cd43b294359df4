"""Rules about the number of steps and the sampler, each for one task."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from indi.claims.decide import all_better, not_worse, some_better, together
from indi.claims.evidence import (
    MARGINS,
    Evidence,
    Key,
    Measured,
    NotTested,
    Number,
    OutOfReach,
    Verdict,
    independent,
    sign,
)
from indi.evaluation import metrics
from indi.evaluation.metrics import Interval

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


def at_many(evidence: Evidence, task: str) -> Measured:
    """The table <task>_many, large N on a few images (chapter 9), where there is one; else the task's own.

    Raises:
        NotTested: there is neither.
    """
    name = f"{task}_many"
    return measured(evidence, name if name in evidence.tables else task)


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
    verdicts: list[Verdict] = []
    reasons: list[NotTested] = []
    for task in tasks:
        try:
            found = at_many(evidence, task)
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
            reasons.append(reason)
    if not verdicts:
        by_design = all(isinstance(reason, OutOfReach) for reason in reasons)
        raise (OutOfReach if by_design else NotTested)("; ".join(dict.fromkeys(map(str, reasons))))
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
    if not few:
        raise OutOfReach("needs 2 or 3 steps, which were not run")
    names = [name for name in found.metrics() if name in MARGINS]
    if not any(name.startswith("lpips") for name in names):
        raise NotTested("LPIPS was not measured (its weights are missing)")
    pairs = [(name, n) for name in names for n in few]
    numbers, corrected = (
        [found.compare(name, ("naive", n), ("indi", n), family) for name, n in pairs]
        for family in (1, len(pairs))
    )
    return not_worse(numbers, [MARGINS[name] for name, _ in pairs], corrected)


def naive_diverges(evidence: Evidence, task: str) -> Verdict:
    """At the largest N, naive worse than InDI and worse than itself at 2 steps, in every metric."""
    found = measured(evidence, task)
    counts = found.steps("naive")
    if 2 not in counts or counts[-1] == 2:
        raise OutOfReach("needs 2 steps and more, which were not run")
    most = counts[-1]
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
    found = at_many(evidence, task)
    counts = found.steps("cold_diffusion")
    _many(counts[-1])
    if len(counts) < 2:
        raise NotTested("only one number of steps was measured")
    before, most = counts[-2:]
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
    """At the PSNR of each Cold Diffusion point (N > 1), LPIPS and FD of InDI, interpolated, below Cold's; means."""
    return behind(measured(evidence, task))


def behind(found: Measured) -> Verdict:
    """As `cold_behind`, from any rows: what stands as "steps" of InDI may be whatever tells its points apart.

    Raises:
        OutOfReach: no Cold Diffusion point lies within InDI's range of PSNR.
    """
    names = found.perceptual()
    indi = sorted(found.steps("indi"), key=lambda n: found.mean("psnr", ("indi", n)))
    psnr = [found.mean("psnr", ("indi", n)) for n in indi]
    levels = {n: found.mean("psnr", ("cold_diffusion", n)) for n in found.steps("cold_diffusion") if n > 1}
    levels = {n: level for n, level in levels.items() if psnr[0] <= level <= psnr[-1]}
    if not levels:
        raise OutOfReach("no Cold Diffusion point lies within InDI's range of PSNR")
    # InDI's point between its own at the same PSNR, averaged over the points: one weight for each N
    weights = np.array([np.mean(np.interp(list(levels.values()), psnr, row)) for row in np.eye(len(psnr))])
    verdicts = []
    for name in names:
        values = [found.values(name, ("cold_diffusion", n)) for n in levels]
        if all(len(one) for one in values):
            curve = pd.concat([found.values(name, ("indi", n)) for n in indi], axis=1)
            gap = metrics.bootstrap_interval(pd.concat(values, axis=1).mean(axis=1) - curve @ weights)
        else:
            cold = _weighted([found.distance(name, ("cold_diffusion", n)) for n in levels])
            gap = independent(
                cold, _weighted([found.distance(name, ("indi", n)) for n in indi], weights), 0.95
            )
        what = f"{metrics.describe(name).label}, Cold Diffusion less InDI at equal PSNR"
        verdicts.append(all_better([Number(what, gap.mean, gap.low, gap.high, gap.n, sign=-sign(name))]))
    return together(verdicts)


def _weighted(intervals: Sequence[Interval], weights: np.ndarray | None = None) -> Interval:
    """Weighted mean of distances; the interval is that of wholly correlated ones, which is the widest."""
    bounds = [(interval.mean, interval.low, interval.high) for interval in intervals]
    mean, low, high = np.average(bounds, axis=0, weights=weights)
    return Interval(float(mean), float(low), float(high), min(interval.n for interval in intervals))


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
        raise OutOfReach(f"needs at least {MANY} steps; at most {most} were run")
