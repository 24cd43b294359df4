"""The command line: what it prints, and that a mistake is one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from indi.cli import main


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
    ],
)
def test_mistakes_are_one_line(arguments: tuple[str, ...], message: str) -> None:
    result = indi(*arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("indi: ")


def test_plan_names_every_task() -> None:
    text = indi("plan", "--profile", "paper").stdout
    for words in ("27,677,123", "33,573,059", "62,254,755", "500,000"):
        assert words in text


def test_train_and_again(project: Path) -> None:
    arguments = ("train", "jpeg", "-p", "steps=2", "-p", "crop=16", "-p", "batch_size=1", "-p", "channels=4")
    first, again = indi(*arguments), indi(*arguments)
    assert first.exit_code == 0, first.output
    assert first.stdout == again.stdout
    assert "2 steps, loss" in first.stdout


def test_module_is_the_command() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "indi", "recipe", "list"], capture_output=True, text=True, check=True
    )
    assert "super_resolution" in printed.stdout
