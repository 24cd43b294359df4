"""The ledger as computed under a profile: judged, stored, printed."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from indi import paths
from indi.claims.evidence import Evidence, NotTested, OutOfReach, State, Verdict, collect
from indi.claims.ledger import CLAIMS, Claim
from indi.evaluation.metrics.intervals import FEWEST_IMAGES
from indi.files import replacing
from indi.records import results

NOTEBOOK = "13_claims"


@dataclass(frozen=True)
class Entry:
    """A claim, judged.

    Attributes:
        claim: what was claimed, and how it is tested.
        verdict: the outcome, its reason and its numbers.
        state: of the data: fresh, stale, or missing (a table is absent or edited by hand, or rows or weights
            that the rule needs are lacking).
        problems: of the missing ones.
        commits: of the code that computed the tables, short; "+" where the code differed from it.
        trained_on: the image sets of the trainings.
    """

    claim: Claim
    verdict: Verdict
    state: State
    problems: tuple[str, ...]
    commits: tuple[str, ...]
    trained_on: tuple[str, ...]

    @property
    def command(self) -> str:
        """Makes the tables again; {profile} is to be filled in."""
        return f"indi run notebooks/{self.claim.chapter}.ipynb --profile {{profile}}"


def judge(profile: str, claims: Sequence[Claim] = CLAIMS) -> list[Entry]:
    """Every claim under the rule beside it. A missing table is no error: its claims are not tested.

    Raises:
        InDIError: no such profile.
    """
    evidence = collect(profile, [name for claim in claims for name in (*claim.tables, *claim.also)])
    return [_judge(claim, evidence) for claim in claims]


def _judge(claim: Claim, evidence: Evidence) -> Entry:
    read = (*claim.tables, *(name for name in claim.also if name in evidence.tables))
    state = evidence.state(read)
    try:
        verdict = claim.rule(evidence)
    except NotTested as reason:
        verdict = Verdict("not tested", str(reason))
        if not isinstance(reason, OutOfReach):
            state = "missing"
    if claim.kind == "empirical":
        verdict = _modest(verdict, evidence.profile)
    tables = [evidence.tables[name] for name in read if name in evidence.tables]
    return Entry(
        claim,
        verdict,
        state,
        tuple(evidence.problems[name] for name in claim.tables if name in evidence.problems),
        tuple(dict.fromkeys(_commit(table.provenance) for table in tables)),
        tuple(dict.fromkeys(name for table in tables for name in table.trained_on)),
    )


def _modest(verdict: Verdict, profile: str) -> Verdict:
    """Neither a smoke run nor a handful of images decides an empirical claim, whatever its intervals say."""
    if verdict.outcome not in ("reproduced", "not reproduced"):
        return verdict
    fewest = min((number.n for number in verdict.numbers), default=0)
    if profile == "smoke":
        reason = "the smoke profile trains too little to tell"
    elif fewest < FEWEST_IMAGES:
        reason = f"n = {fewest} images, fewer than {FEWEST_IMAGES}"
    else:
        return verdict
    return Verdict("inconclusive", reason, verdict.numbers)


def _commit(record: dict[str, Any]) -> str:
    return (record.get("commit") or "none")[:8] + ("+" if record.get("dirty") else "")


def exit_code(entries: Sequence[Entry]) -> int:
    """0 where every claim's data is present and fresh, else 2.

    Data is missing where a claim is not tested for lack of tables, rows or weights, so that a smoke run
    without weights gives 2; not where only another profile can tell.
    """
    return 0 if all(entry.state == "fresh" for entry in entries) else 2


def table(entries: Sequence[Entry], profile: str) -> pd.DataFrame:
    """One row a claim: words (verbatim where quoted), place, verdict, numbers, state, command, ..."""
    return pd.DataFrame(
        {
            "id": entry.claim.id,
            "task": entry.claim.task,
            "title": entry.claim.title,
            "words": entry.claim.words,
            "quoted": entry.claim.quoted,
            "place": entry.claim.place,
            "test": entry.claim.test,
            "kind": entry.claim.kind,
            "verdict": entry.verdict.outcome,
            "reason": entry.verdict.reason,
            "numbers": "; ".join(number.text() for number in entry.verdict.numbers),
            "state": entry.state,
            "problems": "; ".join(entry.problems),
            "chapter": entry.claim.chapter,
            "command": entry.command.format(profile=profile),
            "commit": ", ".join(entry.commits),
            "trained_on": ", ".join(filter(None, entry.trained_on)),
            "profile": profile,
        }
        for entry in entries
    )


def evidence_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """One row a number: claim, what, value, low, high, confidence, n, sign (-1: smaller is in favour)."""
    return pd.DataFrame(
        [
            {"claim": entry.claim.id, **asdict(number)}
            for entry in entries
            for number in entry.verdict.numbers
        ],
        columns=["claim", "what", "value", "low", "high", "n", "confidence", "sign", "difference"],
    )


def save(entries: Sequence[Entry], profile: str) -> Path:
    """Store the tables `claims` and `claims_evidence`, and all of it as claims_ledger.json beside them.

    Returns:
        The path of claims.csv.
    """
    path = results.save("claims", table(entries, profile), profile, notebook=NOTEBOOK)
    results.save("claims_evidence", evidence_table(entries), profile, notebook=NOTEBOOK)
    with replacing(paths.results(profile) / "tables" / "claims_ledger.json") as partial:
        partial.write_text(as_json(entries, profile) + "\n", encoding="utf-8")
    return path


def as_json(entries: Sequence[Entry], profile: str) -> str:
    """The rows of `table`, each with its numbers as a list; null where there is no (finite) number."""
    rows = table(entries, profile).to_dict("records")
    for row, entry in zip(rows, entries, strict=True):
        row["numbers"] = [
            {name: _plain(value) for name, value in asdict(number).items()}
            for number in entry.verdict.numbers
        ]
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text(entries: Sequence[Entry], width: int = 100) -> str:
    """The ledger for a terminal: a line a claim, why below it where that is not plain, and the sum."""
    lines = []
    for entry in entries:
        state = "" if entry.state == "fresh" else f"  [{entry.state}]"
        lines.append(f"{entry.claim.id:<34}{entry.verdict.outcome:<16}{entry.claim.place}{state}")
        if entry.verdict.reason:
            lines += textwrap.wrap(
                entry.verdict.reason, width, initial_indent=" " * 4, subsequent_indent=" " * 4
            )
    counts = Counter(entry.verdict.outcome for entry in entries)
    states = Counter(entry.state for entry in entries)
    lines.append("")
    lines.append(", ".join(f"{counts[name]} {name}" for name in counts))
    lines.append("data: " + ", ".join(f"{states[name]} {name}" for name in states))
    return "\n".join(lines)
