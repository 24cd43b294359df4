"""Parts that travel: whole, of the size asked for, and refused where a bit has changed; the half hour on a GPU."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from indi import offline, stopping
from indi.book.run import declared_parameters

CHECKOUT = Path(__file__).resolve().parent.parent
SIZE = 10_000


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Path]:
    """Files from none to several parts long."""
    made = {}
    for name, length in {"a/empty": 0, "a/short.txt": 5, "long.bin": 34_567, "ü/exact": SIZE}.items():
        path = tmp_path / "from" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(length))
        made[name] = path
    return made


def test_what_is_unpacked_is_what_was_packed(tree: dict[str, Path], tmp_path: Path) -> None:
    parts = offline.write(tree, tmp_path / "out", SIZE)
    sizes = [path.stat().st_size for path in parts]
    assert max(sizes) == SIZE
    assert sum(sizes) >= 5 + 34_567 + SIZE
    assert offline.unpack(tmp_path / "out", tmp_path / "to") == len(tree)
    for name, path in tree.items():
        assert (tmp_path / "to" / name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("damage", ["bit", "short", "missing", "no list"])
def test_damaged_parts_write_nothing(tree: dict[str, Path], tmp_path: Path, damage: str) -> None:
    parts = offline.write(tree, tmp_path / "out", SIZE)
    content = bytearray(parts[1].read_bytes())
    if damage == "bit":
        content[7] ^= 1
        parts[1].write_bytes(content)
    elif damage == "short":
        parts[1].write_bytes(content[:-1])
    else:
        (parts[1] if damage == "missing" else tmp_path / "out" / offline.MANIFEST).unlink()
    with pytest.raises(offline.OfflineError, match=r"part-0001|parts\.json"):
        offline.unpack(tmp_path / "out", tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_the_list_holds_the_digests_of_the_parts(tree: dict[str, Path], tmp_path: Path) -> None:
    parts = offline.write(tree, tmp_path / "out", SIZE)
    listed = json.loads((tmp_path / "out" / offline.MANIFEST).read_text())
    for path, record in zip(parts, listed, strict=True):
        assert record["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert record["bytes"] == path.stat().st_size


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_there_and_back(tmp_path: Path) -> None:
    """The project with a wheel and images, unpacked by the copy that travels; what was measured comes back."""
    root = tmp_path / "project"
    (root / "notebooks").mkdir(parents=True)
    (root / "notebooks" / "a.ipynb").write_text("{}")
    (root / "secret.txt").write_text("not tracked")
    for command in (["init", "-q"], ["add", "notebooks"]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    for name in ("wheels/x-1-py3-none-any.whl", "data/set5/input/1.png", "data/other/2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(name)
    offline.pack(root, tmp_path / "out", tmp_path / "wheels", tmp_path / "data", ["set5"], None, SIZE)
    there = tmp_path / "there"
    copy = [sys.executable, "-I", str(tmp_path / "out" / "offline.py")]
    subprocess.run([*copy, "unpack", str(tmp_path / "out"), "--to", str(there)], check=True)
    unpacked = {path.relative_to(there).as_posix() for path in there.rglob("*") if path.is_file()}
    assert unpacked == {
        "project/notebooks/a.ipynb",
        "wheels/x-1-py3-none-any.whl",
        "data/set5/input/1.png",
    }

    for name in ("results/gpu/tables/jpeg.csv", "results/gpu/notebooks/.04.done", "runs/jpeg-0/done.json"):
        (there / "project" / name).parent.mkdir(parents=True)
        (there / "project" / name).write_text(name)
    subprocess.run([*copy, "back", str(there), str(tmp_path / "home")], check=True)
    assert offline.unpack(tmp_path / "home", root) == 2
    assert (root / "results/gpu/tables/jpeg.csv").read_text() == "results/gpu/tables/jpeg.csv"
    assert (root / "runs/jpeg-0/done.json").is_file()


def test_an_image_set_that_is_not_here_is_named(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with pytest.raises(offline.OfflineError, match="no image set gopro"):
        offline.pack(tmp_path, tmp_path / "out", tmp_path, tmp_path, ["gopro"], None, SIZE)


def half_hour(folder: Path, code: int, minutes: int = 30) -> tuple[int, list[list[str]]]:
    """Run the GPU's script with an `indi` that only notes its arguments and ends with `code`; its own, and they."""
    (folder / "bin").mkdir()
    noting = folder / "bin" / "indi"
    noting.write_text(
        f'#!/bin/sh\nprintf "%s\\t" "$@" >> {folder}/calls\necho >> {folder}/calls\nexit {code}\n'
    )
    noting.chmod(0o755)
    ran = subprocess.run(
        ["bash", str(CHECKOUT / "profiles" / "gpu" / "half_hour.sh"), str(minutes), "smoke"],
        cwd=folder,
        env={**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        check=False,
    )
    calls = folder / "calls"
    lines = calls.read_text().splitlines() if calls.is_file() else []
    return ran.returncode, [line.split("\t")[:-1] for line in lines]


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_half_hour_asks_for_notebooks_and_parameters_that_there_are(tmp_path: Path) -> None:
    code, (bench, *runs) = half_hour(tmp_path, 0)
    assert code == 0
    assert bench[0] == "bench"
    assert len(runs) == 5
    for call in runs:
        assert stopping.seconds(call[call.index("--stop-after") + 1]) <= 29 * 60
        given = {text.partition("=")[0] for flag, text in pairwise(call) if flag == "-p"}
        assert given
        assert given <= set(declared_parameters(CHECKOUT / call[1]))


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(("code", "minutes", "calls"), [(75, 30, 2), (1, 30, 6), (0, 1, 1)])
def test_the_half_hour_ends_in_time_and_only_then(
    tmp_path: Path, code: int, minutes: int, calls: int
) -> None:
    """After the benchmark: what was stopped in time ends it, what failed does not, and without time nothing begins."""
    ended, made = half_hour(tmp_path, code, minutes)
    assert len(made) == calls
    assert ended == (0 if code == 1 else 75)
