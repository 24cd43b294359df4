"""Verdicts for readers: the only place that turns judged claims into words, for every page that shows any.

The heads and feet of chapters are Markdown, the claims page is HTML, readable in the dark and in print. Nothing
here judges: verdicts are those of the ledger (`indi.claims`), by its rules.
"""

from __future__ import annotations

import html
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from indi import claims, evaluation, profiles
from indi.claims import Entry, Number, Outcome, changes
from indi.claims.ledger import OURS
from indi.evaluation import INPUT
from indi.figures import capital, interval, show_table, span
from indi.training import recipes

#: Sign, and colour of the border; the word stands beside them, so that none is needed to read it.
_LOOK: dict[Outcome, tuple[str, str]] = {
    "reproduced": ("✓", "#1a8f6a"),
    "not reproduced": ("✗", "#d55e00"),
    "inconclusive": ("≈", "#8a7a00"),
    "not tested": ("○", "#767676"),
}

#: Figure, "*" being the task -> the claims whose evidence it shows; "<claim>/<task>" goes before "<claim>".
_FIGURES = {
    "toy_fraction": ("toy-modes",),
    "gaussian_curves": ("proposition-4.1", "denoising"),
    "network": ("table-2-sizes",),
    "*_steps": ("one-step-psnr", "more-detail", "falls-again/defocus"),
    "*_perception_distortion": ("several-steps", "state-of-the-art", "competitive-psnr", "table-5b"),
    "*_strip": ("artifacts-away", "as-dvsr", "against-others"),
    "samplers_planes": ("falls-again", "naive-few", "cold-behind"),
    "samplers_many": ("naive-diverges", "cold-steadier", "accumulation"),
    "time_distribution_planes": ("time-impact", "time-bias"),
    "noise_planes": ("noise-helps/jpeg",),
    "super_resolution_noise": ("noise-helps/super_resolution", "blurry"),
    "noise_steps": ("brownian",),
    "conditional_ddpm_perception_distortion": ("fewer-steps", "comparable-ddpm"),
    "generation_steps": ("generates", "generates-best"),
    "generation_samples": ("generation-fid",),
    "robust_quality": ("keeps", "cold-keeps", "cold-half", "one-setting"),
}


def figure_of(entry: Entry) -> str | None:
    """The name of the figure that shows a claim's evidence; None: there is none."""
    shown_by = {claim: figure for figure, shown in _FIGURES.items() for claim in shown}
    found = shown_by.get(entry.claim.id) or shown_by.get(entry.claim.id.partition("/")[0])
    return found and found.replace("*", entry.claim.task)


def counted(entries: Iterable[Entry]) -> str:
    """ "3 reproduced, 1 not tested"."""
    counts = Counter(entry.verdict.outcome for entry in entries)
    return ", ".join(f"{counts[outcome]} {outcome}" for outcome in _LOOK if counts[outcome])


def on_claims(entries: Sequence[Entry]) -> str:
    """ "9 verdicts on 8 claims": a claim about several tasks has a verdict for each."""
    claims_, verdicts = len({entry.claim.title for entry in entries}), len(entries)
    return f"{verdicts} verdict{'s' * (verdicts != 1)} on {claims_} claim{'s' * (claims_ != 1)}"


def sentences(entries: Sequence[Entry]) -> str:
    """A Markdown list for a chapter: outcome, claim, place, the number that decides; several tasks in groups.

    Each leads to its place on the claims' page, which has all numbers and the rule.
    """
    lines = []
    for title in dict.fromkeys(entry.claim.title for entry in entries):
        group = [entry for entry in entries if entry.claim.title == title]
        if len(group) == 1:
            (entry,) = group
            outcome = entry.verdict.outcome.capitalize()
            lines.append(f"- **{outcome}:** {title} ({entry.claim.place}).{_here(entry)}")
            continue
        lines.append(f"- {title} ({group[0].claim.place}):")
        for entry in group:
            task = profiles.words(entry.claim.task)
            lines.append(f"  - **{entry.verdict.outcome.capitalize()}:** {task}.{_here(entry)}")
    return "\n".join(lines)


def _here(entry: Entry) -> str:
    said = why(entry.caveat, entry.verdict.key)
    count = len(entry.verdict.numbers)
    listed = "rule" if not count else "rule and number" if count == 1 else f"rule and all {count} numbers"
    link = f' <a href="13_claims.html#{anchor(entry)}">({listed})</a>'
    return (f" Here: {said}." if said else "") + link


