"""What version 2 of the rules changed, and every sentence of the paper that was considered for a row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from indi.claims.report import Entry

_HERE = Path(__file__).parent


def table(entries: Sequence[Entry]) -> pd.DataFrame:
    """The table of changes: a row per claim, its verdicts, and what changed in the rule.

    Returns:
        Columns claim, version 1 (as it judged its own tables of the laptop profile; "" of new claims), same networks
        (version 2 of the rules on the networks of version 1), version 2 (today), corrected (after Holm, where that
        differs), changed and why.
    """
    rules = pd.read_csv(_HERE / "changes.csv", comment="#", keep_default_na=False).set_index("claim")
    rows = []
    for entry in entries:
        rule = rules.loc[entry.claim.id.partition("/")[0]]
        corrected = entry.corrected if entry.doubtful else ""
        before = entry.version_1 or "", entry.same_networks or ""
        rows.append((entry.claim.id, *before, entry.verdict.outcome, corrected, *rule))
    verdicts = ["version 1", "same networks", "version 2", "corrected"]
    return pd.DataFrame(rows, columns=["claim", *verdicts, "changed", "why"])


def power(entries: Sequence[Entry]) -> pd.DataFrame:
    """What the number that a verdict hangs on is, its p, and what it could have shown; claims without one are left out.

    Returns:
        Columns claim, verdict, hangs on (in words, with interval), p (corrected within the claim) and power.
    """
    rows = [
        (entry.claim.id, entry.verdict.outcome, entry.verdict.key.text(), entry.verdict.p, entry.power)
        for entry in entries
        if entry.verdict.key is not None
    ]
    return pd.DataFrame(rows, columns=["claim", "verdict", "hangs on", "p", "power"])


def sentences() -> pd.DataFrame:
    """Every sentence of the paper that could be tested.

    Returns:
        Columns place, sentence, rows (claims without their task, with blanks between; "" if none) and why (not, or how
        far).
    """
    return pd.read_csv(_HERE / "sentences.csv", comment="#", keep_default_na=False)
