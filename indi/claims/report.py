"""The ledger as computed under a profile: judged, stored, printed."""

from __future__ import annotations

import json
import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from indi import paths
from indi.claims.evidence import ERROR, Evidence, NotTested, Outcome, OutOfReach, State, Verdict, collect
from indi.claims.ledger import CLAIMS, Claim
from indi.evaluation.metrics.intervals import FEWEST_IMAGES
from indi.files import replacing
from indi.records import results

NOTEBOOK = "13_claims"

_HERE = Path(__file__).parent


@lru_cache
def frozen(name: str) -> dict[str, Outcome]:
    """Claim -> verdict on version 1's networks under the laptop profile, of the rules `name`: see version_1.csv."""
    rows = pd.read_csv(_HERE / f"{name}.csv", comment="#")
    return dict(zip(rows["id"], rows["verdict"], strict=True))


@dataclass(frozen=True)
class Entry:
    """A claim, judged.

    Attributes:
        state: of the data: fresh, stale, or missing (a table is absent or edited by hand, or rows or weights
            that the rule needs are lacking).
        problems: of the missing ones.
        commits: of the code that computed the tables, short; "+" where the code differed from it.
        trained_on: the image sets of the trainings.
        environment: decisive packages that had another version when the tables were made: their last digits may
            differ here, which is no staleness.
        corrected: the outcome after Holm's correction for all decided claims of the ledger; None where it was not
            judged as a whole.
    """

    claim: Claim
    verdict: Verdict
    state: State
    problems: tuple[str, ...]
    commits: tuple[str, ...]
    trained_on: tuple[str, ...]
    environment: tuple[str, ...] = ()
    corrected: Outcome | None = None

    @property
    def doubtful(self) -> bool:
        """Decided by itself, but not among so many claims."""
        return self.corrected not in (None, self.verdict.outcome)

    @property
    def caveat(self) -> str:
        """What stands beside the verdict: why it is open, who says otherwise, and Holm where that differs; or ""."""
        doubt = f"{self.corrected} after correction for all claims" if self.doubtful else ""
        return "; ".join(filter(None, (self.verdict.reason, doubt)))

    @property
    def power(self) -> str:
        """What the comparison that the verdict hangs on could show: of an open one, how many images it takes."""
        key = self.verdict.key
        if key is None or not math.isfinite(key.smallest) or key.low == key.high:
            return ""
        unit = " dB" if key.what.startswith("PSNR") else ""
        least = f"{key.smallest:.2g}{unit}"
        if self.verdict.outcome != "inconclusive" or not math.isfinite(key.images_needed):
            return f"could show {least}"
        found = f"{abs(key.value - key.at):.2g}{unit}"
        return f"could show {least}, measured {found}: takes {key.images_needed:,.0f} images"

    @property
    def version_1(self) -> Outcome | None:
        """What the rules of version 1 said of the tables of version 1 under the laptop profile; None of new claims."""
        return frozen("version_1").get(self.claim.id)

    @property
    def same_networks(self) -> Outcome | None:
        """What the rules of version 2 said of the networks of version 1 under the laptop profile."""
        return frozen("version_2").get(self.claim.id)

    @property
    def command(self) -> str:
        """Makes the tables again; {profile} is to be filled in."""
        return f"indi run notebooks/{self.claim.chapter}.ipynb --profile {{profile}}"


def judge(profile: str, claims: Sequence[Claim] = CLAIMS) -> list[Entry]:
    """Every claim under the rule beside it (InDIError: no such profile); without its tables it is not tested."""
    evidence = collect(profile, [name for claim in claims for name in (*claim.tables, *claim.also)])
    entries = [_judge(claim, evidence) for claim in claims]
    return holm(entries) if {claim.id for claim in claims} == {claim.id for claim in CLAIMS} else entries


