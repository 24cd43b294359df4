"""Files are whole or absent, and a disk that takes none is one line."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from indi.errors import InDIError
from indi.files import replacing, writable


def write(path: Path, text: str, fault: Exception | None = None) -> None:
    with replacing(path) as partial:
        assert partial.suffix == path.suffix
        partial.write_text(text)
        if fault is not None:
            raise fault


def test_a_file_is_replaced_only_on_success(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    write(path, "first")
    with pytest.raises(RuntimeError):
        write(path, "second", RuntimeError())
    assert path.read_text() == "first"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
@pytest.mark.parametrize("there", [True, False], ids=["folder is there", "folder is to be made"])
def test_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, there: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "open" if there else "mkdir", refuse)
    folder = tmp_path if there else tmp_path / "new"
    with pytest.raises(InDIError) as caught, replacing(folder / "a.txt"):
        pytest.fail("nothing is computed for a file that cannot be written")
    for words in (str(folder), os.strerror(code), "INDI_HOME", "INDI_RUNS"):
        assert words in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(InDIError, match="cannot write in"):
            writable(tmp_path)
    finally:
        tmp_path.chmod(0o755)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    write(path, "first")
    with pytest.raises(InDIError, match=r"no space left to write .*a\.txt"):
        write(path, "sec", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "mkdir", full)
    with pytest.raises(InDIError, match="no space left"):
        writable(tmp_path / "new" / "folder")


def test_other_faults_of_a_writer_pass(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.txt"):
        (tmp_path / "input.txt").read_text()
