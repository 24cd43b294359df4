"""A stored figure is linked from the executed notebook, and comes back into the page."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from indi.book import figure_links as pages

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


def test_links_point_to_the_stored_figure_and_are_undone(figures: Path) -> None:
    page = nbformat.v4.new_notebook(
        cells=[cell('_ = results.save_figure("steps", figure, profile)', "<svg>drawn</svg>")]
    )
    pages.link_figures(page, figures)
    nbformat.validate(page)
    data = page.cells[0].outputs[0].data
    assert dict(data) == {"text/markdown": "![steps](../figures/steps.svg)"}
    pages.embed_figures(page, figures)
    nbformat.validate(page)
    assert page.cells[0].outputs[0].data["image/svg+xml"] == SVG


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
    pages.link_figures(page, figures)
    assert page.cells[0].outputs[0].data["image/svg+xml"] == "<svg>drawn</svg>"


def test_a_link_without_its_figure_stays_a_link(figures: Path) -> None:
    page = nbformat.v4.new_notebook(cells=[cell('save_figure("steps", figure, profile)', "<svg/>")])
    pages.link_figures(page, figures)
    (figures / "steps.svg").unlink()
    pages.embed_figures(page, figures)
    assert "text/markdown" in page.cells[0].outputs[0].data
