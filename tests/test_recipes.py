"""Recipes hold Table 2, and their hash names them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from indi import numerics
from indi.errors import InDIError
from indi.evaluation import protocols
from indi.training import recipes

# Table 2, Appendix B
COLUMNS = ("channels", "multipliers", "eps", "p_t", "batch_size", "crop")
TABLE_2: dict[str, tuple[Any, ...]] = {
    "motion": (64, (1, 2, 3, 4), 0.0, "bias_t1", 256, 128),
    "defocus": (64, (1, 2, 4, 4), 0.0, "linear_0.5", 1024, 128),
    "jpeg": (64, (1, 2, 4, 4), 0.06, "linear_1.0", 1024, 128),
    "super_resolution": (96, (1, 2, 3, 4), 0.015, "bias_t1", 256, 256),
}


@pytest.mark.parametrize("task", TABLE_2)
def test_table_2(task: str) -> None:
    paper = recipes.recipe(task, "paper")
    for name, value in zip(COLUMNS, TABLE_2[task], strict=True):
        assert getattr(paper, name) == value, name
    assert (paper.steps, paper.learning_rate, paper.ema_decay, paper.loss_p) == (500_000, 1e-4, 0.9999, 1)


@pytest.mark.parametrize("profile", recipes.PROFILES)
@pytest.mark.parametrize("task", TABLE_2)
def test_profiles_keep_the_method(task: str, profile: str) -> None:
    scaled, paper = recipes.recipe(task, profile), recipes.recipe(task, "paper")
    for name in ("multipliers", "eps", "p_t", "schedule", "loss_p", "ema_decay"):
        assert getattr(scaled, name) == getattr(paper, name), name
    assert scaled.profile == profile
    assert protocols.evaluation(task, profile).step_counts[0] == 1


def test_every_field_changes_the_hash() -> None:
    base = recipes.recipe("jpeg", "smoke")
    changed: dict[str, Any] = {
        "task": "motion", "profile": "laptop", "data": "x", "channels": 12, "multipliers": (1, 2), "eps": 0.1,
        "p_t": "linear_0", "batch_size": 3, "crop": 8, "steps": 7, "learning_rate": 0.5, "degradation": None,
        "degradation_options": (("quality", 16),), "schedule": "brownian", "loss_p": 2, "ema_decay": 0.5,
        "precision": "32-true", "seed": 9, "output": "direct", "time_scale": 1.0, "zero_init": not base.zero_init,
        "upsample": "bilinear", "method": "cddpm",
    }  # fmt: skip
    if base.output == "direct":
        changed["output"] = "residual"
    assert set(changed) == {f.name for f in dataclasses.fields(recipes.Recipe)}
    hashes = {recipes.recipe_hash(dataclasses.replace(base, **{k: v})) for k, v in changed.items()}
    assert len(hashes | {recipes.recipe_hash(base)}) == len(changed) + 1
    assert recipes.recipe_hash(dataclasses.replace(base)) == recipes.recipe_hash(base)


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (("jpgg", "smoke"), {}, r"unknown task 'jpgg'\. Did you mean 'jpeg'\?"),
        (("jpeg", "labtop"), {}, "Did you mean 'laptop'"),
        (("jpeg", "smoke"), {"step": 3}, r"unknown recipe field 'step'\. Did you mean 'steps'"),
        (("jpeg", "smoke"), {"schedule": "brown"}, "Did you mean 'brownian'"),
        (("jpeg", "smoke"), {"p_t": "bias"}, "unknown time distribution 'bias'"),
        (("jpeg", "smoke"), {"loss_p": 3}, "loss_p is 1"),
        (("jpeg", "smoke"), {"steps": 0}, "steps must be positive"),
        (("jpeg", "smoke"), {"precision": "fp16"}, "unknown precision"),
        (("jpeg", "smoke"), {"output": "residue"}, "Did you mean 'residual'"),
        (("jpeg", "smoke"), {"method": "ddpm"}, "Did you mean 'cddpm'"),
        (("jpeg", "smoke"), {"eps": -1.0}, "eps >= 0"),
        (("jpeg", "smoke"), {"eps": float("nan")}, "eps must be a finite number"),
        (("jpeg", "smoke"), {"learning_rate": float("inf")}, "learning_rate must be a finite number"),
        (("jpeg", "smoke"), {"steps": "abc"}, "steps must be a whole number, not 'abc'"),
        (("jpeg", "smoke"), {"steps": True}, "steps must be a whole number"),
        (("jpeg", "smoke"), {"channels": 8.5}, "channels must be a whole number"),
        (("jpeg", "smoke"), {"channels": 7}, "channels must be even"),
        (("jpeg", "smoke"), {"channels": 2}, "at least 4"),
        (("jpeg", "smoke"), {"multipliers": 3}, "multipliers must be a list of whole numbers"),
        (("jpeg", "smoke"), {"multipliers": (1, 2.5)}, "multipliers must be a whole number, not 2.5"),
        (("jpeg", "smoke"), {"multipliers": (1, 0)}, "multipliers must be positive"),
        (("jpeg", "smoke"), {"multipliers": ()}, "multipliers must be positive"),
        (("jpeg", "smoke"), {"seed": None}, "seed must be a whole number"),
        (("jpeg", "smoke"), {"seed": -1}, "seed must not be negative"),
        (("jpeg", "smoke"), {"seed": 2**64}, "seed must be a whole number"),
        (("jpeg", "smoke"), {"zero_init": 1}, "zero_init must be True or False"),
        (("jpeg", "smoke"), {"data": 3}, "data must be text"),
        (("jpeg", "smoke"), {"degradation": 3}, "degradation must be text or None"),
        (("jpeg", "smoke"), {"degradation_options": 3}, "degradation_options must be options by name"),
        (("jpeg", "smoke"), {"task": "motion"}, "task chooses the recipe"),
        (("jpeg", "smoke"), {"profile": "gpu"}, "profile chooses the recipe"),
    ],
)
def test_bad_names_and_values(arguments: tuple[str, str], changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InDIError, match=message):
        recipes.recipe(*arguments, **changes)


def test_one_value_has_one_hash() -> None:
    loose = recipes.recipe(
        "jpeg", "smoke", steps=1e3, eps=0, multipliers=[1, 2], degradation_options={"quality": 20}
    )
    strict = recipes.recipe(
        "jpeg", "smoke", steps=1000, eps=0.0, multipliers=(1, 2), degradation_options=(("quality", 20),)
    )
    assert loose == strict
    assert recipes.recipe_hash(loose) == recipes.recipe_hash(strict)


def test_hashes_of_the_paper_stay() -> None:
    """They name folders of trainings: a change here orphans all that are there."""
    assert {task: recipes.recipe_hash(recipes.recipe(task, "paper")) for task in recipes.TASKS} == {
        "motion": "1a8eef0b58f69a80",
        "defocus": "e3c53806375f87d8",
        "jpeg": "68821caf757a5e1b",
        "super_resolution": "8a8c87bab7f33a6a",
        "generation": "ddccf021b787fee8",
    }


def test_evaluation_changes() -> None:
    assert protocols.evaluation("jpeg", "smoke", crop=64).crop == 64
    with pytest.raises(InDIError, match="Did you mean 'step_counts'"):
        protocols.evaluation("jpeg", "smoke", step_count=(1,))


@pytest.mark.parametrize("profile", recipes.PROFILES)
def test_generation_is_evaluated_at_a_side(profile: str) -> None:
    """Samples have no size of their own: a crop of 0, whole images, would say none."""
    assert protocols.evaluation("generation", profile).crop > 0
    assert protocols.evaluation("generation", "paper").crop == recipes.PAPER["generation"].crop


def test_the_version_of_the_training_names_the_recipe_from_two_on(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipes.recipe("jpeg", "laptop")
    monkeypatch.setitem(numerics.NUMERICS, "training", 1)
    assert recipes.recipe_hash(recipe) == "1ad23375136e49ee"  # of the first published results
    monkeypatch.setitem(numerics.NUMERICS, "training", 2)
    assert recipes.recipe_hash(recipe) != "1ad23375136e49ee"
