"""`indi reproduce`: it says what is missing, what runs and what failed, and never locks itself out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import nbformat
import pytest

from indi.book import reproduce
from indi.book import run as runner
from indi.errors import InDIError

CHECKOUT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="Snakemake needs bash")


def write_notebook(path: Path, code: str) -> None:
    path.parent.mkdir(exist_ok=True)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    parameters = nbformat.v4.new_code_cell('profile = "smoke"', metadata={"tags": ["parameters"]})
    book.cells = [parameters, nbformat.v4.new_code_cell(code)]
    nbformat.write(book, path)


@pytest.fixture
def workflow(project: Path) -> Path:
    """A project of two quick chapters and the real Snakefile."""
    shutil.copy(CHECKOUT / "Snakefile", project)
    write_notebook(project / "notebooks" / "01_toy_example.ipynb", "print('good')")
    write_notebook(project / "notebooks" / "13_claims.ipynb", "print('after')")
    return project


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`indi reproduce` while a notebook sleeps; at the end all is killed that is left of it."""
    begun = folder / "begun"
    begun.unlink(missing_ok=True)
    code = "import os, pathlib, time\npathlib.Path('begun').write_text(str(os.getpid()))\ntime.sleep(99)"
    write_notebook(folder / "notebooks" / "01_toy_example.ipynb", code)
    command = [sys.executable, "-m", "indi", "reproduce"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGHUP, signal.SIG_DFL),  # nohup has the tests ignore it
    ) as process:
        try:
            deadline = time.monotonic() + 90
            while not begun.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def test_each_notebook_is_a_line_and_what_is_done_is_not_done_again(workflow: Path) -> None:
    lines: list[str] = []
    assert reproduce.reproduce("smoke", "2", say=lines.append) == 0
    said = "\n".join(lines)
    assert "[1/2] 01_toy_example" in said
    assert said.index("[1/2] 01_toy_example") < said.index("[2/2] 13_claims") < said.index("2 of 2 notebooks")

    lines.clear()
    assert reproduce.reproduce("smoke", "2", say=lines.append) == 0
    assert "0 of 2 notebooks ran now" in "\n".join(lines)
    assert not any("[1/" in line for line in lines)

    write_notebook(workflow / "notebooks" / "13_claims.ipynb", "raise ValueError('bad')")
    lines.clear()
    assert reproduce.reproduce("smoke", "2", say=lines.append) == 1
    said = "\n".join(lines)
    assert "[1/1] 13_claims" in said
    assert "indi: 13_claims.ipynb failed in cell [3]" in said
    assert runner.load_run("13_claims", "smoke") is not None


def test_a_workflow_that_is_wrong_is_said_in_its_own_words(workflow: Path) -> None:
    write_notebook(workflow / "notebooks" / "99_unknown.ipynb", "print(1)")
    lines: list[str] = []
    with pytest.raises(InDIError, match="cannot start"):
        reproduce.reproduce("smoke", say=lines.append)
    assert "give 99_unknown a line" in "\n".join(lines)
    with pytest.raises(InDIError, match=r"unknown profile 'lptop'. Did you mean 'laptop'"):
        reproduce.reproduce("lptop", say=print)
    with pytest.raises(InDIError, match="'none'"):
        reproduce.reproduce("smoke", "none", say=print)


def test_two_at_once_are_one_line_and_a_closed_terminal_ends_everything(workflow: Path) -> None:
    with running(workflow) as first:
        kernel = int((workflow / "begun").read_text())
        with pytest.raises(
            InDIError, match=rf"process {first.pid} .*make reproduce.* has not ended"
        ) as refused:
            reproduce.reproduce("smoke", say=print)
        assert "\n" not in str(refused.value)
        first.send_signal(signal.SIGHUP)
        assert first.wait(60) != 0
        with pytest.raises(ProcessLookupError):
            os.kill(kernel, 0)
    write_notebook(workflow / "notebooks" / "01_toy_example.ipynb", "print('good')")
    assert reproduce.reproduce("smoke", say=print) == 0


def test_a_stale_lock_is_removed_and_one_of_a_living_workflow_is_not(workflow: Path) -> None:
    import psutil

    with running(workflow) as first:
        below = psutil.Process(first.pid).children(recursive=True)
        first.kill()
        first.wait()
        # the workflow goes on without who watched it: nobody may start a second one
        with pytest.raises(InDIError, match=r"a workflow still runs here \(process \d+\)"):
            reproduce.reproduce("smoke", say=print)
        for process in below:
            process.kill()
        psutil.wait_procs(below)
    assert list((workflow / ".snakemake" / "locks").glob("*.lock"))
    write_notebook(workflow / "notebooks" / "01_toy_example.ipynb", "print('good')")
    lines: list[str] = []
    assert reproduce.reproduce("smoke", say=lines.append) == 0
    assert "cut off" in lines[0]


def test_missing_images_are_said_at_once_and_their_chapters_can_be_left_out(
    workflow: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under `laptop` with no images at all: the chapters without images run, the others stay."""
    monkeypatch.setenv("INDI_DATA", str(workflow / "none"))
    for name in ("04_jpeg", "08_generation", "10_time_distribution"):
        write_notebook(workflow / "notebooks" / f"{name}.ipynb", "print(1)")
    lines: list[str] = []
    with pytest.raises(InDIError, match="3 of 5 notebooks lack images"):
        reproduce.reproduce("laptop", say=lines.append)
    said = "\n".join(lines)
    for name in ("bsds500", "photos", "celeba_reduced"):
        assert f"indi data fetch {name}" in said
    assert not (workflow / "results").exists()

    assert reproduce.reproduce("laptop", anyway=True, say=lines.append) == 0
    ran = {path.stem for path in (workflow / "results/laptop/notebooks").glob("*.ipynb")}
    assert ran == {"01_toy_example", "13_claims"}


def test_it_is_never_silent_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    lines: list[str] = []
    progress = reproduce._Progress(2, lines.append, spoke=0.0)
    progress.take("INDI_REPORT begins 05_motion")
    for second in range(65):
        now[0] = float(second)
        progress.beat()
    assert [line.strip() for line in lines] == [f"running: 05_motion {n} s" for n in (20, 40, 60)]
    progress.take("INDI_REPORT ends 05_motion")
    progress.take("what else a job says")
    assert lines[-1] == "[1/2] 05_motion 64 s"
