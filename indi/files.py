"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indi.errors import InDIError

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
    writable(path.parent)
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.partial{path.suffix}")
    try:
        with explaining(path):
            yield partial
            with open(partial, "rb") as written:
                os.fsync(written.fileno())  # else a power cut may leave an empty file under the good name
            os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
