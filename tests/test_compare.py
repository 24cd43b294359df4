"""A rerun is told from the published numbers by construction, and what was found is written down."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from indi.book import compare as comparing
from indi.cli import main
from indi.errors import InDIError
from indi.evaluation import metrics
from indi.records import results

VALUES = {
    ("indi", 1): np.random.default_rng(1).normal(25, 3, 20),
    ("indi", 5): np.random.default_rng(2).normal(26, 3, 20),
    ("input", 0): np.random.default_rng(3).normal(22, 3, 20),
}
ONE, FIVE, NONE = "sampler=indi, steps=1", "sampler=indi, steps=5", "sampler=input, steps=0"


def sweep(shift: float = 0.0, **columns: object) -> pd.DataFrame:
    """PSNR of 20 images in three settings; `shift` is added to that of InDI at 5 steps."""
    rows = [
        (f"image{i}", sampler, steps, "psnr", value + (shift if steps == 5 else 0))
        for (sampler, steps), values in VALUES.items()
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["image", "sampler", "steps", "metric", "value"]).assign(**columns)


def sets(*values: float) -> pd.DataFrame:
    rows = [
        ("indi", 1, "fd_squeeze", values[0], 3.0, 3.5, 20),
        ("indi", 5, "fd_squeeze", values[1], -1e-3, 1e-3, 20),
    ]
    return pd.DataFrame(rows, columns=["sampler", "steps", "metric", "value", "low", "high", "images"])


EXACT = pd.DataFrame({"case": ["a", "b"], "gain": [0.5, 0.25]})


def store(name: str, rows: pd.DataFrame, minute: int = 1) -> None:
    """A table stored at a minute of a fixed hour."""
    record = results.save(name, rows, "laptop", notebook="04_jpeg").with_suffix(".json")
    made = results.load(name, "laptop").provenance["time"]
    record.write_text(record.read_text().replace(made, f"2026-01-01T00:{minute:02}:00+00:00"))


@pytest.fixture
def published(project: Path) -> Path:
    """Three tables, and a copy of them that is published."""
    for name, rows in {"jpeg": sweep(), "jpeg_sets": sets(3.25, 0.0), "exact": EXACT}.items():
        store(name, rows, minute=0)
    return Path(shutil.copytree(project / "results" / "laptop", project / "published"))


def states(published: Path) -> dict[tuple[str, str, str], str]:
    found = comparing.compare("laptop", str(published))
    return {
        tuple(row[:3]): row[3] for row in found[["table", "setting", "metric", "state"]].to_numpy().tolist()
    }


def test_what_was_not_run_again_is_not_listed(published: Path) -> None:
    assert states(published) == {}
    assert comparing.record(comparing.compare("laptop", str(published)), "laptop") is None
    store("exact", EXACT)
    assert set(states(published)) == {("exact", f"row {i}", "gain") for i in (1, 2)}


def test_states_by_construction(published: Path) -> None:
    store("jpeg", pd.concat([sweep(0.1), sweep().assign(metric="ssim")]))
    store("jpeg_sets", sets(3.25 * (1 + 0.9e-5), 2e-3))
    store("exact", EXACT.assign(gain=[0.5, 0.26]))
    assert states(published) == {
        ("exact", "row 1", "gain"): "same",
        ("exact", "row 2", "gain"): "outside",
        ("jpeg", ONE, "psnr"): "same",
        ("jpeg", FIVE, "psnr"): "within",
        ("jpeg", NONE, "psnr"): "same",
        **{("jpeg", setting, "ssim"): "new" for setting in (ONE, FIVE, NONE)},
        ("jpeg_sets", ONE, "fd_squeeze"): "same",
        ("jpeg_sets", FIVE, "fd_squeeze"): "outside",
    }
    shutil.rmtree(published.parent / "results" / "laptop" / "tables")
    assert set(states(published).values()) == {"missing"}


@pytest.mark.parametrize("beyond", [0.999, 1.001])
def test_an_interval_over_images_ends_at_its_bounds(published: Path, beyond: float) -> None:
    interval = metrics.bootstrap_interval(VALUES["indi", 5])
    store("jpeg", sweep(beyond * (interval.high - interval.mean)))
    assert states(published)["jpeg", FIVE, "psnr"] == ("within" if beyond < 1 else "outside")


def test_every_column_that_tells_settings_apart_does(published: Path) -> None:
    rows = pd.concat([sweep(eps=eps, p_t=p_t) for eps in (0.0, 0.06) for p_t in ("a", None)])
    store("noise", rows)
    settings = {setting for table, setting, _ in states(published) if table == "noise"}
    assert len(settings) == 12
    assert {f"{FIVE}, eps=0.06, p_t=a", f"{FIVE}, eps=0.06"} <= settings


def test_what_was_not_measured_is_no_number_and_infinite_ones_compare(published: Path) -> None:
    rows = sets(math.inf, math.nan)
    for minute, folder in ((0, published), (1, None)):
        store("more", rows, minute)
        if folder:
            for file in (published.parent / "results" / "laptop" / "tables").glob("more.*"):
                shutil.copy(file, folder / "tables")
    assert states(published) == {("more", ONE, "fd_squeeze"): "same"}


def test_what_cannot_be_compared_is_refused(published: Path) -> None:
    with pytest.raises(InDIError, match="nothing is published under profile 'laptop' at 'v0'"):
        comparing.compare("laptop", "v0")
    with pytest.raises(InDIError, match="Did you mean 'laptop'"):
        comparing.compare("labtop")
    store("jpeg_sets", sets(1, 2))
    path = published.parent / "results" / "laptop" / "tables" / "jpeg_sets.csv"
    path.write_text(path.read_text() + "x")
    with pytest.raises(InDIError, match="edited"):
        comparing.compare("laptop", str(published))


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_command_line_compares_with_the_last_commit(published: Path, project: Path) -> None:
    def git(*words: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(project), *identity, *words], check=True, capture_output=True)

    git("init", "--quiet")
    git("add", "results")
    git("commit", "--quiet", "-m", "published")
    store("jpeg", sweep(0.1))
    ran = CliRunner().invoke(main, ["compare", "--profile", "laptop"])
    assert ran.exit_code == 0, ran.output
    written = json.loads((project / "results" / "laptop" / "compared.json").read_text())
    assert written["numbers"] == written["tables"]["jpeg"] == {"same": 2, "within": 1}
    assert len(written["against"]) == 40
    assert written["machine"]["cores"] >= 1
    store("jpeg", sweep(5))
    ran = CliRunner().invoke(main, ["compare", "--profile", "laptop"])
    assert ran.exit_code == 2
    assert f"jpeg, {FIVE}, psnr: " in ran.output
