"""What a profile found, rendered when the book is assembled: heads and feet of chapters, the intro's table.

Nothing here judges or measures: verdicts are one judgement of the ledger (`indi.claims`), passed to all of
these, numbers those of the tables. What a notebook printed about verdicts when it ran is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import nbformat
import pandas as pd

from indi import evaluation, profiles
from indi.book import boxes
from indi.claims import Entry
from indi.evaluation import INPUT, real_blur
from indi.figures import capital, ddpm, ledger, metric_label, perception, show_table, span
from indi.records.results import Table
from indi.training import recipes

#: Chapter -> tables of restored photographs, and what was restored in each.
_RESTORED = {
    "04_jpeg": {"jpeg": "JPEG images of quality 15"},
    "05_motion": {
        "motion": "images with simulated camera shake",
        "motion_levin": "photographs with real camera shake (other shakes than in training)",
    },
    "06_super_resolution": {"super_resolution": "images that were reduced 4×"},
    "07_defocus": {
        "defocus": "images with simulated defocus",
        "defocus_lytro": "photographs with real defocus (against a pseudo truth)",
    },
}
_JUDGES = re.compile(r"\b(?:tables\.verdicts|claims\.judge|ddpm\.findings)\(")


def claims_of(notebook: str, entries: Sequence[Entry]) -> list[Entry]:
    """The judged claims that a chapter is about: its own, and those about its task."""
    return [entry for entry in entries if notebook in entry.claim.chapters]


def render(
    page: nbformat.NotebookNode,
    notebook: str,
    profile: str,
    entries: Sequence[Entry],
    places: Mapping[str, str] | None = None,
) -> None:
    """Put today's verdicts, in place, where the cells of an executed notebook printed those of its run.

    Args:
        page: the executed notebook, whose name is `notebook`, e.g. "04_jpeg".
        entries: the whole ledger, as `claims.judge` gives it; so everywhere here. With `places`, those of the cards.
        places: where evidence stands in the book, see `captions.places`; then only the cards of the claims' page,
            which link to it, are put in: its tables have their captions already.
    """
    for cell in page.cells:
        if cell.cell_type != "code" or not cell.outputs:
            continue
        if places is not None and "ledger.details(" not in cell.source:
            continue
        if "ledger.overview_text(" in cell.source:
            shown = [("text/markdown", ledger.overview_text(entries, profile))]
        elif "ledger.overview(" in cell.source:
            shown = [("text/html", ledger.overview(entries))]
        elif "ledger.details(" in cell.source:
            shown = [("text/html", ledger.details(entries, profile, places))]
        elif re.search(r"\bdoubtful\b", cell.source):
            shown = [("text/markdown", ledger.doubtful(entries))]
        elif re.search(r"\b(?:ledger|changes)\.power\(", cell.source):
            shown = [("text/html", ledger.power(entries, profile).to_html())]
        elif re.search(r"\b(?:ledger\.changed|changes\.table)\(", cell.source):
            shown = [("text/html", table.to_html()) for table in ledger.changed(entries, profile)]
        elif _JUDGES.search(cell.source):
            shown = foot(notebook, profile, entries)
        else:
            continue
        cell.outputs = [nbformat.v4.new_output("display_data", data={kind: text}) for kind, text in shown]


def foot(notebook: str, profile: str, entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """What a chapter closes with, as (MIME type, text): its claims with their numbers, and what they rest on."""
    shown = []
    if notebook == "12_conditional_ddpm" and (table := boxes.load("conditional_ddpm", profile)):
        sets = boxes.load("conditional_ddpm_sets", profile)
        metric, count = perception(table.rows), table.rows["image"].nunique()
        steps = ddpm.findings(table.rows, table.rows.iloc[:0] if sets is None else sets.rows, metric)
        caption = f"By {metric_label(metric)}; profile {profile}: {count} images."
        shown.append(("text/html", show_table(steps, caption).to_html()))
    lines = []
    for name, what in _RESTORED.get(notebook, {}).items():
        if table := boxes.load(name, profile):
            # several photographs of one scene are no independent ones
            rows = table.rows if name in profiles.RESTORATION else real_blur.by_scene(table.rows)
            lines.append(ledger.restores(rows, what))
    own = claims_of(notebook, entries)
    lines.append(ledger.sentences(own))
    if sure := _rests_on(notebook, profile, own, ledger.rests_on):
        lines.append(f"\n{sure}.")
    return [*shown, ("text/markdown", "\n".join(lines))]


def in_short(notebook: str, profile: str, entries: Sequence[Entry]) -> str:
    """The box under a chapter's title, as MyST Markdown: at most four sentences, and links to the numbers.

    Returns:
        "" where the chapter has no results under this profile.
    """
    said = boxes.sentences(notebook, profile)
    if not said:
        return ""
    own = claims_of(notebook, entries)
    if sure := "; ".join(filter(None, [_judged(own), _rests_on(notebook, profile, own, ledger.trained)])):
        said.append(f"{capital(sure)}.")
    if profile == "smoke" and notebook not in profiles.EXACT:
        said.insert(0, "**The smoke profile shows that this chapter runs, and nothing about quality.**")
    tables = {name: table for name in boxes.TABLES[notebook] if (table := boxes.load(name, profile))}
    files = ", ".join(f"{{download}}`{name}.csv <../results/tables/{name}.csv>`" for name in tables)
    links = [f"Numbers: {files}."]
    if own:
        links.append("Rules and intervals: {doc}`13_claims`.")
    if any(table.stale for table in tables.values()):
        links.append("The code has changed since the run: today's numbers may be others.")
    head = [f":::{{admonition}} In short (profile {profile})", ":class: tip", ""]
    return "\n".join([*head, " ".join(said), "", *links, ":::"])


def _judged(own: Sequence[Entry]) -> str:
    """Part of a sentence: the verdicts on a chapter's claims, and the names of those that were not reproduced."""
    if len(own) == 1:
        return f"the claim “{own[0].claim.title}” is {own[0].verdict.outcome}"
    refuted = [f"“{entry.claim.title}”" for entry in own if entry.verdict.outcome == "not reproduced"]
    names = f"not reproduced ({', '.join(dict.fromkeys(refuted))})"
    counted = ledger.counted(own).replace("not reproduced", names)
    return f"the {ledger.on_claims(own)} of the paper: {counted}" if own else ""