def why(reason: str, key: Number | None) -> str:
    """Why a verdict is no plainer one, and the number it hangs on, with two significant digits; "" without both."""
    return "; ".join(filter(None, [reason, rounded(key) if key else ""]))


def rounded(number: Number) -> str:
    """A number of a verdict for a sentence: "PSNR, InDI N = 1 against InDI N = 2: +0.22 [+0.15, +0.31], n = 100"."""
    half = 0.0 if math.isnan(number.low) else (number.high - number.low) / 2
    # of an interval about zero, two digits of its half, not of what little the value is
    digits = max(0, 1 - math.floor(math.log10(max(abs(number.value), half) or 1.0)))
    return _named(number.text(f".{digits}f" if digits < 8 else ".0e"))


def _named(said: str) -> str:
    """Samplers as the book calls them, not as the code does."""
    return re.sub(r"\bindi\b", "InDI", said).replace("cold_diffusion", "Cold Diffusion")


def differences(entries: Sequence[Entry], page: str) -> str:
    """A Markdown list of what was not reproduced or is inconclusive, and why; a line for each reason of a claim.

    Args:
        page: the claims' page, as seen from the page that shows the list.
    """
    lines = []
    for outcome in ("not reproduced", "inconclusive"):
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in entries:
            if entry.verdict.outcome == outcome:
                groups.setdefault((entry.claim.title, entry.caveat), []).append(entry)
        for (title, reason), group in groups.items():
            tasks = [entry.claim.task for entry in group if entry.claim.task]
            everywhere = set(tasks) == set(profiles.RESTORATION)
            about = "all four tasks" if everywhere else ", ".join(map(profiles.words, tasks))
            of = f" ({about})" if tasks else ""
            said = why(reason, group[0].verdict.key if len(group) == 1 else None)
            link = f'<a href="{page}#{anchor(group[0])}">{html.escape(title)}</a>'
            lines.append(f"- **{outcome.capitalize()}:** {link}{of}{': ' + said if said else ''}.")
    return "\n".join(lines)


def restores(rows: pd.DataFrame, what: str) -> str:
    """A Markdown line: whether one step has a higher PSNR than the input, over images or scenes.

    Without that, the rest says little about a method. It is no claim of the paper's.
    """
    found = evaluation.difference(rows, "psnr", ("indi", 1), (INPUT, 0))
    shown = "Shown" if found.low > 0 else "The contrary is shown" if found.high < 0 else "Not shown"
    if found.n < claims.FEWEST_IMAGES:
        shown = "Inconclusive, too few images"
    change = interval((found.mean, found.low, found.high), "psnr", plus=True)
    return (
        f"- **{shown}:** one step restores {what}. Here: PSNR against the input {change} dB, n = {found.n}."
    )


def trained(trainings: Sequence[Mapping[str, Any]], count: int, what: str = "all this rests") -> str:
    """On what findings rest: part of a sentence, which begins with `what`. Arguments as those of `rests_on`."""
    recipe = trainings[0]["recipe"]
    whole = recipes.recipe(recipe["task"], "paper").steps
    return f"{what} on {count} images and {of_steps(trainings)} (the paper: {whole:,})"


def of_steps(trainings: Sequence[Mapping[str, Any]]) -> str:
    """How many trainings of how many steps: "one training of 700 steps", "3 trainings of 750 to 6,000 steps"."""
    counts = {one["recipe"]["steps"] for one in trainings}
    many = f"{len(trainings)} trainings{', each' if len(counts) == 1 else ''}"
    return f"{'one training' if len(trainings) == 1 else many} of {span(counts)} steps"


def rests_on(trainings: Sequence[Mapping[str, Any]], count: int, what: str = "all this rests") -> str:
    """On how much less than the paper's experiment findings rest: sentences without the last full stop.

    Args:
        trainings: as recorded with a table, each with its `recipe`; at least one.
        count: of images.
        what: they begin with this.
    """
    recipe = trainings[0]["recipe"]
    paper = recipes.recipe(recipe["task"], "paper")
    return (
        f"{capital(trained(trainings, count, what))}. The network has {recipe['channels']} channels (the paper's: "
        f"{paper.channels}) and was trained on {recipe['data']} (the paper's: {paper.data}). Brackets are 95 % "
        "intervals over images; another seed of the training may change the numbers by more"
    )


