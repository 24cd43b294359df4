"""One notebook through papermill: whole or not at all, with a record of the run beside it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

import nbformat
import psutil
import yaml

from indi import paths, processes, profiles
from indi.book import figure_links
from indi.errors import InDIError, unknown
from indi.files import only_one, replacing_all
from indi.progress import report
from indi.records import forms, provenance
from indi.stopping import Again

CELL_LIMIT = 24.0
"""Hours that one cell may take: more than any training of the laptop, and less than for ever."""

GRACE = 20.0
"""Seconds that a training has to save its state, once a stop is asked for; schedulers kill after some 30."""


@dataclass(frozen=True)
class Run:
    """Record of a finished run, stored as results/<profile>/notebooks/<notebook>.json.

    Attributes:
        notebook: name without suffix.
        profile: smoke, laptop, gpu or paper.
        parameters: what was passed, `profile` included.
        seconds: wall time, start of the kernel included.
        provenance: see `provenance.collect`; its time is the end of the run.
        reads: tables that it read or looked for -> hash of the CSV, None where there was none.
        started: when papermill began, as the executed notebook says, too: so the two are known to belong
            together. "" in records of earlier versions.
    """

    notebook: str
    profile: str
    parameters: dict[str, Any]
    seconds: float
    provenance: dict[str, Any]
    reads: dict[str, str | None] = field(default_factory=dict)
    started: str = ""


def executed_path(notebook: str, profile: str) -> Path:
    """Where the last good run of a notebook (name without suffix) under a profile lies."""
    return paths.results(profile) / "notebooks" / f"{notebook}.ipynb"


def stamp_path(notebook: str, profile: str) -> Path:
    """An empty file that is there if and only if the last run of the notebook succeeded.

    It is what Snakemake knows of a run. Snakemake deletes a job's output before the job starts and
    again if it fails; the executed notebook is therefore none of its outputs.
    """
    return executed_path(notebook, profile).with_name(f".{notebook}.done")


def parse_parameters(assignments: Sequence[str]) -> dict[str, Any]:
    """Typed parameters from `name=value` texts: numbers, True/False/None, else YAML, else text.

    Raises:
        InDIError: there is no `=`, no name before it, or the value is neither a number, a truth value,
            None, a text nor a list of such.
    """
    parameters = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (equals and name.strip().isidentifier()):
            raise InDIError(f"parameter {assignment!r} is not of the form name=value.")
        try:
            parameters[name.strip()] = typed = _typed(value.strip())
            odd = _no_plain_value(typed)
        except RecursionError:
            raise InDIError(
                f"parameter {name.strip()}: its list holds itself, or is nested too deep."
            ) from None
        if odd is not None:
            raise InDIError(
                f"parameter {assignment!r} holds a {type(odd).__name__}: a value is a number, True, False, None, "
                "a text (in quotes where YAML reads something else in it) or a list of these."
            )
    return parameters


def _no_plain_value(value: Any) -> Any:
    """The first part of `value` that a notebook's cell and a record cannot hold alike, None where all is plain."""
    if isinstance(value, list):
        return next((odd for odd in map(_no_plain_value, value) if odd is not None), None)
    return None if value is None or isinstance(value, (str, int, float)) else value


