"""What a record says, and what it must not say."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from indi import numerics
from indi.records import provenance


def test_a_record_names_the_kind_of_machine_and_not_the_machine() -> None:
    record = provenance.collect()
    text = json.dumps(record)
    assert set(record) == {"commit", "dirty", "numerics", "versions", "machine", "time", "notebook_hash"}
    assert abs((datetime.now(UTC) - datetime.fromisoformat(record["time"])).total_seconds()) < 10
    assert record["machine"]["cores"] >= 1
    assert provenance.local_paths_in(text) == []
    for private in (platform.node(), getpass.getuser()):
        assert f'"{private}"' not in text


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    ran = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout.strip()


def test_commit_and_dirty_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "indi"
    package.mkdir()
    monkeypatch.setattr(provenance, "PACKAGE", package)
    assert provenance.collect()["commit"] is None, "outside git"

    (package / "samplers.py").write_text("a = 1\n")
    _git(tmp_path, "init", "--quiet")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "--quiet", "-m", "first")
    record = provenance.collect()
    assert record["commit"] == _git(tmp_path, "rev-parse", "HEAD")
    assert record["dirty"] is False

    (tmp_path / "results.csv").write_text("1\n")
    assert provenance.collect()["dirty"] is False, "results are not code"
    (package / "samplers.py").write_text("a = 2\n")
    assert provenance.collect()["dirty"] is True

    monkeypatch.setattr(provenance, "PACKAGE", package / "inner")
    assert provenance.collect()["commit"] is None, "an archive unpacked inside another checkout"
    monkeypatch.setattr(provenance, "PACKAGE", package)
    monkeypatch.setenv("PATH", str(package))
    assert provenance.collect()["commit"] is None, "git is missing"


def test_portable_text(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.setenv("INDI_DATA", "/mnt/images/sets")
    text = (
        f"{project}/notebooks/a.ipynb {project}2 '{project}/runs/b' "
        '"/mnt/images/sets/c" /home/somebody/d /home/somebody.else /usr/lib '
        f"\x1b[32m{project}/x.py\x1b[0m in {project}."
    )
    assert provenance.portable(text) == (
        f"./notebooks/a.ipynb {project}2 '$INDI_RUNS/b' "
        '"$INDI_DATA/c" ~/d /home/somebody.else /usr/lib \x1b[32m./x.py\x1b[0m in ..'
    )
    assert provenance.local_paths_in(provenance.portable(text)) == []
    assert "/home/somebody" in provenance.local_paths_in(text)


def test_changes_since_name_rooms_notebook_and_trainings(tmp_path: Path) -> None:
    def write(source: str, output: str) -> Path:
        cell = {"cell_type": "code", "source": [source], "outputs": [output]}
        path = tmp_path / "a.ipynb"
        path.write_text(json.dumps({"cells": [cell]}))
        return path

    record = provenance.collect(write("1 + 1", "2"), ("method",))
    assert record["numerics"] == {"method": numerics.NUMERICS["method"]}
    assert provenance.changes_since(record, write("1 + 1", "another output")) == []
    assert provenance.changes_since(record, write("1 - 1", "2")) == ["the notebook"]
    old = {**record, "numerics": {"method": 0}, "trainings": [{"numerics": {"data": 0}}]}
    assert provenance.changes_since(old) == ["the numbers of method", "data of a training"]


def test_a_raised_version_is_a_change_where_a_record_rests_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, measured = provenance.collect(rooms=("method",)), provenance.collect()
    monkeypatch.setitem(numerics.NUMERICS, "evaluation", numerics.NUMERICS["evaluation"] + 1)
    assert provenance.changes_since(exact) == []
    assert provenance.changes_since(measured) == ["the numbers of evaluation"]


def test_another_environment_is_no_change_of_the_numbers() -> None:
    record = provenance.collect()
    local = record["versions"] | {"torch": record["versions"]["torch"].partition("+")[0] + "+other"}
    assert provenance.other_environment({**record, "versions": local}) == []
    other = {**record, "versions": record["versions"] | {"torch": "1.0"}}
    assert provenance.changes_since(other) == []
    (torch,) = provenance.other_environment(other)
    assert torch.startswith("torch 1.0, now ")
