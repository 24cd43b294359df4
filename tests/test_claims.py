"""Every rule, fed with results made up to confirm the claim, to refute it, and to leave it open."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import stats

from indi import claims, paths
from indi.book import summaries
from indi.claims import (
    CLAIMS,
    Evidence,
    Measured,
    Number,
    changes,
    decide,
    exact,
    report,
    robust,
    steps,
    trainings,
)
from indi.claims.evidence import NO_RESAMPLES, collect, spread
from indi.cli import main
from indi.errors import InDIError
from indi.evaluation import metrics
from indi.figures import analyses, ledger
from indi.records import results
from indi.records.results import Table

COUNTS = (1, 2, 3, 10, 100, 500)
Curve = Callable[[int], float]


def per_image(
    curves: Mapping[tuple[str, str], Curve],
    counts: tuple[int, ...] = COUNTS,
    images: int = 40,
    spread: float = 0.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Rows of (sampler, metric) -> curve over N: images differ much, their differences by `spread`."""
    scenes = np.random.default_rng(0).normal(0, 5, images)
    generator = np.random.default_rng([1, seed])
    rows = []
    for (sampler, metric), curve in curves.items():
        unit = 0.01 if metric.startswith("lpips") else 1
        for n in counts:
            noise = generator.normal(0, 1, images) * (1e-3 + spread) * unit
            rows += [
                (f"image {i}", sampler, n, metric, curve(n) + unit * scenes[i] + noise[i])
                for i in range(images)
            ]
    return pd.DataFrame(rows, columns=["image", "sampler", "steps", "metric", "value"])


def between_sets(
    curves: Mapping[tuple[str, str], Curve],
    half: float = 0.1,
    counts: tuple[int, ...] = COUNTS,
    images: int = 40,
    floor: float = 1.0,
) -> pd.DataFrame:
    """Distances whose resamples move together by far more than apart: the interval of a difference is +- `half`."""
    common = np.random.default_rng(7).normal(0, 50 * half, 500)
    rows = [
        {
            "sampler": sampler, "steps": n, "metric": metric, "value": curve(n),
            "low": curve(n) - half, "high": curve(n) + half, "images": images, "patches": 9 * images,
            "floor": floor,
        }
        for (sampler, metric), curve in curves.items()
        for n in counts
    ]  # fmt: skip
    for i, row in enumerate(rows):
        own = np.random.default_rng([8, i]).normal(0, half / 1.96 / math.sqrt(2), 500)
        row["resamples"] = " ".join(f"{v:.6g}" for v in float(str(row["value"])) + 3 + common + own)
    return pd.DataFrame(rows)


def evidence(profile: str = "laptop", **tables: pd.DataFrame) -> Evidence:
    return Evidence(profile, {name: Table(rows, {}, ()) for name, rows in tables.items()}, {})


def judged(claim: str, given: Evidence) -> claims.Verdict:
    """The verdict of the ledger's own rule, its modesty included."""
    from indi.claims.report import _judge

    found = next(entry for entry in CLAIMS if entry.id == claim)
    return _judge(found, given).verdict


def log(slope: float, start: float = 0.0) -> Curve:
    return lambda n: start + slope * math.log10(n)


# --- rules about steps and samplers ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("slope", "spread", "outcome"),
    [(-1, 0, "reproduced"), (1, 0, "not reproduced"), (0, 0.1, "inconclusive")],
)
def test_one_step_has_the_best_psnr(slope: float, spread: float, outcome: str) -> None:
    rows = per_image({("indi", "psnr"): log(slope, 30)}, spread=spread)
    verdict = judged("one-step-psnr/jpeg", evidence(jpeg=rows))
    assert verdict.outcome == outcome
    assert len(verdict.numbers) == len(COUNTS) - 1
    assert {number.n for number in verdict.numbers} == {40}
    assert {number.confidence for number in verdict.numbers} == {1 - 0.05 / 5}


@pytest.mark.parametrize(
    ("lpips", "frechet", "outcome", "said"),
    [
        (-0.1, -1.0, "reproduced", ""),
        (0.1, 1.0, "not reproduced", ""),
        (-0.1, 1.0, "reproduced", "FD-squeeze says otherwise"),  # LPIPS comes first, and who objects is named
        (0.0, -1.0, "inconclusive", "cover zero"),
    ],
)
def test_several_steps_score_better(lpips: float, frechet: float, outcome: str, said: str) -> None:
    rows = per_image({("indi", "lpips_squeeze"): log(lpips, 0.3)}, spread=0.1)
    sets = between_sets({("indi", "fd_squeeze"): log(frechet, 10)})
    verdict = judged("several-steps/defocus", evidence(defocus=rows, defocus_sets=sets))
    assert verdict.outcome == outcome
    assert said in verdict.reason
    assert len(verdict.numbers) == 2 * (len(COUNTS) - 1)


def test_distances_without_resamples_decide_nothing() -> None:
    rows = per_image({("indi", "lpips_squeeze"): log(-0.1, 0.3)}, spread=0.1)
    sets = between_sets({("indi", "fd_squeeze"): log(9, 10)}).drop(columns=["floor", "resamples"])
    verdict = judged("several-steps/defocus", evidence(defocus=rows, defocus_sets=sets))
    # beside another metric even intervals that are too wide may object
    assert verdict.outcome == "reproduced"
    assert verdict.reason == "FD-squeeze says otherwise"
    verdict = judged("generates-best", evidence(generation_sets=sets))
    assert (verdict.outcome, verdict.reason) == ("not tested", NO_RESAMPLES)


def test_resamples_come_from_the_table_beside() -> None:
    rows = per_image({("indi", "lpips_squeeze"): log(-0.1, 0.3)}, spread=0.1)
    whole = between_sets({("indi", "fd_squeeze"): log(1, 10)}).assign(eps=0.1)
    keys = ["sampler", "steps", "metric", "eps"]
    tables = {
        "defocus": rows,
        "defocus_sets": whole.drop(columns=["floor", "resamples"]),
        "defocus_sets_resamples": whole[[*keys, "floor", "resamples"]].iloc[::-1],
    }
    found = steps.measured(evidence(**tables), "defocus")
    assert found.sets is not None
    pd.testing.assert_frame_equal(found.sets, whole, check_like=True)
    assert found.floor("fd_squeeze") == 1


def test_perception_is_not_judged_by_psnr_or_ssim() -> None:
    rows = per_image({("indi", "psnr"): log(-1, 30), ("indi", "ssim"): log(1)})
    verdict = judged("several-steps/jpeg", evidence(jpeg=rows))
    assert verdict.outcome == "not tested"
    assert "LPIPS" in verdict.reason


@pytest.mark.parametrize(("slope", "outcome"), [(0.1, "reproduced"), (-0.1, "not reproduced")])
def test_more_detail(slope: float, outcome: str) -> None:
    rows = per_image({("indi", "detail_ratio"): log(slope, 0.5)})
    rows["value"] = np.exp(rows["value"])
    # heavy tails: one image whose arithmetic mean alone would say the contrary
    rows.loc[(rows["image"] == "image 0") & (rows["steps"] == 1), "value"] *= math.exp(slope)
    verdict = judged("more-detail/jpeg", evidence(jpeg=rows))
    assert verdict.outcome == outcome
    assert verdict.numbers[-1].value == pytest.approx(slope * math.log10(500) - slope / 40, abs=2e-3)


