"""The built book as a reader meets it: every link leads somewhere, every page fits a phone and is accessible.

The book is built once for this file from the committed results; INDI_BOOK names one that is built already
(book/_build/html).
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pandas as pd
import pytest

from indi.book import build, pdf

pytest.importorskip("jupyter_book", reason="needs the extra 'book'")

ROOT = Path(__file__).resolve().parent.parent
CLAIMS = "notebooks/13_claims.html"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if named := os.environ.get("INDI_BOOK"):
        return Path(named).resolve()
    home = tmp_path_factory.mktemp("home")
    for name in ("notebooks", "results"):
        (home / name).symlink_to(ROOT / name)
    left_out = shutil.ignore_patterns(*build.GENERATED, "__pycache__")
    shutil.copytree(ROOT / "book", home / "book", ignore=left_out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INDI_HOME", str(home))
        build.assemble("laptop")
        return build.build("laptop").parent


class Page(HTMLParser):
    """Ids and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids |= {value for name in ("id", "name") if (value := found.get(name))}
        self.links += [value for name in ("href", "src") if (value := found.get(name))]
        if tag == "img":
            self.images.append(found)


@lru_cache
def parsed(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def pages(site: Path) -> list[Path]:
    return [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]


def test_every_internal_link_resolves(site: Path) -> None:
    dead = []
    for page in pages(site):
        for link in parsed(page).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.is_file() or (
                parts.fragment
                and target.suffix == ".html"
                and target.is_relative_to(site)
                and unquote(parts.fragment) not in parsed(target).ids
            ):
                dead.append((page.name, link))
    assert dead == []


def test_nothing_is_too_heavy(site: Path) -> None:
    assert max(path.stat().st_size for path in pages(site)) < 3_000_000
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 45_000_000


def test_every_figure_has_words_and_its_data(site: Path) -> None:
    shown = 0
    for page in pages(site):
        for image in parsed(page).images:
            # empty: an ornament; else a sentence
            assert "alt" in image, (page.name, image)
        for figure in re.findall(
            r'<figure class="indi-figure".*?</figure>', page.read_text(encoding="utf-8"), re.DOTALL
        ):
            shown += 1
            alt = re.search(r'alt="([^"]*)"', figure)
            assert alt is not None
            assert alt[1].endswith("."), figure
            caption = re.search(r"<figcaption>(.*?) <(?:a|span)", figure, re.DOTALL)
            assert caption is not None
            assert "{" not in alt[1] + caption[1], figure
            for data in re.findall(r'href="([^"]+\.csv)"', figure):
                assert len(pd.read_csv(page.parent / data)) > 0
            assert "SVG</a>" in figure
    assert shown > 40


def test_the_evidence_of_each_claim_is_two_clicks_away(site: Path) -> None:
    """One from the front page to the claim, one from there to its section, figure and data."""
    linked = {
        urlsplit(link).fragment for link in parsed(site / "intro.html").links if urlsplit(link).path == CLAIMS
    }
    front = (site / "intro.html").read_text(encoding="utf-8")
    assert front.index("indi-explorer") < front.index("indi-grid") < front.index('<div class="math')
    cards = re.findall(
        r'<details class="indi-claim".*?</details>\s*(?=<details class="indi-claim"|</div>)',
        (site / CLAIMS).read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert len(cards) > 40
    for card in cards:
        (name,) = re.findall(r'<div id="(claim-[\w-]+)"', card)
        ours = ", a claim of ours" in card  # the front page leads to their chapter
        assert name in linked or ours
        assert re.search(r'href="\d\d_\w+\.html#[\w-]+">section', card), name
        shown = "figure|table" if ours else "figure"
        assert re.search(rf'href="\d\d_\w+\.html#(?:{shown})-[\w-]+">(?:{shown})', card), name
        assert re.search(r'href="\.\./results/tables/\w+\.csv" download', card), name


# ---------------------------------------------------------------- in a browser

axe = pytest.importorskip(
    "axe_playwright_python.base", reason="needs axe-playwright-python, of the extra 'test'"
)
in_browser = pytest.mark.browser

Open = Callable[..., Any]


@pytest.fixture
def opened(open_at: Open, site: Path) -> Open:
    """Opens a page of the book, named from its root, with or without a fragment."""

    def at(name: str, **options: Any) -> Any:
        path, _, rest = name.partition("#")
        return open_at((site / path).as_uri() + (f"#{rest}" if rest else ""), **options)

    return at


WIDE = """() => {
  const wide = [...document.querySelectorAll('.bd-article *, .bd-header-article *')].filter((e) => {
    if (e.scrollWidth <= e.clientWidth + 1 || !e.clientWidth) return false;
    const style = getComputedStyle(e);
    return ['auto', 'scroll'].includes(style.overflowX) && style.backgroundImage === 'none'
      && !e.matches('pre, textarea, input, select, .math, .math *, mjx-container, mjx-container *');
  });
  return { page: document.documentElement.scrollWidth, hidden: wide.map((e) => e.outerHTML.slice(0, 90)) };
}"""

CHECK = """(rules) => axe.run({ exclude: [['mjx-container'], ['.bd-sidebar-primary .bd-links__title']] },
  { resultTypes: ['violations'], preload: false, ...(rules ? { runOnly: { type: 'rule', values: rules } } : {}) })
  .then((found) => found.violations.filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')
      + ' (' + v.nodes.length + ')'))"""


@in_browser
def test_every_page_fits_a_phone_and_is_accessible(opened: Open, site: Path) -> None:
    """Light: all rules of axe. Dark: the contrast, which is all that changes."""
    wrong = []
    for path in pages(site):
        name = path.relative_to(site).as_posix()
        if name == "index.html":  # leads to intro.html at once
            continue
        page = opened(name, width=390, has_touch=True)
        page.evaluate("document.fonts.ready")
        found = page.evaluate(WIDE)
        if found["page"] > 390:
            wrong.append(f"{name}: {found['page']} pixels wide")
        wrong += [f"{name}: scrolls and does not show it: {part}" for part in found["hidden"]]
        page.evaluate(axe.AXE_SCRIPT)
        wrong += [f"{name}, light: {part}" for part in page.evaluate(CHECK, None)]
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        wrong += [f"{name}, dark: {part}" for part in page.evaluate(CHECK, ["color-contrast"])]
        page.context.close()
    assert wrong == []


@in_browser
def test_claims_are_filtered_by_mouse_keyboard_and_touch(opened: Open) -> None:
    page = opened(CLAIMS)
    cards = page.locator(".indi-claim")
    total = cards.count()
    shown = page.locator(".indi-claim:visible")
    page.select_option("#claims-verdict", "inconclusive")
    assert 0 < shown.count() < total
    assert set(shown.evaluate_all("all => all.map((e) => e.dataset.verdict)")) == {"inconclusive"}
    assert f"{shown.count()} of {total}" in page.inner_text(".indi-count")
    page.select_option("#claims-task", "jpeg")
    both = shown.count()
    assert set(shown.evaluate_all("all => all.map((e) => e.dataset.task)")) <= {"jpeg"}
    assert both < total
    page.locator(".indi-clear").click()
    assert shown.count() == total
    page.focus("#claims-search")
    page.keyboard.type("brownian")
    assert 0 < shown.count() < total
    assert all(
        "brownian" in text.lower() for text in shown.evaluate_all("all => all.map((e) => e.textContent)")
    )
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert shown.evaluate_all("all => all.every((e) => e.open)")
    page.reload()
    assert page.input_value("#claims-search") == "brownian", "the address holds the filters"
    phone = opened(CLAIMS, width=390, has_touch=True)
    phone.tap(".indi-claim summary")
    assert phone.locator(".indi-claim[open]").count() == 1
    phone.tap(".indi-expand")
    assert phone.locator(".indi-claim[open]").count() == total
    phone.tap(".indi-expand")
    assert phone.locator(".indi-claim[open]").count() == 0


@in_browser
def test_a_claim_has_a_lasting_address_and_a_command_to_copy(opened: Open) -> None:
    page = opened(f"{CLAIMS}#claim-brownian", permissions=["clipboard-read", "clipboard-write"])
    card = page.locator(".indi-claim[open]")
    assert card.count() == 1
    card.locator(".indi-copy").click()
    card.locator(".indi-copy", has_text="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == card.locator(".indi-command").inner_text()
    card.get_by_text("figure", exact=True).click()
    page.wait_for_url(re.compile(r"figure-noise-steps$"))
    assert page.locator("#figure-noise-steps img").is_visible()


@in_browser
@pytest.mark.parametrize("name", ["05_motion", "09_samplers"])
def test_a_point_of_a_plane_says_its_numbers_and_leads_to_its_pictures(opened: Open, name: str) -> None:
    page = opened(f"notebooks/{name}.html")
    figure = page.locator("figure.indi-figure:has(.indi-points)").first
    points = json.loads(figure.locator(".indi-points").inner_text())
    alone = [p for p in points if math.dist(*([q["x"], q["y"]] for q in (p, nearest(p, points)))) > 3]
    point = next(p for p in alone if "link" in p and p["steps"] > 1)
    box = figure.locator("img").bounding_box()
    assert box
    at = (box["x"] + box["width"] * point["x"] / 100, box["y"] + box["height"] * point["y"] / 100)
    figure.locator("img").scroll_into_view_if_needed()
    page.evaluate("y => scrollTo(0, y)", at[1] - 300)
    page.mouse.move(at[0], 300)
    said = figure.locator(".indi-said")
    assert point["says"].replace("\u00a0", " ") in said.inner_text().replace("\u00a0", " ")
    page.mouse.click(at[0], 300)
    page.mouse.move(5, 5)
    assert point["says"].replace("\u00a0", " ") in said.inner_text().replace("\u00a0", " "), "chosen stays"
    said.locator("a").click()
    page.locator(".ex-more[open]").wait_for()
    assert page.locator(".ex-steps output").inner_text() == f"N = {point['steps']}"
    assert page.locator(".ex-sampler input:checked").get_attribute("value") == point["series"]


def nearest(point: dict[str, Any], points: list[dict[str, Any]]) -> dict[str, Any]:
    others = [other for other in points if other is not point]
    return min(others, key=lambda other: math.dist((point["x"], point["y"]), (other["x"], other["y"])))


@in_browser
def test_the_points_of_a_plane_are_reached_by_keys(opened: Open) -> None:
    page = opened("notebooks/04_jpeg.html")
    figure = page.locator("figure.indi-figure:has(.indi-points)").first
    figure.locator(".indi-ring").focus()
    said = figure.locator(".indi-said")
    seen = [said.inner_text()]
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
        seen.append(said.inner_text())
    points = json.loads(figure.locator(".indi-points").inner_text())
    curves = list(dict.fromkeys(point["series"] for point in points))
    of = {name: [point["says"] for point in points if point["series"] == name] for name in curves}
    for text, wanted in zip(seen, [*of[curves[0]][:3], of[curves[1]][0]], strict=True):
        assert wanted.replace("\u00a0", " ") in text.replace("\u00a0", " ")


@in_browser
def test_without_javascript_the_claims_are_a_plain_page(opened: Open) -> None:
    page = opened(CLAIMS, java_script_enabled=False)
    assert page.locator(".indi-filters").count() == 0
    page.locator(".indi-claim summary").first.click()
    assert page.locator(".indi-card").first.is_visible()


@in_browser
@pytest.mark.parametrize("name", [CLAIMS, "notebooks/05_motion.html"])
def test_print_keeps_all_that_is_folded(opened: Open, name: str) -> None:
    page = opened(name, width=794)
    page.emulate_media(media="print")
    hidden = page.evaluate(
        """[...document.querySelectorAll('.bd-article details > *, .bd-article pre')]
        .filter((e) => !e.checkVisibility({ contentVisibilityAuto: true }) || !e.getBoundingClientRect().height)
        .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert hidden == []
    cut = page.evaluate(
        """[...document.querySelectorAll('.bd-article pre')]
        .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
        .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert cut == []


@in_browser
def test_the_report_is_printed(browser: Any, site: Path, tmp_path: Path) -> None:
    printed = pdf._printed(pdf.browser(), site / "report.html", tmp_path / "report.pdf")
    assert printed.stat().st_size > 30_000
