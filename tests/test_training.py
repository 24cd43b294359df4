"""Training: resumed runs are the uninterrupted ones, and damage is told in one line."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from indi import numerics, training
from indi.data import datasets
from indi.data.crops import TrainingCrops, torch_seed
from indi.data.images import from_uint8
from indi.errors import InDIError
from indi.method.process import interpolate, randn_like, time_distribution
from indi.records import results
from indi.training import checkpoints, loop, loss, recipes
from indi.training.recipes import Recipe

V = numerics.versions(numerics.OF_TRAINING)
SMALL: dict[str, Any] = {"steps": 6, "batch_size": 2, "crop": 16, "channels": 4}


def small(**changes: Any) -> Recipe:
    profile = changes.pop("profile", "smoke")
    return recipes.recipe("jpeg", profile, **{**SMALL, **changes})


def weights(recipe: Recipe) -> dict[str, torch.Tensor]:
    return load_file(training.run_folder(recipe) / "weights.safetensors")


def run(code: str, **environment: str) -> subprocess.Popen[bytes]:
    """A fresh interpreter with as many threads as this one."""
    source = f"import torch; torch.set_num_threads({torch.get_num_threads()})\n{code}"
    return subprocess.Popen([sys.executable, "-c", source], env={**os.environ, **environment})


def test_killed_training_resumes_to_the_same_weights(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = small(steps=60)
    folder = training.run_folder(recipe)
    process = run(
        "from indi import recipes, training\n"
        f"recipe = recipes.recipe('jpeg', 'smoke', **{ {**SMALL, 'steps': 60}!r})\n"
        "training.train(recipe, training.Execution(checkpoint_every=7))"
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("state-*.pt")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(folder.glob("state-*.pt"))
    assert not (folder / "done.json").exists(), "the process was to be killed before its end"

    resumed = training.train(recipe, training.Execution(checkpoint_every=7))
    resumed_weights = weights(recipe)
    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "uninterrupted"))
    whole = training.train(recipe, training.Execution(checkpoint_every=7))

    assert resumed.checkpoint == whole.checkpoint
    for name, expected in weights(recipe).items():
        assert torch.equal(resumed_weights[name], expected), name
    np.testing.assert_array_equal(resumed.log["step"], whole.log["step"])
    np.testing.assert_array_equal(resumed.log["loss"], whole.log["loss"])


def test_the_images_are_loaded_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Mock(wraps=datasets.load)
    monkeypatch.setattr(datasets, "load", counted)
    training.train(small())
    counted.assert_called_once()


def test_micro_batches_add_up_to_the_batch(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = small(steps=2, precision="32-true")
    whole = training.train(recipe).log["loss"]
    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "parts"))
    parts = training.train(recipe, training.Execution(micro_batch=1)).log["loss"]
    np.testing.assert_allclose(parts, whole, rtol=1e-5)


def test_a_complete_run_is_not_trained_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = training.train(small())

    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(loop, "run", refuse)
    again = training.train(small())
    assert again.checkpoint == first.checkpoint
    with pytest.raises(AssertionError):
        training.train(small(seed=1))


@pytest.mark.parametrize("p", [1, 2])
def test_first_loss_is_that_of_the_identity(project: Path, p: int) -> None:
    """A zero last layer makes F(x_t, t) = x_t, so the first loss is |t (y - x) + t eps n|^p, worked out here."""
    recipe = small(zero_init=True, loss_p=p, precision="32-true", steps=1)
    crops = TrainingCrops(
        datasets.load("embedded", "train"), recipes.degradation_of(recipe), 16, 2, recipe.seed
    )
    x, y = (from_uint8(v) for v in crops[0] if v is not None)
    t = time_distribution(recipe.p_t).sample(2, torch.Generator().manual_seed(torch_seed(0, 0, 1)))
    noise = randn_like(x, torch.Generator().manual_seed(torch_seed(0, 0, 2)))
    error = t.view(-1, 1, 1, 1) * (y - x + recipe.eps * noise)
    expected = float(error.abs().pow(p).mean())
    assert training.train(recipe).log["loss"].iloc[0] == pytest.approx(expected, rel=1e-5)


def test_x_and_y_are_not_swapped_and_t_1_is_trained(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Faults of other re-implementations: x and y exchanged, t = 1 never seen, eps only while sampling."""
    seen: list[tuple[float, float, float, bool]] = []

    def watch(
        x: torch.Tensor, y: torch.Tensor, t: torch.Tensor, noise: Any, eps: float, schedule: str
    ) -> Any:
        # JPEG takes away the power of the finest details
        power = [float(v.diff(dim=-1).diff(dim=-2).square().mean()) for v in (x, y)]
        seen.extend((float(ti), power[0], power[1], noise is not None) for ti in t)
        return interpolate(x, y, t, noise, eps, schedule)

    monkeypatch.setattr(loss, "interpolate", watch)
    training.train(small(steps=40))
    times, clean, degraded, noisy = map(np.array, zip(*seen, strict=True))
    assert np.mean(times == 1) == pytest.approx(0.5, abs=0.2)  # linear_1.0: a half, 80 draws
    assert clean.mean() > degraded.mean()
    assert noisy.all()


