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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import nbformat
import yaml

from indi import paths, profiles
from indi.book import figure_links as pages
from indi.errors import InDIError, unknown
from indi.files import replacing
from indi.records import provenance


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
    """

    notebook: str
    profile: str
    parameters: dict[str, Any]
    seconds: float
    provenance: dict[str, Any]
    reads: dict[str, str | None] = field(default_factory=dict)


def executed_path(notebook: str, profile: str) -> Path:
    """Where the last good run of a notebook (name without suffix) under a profile lies."""
    return paths.results(profile) / "notebooks" / f"{notebook}.ipynb"


def stamp_path(notebook: str, profile: str) -> Path:
    """An empty file that is there if and only if the last run of the notebook succeeded.

    It is what Snakemake knows of a run. Snakemake deletes a job's output before the job starts and
    again if it fails; the executed notebook is therefore none of its outputs.
    """
    return executed_path(notebook, profile).with_name(f".{notebook}.done")


def parse_parameters(assignments: Mapping[str, str] | list[str]) -> dict[str, Any]:
    """Typed parameters from `name=value` texts: numbers, True/False/None, else YAML, else text.

    Raises:
        InDIError: there is no `=`, or no name before it.
    """
    if isinstance(assignments, Mapping):
        assignments = [f"{name}={value}" for name, value in assignments.items()]
    parameters = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not (equals and name.strip().isidentifier()):
            raise InDIError(f"parameter {assignment!r} is not of the form name=value.")
        parameters[name.strip()] = _typed(value.strip())
    return parameters


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
    progress: bool | None = None,
) -> Path:
    """Execute a notebook in this environment's Python; the result replaces the last good one.

    It is executed in the project folder. On failure the last good notebook and its record stay, and
    what was executed so far, with the error, is left as `<name>.failed.ipynb`. On Ctrl-C or SIGTERM
    the kernel is stopped and nothing is left.

    Args:
        notebook: the stripped .ipynb.
        profile: passed to the notebook as the parameter `profile`.
        parameters: others; each must be declared in the notebook's `parameters` cell.
        progress: show a bar on standard error; None: only on a terminal.

    Returns:
        The executed notebook, results/<profile>/notebooks/<name>.ipynb; its record lies beside it.

    Raises:
        InDIError: no such notebook, profile or parameter, or a cell failed: the message names it.
        KeyboardInterrupt: interrupted.
    """
    # Only now: papermill takes a second to import, and `indi --help` should not.
    from nbclient.exceptions import DeadKernelError
    from papermill import PapermillExecutionError, execute_notebook

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
    stamp = stamp_path(notebook.stem, profile)
    failed = target.with_suffix(".failed.ipynb")
    bar = {"desc": notebook.stem, "leave": False, "file": sys.stderr}
    started = time.perf_counter()
    stamp.unlink(missing_ok=True)
    with replacing(target) as partial, tempfile.TemporaryDirectory() as folder:
        reads = Path(folder) / "reads"
        try:
            with _interruptible(), _quiet(), _own_kernel(reads):
                execute_notebook(
                    str(notebook.resolve()),
                    str(partial),
                    parameters=given,
                    kernel_name="python3",
                    progress_bar=bar if _show(progress) else False,
                    cwd=str(paths.root()),
                )
        except PapermillExecutionError as error:
            _publishable(partial, notebook, failed)
            os.replace(partial, failed)
            # The error's own text spans many lines; its last words are those of the exception.
            words = provenance.portable(" ".join(str(error.evalue).split()))
            raise InDIError(
                f"{notebook.name} failed in cell [{error.exec_count}] "
                f"`{_first_code_line(error.source)}`: {error.ename}: {words} "
                f"(see {_relative(failed)})"
            ) from None
        except DeadKernelError as error:
            if partial.exists():
                _publishable(partial, notebook, failed)
                os.replace(partial, failed)
            raise InDIError(
                f"{notebook.name}: its Python process died, most often for lack of memory "
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
        profile=profile,
        parameters=given,
        seconds=round(time.perf_counter() - started, 1),
        provenance=provenance.collect(notebook),
        reads=looked_up,
    )
    with replacing(target.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    failed.unlink(missing_ok=True)
    stamp.touch()
    return target


def load_run(notebook: str, profile: str) -> Run | None:
    """The record of the last good run of `notebook` (name without suffix), None if there is none.

    Raises:
        InDIError: the record cannot be read.
    """
    executed = executed_path(notebook, profile)
    path = executed.with_suffix(".json")
    if not (executed.is_file() and path.is_file()):
        return None
    try:
        return Run(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InDIError(
            f"{path} is not a run record: indi run notebooks/{notebook}.ipynb --profile {profile}"
        ) from error


def _show(progress: bool | None) -> bool:
    return sys.stderr.isatty() if progress is None else progress


def _relative(path: Path) -> str:
    root = paths.root()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _first_code_line(source: str) -> str:
    lines = [line.strip() for line in source.splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "")[:60]


def _publishable(executed: Path, source: Path, target: Path) -> None:
    """Take the paths of this machine, and figures that are stored beside it, out of an executed notebook."""
    book = nbformat.read(executed, as_version=4)
    pages.link_figures(book, target.parent.parent / "figures")
    book.metadata.papermill.input_path = _relative(source.resolve())
    book.metadata.papermill.output_path = _relative(target)
    executed.write_text(provenance.portable(nbformat.writes(book)) + "\n", encoding="utf-8")


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM unwind like Ctrl-C, so that the kernel is stopped and partial files removed."""

    def terminated(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # the clean-up is not to be interrupted again
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, terminated)
    except ValueError:  # not the main thread: the caller's handlers decide
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _own_kernel(reads: Path) -> Iterator[None]:
    """Make "python3" mean this environment, whatever kernels the user has elsewhere, and its bars silent.

    The tables that it reads are noted in the file `reads`.
    """
    ours = {"JUPYTER_PREFER_ENV_PATH": "1", "INDI_PROGRESS": "0", "INDI_READS": str(reads)}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