def _typed(text: str) -> Any:
    for kind in (int, float):  # YAML 1.1 would read 1e-4 as text
        with contextlib.suppress(ValueError):
            return kind(text)
    if text == "None":
        return None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def declared_parameters(notebook: Path) -> dict[str, str]:
    """Names and defaults (as source) of the notebook's cell tagged `parameters`.

    Raises:
        InDIError: the file is not a notebook of this project.
    """
    from papermill import inspect_notebook

    try:
        with _quiet():
            found = inspect_notebook(str(notebook))
    except (ValueError, nbformat.ValidationError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InDIError(f"{notebook} is not a notebook that can be run: {reason}") from error
    return {name: str(parameter["default"]) for name, parameter in found.items()}


def run_notebook(
    notebook: Path,
    profile: str = "smoke",
    parameters: Mapping[str, Any] | None = None,
    *,
    cell_limit: float = CELL_LIMIT,
    stop_after: float | None = None,
) -> Path:
    """Execute a notebook in this environment's Python; the result replaces the last good one.

    It is executed in the project folder. On failure the last good notebook and its record stay, and
    what was executed so far, with the error, is left as `<name>.failed.ipynb`. On Ctrl-C the kernel is
    stopped and nothing is left. On SIGTERM, when the terminal closes, or after `stop_after`, a training
    that runs in it saves its state before. A second run of the same notebook and profile waits for the
    first.

    Args:
        notebook: the stripped .ipynb.
        profile: passed to the notebook as the parameter `profile`.
        parameters: others; each must be declared in the notebook's `parameters` cell.
        cell_limit: hours after which a cell is stopped, which is a failure.
        stop_after: seconds after which the whole is stopped, which is none.

    Returns:
        The executed notebook, results/<profile>/notebooks/<name>.ipynb; its record lies beside it.

    Raises:
        Again: it was stopped: the next run finds finished trainings, and goes on with one that left a state.
        InDIError: no such notebook, profile or parameter, or a cell failed: the message names it.
        KeyboardInterrupt: Ctrl-C.
    """
    notebook = Path(notebook)
    profiles.get(profile)
    if not notebook.is_file():
        raise InDIError(f"no notebook {notebook}: see `ls notebooks`.")
    given = {"profile": profile, **(parameters or {})}
    declared = declared_parameters(notebook)
    for name in given:
        if name not in declared:
            raise unknown(f"parameter of {notebook.name}", name, declared)

    target = executed_path(notebook.stem, profile)
    doing = f"indi run {notebook.name} --profile {profile}"
    with (
        _stopping(notebook.name, stop_after) as stop,
        only_one(target.with_name(f".{notebook.stem}.lock"), doing),
    ):
        report("begins", notebook.stem)
        try:
            _run(notebook, target, given, cell_limit, stop)
        except BaseException as error:
            report("stops" if stop() or isinstance(error, Again) else "fails", notebook.stem)
            raise
        report("ends", notebook.stem)
    return target


def _run(
    notebook: Path, target: Path, given: dict[str, Any], cell_limit: float, stop: Callable[[], bool]
) -> None:
    """The body of `run_notebook`, by the only process that runs this notebook."""
    # Only now: papermill takes a second to import, and `indi --help` should not.
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import PapermillExecutionError, execute_notebook

    stamp = stamp_path(notebook.stem, given["profile"])
    failed = target.with_suffix(".failed.ipynb")
    described = {"desc": notebook.stem, "leave": False, "file": sys.stderr}
    started = time.perf_counter()
    stamp.unlink(missing_ok=True)
    with (
        replacing_all(target.with_suffix(".json"), target) as (recorded, partial),
        tempfile.TemporaryDirectory() as folder,
    ):
        reads = Path(folder) / "reads"
        try:
            with _quiet(), _own_kernel(reads):
                execute_notebook(
                    str(notebook.resolve()),
                    str(partial),
                    parameters=given,
                    kernel_name="python3",
                    progress_bar=described if sys.stderr.isatty() else False,
                    cwd=str(paths.root()),
                    execution_timeout=max(1, round(cell_limit * 3600)),
                )
        except PapermillExecutionError as error:
            if error.ename == Again.__name__:
                raise Again(f"{notebook.name}: {error.evalue}") from None
            _keep_failed(partial, notebook, failed)
            # The error's own text spans many lines; its last words are those of the exception.
            words = provenance.portable(" ".join(str(error.evalue).split()))
            raise InDIError(
                f"{notebook.name} failed in cell [{error.exec_count}] `{_first_code_line(error.source)}`: "
                f"{error.ename}: {words} (see {_relative(failed)})"
            ) from None
        except CellTimeoutError:
            _keep_failed(partial, notebook, failed)
            raise InDIError(
                f"{notebook.name}: {_last_cell(failed)} took longer than {cell_limit:g} hours and was stopped; "
                f"--cell-limit HOURS gives it more time (see {_relative(failed)})."
            ) from None
        except DeadKernelError as error:
            if stop():
                raise
            _keep_failed(partial, notebook, failed)
            where = f" in {_last_cell(failed)}" if failed.is_file() else ""
            raise InDIError(
                f"{notebook.name}: its Python process died{where}, most often for lack of memory "
                f"(see {_relative(failed)})."
            ) from error
        except KeyboardInterrupt:
            # The cell that was waited for is given up, which asyncio would report at exit.
            logging.getLogger("asyncio").setLevel(logging.CRITICAL)
            raise
        _publishable(partial, notebook, target)
        looked_up = dict(map(json.loads, reads.read_text().splitlines())) if reads.is_file() else {}
        record = Run(
            notebook=notebook.stem,
            profile=given["profile"],
            parameters=given,
            seconds=round(time.perf_counter() - started, 1),
            provenance=provenance.collect(notebook),
            reads=looked_up,
            started=_started(partial),
        )
        recorded.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    failed.unlink(missing_ok=True)
    stamp.touch()


def load_run(notebook: str, profile: str) -> Run | None:
    """The record of the last good run of `notebook` (name without suffix), None if there is none.

    None, too, where notebook and record are of two runs, because a process was killed between them.

    Raises:
        InDIError: the record cannot be read.
    """
    executed = executed_path(notebook, profile)
    path = executed.with_suffix(".json")
    if not (executed.is_file() and path.is_file()):
        return None
    try:
        run = Run(**forms.checked(forms.RunRecord, path.read_text(encoding="utf-8")))
        return run if run.started in ("", _started(executed)) else None
    except (ValueError, TypeError) as error:
        raise InDIError(
            f"{path} is not a run record: indi run notebooks/{notebook}.ipynb --profile {profile}"
        ) from error


def _started(executed: Path) -> str:
    """When papermill began an executed notebook, as that says itself; "" where it does not."""
    try:
        return str(json.loads(executed.read_text(encoding="utf-8"))["metadata"]["papermill"]["start_time"])
    except (ValueError, KeyError, TypeError):
        return ""


def _keep_failed(partial: Path, notebook: Path, failed: Path) -> None:
    if partial.exists():
        _publishable(partial, notebook, failed)
        os.replace(partial, failed)


def _last_cell(executed: Path) -> str:
    """The cell at which an execution ended, by its number and first line, in the words of an error."""
    code = [cell for cell in nbformat.read(executed, as_version=4).cells if cell.cell_type == "code"]
    begun = [k for k, cell in enumerate(code) if cell.metadata.get("papermill", {}).get("start_time")]
    return f"cell [{begun[-1] + 1}] `{_first_code_line(code[begun[-1]].source)}`" if begun else "its start"


def _relative(path: Path) -> str:
    root = paths.root()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _first_code_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "")[:60]