@pytest.mark.parametrize(
    ("slope", "spread", "outcome"),
    [(0.01, 0, "reproduced"), (-1, 0, "reproduced"), (0.1, 0, "not reproduced"), (0.02, 0.1, "inconclusive")],
)
def test_artifacts_stay_away(slope: float, spread: float, outcome: str) -> None:
    rows = per_image({("indi", "blockiness"): log(slope, 1.1)}, spread=spread)
    assert judged("artifacts-away/jpeg", evidence(jpeg=rows)).outcome == outcome
    assert judged("artifacts-away/jpeg", evidence(jpeg=rows.assign(metric="psnr"))).outcome == "not tested"


@pytest.mark.parametrize(
    ("curve", "outcome"),
    [
        (lambda n: 0.2 + 0.02 * abs(math.log10(n) - 1), "reproduced"),
        (log(-0.02, 0.3), "not reproduced"),
        (lambda n: 0.2, "inconclusive"),
    ],
)
def test_quality_falls_again(curve: Curve, outcome: str) -> None:
    rows = per_image({("indi", "lpips_alex"): curve}, spread=0.1)
    assert judged("falls-again/defocus", evidence(defocus=rows)).outcome == outcome
    # in some task: one suffices to confirm it, all four are needed to refute it
    some = judged("falls-again", evidence(defocus=rows)).outcome
    assert some == (outcome if outcome == "reproduced" else "inconclusive")
    every = evidence(defocus=rows, jpeg=rows, motion=rows, super_resolution=rows)
    assert judged("falls-again", every).outcome == outcome


def test_falling_again_needs_many_steps() -> None:
    rows = per_image({("indi", "lpips_alex"): log(-0.02, 0.3)}, counts=(1, 2, 20))
    verdict = judged("falls-again/defocus", evidence(defocus=rows))
    assert verdict.outcome == "not tested"
    assert "at most 20" in verdict.reason


@pytest.mark.parametrize(
    ("above", "spread", "outcome"),
    [
        (0.001, 0, "reproduced"),
        (-1, 0, "reproduced"),
        (0.02, 0, "not reproduced"),
        (0.005, 0.3, "inconclusive"),
    ],
)
def test_naive_is_good_with_few_steps(above: float, spread: float, outcome: str) -> None:
    # naive runs ahead on InDI's curve LPIPS = 0.3 + 0.02 (PSNR - 30), `above` it: less PSNR is no fault
    rows = per_image(
        {
            ("indi", "psnr"): log(-1, 30),
            ("indi", "lpips_alex"): log(-0.02, 0.3),
            ("naive", "psnr"): log(-1.5, 30),
            ("naive", "lpips_alex"): log(-0.03, 0.3 + above),
        },
        spread=spread,
    )
    verdict = judged("naive-few/motion", evidence(motion=rows))
    assert verdict.outcome == outcome
    assert verdict.numbers[0].value == pytest.approx(above, abs=2e-3)
    assert [n.what.split(", ")[1] for n in verdict.numbers[1:]] == ["naive N = 3 against indi N = 3"] * 2


@pytest.mark.parametrize(
    ("slope", "outcome"), [(-2, "reproduced"), (-0.5, "not reproduced"), (-1, "inconclusive")]
)
def test_naive_diverges(slope: float, outcome: str) -> None:
    rows = per_image(
        {
            ("indi", "psnr"): log(-1, 30),
            ("naive", "psnr"): log(slope, 30),
            ("indi", "lpips_alex"): log(-0.01, 0.3),
            ("naive", "lpips_alex"): log(-0.02 * (slope + 1), 0.3),
        },
        spread=0.1,
        seed=1,
    )
    assert judged("naive-diverges/jpeg", evidence(jpeg=rows)).outcome == outcome


def against_cold(gap: float, spread: float = 0.0) -> pd.DataFrame:
    """Cold Diffusion moves half as far along LPIPS = 0.3 + 0.02 (PSNR - 30), `gap` above it."""
    return per_image(
        {
            ("indi", "psnr"): log(-1, 30),
            ("indi", "lpips_alex"): log(-0.02, 0.3),
            ("cold_diffusion", "psnr"): log(-0.5, 30),
            ("cold_diffusion", "lpips_alex"): log(-0.01, 0.3 + gap),
        },
        spread=spread,
    )


@pytest.mark.parametrize(
    ("gap", "spread", "outcome"),
    [(0.01, 0, "reproduced"), (-0.01, 0, "not reproduced"), (0, 0.1, "inconclusive")],
)
def test_by_lpips_alone_a_sentence_about_fid_is_not_tested(gap: float, spread: float, outcome: str) -> None:
    verdict = judged("cold-behind/jpeg", evidence(jpeg=against_cold(gap, spread)))
    assert verdict.outcome == "not tested"
    assert f"by LPIPS (alex) alone: {outcome}" in verdict.reason
    assert verdict.numbers[0].value == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize(
    ("gap", "half", "outcome"),
    [(1.0, 0.1, "reproduced"), (-1.0, 0.1, "not reproduced"), (1.0, 3.0, "inconclusive")],
)
def test_indi_is_better_at_equal_psnr(gap: float, half: float, outcome: str) -> None:
    # FD = 20 + 4 (PSNR - 30) on InDI's curve, and `gap` above it on Cold Diffusion's
    curves = {("indi", "fd_squeeze"): log(-4, 20), ("cold_diffusion", "fd_squeeze"): log(-2, 20 + gap)}
    # the images' own PSNR moves along the curve with every resample: it must not count as an error
    verdict = judged(
        "cold-behind/jpeg", evidence(jpeg=against_cold(0.01), jpeg_sets=between_sets(curves, half))
    )
    assert verdict.outcome == outcome
    assert verdict.numbers[0].what.startswith("FD-squeeze")
    assert verdict.numbers[0].value == pytest.approx(gap, abs=1e-2)
    assert ("LPIPS (alex) says otherwise" in verdict.reason) == (outcome == "not reproduced")


def test_the_area_between_two_polylines() -> None:
    """Two triangles by hand: over 1..2 the gap is 2, over 2..3 it falls from 2 to 0."""

    def point(name: str, n: int, x: float, y: float) -> list[tuple[str, str, int, str, float]]:
        sides = ((-0.01, "a"), (0.01, "b"))
        return [(i, name, n, m, v + d) for d, i in sides for m, v in (("psnr", x), ("lpips_alex", y))]

    rows = [point("a", 1, 0, 9), point("a", 2, 1, 2), point("a", 3, 2, 2), point("a", 4, 3, 0)]
    rows += [point("b", 1, 1, 0), point("b", 2, 5, 0)]
    columns = ["image", "sampler", "steps", "metric", "value"]
    found = Measured(pd.DataFrame([row for part in rows for row in part], columns=columns))
    a, b = ([(name, n) for n in found.steps(name)] for name in "ab")
    number = found.gap("lpips_alex", a, b, "a less b", worse=True)
    assert number.value == pytest.approx((2 + 1) / 2)
    assert number.sign == 1
    with pytest.raises(claims.NotTested, match="no range"):
        found.gap("lpips_alex", a[:1], b, "a less b")


