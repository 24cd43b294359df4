"""Models that come with the project: found instead of training, told what they are, and used on a photograph."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from indi import paths, profiles, training
from indi.cli import main
from indi.data import datasets, degradations
from indi.data.images import from_arrays, read_image, to_arrays, to_uint8, write_image
from indi.errors import InDIError
from indi.evaluation import summary
from indi.figures import interval
from indi.method import samplers
from indi.method.process import randn_like
from indi.models import ship as shipping
from indi.models.restore import restore
from indi.records import provenance, results
from indi.training import Trained, checkpoints, loop, recipes
from indi.training.recipes import Recipe

SMALL: dict[str, Any] = {
    "steps": 2,
    "batch_size": 1,
    "crop": 16,
    "channels": 8,
    "data": "embedded",
    "learning_rate": 1e-2,  # so that F is not the identity it starts as
}
RNG = np.random.default_rng(0)


def small(task: str = "jpeg", **changes: Any) -> Recipe:
    return recipes.recipe(task, "laptop", **{**SMALL, **changes})


def laptop_is_small(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """For what takes the profile's own recipe."""
    budget = {name: value for name, value in {**SMALL, **changes}.items() if name != "data"}
    small = replace(profiles.PROFILES["laptop"], train="embedded", generation="embedded", recipe=budget)
    monkeypatch.setitem(profiles.PROFILES, "laptop", small)


def shipped_alone(recipe: Recipe) -> Trained:
    """Train, ship, and delete the run; returns what was trained."""
    trained = training.train(recipe)
    shipping.ship(recipe)
    shutil.rmtree(paths.runs())
    return trained


def refuse_to_train(*_: object) -> None:
    raise AssertionError("trained again")


def python_in(card: str) -> str:
    return card.split("```python\n")[1].split("```")[0]


def picture(path: Path, height: int = 21, width: int = 26) -> Path:
    write_image(path, RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))
    return path


def test_a_shipped_model_is_the_one_that_was_trained(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small()
    trained = shipped_alone(recipe)
    monkeypatch.setattr(loop, "run", refuse_to_train)
    shipped = training.train(recipe)
    assert not paths.runs().exists()
    folder = project / "results" / "laptop" / "models" / training.run_folder(recipe).name
    assert shipped.folder == folder
    assert {p.name for p in folder.iterdir()} == {
        "README.md",
        "done.json",
        "log.jsonl",
        "weights.safetensors",
    }
    assert (shipped.checkpoint, shipped.data) == (trained.checkpoint, trained.data)
    x, t = torch.randn(2, 3, 16, 24), torch.tensor([1.0, 0.3])
    assert torch.equal(shipped.F(x, t), trained.F(x, t))
    assert not torch.equal(shipped.F(x, t), x)
    pd.testing.assert_frame_equal(shipped.log, trained.log)
    assert not shipped.stale


def test_a_complete_run_comes_before_the_shipped_model(project: Path) -> None:
    recipe = small()
    folder = training.train(recipe).folder
    shipping.ship(recipe)
    assert training.load(recipe).folder == folder
    (folder / "done.json").unlink()  # as if the run had been interrupted
    assert training.load(recipe).folder == training.shipped_folder(recipe)


def test_retrain_sets_the_shipped_model_aside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small()
    shipped_alone(recipe)
    monkeypatch.setenv("INDI_RETRAIN", "1")
    with pytest.raises(InDIError, match="INDI_RETRAIN=1 sets shipped models aside"):
        training.load(recipe)
    assert training.train(recipe).folder == training.run_folder(recipe)
    monkeypatch.setattr(loop, "run", refuse_to_train)
    training.train(recipe)  # once is enough


def test_a_shipped_model_needs_no_training_images(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small()
    shipped_alone(recipe)

    def absent(*_: object) -> None:
        raise AssertionError("the images were asked for")

    monkeypatch.setattr(datasets, "load", absent)
    assert training.train(recipe).folder == training.shipped_folder(recipe)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("flipped bit", "weights.safetensors is missing or not the file that the training wrote"),
        ("weights.safetensors", "weights.safetensors is missing"),
        ("done.json", "is not whole .*done.json is missing"),
        ("log.jsonl", "is not whole .*log.jsonl is missing"),
        ("cut record", "damaged record"),
    ],
)
def test_a_damaged_shipped_model_is_not_trained_over(
    project: Path, monkeypatch: pytest.MonkeyPatch, damage: str, message: str
) -> None:
    recipe = small()
    shipped_alone(recipe)
    monkeypatch.setattr(loop, "run", refuse_to_train)
    folder = training.shipped_folder(recipe)
    weights = folder / "weights.safetensors"
    if damage == "flipped bit":
        whole = bytearray(weights.read_bytes())
        whole[-1] ^= 1
        weights.write_bytes(whole)
    elif damage == "cut record":
        (folder / "done.json").write_text('{"seconds":')
    else:
        (folder / damage).unlink()
    with pytest.raises(InDIError, match=message) as error:
        training.train(recipe)
    assert f"restore it (git restore {folder}), or train anew with INDI_RETRAIN=1" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_not_finished_or_stale_is_not_shipped(project: Path) -> None:
    recipe = small()
    with pytest.raises(InDIError, match=r"is not trained.*it differs from the profile's recipe in .*crop"):
        shipping.ship(recipe)
    with pytest.raises(InDIError, match="train it with indi train jpeg --profile laptop"):
        shipping.ship(recipes.recipe("jpeg", "laptop"))
    folder = training.train(recipe).folder
    record = json.loads((folder / "done.json").read_text())
    (folder / "done.json").write_text(json.dumps({**record, "numerics": {"training": 0}}))
    with pytest.raises(InDIError, match="older code"):
        shipping.ship(recipe)
    (folder / "done.json").write_text(json.dumps({**record, "note": str(project / "secret")}))
    with pytest.raises(InDIError, match="names folders of this machine"):
        shipping.ship(recipe)
    with pytest.raises(InDIError, match="terms are not known"):
        shipping.ship(small(data=f"folder:{project}"))
    assert not training.shipped_folder(recipe).exists()


