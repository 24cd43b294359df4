"""Captions, alternative texts and downloads of the figures and tables of the book, put in when it is assembled.

The words stand in captions.toml; profile, data, n and trainings come from the records of the tables, so that no number
is typed. A figure becomes a plain `<figure>` of the stored SVG, beside which its data and its code can be downloaded.
"""

from __future__ import annotations

import html
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import nbformat

from indi import profiles
from indi.book import boxes
from indi.book import run as runner
from indi.book.figure_links import KEY
from indi.evaluation import metrics
from indi.figures import capital, explorer, ledger, perception
from indi.records import results
from indi.records.results import Table

LONG = 15
"""Tables of more rows are folded, and come after the figure that follows them."""

#: Figures that a chapter saves in a loop, in the order of its unnamed drawings.
_IN_A_LOOP = {"12_conditional_ddpm": ("conditional_ddpm_training", "conditional_ddpm_training_indi")}

_SVG = "image/svg+xml"

#: How intervals are drawn.
_DRAWN = ("bands", "bars")


@lru_cache
def registry() -> dict[str, Any]:
    """captions.toml: "figure" -> name or pattern -> entry, and "tables" -> "rows"."""
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def entry(figure: str) -> dict[str, Any] | None:
    """What is written about a figure, or None; its own entry goes before one with a star."""
    known = registry()["figure"]
    found = known.get(figure) or next((known[name] for name in known if fnmatchcase(figure, name)), None)
    return None if found is None else dict(found)


def put(page: nbformat.NotebookNode, notebook: str, profile: str, figures: Path) -> None:
    """Give every figure and table of an executed notebook its caption, alternative text and downloads, in place.

    Args:
        page: the executed notebook, with links in place of its figures (see `figure_links`).
        figures: folder of the stored figures. Of one that is not there the link stays.
    """
    unnamed = list(_IN_A_LOOP.get(notebook, ()))
    seen, ids = -1, set[str]()
    for cell in page.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            name = output.get("metadata", {}).get(KEY)
            if name is None and _SVG in data and unnamed:
                name = unnamed.pop(0)
            if name and (figures / f"{name}.svg").is_file():
                shown = figure(name, notebook, profile, figures)
            elif "<table" in (text := "".join(data.get("text/html", ""))) and "indi-" not in text:
                seen += 1
                shown = table(text, notebook, profile, seen, ids)
            else:
                continue
            output.data = nbformat.from_dict({"text/html": shown})
    _figures_first(page)


def _figures_first(page: nbformat.NotebookNode) -> None:
    """Move folded tables, in place, behind the next figure of their section; one without such a figure stays."""
    waiting: list[tuple[nbformat.NotebookNode, nbformat.NotebookNode]] = []  # (the cell it is from, table)
    seen = False

    def put_back() -> None:
        for holder, table in waiting:
            holder.outputs.append(table)
        waiting.clear()

    for cell in page.cells:
        if cell.cell_type == "markdown":
            if re.search(r"^##+ ", cell.source, re.MULTILINE):
                put_back()
            seen &= re.search(r"^## ", cell.source, re.MULTILINE) is None
            continue
        outputs = cell.get("outputs", [])
        if any('class="indi-figure"' in _html(output) for output in outputs):
            cell.outputs += [table for _, table in waiting]
            waiting.clear()
            seen = True
        elif not seen:
            moved = [out for out in outputs if _html(out).startswith('<details class="indi-table')]
            cell.outputs = [output for output in outputs if output not in moved]
            waiting += [(cell, table) for table in moved]
    put_back()


def _html(output: nbformat.NotebookNode) -> str:
    return "".join(output.get("data", {}).get("text/html", ""))


def places(pages: Mapping[str, nbformat.NotebookNode], profile: str) -> dict[str, str]:
    """Where evidence stands in the finished chapters, for links from the claims' page, which lies beside them.

    Returns:
        id of a figure or table -> its page; "section of ID" -> page and section; "data of NAME" -> "" for each stored
        table.
    """
    found = {
        f"data of {record['table']}": ""
        for page in pages
        for record in results.records(profile, page)
        if "table" in record
    }
    for name, page in pages.items():
        section = ""
        for cell in page.cells:
            if cell.cell_type == "markdown":
                heads = re.findall(r"^#{2,3} (.+)$", cell.source, re.MULTILINE)
                section = f"#{_slug(heads[-1])}" if heads else section
            for output in cell.get("outputs", []):
                for mark in re.findall(r'id="((?:figure|table)-[\w-]+)"', _html(output)):
                    found.setdefault(mark, f"{name}.html")
                    found.setdefault(f"section of {mark}", f"{name}.html{section}")
    return found


def _slug(heading: str) -> str:
    """The id that docutils gives a heading."""
    plain = unicodedata.normalize("NFKD", heading.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"^[-0-9]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", plain))


