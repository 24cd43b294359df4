"""From comparisons to an outcome: the few forms that the rules of all claims have."""

from __future__ import annotations

from collections.abc import Sequence

from indi.claims.evidence import Number, Outcome, Verdict


def some_better(numbers: Sequence[Number]) -> Verdict:
    """For "there is one that is better": reproduced if any interval speaks for it, not if all speak against."""
    if any(number.better for number in numbers):
        return Verdict("reproduced", "", tuple(numbers))
    if numbers and all(number.worse for number in numbers):
        return Verdict("not reproduced", "", tuple(numbers))
    return _undecided(numbers)


def all_better(numbers: Sequence[Number]) -> Verdict:
    """For "it is better than all": reproduced if every interval speaks for it, not if any speaks against."""
    if numbers and all(number.better for number in numbers):
        return Verdict("reproduced", "", tuple(numbers))
    if any(number.worse for number in numbers):
        return Verdict("not reproduced", "", tuple(numbers))
    return _undecided(numbers)


def equivalent(numbers: Sequence[Number], margins: Sequence[float], corrected: Sequence[Number]) -> Verdict:
    """For "they do not differ": every interval inside its margin (two one-sided tests), or any outside it.

    Args:
        numbers: the comparisons at the level 1 - 0.05. That *all* must lie inside needs no correction
            for their number (intersection-union test).
        margins: one for each.
        corrected: the same at the level 1 - 0.05 / k, k their number, since *any* can lie outside.
    """
    return _margin(numbers, margins, corrected)


def not_worse(numbers: Sequence[Number], margins: Sequence[float], corrected: Sequence[Number]) -> Verdict:
    """For "it is as good": every interval short of being worse by its margin, or any wholly beyond it.

    Args:
        numbers, margins, corrected: as in `equivalent`.
    """
    return _margin(numbers, margins, corrected, one_sided=True)


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """One outcome of several metrics: theirs where they agree; inconclusive where they do not.

    Metrics that decide nothing keep the others from deciding "reproduced", not from "not reproduced".
    """
    outcomes = {verdict.outcome for verdict in verdicts}
    numbers = tuple(number for verdict in verdicts for number in verdict.numbers)
    outcome: Outcome = "inconclusive"
    reason = "; ".join(dict.fromkeys(verdict.reason for verdict in verdicts if verdict.reason))
    if outcomes == {"reproduced"}:
        outcome = "reproduced"
    elif {"reproduced", "not reproduced"} <= outcomes:
        reason = "the metrics disagree"
    elif "not reproduced" in outcomes:
        outcome, reason = "not reproduced", ""
    elif "reproduced" in outcomes:
        reason = f"shown by some metrics only: {reason}"
    return Verdict(outcome, reason if outcome == "inconclusive" else "", numbers)


def _undecided(numbers: Sequence[Number]) -> Verdict:
    if numbers and all(number.low != number.low for number in numbers):
        return Verdict("inconclusive", "no interval can be computed", tuple(numbers))
    return Verdict("inconclusive", "intervals cover zero", tuple(numbers))


def _gain(number: Number) -> tuple[float, float]:
    low, high = sorted((number.sign * number.low, number.sign * number.high))
    return low, high


def _margin(
    numbers: Sequence[Number],
    margins: Sequence[float],
    corrected: Sequence[Number],
    one_sided: bool = False,
) -> Verdict:
    inside, outside = [], []
    for number, margin, wider in zip(numbers, margins, corrected, strict=True):
        low, high = _gain(number)
        inside.append(low > -margin and (one_sided or high < margin))
        low, high = _gain(wider)
        outside.append(high < -margin or (low > margin and not one_sided))
    if inside and all(inside):
        return Verdict("reproduced", "", tuple(numbers))
    if any(outside):
        return Verdict("not reproduced", "", tuple(corrected))
    return Verdict("inconclusive", "intervals reach beyond the margin", tuple(numbers))
