"""Unpacking archives from the network without letting them write anywhere else."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

from indi.errors import InDIError


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .zip or .tar[.gz] into `folder`, all of it or nothing.

    Every member is looked at before the first is written: absolute paths, "..", links, devices and
    drive letters are refused. Files go to a temporary folder first and are moved when all are there,
    so that an interrupted run leaves no half-written picture.

    Raises:
        InDIError: an unsafe member, a damaged archive, or less free space than the contents need.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=folder) as name:
        scratch = Path(name)
        try:
            if zipfile.is_zipfile(archive):
                _zip(archive, scratch, folder)
            elif tarfile.is_tarfile(archive):
                _tar(archive, scratch, folder)
            else:
                raise InDIError(f"{archive}: neither zip nor tar; delete it and fetch again.")
        except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
            raise InDIError(f"{archive}: damaged archive ({error}); delete it and fetch again.") from error
        for path in sorted(p for p in scratch.rglob("*") if p.is_file()):
            goal = folder / path.relative_to(scratch)
            goal.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, goal)


def _refuse(archive: Path, member: str, why: str) -> InDIError:
    return InDIError(f"{archive}: refused to unpack, member {member!r} {why}; nothing was written.")


def _check_name(archive: Path, member: str) -> None:
    posix, windows = PurePosixPath(member), PureWindowsPath(member)
    if posix.is_absolute() or windows.is_absolute() or windows.drive or windows.root:
        raise _refuse(archive, member, "has an absolute path")
    if ".." in posix.parts or ".." in windows.parts:
        raise _refuse(archive, member, "points out of the folder")


def _check_space(archive: Path, needed: int, folder: Path) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InDIError(
            f"{archive}: unpacking needs {needed / 2**20:.0f} MiB, {free / 2**20:.0f} MiB are free in "
            f"{folder}: free some and run the same command again; the archive is kept."
        )


def _zip(archive: Path, scratch: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        for member in members:
            # orig_filename keeps what ZipInfo tidies away
            _check_name(archive, member.orig_filename)
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _refuse(archive, member.filename, "is a link or a device")
        _check_space(archive, sum(m.file_size for m in members), folder)
        opened.extractall(scratch)


def _tar(archive: Path, scratch: Path, folder: Path) -> None:
    with tarfile.open(archive) as opened:
        members = opened.getmembers()
        for member in members:
            _check_name(archive, member.name)
            if not (member.isfile() or member.isdir()):
                raise _refuse(archive, member.name, "is a link or a device")
        _check_space(archive, sum(m.size for m in members), folder)
        opened.extractall(scratch, filter="data")
