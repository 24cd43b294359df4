"""Notebooks run whole or not at all, under `indi run` and under Snakemake."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import nbformat
import pytest

from indi.book import run as runner
from indi.errors import InDIError

CHECKOUT = Path(__file__).resolve().parent.parent
PARAMETERS = 'profile = "smoke"\nsteps = 3  # how many\n'


def write_notebook(path: Path, *cells: str) -> Path:
    """A notebook of a title, the parameters cell and the given code cells."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    book = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    parameters = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    book.cells = [nbformat.v4.new_markdown_cell("# A chapter"), parameters]
    book.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
    return path


def printed(executed: Path) -> str:
    cells = nbformat.read(executed, as_version=4).cells
    return "".join(out.get("text", "") for c in cells for out in c.get("outputs", []))


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_run_is_stored_with_its_record_and_without_paths_of_this_machine(project: Path) -> None:
    notebook = write_notebook(
        project / "notebooks" / "01_toy_example.ipynb",
        "import os, sys\nprint(profile, steps * 2, os.getcwd())",
        f"print(os.path.samefile(sys.prefix, {sys.prefix!r}))",
    )
    executed = runner.run_notebook(notebook, "laptop", {"steps": 5})

    assert executed == project / "results" / "laptop" / "notebooks" / "01_toy_example.ipynb"
    assert printed(executed) == "laptop 10 .\nTrue\n"
    assert left_in(executed.parent) == {
        "01_toy_example.ipynb",
        "01_toy_example.json",
        ".01_toy_example.done",
    }
    text = executed.read_text()
    assert str(project) not in text
    metadata = json.loads(text)["metadata"]["papermill"]
    assert metadata["input_path"] == "notebooks/01_toy_example.ipynb"
    assert metadata["output_path"] == "results/laptop/notebooks/01_toy_example.ipynb"

    run = runner.load_run("01_toy_example", "laptop")
    assert run is not None
    assert run.parameters == {"profile": "laptop", "steps": 5}
    assert 0 < run.seconds < 60
    assert run.provenance["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_failure_keeps_the_good_notebook_and_the_next_run_repeats_it(project: Path) -> None:
    notebook = project / "notebooks" / "01_toy_example.ipynb"
    executed = runner.run_notebook(write_notebook(notebook, "print('good')"))
    good = executed.read_bytes()
    record = runner.load_run("01_toy_example", "smoke")

    write_notebook(notebook, "# why\nraise ValueError('first\\nsecond ' + __import__('os').getcwd())")
    with pytest.raises(InDIError) as caught:
        runner.run_notebook(notebook)
    message = str(caught.value)
    assert "\n" not in message
    assert "cell [3] `raise ValueError(" in message
    assert message.endswith(
        "ValueError: first second . (see results/smoke/notebooks/01_toy_example.failed.ipynb)"
    )
    assert executed.read_bytes() == good
    assert runner.load_run("01_toy_example", "smoke") == record
    failed = executed.with_suffix(".failed.ipynb")
    assert "ValueError" in failed.read_text()
    assert str(project) not in failed.read_text()
    assert left_in(executed.parent) == {executed.name, failed.name, "01_toy_example.json"}

    write_notebook(notebook, "print('better')")
    runner.run_notebook(notebook)
    assert printed(executed) == "better\n"
    assert not failed.exists()


def test_a_dead_kernel_is_a_failure_that_says_so(project: Path) -> None:
    notebook = write_notebook(
        project / "notebooks" / "01_toy_example.ipynb", "import os, signal\nos.kill(os.getpid(), 9)"
    )
    with pytest.raises(
        InDIError, match=r"process died in cell \[3\] `import os, signal`, most often for lack of memory"
    ):
        runner.run_notebook(notebook)
    assert left_in(project / "results/smoke/notebooks") == {"01_toy_example.failed.ipynb"}


def test_a_cell_that_takes_too_long_is_named(project: Path) -> None:
    notebook = write_notebook(
        project / "notebooks" / "01_toy_example.ipynb",
        "print('quick')",
        "# why\nimport time\ntime.sleep(99)",
        "print('never')",
    )
    with pytest.raises(InDIError, match=r"cell \[4\] `import time` took longer than 0\.0006 hours"):
        runner.run_notebook(notebook, cell_limit=0.0006)
    assert left_in(project / "results/smoke/notebooks") == {"01_toy_example.failed.ipynb"}


def test_notebook_and_record_of_two_runs_are_no_run(project: Path) -> None:
    """As a kill between their renames would leave them."""
    notebook = write_notebook(project / "notebooks" / "01_toy_example.ipynb", "print(1)")
    executed = runner.run_notebook(notebook)
    old = executed.read_bytes()
    runner.run_notebook(notebook, parameters={"steps": 4})
    assert runner.load_run("01_toy_example", "smoke") is not None
    executed.write_bytes(old)
    assert runner.load_run("01_toy_example", "smoke") is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_run_leaves_nothing(project: Path, number: signal.Signals) -> None:
    notebook = write_notebook(
        project / "notebooks" / "01_toy_example.ipynb",
        "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(99)",
    )
    pid = project / "pid"
    deadline = time.monotonic() + 60
    with subprocess.Popen(
        [sys.executable, "-m", "indi", "run", str(notebook)],
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs the tests in the background has them ignore SIGINT, and nohup SIGHUP
        preexec_fn=partial(signal.signal, number, signal.SIG_DFL),
    ) as process:
        try:
            while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
                time.sleep(0.05)
            kernel = int(pid.read_text())
            process.send_signal(number)
            _, said = process.communicate(timeout=180)
        finally:
            process.kill()

    assert process.returncode not in (0, None)
    assert "Traceback" not in said
    assert left_in(project / "results/smoke/notebooks") == set()
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)


