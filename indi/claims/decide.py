"""From comparisons to an outcome: the few forms that the rules of all claims have.

Each form knows the number that it hangs on: the strongest where one is enough, the weakest where all are
needed. That number gives the verdict its p, the chance of a result at least as clear if there were nothing to
see, and its power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from indi.claims.evidence import Number, Outcome, Verdict
from indi.evaluation import metrics
from indi.evaluation.metrics.intervals import FEWEST_IMAGES


def some_better(numbers: Sequence[Number]) -> Verdict:
    """For "there is one that is better": reproduced if any interval speaks for it, not if all speak against."""
    key = max(numbers, key=_score, default=None)
    if any(number.better for number in numbers):
        return _decided("reproduced", numbers, key)
    if numbers and all(number.worse for number in numbers):
        return _decided("not reproduced", numbers, key)
    return _undecided(numbers, key)


def all_better(numbers: Sequence[Number]) -> Verdict:
    """For "it is better than all": reproduced if every interval speaks for it, not if any speaks against."""
    key = min(numbers, key=_score, default=None)
    if numbers and all(number.better for number in numbers):
        return _decided("reproduced", numbers, key)
    if any(number.worse for number in numbers):
        return _decided("not reproduced", numbers, key)
    return _undecided(numbers, key)


def equivalent(numbers: Sequence[Number], margins: Sequence[float], corrected: Sequence[Number]) -> Verdict:
    """For "they do not differ": every interval inside its margin (two one-sided tests), or any outside it.

    Args:
        numbers: the comparisons at the level 1 - 0.05. That *all* must lie inside needs no correction
            for their number (intersection-union test).
        margins: one for each.
        corrected: the same at the level 1 - 0.05 / k, k their number, since *any* can lie outside.
    """
    # inside: below the upper margin and above the lower one, each a comparison of its own
    upper = [_held(n, m, against=True) for n, m in zip(numbers, margins, strict=True)]
    lower = [_held(n, -m) for n, m in zip(numbers, margins, strict=True)]
    beyond = [_held(n, m) for n, m in zip(corrected, margins, strict=True)]
    below = [_held(n, -m, against=True) for n, m in zip(corrected, margins, strict=True)]
    return _inside([*upper, *lower], [*beyond, *below], numbers, corrected)


def not_worse(numbers: Sequence[Number], margins: Sequence[float], corrected: Sequence[Number]) -> Verdict:
    """For "it is as good": every interval short of being worse by its margin, or any wholly beyond it.

    Args:
        numbers, margins, corrected: as in `equivalent`.
    """
    above = [_held(n, -m) for n, m in zip(numbers, margins, strict=True)]
    below = [_held(n, -m, against=True) for n, m in zip(corrected, margins, strict=True)]
    return _inside(above, below, numbers, corrected)


def first_named(verdicts: Mapping[str, Verdict]) -> Verdict:
    """The verdict by the first metric, with the others' numbers behind its own; who says otherwise is named.

    Args:
        verdicts: metric -> verdict, the metric that the paper's sentence names at the front.
    """
    (_, first), *others = verdicts.items()
    said = [first.reason]
    for name, verdict in others:
        label = metrics.describe(name).label
        against = sum(n.worse if first.outcome == "reproduced" else n.better for n in verdict.numbers)
        if first.outcome == "not tested" and verdict.outcome != "not tested":
            said.append(f"by {label} alone: {verdict.outcome}")
        elif {first.outcome, verdict.outcome} == {"reproduced", "not reproduced"}:
            said.append(f"{label} says otherwise")
        elif first.outcome in ("reproduced", "not reproduced") and against:
            said.append(f"{label} says otherwise in {against} of {len(verdict.numbers)} comparisons")
    numbers = tuple(number for verdict in verdicts.values() for number in verdict.numbers)
    return replace(first, reason="; ".join(filter(None, said)), numbers=numbers)


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """One outcome where several must agree: theirs if all have it, else inconclusive, either way."""
    numbers = tuple(number for verdict in verdicts for number in verdict.numbers)
    outcomes = {verdict.outcome for verdict in verdicts}
    weakest = max(verdicts, key=lambda verdict: verdict.p if verdict.p == verdict.p else 1.0)
    if len(outcomes) == 1 and outcomes <= {"reproduced", "not reproduced"}:
        return replace(weakest, reason="", numbers=numbers)
    reason = "; ".join(dict.fromkeys(verdict.reason for verdict in verdicts if verdict.reason))
    if {"reproduced", "not reproduced"} <= outcomes:
        reason = "they disagree"
    elif outcomes & {"reproduced", "not reproduced"}:
        reason = f"shown in part only: {reason}"
    return Verdict("inconclusive", reason, numbers, weakest.key)


def every(parts: Sequence[Verdict]) -> Verdict:
    """A claim of several parts: reproduced if each part is, not reproduced if any is not.

    Its parts are comparisons of one family: their intervals are to be corrected for the number of parts.
    """
    numbers = tuple(number for part in parts for number in part.numbers)
    against = [part for part in parts if part.outcome == "not reproduced"]
    if against:
        return replace(min(against, key=lambda part: part.p), numbers=numbers)
    return together(parts)


def _score(number: Number) -> float:
    """Standard errors in favour of the claim; without an interval a number is the weakest of all."""
    errors = number.sign * number.errors
    return errors if errors == errors else -math.inf


def _decided(outcome: Outcome, numbers: Sequence[Number], key: Number | None) -> Verdict:
    return Verdict(outcome, "", tuple(numbers), key, key.p if key else math.nan)


def _undecided(numbers: Sequence[Number], key: Number | None) -> Verdict:
    known = not numbers or any(number.low == number.low for number in numbers)
    reason = "intervals cover zero" if known else "no interval can be computed"
    if key and key.low == key.high == 0:
        reason = "a difference is exactly zero"
    return Verdict("inconclusive", reason, tuple(numbers), key)


def _held(number: Number, margin: float, against: bool = False) -> Number:
    """The number held against a margin of gain instead of zero; `against`: small values speak for it."""
    return replace(number, at=number.sign * margin, sign=-number.sign if against else number.sign)


def _inside(
    within: Sequence[Number], beyond: Sequence[Number], numbers: Sequence[Number], corrected: Sequence[Number]
) -> Verdict:
    if within and all(number.better for number in within):
        return _decided("reproduced", numbers, min(within, key=_score))
    if any(number.better for number in beyond):
        return _decided("not reproduced", corrected, max(beyond, key=_score))
    key = min(within, key=_score, default=None)
    return Verdict("inconclusive", "intervals reach beyond the margin", tuple(numbers), key)


def worded(worse: metrics.Interval) -> str:
    """What an interval of (method - baseline) says of no claim of the paper's: chapters ask more than it does.

    Args:
        worse: of a score that is better when lower.

    Returns:
        "better", "worse", "none shown" (the interval holds zero), "too few images", or "same" (no difference at all).
    """
    if worse.n and worse.mean == 0 and (worse.low != worse.low or worse.low == worse.high == 0):
        return "same"
    if worse.n < FEWEST_IMAGES:
        return "too few images"
    if worse.high < 0:
        return "better"
    return "worse" if worse.low > 0 else "none shown"
