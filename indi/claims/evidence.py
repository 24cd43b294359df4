"""What a claim's verdict rests on: stored tables, and comparisons with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import pandas as pd

from indi import paths
from indi.errors import InDIError
from indi.evaluation import metrics
from indi.evaluation.metrics import Interval
from indi.records import results
from indi.records.results import Table

Outcome = Literal["reproduced", "not reproduced", "inconclusive", "not tested"]
State = Literal["fresh", "stale", "missing"]
Key = tuple[str, int]
"""A setting that was measured: (sampler, steps), or whatever stands in the column `sampler`."""

ERROR = 0.05
"""Chance of a wrong verdict that a family of comparisons is allowed, under its null hypothesis."""

MARGINS = {"psnr": 0.1, "lpips_alex": 0.005, "lpips_squeeze": 0.005}
"""Differences too small to matter: about a quarter of what Table 3 shows between 1 and 10 steps
(0.51 dB and 0.018). Used where a claim says that two things do *not* differ."""


class NotTested(Exception):
    """Raised by a rule that cannot be applied, for lack of tables, rows or weights; its text says why."""


class OutOfReach(NotTested):
    """Raised where no data is missing: the profile, or what was measured, cannot test the claim."""


@dataclass(frozen=True)
class Number:
    """One measured number behind a verdict.

    Attributes:
        what: in words, with the metric.
        value, low, high: mean difference (or the number itself) and its interval, in the metric's unit.
        n: images (or points); 0 where the number is exact.
        confidence: of the interval, corrected for the size of its family.
        sign: +1 where larger is in favour of the claim, -1 where smaller is.
        difference: a difference, shown with its sign, not a level.
    """

    what: str
    value: float
    low: float
    high: float
    n: int
    confidence: float = 1 - ERROR
    sign: int = 1
    difference: bool = True

    @property
    def better(self) -> bool:
        """The whole interval speaks for the claim."""
        return min(self.sign * self.low, self.sign * self.high) > 0

    @property
    def worse(self) -> bool:
        """The whole interval speaks against it."""
        return max(self.sign * self.low, self.sign * self.high) < 0

    def text(self) -> str:
        """ "LPIPS (squeeze), 5 steps against 1: -0.011 [-0.014, -0.008], n = 100"."""
        plus = "+" if self.difference else ""
        bounds = "" if math.isnan(self.low) else f" [{self.low:{plus}.4g}, {self.high:{plus}.4g}]"
        return f"{self.what}: {self.value:{plus}.4g}{bounds}" + (f", n = {self.n}" if self.n else "")


@dataclass(frozen=True)
class Verdict:
    """An outcome, why it is not a plainer one, and the numbers it was computed from."""

    outcome: Outcome
    reason: str = ""
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """The stored tables of a profile, as far as there are any.

    Attributes:
        profile: smoke, laptop, gpu or paper.
        tables: name -> table.
        problems: name -> why the table is not among them.
    """

    profile: str
    tables: Mapping[str, Table]
    problems: Mapping[str, str]

    def rows(self, name: str) -> pd.DataFrame:
        """The rows of a table.

        Raises:
            NotTested: there is none.
        """
        if name not in self.tables:
            raise NotTested(self.problems.get(name, f"no table {name}"))
        return self.tables[name].rows

    def state(self, names: Iterable[str]) -> State:
        """The worst state of the named tables."""
        names = list(names)
        if any(name not in self.tables for name in names):
            return "missing"
        return "stale" if any(self.tables[name].stale for name in names) else "fresh"


def collect(profile: str, names: Iterable[str]) -> Evidence:
    """The named tables of a profile. One that is not there, or was edited by hand, is a problem, no error."""
    tables, problems = {}, {}
    for name in sorted(set(names)):
        if not (paths.results(profile) / "tables" / f"{name}.csv").is_file():
            results.note_read(name, profile)
            problems[name] = f"no table {name} under profile {profile}"
            continue
        try:
            tables[name] = results.load(name, profile)
        except InDIError as error:
            problems[name] = str(error)
    return Evidence(profile, tables, problems)


@dataclass(frozen=True)
class Measured:
    """Rows per image and distances between sets, compared alike.

    Attributes:
        rows: columns image, sampler, steps, metric, value; repeated trainings are averaged per image.
        sets: columns sampler, steps, metric, value, low, high, images; None where not measured.
    """

    rows: pd.DataFrame
    sets: pd.DataFrame | None = None

    def metrics(self) -> list[str]:
        """What was measured."""
        some = [] if self.sets is None else list(self.sets["metric"])
        return list(dict.fromkeys([*self.rows["metric"], *some]))

    def perceptual(self) -> list[str]:
        """LPIPS, and the Fréchet distance between sets: FID, else its stand-in.

        Raises:
            NotTested: neither was measured.
        """
        names = self.metrics()
        lpips = [name for name in names if name.startswith("lpips")]
        frechet = [name for name in ("fid", "fd_squeeze") if name in names][:1]
        if not lpips + frechet:
            raise NotTested("neither LPIPS nor a Fréchet distance was measured (their weights are missing)")
        return lpips + frechet

    def steps(self, sampler: str) -> list[int]:
        """The step counts of a sampler, in order.

        Raises:
            NotTested: the sampler was not measured.
        """
        source = self.rows if len(self.rows) or self.sets is None else self.sets
        counts = sorted(int(n) for n in source.loc[source["sampler"] == sampler, "steps"].unique())
        if not counts:
            raise NotTested(f"no rows of {sampler}")
        return counts

    def best(self, metric: str, keys: Sequence[Key]) -> Key:
        """The key with the best mean."""
        means = {key: self.mean(metric, key) for key in keys}
        return max(means, key=lambda key: sign(metric) * means[key])

    def values(self, metric: str, key: Key) -> pd.Series:
        """One value per image, repeated trainings averaged; empty for a distance between sets."""
        here = self.rows
        here = here[(here["metric"] == metric) & (here["sampler"] == key[0]) & (here["steps"] == key[1])]
        return here.groupby("image")["value"].mean()

    def compare(self, metric: str, a: Key, b: Key, family: int = 1) -> Number:
        """a - b, positive in favour of a claim that a is better.

        Per image: paired bootstrap over the images both have. Between sets: the two distances are
        taken as independent, which makes the interval too wide rather than too narrow, since they
        share their images.

        Args:
            family: how many comparisons could each decide the same verdict (Bonferroni).
        """
        confidence = 1 - ERROR / family
        what = f"{metrics.describe(metric).label}, {_name(a)} against {_name(b)}"
        left, right = self.values(metric, a), self.values(metric, b)
        if len(left) and len(right):
            shared = left.index.intersection(right.index)
            found = metrics.paired_difference(left[shared], right[shared], confidence)
        else:
            found = independent(self.distance(metric, a), self.distance(metric, b), confidence)
        return Number(what, found.mean, found.low, found.high, found.n, confidence, sign(metric))

    def mean(self, metric: str, key: Key) -> float:
        """Over images, or the distance between sets."""
        values = self.values(metric, key)
        return float(values.mean()) if len(values) else self.distance(metric, key).mean

    def interval(self, metric: str, key: Key, family: int = 1) -> Interval:
        """As `mean`, with its interval; `family` as in `compare`."""
        confidence = 1 - ERROR / family
        values = self.values(metric, key)
        if len(values):
            return metrics.bootstrap_interval(values, confidence)
        found = self.distance(metric, key)
        return independent(found, Interval(0.0, 0.0, 0.0, found.n), confidence)

    def distance(self, metric: str, key: Key) -> Interval:
        """A distance between sets with its 95 % interval; the means of all three over trainings.

        Raises:
            NotTested: it was not measured.
        """
        if self.sets is None:
            raise NotTested(f"{metric} was not measured")
        here = self.sets
        here = here[(here["metric"] == metric) & (here["sampler"] == key[0]) & (here["steps"] == key[1])]
        if here.empty:
            raise NotTested(f"no {metric} of {_name(key)}")
        mean = here[["value", "low", "high"]].mean()
        return Interval(mean["value"], mean["low"], mean["high"], int(here["images"].min()))


def sign(metric: str) -> int:
    """+1 where larger is better (or, of the detail ratio, where it is more), -1 where smaller is."""
    return -1 if metrics.describe(metric).direction == "lower" else 1


def _name(key: Key) -> str:
    return f"{key[0]} N = {key[1]}" if key[1] else key[0]


def independent(a: Interval, b: Interval, confidence: float) -> Interval:
    """The difference of two independent numbers whose 95 % intervals are normal."""
    usual = NormalDist().inv_cdf(0.975)
    errors = [(interval.high - interval.low) / 2 / usual for interval in (a, b)]
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.hypot(*errors)
    mean = a.mean - b.mean
    return Interval(mean, mean - half, mean + half, min(a.n, b.n))
