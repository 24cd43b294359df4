"""What a page says of verdicts is rendered from the stored tables, everywhere alike, and replaces what was printed."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from indi import claims
from indi.book import boxes, captions, summaries
from indi.book import build as book
from indi.book import run as runner
from indi.claims.evidence import Number
from indi.figures import ledger
from indi.records import results

LEVELS = {
    ("input", 0): (20.0, 0.40, 0.1),
    ("indi", 1): (23.0, 0.30, 0.2),
    ("indi", 5): (22.5, 0.25, 0.6),
    ("indi", 20): (22.0, 0.26, 0.7),
    ("naive", 20): (19.0, 0.45, 2.0),
}


@pytest.fixture
def measured(project: Path) -> Path:
    """Twelve images of known levels, which differ from the mean by nearly the same in every setting."""
    shifts = np.linspace(-1, 1, 12)
    rows = [
        (f"i{k}", sampler, steps, metric, value + shift * scale * (1 + order / 1000))
        for order, ((sampler, steps), values) in enumerate(LEVELS.items())
        for metric, value, scale in zip(
            ("psnr", "lpips_squeeze", "detail_ratio"), values, (1, 0.01, 0), strict=True
        )
        for k, shift in enumerate(shifts)
    ]
    table = pd.DataFrame(rows, columns=["image", "sampler", "steps", "metric", "value"])
    results.save("jpeg", table, "laptop", notebook="04_jpeg")
    return project


def test_in_short_states_the_changes_with_two_digits(measured: Path) -> None:
    said = summaries.in_short("04_jpeg", "laptop", claims.judge("laptop"))
    # one step against the input, the best number of steps against one, and naive against InDI at the most
    for number in ("rises by 3.0 dB", "With 5 steps", "falls by 0.50 dB", "0.30 to 0.25", "3.0 dB less"):
        assert number in said
    assert "Cold Diffusion" not in said


def test_steps_that_score_worse_than_one_are_named_before_the_best(project: Path) -> None:
    """As on defocus: the best N is the largest, and some N before it are shown to be worse than one step."""
    levels = {1: 0.20, 2: 0.21, 3: 0.22, 5: 0.21, 10: 0.20, 20: 0.15}
    rows = pd.DataFrame(
        [
            (f"i{k}", "indi", n, "lpips_squeeze", level + (0.03 if n == 10 else 0.001 * n) * shift)
            for n, level in levels.items()
            for k, shift in enumerate(np.linspace(-1, 1, 12))
        ],
        columns=["image", "sampler", "steps", "metric", "value"],
    )
    assert boxes.against(rows, 20, "04_jpeg", "laptop") == [
        "with 2, 3 or 5 steps LPIPS is worse than with one"
    ]
    assert boxes.against(rows[rows["steps"].isin([1, 20])], 20, "04_jpeg", "laptop") == []


def test_verdicts_on_fewer_images_than_the_chapters_are_counted_apart() -> None:
    def entry(*counts: int) -> claims.Entry:
        numbers = tuple(Number("PSNR", 1.0, 0.5, 1.5, n) for n in counts)
        verdict = claims.Verdict("reproduced", "", numbers)
        return claims.Entry(claims.CLAIMS[0], verdict, "fresh", (), (), ())

    assert summaries._how_many_rest([entry(100), entry(), entry(100, 100)], 100) == "all this rests"
    said = summaries._how_many_rest([entry(100), entry(32, 100), entry(64), entry()], 100)
    assert "2 rest on other runs with fewer images (32 to 64) and 1" in said


def test_two_significant_digits() -> None:
    values = (951.7, 27.44, 1.0, 0.993, -0.0964, 0.00154, 0.0)
    assert [boxes.two(value) for value in values] == ["950", "27", "1.0", "0.99", "-0.096", "0.0015", "0"]


def test_a_chapter_without_results_has_no_numbers(project: Path) -> None:
    entries = claims.judge("laptop")
    assert summaries.in_short("05_motion", "laptop", entries) == ""
    assert summaries.in_short("12_conditional_ddpm", "laptop", entries) == ""


def test_the_overview_has_a_row_per_measured_task(measured: Path) -> None:
    said = summaries.overview("laptop", claims.judge("laptop")).replace("\u00a0", " ")
    (row,) = [line for line in said.splitlines() if line.startswith("| {doc}")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    change = ["-0.5 [-0.5, -0.5]", "-0.05 [-0.05, -0.05]"]
    assert cells[1:] == ["12", "5", "20.0", "23.0", change[0], "0.40", "0.30", change[1]]


def test_the_front_page_counts_the_tasks_of_each_finding(measured: Path) -> None:
    """One task of four was measured, and is for the first two findings; nothing in it gets worse."""
    entries = claims.judge("laptop")
    first, second, third = summaries.front("laptop", entries).split("\n- ")
    assert first.count("1 of 4 tasks") == 2
    assert second.count("0 of 4 tasks") == 2
    assert f"{len(entries)} verdicts on " in third


def test_a_number_in_a_sentence_has_two_digits_and_its_interval_as_many_decimals() -> None:
    def said(value: float, low: float, high: float) -> str:
        number = Number("PSNR, indi N = 1 against indi N = 2", value, low, high, 100)
        return ledger.rounded(number).removeprefix("PSNR, InDI N = 1 against InDI N = 2: ")

    assert said(0.2216, 0.1525, 0.3094) == "+0.22 [+0.15, +0.31], n = 100"
    assert said(17.35, 14.68, 20.02) == "+17 [+15, +20], n = 100"
    # about zero the interval says how much is known
    assert said(2.76e-05, -0.000572, 0.0006272) == "+0.00003 [-0.00057, +0.00063], n = 100"


def test_folded_tables_come_after_the_figure_that_follows_them() -> None:
    long = '<details class="indi-table indi-long"><summary>rows</summary></details>'
    figure = '<figure class="indi-figure"></figure>'

    def cell(*shown: str) -> nbformat.NotebookNode:
        outputs = [nbformat.v4.new_output("display_data", data={"text/html": text}) for text in shown]
        return nbformat.v4.new_code_cell("x", outputs=outputs)

    def section(title: str) -> nbformat.NotebookNode:
        return nbformat.v4.new_markdown_cell(f"## {title}")

    page = nbformat.v4.new_notebook()
    page.cells = [
        section("A"), cell(long), cell(figure), cell(long), section("B"), cell(long, "short"), section("C"), cell(long)
    ]  # fmt: skip
    captions._figures_first(page)
    shown = [[output.data["text/html"] for output in cell.get("outputs", [])] for cell in page.cells]
    # one moved; one stays behind its figure; where none follows, all stay
    assert shown == [[], [], [figure, long], [long], [], ["short", long], [], [long]]


@pytest.mark.parametrize("same_code", [True, False])
def test_pages_take_todays_prose_and_verdicts(measured: Path, same_code: bool) -> None:
    (measured / "book").mkdir(exist_ok=True)
    judge = 'entries = tables.verdicts(profile, "jpeg", "04_jpeg")'

    def write(path: Path, prose: str, code: str, injected: bool) -> None:
        page = nbformat.v4.new_notebook()
        page.cells = [nbformat.v4.new_markdown_cell("# Title"), nbformat.v4.new_code_cell(code)]
        if injected:
            cell = nbformat.v4.new_code_cell("profile = 1", metadata={"tags": ["injected-parameters"]})
            page.cells.insert(1, cell)
        printed = nbformat.v4.new_output("execute_result", data={"text/markdown": "as of that run"})
        page.cells.append(nbformat.v4.new_code_cell(judge, outputs=[printed] if injected else []))
        page.cells.append(nbformat.v4.new_markdown_cell(prose))
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(page, path)

    write(measured / "notebooks" / "04_jpeg.ipynb", "better", "1" if same_code else "2", False)
    write(runner.executed_path("04_jpeg", "laptop"), "old", "1", True)
    book.assemble("laptop")
    cells = nbformat.read(measured / "book" / "notebooks" / "04_jpeg.ipynb", as_version=4).cells
    assert "In short (profile laptop)" in next(cell.source for cell in cells if cell.id == "in-short")
    assert "**Reproduced:** One step has the best PSNR" in cells[-2].outputs[0].data["text/markdown"]
    assert cells[-1].source == ("better" if same_code else "old")


def test_code_is_folded_but_for_the_parameters_of_the_run() -> None:
    sources = {
        "parameters": 'profile = "smoke"  # smoke or laptop\nsteps = None  # of the training\nlevel = 1_000',
        "injected-parameters": '# Parameters\nprofile = "laptop"\nlevel = 3\n',
        "hide-input": "import x",
        "": "y = x",
    }
    page = nbformat.v4.new_notebook()
    page.cells = [
        nbformat.v4.new_code_cell(code, metadata={"tags": [tag] if tag else []})
        for tag, code in sources.items()
    ]
    book._fold(page)
    shown = 'profile = "laptop"  # smoke or laptop\nsteps = None  # of the training\nlevel = 3'
    assert [cell.source for cell in page.cells] == [shown, "import x", "y = x"]
    assert ["hide-input" in cell.metadata["tags"] for cell in page.cells] == [False, True, True]
