"""Rules about the number of steps and the sampler, each for one task.

Where a rule judges by several metrics, the one that the paper's sentence names first decides; where it names
none, LPIPS, the first of the perceptual metrics in the paper's tables. The others stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from indi.claims.decide import all_better, every, first_named, not_worse, some_better, together
from indi.claims.evidence import (
    BLOCKS,
    MARGINS,
    NO_RESAMPLES,
    Evidence,
    Key,
    Measured,
    NotTested,
    Number,
    OutOfReach,
    Verdict,
)
from indi.evaluation import INPUT, metrics

MANY = 100
"""Step counts that the paper's "very large number of steps" starts at here."""

PERCEPTUAL = ("lpips", "niqe", "fd", "kd")
"""Kinds of perceptual metrics, as Table 1 orders them."""

FREQUENT = ("lpips", "fd", "kd")
"""Those that are measured beside many settings, too."""

BY_FID = ("fd", "kd", "lpips")
"""Where the sentence names FID."""

COLUMNS = ["image", "sampler", "steps", "metric", "value"]


def measured(evidence: Evidence, name: str) -> Measured:
    """The table <name> (NotTested: there is none) and, where there are any, <name>_sets with its resamples."""
    return Measured(evidence.rows(name), sets_of(evidence, name))


def sets_of(evidence: Evidence, name: str) -> pd.DataFrame | None:
    """The table <name>_sets with its resamples; None where it is not there."""
    return with_resamples(evidence, f"{name}_sets") if f"{name}_sets" in evidence.tables else None


def with_resamples(evidence: Evidence, name: str) -> pd.DataFrame:
    """A table of distances between sets (NotTested: there is none), with the columns of <name>_resamples, if there."""
    rows = evidence.rows(name)
    if (beside := evidence.tables.get(f"{name}_resamples")) is None:
        return rows
    keys = [column for column in beside.rows if column in rows]
    return rows.merge(beside.rows, on=keys, how="left", validate="one_to_one").fillna({"resamples": ""})


def by_metric(
    found: Measured, kinds: Sequence[str], judge: Callable[[str], Verdict], exactly: bool = False
) -> Verdict:
    """The verdict by the first metric of `kinds` that was measured, and what the others say.

    Args:
        judge: metric -> verdict.
        exactly: the sentence names the first kind: without it nothing is tested.

    Raises:
        NotTested: none was measured.
    """
    names = found.named(*kinds)
    if not found.named("lpips", "fd"):
        raise NotTested("neither LPIPS nor a Fréchet distance was measured (their weights are missing)")

    def one(name: str) -> Verdict:
        # beside another metric, intervals that are too wide may object: what they show is shown
        if name == names[0] and not found.pairs(name):
            return Verdict("not tested", NO_RESAMPLES)
        try:
            return judge(name)
        except NotTested as reason:
            if name == names[0]:
                raise
            return Verdict("not tested", str(reason))

    verdicts = {name: one(name) for name in names}
    if exactly and not found.named(kinds[0]):
        no_fid = Verdict("not tested", "the sentence is about FID, and no such distance was measured")
        verdicts = {"fd": no_fid, **verdicts}
    if not exactly and verdicts[names[0]].outcome == "not tested":
        verdicts = dict(sorted(verdicts.items(), key=lambda item: item[1].outcome == "not tested"))
    return first_named(verdicts)


def at_many(evidence: Evidence, task: str) -> Measured:
    """The table <task>_many, large N on few images (chapter 9), else the task's own (NotTested: there is neither)."""
    name = f"{task}_many"
    return measured(evidence, name if name in evidence.tables else task)


def one_step_psnr(evidence: Evidence, task: str) -> Verdict:
    """PSNR of one step above that of every other N."""
    found = measured(evidence, task)
    more = _more(found)
    return all_better([found.compare("psnr", ("indi", 1), ("indi", n), len(more)) for n in more])


def several_steps(evidence: Evidence, task: str) -> Verdict:
    """LPIPS of some N > 1 better than of one step; NIQE, FD and KD beside it."""
    found = measured(evidence, task)
    return by_metric(found, PERCEPTUAL, lambda metric: some_better(_against_one(found, metric)))


