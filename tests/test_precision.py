"""Precision is a choice of speed: a slow half of it is never taken, and a user's word counts."""

from __future__ import annotations

import pytest
import torch

from indi import processes
from indi.errors import InDIError
from indi.training import bench, precision

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(("ratio", "chosen"), [(2.0, "bf16-mixed"), (0.95, "bf16-mixed"), (0.6, "32-true")])
def test_the_faster_one_is_taken(monkeypatch: pytest.MonkeyPatch, ratio: float, chosen: str) -> None:
    monkeypatch.delenv("INDI_PRECISION", raising=False)
    monkeypatch.setattr(precision, "cpu_ratio", lambda: ratio)
    assert precision.resolve("bf16-mixed", CPU) == chosen
    assert precision.resolve("bf16-mixed", GPU) == "bf16-mixed"
    assert precision.resolve("32-true", CPU) == "32-true", "a recipe in fp32 stays there"


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDI_PRECISION", "32-true")
    assert precision.resolve("bf16-mixed", GPU) == "32-true"
    monkeypatch.setenv("INDI_PRECISION", "half")
    with pytest.raises(InDIError, match=r"half.*32-true, bf16-mixed"):
        precision.resolve("bf16-mixed", CPU)


def test_the_probe_measures_and_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    assert 0.05 < precision.cpu_ratio(0.05) < 20
    assert torch.equal(torch.get_rng_state(), before)


def test_the_users_own_settings_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    made = processes.environment()
    assert made["OMP_WAIT_POLICY"] == "active"
    assert set(processes.SETTINGS) <= set(made)
    assert "OMP_NUM_THREADS" not in made
    assert processes.environment(threads=1)["OMP_NUM_THREADS"] == "1"


def test_the_benchmark_runs_and_tells_every_part() -> None:
    threads = torch.get_num_threads()
    rows = bench.bench("smoke", seconds=0.05)
    torch.set_num_threads(threads)
    assert all(row.value > 0 for row in rows)
    assert sum("over training" in row.what for row in rows) == 5
    assert len(bench.text(rows).splitlines()) == len(rows)
