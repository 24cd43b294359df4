"""Whether a sampler keeps its quality as its steps grow in number: our own claims, with rules fixed beforehand.

They are no claims of the paper and are not counted among them. Numbers and outcomes are those of the ledger:
"reproduced" says that the claim holds here. Rules and margins were fixed before samplers were compared on
evaluation images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pandas as pd

from indi import profiles
from indi.claims.decide import every, not_worse
from indi.claims.evidence import MARGINS, Evidence, Key, Measured, NotTested, Number, Verdict
from indi.claims.ledger import OURS, Claim
from indi.claims.steps import COLUMNS, curve, with_resamples
from indi.evaluation import INPUT

#: How much worse than at its own best a sampler may be with its largest number of steps. LPIPS has 0.001 to
#: lose; blocks and spectrum, which clean images have right, may be off by so much more than at the best.
KEPT = {"lpips": 0.001, "blockiness": 0.02, "spectrum_gap": 0.05}

#: Share of the best distance between sets that generation may lose.
KEPT_DISTANCE = 0.05


def keeps(found: Measured, sampler: str) -> Verdict:
    """(a) At its largest N, against its own best N by LPIPS: LPIPS, blockiness and spectrum within `KEPT`.

    Of the blockiness its distance from 1 counts. Where the largest N is the best, the claim holds at once, for
    nothing has fallen; a sampler tried at one N only is not tested.

    Raises:
        NotTested: LPIPS or the others were not measured.
    """
    lpips = found.lpips()
    keys = curve(found, sampler)
    if len(keys) < 2:
        raise NotTested(f"{sampler} was tried at one N only")
    best, most = found.best(lpips, keys), keys[-1]
    names = [lpips, *(name for name in KEPT if name in found.metrics())]
    margins = [KEPT["lpips" if name == lpips else name] for name in names]
    plain = [_worse(found, name, most, best) for name in names]
    if best == most:
        return Verdict("reproduced", f"N = {most[1]}, the largest, is its best by LPIPS", tuple(plain))
    return not_worse(plain, margins, [_worse(found, name, most, best, len(names)) for name in names])


def half_the_calls(found: Measured, sampler: str) -> Verdict:
    """(b) With at most half the calls of InDI's best N by LPIPS: not worse in LPIPS, at no lower PSNR.

    "Not worse" is within the ledger's margins. Of the sampler's step counts that are few enough, the largest
    is taken, not the best.

    Raises:
        NotTested: LPIPS was not measured, or InDI is at its best with one step.
    """
    lpips = found.lpips()
    best = found.best(lpips, curve(found, "indi"))
    few = [n for n in found.steps(sampler) if 2 * n <= best[1]]
    if not few:
        raise NotTested(f"indi is at its best with {best[1]} steps, and no N was tried at half of it")
    key, names = (sampler, few[-1]), [lpips, "psnr"]
    plain = [found.compare(name, key, best) for name in names]
    wider = [found.compare(name, key, best, len(names)) for name in names]
    return not_worse(plain, [MARGINS[name] for name in names], wider)


def generates_as_well(sets: pd.DataFrame, sampler: str) -> Verdict:
    """(d) The Fréchet distance of generated sets at the largest N within `KEPT_DISTANCE` of that at the best N.

    Raises:
        NotTested: no such distance was measured.
    """
    found = Measured(pd.DataFrame(columns=COLUMNS), sets)
    if not (names := found.named("fd")):
        raise NotTested("no Fréchet distance was measured (its weights are missing)")
    keys = curve(found, sampler)
    best, most = found.best(names[0], keys), keys[-1]
    number = found.compare(names[0], most, best)
    if best == most:
        return Verdict("reproduced", f"N = {most[1]}, the largest, is its best", (number,))
    return not_worse([number], [KEPT_DISTANCE * found.mean(names[0], best)], [number])


def judged(found: Measured, sampler: str) -> dict[str, Verdict]:
    """(a) and (b) of one task; what cannot be tested says why."""
    out = {}
    for name, rule in (("a", keeps), ("b", half_the_calls)):
        try:
            out[name] = rule(found, sampler)
        except NotTested as reason:
            out[name] = Verdict("not tested", str(reason))
    return out


def everywhere(by_task: dict[str, dict[str, Verdict]]) -> Verdict:
    """(c) Both, on all tasks: reproduced if every part is, not reproduced if any part is not.

    The parts are corrected for their own metrics, not for the number of parts: one that fails by chance fails all.
    """
    return every([verdict for verdicts in by_task.values() for verdict in verdicts.values()])


def _worse(found: Measured, metric: str, a: Key, b: Key, family: int = 1) -> Number:
    """a - b, of the blockiness that of the distances from 1; negative speaks for a."""
    if metric != "blockiness":
        return found.compare(metric, a, b, family)
    rows = found.rows[found.rows["metric"] == metric]
    off = Measured(rows.assign(value=(rows["value"] - 1).abs()))
    what = f"|blockiness − 1|, {a[0]} N = {a[1]} against {b[0]} N = {b[1]}"
    return off.contrast(metric, [(1, a), (-1, b)], what, family)


_INDI, _COLD, _ANCHORED = "indi", "λ = 0, τ = 0", "λ = 0.8, τ = 0, q = 0.75"
NAMES = {_INDI: "InDI", _COLD: "Cold Diffusion", _ANCHORED: "anchored"}
"""The samplers of our claims: as the tables of chapter 16 name them -> for readers."""

_claim = partial(Claim, place=OURS, chapter="16_why_quality_falls", quoted=False)


def _of_task(evidence: Evidence, task: str) -> Measured:
    rows = evidence.rows("robust_quality")
    return Measured(rows[rows["task"] == task])


def _per_task(
    name: str, title: str, words: str, test: str, rule: Callable[[Measured, str], Verdict], sampler: str
) -> list[Claim]:
    def judge(evidence: Evidence, task: str) -> Verdict:
        return rule(_of_task(evidence, task), sampler)

    return [
        _claim(
            id=f"{name}/{task}",
            title=title,
            words=words,
            test=test,
            rule=partial(judge, task=task),
            tables=("robust_quality",),
        )
        for task in profiles.RESTORATION
    ]


def _one_setting(evidence: Evidence) -> Verdict:
    """Whether one of the table's samplers passes both rules on all tasks; the reason counts the tasks of each."""
    found, said = [], []
    for name in evidence.rows("robust_quality")["sampler"].unique():
        if name == INPUT:
            continue
        by_task = {task: judged(_of_task(evidence, task), name) for task in profiles.RESTORATION}
        whole = everywhere(by_task)
        if whole.outcome == "reproduced":
            return replace(whole, reason=f"{NAMES.get(name, name)} passes on all {len(by_task)} tasks")
        found.append(whole)
        passed = sum(
            {part.outcome for part in parts.values()} == {"reproduced"} for parts in by_task.values()
        )
        said.append(f"{NAMES.get(name, name)} passes on {passed} of {len(by_task)} tasks")
    failed = all(whole.outcome == "not reproduced" for whole in found)
    numbers = tuple(number for whole in found for number in whole.numbers)
    return Verdict("not reproduced" if failed else "inconclusive", ", ".join(said), numbers)