def more_detail(evidence: Evidence, task: str) -> Verdict:
    """Geometric mean of the power in the top octave at every N > 1 above that of one step."""
    found = measured(evidence, task)
    needs(found, "detail_ratio")
    return all_better(_against_one(found, "detail_ratio", logs=True))


def artifacts_away(evidence: Evidence, task: str) -> Verdict:
    """Blockiness of every N > 1 not above that of one step by more than the margin."""
    found = measured(evidence, task)
    needs(found, "blockiness")
    numbers, corrected = _against_one(found, "blockiness", family=1), _against_one(found, "blockiness")
    return not_worse(numbers, [BLOCKS] * len(numbers), corrected)


def falls_again(evidence: Evidence, tasks: Sequence[str]) -> Verdict:
    """In one of the tasks, some N of at least 100 worse than some smaller N > 1, by LPIPS; FD and KD beside it."""
    verdicts: list[Verdict] = []
    reasons: list[NotTested] = []
    for task in tasks:
        try:
            verdicts.append(_falls(at_many(evidence, task), len(tasks)))
        except NotTested as reason:
            reasons.append(reason)
    if not verdicts:
        by_design = all(isinstance(reason, OutOfReach) for reason in reasons)
        raise (OutOfReach if by_design else NotTested)("; ".join(dict.fromkeys(map(str, reasons))))
    numbers = tuple(number for verdict in verdicts for number in verdict.numbers)
    found = [verdict for verdict in verdicts if verdict.outcome == "reproduced"]
    if found:
        return replace(min(found, key=lambda verdict: verdict.p), numbers=numbers)
    if len(verdicts) == len(tasks):
        return together(verdicts) if len(verdicts) > 1 else verdicts[0]
    return Verdict("inconclusive", "not all tasks were measured", numbers, verdicts[0].key)


def _falls(found: Measured, tasks: int) -> Verdict:
    more = _more(found)
    _many(more[-1])
    pairs = [(few, many) for many in more if many >= MANY for few in more if few < many]

    def judge(metric: str) -> Verdict:
        family = len(pairs) * tasks
        return some_better([found.compare(metric, ("indi", n), ("indi", m), family) for n, m in pairs])

    return by_metric(found, FREQUENT, judge)


def naive_few(evidence: Evidence, task: str) -> Verdict:
    """At the PSNR of naive's 2 and 3 steps, its LPIPS not above InDI's by more than the margin."""
    found = measured(evidence, task)
    if not {2, 3} <= set(found.steps("naive")):
        raise OutOfReach("needs 2 and 3 steps, which were not run")
    lpips = found.lpips()
    naive: list[Key] = [("naive", 2), ("naive", 3)]
    gap = found.gap(lpips, naive, curve(found, "indi"), "naive of 2 to 3 steps minus InDI")
    verdict = not_worse([gap], [MARGINS[lpips]], [gap])
    direct = [found.compare(name, ("naive", 3), ("indi", 3)) for name in ("psnr", lpips)]
    return replace(verdict, numbers=(*verdict.numbers, *direct))


def naive_diverges(evidence: Evidence, task: str) -> Verdict:
    """At the largest N, naive worse than InDI and worse than itself at 2 steps, in PSNR and in LPIPS."""
    found = at_many(evidence, task)
    counts = found.steps("naive")
    most = counts[-1]
    _many(most)
    if 2 not in counts:
        raise OutOfReach("needs 2 steps, which were not run")
    others: list[Key] = [("indi", most), ("naive", 2)]
    verdicts = [
        all_better([found.compare(name, other, ("naive", most), len(others)) for other in others])
        for name in ("psnr", found.lpips())
    ]
    return together(verdicts)


def cold_steadier(evidence: Evidence, task: str) -> Verdict:
    """From its own best N to the largest, Cold Diffusion loses less LPIPS than the other two."""
    found = at_many(evidence, task)
    most = found.steps("cold_diffusion")[-1]
    _many(most)

    def judge(metric: str) -> Verdict:
        best = {name: found.best(metric, curve(found, name)) for name in ("indi", "naive", "cold_diffusion")}

        def lost(other: str) -> Number:
            terms = [(1, (other, most)), (-1, best[other])]
            terms += [(-1, ("cold_diffusion", most)), (1, best["cold_diffusion"])]
            label = metrics.describe(metric).label
            what = f"{label}, loss from its best N to {most}, {other} (N = {best[other][1]}) minus Cold Diffusion"
            return found.contrast(metric, terms, what, family=2, worse=True)

        verdict = all_better([lost(other) for other in ("indi", "naive")])
        if verdict.outcome == "inconclusive" and best["indi"][1] == best["cold_diffusion"][1] == most:
            both = f"InDI and Cold Diffusion are best at N = {most}, the largest: neither loses anything up to it"
            return replace(verdict, reason=both)
        return verdict

    return by_metric(found, FREQUENT, judge)


