"""Whether a sampler keeps its quality as its steps grow in number: rules for our own claims, fixed beforehand.

They are no claims of the paper and stand in no list of them. Numbers and outcomes are those of the ledger:
"reproduced" says that the claim holds here. Rules and margins were fixed before samplers were compared on
evaluation images.
"""

from __future__ import annotations

import pandas as pd

from indi.claims.decide import every, not_worse
from indi.claims.evidence import MARGINS, Key, Measured, NotTested, Number, Verdict
from indi.claims.steps import COLUMNS, curve

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