def _rests_on(notebook: str, profile: str, own: Sequence[Entry], say: Callable[..., str]) -> str:
    """What `say` makes of the trainings and the number of images behind a chapter's numbers; "" where none are.

    Verdicts on fewer images rest on other runs (very many steps, comparisons of settings), and are counted apart.
    """
    for table in filter(None, (boxes.load(name, profile) for name in boxes.TABLES.get(notebook, ()))):
        rows, trainings = table.rows, table.provenance.get("trainings")
        own_run = trainings and table.provenance.get("notebook") == notebook
        # without the metrics' weights a table of distances has no rows
        if own_run and len(rows) and ("image" in rows or "images" in rows):
            count = rows["image"].nunique() if "image" in rows else int(rows["images"].max())
            return say(trainings, count, _how_many_rest(own, count))
    return ""


def _how_many_rest(own: Sequence[Entry], count: int) -> str:
    """ "all this rests", or how many of the verdicts do where others rest on fewer images than `count`."""
    measured = [[number.n for number in entry.verdict.numbers] for entry in own if entry.verdict.numbers]
    fewer = [min(found) for found in measured if min(found) < count]
    if not 0 < len(fewer) < len(measured):
        return "all this rests"
    rest = len(measured) - len(fewer)
    return f"of the verdicts, {len(fewer)} rest on other runs with fewer images ({span(fewer)}) and {rest}"


def front(profile: str, entries: Sequence[Entry]) -> str:
    """The front page's three findings, one of them unflattering, and how sure they are, as MyST Markdown."""
    tables = {task: table for task in profiles.BY_CHAPTER if (table := boxes.load(task, profile))}
    if not tables:
        return f"Nothing was measured under the profile `{profile}` yet.\n"
    best, several = _held("one-step-psnr", entries), _held("several-steps", entries)
    few, diverges = _held("naive-few", entries), _held("naive-diverges", entries)
    count = len(profiles.RESTORATION)
    trade = "M"
    if not best == several == count:
        trade = "In most tasks m" if min(best, several) * 2 > count else "Not always: m"
    as_good = "is" if few == count else "is not always"
    lines = [
        f"- **{trade}ore steps score better in perception and are less faithful.** One step has the best PSNR in "
        f"{_of(best)}; some larger N has better perceptual metrics in {_of(several)}.",
        f"- **With few steps a simpler sampler {as_good} as good.** At equal PSNR the naive sampler with 2 or 3 steps "
        f"is as good as InDI in {_of(few)}; with very many it is worse in {_of(diverges)}.",
        _unflattering(tables, entries),
        "",
        _how_sure(tables),
    ]
    if profile == "smoke":
        lines.insert(0, "**Smoke numbers say nothing about quality: they show that every part runs.**\n")
    return "\n".join(lines) + "\n"


def _of(held: int) -> str:
    count = len(profiles.RESTORATION)
    return f"all {held} tasks" if held == count else f"{held} of {count} tasks"


def _held(claim: str, entries: Sequence[Entry]) -> int:
    """On how many tasks a claim is reproduced."""
    return sum(
        entry.claim.id.startswith(f"{claim}/") and entry.verdict.outcome == "reproduced" for entry in entries
    )


