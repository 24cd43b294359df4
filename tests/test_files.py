"""Files are whole or absent, and a disk that takes none is one line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from indi.errors import InDIError
from indi.files import only_one, replacing, replacing_all, writable


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


def test_files_that_belong_together_are_replaced_together(tmp_path: Path) -> None:
    targets = tmp_path / "a.json", tmp_path / "a.ipynb"
    for path in targets:
        path.write_text("old")
    # the second is not written
    with pytest.raises(FileNotFoundError), replacing_all(*targets) as partials:
        partials[0].write_text("new")
    assert [path.read_text() for path in targets] == ["old", "old"]
    with replacing_all(*targets) as partials:
        for partial in partials:
            partial.write_text("new")
    assert [path.read_text() for path in targets] == ["new", "new"]
    assert sorted(tmp_path.iterdir()) == sorted(targets)


WRITER = """
import pathlib, sys, time
from indi.files import replacing
with replacing(pathlib.Path(sys.argv[1])) as partial:
    partial.write_text("half")
    print("begun", flush=True)
    time.sleep(99)
"""


def test_what_a_killed_process_left_is_swept_and_a_living_one_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.b.txt"
    other = tmp_path / "a.txt"

    def left() -> list[Path]:
        return [p for p in tmp_path.iterdir() if ".partial" in p.name]

    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            write(path, "from another")
            assert len(left()) == 1
        finally:
            writer.kill()
    write(other, "of another name")
    assert len(left()) == 1
    write(path, "whole")
    assert left() == []
    assert path.read_text() == "whole"


HOLDER = """
import pathlib, sys, time
from indi.files import only_one
with only_one(pathlib.Path(sys.argv[1]), "the first"):
    print("begun", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def test_one_at_a_time_and_the_others_know_whom_they_wait_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "new" / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock), "1"], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        with (
            pytest.raises(InDIError, match=f"process {first.pid} .*the first"),
            only_one(lock, "x", wait=False),
        ):
            pass
        with only_one(lock, "the second"):
            assert first.poll() is not None or first.wait(5) == 0
    assert str(first.pid) in capsys.readouterr().err
    assert list(lock.parent.iterdir()) == [lock]


def test_a_lock_whose_holder_was_killed_is_free(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock), "99"], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
    with only_one(lock, "the second", wait=False):
        pass
