"""What is stopped in time keeps its work, says "again", and ends where it would have ended without the stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from indi import stopping, training
from indi.book import run as runner
from indi.cli import main
from indi.errors import InDIError
from indi.training import recipes
from indi.training.recipes import Recipe

CHANGES = {"steps": 8, "batch_size": 2, "crop": 16, "channels": 4}
LONG = {**CHANGES, "steps": 400}


def small(**changes: int) -> Recipe:
    return recipes.recipe("jpeg", "smoke", **{**CHANGES, **changes})


def command(*arguments: str) -> subprocess.Popen[str]:
    """`indi ARGUMENTS` on as many threads as this process has."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(
        [sys.executable, "-m", "indi", *arguments], stderr=subprocess.PIPE, text=True, env=environment
    )


def wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not until():
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.02)


def assert_same(one: training.Trained, other: training.Trained) -> None:
    assert one.checkpoint == other.checkpoint
    np.testing.assert_array_equal(one.log[["step", "loss"]], other.log[["step", "loss"]])


@pytest.mark.parametrize(
    ("text", "expected"), [("90s", 90), ("9m", 540), ("2h", 7200), ("1h30m", 5400), ("0.5s", 0.5)]
)
def test_durations(text: str, expected: float) -> None:
    assert stopping.seconds(text) == expected


@pytest.mark.parametrize("text", ["", "9", "9 m", "-9m", "0s", "9d", "m", "9m!", "9" * 400 + "h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InDIError):
        stopping.seconds(text)
    assert CliRunner().invoke(main, ["train", "jpeg", f"--stop-after={text}"]).exit_code == 2


def test_a_training_stopped_at_every_step_is_the_uninterrupted_one(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stops = 0
    while True:
        try:
            stopped = training.train(small(), training.Execution(stop_after=1e-9))
            break
        except stopping.Again:
            stops += 1
            assert not (training.run_folder(small()) / "done.json").exists()
    assert stops == 7  # the last step ends the training
    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "whole"))
    assert_same(stopped, training.train(small()))


def test_sigterm_leaves_a_state_and_says_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = small(**LONG)
    log = training.run_folder(recipe) / "log.jsonl"
    assignments = [f"-p{name}={value}" for name, value in LONG.items()]
    with command("train", "jpeg", *assignments) as process:
        wait(lambda: log.is_file() and log.read_text().count("\n") > 20)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == stopping.AGAIN == 75
    assert len(said.splitlines()) == 1
    assert list(log.parent.glob("state-*.pt"))
    assert not (log.parent / "done.json").exists()

    resumed = training.train(recipe)
    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "whole"))
    assert_same(resumed, training.train(recipe))


def test_the_handler_of_the_caller_comes_back(project: Path) -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(signal.SIGTERM, mine)
    try:
        training.train(small())
        assert signal.getsignal(signal.SIGTERM) is mine
    finally:
        signal.signal(signal.SIGTERM, before)


def test_who_waits_for_a_training_stops_waiting_in_time(project: Path) -> None:
    from indi.files import only_one

    folder = training.run_folder(small())
    with only_one(folder / ".lock", "another training"):
        process = command("train", "jpeg", "--stop-after=1s", *[f"-p{n}={v}" for n, v in CHANGES.items()])
        _, said = process.communicate(timeout=120)
    assert process.returncode == stopping.AGAIN
    assert "another training" in said
    assert not list(folder.glob("state-*.pt"))


def notebook(project: Path, code: str) -> Path:
    path = project / "notebooks" / "04_jpeg.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    parameters = nbformat.v4.new_code_cell('profile = "smoke"\n', metadata={"tags": ["parameters"]})
    book.cells = [parameters, nbformat.v4.new_code_cell(code)]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
    return path


def test_a_stopped_notebook_keeps_its_training_and_runs_again(project: Path) -> None:
    """By SIGTERM and by the limit alike."""
    recipe = small(**LONG)
    folder = training.run_folder(recipe)
    code = (
        "from indi import recipes, training\n"
        f"recipe = recipes.recipe('jpeg', 'smoke', **{LONG!r})\n"
        "print(training.train(recipe).checkpoint)"
    )
    path = notebook(project, code)
    left = project / "results" / "smoke" / "notebooks"
    with command("run", str(path)) as process:
        wait(lambda: (folder / "log.jsonl").is_file() and (folder / "log.jsonl").stat().st_size > 1000)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == stopping.AGAIN, said
    assert len(said.splitlines()) == 1
    assert list(folder.glob("state-*.pt"))
    assert {file.name for file in left.iterdir() if file.suffix != ".lock"} == set()
    assert runner.run_notebook(path).is_file()
    assert (folder / "done.json").is_file()


def test_a_notebook_that_trains_nothing_stops_at_its_limit(project: Path) -> None:
    path = notebook(project, "import time\ntime.sleep(300)")
    began = time.monotonic()
    with pytest.raises(stopping.Again):
        runner.run_notebook(path, stop_after=4)
    assert time.monotonic() - began < 60
    assert {
        f.name for f in path.parent.parent.glob("results/smoke/notebooks/*") if f.suffix != ".lock"
    } == set()
