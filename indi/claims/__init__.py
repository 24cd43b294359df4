"""The ledger of the paper's claims: each with its rule, its numbers and its verdict, computed from results.

Outcomes are "reproduced", "not reproduced", "inconclusive" and "not tested". Differences are paired
over images, with bootstrap intervals. Where several comparisons could each decide a verdict, their
intervals are widened to 1 - 0.05 / k (Bonferroni), so that each claim has a chance of at most 5 % to
be decided wrongly by the choice of images; claims are not corrected for one another, so that about
one in twenty decided ones may be wrong. Intervals cover the choice of images, not that of the
training's seed. The smoke profile decides no empirical claim, nor do fewer than 10 images.
"""

from indi.claims.evidence import MARGINS, Evidence, Measured, NotTested, Number, Outcome, Verdict, collect
from indi.claims.ledger import CLAIMS, Claim
from indi.claims.report import (
    FEWEST_IMAGES,
    Entry,
    as_json,
    evidence_table,
    exit_code,
    judge,
    save,
    table,
    text,
)

__all__ = [
    "CLAIMS",
    "FEWEST_IMAGES",
    "MARGINS",
    "Claim",
    "Entry",
    "Evidence",
    "Measured",
    "NotTested",
    "Number",
    "Outcome",
    "Verdict",
    "as_json",
    "collect",
    "evidence_table",
    "exit_code",
    "judge",
    "save",
    "table",
    "text",
]
