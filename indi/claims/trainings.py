"""Rules that compare trainings: p(t), the perturbation, the conditional DDPM, and the paper's own numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import pandas as pd

from indi import paths
from indi.claims.decide import all_better, equivalent, every, not_worse, some_better, together
from indi.claims.evidence import (
    ERROR,
    MARGINS,
    Evidence,
    Key,
    Measured,
    NotTested,
    Number,
    Outcome,
    OutOfReach,
    Verdict,
)
from indi.claims.steps import FREQUENT, by_metric, curve, measured, needs
from indi.evaluation import INPUT, metrics
from indi.evaluation import ddpm_steps as comparison
from indi.evaluation.metrics.intervals import FEWEST_IMAGES

BIASED = ("bias_t1", "linear_0.5", "linear_1.0")
OTHERS = ("linear_0", "bias_t0", "bias_t0_t1")

NEAR = 4
"""A baseline whose best LPIPS is farther than so many margins from InDI's is not fair: as far as 1 step from 10."""


def time_distribution(evidence: Evidence) -> Verdict:
    """Some p(t) biased to t = 1 better than all others: each at its own best N, and at equal PSNR."""
    found = _labelled(measured(evidence, "time_distribution"), lambda rows: rows["p_t"])
    verdict = by_metric(
        found,
        FREQUENT,
        lambda metric: together([_biased_best(found, metric, rule) for rule in (_own_best, _equal_psnr)]),
    )
    if verdict.outcome == "reproduced" and len(found.seeds) > 1:
        for seed in found.seeds:
            one = found.of_seed(seed)
            if _leader(one, one.named(*FREQUENT)[0], (*BIASED, *OTHERS)) not in BIASED:
                return Verdict("inconclusive", f"the trainings disagree (seed {seed})", verdict.numbers)
    return verdict


Rule = Callable[[Measured, str, str, str, int], Number]


def _own_best(found: Measured, metric: str, a: str, b: str, family: int) -> Number:
    """Each at the N that is best for it."""
    best, other = (found.best(metric, curve(found, name)) for name in (a, b))
    return found.compare(metric, best, other, family)


def _equal_psnr(found: Measured, metric: str, a: str, b: str, family: int) -> Number:
    return found.gap(metric, curve(found, a), curve(found, b), f"{a} minus {b}", family)


def _biased_best(found: Measured, metric: str, rule: Rule) -> Verdict:
    biased, others = _present(found, BIASED), _present(found, OTHERS)
    if not biased or not others:
        raise NotTested("no p(t) biased to t = 1, or none to compare it with")
    family = len(biased) * len(others)
    lead = _leader(found, metric, biased)
    verdict = all_better([rule(found, metric, lead, other, family) for other in others])
    if verdict.outcome == "not reproduced":
        # one of the others is better than the leader: is it better than all three?
        every = {u: [rule(found, metric, b, u, family) for b in biased] for u in others}
        if not any(all(number.worse for number in numbers) for numbers in every.values()):
            return Verdict("inconclusive", "intervals cover zero", verdict.numbers, verdict.key)
    return verdict


def _leader(found: Measured, metric: str, names: Sequence[str]) -> str:
    return found.best(metric, [key for name in _present(found, names) for key in curve(found, name)])[0]


def time_impact(evidence: Evidence) -> Verdict:
    """Of each two p(t), each at its own best N, some differ; not reproduced if all are alike within the margin."""
    found = _labelled(measured(evidence, "time_distribution"), lambda rows: rows["p_t"])
    names = _present(found, (*BIASED, *OTHERS))
    pairs = list(combinations(names, 2))
    if not pairs:
        raise NotTested("needs two p(t)")

    def judge(metric: str) -> Verdict:
        numbers = [_own_best(found, metric, a, b, len(pairs)) for a, b in pairs]
        clear = [n if n.sign * n.value > 0 else replace(n, sign=-n.sign) for n in numbers]  # either way
        verdict = some_better(clear)
        usual = [_own_best(found, metric, a, b, 1) for a, b in pairs]
        alike = equivalent(usual, [MARGINS.get(metric, math.nan)] * len(pairs), numbers)
        if verdict.outcome != "reproduced" and alike.outcome == "reproduced":
            return replace(alike, outcome="not reproduced")
        return verdict

    return by_metric(found, FREQUENT, judge)