def test_an_undeclared_parameter_is_refused_before_anything_runs(project: Path) -> None:
    notebook = write_notebook(project / "notebooks" / "01_toy_example.ipynb", "print(1)")
    with pytest.raises(InDIError, match=r"'step'.*Did you mean 'steps'.*Valid: profile, steps"):
        runner.run_notebook(notebook, "smoke", {"step": 4})
    with pytest.raises(InDIError, match=r"unknown profile 'smok'. Did you mean 'smoke'"):
        runner.run_notebook(notebook, "smok")
    with pytest.raises(InDIError, match="no notebook"):
        runner.run_notebook(notebook.with_name("02_none.ipynb"))
    notebook.write_text("not JSON")
    with pytest.raises(InDIError, match=r"01_toy_example\.ipynb is not a notebook that can be run"):
        runner.run_notebook(notebook)
    assert not (project / "results").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-4", 1e-4),
        ("True", True),
        ("false", False),
        ("None", None),
        ("linear_0.5", "linear_0.5"),
        ("[1, 2, 5]", [1, 2, 5]),
        ("a=b", "a=b"),
        ("{broken", "{broken"),
        ("", None),
    ],
)
def test_parameters_are_typed(text: str, value: object) -> None:
    typed = runner.parse_parameters([f"name={text}"])["name"]
    assert typed == value
    assert type(typed) is type(value)


@pytest.mark.parametrize("text", ["steps", "=3", "2x=3"])
def test_a_parameter_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(InDIError, match="not of the form name=value"):
        runner.parse_parameters([text])


@pytest.mark.parametrize(
    "value", ["!!binary aGk=", "2020-01-01", "{a: 1}", "[1, [!!set {a}]]", "&a [1, *a]", "[" * 9999]
)
def test_a_value_that_a_notebook_cannot_take_is_refused_in_one_line(value: str) -> None:
    with pytest.raises(InDIError, match="holds") as caught:
        runner.parse_parameters([f"name={value}"])
    assert "\n" not in str(caught.value)


def test_a_damaged_record_is_named(project: Path) -> None:
    executed = runner.executed_path("01_toy_example", "smoke")
    executed.parent.mkdir(parents=True)
    executed.write_text("{}")
    executed.with_suffix(".json").write_text('{"notebook": 1}')
    with pytest.raises(InDIError, match=r"01_toy_example\.json is not a run record"):
        runner.load_run("01_toy_example", "smoke")


NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_runs_on_its_own_under_smoke_by_default(notebook: Path) -> None:
    """So that plain papermill, which passes nothing unasked, does the smallest run."""
    assert runner.declared_parameters(notebook)["profile"].strip("\"'") == "smoke"


def snakemake(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "snakemake", "-s", str(CHECKOUT / "Snakefile")]
    command += ["--cores", "2", "--config", "profile=smoke", "--keep-going", "--quiet", "all"]
    return subprocess.run([*command, *options], cwd=project, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("bash") is None, reason="Snakemake needs bash")
def test_snakemake_repeats_a_failed_notebook_and_keeps_the_good_one(project: Path) -> None:
    """The trap: with the notebook as its output, Snakemake deletes the good one first; with a
    restored one, or only a copy made from it, the run after a failure has "nothing to be done".
    """
    first = project / "notebooks" / "01_toy_example.ipynb"
    write_notebook(first, "import os\nprint(os.environ['OMP_NUM_THREADS'], 'good')")
    write_notebook(project / "notebooks" / "13_claims.ipynb", "print('after')")
    ran = snakemake(project)
    assert ran.returncode == 0, ran.stderr
    executed = runner.executed_path("01_toy_example", "smoke")
    claims = runner.executed_path("13_claims", "smoke")
    assert printed(executed) == "1 good\n"
    good, after = executed.read_bytes(), claims.read_bytes()

    write_notebook(first, "raise ValueError('bad')")
    for _ in range(2):
        ran = snakemake(project)
        assert ran.returncode != 0
        assert "01_toy_example.ipynb failed in cell [3]" in ran.stderr
        assert executed.read_bytes() == good

    write_notebook(first, "print('better')")
    ran = snakemake(project)
    assert ran.returncode == 0, ran.stderr
    assert printed(executed) == "better\n"
    assert claims.read_bytes() != after, "what depends on it runs again"

    better = executed.read_bytes()
    assert snakemake(project).returncode == 0
    assert executed.read_bytes() == better, "nothing changed, nothing runs"


@pytest.mark.skipif(shutil.which("bash") is None, reason="Snakemake needs bash")
def test_snakemake_refuses_a_notebook_it_does_not_know(project: Path) -> None:
    write_notebook(project / "notebooks" / "99_unknown.ipynb", "print(1)")
    ran = snakemake(project, "-n")
    assert ran.returncode != 0
    assert "give 99_unknown a line in CHAPTERS" in ran.stdout + ran.stderr