def test_real_points_between_one_and_two_steps_replace_the_chord() -> None:
    chord = against_cold(0.0)
    between = against_cold(0.01).assign(task="jpeg")
    curves = {("indi", "fid"): log(-4, 20), ("cold_diffusion", "fid"): log(-2, 21)}
    given = evidence(
        jpeg=chord,
        samplers_equal_psnr=between,
        samplers_equal_psnr_sets=between_sets(curves).assign(task="jpeg"),
    )
    assert judged("cold-behind/jpeg", given).outcome == "reproduced"
    assert "no such distance" in judged("cold-behind/motion", evidence(motion=chord)).reason


@pytest.mark.parametrize(
    ("cold", "spread", "outcome"),
    [(0.1, 0, "reproduced"), (3, 0, "not reproduced"), (1, 0.5, "inconclusive")],
)
def test_cold_diffusion_is_the_steadiest(cold: float, spread: float, outcome: str) -> None:
    def valley(depth: float) -> Curve:
        return lambda n: 0.3 + 0.02 * depth * abs(math.log10(n) - 1)  # best at 10

    curves = {
        (name, "lpips_alex"): valley(depth)
        for name, depth in (("indi", 1), ("naive", 2), ("cold_diffusion", cold))
    }
    verdict = judged("cold-steadier/jpeg", evidence(jpeg=per_image(curves, spread=spread)))
    assert verdict.outcome == outcome
    assert "from its best N to 500, indi (N = 10)" in verdict.numbers[0].what
    if not spread:
        assert verdict.numbers[0].value == pytest.approx(0.02 * (1 - cold) * math.log10(50), abs=2e-3)


def test_samplers_that_are_best_at_the_largest_n_lose_exactly_nothing() -> None:
    names = ("indi", "naive", "cold_diffusion")
    rows = per_image({(name, "lpips_alex"): log(-0.02, 0.3) for name in names})
    verdict = judged("cold-steadier/jpeg", evidence(jpeg=rows))
    said = "InDI and Cold Diffusion are best at N = 500, the largest: neither loses anything up to it"
    assert (verdict.outcome, verdict.reason) == ("inconclusive", said)
    assert verdict.numbers[0].value == verdict.numbers[0].low == verdict.numbers[0].high == 0


@pytest.mark.parametrize(
    ("slope", "noise", "half", "outcome"),
    [
        (-15, 60, 0.1, "reproduced"),  # 50 to 9.5, the floor 1
        (-5, 60, 0.1, "not reproduced"),  # less than half of the way
        (5, 60, 0.1, "not reproduced"),
        (-15, 60, 200, "inconclusive"),
    ],
)
def test_it_generates(slope: float, noise: float, half: float, outcome: str) -> None:
    curves: dict[tuple[str, str], Curve] = {("indi", "fd_squeeze"): log(slope, 50)}
    sets = between_sets(curves, half)
    start = between_sets({("input", "fd_squeeze"): lambda n: noise}, half, counts=(0,))
    given = evidence(generation_sets=pd.concat([sets, start]))
    assert judged("generates", given).outcome == outcome


@pytest.mark.parametrize(
    ("cold", "half", "outcome"),
    [(60, 0.1, "reproduced"), (30, 0.1, "not reproduced"), (50.1, 2, "inconclusive")],
)
def test_it_generates_better_than_the_others(cold: float, half: float, outcome: str) -> None:
    sets = between_sets(
        {
            ("indi", "fid"): log(-5, 50),
            ("naive", "fid"): log(5, 80),
            ("cold_diffusion", "fid"): lambda n: cold - 5 * math.log10(n),
        },
        half,
    )
    assert judged("generates-best", evidence(generation_sets=sets)).outcome == outcome


# --- several trainings -----------------------------------------------------------------------------


def test_an_interval_of_sets_over_seeds_is_that_of_means_for_a_mean() -> None:
    """The resamples' way, on a statistic that is a plain mean, against the analysis of variance."""
    generator = np.random.default_rng(0)
    n, seeds = 40, 3
    values = (
        generator.normal(size=(n, 1))
        + generator.normal(size=(1, seeds)) / 4
        + generator.normal(size=(n, seeds)) / 2
    )
    drawn = (metrics.draws(n) @ values / n).T
    found = spread(float(values.mean()), drawn, values.mean(axis=0), n, 0.95)
    expected = metrics.interval_over_seeds(values)
    assert found.mean == pytest.approx(expected.mean)
    assert found.high - found.low == pytest.approx(expected.high - expected.low, rel=0.1)
    assert found.freedom == pytest.approx(expected.freedom, rel=0.25)


def test_a_verdict_over_seeds_asks_for_more_than_one_over_images() -> None:
    """Trainings that disagree by as much as the effect: every image agrees, and nothing is decided."""
    image = np.arange(40)
    rows = [
        (f"{i}", "indi", n, "psnr", 30 + gain * (n == 1) + 0.01 * np.sin(n * i), seed)
        for seed, gain in enumerate((0.1, 0.9, 0.2))
        for n in (1, 10)
        for i in image
    ]
    table = pd.DataFrame(rows, columns=["image", "sampler", "steps", "metric", "value", "seed"])
    together = Measured(table).compare("psnr", ("indi", 1), ("indi", 10))
    assert together.value == pytest.approx(0.4, abs=1e-3)
    assert together.seeds == 3
    # Student's t with two degrees of freedom, 4.303, on the means of the trainings
    half = 4.303 * np.std([0.1, 0.9, 0.2], ddof=1) / np.sqrt(3)
    assert together.high - together.value == pytest.approx(half, rel=1e-2)
    assert not together.better
    assert all(Measured(table).of_seed(s).compare("psnr", ("indi", 1), ("indi", 10)).better for s in range(3))


# --- rules that compare trainings -----------------------------------------------------------------


def of_p_t(biased: float, seeds: tuple[int, ...] = (0,), spread: float = 0.0) -> pd.DataFrame:
    parts: list[pd.DataFrame] = []
    for p_t in (*trainings.BIASED, *trainings.OTHERS):
        level = biased if p_t == "bias_t1" else 0.3
        for seed in seeds:
            curves = {("indi", "lpips_alex"): log(-0.01, level), ("indi", "psnr"): log(-1, 30)}
            rows = per_image(curves, spread=spread, seed=len(parts))
            parts.append(rows.assign(p_t=p_t, seed=seed))
    return pd.concat(parts)