def noise(evidence: Evidence, table: str, kinds: Sequence[str], exactly: bool = False) -> Verdict:
    """Some eps > 0 at some N > 1 better than eps = 0 at its own best N, by the first of the metrics."""
    found, names = _of_eps(evidence, table)

    def judge(metric: str) -> Verdict:
        base = found.best(metric, curve(found, names[0]))
        keys: list[Key] = [key for name in names[1:] for key in curve(found, name) if key[1] > 1]
        verdict = some_better([found.compare(metric, key, base, len(keys)) for key in keys])
        return replace(verdict, numbers=_one_each(verdict, [key[0] for key in keys]))

    return by_metric(found, kinds, judge, exactly)


def blurry(evidence: Evidence, table: str) -> Verdict:
    """At the largest N, eps = 0 has less detail than every eps > 0 (geometric means), and a higher PSNR."""
    found, names = _of_eps(evidence, table)
    needs(found, "detail_ratio")
    most = found.steps(names[0])[-1]
    rest: list[Key] = [(name, most) for name in names[1:]]
    family = 2 * len(rest)
    detail = [found.compare("detail_ratio", key, (names[0], most), family, logs=True) for key in rest]
    fidelity = [found.compare("psnr", (names[0], most), key, family) for key in rest]
    return every([all_better(detail), all_better(fidelity)])


def _of_eps(evidence: Evidence, table: str) -> tuple[Measured, list[str]]:
    """Rows with eps in place of the sampler's name, and those names, that of eps = 0 first."""
    found = measured(evidence, table)
    if "schedule" in found.rows:
        found = found.where(lambda rows: rows["schedule"] != "brownian")
    levels = sorted(found.rows["eps"].unique())
    if not levels or levels[0] != 0 or len(levels) < 2:
        raise NotTested("needs eps = 0 and eps > 0")
    found = _labelled(found, lambda rows: rows["eps"].map("ε = {:g}".format))
    return found, [f"ε = {eps:g}" for eps in levels]


def brownian(evidence: Evidence) -> Verdict:
    """Brownian less constant perturbation within the margin in PSNR and LPIPS, at every shared eps and N > 1."""
    found = measured(evidence, "noise").where(lambda rows: rows["eps"] > 0)
    shared = [
        eps for eps, rows in found.rows.groupby("eps") if {"constant", "brownian"} <= set(rows["schedule"])
    ]
    names = [name for name in found.metrics() if name in MARGINS]
    if not shared or not found.named("lpips"):
        raise NotTested("needs LPIPS of both schedules at one eps")
    found = _labelled(found, lambda rows: rows["schedule"] + rows["eps"].map(" ε = {:g}".format))
    pairs: list[tuple[str, Key, Key]] = []
    for eps in shared:
        a, b = f"brownian ε = {eps:g}", f"constant ε = {eps:g}"
        counts = [n for n in found.steps(a) if n > 1 and n in found.steps(b)]
        pairs += [(name, (a, n), (b, n)) for name in names for n in counts]
    numbers, corrected = (
        [found.compare(name, a, b, family) for name, a, b in pairs] for family in (1, len(pairs))
    )
    return equivalent(numbers, [MARGINS[name] for name, _, _ in pairs], corrected)


def fewer_steps(evidence: Evidence) -> Verdict:
    """Steps of the conditional DDPM over InDI's to the best LPIPS that both reach, if the DDPM is a fair baseline."""
    rows, lpips = _against_ddpm(evidence)
    return _if_fair(rule_of_steps(rows[rows["metric"] == lpips], lpips), rows, lpips)


