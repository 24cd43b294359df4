"""From comparisons to an outcome: the few forms that the rules of all claims have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def equivalent(numbers: Sequence[Number], margins: Sequence[float]) -> Verdict:
    """For "they do not differ": every interval inside its margin (two one-sided tests), or any outside it."""
    return _margin(numbers, margins, lambda number, margin: -margin < number.low <= number.high < margin)


def not_worse(numbers: Sequence[Number], margins: Sequence[float]) -> Verdict:
    """For "it is as good": every interval short of being worse by its margin, or any wholly beyond it."""
    return _margin(numbers, margins, lambda number, margin: _gain(number)[0] > -margin, one_sided=True)


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
    inside: Callable[[Number, float], bool],
    one_sided: bool = False,
) -> Verdict:
    pairs = list(zip(numbers, margins, strict=True))
    if pairs and all(inside(number, margin) for number, margin in pairs):
        return Verdict("reproduced", "", tuple(numbers))
    for number, margin in pairs:
        low, high = _gain(number)
        if high < -margin or (low > margin and not one_sided):
            return Verdict("not reproduced", "", tuple(numbers))
    return Verdict("inconclusive", "intervals reach beyond the margin", tuple(numbers))