def test_the_card_says_what_is_in_the_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop_is_small(monkeypatch, steps=30)
    recipe = recipes.recipe("jpeg", "laptop")
    trained = training.train(recipe)
    card = (shipping.ship(recipe) / "README.md").read_text()
    assert checkpoints.sha256(training.shipped_folder(recipe) / "weights.safetensors") in card
    count = sum(v.numel() for v in recipes.network_of(recipe).state_dict().values())
    assert f"{count:,} parameters" in card
    assert datasets.SOURCES["embedded"].licence in card
    assert f"Loss at the end: {trained.log['loss'][-3:].mean():.4f}" in card
    assert "over steps 28 to 30" in card
    assert recipes.recipe_hash(recipe) in card
    assert "no GPU" in card or torch.cuda.is_available()
    assert "Not measured: the tables" in card
    assert not provenance.local_paths_in(card)

    rows = pd.DataFrame(
        [
            (f"image {i}", sampler, steps, metric, base[metric] + 0.1 * i)
            for i in range(12)
            for sampler, steps in (("input", 0), ("indi", 1), ("indi", 5), ("indi", 20), ("naive", 20))
            for base in [{"psnr": 25.0 + steps, "ssim": 0.7, "lpips_alex": 0.2 + steps / 100}]
            for metric in base
        ],
        columns=["image", "sampler", "steps", "metric", "value"],
    )
    results.save("jpeg", rows, "laptop", notebook="04_jpeg", trained=[trained])
    shutil.rmtree(paths.runs())
    card = (shipping.ship(recipe) / "README.md").read_text()  # from the shipped files: only the card is new
    means = summary(results.load("jpeg", "laptop").rows).set_index(["sampler", "steps", "metric"])
    for steps in (1, 20):
        cells = [
            interval(means.loc["indi", steps, name][["mean", "low", "high"]], name)
            for name in ("psnr", "lpips_alex")
        ]
        assert f"| InDI, N = {steps} | {cells[0]} | {cells[1]} | 12 |" in card
    assert "| input y | 25.55 [" in card
    assert "N = 5 " not in card
    assert "SSIM" not in card
    assert "Images of `bsds500`" in card

    results.save("jpeg", rows, "laptop", notebook="04_jpeg")  # of some other training
    assert "rest on other weights" in (shipping.ship(recipe) / "README.md").read_text()


def test_the_card_of_a_generator(project: Path) -> None:
    recipe = small("generation")
    trained = training.train(recipe)
    columns = ["sampler", "steps", "metric", "value", "low", "high", "images", "patches"]
    sets = [
        ("input", 0, "fid", 400.0, 390.0, 410.0, 200, 200),
        ("indi", 1, "fid", 300.0, 290.0, 310.0, 200, 200),
        ("indi", 100, "fid", 150.0, 140.0, 160.0, 200, 200),
        ("naive", 100, "fid", 350.0, 340.0, 360.0, 200, 200),
    ]
    rows = pd.DataFrame(sets, columns=columns)
    results.save("generation_sets", rows, "laptop", notebook="08_generation", trained=[trained])
    card = (shipping.ship(recipe) / "README.md").read_text()
    assert "| pure noise | 400.0 [390.0,\u00a0410.0] | 200 |" in card
    assert "| InDI, N = 100 | 150.0 [140.0,\u00a0160.0] | 200 |" in card
    assert "identify" in card
    assert "indi restore" not in card
    names: dict[str, Any] = {}
    exec(python_in(card), names)
    assert names["x"].shape == (4, 3, 64, 64)


