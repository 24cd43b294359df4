"""Fixtures of all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch


def _external(variable: str, what: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"needs {what}: set {variable}")
    folder = Path(value).expanduser()
    if not folder.is_dir():
        pytest.skip(f"needs {what}: {variable} names no folder")
    return folder.resolve()


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of image sets, `INDI_DATA`; without it the test is skipped."""
    return _external("INDI_DATA", "the image sets")


@pytest.fixture(scope="session")
def weights_root() -> Path:
    """The folder of the metrics' weights, `INDI_WEIGHTS`; without it the test is skipped."""
    return _external("INDI_WEIGHTS", "the metrics' weights")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder: results and runs of the test go there."""
    monkeypatch.setenv("INDI_HOME", str(tmp_path))
    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "runs"))
    return tmp_path


@pytest.fixture
def generator() -> torch.Generator:
    """A CPU generator with a fixed seed."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(autouse=True)
def _same_global_state() -> Iterator[None]:
    """Tests neither depend on nor leave behind torch's global random state and thread count."""
    threads = torch.get_num_threads()
    # a test that imports a kernel would turn progress bars on for those after it
    os.environ.setdefault("INDI_PROGRESS", "0")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)