def test_ema_warm_up() -> None:
    assert training.ema_decay(0, 0.9999) == pytest.approx(0.1)
    assert training.ema_decay(90, 0.9999) == pytest.approx(0.91)
    assert training.ema_decay(10**7, 0.9999) == 0.9999


def test_average_follows_its_recursion(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored weights are the average a <- d a + (1 - d) w, started at the first w."""
    path: list[torch.Tensor] = []
    step = torch.optim.Adam.step

    def watched(self: torch.optim.Adam, *arguments: Any, **options: Any) -> Any:
        result = step(self, *arguments, **options)
        path.append(self.param_groups[0]["params"][-1].detach().clone())
        return result

    monkeypatch.setattr(torch.optim.Adam, "step", watched)
    recipe = small()
    training.train(recipe)
    average = path[0]
    for k, w in enumerate(path[1:], 1):
        d = training.ema_decay(k, recipe.ema_decay)
        average = d * average + (1 - d) * w
    # half precision keeps 11 bits
    torch.testing.assert_close(weights(recipe)["conv_out.bias"].float(), average, rtol=2**-11, atol=1e-7)


def test_a_state_of_another_recipe_is_refused(project: Path) -> None:
    checkpoints.save_state(project, 1, {"recipe_hash": "a", "data": "d", "numerics": V, "step": 1})
    with pytest.raises(InDIError, match="belongs to recipe a, not b"):
        checkpoints.load_state(project, "b", "d", V)


def test_a_flipped_bit_in_a_state_is_seen(project: Path) -> None:
    for step in (1, 2):
        state = {"recipe_hash": "a", "data": "d", "numerics": V, "step": step, "w": torch.ones(100)}
        checkpoints.save_state(project, step, state)
    newest = project / "state-00000002.pt"
    content = bytearray(newest.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(len(content), size=25):
        flipped = content.copy()
        flipped[at] ^= 1 << int(rng.integers(8))
        newest.write_bytes(flipped)
        with pytest.warns(UserWarning, match=r"state-00000002\.pt is damaged"):
            found = checkpoints.load_state(project, "a", "d", V)
        assert found is not None
        assert found["step"] == 1


def test_a_state_of_other_numbers_starts_anew(project: Path) -> None:
    checkpoints.save_state(project, 1, {"recipe_hash": "a", "data": "d", "numerics": V, "step": 1})
    with pytest.warns(UserWarning, match="starts anew"):
        assert checkpoints.load_state(project, "a", "d", {**V, "training": 99}) is None
    assert not list(project.glob("state-*"))


class _Shout:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('code was executed')",)


def test_loading_executes_no_code(project: Path) -> None:
    project.mkdir(exist_ok=True)
    (project / "state-00000001.pt").write_bytes(pickle.dumps(_Shout(), protocol=2))
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(InDIError, match="no state"):
        checkpoints.load_state(project, "a", "d", V)


@pytest.mark.parametrize("damage", ["truncated", "other recipe", "absent"])
def test_bad_weights_are_refused_by_name(project: Path, damage: str) -> None:
    recipe = recipes.as_dict(small())
    path = project / "weights.safetensors"
    checkpoints.save_weights(path, {"w": torch.arange(3.0)}, recipe)
    assert torch.equal(checkpoints.load_weights(path, recipe)["w"], torch.arange(3.0))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-4])
    elif damage == "absent":
        path.unlink()
    else:
        recipe["eps"] = 0.5
    message = {"truncated": "damaged", "other recipe": r"eps = 0\.06, wanted 0\.5", "absent": "no weights at"}
    with pytest.raises(InDIError, match=message[damage]) as error:
        checkpoints.load_weights(path, recipe)
    assert "weights.safetensors" in str(error.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
@pytest.mark.parametrize("kind", ["state", "weights"])
def test_a_full_disk_loses_nothing(project: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    path = project / {"state": "state-00000002.pt", "weights": "weights.safetensors"}[kind]
    before = {"recipe_hash": "a", "data": "d", "numerics": V, "step": 1}
    checkpoints.save_state(project, 1, before)
    checkpoints.save_weights(project / "weights.safetensors", {"w": torch.zeros(3)}, {})
    # the temporary file that is about to be written lies on a full disk
    monkeypatch.setattr("indi.files._mark", lambda: "mark")
    path.with_name(f".{path.stem}.mark.partial{path.suffix}").symlink_to("/dev/full")
    writers: dict[str, Callable[[], object]] = {
        "state": lambda: checkpoints.save_state(project, 2, {**before, "step": 2}),
        "weights": lambda: checkpoints.save_weights(path, {"w": torch.ones(3)}, {}),
    }
    with pytest.raises(InDIError, match=f"no space left to write .*{path.name}"):
        writers[kind]()
    assert sorted(p.name for p in project.iterdir()) == ["state-00000001.pt", "weights.safetensors"]
    assert checkpoints.load_state(project, "a", "d", V) == before
    assert not checkpoints.load_weights(project / "weights.safetensors", {})["w"].any()


def test_more_devices_than_there_are_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    chosen = recipes.recipe("jpeg", "smoke")
    with pytest.raises(InDIError, match="10 devices were asked for, and 2 cores are here"):
        training.train(chosen, training.Execution(accelerator="cpu", devices=10))
    assert not (project / "runs").exists()


def test_divergence_stops_the_training(project: Path) -> None:
    with pytest.raises(InDIError, match="lower learning_rate"):
        training.train(small(learning_rate=1e9, steps=40))


@pytest.mark.parametrize("damage", ["flipped bit", "no weights"])
def test_weights_that_are_not_those_trained_are_refused(project: Path, damage: str) -> None:
    trained = training.train(small())
    path = trained.folder / "weights.safetensors"
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole) if damage == "flipped bit" else path.unlink()
    with pytest.raises(InDIError, match=r"weights\.safetensors is missing or not .* delete .* to train anew"):
        training.train(small())


def test_other_images_are_not_the_same_training(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training.train(small())
    other = dataclasses.replace(datasets.load("embedded", "train"), digests=("0",) * 5)
    monkeypatch.setattr(datasets, "load", lambda *_: other)
    with pytest.raises(InDIError, match="images of embedded have changed"):
        training.train(small())
    checkpoints.save_state(project / "run", 1, {"recipe_hash": "a", "data": "d", "numerics": V, "step": 1})
    with pytest.raises(InDIError, match="training images have changed"):
        checkpoints.load_state(project / "run", "a", other.hash, V)


def test_snapshots_are_the_trainings_of_fewer_steps(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small()
    short = dataclasses.replace(recipe, steps=2)
    halfway = training.train(recipe, training.Execution(until=4, snapshots=(2,)))
    assert halfway.recipe.steps == 4
    assert not (training.run_folder(recipe) / "done.json").exists()
    whole = training.train(recipe)
    assert whole.log["step"].tolist() == list(range(1, 7))
    snapshots = {steps: training.load(dataclasses.replace(recipe, steps=steps)) for steps in (2, 4)}
    assert snapshots[2].log["step"].tolist() == [1, 2]

    monkeypatch.setenv("INDI_RUNS", str(project / "others"))
    for alone, kept in ((training.train(short), snapshots[2]), (training.train(recipe), whole)):
        assert alone.folder != kept.folder
        for name, weight in load_file(alone.folder / "weights.safetensors").items():
            assert torch.equal(weight, load_file(kept.folder / "weights.safetensors")[name]), name


def test_what_older_code_trained_is_stale_and_trained_anew(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small(profile="laptop", data="embedded")
    folder = training.train(recipe).folder
    record = json.loads((folder / "done.json").read_text())
    (folder / "done.json").write_text(json.dumps({**record, "numerics": {"training": 0}}))
    trained = training.train(recipe)
    assert trained.stale
    results.save("rows", pd.DataFrame({"a": [1]}), "laptop", notebook="none", trained=[trained])
    assert results.load("rows", "laptop").changes == ("training of a training",)
    assert results.load("rows", "laptop").trained_on == ("embedded",)
    monkeypatch.setenv("INDI_RETRAIN", "1")
    assert not training.train(recipe).stale


def test_a_damaged_record_is_named(project: Path) -> None:
    recipe = small()
    folder = training.train(recipe).folder
    for damaged in ('{"seconds":', "{}", "[]"):
        (folder / "done.json").write_text(damaged)
        with pytest.raises(InDIError, match="damaged record"):
            training.train(recipe)


def test_the_record_says_what_was_trained(project: Path) -> None:
    recipe = small()
    trained = training.train(recipe)
    record = json.loads((trained.folder / "done.json").read_text())
    assert record["recipe"] == recipes.as_dict(recipe)
    assert (
        record["checkpoint"]
        == trained.checkpoint
        == checkpoints.sha256(trained.folder / "weights.safetensors")
    )
    assert not trained.stale
    assert not list(trained.folder.glob("state-*"))
    assert trained.log["step"].tolist() == list(range(1, 7))


def test_where_a_private_folder_lies_is_told_nowhere(project: Path) -> None:
    """Not in the record, the weights' header, the log or a table; two folders of one name stay two trainings."""
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    trained = []
    for place in ("a private place", "another"):
        own = project / place / "mine"
        for kind in ("input", "target"):
            (own / kind).mkdir(parents=True)
            for name in "abc":
                picture.save(own / kind / f"{name}.png")
        trained.append(training.train(small(data=f"folder:{own}", degradation=None, degradation_options=())))
    assert trained[0].folder != trained[1].folder
    results.save("mine", pd.DataFrame({"x": [1]}), "smoke", notebook="04_jpeg", trained=trained)
    told = [
        p
        for p in project.rglob("*")
        if p.is_file() and p.suffix in (".json", ".jsonl", ".safetensors", ".csv")
    ]
    assert len(told) >= 8
    for path in told:
        content = path.read_bytes()
        assert b"private place" not in content, path
        assert str(project).encode() not in content, path
    record = results.load("mine", "smoke").provenance["trainings"][0]
    assert record["recipe"]["data"] == "folder:mine"
    assert record["data"] == datasets.load(trained[0].recipe.data, "train").hash
    assert training.load(trained[0].recipe).checkpoint == trained[0].checkpoint