def test_time_bias() -> None:
    assert judged("time-bias", evidence(time_distribution=of_p_t(0.28))).outcome == "reproduced"
    open_question = judged("time-bias", evidence(time_distribution=of_p_t(0.3, spread=0.1)))
    assert open_question.outcome == "inconclusive"
    rows = of_p_t(0.3)
    rows.loc[(rows["p_t"] == "bias_t0") & (rows["metric"] == "lpips_alex"), "value"] -= 0.02
    verdict = judged("time-bias", evidence(time_distribution=rows))
    assert verdict.outcome == "not reproduced"
    assert len(verdict.numbers) == 2 * len(trainings.OTHERS)  # at the best N, and at equal PSNR
    assert verdict.numbers[0].confidence == pytest.approx(1 - 0.05 / 9)


def test_time_bias_must_hold_in_every_training() -> None:
    rows = of_p_t(0.28, seeds=(0, 1))
    assert judged("time-bias", evidence(time_distribution=rows)).outcome == "reproduced"
    other = (rows["seed"] == 1) & (rows["p_t"] == "bias_t1") & (rows["metric"] == "lpips_alex")
    rows.loc[other, "value"] += 0.025  # still better on average
    assert judged("time-bias", evidence(time_distribution=rows)).outcome == "inconclusive"


def test_best_by_lpips_but_not_at_equal_psnr_is_no_best() -> None:
    rows = of_p_t(0.28)
    # bought with PSNR: 1 dB less is 0.02 of LPIPS further along the common curve, slope 0.01 a dB and a little more
    rows.loc[(rows["p_t"] == "bias_t1") & (rows["metric"] == "psnr"), "value"] -= 2.2
    assert judged("time-bias", evidence(time_distribution=rows)).outcome == "inconclusive"


@pytest.mark.parametrize(
    ("biased", "spread", "outcome"),
    [
        (0.28, 0, "reproduced"),
        (0.32, 0, "reproduced"),
        (0.301, 0, "reproduced"),
        (0.3, 0.05, "not reproduced"),
    ],
)
def test_p_t_has_an_impact(biased: float, spread: float, outcome: str) -> None:
    rows = of_p_t(biased, spread=spread)
    assert judged("time-impact", evidence(time_distribution=rows)).outcome == outcome


def test_no_impact_is_not_concluded_from_noise() -> None:
    rows = of_p_t(0.3, spread=1)
    assert judged("time-impact", evidence(time_distribution=rows)).outcome == "inconclusive"


def of_eps(gain: float, brownian: float = 0.0, spread: float = 0.0) -> pd.DataFrame:
    parts: list[pd.DataFrame] = []
    for eps, schedule in ((0.0, "constant"), (0.03, "constant"), (0.03, "brownian")):
        level = 0.3 - gain * (eps > 0) + brownian * (schedule == "brownian")
        curves = {("indi", "lpips_alex"): log(-0.001, level), ("indi", "psnr"): log(-1, 30 - 20 * level)}
        parts.append(per_image(curves, spread=spread, seed=len(parts)).assign(eps=eps, schedule=schedule))
    return pd.concat(parts)


@pytest.mark.parametrize(
    ("gain", "spread", "outcome"),
    [(0.02, 0, "reproduced"), (-0.02, 0, "not reproduced"), (0.0, 0.5, "inconclusive")],
)
def test_noise_helps(gain: float, spread: float, outcome: str) -> None:
    verdict = judged("noise-helps/jpeg", evidence(noise=of_eps(gain, spread=spread)))
    assert verdict.outcome == outcome
    assert len(verdict.numbers) == 1  # one per eps > 0, of a grid of 5 step counts
    assert verdict.numbers[0].confidence == 1 - 0.05 / 5


@pytest.mark.parametrize(
    ("gain", "outcome"), [(3.0, "reproduced"), (-3.0, "not reproduced"), (0, "inconclusive")]
)
def test_noise_helps_by_fid_where_the_sentence_says_so(gain: float, outcome: str) -> None:
    rows = of_eps(0.02)
    rows = rows[rows["schedule"] == "constant"].drop(columns="schedule")
    sets = pd.concat(
        between_sets({("indi", "fid"): lambda n, eps=eps: 50 - gain * (eps > 0) + n / 1e6}).assign(eps=eps)  # type: ignore[misc]
        for eps in (0.0, 0.03)
    )
    given = evidence(super_resolution_noise=rows, super_resolution_noise_sets=sets)
    assert judged("noise-helps/super_resolution", given).outcome == outcome


@pytest.mark.parametrize(
    ("detail", "psnr", "outcome"),
    [
        (0.5, -1, "reproduced"),
        (0.5, 1, "not reproduced"),
        (-0.5, -1, "not reproduced"),
        (0, -1, "inconclusive"),
    ],
)
def test_without_perturbation_it_stays_blurry(detail: float, psnr: float, outcome: str) -> None:
    parts = []
    for k, eps in enumerate((0.0, 0.015, 0.03)):
        curves = {
            ("indi", "detail_ratio"): log(0, detail * (eps > 0)),
            ("indi", "psnr"): log(0, 30 + psnr * (eps > 0)),
        }
        rows = per_image(curves, spread=0.1, seed=k)
        ratio = rows["metric"] == "detail_ratio"
        parts.append(rows.assign(value=np.where(ratio, np.exp(rows["value"] / 10), rows["value"]), eps=eps))
    given = evidence(super_resolution_noise=pd.concat(parts))
    assert judged("blurry/super_resolution", given).outcome == outcome


@pytest.mark.parametrize(
    ("shift", "spread", "outcome"),
    [
        (0.001, 0, "reproduced"),
        (0.02, 0, "not reproduced"),
        (-0.02, 0, "not reproduced"),
        (0, 3, "inconclusive"),
    ],
)
def test_brownian_is_constant(shift: float, spread: float, outcome: str) -> None:
    assert judged("brownian", evidence(noise=of_eps(0.01, shift, spread))).outcome == outcome


def falling(slope: float, start: float, settled: int = 100) -> Curve:
    """A line in log N that is level from `settled` on."""
    return lambda n: start + slope * math.log10(min(n, settled))


def with_ddpm(indi: Curve, ddpm: Curve, psnr: float = 28) -> Evidence:
    rows = [
        per_image({("indi", "lpips_alex"): indi, ("indi", "psnr"): lambda n: 28}).assign(schedule="none"),
        per_image({("ddpm", "lpips_alex"): ddpm, ("ddpm", "psnr"): lambda n: psnr}, seed=1).assign(
            schedule="cosine"
        ),
        per_image({("ddpm", "lpips_alex"): lambda n: 0.7, ("ddpm", "psnr"): lambda n: 20}, seed=2).assign(
            schedule="linear"
        ),
        per_image(
            {("input", "lpips_alex"): lambda n: 0.5, ("input", "psnr"): lambda n: 25}, (0,), seed=3
        ).assign(schedule="none"),
    ]
    return evidence(conditional_ddpm=pd.concat(rows))


