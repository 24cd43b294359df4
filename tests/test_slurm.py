"""The workflow on a real Slurm, of two nodes that are processes here: a node dies, and the result is the same."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("slurm_cluster", Path(__file__).with_name("slurm_cluster.py"))
assert _spec is not None
assert _spec.loader is not None
slurm = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(slurm)

LACKING = slurm.lacking() or (
    None
    if importlib.util.find_spec("snakemake_executor_plugin_slurm")
    else "the executor is missing: pip install -e '.[slurm]' -c constraints.txt"
)
pytestmark = [pytest.mark.long, pytest.mark.skipif(LACKING is not None, reason=str(LACKING))]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "slurm"
    slurm.start(folder)
    yield folder
    slurm.stop(folder)


def call(folder: Path, *command: str) -> str:
    settings = {**os.environ, **slurm.environment(folder)}
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=True).stdout


def test_a_training_whose_node_dies_ends_as_if_nothing_had_happened(
    cluster: Path, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule `train` with two processes, through Snakemake's executor, against the same two without Slurm."""
    (project / "notebooks").mkdir(parents=True)
    shutil.copy(CHECKOUT / "notebooks" / "04_jpeg.ipynb", project / "notebooks")
    shutil.copytree(CHECKOUT / "profiles", project / "profiles")
    # the cluster keeps no accounts, which sacct would want
    options = ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "5"]
    command = [sys.executable, "-m", "snakemake", "-s", str(CHECKOUT / "Snakefile"), *options]
    command += ["--profile", str(project / "profiles" / "slurm"), "results/smoke/trainings/.jpeg.done"]
    runs = project / "runs"
    with (tmp_path / "log").open("w") as log:
        workflow = subprocess.Popen(
            [*command, "--config", "profile=smoke", "devices=2"],
            cwd=project,
            env={**os.environ, **slurm.environment(cluster), "INDI_RUNS": str(runs)},
            stdout=log,
            stderr=log,
        )
        try:
            until = time.monotonic() + 600
            while not list(runs.glob("jpeg-*/state-*.pt")):
                assert workflow.poll() is None, (tmp_path / "log").read_text()[-3000:]
                assert time.monotonic() < until
                time.sleep(0.2)
            (node,) = call(cluster, "squeue", "-h", "-o", "%N").split()
            slurm.fail(cluster, node)
            workflow.wait(timeout=1800)
        finally:
            workflow.kill()
    assert workflow.returncode == 0, (tmp_path / "log").read_text()[-3000:]
    assert "down" in call(cluster, "sinfo", "-h", "-n", node, "-o", "%T")
    (done,) = runs.glob("jpeg-*/weights.safetensors")

    monkeypatch.setenv("INDI_RUNS", str(tmp_path / "local"))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    subprocess.run([sys.executable, "-m", "indi", "train", "jpeg", "--devices", "2"], check=True)
    (local,) = (tmp_path / "local").glob("jpeg-*/weights.safetensors")
    assert done.read_bytes() == local.read_bytes()
