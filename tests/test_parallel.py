"""Many processes train what one does, and where the model of their cost is exact."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from indi import profiles, training
from indi.training import cost, recipes
from indi.training.recipes import Recipe

SMALL: dict[str, Any] = {"batch_size": 4, "crop": 16, "channels": 4, "precision": "32-true"}


def train_all(folder: Path, processes: int, steps: int) -> list[Recipe]:
    """The five tasks, one after the other, in `processes` processes with torchrun."""
    commands = [
        ["train", task, "--accelerator=cpu", f"--devices={processes}", f"-psteps={steps}"]
        + [f"-p{name}={value}" for name, value in SMALL.items()]
        for task in profiles.TASKS
    ]
    script = folder / "train.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        f"from indi.cli import main\nfor command in {commands!r}:\n    main(command, standalone_mode=False)\n"
    )
    torchrun = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    launched = subprocess.run(
        [sys.executable, "-m", *torchrun, str(script)],
        env={**os.environ, "INDI_RUNS": str(folder), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert launched.returncode == 0, launched.stderr[-2000:]
    return [recipes.recipe(task, "smoke", **SMALL, steps=steps) for task in profiles.TASKS]


def differences(
    recipe: Recipe, one: Path, many: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[float, float]:
    """The largest differences of losses, relative, and of weights, over the largest weight."""
    losses, weights = [], []
    for folder in (one, many):
        monkeypatch.setenv("INDI_RUNS", str(folder))
        losses.append(torch.tensor(training.load(recipe).log["loss"].to_numpy()))
        stored = load_file(training.run_folder(recipe) / "weights.safetensors")
        weights.append(torch.cat([stored[name].flatten().float() for name in sorted(stored)]))
    return (
        float(((losses[1] - losses[0]) / losses[0]).abs().max()),
        float((weights[1] - weights[0]).abs().max() / weights[0].abs().max()),
    )


@pytest.mark.parametrize(
    ("processes", "steps"),
    [(2, 3), pytest.param(2, 50, marks=pytest.mark.long), pytest.param(4, 50, marks=pytest.mark.long)],
)
def test_many_processes_train_what_one_does(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int, steps: int
) -> None:
    """Every task: crops, blurs, times and noise are drawn for the whole batch, whoever computes which part.

    The mean of gradients is summed in another order. That is rounding, which Adam amplifies where a gradient is
    near none: it takes a step of the full rate in whichever direction.
    """
    found = train_all(tmp_path / "one", 1, steps)
    train_all(tmp_path / "many", processes, steps)
    for recipe in found:
        loss, weight = differences(recipe, tmp_path / "one", tmp_path / "many", monkeypatch)
        print(f"{recipe.task}: {processes} processes, {steps} steps: loss {loss:.1e}, weights {weight:.1e}")
        assert loss < 1e-4
        assert weight < 1e-3


def test_one_gpu_is_its_own_speed_up() -> None:
    chosen = recipes.recipe("jpeg", "paper")
    planned = cost.cost(chosen)
    for cluster in cost.CLUSTERS:
        assert planned.efficiency(chosen, 1, 3e14, cluster) == 1


def test_gradients_that_travel_while_something_is_computed_are_not_waited_for() -> None:
    """On two devices each byte passes once: 100 MB at 1 GB/s take .1 s, of which two thirds of 1.2 s hide all."""
    parameters = 25_000_000
    last = cost.BUCKET / 1e9
    assert cost.waiting(parameters, 1.2, 2, 1e9) == pytest.approx(last)
    assert cost.waiting(parameters, 0.0, 2, 1e9) == pytest.approx(0.1)
    assert cost.waiting(parameters, 0.06, 2, 1e9) == pytest.approx(0.1 - 0.04)
    assert cost.waiting(parameters, 0.0, 4, 1e9) == pytest.approx(0.15)  # 2 (n - 1) / n = 1.5
    assert cost.waiting(parameters, 1.2, 1, 1e9) == 0


def test_a_batch_scales_until_its_share_is_as_short_as_what_is_not_shared() -> None:
    """With links that cost nothing only the update stays, so that the number can be worked out by hand."""
    chosen = recipes.recipe("jpeg", "paper")
    planned = cost.cost(chosen)
    free = cost.Cluster("free", 8, 1e30, 1e30, 3.35e12)
    computing = planned.flops / chosen.steps / 3e14
    updating = cost.UPDATE_BYTES * planned.parameters / free.memory
    # (c + u) / (c + n u) >= .95
    limit = ((computing + updating) / 0.95 - computing) / updating
    found = planned.scales_to(chosen, 3e14, free)
    assert found <= limit < 2 * found