@pytest.mark.parametrize(
    ("indi", "ddpm", "outcome"),
    [
        (falling(-0.015, 0.30), falling(-0.015, 0.317), "reproduced"),  # one decade ahead
        (falling(-0.015, 0.317), falling(-0.015, 0.30), "not reproduced"),
        (falling(-0.05, 0.35), falling(-0.05, 0.35), "inconclusive"),  # side by side
        (falling(0.05, 0.55), falling(0.05, 0.56), "inconclusive"),  # neither is better than the input
    ],
)
def test_fewer_steps_than_ddpm(indi: Curve, ddpm: Curve, outcome: str) -> None:
    verdict = judged("fewer-steps", with_ddpm(indi, ddpm))
    assert verdict.outcome == outcome
    assert verdict.numbers[-1].n == 40


@pytest.mark.parametrize(
    ("ddpm", "psnr", "why"),
    [
        (falling(-0.015, 0.317), 24, "PSNR is not shown to be above the input's"),
        (falling(-0.015, 0.317, 500), 28, "still moves between 100 and 500 steps"),
        (falling(-0.015, 0.35), 28, "not within 0.02 of InDI's"),
    ],
)
def test_a_poor_baseline_decides_nothing(ddpm: Curve, psnr: float, why: str) -> None:
    given = with_ddpm(falling(-0.015, 0.30), ddpm, psnr)
    for claim in ("fewer-steps", "comparable-ddpm"):
        verdict = judged(claim, given)
        assert verdict.outcome == "inconclusive"
        assert why in verdict.reason


@pytest.mark.parametrize(
    ("start", "outcome"), [(0.302, "reproduced"), (0.29, "reproduced"), (0.31, "not reproduced")]
)
def test_comparable_results(start: float, outcome: str) -> None:
    given = with_ddpm(falling(-0.05, start), falling(-0.05, 0.30))
    assert judged("comparable-ddpm", given).outcome == outcome


def test_a_ddpm_that_was_not_measured() -> None:
    rows = per_image({("indi", "lpips_alex"): log(-0.05, 0.3)}).assign(schedule="none")
    assert judged("fewer-steps", evidence(conditional_ddpm=rows)).outcome == "not tested"


# --- the paper's own numbers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fid", "half", "outcome"),
    [(9.2, 0.3, "reproduced"), (12.0, 0.3, "not reproduced"), (10.0, 1.0, "inconclusive")],
)
def test_generation_fid(fid: float, half: float, outcome: str) -> None:
    sets = between_sets({("indi", "fid"): lambda n: fid if n == 100 else 99.0}, half)
    assert judged("generation-fid", evidence("paper", generation_sets=sets)).outcome == outcome
    assert judged("generation-fid", evidence("gpu", generation_sets=sets)).outcome == "not tested"


@pytest.mark.parametrize(
    ("lpips", "outcome"), [(0.058, "reproduced"), (0.062, "not reproduced"), (0.059, "inconclusive")]
)
def test_state_of_the_art(lpips: float, outcome: str) -> None:
    generator = np.random.default_rng(0)
    images = 1111
    rows = pd.concat(
        pd.DataFrame(
            {"image": range(images), "sampler": "indi", "steps": 10, "metric": metric, "value": values}
        )
        for metric, values in (
            ("lpips_alex", lpips + 0.003 * generator.standard_normal(images)),
            ("niqe", 3.32 + 0.1 * generator.standard_normal(images)),
        )
    )
    rows.loc[rows["metric"] == "lpips_alex", "value"] += (
        lpips - rows.loc[rows["metric"] == "lpips_alex", "value"].mean()
    )
    sets = pd.concat(
        between_sets({("indi", metric): lambda n, v=value: v}, half, (10,), images)  # type: ignore[misc]
        for metric, value, half in (("fid", 3.55, 0.1), ("kid", 0.00056, 0.00005))
    )
    given = evidence("paper", motion=rows, motion_sets=sets)
    verdict = judged("state-of-the-art/motion", given)
    assert verdict.outcome == outcome
    assert {found.confidence for found in verdict.numbers} == {1 - 0.05 / 4}
    more = [rows.assign(steps=n) for n in range(1, 11)], [sets.assign(steps=n) for n in range(1, 11)]
    wider = evidence("paper", motion=pd.concat(more[0]), motion_sets=pd.concat(more[1]))
    numbers = judged("state-of-the-art/motion", wider).numbers
    assert {found.confidence for found in numbers} == {1 - 0.05 / 10}  # the numbers of steps
    assert judged("state-of-the-art/motion", evidence("laptop", motion=rows)).outcome == "not tested"


# --- exact claims ---------------------------------------------------------------------------------


def test_toy() -> None:
    def rows(low: float, high: float) -> pd.DataFrame:
        columns = ["case", "sampler", "steps", "fraction", "low", "high", "points"]
        first = [(case, "indi", 1, 0.1, 0.09, 0.11, 5000) for case in "ab"]
        last = [("a", "indi", 100, 1, 0.999, 1, 5000), ("b", "indi", 100, high, low, high, 5000)]
        other = [("a", "naive", 1000, 0, 0, 0, 5000)]
        return pd.DataFrame([*first, *last, *other], columns=columns)

    for low, high, outcome in (
        (0.999, 1, "reproduced"),
        (0.5, 0.6, "not reproduced"),
        (0.98, 1, "inconclusive"),
    ):
        assert judged("toy-modes", evidence("smoke", toy=rows(low, high))).outcome == outcome


def test_proposition_and_its_check_of_the_samplers() -> None:
    gains = pd.DataFrame({"gain": [0.5, 0.6], "run": [0.5, 0.6 + 1e-12]})
    identities = pd.DataFrame({"identity": ["a"], "largest difference": [1e-14]})
    good = evidence("smoke", gaussian_gains=gains, identities=identities)
    assert judged("proposition-4.1", good).outcome == "reproduced"
    bad = evidence("smoke", gaussian_gains=gains.assign(run=0.7), identities=identities)
    assert judged("proposition-4.1", bad).outcome == "not reproduced"


def test_proposition_by_simulation() -> None:
    # the regression coefficient that `proposition_error` computes, from draws
    generator = np.random.default_rng(0)
    x, noise = generator.standard_normal((2, 400_000))
    t, s = 0.8, 0.3
    x_t, x_s = x + t * noise, x + s * noise
    assert x_s @ x_t / (x_t @ x_t) == pytest.approx((1 - s / t) / (1 + t**2) + s / t, abs=3e-3)
    assert exact.proposition_error() < 1e-12


def test_sizes() -> None:
    rows = pd.DataFrame({"task": ["motion"], "printed, millions": [27.68], "counted": [27_677_123]})
    assert judged("table-2-sizes", evidence("smoke", network=rows)).outcome == "reproduced"
    wrong = evidence("smoke", network=rows.assign(counted=27_690_000))
    assert judged("table-2-sizes", wrong).outcome == "not reproduced"


# --- modesty, multiplicity, decisions -------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "images", "reason"), [("smoke", 40, "smoke"), ("laptop", 9, "n = 9 images"), ("gpu", 10, "")]
)
def test_smoke_and_few_images_decide_nothing(profile: str, images: int, reason: str) -> None:
    rows = per_image({("indi", "psnr"): log(-1, 30)}, images=images)
    verdict = judged("one-step-psnr/jpeg", evidence(profile, jpeg=rows))
    assert verdict.outcome == ("inconclusive" if reason else "reproduced")
    assert reason in verdict.reason