def rule_of_steps(rows: pd.DataFrame, metric: str) -> Verdict:
    """InDI needs fewer steps than the DDPM to the best quality that both reach, where that beats the input's.

    Args:
        rows: tidy, of the metric, with InDI, the DDPM and the input. Errors: as `comparison.steps_to_reach`.
    """
    resamples = 2000
    both = rows[rows["sampler"].isin(("indi", "ddpm", INPUT))]
    needed = comparison.steps_to_reach(both, metric, resamples=resamples).set_index("sampler")
    ratio = needed.loc["ddpm"]
    n = int(ratio["n"])
    numbers = [
        Number(f"steps of {name} to the best {metric} of both", row["steps"], row["low"], row["high"], n)
        for name, row in needed.iterrows()
    ]
    bounds = (ratio["ratio"], ratio["ratio_low"], ratio["ratio_high"])
    key = Number("steps of ddpm over those of InDI", *bounds, n, difference=False, at=1.0)
    shares = comparison.shares(both, metric, "ddpm", resamples)
    outcome: Outcome = "reproduced" if key.better else "not reproduced" if key.worse else "inconclusive"
    reason = "" if key.better or key.worse else "the ratio's interval holds 1"
    if n < FEWEST_IMAGES:
        outcome, reason = "inconclusive", f"n = {n} images, fewer than {FEWEST_IMAGES}"
    elif shares.better_than_input < 1 - ERROR / 2:
        outcome, reason = "inconclusive", "what both reach is not shown to be better than the input"
    p = 2 * max(1 - (shares.more if key.better else shares.fewer), 1 / resamples)
    return Verdict(outcome, reason, (*numbers, key), key, math.nan if reason else min(1.0, p))


def comparable(evidence: Evidence) -> Verdict:
    """The best LPIPS of InDI not above that of the conditional DDPM, each at its best, by more than the margin."""
    rows, lpips = _against_ddpm(evidence)
    found, best = _fused(rows, lpips)
    number = found.compare(lpips, best["indi"], best["ddpm"])
    return _if_fair(not_worse([number], [MARGINS[lpips]], [number]), rows, lpips)


def _if_fair(verdict: Verdict, rows: pd.DataFrame, lpips: str) -> Verdict:
    """The verdict; inconclusive where the baseline is too poor to be compared with."""
    reasons = _unfair(rows, lpips)
    if not reasons or verdict.outcome == "inconclusive":
        return verdict
    return Verdict("inconclusive", f"the baseline is not fair here: {'; '.join(reasons)}", verdict.numbers)


def unfair(evidence: Evidence) -> list[str]:
    """Why the conditional DDPM is too poor to be compared with; empty where it is a fair baseline.

    Raises:
        NotTested: as `fewer_steps`.
    """
    return _unfair(*_against_ddpm(evidence))


def _unfair(rows: pd.DataFrame, lpips: str) -> list[str]:
    found, best = _fused(rows, lpips)
    counts = found.steps("ddpm")
    reasons = []
    if not found.compare("psnr", best["ddpm"], (INPUT, 0)).better:
        reasons.append("its PSNR is not shown to be above the input's")
    last = found.compare(lpips, ("ddpm", counts[-1]), ("ddpm", counts[-2]))
    if equivalent([last], [MARGINS[lpips]], [last]).outcome != "reproduced":
        reasons.append(f"its LPIPS still moves between {counts[-2]} and {counts[-1]} steps")
    gap = found.compare(lpips, best["ddpm"], best["indi"])
    if not_worse([gap], [NEAR * MARGINS[lpips]], [gap]).outcome != "reproduced":
        reasons.append(f"its best LPIPS is not within {NEAR * MARGINS[lpips]:g} of InDI's")
    return reasons


def _against_ddpm(evidence: Evidence) -> tuple[pd.DataFrame, str]:
    rows = evidence.rows("conditional_ddpm")
    lpips = Measured(rows).lpips()
    if not {"indi", "ddpm", INPUT} <= set(rows["sampler"]):
        raise NotTested("needs InDI, the conditional DDPM and the input")
    return rows[rows["sampler"].isin(("indi", "ddpm", INPUT))], lpips


def _fused(rows: pd.DataFrame, lpips: str) -> tuple[Measured, dict[str, Key]]:
    """Each number of steps with its best schedule, and the best key of each method."""
    found = Measured(comparison.fuse(rows, lpips))
    return found, {name: found.best(lpips, curve(found, name)) for name in ("indi", "ddpm")}


