"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indi.errors import InDIError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write to the yielded temporary path; it takes the place of `path` only if the block succeeds.

    The temporary file keeps the suffix of `path` and lies beside it, so that the replacement is one
    rename on one file system. Whatever stood at `path` is untouched until then, also when the
    process is killed.

    Raises:
        InDIError: the disk is full; the partial file is removed and `path` is as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.partial{path.suffix}")
    try:
        yield partial
        with open(partial, "rb") as written:
            os.fsync(written.fileno())  # else a power cut may leave an empty file under the good name
        os.replace(partial, path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(path.parent).free
            raise InDIError(
                f"no space left to write {path} ({free / 2**20:.0f} MiB free): free some and run the "
                "same command again; nothing that was there is lost."
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)