def test_one_image_gives_no_interval() -> None:
    rows = per_image({("indi", "psnr"): log(-1, 30)}, images=1)
    verdict = judged("one-step-psnr/jpeg", evidence(jpeg=rows))
    assert (verdict.outcome, verdict.reason) == ("inconclusive", "no interval can be computed")
    assert verdict.numbers[0].text().endswith("n = 1")


def test_no_effect_is_rarely_called_one() -> None:
    """Of 100 experiments without any effect, about 5 may pass, not 5 per step count (23 at 5 of them)."""
    passed = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        table = pd.DataFrame(generator.standard_normal((60, 6)), columns=list(COUNTS))
        rows = table.rename_axis("image").reset_index().melt("image", var_name="steps")
        found = Measured(rows.assign(sampler="indi", metric="psnr"))
        numbers = [found.compare("psnr", ("indi", n), ("indi", 1), 5) for n in COUNTS[1:]]
        passed += decide.some_better(numbers).outcome == "reproduced"
    assert passed <= 9


def test_lower_is_better_for_lpips() -> None:
    found = Measured(per_image({("indi", "lpips_alex"): log(-0.1, 0.3), ("indi", "psnr"): log(-1, 30)}))
    assert found.compare("lpips_alex", ("indi", 10), ("indi", 1)).better
    assert found.compare("psnr", ("indi", 10), ("indi", 1)).worse
    assert found.best("lpips_alex", [("indi", 1), ("indi", 500)]) == ("indi", 500)


def test_distances_between_sets_are_compared_in_common_resamples() -> None:
    sets = between_sets({("indi", "fid"): log(-1, 10)}, half=0.3)
    rows = pd.DataFrame(columns=["metric", "sampler", "steps", "image", "value"])
    number = Measured(rows, sets).compare("fid", ("indi", 10), ("indi", 1))
    assert number.value == pytest.approx(-1)
    assert number.high - number.value == pytest.approx(0.3, rel=0.1)
    # without them as if independent, which chapters may draw and no rule may use
    bare = Measured(rows, sets.drop(columns="resamples"))
    number = bare.compare("fid", ("indi", 10), ("indi", 1))
    assert number.high - number.value == pytest.approx(0.3 * math.sqrt(2), rel=1e-6)
    assert not bare.pairs("fid")


@pytest.mark.parametrize("n", [12, 50])
@pytest.mark.parametrize("family", [1, 5])
def test_p_is_the_level_at_which_the_interval_touches_zero(n: int, family: int) -> None:
    values = pd.Series(np.random.default_rng(n).normal(0.5, 1, n))
    rows = pd.concat(
        pd.DataFrame({"image": range(n), "sampler": s, "steps": 1, "metric": "psnr", "value": v})
        for s, v in (("a", values), ("b", 0 * values))
    )
    found = Measured(rows).compare("psnr", ("a", 1), ("b", 1), family)
    exact = family * stats.ttest_1samp(values, 0).pvalue if n < 30 else None
    if exact is not None:
        assert found.p == pytest.approx(min(1, exact), rel=1e-6)
    assert (found.p < 0.05) == (found.better or found.worse)


def test_power_is_that_of_the_rule() -> None:
    """A difference of the size that is called the smallest to be shown is shown in 80 % of many experiments."""
    found = Number("x", 0.0, -0.4, 0.4, 100, confidence=0.99)
    error = 0.4 / stats.norm.ppf(0.995)
    measured = found.smallest + error * np.random.default_rng(0).standard_normal(4000)
    assert np.mean(measured > 0.4) == pytest.approx(0.8, abs=0.02)
    half_as_large = Number(
        "x", found.smallest / 2, found.smallest / 2 - 0.4, found.smallest / 2 + 0.4, 100, 0.99
    )
    assert half_as_large.images_needed == pytest.approx(400, abs=1)
    assert math.isinf(found.images_needed)


def number(low: float, high: float, sign: int = 1) -> Number:
    return Number("x", (low + high) / 2, low, high, 50, sign=sign)


def test_margins_are_one_sided_where_better_is_no_fault() -> None:
    far_better = [number(0.5, 0.6)]
    assert decide.not_worse(far_better, [0.1], far_better).outcome == "reproduced"
    assert decide.equivalent(far_better, [0.1], far_better).outcome == "not reproduced"
    inside, across = [number(-0.05, 0.09, -1)], [number(0.05, 0.2, -1)]
    assert decide.equivalent(inside, [0.1], inside).outcome == "reproduced"
    assert decide.equivalent(far_better, [0.1], across).outcome == "inconclusive"
    assert decide.not_worse(across, [0.1], across).outcome == "inconclusive"


def outcome(name: str, p: float = 0.01) -> claims.Verdict:
    decided = name in ("reproduced", "not reproduced")
    return claims.Verdict(name, "" if decided else "why", p=p if decided else math.nan)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("parts", "agree", "conjunction"),
    [
        (("reproduced", "reproduced"), "reproduced", "reproduced"),
        (("not reproduced", "not reproduced"), "not reproduced", "not reproduced"),
        (("reproduced", "inconclusive"), "inconclusive", "inconclusive"),
        (("not reproduced", "inconclusive"), "inconclusive", "not reproduced"),
        (("reproduced", "not reproduced"), "inconclusive", "not reproduced"),
        (("inconclusive", "inconclusive"), "inconclusive", "inconclusive"),
    ],
)
def test_metrics_must_agree_either_way_and_parts_only_to_confirm(
    parts: tuple[str, str], agree: str, conjunction: str
) -> None:
    verdicts = [outcome(part, p) for part, p in zip(parts, (0.01, 0.04), strict=True)]
    assert decide.together(verdicts).outcome == decide.together(verdicts[::-1]).outcome == agree
    assert decide.every(verdicts).outcome == decide.every(verdicts[::-1]).outcome == conjunction
    if agree == "reproduced":
        assert decide.together(verdicts).p == 0.04


def entry(name: str, p: float, kind: str = "empirical") -> claims.Entry:
    claim = replace(CLAIMS[0], id=f"{name} {p} {kind}", kind=kind)  # type: ignore[arg-type]
    return claims.Entry(claim, outcome(name, p), "fresh", (), (), ())


def test_holm_steps_down_over_what_was_tested() -> None:
    """Of four, thresholds .05 / 4, .05 / 3, .05 / 2 and .05 in the order of p: .01 and .016 stand, .03 does not."""
    decided = [entry("reproduced", p) for p in (0.03, 0.01, 0.016, 0.04)]
    beside = [entry("not tested", 0), entry("reproduced", 0.049, "exact")]
    found = claims.holm([*decided, *beside])
    assert [e.doubtful for e in found] == [True, False, False, True, False, False]
    # one more that was tested, if only to no end, makes it five: .016 is above .05 / 4
    found = claims.holm([*decided, entry("inconclusive", 0)])
    assert [e.doubtful for e in found] == [True, False, True, True, False]


