"""How a number came to be: commit, versions, machine, time; and what must not be told.

A record is meant to be published, so it names the kind of machine and never the machine: no host
name, no user, no absolute path. `portable` takes those out of any other text that is published.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from indi import numerics, paths

#: Distributions whose version can change the last digits of a number.
DECISIVE = ("torch", "numpy", "scipy")

#: Distributions whose version is recorded.
PACKAGES = (
    "indi",
    "torch",
    "torchvision",
    "lightning-fabric",
    "numpy",
    "scipy",
    "pandas",
    "pillow",
    "scikit-image",
    "lpips",
    "clean-fid",
)

PACKAGE = Path(__file__).resolve().parent.parent


def collect(notebook: Path | None = None, rooms: Sequence[str] = tuple(numerics.NUMERICS)) -> dict[str, Any]:
    """Provenance of what is computed now, by `notebook` if one is given, ready for JSON.

    Args:
        notebook: that computes it.
        rooms: whose work it is, see `numerics`.

    Returns:
        `commit` (None outside a git checkout or without git), `dirty` (whether code, notebooks or
        pins differ from that commit), `numerics` (room -> version), `versions` (package ->
        version), `machine` (system, cpu, cores, memory_gib, and gpu, the name of the first one), `time` (UTC,
        ISO 8601, seconds) and `notebook_hash` (None without a notebook).
    """
    commit, dirty = _git(PACKAGE.parent)
    return {
        "commit": commit,
        "dirty": dirty,
        "numerics": numerics.versions(rooms),
        "versions": dict(_versions()),
        "machine": dict(_machine()),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "notebook_hash": notebook_hash(notebook) if notebook else None,
    }


def changes_since(record: dict[str, Any], notebook: Path | None = None) -> list[str]:
    """What has changed since `record` was collected, so that its numbers are not those of today's code.

    Args:
        record: as `collect` gave it; `trainings`, if any, each with their `numerics`.
        notebook: that computed the numbers.

    Returns:
        A few words for each change: of a room's version, of the notebook, of the rooms that trained. Empty
        where nothing did.
    """
    found = [f"the numbers of {room}" for room in numerics.raised(record.get("numerics"))]
    if notebook and record.get("notebook_hash") not in (None, notebook_hash(notebook)):
        found.append("the notebook")
    trained = (numerics.raised(training.get("numerics")) for training in record.get("trainings", []))
    return found + [
        f"{room} of a training" for room in dict.fromkeys(room for one in trained for room in one)
    ]


def other_environment(record: dict[str, Any]) -> list[str]:
    """Decisive packages of another version than the record's: its numbers may differ in their last digits.

    A version that differs in its local part alone ("2.15.0+cpu") is the same version.
    """
    before, now = record.get("versions", {}), _versions()
    return [
        f"{name} {before.get(name)}, now {now.get(name)}"
        for name in DECISIVE
        if _public(before.get(name)) != _public(now.get(name))
    ]


def _public(version: str | None) -> str | None:
    return version and version.partition("+")[0]


def notebook_hash(notebook: Path) -> str | None:
    """SHA-256 over the sources of the code cells; None if the notebook cannot be read.

    Prose changes no number, nor do outputs and metadata.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def portable(text: str) -> str:
    """`text` without the absolute paths of this machine: project files become relative to the
    project, others start with what a reader knows them by ("~", "$INDI_DATA", ...).

    Works on plain text and on JSON.
    """
    for pattern, name in _local_paths():
        text = pattern.sub(lambda _, name=name: name, text)  # type: ignore[misc]
    return text


def local_paths_in(text: str) -> list[str]:
    """The absolute paths of this machine that occur in `text`."""
    return sorted({hit for pattern, _ in _local_paths() for hit in pattern.findall(text)})


def _local_paths() -> list[tuple[re.Pattern[str], str]]:
    """Patterns of this machine's folders, deepest first, and what stands for each."""
    known = [
        (paths.root(), "."),
        (paths.runs(), "$INDI_RUNS"),
        (paths.data_root(), "$INDI_DATA"),
        (paths.weights_root(), "$INDI_WEIGHTS"),
        (PACKAGE, "indi"),
        (Path(sys.prefix), "$VIRTUAL_ENV"),
        (Path.home(), "~"),
    ]
    # The top folder and the system's own tell nothing about this machine.
    private = [
        (path, name) for path, name in known if path != Path(path.anchor) and not path.is_relative_to("/usr")
    ]
    private.sort(key=lambda item: len(item[0].parts), reverse=True)
    patterns = []
    for path, name in private:
        # as written, or as JSON writes it (which differs where the separator is a backslash)
        plain, quoted = re.escape(str(path)), re.escape(json.dumps(str(path))[1:-1])
        # not inside a longer path, but after a colour code of a terminal ("\x1b[32m/...")
        start = r"(?:(?<![\w.~-])|(?<=\dm))"
        patterns.append((re.compile(rf"{start}(?:{plain}|{quoted})(?![\w-]|\.\w)"), name))
    return patterns


def _git(folder: Path) -> tuple[str | None, bool | None]:
    def git(*arguments: str) -> str:
        ran = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
        return ran.stdout.strip()

    try:
        # An unpacked archive or an environment inside another checkout is not that checkout.
        if Path(git("rev-parse", "--show-toplevel")).resolve() != folder.resolve():
            return None, None
        commit = git("rev-parse", "HEAD")
        # Only what can change a number: results are rewritten while the notebooks run.
        code = ("indi", "notebooks", "pyproject.toml", "constraints.txt")
        return commit, bool(git("status", "--porcelain", "--", *code))
    except (OSError, subprocess.CalledProcessError):
        return None, None


@functools.cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def _machine() -> dict[str, Any]:
    system = f"{platform.system()} {platform.machine()}"
    memory = round(psutil.virtual_memory().total / 2**30, 1)
    return {"system": system, "cpu": _cpu(), "cores": _cores(), "memory_gib": memory, "gpu": _gpu()}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # Linux: what this process may use, not what there is
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        info = ""
    found = re.search(r"^model name\s*:\s*(.+)$", info, re.MULTILINE)
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def _gpu() -> str | None:
    # Importing torch takes seconds: a process without it asks only where there may be a GPU.
    if "torch" not in sys.modules and shutil.which("nvidia-smi") is None:
        return None
    try:
        import torch
    except ImportError:
        return None
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None