def figure(name: str, notebook: str, profile: str, figures: Path) -> str:
    """A stored figure with its caption as HTML, for a page in notebooks/."""
    words = entry(name) or {"caption": "", "alt": f"The figure {name} of this chapter."}
    task = _task(notebook)
    told = _load(words.get("table", "").replace("*", task), profile)
    about = {} if told and _newer(told, notebook) else _numbers(told)
    fill = {"task": capital(profiles.words(task))} | about
    drawing = (figures / f"{name}.svg").read_text()
    box = ""
    if size := re.search(r'<svg[^>]*?width="([\d.]+)pt" height="([\d.]+)pt"', drawing):
        box = ' width="{:.0f}" height="{:.0f}"'.format(*(float(x) * 4 / 3 for x in size.groups()))
    caption = " ".join(filter(None, [_fill(words["caption"], fill), _rests_on(words, notebook, profile)]))
    links = [("data (CSV)", f"figures/{name}.csv")] if (figures / f"{name}.csv").is_file() else []
    listed = _links([*links, ("SVG", f"figures/{name}.svg")], notebook)
    if name in (f"{task}_perception_distortion", f"{task}_strip") and explorer.stored(task, profile):
        shown = "More pictures" if name.endswith("_strip") else "Numbers and pictures of the points"
        listed = f'<a href="#{_explorer_mark(task)}">{shown} in the explorer.</a> {listed}'
    alt = html.escape(_fill(words["alt"], fill))
    return (
        f'<figure class="indi-figure" id="figure-{name.replace("_", "-")}">\n'
        f'<div class="indi-wide" tabindex="0"><div class="indi-plot">'
        f'<img src="../results/figures/{name}.svg" alt="{alt}"{box}></div></div>\n'
        f"{_points(drawing, notebook, profile)}<figcaption>{html.escape(caption)} {listed}</figcaption>\n</figure>"
    )