@pytest.mark.parametrize("rule", [decide.equivalent, decide.not_worse])
@pytest.mark.parametrize("k", [1, 28])
def test_margins_are_rarely_decided_wrongly(rule: Callable[..., claims.Verdict], k: int) -> None:
    """At the margin itself no answer is right; without correction 28 comparisons give one in half the cases."""
    margin, draws, wrong, uncorrected = 0.1, 1000, 0, 0
    generator = np.random.default_rng(0)
    for means in -margin + 0.02 * generator.standard_normal((draws, k)):

        def numbers(family: int, means: np.ndarray = means) -> list[Number]:
            half = 0.02 * NormalDist().inv_cdf(1 - 0.025 / family)
            return [number(mean - half, mean + half) for mean in means]

        wrong += rule(numbers(1), [margin] * k, numbers(k)).outcome != "inconclusive"
        uncorrected += rule(numbers(1), [margin] * k, numbers(1)).outcome != "inconclusive"
    assert wrong / draws <= 0.07
    if k > 1:
        assert uncorrected / draws > 0.4


def test_the_margin_rules_correct_only_what_refutes() -> None:
    verdict = judged("brownian", evidence(noise=of_eps(0.01, 0.001)))
    assert {found.confidence for found in verdict.numbers} == {0.95}
    verdict = judged("brownian", evidence(noise=of_eps(0.01, 0.02)))
    assert {found.confidence for found in verdict.numbers} == {1 - 0.05 / 10}  # 5 step counts, 2 metrics


def test_nothing_to_compare_decides_nothing() -> None:
    for decision in (decide.some_better, decide.all_better):
        assert decision([]).outcome == "inconclusive"


# --- the store, staleness, the command ------------------------------------------------------------


@pytest.fixture
def stored(project: Path) -> Path:
    """A project whose smoke profile has a jpeg table and nothing else."""
    results.save("jpeg", per_image({("indi", "psnr"): log(-1, 30)}), "smoke", notebook="04_jpeg")
    return project


def test_missing_stale_and_edited_tables(stored: Path) -> None:
    def one() -> claims.Entry:
        return next(entry for entry in claims.judge("smoke") if entry.claim.id == "one-step-psnr/jpeg")

    assert one().state == "fresh"
    assert one().verdict.outcome == "inconclusive"
    more = next(entry for entry in claims.judge("smoke") if entry.claim.id == "more-detail/jpeg")
    assert (more.state, more.verdict.outcome) == (
        "missing",
        "not tested",
    )  # the table is there, its rows are not
    record = stored / "results/smoke/tables/jpeg.json"
    old = json.loads(record.read_text())
    record.write_text(json.dumps(old | {"numerics": {"method": 0}}))
    assert one().state == "stale"
    (stored / "results/smoke/tables/jpeg.csv").write_text("image,sampler\n")
    assert (one().state, one().verdict.outcome) == ("missing", "not tested")
    assert "edited" in one().problems[0]
    (stored / "results/smoke/tables/jpeg.csv").unlink()
    assert (one().state, one().problems) == ("missing", ("no table jpeg under profile smoke",))


def test_command_prints_stores_and_says_what_is_missing(stored: Path) -> None:
    ran = CliRunner().invoke(main, ["claims"])
    assert ran.exit_code == 2, ran.output
    assert "one-step-psnr/jpeg" in ran.stdout
    rows = results.load("claims", "smoke").rows
    assert list(rows["id"]) == [claim.id for claim in CLAIMS]
    assert set(rows["verdict"]) == {"inconclusive", "not tested"}
    assert len(results.load("claims_evidence", "smoke").rows) == 5
    stored_ledger = json.loads((stored / "results/smoke/tables/claims_ledger.json").read_text())
    assert len({entry["id"]: entry for entry in stored_ledger}["one-step-psnr/jpeg"]["numbers"]) == 5
    assert json.loads(CliRunner().invoke(main, ["claims", "--json"]).stdout) == stored_ledger


def test_missing_rows_are_told_from_what_a_profile_cannot_test(project: Path) -> None:
    names = ("indi", "naive", "cold_diffusion")
    rows = per_image({(name, "psnr"): log(-1, 30) for name in names}, (1, 5, 20))
    results.save("motion", per_image({("indi", "psnr"): log(-1, 30)}), "laptop", notebook="05_motion")
    results.save(
        "motion_sets", between_sets({("indi", "fd_squeeze"): log(1, 10)}), "laptop", notebook="05_motion"
    )
    results.save("jpeg", rows, "laptop", notebook="04_jpeg")
    results.save(
        "jpeg_sets", between_sets({("indi", "fd_squeeze"): log(1, 10)}), "laptop", notebook="04_jpeg"
    )
    generated = between_sets({("indi", "fd_squeeze"): log(1, 10)})
    results.save("generation_sets", generated, "laptop", notebook="08_generation")
    entries = {entry.claim.id: entry for entry in claims.judge("laptop")}
    for name, state, code in (
        ("cold-steadier/jpeg", "fresh", 0),  # too few steps
        ("generation-fid", "fresh", 0),  # the paper profile alone
        ("naive-few/jpeg", "fresh", 0),  # neither 2 nor 3 steps
        ("naive-diverges/jpeg", "fresh", 0),
        ("naive-few/motion", "missing", 2),  # no rows of naive
        ("cold-steadier/motion", "missing", 2),
        ("more-detail/jpeg", "missing", 2),
        ("brownian", "missing", 2),  # no table
    ):
        entry = entries[name]
        assert (entry.verdict.outcome, entry.state) == ("not tested", state), name
        assert claims.exit_code([entry]) == code


def test_exit_code_is_zero_where_all_is_fresh(project: Path) -> None:
    for name in {name for claim in CLAIMS for name in claim.tables}:
        results.save(name, pd.DataFrame({"a": [1]}), "smoke", notebook="x")
    evidence = collect("smoke", [name for claim in CLAIMS for name in claim.tables])
    assert evidence.problems == {}
    assert {evidence.state(claim.tables) for claim in CLAIMS} == {"fresh"}


def test_unknown_profile() -> None:
    with pytest.raises(InDIError, match="Did you mean 'laptop'"):
        claims.judge("labtop")


def test_every_claim_is_complete() -> None:
    identifiers = [claim.id for claim in CLAIMS]
    assert len(set(identifiers)) == len(identifiers)
    root = paths.root() / "notebooks"
    for claim in CLAIMS:
        assert all((claim.title, claim.words, claim.place, claim.test, claim.tables)), claim.id
        assert (root / f"{claim.chapter}.ipynb").is_file() or claim.chapter[:2] > "04", claim.id
    assert {claim.id for claim in CLAIMS if claim.kind == "exact"} == {
        "toy-modes",
        "proposition-4.1",
        "table-2-sizes",
    }


