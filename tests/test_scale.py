"""The table of all trainings: it grows, it outlasts weights, and it knows its trainings."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from indi import evaluation, numerics, paths, training
from indi.data import datasets
from indi.evaluation import scale
from indi.records import results
from indi.training import campaign, recipes
from indi.training.recipes import Recipe


@pytest.fixture
def few(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Trainings of two steps, on two images."""
    small = recipes.recipe("jpeg", "smoke", steps=2, batch_size=2, crop=16, channels=4, precision="32-true")
    found = [replace(small, seed=seed) for seed in (0, 1)]
    monkeypatch.setattr(scale, "trainings", lambda task, profile: found)
    settings = replace(scale.settings("jpeg", "smoke"), crop=32, images=2, step_counts=(1, 2))
    monkeypatch.setattr(scale, "settings", lambda task, profile: settings)
    return found


def test_rows_stay_where_weights_go(few: list[Recipe]) -> None:
    first = scale.evaluate("jpeg", "smoke")
    assert len(first) == 2 * 2 * (1 + 3 * 2)  # trainings, images, y and three samplers at two N
    shutil.rmtree(paths.runs())
    few.append(replace(few[0], seed=2))
    more = scale.evaluate("jpeg", "smoke")
    assert sorted(more["seed"].unique()) == [0, 1, 2]
    pd.testing.assert_frame_equal(more[more["seed"] < 2], first, rtol=1e-5, atol=1e-6)
    record = results.load("scale_jpeg", "smoke").provenance
    assert [training["recipe"]["seed"] for training in record["trainings"]] == [0, 1, 2]
    assert not (paths.runs() / f"jpeg-{recipes.recipe_hash(few[0])}").exists()  # not trained again


def test_rows_are_those_of_an_evaluation(few: list[Recipe]) -> None:
    rows = scale.tidy(scale.evaluate("jpeg", "smoke"))
    found = evaluation.evaluate(
        training.load(few[0]).F,
        datasets.load("embedded", "evaluate"),
        recipes.degradation_of(few[0]),
        scale.settings("jpeg", "smoke"),
        eps=few[0].eps,
        metric_names=("psnr",),
    )
    keys = ["image", "sampler", "steps", "metric"]
    ours = rows[(rows["seed"] == 0) & (rows["metric"] == "psnr")].set_index(keys)["value"]
    theirs = found.rows.set_index(keys)["value"]
    assert (ours.sort_index() - theirs.sort_index()).abs().max() < 1e-4


def test_rows_of_older_numbers_go(few: list[Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    scale.evaluate("jpeg", "smoke")
    monkeypatch.setitem(numerics.NUMERICS, "evaluation", 2)
    few.pop()
    assert list(scale.evaluate("jpeg", "smoke")["seed"].unique()) == [0]


def test_the_campaigns_snapshots_are_compared() -> None:
    found = {(one.channels, one.steps, one.seed) for one in scale.trainings("jpeg", "laptop")}
    for seed in campaign.SEEDS:
        assert {(16, steps, seed) for steps in (750, 1_500, 3_000)} <= found
    assert {(16, 12_000, 0), (8, 6_000, 0), (32, 6_000, 0)} <= found
    assert scale.trainings("jpeg", "paper") == []
