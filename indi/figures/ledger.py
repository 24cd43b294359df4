"""The claims ledger as HTML: an overview by task, and a card per claim, readable in the dark and in print."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence

from indi.claims import Entry, Number, Outcome

#: Sign, and colour of the border; the word stands beside them, so that none is needed to read it.
_LOOK: dict[Outcome, tuple[str, str]] = {
    "reproduced": ("✓", "#1a8f6a"),
    "not reproduced": ("✗", "#d55e00"),
    "inconclusive": ("≈", "#8a7a00"),
    "not tested": ("○", "#767676"),
}
_TASKS = ("motion", "defocus", "jpeg", "super_resolution")


def overview_text(entries: Sequence[Entry], profile: str) -> str:
    """The count of each verdict, and what is stale or missing, as Markdown."""
    counts = Counter(entry.verdict.outcome for entry in entries)
    states = Counter(entry.state for entry in entries)
    verdicts = ", ".join(f"**{counts[name]} {name}**" for name in _LOOK if counts[name])
    text = f"Profile `{profile}`, {len(entries)} claims: {verdicts}."
    if states["stale"] or states["missing"]:
        text += (
            f" The data of {states['missing']} of them is missing and of {states['stale']} stale "
            f"(the code has changed since); {states['fresh']} are up to date."
        )
    return text


def badge(outcome: Outcome, narrow: bool = False) -> str:
    """The verdict with its sign in a coloured frame; `narrow` may break its words, to fit six columns."""
    sign, colour = _LOOK[outcome]
    space = "display:inline-block;line-height:1.25" if narrow else "white-space:nowrap"
    return (
        f'<span style="border:1.5px solid {colour};border-radius:0.6em;padding:0 0.45em;{space};'
        f'font-size:0.9em"><b>{sign}</b> {outcome}</span>'
    )


def overview(entries: Sequence[Entry]) -> str:
    """A table of badges: a row per claim, a column per task."""
    heads = ["claim", *(task.replace("_", " ") for task in _TASKS), "–"]
    rows = []
    for title in dict.fromkeys(entry.claim.title for entry in entries):
        cells = []
        for task in (*_TASKS, ""):
            found = [e for e in entries if e.claim.title == title and e.claim.task == task]
            cells.append(
                f'<a href="#{_anchor(found[0])}">{badge(found[0].verdict.outcome, narrow=True)}</a>'
                if found
                else ""
            )
        rows.append([html.escape(title), *cells])
    return _table(heads, rows)


def details(entries: Sequence[Entry], profile: str) -> str:
    """Per claim: words, place, rule, our numbers, verdict, state, chapter and command."""
    cards = []
    for entry in entries:
        claim, verdict = entry.claim, entry.verdict
        task = f" ({claim.task.replace('_', ' ')})" if claim.task else ""
        words = (
            f"“{html.escape(claim.words)}”" if claim.quoted else f"{html.escape(claim.words)} (not verbatim)"
        )
        rows = [
            ["the paper", f"{words} <i>{html.escape(claim.place)}</i>"],
            ["rule", html.escape(claim.test)],
            [
                "verdict",
                badge(verdict.outcome) + (f" {html.escape(verdict.reason)}" if verdict.reason else ""),
            ],
        ]
        if verdict.numbers:
            rows.append(["numbers", _numbers(verdict.numbers)])
        state = f"{entry.state}; profile {profile}"
        if entry.trained_on and any(entry.trained_on):
            state += f"; trained on {', '.join(filter(None, entry.trained_on))}"
        if entry.commits:
            state += f"; commit {', '.join(entry.commits)}"
        if entry.problems:
            state += "; " + "; ".join(entry.problems)
        rows.append(["data", html.escape(state)])
        command = html.escape(entry.command.format(profile=profile))
        rows.append(
            ["chapter", f'<a href="{claim.chapter}.html">{claim.chapter}</a>, <code>{command}</code>']
        )
        cards.append(
            f'<h3 id="{_anchor(entry)}" style="margin-top:1.6em;font-size:1.05em">{html.escape(claim.title)}{task}'
            f"</h3>{_table(None, rows)}"
        )
    return "\n".join(cards)


def _numbers(numbers: Sequence[Number]) -> str:
    lines = "".join(f"<li>{html.escape(number.text())}</li>" for number in numbers)
    listed = f'<ul style="margin:0;padding-left:1.1em">{lines}</ul>'
    if len(numbers) <= 4:
        return listed
    return f"<details><summary>{len(numbers)} numbers, with intervals</summary>{listed}</details>"


def _anchor(entry: Entry) -> str:
    return "claim-" + entry.claim.id.replace("/", "-").replace(".", "-").replace("_", "-")


def _table(heads: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    # left-aligned, against the notebook style of right-aligned figures
    cell = 'style="text-align:left;vertical-align:top"'
    head = (
        "" if heads is None else f"<thead><tr>{''.join(f'<th {cell}>{h}</th>' for h in heads)}</tr></thead>"
    )
    body = "".join(f"<tr>{''.join(f'<td {cell}>{content}</td>' for content in row)}</tr>" for row in rows)
    return f'<table style="width:100%">{head}<tbody>{body}</tbody></table>'
