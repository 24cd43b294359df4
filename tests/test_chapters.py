"""What holds of every notebook without running it, and the tables that the chapters close with."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pandas as pd
import pytest

from indi import profiles
from indi.book import run as runner
from indi.data.datasets import ImageSet
from indi.errors import InDIError
from indi.evaluation import generation
from indi.evaluation import real_blur as real
from indi.figures import sweep, tables
from indi.records import results
from indi.training import recipes

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TASKS = {task.chapter: name for name, task in profiles.TASKS.items()}


def cells(path: Path, kind: str) -> Iterator[Any]:
    yield from (cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind)


def source(path: Path, kind: str = "code") -> str:
    return "\n".join(cell.source for cell in cells(path, kind))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_parameters_are_plain_and_start_in_smoke(notebook: Path) -> None:
    declared = runner.declared_parameters(notebook)
    assert ast.literal_eval(declared["profile"]) == "smoke"
    for name, default in declared.items():
        ast.literal_eval(default)  # a plain value: papermill puts another in its place
        assert len(re.findall(rf"\b{name}\b", source(notebook))) > 1, f"nothing reads {name}"


def test_it_says_how_to_rerun_it(notebook: Path) -> None:
    assert f"indi run notebooks/{notebook.name} --profile smoke" in source(notebook, "markdown")


def test_it_provides_for_every_profile(notebook: Path) -> None:
    """A dict keyed by profiles and indexed with the profile has them all."""
    for found in re.findall(r"(\{[^{}]*\"smoke\":[^{}]*\})\[profile\]", source(notebook)):
        assert set(ast.literal_eval(found)) == set(recipes.PROFILES)


@pytest.mark.parametrize(("name", "task"), TASKS.items())
def test_it_names_what_it_writes(name: str, task: str) -> None:
    path = ROOT / "notebooks" / f"{name}.ipynb"
    code, last = source(path), list(cells(path, "markdown"))[-1].source
    figures = re.findall(r'save_figure\("(\w+)"', code)
    assert figures
    for figure in figures:
        assert f"`{figure}`" in last
    assert f"`{task}`" in last
    notebooks = re.findall(r'notebook="(\w+)"', code)
    assert set(notebooks) == {name}


def test_the_book_and_the_workflow_know_it(notebook: Path) -> None:
    assert f"notebooks/{notebook.stem}\n" in (ROOT / "book" / "_toc.yml").read_text()
    assert notebook.stem in profiles.CHAPTERS


def test_paper_tables_are_as_printed() -> None:
    table = tables.paper_table("table1")
    assert list(table.iloc[-1]) == ["Ours", "0.058", "3.32", "3.55", "0.56", "31.49", "0.946"]
    assert table["PSNR [dB] ↑"].iloc[0] == "∞"
    assert table["method"].iloc[1] == "HINet, Chen et al. (2021a)"
    with pytest.raises(InDIError, match=r"table9\.csv is missing"):
        tables.paper_table("table9")


def some_rows(images: int = 4) -> pd.DataFrame:
    return pd.DataFrame(
        [
            (f"scene{i // 2}_{i % 2}", sampler, n, "psnr", 20.0 + i + n)
            for sampler, counts in (("input", (0,)), ("indi", (1, 10)))
            for n in counts
            for i in range(images)
        ],
        columns=["image", "sampler", "steps", "metric", "value"],
    )


NO_SETS = pd.DataFrame(columns=["sampler", "steps", "metric", "value", "low", "high", "images", "patches"])


def test_paper_and_ours_share_steps_but_no_column() -> None:
    summary = pd.DataFrame(
        {"sampler": ["input", "indi", "indi"], "steps": [0, 1, 20], "metric": "psnr", "mean": [20.0, 25, 24]}
    ).assign(low=19.5, high=25.5, n=3)
    sets = NO_SETS.copy()
    sets.loc[0] = ["indi", 1, "kid", 0.0123, 0.01, 0.015, 3, 12]
    ours = tables.our_table(summary, sets, ["psnr", "kid"])
    assert ours["KID × 1000 ↓"].tolist() == ["not measured", "12.30 [10.00,\u00a015.00]", "not measured"]
    joined = tables.beside(tables.paper_table("table3"), ours, "ours", "the paper")
    assert joined["", "N"].tolist() == ["input y", "1", "2", "4", "10", "20", "50", "100", "500"]
    one = joined[joined["", "N"] == "1"].iloc[0]
    assert one["the paper", "PSNR [dB] ↑"] == "24.75"
    assert one["ours", "PSNR [dB] ↑"] == "25.00 [19.50,\u00a025.50]"
    assert joined[joined["", "N"] == "20"].iloc[0]["the paper", "LPIPS ↓"] == "–"


def test_whether_one_step_restores_is_computed() -> None:
    assert "Inconclusive, too few images" in tables.restores(some_rows(), "x")
    rows = some_rows(12)
    rows.loc[rows["sampler"] == "indi", "value"] += np.tile(np.linspace(0, 0.3, 12), 2)
    assert tables.restores(rows, "x").startswith("- **Shown:** one step restores x. Here: PSNR against")
    rows.loc[rows["sampler"] == "input", "value"] += 9
    assert tables.restores(rows, "x").startswith("- **The contrary is shown:**")


def test_verdicts_are_those_of_the_ledger(project: Path) -> None:
    lines = tables.sentences(tables.verdicts("smoke", "motion", "05_motion")).splitlines()
    assert len(lines) > 5
    assert all(line.startswith("- **Not tested:**") for line in lines)  # there are no tables
    rows = pd.concat(
        some_rows(40).assign(metric=m, value=lambda r, s=s: s * r["value"] + r.index % 3 / 9)
        for m, s in (("psnr", -1), ("lpips_alex", -1))
    )
    results.save("motion", rows, "laptop", notebook="05_motion")
    text = tables.sentences(tables.verdicts("laptop", "motion", "05_motion"))
    assert "**Reproduced:** One step has the best PSNR" in text
    assert "PSNR, InDI N = 1 against InDI N = 10" in text


def test_photographs_of_one_scene_count_once() -> None:
    rows = real.by_scene(some_rows())
    assert rows["image"].unique().tolist() == ["scene0", "scene1"]
    assert rows.query("sampler == 'indi' and steps == 1")["value"].tolist() == [21.5, 23.5]


def test_levins_photographs_fit_a_blur_of_stored_values(
    data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indi.data import datasets

    monkeypatch.setenv("INDI_DATA", str(data_root))
    whole = datasets.load("levin", "evaluate")
    fit = real.levin_fit(whole)
    assert len(fit) == 32
    assert fit["stored"].mean() > 35
    assert (fit["stored"] > fit["linear"]).mean() > 0.8


def squares(*sizes: tuple[int, int], split: str = "evaluate") -> ImageSet:
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes)
    names = tuple(f"i{k}" for k in range(len(images)))
    return ImageSet("some", split, names, images)  # type: ignore[arg-type]


def test_tiles_do_not_overlap_and_lose_borders_only() -> None:
    whole = squares((20, 33), (16, 16))
    cut = generation.tiles(whole, 16)
    assert cut.names == ("i0_0_0", "i0_0_16", "i1_0_0")
    np.testing.assert_array_equal(cut.images[1], whole.images[0][:16, 16:32])
    same = squares((16, 16))
    assert generation.tiles(same, 16) is same


def test_set_statistics_are_ratios_to_the_truths() -> None:
    images = squares(*[(16, 16)] * 3).images
    kept = {(f"{k}", "truth", 0): image for k, image in enumerate(images)}
    kept |= {(f"{k}", "indi", 1): image for k, image in enumerate(images[::-1])}
    kept |= {(f"{k}", "naive", 1): (image // 2 + 64).astype(np.uint8) for k, image in enumerate(images)}
    found = generation.statistics(kept).set_index("sampler")
    assert found.loc["indi", ["detail", "contrast"]].tolist() == pytest.approx([1, 1])
    assert found.loc["naive", "contrast"] == pytest.approx(0.5, abs=0.01)
    assert found.loc["naive", "detail"] == pytest.approx(0.25, abs=0.01)


def test_nearest_finds_a_copy_and_its_mirror_image() -> None:
    training = squares(*[(16, 16)] * 5, split="train")
    samples = [training.images[3], training.images[1][:, ::-1], (training.images[0] // 2).astype(np.uint8)]
    found = generation.nearest(samples, training, chunk=2)
    assert found["index"].tolist()[:2] == [3, 1]
    assert found["mirrored"].tolist()[:2] == [False, True]
    assert found["distance"].tolist()[:2] == pytest.approx([0, 0], abs=0.1)
    brute = min(
        float(np.sqrt(np.square(samples[2].astype(float) - image[:, ::flip]).mean()))
        for image in training.images
        for flip in (1, -1)
    )
    assert found["distance"][2] == pytest.approx(brute, rel=1e-4)


def test_setting_table_says_what_was_not_measured() -> None:
    rows = pd.concat([some_rows().assign(eps=eps) for eps in (0.0, 0.03)])
    shown = sweep.setting_table(rows, NO_SETS.assign(eps=0.0), "eps", "ε", [("psnr", 1), ("fid", 10)])
    assert shown["ε"].tolist() == ["0", "0.03"]
    assert shown["PSNR [dB] ↑, N = 1"][0].startswith("22.50 [")
    assert shown["FID ↓, N = 10"].tolist() == ["not measured"] * 2
