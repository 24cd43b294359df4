"""The step explorer shows what is stored, and a reader can use it by mouse, touch and keyboard, from a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest

from indi import evaluation
from indi.figures import explorer
from indi.records import results

ROOT = Path(__file__).resolve().parent.parent
STORED = {
    path.parent.name: json.loads(path.read_text())
    for path in sorted((ROOT / "results" / "laptop" / "explorer").glob("*/explorer.json"))
}


def points(count: int, seed: int = 0) -> pd.DataFrame:
    """Rows of an evaluation whose gains are known: image k gains k / 100 in LPIPS, and loses k dB."""
    rows = []
    for k in range(count):
        name = f"image{k}"
        rows += [(name, "input", 0, "psnr", 20.0), (name, "input", 0, "lpips_squeeze", 0.9)]
        for sampler in ("indi", "naive"):
            for n in (1, 5):
                many = n > 1
                psnr, lpips = 30.0 - many * k, 0.5 - many * k / 100
                if sampler == "naive" and many:
                    lpips += 0.3 if k == 2 else 0.0
                rows += [(name, sampler, n, "psnr", psnr), (name, sampler, n, "lpips_squeeze", lpips)]
    return pd.DataFrame(rows, columns=["image", "sampler", "steps", "metric", "value"])


def test_the_images_are_chosen_by_the_rules() -> None:
    chosen = explorer.choose(points(9), "lpips_squeeze")
    # largest, median and smallest gain; the loss is largest where the gain is, so the next; naive's outlier
    assert [c["image"] for c in chosen] == ["image8", "image4", "image0", "image7", "image2"]
    assert "from N = 1 to 5" in chosen[0]["why"]
    few = [c["image"] for c in explorer.choose(points(3), "lpips_squeeze")]
    assert sorted(few) == ["image0", "image1", "image2"], "each image once"


def test_a_loss_is_called_a_loss() -> None:
    rows = points(3)
    worse = (rows["image"] == "image0") & (rows["sampler"] == "indi") & (rows["metric"] == "lpips_squeeze")
    rows.loc[worse & (rows["steps"] == 5), "value"] += 0.1
    least = explorer.choose(rows, "lpips_squeeze")[2]
    assert (least["image"], least["title"]) == ("image0", "Steps hurt most")
    assert "the largest loss in LPIPS" in least["why"]


@pytest.mark.skipif(not STORED, reason="no explorer is stored")
@pytest.mark.parametrize("task", STORED)
def test_the_record_is_that_of_the_table(task: str) -> None:
    record, table = STORED[task], results.load(task, "laptop")
    assert record["table"]["sha256"] == table.provenance["sha256"]
    names = [metric["name"] for metric in record["metrics"]]
    values = table.rows.astype({"image": str}).set_index(["image", "sampler", "steps", "metric"])["value"]
    chosen = explorer.choose(table.rows, names[1])
    assert [c["image"] for c in record["choices"]] == [c["image"] for c in chosen]
    for choice in record["choices"]:
        shown = [(key.split()[0], int(key.split()[1])) for key in choice["values"]]
        assert len(shown) == 1 + 3 * len(record["steps"])
        for sampler, steps in shown:
            for name in names:
                found = choice["values"][f"{sampler} {steps}"][name]
                assert found == pytest.approx(values[choice["image"], sampler, steps, name], rel=1e-12)
    means = table.rows.groupby(["sampler", "steps", "metric"])["value"].mean()
    for point in record["curve"]:
        for name in names:
            mean, low, high = point[name]
            assert mean == pytest.approx(means[point["sampler"], point["steps"], name])
            assert low <= mean <= high
    one = next(p for p in record["curve"] if (p["sampler"], p["steps"]) == ("indi", 5))
    gap = evaluation.difference(table.rows, "psnr", ("indi", 5), ("indi", 1))
    assert one["psnr"][2] - one["psnr"][1] == pytest.approx(gap.high - gap.low)


@pytest.mark.skipif(not STORED, reason="no explorer is stored")
@pytest.mark.parametrize("task", STORED)
def test_the_pictures_are_there_and_small(task: str) -> None:
    record, folder = STORED[task], explorer.folder(task, "laptop")
    named = {name for choice in record["choices"] for name in choice["files"].values()}
    assert {path.name for path in folder.glob("*.webp")} == named
    assert record["pictures"]["checked"]["largest_difference"] <= explorer.TOLERANCE
    assert record["pictures"]["checked"]["images"] == 5 * (1 + 3 * len(record["steps"]))  # the input too
    assert record["pictures"]["dirty"] is False
    assert sum(path.stat().st_size for path in folder.parent.rglob("*.*")) < 4_000_000, "all tasks together"
    assert max(path.stat().st_size for path in folder.glob("*.webp")) < 40_000


def test_a_page_with_another_table_says_so(project: Path) -> None:
    rows = points(3)
    results.save("jpeg", rows, "smoke", notebook="04_jpeg")
    page = project / "book" / "notebooks" / "04_jpeg.ipynb"
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# JPEG", id="a"),
        nbformat.v4.new_markdown_cell("Text", id="b"),
    ]
    wanted = {page: nbformat.writes(notebook).encode()}
    nothing = explorer.pages(wanted, "smoke")
    assert list(nothing) == [project / "book" / "results" / "explorer.md"]

    record = {
        "task": "jpeg", "profile": "smoke", "table": {"sha256": "of an older one"}, "set": "embedded",
        "images": 3, "crop": 128, "steps": [1, 5], "metrics": [], "curve": [],
        "choices": [{"image": "a", "title": "", "why": "", "values": {},
                     "files": {"input 0": "y.webp", "truth 0": "x.webp", "indi 1": "1.webp", "indi 5": "5.webp"}}],
    }  # fmt: skip
    folder = explorer.folder("jpeg", "smoke")
    folder.mkdir(parents=True)
    for digest, expected in (
        ("of an older one", "indi explorer jpeg --profile smoke"),
        (None, "indi-explorer"),
    ):
        record["table"] = {"sha256": digest or results.load("jpeg", "smoke").provenance["sha256"]}
        (folder / "explorer.json").write_text(json.dumps(record))
        added = explorer.pages(wanted, "smoke")
        cells = nbformat.reads(added[page].decode(), as_version=4).cells
        assert [cell.id for cell in cells] == ["a", "explorer", "b"]
        assert expected in cells[1].source
        assert project / "book" / "results" / "explorer" / "jpeg" / "explorer.json" in added


# ---------------------------------------------------------------- the page

browser_test = pytest.mark.browser
TASK = next(iter(STORED), "jpeg")


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory, small_book: Callable[..., Path]) -> Path:
    """A book of two pages; the explorer stands on one of them."""
    if not STORED:
        pytest.skip("no explorer is stored")
    folder = tmp_path_factory.mktemp("book")
    shutil.copytree(explorer.folder(TASK, "laptop"), folder / "results" / "explorer" / TASK)
    (folder / "page.md").write_text(
        f"# Page\n\n## Steps\n\n{explorer._raw(explorer.fragment(STORED[TASK], ''))}"
    )
    return small_book(folder, "page", "-W", "-n", "--keep-going")


Open = Callable[..., Any]


@pytest.fixture
def open_page(open_at: Open, html: Path) -> Open:
    return partial(open_at, (html / "page.html").as_uri())


def sources(page: Any) -> tuple[str, str]:
    """Names of the left and the right picture, once both are loaded."""
    page.wait_for_function(
        "[...document.querySelectorAll('.ex-stage img')].every((i) => i.complete && i.naturalWidth)"
    )
    return tuple(page.get_attribute(f".ex-{side}", "src").split("/")[-1] for side in ("before", "after"))


def expected(choice: int, key: str) -> str:
    return str(STORED[TASK]["choices"][choice]["files"][key])


def check_numbers(page: Any, choice: int, left: str, right: str) -> None:
    """What the table on the page says, to its digits, against the record."""
    record = STORED[TASK]
    sampler, steps = right.split()
    mean = next(p for p in record["curve"] if (p["sampler"], p["steps"]) == (sampler, int(steps)))
    for metric in record["metrics"]:
        row = page.locator(f".ex-table tr[data-metric='{metric['name']}']")
        for side, value in (
            ("left", record["choices"][choice]["values"].get(left, {}).get(metric["name"])),
            ("right", record["choices"][choice]["values"][right][metric["name"]]),
            ("mean", mean[metric["name"]][0]),
        ):
            shown = row.locator(f".ex-{side}-value").inner_text()
            assert (
                shown == "–"
                if value is None
                else float(shown) == pytest.approx(value, abs=0.51 * 10 ** -metric["digits"])
            )


@browser_test
def test_slider_sampler_image_and_comparison(open_page: Open) -> None:
    page, record = open_page(), STORED[TASK]
    steps = record["steps"]
    page.locator(f"#ex-{TASK}-n").fill("0")
    assert sources(page) == (expected(1, "indi 1"), expected(1, "input 0"))
    check_numbers(page, 1, "indi 1", "input 0")
    for i, n in enumerate(steps, start=1):
        page.locator(f"#ex-{TASK}-n").fill(str(i))
        assert sources(page)[1] == expected(1, f"indi {n}")
        check_numbers(page, 1, "indi 1", f"indi {n}")
        assert page.locator(".ex-asked-point").get_attribute("data-key") == f"indi {n}"
    page.get_by_text("Cold Diffusion", exact=True).first.click()
    assert sources(page)[1] == expected(1, f"cold_diffusion {steps[-1]}")
    page.get_by_text(record["choices"][0]["title"]).click()
    assert sources(page) == (expected(0, "indi 1"), expected(0, f"cold_diffusion {steps[-1]}"))
    page.select_option(f"#ex-{TASK}-left", "truth 0")
    assert sources(page)[0] == expected(0, "truth 0")
    check_numbers(page, 0, "truth 0", f"cold_diffusion {steps[-1]}")
    assert record["choices"][0]["image"] in page.inner_text(f"#ex-{TASK}-why")
    assert "NaN" not in page.inner_text(".indi-explorer")
    assert "undefined" not in page.inner_text(".indi-explorer")


@browser_test
def test_the_strip_chooses_what_is_compared(open_page: Open) -> None:
    page = open_page()
    strip = page.locator(".ex-strip button")
    assert strip.all_inner_texts() == ["degraded y", "N = 1", "N = 5", "N = 20", "truth x"]
    for i, key in enumerate(("input 0", "indi 1", "indi 5", "indi 20")):
        strip.nth(i).click()
        assert sources(page)[1] == expected(1, key)
        assert strip.nth(i).get_attribute("aria-pressed") == "true"
        names = page.locator(".ex-tag").all_inner_texts()
        assert names[0] != names[1], "a picture beside itself shows nothing"
    strip.nth(4).click()
    assert sources(page) == (expected(1, "truth 0"), expected(1, "indi 20"))
    page.get_by_text("Cold Diffusion", exact=True).first.click()
    assert strip.nth(2).locator("img").get_attribute("src").endswith(expected(1, "cold_diffusion 5"))


@browser_test
def test_the_divider_follows_mouse_touch_and_keys(open_page: Open) -> None:
    page = open_page()
    place = "Number(document.querySelector('.ex-divider').getAttribute('aria-valuenow'))"
    box = page.locator(".ex-stage").bounding_box()
    assert (box["width"], box["height"]) == (384, 384), "twice 192 pixels"
    page.mouse.move(box["x"] + 192, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 96, box["y"] + 120, steps=4)
    page.mouse.up()
    assert page.evaluate(place) == 25
    assert page.evaluate("document.querySelector('.ex-before').style.clipPath").startswith("inset(0px 75%")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(place) == 27
    page.keyboard.press("End")
    assert page.evaluate(place) == 100
    phone = open_page(390, 844, has_touch=True)
    small = phone.locator(".ex-stage").bounding_box()
    phone.tap(".ex-stage", position={"x": small["width"] * 0.8, "y": 50})
    assert phone.evaluate(place) == 80


@browser_test
def test_a_point_of_the_curve_tells_its_numbers_and_opens_its_picture(open_page: Open) -> None:
    page = open_page()
    point = next(p for p in STORED[TASK]["curve"] if (p["sampler"], p["steps"]) == ("cold_diffusion", 20))
    mark = page.locator("[data-key='cold_diffusion 20']")
    before = sources(page)
    mark.hover(force=True)
    told = page.inner_text(f"#ex-{TASK}-asked")
    assert told.startswith("Cold Diffusion, N = 20")
    for value in point["psnr"]:
        assert f"{value:.2f}" in told
    assert sources(page) == before, "pointing asks, choosing moves"
    mark.click(force=True)
    assert sources(page)[1] == expected(1, "cold_diffusion 20")
    page.focus(".ex-point[tabindex='0']")
    page.keyboard.press("ArrowLeft")
    assert sources(page)[1] == expected(1, "cold_diffusion 10")
    assert page.evaluate("document.activeElement.dataset.key") == "cold_diffusion 10"


@browser_test
def test_every_control_is_reached_by_the_tab_key(open_page: Open) -> None:
    page = open_page()
    reached = set()
    page.focus(f"input[name='ex-{TASK}-image']:checked")
    for _ in range(8):
        page.keyboard.press("Tab")
        here = "document.activeElement"
        reached.add(page.evaluate(f"{here}.id || {here}.name || {here}.getAttribute('role')"))
    assert {f"ex-{TASK}-{name}" for name in ("divider", "n", "sampler", "left")} | {"button"} <= reached


@browser_test
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_in_both_themes(open_page: Open, theme: str) -> None:
    page = open_page(390, 844, theme=theme, has_touch=True)
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    wide = page.evaluate(
        "[...document.querySelectorAll('.indi-explorer *')].filter((e) => !e.closest('.ex-stage, .ex-plot'))"
        ".filter((e) => e.getBoundingClientRect().right > 390.5).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert wide == []


@browser_test
def test_without_javascript_a_strip_stands_in(open_page: Open) -> None:
    page = open_page(java_script_enabled=False)
    shown = page.locator(".ex-still img")
    assert shown.count() == 5
    assert shown.first.is_visible()
    page = open_page()
    assert page.locator(".ex-still").count() == 0


@browser_test
def test_little_is_loaded_before_it_is_asked_for(open_page: Open, html: Path) -> None:
    page = open_page()
    sources(page)
    loaded = page.evaluate("performance.getEntriesByType('resource').map((e) => e.name)")
    assert len([name for name in loaded if name.endswith(".webp")]) <= 12
    other = (html / "other.html").read_text()
    assert "explorer.js" not in other
    assert "explorer.css" not in other
    assert "explorer.js" in (html / "page.html").read_text()