def cold_behind(evidence: Evidence, task: str) -> Verdict:
    """At equal PSNR, the FD of Cold Diffusion above that of InDI, whose curve has real points between N = 1 and 2."""
    between = evidence.tables.get("samplers_equal_psnr")
    if between is None or task not in set(between.rows["task"]):
        return behind(measured(evidence, task))
    return behind(measured(evidence, "samplers_equal_psnr").where(lambda rows: rows["task"] == task))


def behind(found: Measured) -> Verdict:
    """As `cold_behind`, from any rows: what stands as "steps" of InDI may be whatever tells its points apart.

    Raises:
        NotTested: no Fréchet distance was measured.
        OutOfReach: the curves share no range of PSNR.
    """
    curves = curve(found, "cold_diffusion"), curve(found, "indi")

    def judge(metric: str) -> Verdict:
        return all_better([found.gap(metric, *curves, "Cold Diffusion minus InDI", worse=True)])

    return by_metric(found, BY_FID, judge, exactly=True)


def generates(evidence: Evidence) -> Verdict:
    """From noise, the FD of some N > 1 below that of one step, and nearer to the floor than to the noise."""
    found = _generated(evidence)
    more = _more(found)

    def judge(metric: str) -> Verdict:
        noise, floor = found.mean(metric, (INPUT, 0)), found.floor(metric)
        best = found.best(metric, [("indi", n) for n in more])
        family = 2 * len(more)  # any N, of two parts
        label = metrics.describe(metric).label
        what = f"{label}, best N = {best[1]} minus noise ({noise:.4g}); half of the way to the floor ({floor:.4g})"
        way = found.contrast(metric, [(1, best), (-1, (INPUT, 0))], what, family)
        way = replace(way, at=(floor - noise) / 2)
        gain = some_better(_against_one(found, metric, family))
        return every([gain, all_better([way])])

    return by_metric(found, ("fd", "kd"), judge, exactly=True)


def generates_best(evidence: Evidence) -> Verdict:
    """From noise, the FD of InDI at its best N below those of the other two at theirs."""
    found = _generated(evidence)

    def judge(metric: str) -> Verdict:
        indi, *others = (
            found.best(metric, curve(found, name)) for name in ("indi", "naive", "cold_diffusion")
        )
        return all_better([found.compare(metric, indi, other, 2) for other in others])

    return by_metric(found, ("fd", "kd"), judge, exactly=True)


def _generated(evidence: Evidence) -> Measured:
    """The table generation_many_sets, where there is one; else generation_sets."""
    name = "generation_many" if "generation_many_sets" in evidence.tables else "generation"
    evidence.rows(f"{name}_sets")
    return Measured(pd.DataFrame(columns=COLUMNS), sets_of(evidence, name))


def curve(found: Measured, sampler: str) -> list[Key]:
    """The sampler at each of its step counts."""
    return [(sampler, n) for n in found.steps(sampler)]


def needs(found: Measured, metric: str) -> None:
    """Nothing, if the metric was measured (NotTested: it was not)."""
    if metric not in found.metrics():
        raise NotTested(f"the {metric.replace('_', ' ')} was not measured")


def _against_one(found: Measured, metric: str, family: int | None = None, logs: bool = False) -> list[Number]:
    """Each N > 1 against one step; the family is their number unless it is given."""
    more = _more(found)
    return [found.compare(metric, ("indi", n), ("indi", 1), family or len(more), logs) for n in more]


def _more(found: Measured) -> list[int]:
    more = [n for n in found.steps("indi") if n > 1]
    if not more:
        raise NotTested("only one step was measured")
    return more


def _many(most: int) -> None:
    if most < MANY:
        raise OutOfReach(f"needs at least {MANY} steps; at most {most} were run")