def test_margins_are_a_quarter_of_table_3() -> None:
    table = pd.read_csv(paths.results("paper") / "table3.csv").set_index("steps")[["psnr_db", "lpips"]]
    change = table.loc[1] - table.loc[10]
    assert change["psnr_db"] / 4 == pytest.approx(claims.MARGINS["psnr"], abs=0.03)
    assert change["lpips"] / 4 == pytest.approx(claims.MARGINS["lpips_alex"], abs=0.001)
    assert all(metrics.describe(name).function for name in claims.MARGINS)


# --- changes, and the sentences of the paper ---------------------------------------------------------


def test_every_claim_has_its_line_among_the_changes(stored: Path) -> None:
    entries = claims.judge("smoke")
    rows = changes.table(entries).set_index("claim")
    assert list(rows.index) == [claim.id for claim in CLAIMS]
    new = rows["changed"] == "new"
    assert (rows.loc[new, "version 1"] == "").all()
    assert (rows.loc[~new, "version 1"] != "").all()
    assert (rows.loc[rows["changed"] != "nothing", "changed"].str.len() > 0).all()
    assert set(rows["version 1"]) <= {"", *COUNTED}
    assert {row: int((rows["version 1"] == row).sum()) for row in COUNTED} == COUNTED
    assert len(changes.power(entries)) == 1  # of the one table there is


COUNTED = {"reproduced": 14, "not reproduced": 11, "inconclusive": 11, "not tested": 2}
"""What version 1 said of its 38 rows."""


def test_every_sentence_has_a_row_or_a_reason() -> None:
    listed = changes.sentences()
    known = {claim.id.partition("/")[0] for claim in CLAIMS}
    named = {name for names in listed["rows"] for name in names.split()}
    assert named == known
    assert ((listed["rows"] != "") | (listed["why"] != "")).all()
    assert not listed["sentence"].duplicated().any()
    assert len({claim.title for claim in CLAIMS}) > 20


# --- what is drawn and shown of it ----------------------------------------------------------------


def test_a_caveat_stands_beside_its_verdict_and_verdicts_are_not_counted_as_claims(stored: Path) -> None:
    entries = claims.judge("smoke")
    titles = len({claim.title for claim in CLAIMS})
    assert ledger.on_claims(entries) == f"{len(CLAIMS)} verdicts on {titles} claims"
    assert ledger.on_claims(entries[:1]) == "1 verdict on 1 claim"
    assert not any(entry.doubtful for entry in entries)
    assert "stands after Holm" in ledger.doubtful(entries)
    verdict = claims.Verdict("reproduced", "NIQE says otherwise")
    one = replace(entries[0], verdict=verdict, corrected="inconclusive")
    caveat = "NIQE says otherwise; inconclusive after correction for all claims"
    assert one.caveat == caveat
    shown = (
        ledger.overview([one]),
        ledger.details([one], "smoke"),
        ledger.sentences([one]),
        report.text([one]),
    )
    assert all(caveat in text for text in shown)
    assert "*reproduced* by itself, inconclusive among all claims" in ledger.doubtful([one])


def test_the_tables_of_the_claims_page_are_those_of_today(stored: Path) -> None:
    """What the notebook printed when it ran is replaced, or its tables and its badges would disagree."""
    sources = (
        "figures.say(ledger.doubtful(entries))",
        "ledger.power(entries, profile)",
        "ledger.changed(entries, p)",
    )
    page = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(source, outputs=[nbformat.v4.new_output("stream", text="old")])
            for source in sources
        ]
    )
    summaries.render(page, "13_claims", "smoke", claims.judge("smoke"))
    assert [len(cell.outputs) for cell in page.cells] == [1, 1, 2]
    assert "old" not in [output.get("text") for cell in page.cells for output in cell.outputs]


def test_the_page_shows_every_claim(stored: Path) -> None:
    entries = claims.judge("smoke")
    ours = claims.judge("smoke", robust.CLAIMS)
    page = ledger.overview(entries) + ledger.details([*entries, *ours], "smoke")
    linked = set(re.findall('href="#([^"]+)"', page))
    assert linked == set(re.findall('id="([^"]+)"', page))
    assert len(linked) == len(CLAIMS) + len(robust.CLAIMS)
    for claim in (*CLAIMS, *robust.CLAIMS):
        assert (f"“{html.escape(claim.words)}”" in page) == claim.quoted
        assert html.escape(claim.words) in page
        assert html.escape(claim.test) in page
    assert f"{len(CLAIMS) - 1} not tested" in ledger.overview_text(entries, "smoke")


def test_landmarks_find_where_samplers_turn() -> None:
    curves: dict[tuple[str, str], Curve] = {
        ("indi", "psnr"): lambda n: 30 - abs(math.log10(n) - 1),  # best at 10
        ("naive", "psnr"): lambda n: 30 - abs(math.log10(n) - 1) - (0.2 if n >= 10 else -0.1),
        ("cold_diffusion", "psnr"): lambda n: 29.0 + 0.5 * (n == 500),
    }
    row = analyses.landmarks(Measured(per_image(curves)), ["psnr"]).iloc[0]
    assert row["naive worse than InDI from"] == "N = 10"
    assert row["InDI best at"] == "N = 10"
    assert row["worse again from"] == "N = 100"
    assert row["Cold Diffusion, 100 to 500 steps"].startswith("+0.50")
    rows = per_image(curves)  # where naive was not tried at 100 steps, nor Cold Diffusion at 500
    fewer = rows[
        ~(
            (rows["sampler"] == "naive") & (rows["steps"] == 100)
            | (rows["sampler"] == "cold_diffusion") & (rows["steps"] == 500)
        )
    ]
    row = analyses.landmarks(Measured(fewer), ["psnr"]).iloc[0]
    assert row["naive worse than InDI from"] == "N = 10"
    assert row["Cold Diffusion, 10 to 100 steps"].startswith("-0.00")  # as good as none


def test_variance_of_the_lost_coordinate() -> None:
    figure, rows = analyses.lost_coordinate((0.0, 0.06), (1, 10, 100, 1000))
    plt.close(figure)
    found = rows.set_index(["eps", "steps"])["variance"]
    # what chapter 2 derives: without noise every N returns E[x | y]
    np.testing.assert_allclose(found[0.0], 0.25, atol=1e-9)
    np.testing.assert_allclose(found[0.06], [0.25, 0.44, 0.91, 0.99], atol=5e-3)


def test_another_environment_is_said_and_is_no_staleness(project: Path) -> None:
    toy = pd.read_csv(Path(__file__).parent.parent / "results" / "laptop" / "tables" / "toy.csv")
    results.save("toy", toy, "smoke", notebook="01_toy_example", rooms=("method",))
    path = project / "results" / "smoke" / "tables" / "toy.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "versions": {"torch": "1.0"}}))
    entries = claims.judge("smoke")
    found = [entry for entry in entries if "toy" in entry.claim.tables]
    assert found
    for entry in found:
        assert any(package.startswith("torch 1.0, now ") for package in entry.environment)
        assert entry.state != "stale"
    assert "made in another environment (torch 1.0, now " in claims.text(entries)
