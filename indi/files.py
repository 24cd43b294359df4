"""Files that are either whole or absent, and work that one process does at a time."""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import platform
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from indi.errors import InDIError
from indi.stopping import Again

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_ACCESS = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn a disk that is full while `path` is written into a line that says what to do.

    Raises:
        InDIError: the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE:
            raise
        free = shutil.disk_usage(next(folder for folder in path.parents if folder.exists())).free
        raise InDIError(
            f"no space left to write {path} ({free / 2**20:.0f} MiB free): free some and run the "
            "same command again; nothing that was there is lost."
        ) from error


def writable(folder: Path) -> Path:
    """`folder`, which is made where it is not there.

    Raises:
        InDIError: it cannot be made, or no file can be made in it.
    """
    try:
        with explaining(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    except OSError as error:
        if error.errno not in _NO_ACCESS:
            raise
        raise InDIError(
            f"cannot write in {folder} ({error.strerror}): set INDI_HOME (results) or INDI_RUNS (trainings) "
            "to a folder that can be written; data and caches follow INDI_CACHE, INDI_DATA and INDI_WEIGHTS."
        ) from error


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write to the yielded temporary path; it takes the place of `path` only if the block succeeds.

    The temporary file keeps the suffix of `path` and lies beside it, so that the replacement is one
    rename on one file system. Whatever stood at `path` is untouched until then, also when the
    process is killed.

    Raises:
        InDIError: the folder cannot be written to, or the disk is full; the partial file is removed
            and `path` is as it was.
    """
    with replacing_all(path) as (partial,):
        yield partial


@contextmanager
def replacing_all(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """As `replacing`, for files that belong together: none is replaced before all are written to the disk.

    Between the first and the last rename nothing is computed or written; a process that is killed just
    there leaves files of two runs, which a mark in both has to tell (see `indi.book.run`).

    What processes that were killed have left of earlier attempts is swept.
    """
    partials = []
    for path in targets:
        writable(path.parent)
        _sweep(path)
        partials.append(path.with_name(f".{path.stem}.{_mark()}.partial{path.suffix}"))
    try:
        with explaining(targets[0]):
            yield tuple(partials)
            for partial in partials:
                with open(partial, "rb") as written:
                    os.fsync(written.fileno())  # else a power cut may leave an empty file under the good name
            for partial, path in zip(partials, targets, strict=True):
                os.replace(partial, path)
    finally:
        for partial in partials:
            partial.unlink(missing_ok=True)


def _host() -> str:
    return re.sub(r"\W", "-", platform.node())[:32] or "here"


def _mark() -> str:
    """Names a partial file after who writes it: a process number means something on its own machine only."""
    return f"{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}"


def _sweep(path: Path) -> None:
    """Remove the partial files of `path` whose process, on this machine, is gone."""
    name = f".{glob.escape(path.stem)}.{glob.escape(_host())}.*.partial{glob.escape(path.suffix)}"
    for partial in path.parent.glob(name):
        number = partial.name.split(".")[-4 if path.suffix else -3]
        # no process has a number beyond 32 bits
        if number.isdecimal() and int(number) < 2**31 and not psutil.pid_exists(int(number)):
            partial.unlink(missing_ok=True)


@contextmanager
def only_one(
    lock: Path, doing: str, *, wait: bool = True, stop: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Hold the file `lock`, so that one process at a time does this. It is free again however the holder ends.

    Args:
        lock: its folder is made where it is not there; the file stays.
        doing: what the holder does, for the others to read: "indi book --profile smoke".
        wait: for the holder to end, with a line on standard error that names it; else refuse.
        stop: says whether to give up waiting, see `stopping.asked`.

    Raises:
        InDIError: another process holds it, and `wait` is false; or the folder cannot be written to.
        Again: `stop` said so while it waited.
    """
    writable(lock.parent)
    held = FileLock(lock)
    # beside the lock: whoever opens that, waiters too, empties it
    note = lock.with_name(f"{lock.name}.holder")
    try:
        held.acquire(timeout=0)
    except Timeout:
        holder = _read_note(note)
        if not wait:
            raise InDIError(f"{holder} has not ended: wait for it, or stop it.") from None
        print(f"indi: waiting until {holder} ends", file=sys.stderr, flush=True)
        while not held.is_locked:
            if stop():
                raise Again(f"stopped while it waited until {holder} ends.") from None
            with suppress(Timeout):
                held.acquire(timeout=1)
    try:
        now = datetime.now().strftime("%Y-%m-%d %H:%M")
        note.write_text(
            f"process {os.getpid()} on {platform.node()} ({doing}, since {now})", encoding="utf-8"
        )
        yield
    finally:
        note.unlink(missing_ok=True)
        held.release()


def _read_note(note: Path) -> str:
    try:
        return note.read_text(encoding="utf-8") or "another process"
    except OSError:  # it has just begun or ended
        return "another process"
