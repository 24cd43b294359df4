"""The rules for a sampler that keeps its quality, on rows whose verdict is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from indi import profiles
from indi.claims import Evidence, Measured, robust
from indi.claims.evidence import NotTested, Verdict
from indi.records.results import Table

LPIPS = "lpips_squeeze"


def rows(levels: dict[tuple[str, int], dict[str, float]], images: int = 40, spread: float = 1e-4) -> Measured:
    """Images whose values differ by a common offset, and by `spread` between settings."""
    rng = np.random.default_rng(0)
    offset = rng.normal(0, 0.05, images)
    out = [
        (f"{i}", sampler, n, metric, value + (offset[i] if metric != "blockiness" else 0) + noise)
        for (sampler, n), values in levels.items()
        for metric, value in values.items()
        for i, noise in enumerate(rng.normal(0, spread, images))
    ]
    return Measured(pd.DataFrame(out, columns=["image", "sampler", "steps", "metric", "value"]))


def level(lpips: float, psnr: float = 25.0, blockiness: float = 1.1, gap: float = 0.3) -> dict[str, float]:
    return {LPIPS: lpips, "psnr": psnr, "blockiness": blockiness, "spectrum_gap": gap}


@pytest.mark.parametrize(
    ("last", "outcome"),
    [
        (level(0.2005), "reproduced"),  # half a thousandth above its best
        (level(0.2030), "not reproduced"),
        (level(0.2005, blockiness=1.15), "not reproduced"),  # blocks came back
        (level(0.2005, blockiness=0.91), "reproduced"),  # as far from 1, on the other side
        (level(0.2005, gap=0.4), "not reproduced"),
        (level(0.2005, gap=0.2), "reproduced"),  # the spectrum is nearer to the truth's
        (level(0.1900, blockiness=1.5), "reproduced"),  # the last is the best: nothing fell
    ],
)
def test_keeping_the_best(last: dict[str, float], outcome: str) -> None:
    found = rows({("new", 1): level(0.25), ("new", 10): level(0.2), ("new", 500): last})
    assert robust.keeps(found, "new").outcome == outcome


def test_what_the_images_cannot_tell_is_open() -> None:
    found = rows({("new", 10): level(0.2), ("new", 500): level(0.2008)}, images=12, spread=0.01)
    assert robust.keeps(found, "new").outcome == "inconclusive"
    with pytest.raises(NotTested, match="one N only"):
        robust.keeps(rows({("new", 10): level(0.2)}), "new")


@pytest.mark.parametrize(
    ("at_half", "outcome"),
    [
        (level(0.202, 24.95), "reproduced"),  # within 0.005 and 0.1 dB
        (level(0.150, 24.80), "not reproduced"),  # better LPIPS bought with PSNR
        (level(0.210, 25.50), "not reproduced"),
    ],
)
def test_half_the_calls(at_half: dict[str, float], outcome: str) -> None:
    """InDI is best at 20; of the other's step counts, 10 is the largest that is half of it or less."""
    indi = {("indi", n): level(value) for n, value in ((1, 0.25), (10, 0.21), (20, 0.2), (50, 0.204))}
    found = rows({**indi, ("new", 5): level(0.3), ("new", 10): at_half, ("new", 20): level(0.1)})
    verdict = robust.half_the_calls(found, "new")
    assert verdict.outcome == outcome
    assert "new N = 10 against indi N = 20" in verdict.numbers[0].what


def test_nothing_to_halve() -> None:
    found = rows({("indi", 1): level(0.2), ("indi", 10): level(0.3), ("new", 1): level(0.2)})
    with pytest.raises(NotTested, match="best with 1 steps"):
        robust.half_the_calls(found, "new")
    assert robust.judged(found, "new")["b"].outcome == "not tested"


def sets(values: dict[int, float], half: float = 0.1) -> pd.DataFrame:
    return pd.DataFrame(
        [("new", n, "fd_squeeze", v, v - half, v + half, 100, 100) for n, v in values.items()],
        columns=["sampler", "steps", "metric", "value", "low", "high", "images", "patches"],
    )


def test_generation() -> None:
    assert robust.generates_as_well(sets({1: 90, 10: 50, 500: 51}), "new").outcome == "reproduced"
    assert robust.generates_as_well(sets({1: 90, 10: 50, 500: 60}), "new").outcome == "not reproduced"
    assert robust.generates_as_well(sets({1: 90, 10: 50, 500: 51}, 20), "new").outcome == "inconclusive"
    assert robust.generates_as_well(sets({1: 90, 500: 40}, 20), "new").outcome == "reproduced"


def test_one_failure_fails_everywhere() -> None:
    good, bad, unknown = (Verdict(o) for o in ("reproduced", "not reproduced", "not tested"))
    assert (
        robust.everywhere({"x": {"a": good, "b": good}, "y": {"a": good, "b": good}}).outcome == "reproduced"
    )
    assert (
        robust.everywhere({"x": {"a": good, "b": good}, "y": {"a": good, "b": bad}}).outcome
        == "not reproduced"
    )
    assert robust.everywhere({"x": {"a": good, "b": unknown}}).outcome == "inconclusive"


def test_our_claims_are_judged_by_these_rules() -> None:
    """InDI falls again on one task, the others on none; InDI is best at 20, Cold Diffusion and ours as good at 10."""
    indi = {("indi", 1): level(0.25), ("indi", 20): level(0.2)}
    others = {
        (name, n): level(lpips)
        for name in (robust._COLD, robust._ANCHORED)
        for n, lpips in ((10, 0.201), (500, 0.19))
    }
    tables = [
        rows({**indi, **others, ("indi", 500): level(0.25 if task == "jpeg" else 0.2004)}).rows.assign(
            task=task
        )
        for task in profiles.RESTORATION
    ]
    evidence = Evidence("laptop", {"robust_quality": Table(pd.concat(tables), {}, ())}, {})
    found = {
        claim.id: claim.rule(evidence).outcome for claim in robust.CLAIMS if "robust_quality" in claim.tables
    }
    assert [claim for claim, outcome in found.items() if outcome != "reproduced"] == ["keeps/jpeg"]
    assert found["one-setting"] == "reproduced"
    (claim,) = (claim for claim in robust.CLAIMS if claim.id == "one-setting")
    assert claim.rule(evidence).reason == "Cold Diffusion passes on all 4 tasks"