def _points(drawing: str, notebook: str, profile: str) -> str:
    """What a figure tells of its points, for the page's script; each with its place in an explorer, if it is in one."""
    told = re.search(r"<dc:description>(.*?)</dc:description>", drawing, re.DOTALL)
    if told is None:
        return ""
    tasks = {profiles.words(task): task for task in profiles.RESTORATION}
    own = _task(notebook, "")
    points = json.loads(html.unescape(told[1]))
    shown = {
        (task, at["sampler"], at["steps"])
        for task in {tasks.get(point["panel"], own) for point in points} - {""}
        if (record := explorer.stored(task, profile))
        for at in record["curve"]
    }
    for point in points:
        task = tasks.get(point["panel"], own)
        if (task, point["series"], point["steps"]) in shown:
            query = urlencode({"point": f"{point['series']} {point['steps']}"})
            point["link"] = f"{profiles.TASKS[task].chapter}.html?{query}#{_explorer_mark(task)}"
    data = json.dumps(points, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/json" class="indi-points">{data}</script>\n'


def _explorer_mark(task: str) -> str:
    return f"{task}-explorer".replace("_", "-")


def table(text: str, notebook: str, profile: str, nth: int, ids: set[str]) -> str:
    """A printed table with a caption that stands alone and its downloads; a long one is folded.

    Args:
        text: its HTML.
        nth: which of the chapter's tables it is, from 0.
        ids: those that the page has; that of this table is added, "table-" and its data, of the first that shows them.
    """
    own = re.search(r"<caption[^>]*>(.*?)</caption>", text, re.DOTALL)
    said = html.unescape(own[1]).strip() if own else ""
    known = [one for one in registry()["tables"]["rows"] if _is_of(one, said, notebook, nth)]
    # an entry for this chapter goes before one for all
    words: Mapping[str, Any] = min(known, key=lambda one: "chapter" not in one, default={})
    task = _task(notebook)
    stored = words.get("data", "").replace("*", task)
    caption = " ".join(filter(None, [words.get("lead", ""), said]))
    links = [("data (CSV)", f"tables/{stored}.csv")] if _load(stored, profile) else []
    if caption and links and profile not in caption:
        caption = f"{caption.rstrip('.')}; profile {profile}."
    caption = f"{html.escape(caption)} {_links(links, notebook)}".strip()
    name = f"table-{stored}".replace("_", "-")
    mark = f' id="{name}"' if links and name not in ids else ""
    ids.add(name)
    rows = len(re.findall(r"<tr\b", text)) - 1
    bare = text.replace(own[0], "") if own else text
    shown = f'<p class="indi-caption">{caption}</p>\n<div class="indi-wide" tabindex="0">{bare}</div>'
    if rows > LONG:
        first = words.get("fold") or re.split(r"[.;:] ", said or words.get("lead", "Table"))[0].rstrip(".")
        summary = f"<summary>{html.escape(first)}: {rows} rows</summary>"
        unfolded = " open" if words.get("open") else ""
        return f'<details class="indi-table indi-long"{mark}{unfolded}>{summary}\n{shown}</details>'
    return f'<div class="indi-table"{mark}>{shown}</div>'


def _is_of(words: Mapping[str, Any], said: str, notebook: str, nth: int) -> bool:
    if words.get("chapter", notebook) != notebook:
        return False
    if "starts" not in words:
        return bool(words["nth"] == nth)
    return re.match(".*?".join(map(re.escape, words["starts"].split("*"))), said) is not None


def _links(links: list[tuple[str, str]], notebook: str) -> str:
    listed = [f'<a href="../results/{path}" download>{name}</a>' for name, path in links]
    listed.append(f'<a href="../_sources/notebooks/{notebook}.ipynb" download>code (notebook)</a>')
    return f'<span class="indi-downloads">{" · ".join(listed)}</span>'


def _task(notebook: str, other: str = "jpeg") -> str:
    """The task that a chapter restores; `other` for chapters of none."""
    return next((task for task in profiles.RESTORATION if profiles.TASKS[task].chapter == notebook), other)


def _load(name: str, profile: str) -> Table | None:
    return boxes.load(name.removesuffix("+"), profile) if name else None


def _newer(table: Table, notebook: str) -> bool:
    """Whether a table of the chapter was made after the run that the page shows, whose figures are of an older one."""
    made = table.provenance
    run = runner.load_run(notebook, made["profile"]) if made["notebook"] == notebook else None
    return run is not None and made["time"] > run.provenance["time"]


def _fill(words: str, numbers: Mapping[str, str]) -> str:
    """The words with their numbers; without its numbers, the words before the part that names the first of them."""
    try:
        return words.format(**numbers)
    except KeyError:
        head = re.split(r"[,:;]? ?[^,:;{]*\{(?!task\})", words)[0]
        return head.format_map({"task": numbers["task"]}) + "."


def _numbers(table: Table | None) -> dict[str, str]:
    """InDI's means at one and at the most steps, as the alternative texts name them."""
    if table is None or not {"sampler", "steps", "metric", "value"} <= set(table.rows.columns):
        return {}
    rows = table.rows[table.rows["sampler"] == "indi"]
    means = rows.groupby(["metric", "steps"])["value"].mean()
    seen = perception(rows)
    if ("psnr", 1) not in means.index or (seen, 1) not in means.index:
        return {}  # a table that is empty, too
    last = int(rows["steps"].max())
    return {
        "last": str(last),
        "perception": metrics.describe(seen).label.split(" (")[0],
        "psnr_1": f"{means['psnr', 1]:.1f}",
        "psnr_last": f"{means['psnr', last]:.1f}",
        "perception_1": f"{means[seen, 1]:.2f}",
        "perception_last": f"{means[seen, last]:.2f}",
    }


def _rests_on(words: Mapping[str, Any], notebook: str, profile: str) -> str:
    """Whose numbers they are, of which profile, on what data, how many, and what the intervals are over."""
    if "caption" not in words or "table" not in words:
        return "" if notebook not in profiles.EXACT else "Ours; exact, the same in every profile."
    # of several tasks, those of the first say how many
    several = words["table"].endswith("+")
    of_task = profiles.RESTORATION[0] if several else _task(notebook)
    found = _load(words["table"].replace("*", of_task), profile)
    if found is None:
        return f"Ours; profile {profile}."
    if _newer(found, notebook):
        return f"Ours; profile {profile}; drawn from an earlier table than today's: this chapter has not run since."
    made = found.provenance
    if not made.get("trainings"):
        return f"Ours; exact F or counted, no training, the same in every profile (shown: {profile})."
    recipe = made["trainings"][0]["recipe"]
    images = _count(found)
    data = str(words.get("of") or profiles.get(profile).evaluate or recipe["data"])
    each = " a task" if several else ""
    trained = f"{ledger.of_steps(made['trainings'])} on {recipe['data']}{each}"
    kind = "" if data.startswith("photographs") else "images of "
    few = f"{words['few']} " if "few" in words else ""
    on = f", {few}{images} {kind}{data}{each}" if images and not words.get("training") else ""
    drawn = (f" {kind.capitalize()}: 95 % intervals {words[kind]}." for kind in _DRAWN if words.get(kind))
    said = "" if words.get("bands") is False else next(drawn, " No intervals are drawn.")
    stale = " The code has changed since." if found.stale else ""
    return f"Ours; profile {profile}{on}; {trained}.{said}{stale}"


def _count(found: Table) -> int:
    rows = found.rows
    if "image" in rows:
        return int(rows["image"].nunique())
    return int(rows["images"].max()) if "images" in rows and len(rows) else 0
