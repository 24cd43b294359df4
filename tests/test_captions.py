"""A stored figure is linked from the executed notebook, and comes back into the page."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from indi.book import captions, figure_links
from indi.book import run as runner
from indi.records import results

ROOT = Path(__file__).resolve().parent.parent

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'


def cell(source: str, *drawn: str) -> nbformat.NotebookNode:
    outputs = [nbformat.v4.new_output("display_data", data={"image/svg+xml": svg}) for svg in drawn]
    return nbformat.v4.new_code_cell(source, outputs=outputs)


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "steps.svg").write_text(SVG)
    return folder


def test_links_point_to_the_stored_figure_and_the_book_shows_it(figures: Path) -> None:
    page = nbformat.v4.new_notebook(
        cells=[cell('_ = results.save_figure("steps", figure, profile)', "<svg>drawn</svg>")]
    )
    figure_links.link_figures(page, figures)
    nbformat.validate(page)
    data = page.cells[0].outputs[0].data
    assert dict(data) == {"text/markdown": "![steps](../figures/steps.svg)"}
    captions.put(page, "04_jpeg", "smoke", figures)
    nbformat.validate(page)
    shown = page.cells[0].outputs[0].data["text/html"]
    assert 'src="../results/figures/steps.svg"' in shown
    assert "steps.csv" not in shown, "there is none"


@pytest.mark.parametrize(
    "source",
    [
        "plt.show()",
        "results.save_figure(name, figure, profile)",
        'results.save_figure("not stored", figure, profile)',
        'results.save_figure("steps", a, profile); results.save_figure("steps", b, profile)',
    ],
)
def test_what_cannot_be_told_apart_stays_as_it_was_drawn(figures: Path, source: str) -> None:
    page = nbformat.v4.new_notebook(cells=[cell(source, "<svg>drawn</svg>")])
    figure_links.link_figures(page, figures)
    assert page.cells[0].outputs[0].data["image/svg+xml"] == "<svg>drawn</svg>"


def test_a_link_without_its_figure_stays_a_link(figures: Path) -> None:
    page = nbformat.v4.new_notebook(cells=[cell('save_figure("steps", figure, profile)', "<svg/>")])
    figure_links.link_figures(page, figures)
    (figures / "steps.svg").unlink()
    captions.put(page, "04_jpeg", "smoke", figures)
    assert "text/markdown" in page.cells[0].outputs[0].data


def test_every_figure_of_the_chapters_has_a_caption_and_every_caption_a_figure() -> None:
    saved = {
        name
        for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
        for one in nbformat.read(path, as_version=4).cells
        if one.cell_type == "code"
        for name in figure_links._SAVED.findall(one.source)
    } | {name for names in captions._IN_A_LOOP.values() for name in names}
    assert {name for name in saved if captions.entry(name) is None} == set()
    known = captions.registry()["figure"]
    assert {name for name in known if not any(fnmatchcase(one, name) for one in saved)} == set()
    for words in known.values():
        assert words["caption"].endswith((".", "better."))
        assert words["alt"].endswith(".")


def test_a_caption_says_whose_numbers_how_many_and_of_what(project: Path) -> None:
    """Numbers by hand: two images, PSNR means 30 and 28."""
    rows = pd.DataFrame(
        [
            (image, "indi", n, metric, value)
            for image, shift in (("a", 0.0), ("b", 2.0))
            for n, metric, value in (
                (1, "psnr", 29.0 + shift), (20, "psnr", 27.0 + shift),
                (1, "lpips_squeeze", 0.4), (20, "lpips_squeeze", 0.25),
            )
        ],
        columns=["image", "sampler", "steps", "metric", "value"],
    )  # fmt: skip
    results.save("jpeg", rows, "laptop", notebook="04_jpeg")
    figures = project / "results" / "laptop" / "figures"
    figures.mkdir()
    (figures / "jpeg_steps.svg").write_text('<svg width="72pt" height="36pt"/>')
    shown = captions.figure("jpeg_steps", "04_jpeg", "laptop", figures)
    alt = "JPEG artifacts, InDI, from one to 20 steps: PSNR from 30.0 to 28.0 dB, LPIPS from 0.40 to 0.25"
    assert f'alt="{alt}' in shown
    assert 'width="96" height="48"' in shown
    assert "Ours" in shown


def test_a_figure_that_is_older_than_its_table_claims_none_of_its_numbers(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("a", "indi", 1, "psnr", 29.0), ("a", "indi", 1, "lpips_squeeze", 0.4)]
    columns = ["image", "sampler", "steps", "metric", "value"]
    results.save("jpeg", pd.DataFrame(rows, columns=columns), "laptop", notebook="04_jpeg")
    figures = project / "results" / "laptop" / "figures"
    figures.mkdir()
    (figures / "jpeg_steps.svg").write_text('<svg width="72pt" height="36pt"/>')
    for time, older in (("2000-01-01T00:00:00+00:00", True), ("2999-01-01T00:00:00+00:00", False)):
        run = runner.Run("04_jpeg", "laptop", {}, 1.0, {"time": time})
        monkeypatch.setattr(runner, "load_run", lambda *_, run=run: run)
        shown = captions.figure("jpeg_steps", "04_jpeg", "laptop", figures)
        assert ("has not run since" in shown) is older
        assert ("29.0" in shown) is not older


@pytest.mark.parametrize(("rows", "folded"), [(captions.LONG, False), (captions.LONG + 1, True)])
def test_long_tables_are_folded_and_keep_their_caption(project: Path, rows: int, folded: bool) -> None:
    body = "<tr><td>1</td></tr>" * rows
    text = f"<table><caption>Means and 95 % intervals over images; n = 3.</caption><tr><th>a</th></tr>{body}</table>"
    shown = captions.table(text, "04_jpeg", "smoke", 0, set())
    assert shown.startswith("<details") == folded
    assert shown.count("Means and 95 % intervals over images; n = 3.") == 1
    assert "<caption" not in shown
    assert shown.count("<tr>") == rows + 1
