"""A chapter is kept as published where its trainings are not, and Snakemake does not wait for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import nbformat
import pytest

from indi import paths
from indi.book import rerun
from indi.book import run as runner
from indi.errors import InDIError
from indi.records import provenance
from indi.training import recipes, run_folder, shipped_folder
from indi.training.recipes import Recipe

CHECKOUT = Path(__file__).resolve().parent.parent
JPEG = recipes.recipe("jpeg", "laptop")
NOISE = [recipes.ablation("jpeg", "laptop", eps=eps) for eps in (0.0, 0.06)]


def finish(notebook: str, profile: str = "laptop") -> None:
    """Leave behind an executed notebook and its record."""
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# {notebook}")])
    executed = runner.executed_path(notebook, profile)
    executed.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(page, executed)
    record = runner.Run(notebook, profile, {"profile": profile}, 1.0, provenance.collect())
    executed.with_suffix(".json").write_text(json.dumps(asdict(record)))


def record(table: str, notebook: str, *trained: Recipe, profile: str = "laptop", **changes: Any) -> None:
    """The provenance of a table that rests on trainings."""
    path = paths.results(profile) / "tables" / f"{table}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    trainings = [{"recipe": recipes.as_dict(recipe) | changes} for recipe in trained]
    path.write_text(json.dumps({"notebook": notebook, "trainings": trainings}))


def complete(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name in ("done.json", "weights.safetensors"):
        (folder / name).touch()


@pytest.fixture
def published(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy, a task and an ablation; nothing is trained here."""
    monkeypatch.delenv("INDI_RETRAIN", raising=False)
    for notebook in ("01_toy_example", "04_jpeg", "11_noise"):
        finish(notebook)
    record("toy", "01_toy_example")
    for table in ("jpeg", "jpeg_sets"):
        record(table, "04_jpeg", JPEG)
    record("noise", "11_noise", *NOISE)
    folder = project / "results" / "laptop"
    (folder / "tables" / "claims_ledger.json").write_text("[]")
    return folder


def test_chapters_whose_trainings_are_not_here_are_kept(published: Path) -> None:
    assert rerun.kept("laptop") == ["04_jpeg", "11_noise"]

    complete(published / "models" / f"jpeg-{recipes.recipe_hash(JPEG)}")
    assert rerun.kept("laptop") == ["11_noise"]
    complete(run_folder(NOISE[0]))
    assert rerun.kept("laptop") == [], "where one is at hand, the other is trained"
    (run_folder(NOISE[0]) / "done.json").unlink()
    assert rerun.kept("laptop") == ["11_noise"], "an unfinished training is none"


def test_what_was_not_executed_is_not_kept(published: Path) -> None:
    runner.executed_path("11_noise", "laptop").unlink()
    assert rerun.kept("laptop") == ["04_jpeg"]


def test_nothing_is_kept_when_all_is_to_be_trained(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INDI_RETRAIN", "1")
    assert rerun.kept("laptop") == []
    monkeypatch.setenv("INDI_RETRAIN", "")  # as make exports it
    assert rerun.kept("laptop") == ["04_jpeg", "11_noise"]


def test_nothing_is_kept_under_smoke(project: Path) -> None:
    finish("04_jpeg", "smoke")
    record("jpeg", "04_jpeg", recipes.recipe("jpeg", "smoke"), profile="smoke")
    assert rerun.kept("smoke") == []


@pytest.mark.parametrize("changes", [{"a_field_of_later": 1}, {"p_t": "of_later"}])
def test_a_recipe_of_other_code_is_not_trained_here(published: Path, changes: dict[str, Any]) -> None:
    for recipe in (JPEG, *NOISE):
        complete(run_folder(recipe))
    record("noise", "11_noise", *NOISE, **changes)
    assert rerun.kept("laptop") == ["11_noise"]


@pytest.mark.parametrize("content", ["", "{", "{}", '{"notebook": "04_jpeg", "trainings": [{}]}'])
def test_a_damaged_record_is_named(published: Path, content: str) -> None:
    (published / "tables" / "jpeg.json").write_text(content)
    with pytest.raises(InDIError, match=r"jpeg\.json is not a provenance record"):
        rerun.kept("laptop")


@pytest.mark.skipif(shutil.which("bash") is None, reason="Snakemake needs bash")
def test_snakemake_runs_the_others_and_does_not_wait(published: Path, project: Path) -> None:
    (project / "notebooks").mkdir()
    for notebook in ("01_toy_example", "04_jpeg", "11_noise", "13_claims"):
        (project / "notebooks" / f"{notebook}.ipynb").write_text("{}")
    complete(shipped_folder(JPEG))
    command = [sys.executable, "-m", "snakemake", "-s", str(CHECKOUT / "Snakefile"), "--cores", "1"]
    ran = subprocess.run(
        [*command, "--config", "profile=laptop", "-n", "all"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    said = ran.stdout + ran.stderr
    assert ran.returncode == 0, said
    for name in ("01_toy_example", "04_jpeg", "13_claims"):
        assert f"results/laptop/notebooks/.{name}.done" in said
    assert "11_noise" not in said