@pytest.mark.parametrize("task", ["jpeg", "super_resolution"])
def test_the_lines_on_the_card_run(project: Path, monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    recipe = small(task)
    training.train(recipe)
    card = (shipping.ship(recipe) / "README.md").read_text()
    monkeypatch.chdir(project)
    picture(project / "degraded.png")
    names: dict[str, Any] = {}
    exec(python_in(card), names)
    done = restore(recipe, project / "degraded.png", project / "restored.png", accelerator="cpu")
    (expected,) = to_arrays(names["x"])
    assert expected.shape == (done.height, done.width, 3)
    np.testing.assert_allclose(read_image(done.path).astype(int), expected.astype(int), atol=1)


def test_the_terms_of_the_images_bind_the_weights(project: Path) -> None:
    from indi.models import card as model_card

    recipe = recipes.recipe("jpeg", "laptop", data="bsds500+photos")
    assert "`bsds500` and `photos` allow non-commercial research only" in model_card._terms(recipe)


@pytest.mark.parametrize("task", ["motion", "jpeg"])  # without and with a perturbation
def test_one_step_is_F_of_the_picture(project: Path, task: str) -> None:
    recipe = small(task)
    shipped_alone(recipe)
    source, output = picture(project / "y.png"), project / "out" / "x.png"
    done = restore(recipe, source, output, steps=1, seed=3, accelerator="cpu")
    assert (done.path, done.height, done.width) == (output, 21, 26)
    y = from_arrays([read_image(source)])
    y = (y + recipe.eps * randn_like(y, torch.Generator().manual_seed(3))) if recipe.eps else y
    x = training.load(recipe).F(y.contiguous(memory_format=torch.channels_last), torch.ones(1))
    expected = ((x[0].clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    found = np.asarray(Image.open(output))
    np.testing.assert_array_equal(found, expected)
    assert (found != read_image(source)).any()


def test_our_sampler_restores_by_its_name(project: Path) -> None:
    recipe = small("jpeg")
    shipped_alone(recipe)
    source = picture(project / "y.png")
    done = restore(recipe, source, project / "x.png", steps=4, method="anchored", seed=3, accelerator="cpu")
    F, generator = training.load(recipe).F, torch.Generator().manual_seed(3)
    y = from_arrays([read_image(source)])
    times = [1, 0.75**0.75, 0.5**0.75, 0.25**0.75, 0]  # four steps, short near t = 1
    (expected,) = to_arrays(samplers.family(0.8)(F, y, times, recipe.eps, recipe.schedule, generator))
    np.testing.assert_allclose(read_image(done.path).astype(int), expected.astype(int), atol=1)


def test_small_pictures_are_enlarged_as_in_training(project: Path) -> None:
    recipe = small("super_resolution")
    shipped_alone(recipe)
    source = picture(project / "y.png", 6, 9)
    y = from_arrays([read_image(source)])
    done = restore(recipe, source, project / "x.png", steps=2)
    assert (done.height, done.width) == (24, 36)
    large = project / "large.png"
    write_image(large, to_arrays(degradations.upscale(y, 4))[0])
    assert restore(recipe, large, project / "again.png", steps=2, enlarged=True).height == 24
    once, again = (to_uint8(from_arrays([read_image(project / n)])) for n in ("x.png", "again.png"))
    assert (once.int() - again.int()).abs().max() <= 3  # the enlarged file was rounded to 8 bits


def test_restore_from_the_command_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop_is_small(monkeypatch)
    source = picture(project / "y.png")
    before = source.read_bytes()
    output = project / "x.png"

    def indi(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == (0 if not result.stderr else 1), result.output
        assert result.output.count("\n") == 1
        return result.output

    line = indi("restore", "jpeg", str(source), "-o", str(output))
    assert "train it with indi train jpeg --profile laptop" in line
    CliRunner().invoke(main, ("train", "jpeg", "--profile", "laptop"))
    assert indi("ship", "jpeg") == f"{training.shipped_folder(recipes.recipe('jpeg', 'laptop'))}\n"
    shutil.rmtree(paths.runs())
    line = indi("restore", "jpeg", str(source), "-o", str(output), "--steps", "3")
    assert line.startswith(f"{output}: jpeg (laptop), indi, steps 3, 26x21 pixels, ")
    ours = project / "ours.png"
    line = indi("restore", "jpeg", str(source), "-o", str(ours), "--steps", "3", "--sampler", "anchored")
    assert line.startswith(f"{ours}: jpeg (laptop), anchored, steps 3, 26x21 pixels, ")
    output.unlink()

    link = project / "link.png"
    link.hardlink_to(source)
    for same in (source, project / "." / "y.png", link):
        assert "not overwritten" in indi("restore", "jpeg", str(source), "-o", str(same))
    assert source.read_bytes() == before
    assert "Choices: motion, defocus, jpeg" in indi("restore", "generation", str(source), "-o", str(output))
    assert "end the name in .png" in indi("restore", "jpeg", str(source), "-o", str(project / "x.jpg"))
    assert "Did you mean 'naive'?" in indi(
        "restore", "jpeg", str(source), "-o", str(output), "--sampler", "naiv"
    )
    assert "no such file" in indi("restore", "jpeg", str(project / "none.png"), "-o", str(output))
    assert not output.exists()


def test_too_little_memory_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small()
    shipped_alone(recipe)

    def full(*_: object) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    source, output = picture(project / "y.png"), project / "x.png"
    monkeypatch.setattr(torch.nn.Conv2d, "forward", full)
    with pytest.raises(InDIError, match=r"y\.png: too little memory on cpu"):
        restore(recipe, source, output, accelerator="cpu")
    assert not output.exists()
