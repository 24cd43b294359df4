"""The computed parts of the reproducibility report (book/report.md): what was claimed, found, trained and spent.

Nothing is judged or typed here: verdicts are those of the ledger, the rest stands in the records of tables, models and
runs.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from indi import paths, profiles
from indi.book import run as runner
from indi.claims import Entry, Outcome
from indi.errors import InDIError
from indi.figures import ledger
from indi.records import forms, results
from indi.records.results import Table
from indi.training import recipes

_PAGE = "notebooks/13_claims.html"


def parts(profile: str, entries: Sequence[Entry], notebooks: Sequence[str]) -> dict[str, str]:
    """Name of a file of book/results/report/ -> its MyST Markdown, from the whole ledger and the chapters' names."""
    tables = _tables(profile)

    def listed(outcome: Outcome) -> str:
        return _listed([entry for entry in entries if entry.verdict.outcome == outcome])

    made = {
        "abstract": _abstract(profile, entries),
        "trainings": _trainings(tables),
        "compute": _compute(profile, notebooks, tables),
        "holds": listed("reproduced"),
        "fails": listed("not reproduced"),
        "open": listed("inconclusive"),
        "untested": listed("not tested"),
    }
    return {f"{name}.md": text + "\n" for name, text in made.items()}


def _abstract(profile: str, entries: Sequence[Entry]) -> str:
    exact = [entry for entry in entries if entry.claim.kind == "exact"]
    measured = [entry for entry in entries if entry.claim.kind == "empirical"]
    states: Counter[str] = Counter(entry.state for entry in entries)
    doubtful = sum(entry.doubtful for entry in entries)
    change = f"{doubtful} of the decided verdicts would change" if doubtful else "no verdict changes"
    lines = [
        f"Profile `{profile}`. {ledger.on_claims(entries)}: **{ledger.counted(entries)}**.",
        f"The {len(exact)} exact ones, which need no training: {ledger.counted(exact)}; "
        f"the {len(measured)} measured ones: {ledger.counted(measured)}.",
        f"Corrected for so many claims (Holm), {change}.",
    ]
    for state, why in (("stale", "is older than the code"), ("missing", "is incomplete")):
        if states[state]:
            lines.append(f"The data of {states[state]} of them {why}.")
    return "\n".join(lines)


def _listed(entries: Sequence[Entry]) -> str:
    """A row a claim: its title, place, and the reason; each linked to rule, numbers and evidence."""
    if not entries:
        return "None."
    rows = [
        f'<tr><td><a href="{_PAGE}#{ledger.anchor(entry)}">{html.escape(entry.claim.title)}</a></td>'
        f"<td>{html.escape(profiles.words(entry.claim.task, '–'))}</td><td>{html.escape(entry.claim.place)}</td>"
        f"<td>{html.escape(_shortly(entry))}</td></tr>"
        for entry in entries
    ]
    head = "<thead><tr><th>claim</th><th>task</th><th>paper</th><th>here</th></tr></thead>"
    table = f'<table class="table indi-report">{head}<tbody>{"".join(rows)}</tbody></table>'
    return f'```{{raw}} html\n<div class="indi-wide" tabindex="0">{table}</div>\n```'


def _shortly(entry: Entry) -> str:
    """The reason of a verdict and the number it hangs on; of an exact one, its first number."""
    first = next(iter(entry.verdict.numbers), None)
    return ledger.why(entry.caveat, entry.verdict.key) or (ledger.rounded(first) if first else "")


def _tables(profile: str) -> list[Table | None]:
    """Every stored table; None for one that cannot be read: it stops no page that does not show it."""
    found: list[Table | None] = []
    for name in results.names(paths.results(profile) / "tables"):
        try:
            found.append(results.load(name, profile))
        except InDIError:
            found.append(None)
    return found


def _trainings(tables: Sequence[Table | None]) -> str:
    """A row a task: how many trainings tables rest on, and the longest one's recipe beside that of the paper."""
    by_task: dict[str, dict[str, dict[str, Any]]] = {}
    for table in filter(None, tables):
        for one in table.provenance.get("trainings", []):
            by_task.setdefault(one["recipe"]["task"], {})[one["checkpoint"]] = one["recipe"]
    if not by_task:
        return "Nothing was trained under this profile."
    lines = [
        "| task | trainings | steps of the longest (paper) | channels (paper) | crop (paper) | trained on (paper) |",
        "|---|---|---|---|---|---|",
    ]
    for task, of_task in by_task.items():
        longest = max(of_task.values(), key=lambda recipe: recipe["steps"])
        paper = recipes.recipe(task, "paper")
        lines.append(
            f"| {profiles.words(task)} | {len(of_task)} | {longest['steps']:,} ({paper.steps:,}) "
            f"| {longest['channels']} ({paper.channels}) | {longest['crop']} ({paper.crop}) "
            f"| {longest['data']} ({paper.data}) |"
        )
    return "\n".join(lines)


def _compute(profile: str, notebooks: Sequence[str], tables: Sequence[Table | None]) -> str:
    """Wall time of the chapters and of the shipped models' trainings, in core-hours of the machines that ran them."""
    runs = [run for name in notebooks if (run := runner.load_run(name, profile))]
    if not runs:
        return "No chapter has run under this profile."
    hours = sum(run.seconds * run.provenance["machine"]["cores"] for run in runs) / 3600
    of_runs = [run.provenance["machine"] for run in runs]
    machines = dict.fromkeys(f"{of['gpu'] or of['cpu']}, {of['cores']} cores" for of in of_runs)
    longest = max(runs, key=lambda run: run.seconds)
    trained = _seconds(profile)
    wall = sum(run.seconds for run in runs) / 3600
    lines = [
        f"{len(runs)} chapters took {wall:.1f} hours on {'; '.join(machines)}: at most "
        f"**{hours:.1f} core-hours**, their short trainings included. The longest is `{longest.notebook}`, "
        f"{longest.seconds / 60:.0f} minutes.",
        "What a run found measured already by an earlier one, in chapters 9 and 16, is not counted; README.md says "
        "what these take from nothing.",
    ]
    if trained:
        lines.append(
            f"The {len(trained)} shipped models were trained before, in {sum(trained) / 3600:.1f} hours of wall "
            f"time, the longest in {max(trained) / 60:.0f} minutes."
        )
    for count, words in (
        (sum(table is not None and table.stale for table in tables), "older than today's code"),
        (tables.count(None), "damaged or without a record"),
    ):
        if count:
            lines.append(f"{count} of {len(tables)} tables are {words}.")
    return "\n".join(lines)


def _seconds(profile: str) -> list[float]:
    """What each shipped training took; one whose record is damaged is left out, and `indi restore` names it."""
    found = []
    for path in sorted((paths.results(profile) / "models").glob("*/done.json")):
        with suppress(ValueError):
            found.append(float(forms.checked(forms.Finished, path.read_text())["seconds"]))
    return found
