"""A sweep trains each variant once, evaluates all alike, and says in columns what was varied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indi import training
from indi.errors import InDIError
from indi.evaluation import experiment
from indi.evaluation.protocols import Evaluation
from indi.records import results
from indi.training import loop, recipes

TINY: dict[str, Any] = {"steps": 2, "batch_size": 2, "crop": 16, "channels": 4, "precision": "32-true"}
SETTINGS = Evaluation("embedded", 32, 2, (1, 2))


def sweep(over: Any, **options: Any) -> experiment.Sweep:
    given = {"notebook": "none", "name": "swept", "settings": SETTINGS, "metric_names": ("psnr",), **options}
    return experiment.sweep("jpeg", "smoke", over=over, **{"set_names": (), **TINY, **given})


def test_a_sweep_is_the_evaluations_of_its_variants(project: Path) -> None:
    found = sweep({"p_t": ("linear_0", "bias_t1"), "eps": (0.0, 0.06)}, seeds=(0, 1))
    assert found.varied == ("p_t", "eps", "seed")
    keys = ["p_t", "eps", "seed"]
    assert len(found.trained) == len(found.rows.groupby(keys)) == 8
    # by hand, one of them
    recipe = recipes.recipe("jpeg", "smoke", p_t="bias_t1", eps=0.06, seed=1, **TINY)
    alone = experiment.run(
        "jpeg", "smoke", notebook="none", name="alone", recipe=recipe, settings=SETTINGS,
        samplers=("indi",), metric_names=("psnr",), set_names=(),
    )  # fmt: skip
    mine = found.rows.query("p_t == 'bias_t1' and eps == 0.06 and seed == 1")
    pd.testing.assert_frame_equal(mine[alone.rows.columns].reset_index(drop=True), alone.rows)
    assert set(found.log.columns) >= {*keys, "step", "loss"}

    stored = results.load("swept", "smoke")
    assert list(stored.rows.columns) == list(found.rows.columns)
    np.testing.assert_allclose(stored.rows["value"], found.rows["value"], rtol=1e-8)
    assert [t["recipe"]["seed"] for t in stored.provenance["trainings"]] == [0, 1] * 4
    assert results.load("swept_sets", "smoke").rows.columns.to_list()[-3:] == keys


def test_variants_one_by_one_and_what_is_trained_is_found(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = training.train(recipes.recipe("jpeg", "smoke", **TINY))
    monkeypatch.setattr(loop, "run", None)  # nothing more is trained
    base = recipes.recipe("jpeg", "smoke", eps=0.5, **TINY)
    found = sweep([{"eps": 0.06}], recipe=base)
    assert [run.checkpoint for run in found.trained] == [trained.checkpoint]
    assert found.varied == ("eps", "seed")


@pytest.mark.parametrize(
    ("over", "options"),
    [({"p": (1,)}, {}), ({"p_t": ()}, {}), ({"eps": (0.0, -1.0)}, {}), ({"task": ("motion",)}, {}),
     ({"eps": (0.0,)}, {"seeds": ()})],
)  # fmt: skip
def test_a_mistake_is_found_before_anything_is_trained(
    project: Path, over: dict[str, Any], options: dict[str, Any]
) -> None:
    with pytest.raises(InDIError):
        sweep(over, **options)
    assert not (project / "runs").exists()