def _publishable(executed: Path, source: Path, target: Path) -> None:
    """Take the paths of this machine, and figures that are stored beside it, out of an executed notebook."""
    book = nbformat.read(executed, as_version=4)
    figure_links.link_figures(book, target.parent.parent / "figures")
    figure_links.leave_out_rendered(book)
    book.metadata.papermill.input_path = _relative(source.resolve())
    book.metadata.papermill.output_path = _relative(target)
    executed.write_text(provenance.portable(nbformat.writes(book)) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _stopping(name: str, after: float | None) -> Iterator[Callable[[], bool]]:
    """Let SIGTERM, a terminal that closes, and the end of `after` seconds stop the run of notebook `name`.

    The kernel is told by SIGTERM: a training in it saves its state (see `training.train`), and all else ends at
    once. The yielded function says whether a stop was asked for.
    """
    asked = False

    def handler(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        signal.signal(number, signal.SIG_IGN)  # the clean-up is not to be interrupted again
        kernels = [] if asked else psutil.Process().children()
        asked = True
        for kernel in kernels:
            kernel.terminate()
        if not kernels:  # none yet, or none that listens
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, GRACE)

    before = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                before[number] = signal.signal(number, handler)
    except ValueError:  # not the main thread: the caller's handlers decide
        yield lambda: False
        return
    try:
        signal.setitimer(signal.ITIMER_REAL, after or 0)
        yield lambda: asked
    except (KeyboardInterrupt, RuntimeError) as error:  # RuntimeError: the kernel is dead
        if not asked:
            raise
        raise Again(
            f"{name} was stopped: the same command runs it again, with the trainings as far as they came."
        ) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, previous in before.items():
            signal.signal(number, previous)


def _own_kernel(reads: Path) -> contextlib.AbstractContextManager[Any]:
    """While it lasts, "python3" means this environment, whatever kernels the user has elsewhere; bars are silent.

    The tables that it reads are noted in the file `reads`.
    """
    ours = {"JUPYTER_PREFER_ENV_PATH": "1", "INDI_PROGRESS": "0", "INDI_READS": str(reads)}
    return patch.dict(os.environ, processes.environment() | ours)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence what papermill and nbclient say about every run, or again about a failed one."""
    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nbformat.warnings.MissingIDFieldWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
