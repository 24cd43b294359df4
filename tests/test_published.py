"""The published results, as committed: their weights, their numbers, and what the book says of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import nbformat
import pytest

from indi import claims, paths, profiles
from indi.book import build as book
from indi.book import run as runner
from indi.book import summaries
from indi.claims import Entry, robust
from indi.models import card
from indi.records import results
from indi.training import load, recipes

ROOT = Path(__file__).resolve().parents[1]
LAPTOP = ROOT / "results" / "laptop"
TABLES = results.names(LAPTOP / "tables")
MODELS = sorted((LAPTOP / "models").iterdir())
JUDGED = [f"{chapter:02}" for chapter in (4, 5, 6, 7, 8, 9, 10, 11, 12, 13)]

pytestmark = pytest.mark.skipif(bool(os.environ.get("INDI_HOME")), reason="INDI_HOME names another project")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_the_one_its_chapter_wrote(name: str) -> None:
    record = json.loads((LAPTOP / "tables" / f"{name}.json").read_text())
    table = results.load(name, "laptop")  # refuses what does not have the recorded hash
    assert len(table.rows) == record["rows"]
    assert (ROOT / "notebooks" / f"{record['notebook']}.ipynb").is_file()


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.name)
def test_weights_are_those_that_the_tables_rest_on(folder: Path) -> None:
    record = json.loads((folder / "done.json").read_text())
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    assert digest in json.dumps(record)
    task = folder.name.partition("-")[0]
    table = results.load("generation_sets" if task == "generation" else task, "laptop")
    assert digest in [training["checkpoint"] for training in table.provenance["trainings"]]


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.name)
def test_a_card_is_what_its_template_makes_of_the_files(folder: Path) -> None:
    trained = load(recipes.recipe(folder.name.rpartition("-")[0], "laptop"))
    record = json.loads((folder / "done.json").read_text())
    assert (folder / "README.md").read_text() == card.card(trained, record)


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return claims.judge("laptop")


@pytest.fixture(scope="module")
def pages(entries: list[Entry]) -> dict[str, nbformat.NotebookNode]:
    """Every chapter as the book shows it."""
    return {
        path.stem: book._page(path, executed, LAPTOP / "figures", "laptop", entries)
        for path in book.notebooks()
        if (executed := runner.executed_path(path.stem, "laptop")).is_file()
    }


def spoken(page: nbformat.NotebookNode) -> tuple[str, str]:
    """The box under a page's title, and all that its cells show."""
    (box,) = [cell.source for cell in page.cells if cell.get("id") == "in-short"] or [""]
    outputs = [out for cell in page.cells for out in cell.get("outputs", [])]
    return box, "\n".join(str(text) for out in outputs for text in out.get("data", {}).values())


def outcomes(text: str) -> set[tuple[str, str]]:
    """(outcome, title) of each line "- **Reproduced:** title (...)" or "- **Reproduced**: title; title (task)."."""
    found = set()
    for outcome, full, said in re.findall(r"- \*\*([\w ]+)(:?)\*\*:? (.*)", text):
        for title in [said] if full else said.rstrip(".").split("; "):
            found.add((outcome.lower(), title))
    return found


def test_no_page_contradicts_the_ledger(
    entries: list[Entry], pages: dict[str, nbformat.NotebookNode]
) -> None:
    """Every verdict that a box or a foot states is the one of the judgement; they once differed in 4 to 7."""
    names = {entry.verdict.outcome for entry in entries} | {"not tested"}
    for chapter, page in pages.items():
        box, shown = spoken(page)
        for outcome, said in outcomes(box) | outcomes(shown):
            about = [
                entry
                for entry in entries
                if said.startswith(entry.claim.title.rstrip("."))
                and (entry.claim.chapter == chapter or entry.claim.task in chapter)
            ]
            if outcome in names and about:
                assert outcome in {entry.verdict.outcome for entry in about}, (chapter, said)


def test_quality_falls_again_is_said_once_for_all(
    entries: list[Entry], pages: dict[str, nbformat.NotebookNode]
) -> None:
    """Chapter 7 ran before the table that decides this claim was there, and had printed "not tested"."""
    (entry,) = (entry for entry in entries if entry.claim.id == "falls-again/defocus")
    said = entry.verdict.outcome.capitalize()
    shown = spoken(pages["07_defocus"])[1]
    assert f"- **{said}:** {entry.claim.title}" in shown
    for other in {"Reproduced", "Not reproduced", "Inconclusive", "Not tested"} - {said}:
        assert f"- **{other}:** {entry.claim.title}" not in shown


def test_every_chapter_opens_with_a_short_box_that_counts_its_verdicts(
    entries: list[Entry], pages: dict[str, nbformat.NotebookNode]
) -> None:
    for chapter, page in pages.items():
        box = spoken(page)[0]
        if chapter == "13_claims":
            continue
        text = box.split("\n\n")[1]
        assert 1 <= len(re.findall(r"\.(?= |$)", text)) <= 4, (chapter, text)
        assert "{download}" in box, chapter
        own = summaries.claims_of(chapter, entries)
        if len(own) > 1:
            for outcome in {entry.verdict.outcome for entry in own}:
                count = sum(entry.verdict.outcome == outcome for entry in own)
                assert f"{count} {outcome}" in text, (chapter, outcome)


def test_every_chapter_with_claims_shows_them_at_its_end(
    entries: list[Entry], pages: dict[str, nbformat.NotebookNode]
) -> None:
    for chapter, page in pages.items():
        if chapter[:2] in JUDGED:
            shown = spoken(page)[1]
            for entry in entries:
                if entry.claim.chapter == chapter or chapter == "13_claims":
                    assert entry.claim.title.rstrip(".") in shown, (chapter, entry.claim.id)


def test_the_results_are_those_of_this_checkout() -> None:
    assert paths.results("laptop") == LAPTOP


def test_our_claims_say_what_chapter_16_says() -> None:
    said = results.load("robust_verdicts", "laptop").rows
    words = {
        "reproduced": "holds",
        "not reproduced": "fails",
        "inconclusive": "open",
        "not tested": "not tested",
    }
    methods = {
        "keeps": ("InDI", "(a)"),
        "cold-keeps": ("Cold Diffusion", "(a)"),
        "cold-half": ("Cold Diffusion", "(b)"),
    }
    for entry in claims.judge("laptop", robust.CLAIMS):
        name, _, task = entry.claim.id.partition("/")
        if name in methods:
            method, rule = methods[name]
            of_task = said["task"].map(profiles.TASKS[task].words.startswith)
            row = said[(said["method"] == method) & of_task]
            (column,) = [column for column in said if column.startswith(rule)]
            assert row[column].item().startswith(words[entry.verdict.outcome])