def overview_text(entries: Sequence[Entry], profile: str) -> str:
    """The count of each verdict, and what is stale or missing, as Markdown."""
    states = Counter(entry.state for entry in entries)
    text = f"Profile `{profile}`, {on_claims(entries)}: **{counted(entries)}**."
    if states["stale"] or states["missing"]:
        text += (
            f" The data of {states['missing']} of them is missing and of {states['stale']} stale "
            f"(the code has changed since); {states['fresh']} are up to date."
        )
    return text


def legend() -> str:
    """The signs of the badges in words, which a narrow screen leaves out: "✓ reproduced, ✗ not reproduced, ..."."""
    return ", ".join(f"{sign}\u00a0{outcome}" for outcome, (sign, _) in _LOOK.items())


def badge(outcome: Outcome, narrow: bool = False) -> str:
    """The verdict with its sign in a coloured frame; `narrow` may break its words, to fit six columns."""
    sign, colour = _LOOK[outcome]
    space = "display:inline-block;line-height:1.25" if narrow else "white-space:nowrap"
    return (
        f'<span style="border:1.5px solid {colour};border-radius:0.6em;padding:0 0.45em;{space};'
        f'font-size:0.9em"><b>{sign}</b> <span class="indi-word">{outcome}</span></span>'
    )


def overview(entries: Sequence[Entry], page: str = "") -> str:
    """A table of badges, each a link to its claim: a row per claim, a column per task.

    Below a decided verdict stands its caveat, if it has one.

    Args:
        page: the claims' page, as seen from the page that shows the table; "": the same.
    """
    rows = []
    for title in dict.fromkeys(entry.claim.title for entry in entries):
        found = {entry.claim.task: entry for entry in entries if entry.claim.title == title}
        badges = {
            task: f'<a href="{page}#{anchor(entry)}">{badge(entry.verdict.outcome, narrow=True)}</a>{_below(entry)}'
            for task, entry in found.items()
        }
        rows.append([html.escape(title), *(badges.get(task, "") for task in (*profiles.BY_CHAPTER, ""))])
    grid = _table(["claim", *map(profiles.words, profiles.BY_CHAPTER), "no single task"], rows)
    return f'<div class="indi-wide indi-grid" tabindex="0">{grid}</div>'


def _below(entry: Entry) -> str:
    decided = entry.verdict.outcome in ("reproduced", "not reproduced")
    return f"<small>{html.escape(entry.caveat)}</small>" if decided and entry.caveat else ""


def doubtful(entries: Sequence[Entry]) -> str:
    """A Markdown list of the decided verdicts that do not stand after Holm's correction for all claims."""
    lines = [
        f"- {entry.claim.id}: *{entry.verdict.outcome}* by itself, {entry.corrected} among all claims"
        for entry in entries
        if entry.doubtful
    ]
    return "\n".join(lines) or "Every decided verdict stands after Holm's correction for all claims."


def power(entries: Sequence[Entry], profile: str) -> Styler:
    """What each verdict hangs on, and what could have been shown."""
    return show_table(
        changes.power(entries).rename(columns={"power": "what it could have shown"}),
        f"Profile {profile}; differences in the unit of the metric.",
        formats={"p": lambda p: "–" if p != p else f"{p:.1g}"},
    )


def changed(entries: Sequence[Entry], profile: str) -> list[Styler]:
    """The rules that changed since version 1, with their verdicts before and after; then the new rows."""
    rows = changes.table(entries)
    new = rows["version 1"] == ""
    old = rows[~new & (rows["changed"] != "nothing")].drop(columns="corrected")
    return [
        show_table(old, f"Rules that changed; version 2 under the profile {profile}."),
        show_table(
            rows[new].drop(columns=["version 1", "corrected", "changed"]), f"New rows; profile {profile}."
        ),
    ]


def details(entries: Sequence[Entry], profile: str, places: Mapping[str, str] | None = None) -> str:
    """Every claim as a part that opens: words, rule, numbers, verdict, and where its evidence is.

    A plain list of `<details>`; the page's script (book/_static/claims.js) adds filters to it.

    Args:
        places: where evidence stands, as `captions.places` gives it; None: only downloads are linked.
    """
    cards = [_card(entry, profile, places or {}) for entry in entries]
    return '<div class="indi-claims">\n' + "\n".join(cards) + "\n</div>"