def _generation(evidence: Evidence, sampler: str) -> Verdict:
    return generates_as_well(with_resamples(evidence, "robust_generation"), sampler)


_KEEPS = (
    f"Rule (a) of chapter 16. Reproduced if LPIPS at the largest N is above that of its own best N by less than "
    f"{KEPT['lpips']:g}, and the blockiness and the spectrum are off by less than {KEPT['blockiness']:g} and "
    f"{KEPT['spectrum_gap']:g} more; not reproduced if one of them is off by more. Nothing has fallen where the "
    "largest N is the best."
)

_HALF = (
    "Rule (b) of chapter 16. Reproduced if, with at most half of the steps of InDI's best N, LPIPS is above InDI's "
    f"by less than {MARGINS['lpips_alex']:g} and PSNR below it by less than {MARGINS['psnr']:g} dB; not "
    "reproduced if one of them is off by more."
)

CLAIMS: tuple[Claim, ...] = (
    *_per_task(
        "keeps",
        "InDI keeps its quality with many steps",
        "InDI loses no perceptual quality between its best number of steps and 500.",
        _KEEPS,
        keeps,
        _INDI,
    ),
    *_per_task(
        "cold-keeps",
        "Cold Diffusion keeps its quality with many steps",
        "Cold Diffusion loses no perceptual quality between its best number of steps and 500.",
        _KEEPS,
        keeps,
        _COLD,
    ),
    *_per_task(
        "anchored-keeps",
        "Anchored sampling keeps its quality with many steps",
        "The sampler that chapter 16 chose on training images loses no perceptual quality between its best number of "
        "steps and 500.",
        _KEEPS,
        keeps,
        _ANCHORED,
    ),
    *_per_task(
        "cold-half",
        "Cold Diffusion needs half of InDI's steps",
        "With half of the steps, Cold Diffusion is as good as InDI at its best.",
        _HALF,
        half_the_calls,
        _COLD,
    ),
    *_per_task(
        "anchored-half",
        "Anchored sampling needs half of InDI's steps",
        "With half of the steps, the chosen sampler is as good as InDI at its best.",
        _HALF,
        half_the_calls,
        _ANCHORED,
    ),
    _claim(
        id="one-setting",
        title="One sampler keeps its quality everywhere, in half of the steps",
        words="A sampler of chapter 16 passes its rules (a) and (b) on all four tasks with one setting.",
        test="Rule (c) of chapter 16. Reproduced if one of its samplers passes both rules on all tasks; not reproduced "
        "if each fails one of them somewhere.",
        rule=_one_setting,
        tables=("robust_quality",),
    ),
    *(
        _claim(
            id=f"{name}keeps-generating",
            title=f"{title} keeps its quality in generation",
            words=f"When it generates from noise, {who} loses nothing between its best number of steps and the "
            "largest.",
            test="Rule (d) of chapter 16. Reproduced if the Fréchet distance at the largest N is above that of the "
            f"best N by less than {KEPT_DISTANCE:.0%} of it; not reproduced if by more.",
            rule=partial(_generation, sampler=sampler),
            tables=("robust_generation",),
            also=("robust_generation_resamples",),
        )
        for name, title, who, sampler in (
            ("", "InDI", "InDI", _INDI),
            ("anchored-", "Anchored sampling", "the chosen sampler", _ANCHORED),
        )
    ),
)
"""Our own claims, one entry each; `claims.judge(profile, robust.CLAIMS)` judges them."""
