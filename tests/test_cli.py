"""The command line: what it prints, and that a mistake is one line."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from lightning_fabric.accelerators.mps import MPSAccelerator

from indi import claims, training
from indi.claims import robust
from indi.cli import main
from indi.data import datasets
from indi.data.images import write_image
from indi.errors import InDIError
from indi.training import recipes


def indi(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_recipe_show_prints_table_2() -> None:
    shown = json.loads(indi("recipe", "show", "super_resolution", "--profile", "paper", "--json").stdout)
    assert (shown["channels"], shown["multipliers"], shown["eps"]) == (96, [1, 2, 3, 4], 0.015)
    text = indi("recipe", "show", "jpeg", "--profile", "laptop").stdout
    assert "linear_1.0" in text
    assert "0.06" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("recipe", "show", "jpgg"), "unknown task 'jpgg'. Did you mean 'jpeg'?"),
        (("recipe", "show", "jpeg", "--profile", "labtop"), "Did you mean 'laptop'?"),
        (("plan", "--profile", "x"), "unknown profile 'x'"),
        (("train", "jpeg", "-p", "stepz=3"), "Did you mean 'steps'?"),
        (("train", "jpeg", "-p", "steps"), "not of the form name=value"),
        (("train", "jpeg", "-p", "steps=abc"), "'abc'"),
        (("train", "jpeg", "-p", "multipliers=3"), "multipliers"),
        (("train", "jpeg", "-p", "eps=nan"), "nan"),
        (("train", "jpeg", "-p", "task=foo"), "task chooses the recipe"),
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = indi(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("indi: ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_cuda_without_a_gpu(project: Path) -> None:
    result = indi("train", "jpeg", "--accelerator", "cuda")
    assert result.exit_code == 1
    assert result.stderr.startswith("indi: accelerator 'cuda' with 1 device(s) cannot be used here: ")
    assert result.stderr.endswith("Choices: auto, cpu, cuda, mps.\n")
    assert result.stderr.count("\n") == 1


def test_auto_does_not_choose_mps(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: True))
    fabric = training.fabric(recipes.recipe("jpeg", "smoke"), training.Execution(), project)
    assert fabric.device.type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_train_and_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("train", "jpeg", "-p", "steps=2", "-p", "crop=16", "-p", "batch_size=1", "-p", "channels=4")
    first, again = indi(*arguments), indi(*arguments)
    assert first.exit_code == 0, first.output
    assert first.stdout == again.stdout
    assert "2 steps, loss" in first.stdout
    monkeypatch.setenv("RANK", "1")  # torchrun starts one more
    assert indi(*arguments).stdout == ""


def test_train_in_a_folder_that_cannot_be_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", refuse)
    result = indi("train", "jpeg")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"indi: cannot write in {project / 'runs'}")
    assert "INDI_RUNS" in result.stderr


def test_roots_hold_for_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDI_DATA", "elsewhere")  # so that both are put back afterwards
    monkeypatch.setenv("INDI_WEIGHTS", "elsewhere")
    data, weights = tmp_path / "data", tmp_path / "weights"
    roots = ("--data-root", str(data), "--weights-root", str(weights))
    assert f"data root: {data}\n" in indi(*roots, "data", "list").stdout
    assert f"weights root: {weights}\n" in indi(*roots, "data", "weights", "list").stdout
    assert (os.environ["INDI_DATA"], os.environ["INDI_WEIGHTS"]) == (str(data), str(weights))


def test_claims_are_printed_before_they_are_stored(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Path:
        raise InDIError("cannot write")

    monkeypatch.setattr(claims, "save", refuse)
    result = indi("claims")
    assert result.exit_code == 1
    paper, ours = (claims.text(claims.judge("smoke", some)) for some in (claims.CLAIMS, robust.CLAIMS))
    assert result.stdout == f"{paper}\n\nclaims of ours, not counted above\n\n{ours}\n"
    assert result.stderr == "indi: cannot write\n"


def test_data_list_says_what_is_here(tmp_path: Path) -> None:
    folder = tmp_path / "set5"
    folder.mkdir()
    write_image(folder / "baby.png", np.zeros((8, 8, 3), np.uint8))
    text = indi("data", "list", "--data-root", str(tmp_path)).stdout
    entries = {entry.split(":", 1)[0]: entry for entry in text.split("\n\n")[1:]}
    assert set(entries) == set(datasets.names())
    assert "here     complete" in entries["embedded"]
    assert "here     incomplete (evaluate 1)" in entries["set5"]
    assert "here     not there" in entries["gopro"]
    assert "CC BY 4.0" in entries["gopro"]


def test_data_check_names_all_faults_at_once(tmp_path: Path) -> None:
    for side, names in {"input": "abc", "target": "abd"}.items():
        (tmp_path / side).mkdir()
        for name in names:
            write_image(tmp_path / side / f"{name}.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "input" / "a.png").write_bytes(b"no picture")
    result = indi("data", "check", "embedded", f"folder:{tmp_path}")
    assert result.exit_code == 1
    assert "embedded: complete" in result.stdout
    assert "damaged" in result.stdout
    for file in ("input/a.png", "input/c.png", "target/d.png"):
        assert file in result.stdout
    (tmp_path / "input" / "a.png").unlink()
    (tmp_path / "target" / "a.png").unlink()
    (tmp_path / "input" / "c.png").unlink()
    (tmp_path / "target" / "d.png").unlink()
    assert indi("data", "check", f"folder:{tmp_path}").exit_code == 0


def test_data_fetch_says_what_to_do_by_hand(tmp_path: Path) -> None:
    by_hand = indi("data", "fetch", "celeba", "--data-root", str(tmp_path))
    assert by_hand.exit_code == 1
    assert "accept the agreement" in by_hand.stdout
    assert "indi data check celeba" in by_hand.stdout
    there = indi("data", "fetch", "embedded")
    assert there.exit_code == 0
    assert "Nothing to fetch" in there.stdout


def test_data_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDI_WEIGHTS", str(tmp_path))
    file = tmp_path / "niqe_pris_params.npz"
    file.write_bytes(b"there")
    assert indi("data", "weights", "fetch", "niqe").stdout.strip() == str(file)  # nothing is downloaded
    listed = indi("data", "weights", "list").stdout
    assert f"here  {file}" in listed
    assert "233 MB" in listed
    mistake = indi("data", "weights", "fetch", "niqee")
    assert mistake.exit_code == 1
    assert "Did you mean 'niqe'?" in mistake.stderr
