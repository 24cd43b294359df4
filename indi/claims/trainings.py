"""Rules that compare trainings: p(t), the perturbation, the conditional DDPM, and the paper's own numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from indi import paths
from indi.claims.decide import all_better, equivalent, some_better, together
from indi.claims.evidence import (
    ERROR,
    MARGINS,
    Evidence,
    Key,
    Measured,
    NotTested,
    Number,
    OutOfReach,
    Verdict,
)
from indi.claims.steps import measured
from indi.evaluation import INPUT, metrics
from indi.evaluation import ddpm_steps as comparison

BIASED = ("bias_t1", "linear_0.5", "linear_1.0")
OTHERS = ("linear_0", "bias_t0", "bias_t0_t1")


def time_distribution(evidence: Evidence) -> Verdict:
    """At the best N of linear_0, some p(t) biased to t = 1 better than all others, in LPIPS and FD."""
    table = measured(evidence, "time_distribution")
    found = _labelled(table, lambda rows: rows["p_t"])
    seeds = sorted(table.rows["seed"].unique()) if "seed" in table.rows else [0]
    verdicts = [_biased_best(found, metric) for metric in found.perceptual()]
    verdict = together(verdicts)
    if verdict.outcome == "reproduced" and len(seeds) > 1:
        for seed in seeds:
            one = Measured(
                found.rows[found.rows["seed"] == seed],
                None if found.sets is None else found.sets[found.sets["seed"] == seed],
            )
            if any(_leader(one, metric) not in BIASED for metric in found.perceptual()):
                return Verdict("inconclusive", f"the trainings disagree (seed {seed})", verdict.numbers)
    return verdict


def _biased_best(found: Measured, metric: str) -> Verdict:
    n = _reference_steps(found, metric)
    biased = [name for name in BIASED if name in set(found.rows["sampler"])]
    others = [name for name in OTHERS if name in set(found.rows["sampler"])]
    if not biased or not others:
        raise NotTested("no p(t) biased to t = 1, or none to compare it with")
    family = len(biased) * len(others)
    numbers = {b: [found.compare(metric, (b, n), (u, n), family) for u in others] for b in biased}
    lead = found.best(metric, [(b, n) for b in biased])[0]
    verdict = all_better(numbers[lead])
    beaten = any(all(numbers[b][i].worse for b in biased) for i in range(len(others)))
    if verdict.outcome == "not reproduced" and not beaten:
        return Verdict("inconclusive", "intervals cover zero", verdict.numbers)
    return verdict


def _reference_steps(found: Measured, metric: str) -> int:
    keys: list[Key] = [("linear_0", n) for n in found.steps("linear_0")]
    return found.best(metric, keys)[1]


def _leader(found: Measured, metric: str) -> str:
    n = _reference_steps(found, metric)
    names = [name for name in (*BIASED, *OTHERS) if name in set(found.rows["sampler"])]
    return found.best(metric, [(name, n) for name in names])[0]


def noise(evidence: Evidence, table: str) -> Verdict:
    """Some eps > 0 at some N > 1 better than eps = 0 at its own best N, in LPIPS and FD."""
    found = measured(evidence, table)
    if "schedule" in found.rows:
        found = _only(found, lambda rows: rows["schedule"] != "brownian")
    levels = sorted(found.rows["eps"].unique())
    if not levels or levels[0] != 0 or len(levels) < 2:
        raise NotTested("needs eps = 0 and eps > 0")
    found = _labelled(found, lambda rows: rows["eps"].map("ε = {:g}".format))
    names = [f"ε = {eps:g}" for eps in levels]
    verdicts = []
    for metric in found.perceptual():
        base = found.best(metric, [(names[0], n) for n in found.steps(names[0])])
        keys: list[Key] = [(name, n) for name in names[1:] for n in found.steps(name) if n > 1]
        verdict = some_better([found.compare(metric, key, base, len(keys)) for key in keys])
        shown = _one_each(verdict, [key[0] for key in keys])
        verdicts.append(Verdict(verdict.outcome, verdict.reason, shown))
    return together(verdicts)


def brownian(evidence: Evidence) -> Verdict:
    """Brownian less constant perturbation within the margin in PSNR and LPIPS, at every shared eps and N > 1."""
    found = measured(evidence, "noise")
    found = _only(found, lambda rows: rows["eps"] > 0)
    shared = [
        eps for eps, rows in found.rows.groupby("eps") if {"constant", "brownian"} <= set(rows["schedule"])
    ]
    names = [name for name in found.metrics() if name in MARGINS]
    if not shared or not any(name.startswith("lpips") for name in names):
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
    """Steps of the conditional DDPM over those of InDI to the best LPIPS that both reach, as its chapter counts."""
    rows = evidence.rows("conditional_ddpm")
    lpips = [name for name in dict.fromkeys(rows["metric"]) if name.startswith("lpips")]
    if not lpips:
        raise NotTested("LPIPS was not measured")
    rows = rows[rows["metric"] == lpips[0]]
    both = rows[rows["sampler"].isin(("indi", "ddpm", INPUT))]
    if set(both["sampler"]) != {"indi", "ddpm", INPUT}:
        raise NotTested("needs InDI, the conditional DDPM and the input")
    needed = comparison.steps_to_reach(both, lpips[0]).set_index("sampler")
    numbers = [
        Number(
            f"steps of {name} to the best LPIPS of both", row["steps"], row["low"], row["high"], int(row["n"])
        )
        for name, row in needed.iterrows()
    ]
    ratio = needed.loc["ddpm"]
    what = "steps of the DDPM over those of InDI"
    numbers.append(
        Number(
            what, ratio["ratio"], ratio["ratio_low"], ratio["ratio_high"], int(ratio["n"]), difference=False
        )
    )
    outcome = comparison.verdict(rows, lpips[0])
    reason = "" if outcome != "inconclusive" else "the ratio's interval holds 1, or neither improves on y"
    return Verdict(outcome, reason, tuple(numbers))  # type: ignore[arg-type]


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
    what = f"FID at N = {row['steps']} less the printed one"
    number = Number(
        what, row["value"] - level, row["low"] - level, row["high"] - level, int(row["images"]), sign=-1
    )
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
            what = f"{metrics.describe(name).label} at N = {n} less the best of the others"
            bounds = (here.mean - level, here.low - level, here.high - level)
            numbers.append(Number(what, *bounds, here.n, 1 - ERROR / family, sign=-1))
        by_steps.append(all_better(numbers))
    for verdict in by_steps:
        if verdict.outcome == "reproduced":
            return verdict
    every = all(verdict.outcome == "not reproduced" for verdict in by_steps)
    numbers = [number for verdict in by_steps for number in verdict.numbers]
    return Verdict("not reproduced" if every else "inconclusive", "", tuple(numbers))


def _labelled(found: Measured, label: Callable[[pd.DataFrame], pd.Series]) -> Measured:
    """InDI's rows alone, with the setting in place of the sampler's name."""
    found = _only(found, lambda rows: rows["sampler"] == "indi")
    sets = None if found.sets is None else found.sets.assign(sampler=label(found.sets))
    return Measured(found.rows.assign(sampler=label(found.rows)), sets)


def _only(found: Measured, which: Callable[[pd.DataFrame], pd.Series]) -> Measured:
    sets = None if found.sets is None else found.sets[which(found.sets)]
    return Measured(found.rows[which(found.rows)], sets)


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
