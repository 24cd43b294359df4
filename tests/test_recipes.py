"""Recipes hold Table 2, and their hash names them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from indi import numerics
from indi.errors import InDIError
from indi.evaluation import protocols
from indi.training import recipes
from indi.training.recipes import Recipe

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
        "upsample": "bilinear", "method": "cddpm", "turned": False,
    }  # fmt: skip
    if base.output == "direct":
        changed["output"] = "residual"
    assert set(changed) == {f.name for f in dataclasses.fields(recipes.Recipe)}
    hashes = {recipes.recipe_hash(dataclasses.replace(base, **{k: v})) for k, v in changed.items()}
    assert len(hashes | {recipes.recipe_hash(base)}) == len(changed) + 1
    assert recipes.recipe_hash(dataclasses.replace(base)) == recipes.recipe_hash(base)


BAD: dict[str, tuple[Any, ...]] = {
    "schedule": ("brown",), "p_t": ("bias",), "loss_p": (3, 1.5, True), "precision": ("fp16",),
    "output": ("residue",), "method": ("ddpm",), "upsample": ("cubic",), "zero_init": (1,),
    "eps": (-1.0, float("nan"), True, "0.1"), "learning_rate": (0, float("inf")), "ema_decay": (1.0,),
    "steps": (0, "abc", "7", True, 10.5), "channels": (7, 2, 8.5), "crop": (-8,),
    "multipliers": (3, (1, 2.5), (1, 0), ()), "seed": (None, -1, 2**64), "data": (3,), "degradation": (3,),
    "degradation_options": (3,),
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [(field, v) for field, values in BAD.items() for v in values])
def test_a_bad_value_is_one_line_with_field_and_value(field: str, value: Any) -> None:
    with pytest.raises(InDIError) as refused:
        recipes.recipe("jpeg", "smoke", **{field: value})
    said = str(refused.value)
    assert "\n" not in said
    assert {"p_t": "time distribution", "schedule": "schedule"}.get(field, field) in said
    assert repr(value) in said or "item" in said
    for choice in {"output": ("velocity", "residual", "direct"), "method": ("indi", "cddpm", "cddpm_v")}.get(
        field, ()
    ):
        assert choice in said


def test_bad_names() -> None:
    for arguments in (("jpgg", "smoke"), ("jpeg", "labtop")):
        with pytest.raises(InDIError, match="Did you mean"):
            recipes.recipe(*arguments)
    with pytest.raises(InDIError, match="Did you mean 'steps'"):
        recipes.recipe("jpeg", "smoke", step=3)
    for name in ("task", "profile"):  # they choose the recipe
        with pytest.raises(InDIError, match=name):
            recipes.recipe("jpeg", "smoke", **{name: "motion"})


def test_one_value_has_one_hash() -> None:
    loose = recipes.recipe(
        "jpeg", "smoke", steps=1e3, eps=0, loss_p=1.0, multipliers=[1, 2], degradation_options={"quality": 20}
    )
    strict = recipes.recipe(
        "jpeg",
        "smoke",
        steps=1000,
        eps=0.0,
        loss_p=1,
        multipliers=(1, 2),
        degradation_options=(("quality", 20),),
    )
    assert loose == strict
    assert recipes.recipe_hash(loose) == recipes.recipe_hash(strict)
    assert Recipe(**recipes.as_dict(strict)) == strict  # JSON has no tuples


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
    recipe = recipes.recipe("jpeg", "laptop", data="bsds500+photos", steps=3_000)
    monkeypatch.setitem(numerics.NUMERICS, "training", 1)
    assert recipes.recipe_hash(recipe) == "1ad23375136e49ee"  # of the first published results
    monkeypatch.setitem(numerics.NUMERICS, "training", 2)
    assert recipes.recipe_hash(recipe) != "1ad23375136e49ee"
