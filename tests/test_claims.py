"""Every rule, fed with results made up to confirm the claim, to refute it, and to leave it open."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import NormalDist

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from indi import claims, paths
from indi.claims import CLAIMS, Evidence, Measured, Number, decide, exact, trainings
from indi.claims.evidence import collect
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
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sampler": sampler, "steps": n, "metric": metric, "value": curve(n),
            "low": curve(n) - half, "high": curve(n) + half, "images": images, "patches": 9 * images,
        }
        for (sampler, metric), curve in curves.items()
        for n in counts
    )  # fmt: skip


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
    ("lpips", "frechet", "outcome"),
    [
        (-0.1, -1.0, "reproduced"),
        (0.1, 1.0, "not reproduced"),
        (-0.1, 1.0, "inconclusive"),  # the metrics disagree
        (0.0, -1.0, "inconclusive"),  # shown by one of them only
        (0.0, 1.0, "not reproduced"),
    ],
)
def test_several_steps_look_better(lpips: float, frechet: float, outcome: str) -> None:
    rows = per_image({("indi", "lpips_squeeze"): log(lpips, 0.3)}, spread=0.1)
    sets = between_sets({("indi", "fd_squeeze"): log(frechet, 10)})
    assert judged("several-steps/defocus", evidence(defocus=rows, defocus_sets=sets)).outcome == outcome


def test_perception_is_not_judged_by_psnr_or_ssim() -> None:
    rows = per_image({("indi", "psnr"): log(-1, 30), ("indi", "ssim"): log(1)})
    verdict = judged("several-steps/jpeg", evidence(jpeg=rows))
    assert verdict.outcome == "not tested"
    assert "LPIPS" in verdict.reason


@pytest.mark.parametrize(("slope", "outcome"), [(0.1, "reproduced"), (-0.1, "not reproduced")])
def test_more_detail(slope: float, outcome: str) -> None:
    rows = per_image({("indi", "detail_ratio"): log(slope, 0.5)})
    assert judged("more-detail/jpeg", evidence(jpeg=rows)).outcome == outcome


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
    ("loss", "spread", "outcome"),
    [(0.05, 0, "reproduced"), (0.3, 0, "not reproduced"), (0.1, 0.1, "inconclusive"), (-1, 0, "reproduced")],
)
def test_naive_is_good_with_few_steps(loss: float, spread: float, outcome: str) -> None:
    curves: dict[tuple[str, str], Curve] = {}
    for name, level in (("indi", 0.0), ("naive", loss)):
        curves[name, "psnr"] = lambda n, level=level: 30 - level  # type: ignore[misc]
        curves[name, "lpips_alex"] = lambda n, level=level: 0.3 + level / 20  # type: ignore[misc]
    assert judged("naive-few/motion", evidence(motion=per_image(curves, spread=spread))).outcome == outcome


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


@pytest.mark.parametrize(
    ("gap", "spread", "outcome"),
    [(0.01, 0, "reproduced"), (-0.01, 0, "not reproduced"), (0, 0.1, "inconclusive")],
)
def test_indi_is_better_at_equal_psnr(gap: float, spread: float, outcome: str) -> None:
    # Cold Diffusion moves half as far along the curve LPIPS = 0.3 + 0.02 (PSNR - 30), `gap` above it.
    rows = per_image(
        {
            ("indi", "psnr"): log(-1, 30),
            ("indi", "lpips_alex"): log(-0.02, 0.3),
            ("cold_diffusion", "psnr"): log(-0.5, 30),
            ("cold_diffusion", "lpips_alex"): log(-0.01, 0.3 + gap),
        },
        spread=spread,
    )
    verdict = judged("cold-behind/jpeg", evidence(jpeg=rows))
    assert verdict.outcome == outcome
    assert verdict.numbers[0].value == pytest.approx(gap, abs=1e-3)


@pytest.mark.parametrize(
    ("gap", "half", "outcome"),
    [(1.0, 0.1, "reproduced"), (-1.0, 0.1, "inconclusive"), (1.0, 2.0, "inconclusive")],
)
def test_the_distance_at_equal_psnr_counts_too(gap: float, half: float, outcome: str) -> None:
    # FD = 20 + 4 (PSNR - 30) on InDI's curve, and `gap` above it on Cold Diffusion's; LPIPS speaks for the claim.
    rows = per_image(
        {
            ("indi", "psnr"): log(-1, 30),
            ("indi", "lpips_alex"): log(-0.02, 0.3),
            ("cold_diffusion", "psnr"): log(-0.5, 30),
            ("cold_diffusion", "lpips_alex"): log(-0.01, 0.31),
        }
    )
    curves = {("indi", "fd_squeeze"): log(-4, 20), ("cold_diffusion", "fd_squeeze"): log(-2, 20 + gap)}
    verdict = judged("cold-behind/jpeg", evidence(jpeg=rows, jpeg_sets=between_sets(curves, half)))
    assert verdict.outcome == outcome
    distance = verdict.numbers[1]
    assert distance.value == pytest.approx(gap, abs=1e-2)
    # of wholly correlated points: as long as that of one difference, not shorter for their number
    assert distance.high - distance.value == pytest.approx(half * math.sqrt(2), rel=1e-6)


@pytest.mark.parametrize(
    ("slope", "spread", "outcome"),
    [(-0.1, 0, "reproduced"), (-3, 0, "not reproduced"), (-1, 0.5, "inconclusive")],
)
def test_cold_diffusion_is_the_steadiest(slope: float, spread: float, outcome: str) -> None:
    curves = {("indi", "psnr"): log(-1, 30), ("naive", "psnr"): log(-2, 30)}
    curves["cold_diffusion", "psnr"] = log(slope, 30)
    verdict = judged("cold-steadier/jpeg", evidence(jpeg=per_image(curves, spread=spread)))
    assert verdict.outcome == outcome
    assert "from 100 to 500 steps" in verdict.numbers[0].what


@pytest.mark.parametrize(
    ("slope", "half", "outcome"),
    [(-5, 0.1, "reproduced"), (5, 0.1, "not reproduced"), (-1, 20, "inconclusive")],
)
def test_it_generates(slope: float, half: float, outcome: str) -> None:
    sets = between_sets({("indi", "fd_squeeze"): log(slope, 50)}, half)
    noise = between_sets({("input", "fd_squeeze"): lambda n: 60.0 if slope < 0 else 40.0}, half, counts=(0,))
    given = evidence(generation_sets=pd.concat([sets, noise]))
    assert judged("generates", given).outcome == outcome


# --- rules that compare trainings -----------------------------------------------------------------


def of_p_t(biased: float, seeds: tuple[int, ...] = (0,), spread: float = 0.0) -> pd.DataFrame:
    parts: list[pd.DataFrame] = []
    for p_t in (*trainings.BIASED, *trainings.OTHERS):
        level = biased if p_t == "bias_t1" else 0.3
        for seed in seeds:
            rows = per_image({("indi", "lpips_alex"): log(-0.01, level)}, spread=spread, seed=len(parts))
            parts.append(rows.assign(p_t=p_t, seed=seed))
    return pd.concat(parts)


def test_time_bias() -> None:
    assert judged("time-bias", evidence(time_distribution=of_p_t(0.28))).outcome == "reproduced"
    open_question = judged("time-bias", evidence(time_distribution=of_p_t(0.3, spread=0.1)))
    assert open_question.outcome == "inconclusive"
    rows = of_p_t(0.3)
    rows.loc[rows["p_t"] == "bias_t0", "value"] -= 0.02
    verdict = judged("time-bias", evidence(time_distribution=rows))
    assert verdict.outcome == "not reproduced"
    assert len(verdict.numbers) == len(trainings.OTHERS)
    assert verdict.numbers[0].confidence == pytest.approx(1 - 0.05 / 9)


def test_time_bias_must_hold_in_every_training() -> None:
    rows = of_p_t(0.28, seeds=(0, 1))
    assert judged("time-bias", evidence(time_distribution=rows)).outcome == "reproduced"
    other = (rows["seed"] == 1) & (rows["p_t"] == "bias_t1")
    rows.loc[other, "value"] += 0.025  # still better on average
    verdict = judged("time-bias", evidence(time_distribution=rows))
    assert verdict.outcome == "inconclusive"
    assert "seed 1" in verdict.reason


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
@pytest.mark.parametrize("claim", ["noise-helps/jpeg", "noise-helps/super_resolution"])
def test_noise_helps(claim: str, gain: float, spread: float, outcome: str) -> None:
    rows = of_eps(gain, spread=spread)
    given = evidence(noise=rows, super_resolution_noise=rows[rows["schedule"] == "constant"])
    verdict = judged(claim, given)
    assert verdict.outcome == outcome
    assert len(verdict.numbers) == 1  # one per eps > 0, of a grid of 5 step counts
    assert verdict.numbers[0].confidence == 1 - 0.05 / 5


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


@pytest.mark.parametrize(
    ("indi", "ddpm", "outcome"),
    [
        (log(-0.05, 0.30), log(-0.05, 0.35), "reproduced"),  # one decade ahead
        (log(-0.05, 0.35), log(-0.05, 0.30), "not reproduced"),  # one decade behind
        (log(-0.05, 0.35), log(-0.05, 0.35), "inconclusive"),  # side by side
        (log(0.05, 0.55), log(0.05, 0.60), "inconclusive"),  # neither is better than the input
    ],
)
def test_fewer_steps_than_ddpm(indi: Curve, ddpm: Curve, outcome: str) -> None:
    rows = [
        per_image({("indi", "lpips_alex"): indi}).assign(schedule="none"),
        per_image({("ddpm", "lpips_alex"): ddpm}, seed=1).assign(schedule="cosine"),
        per_image({("ddpm", "lpips_alex"): lambda n: 0.7}, seed=2).assign(schedule="linear"),
        per_image({("input", "lpips_alex"): lambda n: 0.5}, (0,), seed=3).assign(schedule="none"),
    ]
    verdict = judged("fewer-steps", evidence(conditional_ddpm=pd.concat(rows)))
    assert verdict.outcome == outcome
    assert verdict.numbers[-1].n == 40
    alone = judged("fewer-steps", evidence(conditional_ddpm=rows[0]))
    assert alone.outcome == "not tested"


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


def test_distances_between_sets_are_compared_as_independent() -> None:
    sets = between_sets({("indi", "fid"): log(-1, 10)}, half=0.3)
    number = Measured(pd.DataFrame(columns=["metric", "sampler", "steps", "image", "value"]), sets).compare(
        "fid", ("indi", 10), ("indi", 1)
    )
    assert number.value == pytest.approx(-1)
    assert number.high - number.value == pytest.approx(0.3 * math.sqrt(2), rel=1e-6)


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


# --- what is drawn and shown of it ----------------------------------------------------------------


def test_the_page_shows_every_claim(stored: Path) -> None:
    entries = claims.judge("smoke")
    page = ledger.overview(entries) + ledger.details(entries, "smoke")
    linked = set(re.findall('href="#([^"]+)"', page))
    assert linked == set(re.findall('id="([^"]+)"', page))
    assert len(linked) == len(CLAIMS)
    for claim in CLAIMS:
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


def test_variance_of_the_lost_coordinate() -> None:
    figure, rows = analyses.lost_coordinate((0.0, 0.06), (1, 10, 100, 1000))
    plt.close(figure)
    found = rows.set_index(["eps", "steps"])["variance"]
    # what chapter 2 derives: without noise every N returns E[x | y]
    np.testing.assert_allclose(found[0.0], 0.25, atol=1e-9)
    np.testing.assert_allclose(found[0.06], [0.25, 0.44, 0.91, 0.99], atol=5e-3)