def _card(entry: Entry, profile: str, places: Mapping[str, str]) -> str:
    claim, verdict = entry.claim, entry.verdict
    task = f" ({profiles.words(claim.task)})" if claim.task else ""
    task += ", a claim of ours" if claim.place == OURS else ""
    words = html.escape(claim.words)
    if claim.place == OURS:
        said = {"ours": words}
    else:
        words = f"“{words}”" if claim.quoted else f"{words} (not verbatim)"
        said = {"the paper": f"{words} <i>{html.escape(claim.place)}</i>"}
    trained_on, commits = (", ".join(filter(None, some)) for some in (entry.trained_on, entry.commits))
    data = [
        entry.state,
        f"profile {profile}",
        f"trained on {trained_on}" if trained_on else "",
        f"commit {commits}" if commits else "",
        *entry.problems,
    ]
    command = html.escape(entry.command.format(profile=profile))
    rows = {
        **said,
        "rule": html.escape(claim.test),
        "verdict": f"{badge(verdict.outcome)} {html.escape(entry.caveat)}".strip(),
        "numbers": _numbers(verdict.numbers) if verdict.numbers else "",
        "evidence": _evidence(entry, places),
        "data": html.escape("; ".join(filter(None, data))),
        "rerun": f'<code class="indi-command">{command}</code>',
    }
    shown = _table([], [row for row in rows.items() if row[1]])
    name = anchor(entry)
    return (
        f'<details class="indi-claim" data-verdict="{verdict.outcome}" data-task="{claim.task}" '
        f'data-chapter="{claim.chapter}"><summary>{badge(verdict.outcome)} <span class="indi-title">'
        f"{html.escape(claim.title)}{html.escape(task)}</span></summary>\n"
        f'<div id="{name}" class="indi-card">{shown}<p><a href="#{name}">Permanent link to this claim</a></p></div>'
        "</details>"
    )


def _evidence(entry: Entry, places: Mapping[str, str]) -> str:
    """Links to the section, figure, table and data that a verdict rests on."""
    claim = entry.claim
    figure = f"figure-{figure_of(entry)}".replace("_", "-")
    tables = {name: f"table-{name}".replace("_", "-") for name in claim.tables}
    sections = [places[of] for mark in (figure, *tables.values()) if (of := f"section of {mark}") in places]
    listed = [
        f'<a href="{sections[0]}">section</a>' if sections else f'<a href="{claim.chapter}.html">chapter</a>'
    ]
    if place := places.get(figure):
        listed.append(f'<a href="{place}#{figure}">figure</a>')
    stored = {name: mark for name, mark in tables.items() if f"data of {name}" in places}
    for name, mark in stored.items():
        of = f" {name}" if len(stored) > 1 else ""
        if place := places.get(mark):
            listed.append(f'<a href="{place}#{mark}">table{of}</a>')
        listed.append(f'<a href="../results/tables/{name}.csv" download>CSV{of}</a>')
        listed.append(f'<a href="../results/tables/{name}.json" download>its record{of}</a>')
    return " · ".join(listed)


def _numbers(numbers: Sequence[Number]) -> str:
    lines = "".join(f"<li>{html.escape(_named(number.text()))}</li>" for number in numbers)
    listed = f'<ul style="margin:0;padding-left:1.1em">{lines}</ul>'
    if len(numbers) <= 4:
        return listed
    return f"<details><summary>{len(numbers)} numbers, with intervals</summary>{listed}</details>"


def anchor(entry: Entry) -> str:
    """The id of a claim on the claims' page."""
    return "claim-" + entry.claim.id.replace("/", "-").replace(".", "-").replace("_", "-")


def markdown_table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown; the first row holds the headings."""
    heads, *others = rows
    return ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *others)]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    # left-aligned, against the notebook style of right-aligned figures
    cell = 'style="text-align:left;vertical-align:top"'
    titles = "".join(f"<th {cell}>{title}</th>" for title in heads)
    head = f"<thead><tr>{titles}</tr></thead>" if heads else ""
    body = "".join(f"<tr>{''.join(f'<td {cell}>{content}</td>' for content in row)}</tr>" for row in rows)
    return f'<table style="width:100%">{head}<tbody>{body}</tbody></table>'