def holm(entries: Sequence[Entry]) -> list[Entry]:
    """The entries with the outcomes that stand among so many claims: Holm's step-down over those that were tested.

    The decided claims in the order of their p; the i-th of m stands while p is at most 0.05 / (m - i + 1), and
    from the first that does not, none does. Then the chance that any outcome of the ledger is wrong for the choice
    of images is at most 5 %. Exact claims, which rest on no draw, are not among the m.
    """
    tested = [e for e in entries if e.claim.kind == "empirical" and e.verdict.outcome != "not tested"]
    decided = [e for e in tested if e.verdict.outcome != "inconclusive"]
    stands: set[str] = set()
    for i, entry in enumerate(sorted(decided, key=lambda e: e.verdict.p)):
        if not entry.verdict.p <= ERROR / (len(tested) - i):
            break
        stands.add(entry.claim.id)
    open_ = {e.claim.id for e in decided} - stands
    return [
        replace(e, corrected="inconclusive" if e.claim.id in open_ else e.verdict.outcome) for e in entries
    ]


def _judge(claim: Claim, evidence: Evidence) -> Entry:
    read = (*claim.tables, *(name for name in claim.also if name in evidence.tables))
    state = evidence.state(read)
    try:
        verdict = claim.rule(evidence)
        state = "missing" if verdict.outcome == "not tested" else state
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
        tuple(dict.fromkeys(package for table in tables for package in table.environment)),
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
    return Verdict("inconclusive", reason, verdict.numbers, verdict.key)


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
            "corrected": entry.corrected or "",
            "p": entry.verdict.p,
            "power": entry.power,
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
    rows = [{"claim": entry.claim.id, **asdict(n)} for entry in entries for n in entry.verdict.numbers]
    columns = ["claim", "what", "value", "low", "high", "n", "confidence", "sign", "difference", "at"]
    return pd.DataFrame(rows, columns=columns)


def save(entries: Sequence[Entry], profile: str) -> Path:
    """Store the tables `claims`, whose path it returns, and `claims_evidence`, and all of it as claims_ledger.json."""
    path = results.save("claims", table(entries, profile), profile, notebook=NOTEBOOK)
    results.save("claims_evidence", evidence_table(entries), profile, notebook=NOTEBOOK)
    with replacing(paths.results(profile) / "tables" / "claims_ledger.json") as partial:
        partial.write_text(as_json(entries, profile) + "\n", encoding="utf-8")
    return path


def as_json(entries: Sequence[Entry], profile: str) -> str:
    """The rows of `table`, each with its numbers as a list; null where there is no (finite) number."""
    rows = table(entries, profile).to_dict("records")
    for row, entry in zip(rows, entries, strict=True):
        row["p"] = _plain(row["p"])
        numbers = map(asdict, entry.verdict.numbers)
        row["numbers"] = [{name: _plain(value) for name, value in number.items()} for number in numbers]
    return json.dumps(rows, indent=2, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text(entries: Sequence[Entry]) -> str:
    """The ledger for a terminal: a line a claim, why below it where that is not plain, and the sum."""
    lines = []
    for entry in entries:
        state = "" if entry.state == "fresh" else f"  [{entry.state}]"
        lines.append(f"{entry.claim.id:<34}{entry.verdict.outcome:<16}{entry.claim.place}{state}")
        power = entry.power if entry.verdict.outcome == "inconclusive" else ""
        if why := "; ".join(filter(None, (entry.caveat, power))):
            lines += textwrap.wrap(why, 100, initial_indent=" " * 4, subsequent_indent=" " * 4)
    counts = Counter(entry.verdict.outcome for entry in entries)
    states = Counter(entry.state for entry in entries)
    lines += ["", ", ".join(f"{counts[name]} {name}" for name in counts)]
    if doubtful := sum(entry.doubtful for entry in entries):
        lines.append(
            f"{doubtful} of the decided verdicts do not stand after Holm's correction for all claims"
        )
    lines.append("data: " + ", ".join(f"{states[name]} {name}" for name in states))
    if other := dict.fromkeys(package for entry in entries for package in entry.environment):
        lines.append(f"made in another environment ({'; '.join(other)}): the last digits may differ here")
    return "\n".join(lines)