def _unflattering(tables: Mapping[str, Table], entries: Sequence[Entry]) -> str:
    """What gets worse with more steps, of the first two tasks where something does; else what is not reproduced."""
    worse = []
    for task, table in tables.items():
        steps = boxes.best_steps(boxes.means(table.rows), perception(table.rows))
        found = boxes.against(table.rows, steps, profiles.TASKS[task].chapter, table.provenance["profile"])
        worse += [f"{profiles.words(task)}: {said}" for said in found[:1]]
    if worse:
        return f"- **Not every measure gets better with more steps.** {capital('; '.join(worse[:2]))}."
    return f"- **Not all of it is confirmed.** {ledger.on_claims(entries)}: {ledger.counted(entries)}."


def _how_sure(tables: Mapping[str, Table]) -> str:
    """One sentence: on how much the four tasks rest."""
    trainings = [found for table in tables.values() if (found := table.provenance.get("trainings"))]
    if not trainings:
        return ""
    steps = [one["recipe"]["steps"] for group in trainings for one in group]
    first = trainings[0][0]["recipe"]
    paper = recipes.recipe(first["task"], "paper")
    images = [table.rows["image"].nunique() for table in tables.values()]
    seeds = span(map(len, trainings))
    covered = "" if min(map(len, trainings)) > 1 else ", not another training"
    several = "One training" if seeds == "1" else f"{seeds} trainings"
    return (
        f"**How sure are we?** {several} of {span(steps)} steps per task (the paper: {paper.steps:,}), tested on "
        f"{span(images)} photographs; intervals cover other photographs{covered}."
    )


def grid(profile: str, entries: Sequence[Entry]) -> str:
    """The intro's verdicts, as MyST Markdown: the ledger counted, and a mark for each, linked to its claim."""
    lines = [
        f"The profile of this book is `{profile}`. {ledger.on_claims(entries)} of the paper: "
        f"{ledger.counted(entries)}.",
        "",
        f"The marks: {ledger.legend()}. Each leads to the claim, its rule, its numbers and its evidence.",
        "",
        "```{raw} html",
        ledger.overview(entries, "notebooks/13_claims.html"),
        "```",
    ]
    return "\n".join(lines) + "\n"


def overview(profile: str, entries: Sequence[Entry]) -> str:
    """The intro's section of numbers, as MyST Markdown: a row per task, what lies beyond the paper, what is open."""
    lines = []
    rows = pd.DataFrame(
        {"task": f"{{doc}}`{words} <notebooks/{chapter}>`", **_row(table.rows)}
        for task in profiles.BY_CHAPTER
        for chapter, words in [profiles.TASKS[task]]
        if (table := boxes.load(task, profile))
    )
    if len(rows):
        lines += [*ledger.markdown_table([list(rows), *rows.astype(str).to_numpy().tolist()]), ""]
        lines.append(
            "*y*: the degraded input; *N*: number of steps; *best N*: the one with the lowest LPIPS of those tried; "
            "*change*: from one step to best N, the paired difference, in brackets its 95 % interval over the images. "
            "PSNR in dB, higher is better; LPIPS lower is better."
        )
    lines += [
        "",
        *_beyond(profile),
        "### What is not reproduced, or open, and why",
        "",
        ledger.differences(entries, "notebooks/13_claims.html"),
        "",
        "What was not tested, and why, is in [the report](report.md).",
    ]
    if profile == "smoke":
        lines.append(
            "\n**Smoke numbers say nothing about quality**: they show that every part runs. "
            "The published book is built from the laptop profile (`make book`)."
        )
    return "\n".join(lines) + "\n"


def _beyond(profile: str) -> list[str]:
    """What chapters 16 and 17 answer, a paragraph each."""
    lines = []
    for notebook, title in (
        ("16_why_quality_falls", "Does quality have to fall again with many steps?"),
        ("17_scale", "Would a longer training change the answers?"),
    ):
        if said := boxes.sentences(notebook, profile):
            see = f"See {{doc}}`chapter {notebook[:2]} <notebooks/{notebook}>`."
            lines += [f"**{title}** {' '.join(said[:2])} {see}", ""]
    return ["### Beyond the paper", "", *lines] if lines else []


def _row(rows: pd.DataFrame) -> dict[str, str]:
    """A task's row of the intro's table."""
    lpips, means = perception(rows), boxes.means(rows)
    best = boxes.best_steps(means, lpips)
    out = {"images": str(rows["image"].nunique()), "best N": str(best)}
    for metric in ("psnr", lpips):
        name, digits = ("PSNR", 1) if metric == "psnr" else (boxes.label(metric), 2)
        out[f"{name}: y"] = f"{means[INPUT, 0, metric]:.{digits}f}"
        out["N = 1" if metric == "psnr" else "N = 1 "] = f"{means['indi', 1, metric]:.{digits}f}"
        found = evaluation.difference(rows, metric, ("indi", best), ("indi", 1))
        change, low, high = (f"{value:+.{digits}f}" for value in (found.mean, found.low, found.high))
        shown = f"{change} [{low},\u00a0{high}]" if best != 1 else "–"
        out["change" if metric == "psnr" else "change "] = shown
    return out