def generation_fid(evidence: Evidence) -> Verdict:
    """FID on CelebA at the N nearest to the paper's 150 against 9.19, within 10 %."""
    _paper_only(evidence, "FID on all of CelebA after the full training")
    printed = _printed("other.csv").query("task == 'generation'").set_index("quantity")["value"].astype(float)
    sets = evidence.rows("generation_sets")
    rows = sets[(sets["metric"] == "fid") & (sets["sampler"] == "indi")]
    if rows.empty:
        raise NotTested("FID was not measured (its weights are missing)")
    row = rows.loc[(rows["steps"] - printed["steps"]).abs().idxmin()]
    level = float(printed["FID"])
    what = f"FID at N = {row['steps']} minus the printed one"
    value, low, high = row[["value", "low", "high"]] - level
    number = Number(what, value, low, high, int(row["images"]), sign=-1)
    if number.high < 0.1 * level:
        return Verdict("reproduced", "", (number,))
    outcome = "not reproduced" if number.low > 0.1 * level else "inconclusive"
    return Verdict(outcome, "the interval reaches beyond 10 %", (number,))  # type: ignore[arg-type]


def state_of_the_art(evidence: Evidence) -> Verdict:
    """On GoPro, at one N, LPIPS, NIQE, FID and KID all better than the best of the others in Table 1."""
    _paper_only(evidence, "GoPro and the full training")
    table = _printed("table1.csv")
    rivals = table[~table["method"].isin(("Ours", "Ground Truth"))]
    found = measured(evidence, "motion")
    names = {"lpips_alex": "lpips", "niqe": "niqe", "fid": "fid", "kid": "kid_x1000"}
    if absent := [name for name in names if name not in found.metrics()]:
        raise NotTested(f"not measured: {', '.join(absent)}")
    by_steps = []
    # reproduced: all metrics at any N; not reproduced: any metric at all N. The larger number serves both.
    family = max(len(found.steps("indi")), len(names))
    for n in found.steps("indi"):
        numbers = []
        for name, column in names.items():
            level = float(rivals[column].min()) / (1000 if column == "kid_x1000" else 1)
            here = found.interval(name, ("indi", n), family)
            what = f"{metrics.describe(name).label} at N = {n} minus the best of the others"
            bounds = (here.mean - level, here.low - level, here.high - level)
            numbers.append(Number(what, *bounds, here.n, 1 - ERROR / family, sign=-1))
        by_steps.append(all_better(numbers))
    for verdict in by_steps:
        if verdict.outcome == "reproduced":
            return verdict
    every = all(verdict.outcome == "not reproduced" for verdict in by_steps)
    shown = tuple(number for verdict in by_steps for number in verdict.numbers)
    return Verdict("not reproduced" if every else "inconclusive", "", shown)


def cannot(evidence: Evidence, why: str) -> Verdict:
    """A claim that nothing here can test (OutOfReach: always)."""
    raise OutOfReach(why)


def competitive_psnr(evidence: Evidence) -> Verdict:
    """The paper does not say what "competitive" means, so that nothing can decide it (OutOfReach: always)."""
    table = _printed("table1.csv")
    table = table[table["method"] != "Ground Truth"]
    psnr = table["psnr_db"].astype(float)
    ours = float(psnr[table["method"] == "Ours"].iloc[0])
    raise OutOfReach(
        f"the paper does not say what is competitive: its {ours:g} dB has rank {1 + int((psnr > ours).sum())} of the "
        f"{len(psnr)} methods of Table 1, {psnr.max() - ours:.2f} dB below the best"
    )


def _present(found: Measured, names: Sequence[str]) -> list[str]:
    return [name for name in names if name in set(found.rows["sampler"])]


def _labelled(found: Measured, label: Callable[[pd.DataFrame], pd.Series]) -> Measured:
    """InDI's rows alone, with the setting in place of the sampler's name."""
    found = found.where(lambda rows: rows["sampler"] == "indi")
    sets = None if found.sets is None else found.sets.assign(sampler=label(found.sets))
    return Measured(found.rows.assign(sampler=label(found.rows)), sets)


def _one_each(verdict: Verdict, groups: Sequence[str]) -> tuple[Number, ...]:
    """Of each group, the number that speaks most for the claim: a grid is too long to print."""
    best: dict[str, Number] = {}
    for group, number in zip(groups, verdict.numbers, strict=True):
        if group not in best or number.sign * number.value > number.sign * best[group].value:
            best[group] = number
    return tuple(best.values())


def _paper_only(evidence: Evidence, what: str) -> None:
    if evidence.profile != "paper":
        raise OutOfReach(f"only the paper profile can tell: it needs {what}")


def _printed(name: str) -> pd.DataFrame:
    path = paths.results("paper") / name
    if not path.is_file():
        raise NotTested(f"the paper's numbers are missing: {path.name}")
    return pd.read_csv(path)
