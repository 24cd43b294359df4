"""What a claim's verdict rests on: stored tables, and comparisons with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd

from indi import paths
from indi.errors import InDIError
from indi.evaluation import metrics
from indi.evaluation.metrics import Interval
from indi.evaluation.metrics.intervals import quantile, tail
from indi.records import results
from indi.records.results import Table

Outcome = Literal["reproduced", "not reproduced", "inconclusive", "not tested"]
State = Literal["fresh", "stale", "missing"]
Key = tuple[str, int]
"""A setting that was measured: (sampler, steps), or whatever stands in the column `sampler`."""

ERROR = 0.05
"""Chance of a wrong verdict that a family of comparisons is allowed, under its null hypothesis."""

LEAST_P = 1e-6
"""Farther out nobody knows the tails of an interval."""

POWER = 0.8
"""Chance of showing a difference that is there, which `Number.smallest` and `Number.images_needed` are about."""

NO_RESAMPLES = (
    "the resamples of distances between sets are not stored, so that two cannot be compared as pairs"
)

MARGINS = {"psnr": 0.1, "lpips_alex": 0.005, "lpips_squeeze": 0.005}
"""Differences too small to matter: about a quarter of what Table 3 shows between 1 and 10 steps
(0.51 dB and 0.018). Used where a claim says that two things do *not* differ."""

BLOCKS = 0.05
"""A change of the blockiness, 1 of an image without blocks, too small to matter: a twentieth of it."""


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
        at: what the interval is held against, where that is not zero.
        seeds: trainings of each recipe; with more than one the interval covers the seed, too.
        freedom: degrees of freedom of its standard error, where they are not those of n images.
    """

    what: str
    value: float
    low: float
    high: float
    n: int
    confidence: float = 1 - ERROR
    sign: int = 1
    difference: bool = True
    at: float = 0.0
    seeds: int = 1
    freedom: float | None = None

    @property
    def _count(self) -> float:
        return self.n if self.freedom is None else self.freedom + 1

    @property
    def better(self) -> bool:
        """The whole interval speaks for the claim."""
        return min(self.sign * (self.low - self.at), self.sign * (self.high - self.at)) > 0

    @property
    def worse(self) -> bool:
        """The whole interval speaks against it."""
        return max(self.sign * (self.low - self.at), self.sign * (self.high - self.at)) < 0

    @property
    def errors(self) -> float:
        """Standard errors from `at` to the value; those of the side of the interval that faces `at`."""
        if self.value == self.at:
            return 0.0
        side = self.high - self.value if self.value < self.at else self.value - self.low
        error = side / quantile(self.confidence, self._count)
        return math.copysign(math.inf, self.value - self.at) if error == 0 else (self.value - self.at) / error

    @property
    def p(self) -> float:
        """The error at which the interval would just touch `at`, times the size of its family; `LEAST_P` to 1."""
        return min(1.0, max(LEAST_P, tail(abs(self.errors), self._count) * ERROR / (1 - self.confidence)))

    @property
    def smallest(self) -> float:
        """The smallest difference from `at` that an interval so long shows in 80 % of the cases."""
        half = (self.high - self.low) / 2
        return half * (1 + NormalDist().inv_cdf(POWER) / quantile(self.confidence, self._count))

    @property
    def images_needed(self) -> float:
        """How many images would show a difference as large as the measured one, in 80 % of the cases.

        Infinite where nothing says so: there is no difference, or more images leave what another seed changes.
        """
        distance = abs(self.value - self.at)
        if distance == 0 or self.seeds > 1:
            return math.inf
        return math.ceil(self.n * (self.smallest / distance) ** 2)

    def text(self, form: str = ".4g") -> str:
        """ "LPIPS (squeeze), 5 steps against 1: -0.011 [-0.014, -0.008], n = 100"; with ", 3 trainings" of several."""
        form = f"+{form}" if self.difference else form
        bounds = "" if math.isnan(self.low) else f" [{self.low:{form}}, {self.high:{form}}]"
        count = f", n = {self.n}" if self.n else ""
        trainings = f", {self.seeds} trainings" if self.seeds > 1 else ""
        return f"{self.what}: {self.value:{form}}{bounds}{count}{trainings}"


@dataclass(frozen=True)
class Verdict:
    """An outcome, why it is not a plainer one, and the numbers it was computed from.

    Attributes:
        key: the number that it hangs on: of those that had to agree the weakest, else the strongest.
        p: the smallest error at which the rule would decide the same; NaN where it decides nothing.
    """

    outcome: Outcome
    reason: str = ""
    numbers: tuple[Number, ...] = ()
    key: Number | None = None
    p: float = math.nan


@dataclass(frozen=True)
class Evidence:
    """The stored tables of a profile by name, as far as there are any; of others, why they are not among them."""

    profile: str
    tables: Mapping[str, Table]
    problems: Mapping[str, str]

    def rows(self, name: str) -> pd.DataFrame:
        """The rows of a table (NotTested: there is none)."""
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
        if not results.csv_path(paths.results(profile) / "tables", name).is_file():
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
        rows: columns image, sampler, steps, metric, value; and seed where a recipe was trained several times:
            means are then over all of them, intervals over other images and other seeds.
        sets: columns sampler, steps, metric, value, low, high, images, and, where they were stored, floor and
            resamples, as `evaluation.evaluate` gives them; None where not measured.
    """

    rows: pd.DataFrame
    sets: pd.DataFrame | None = None

    def metrics(self) -> list[str]:
        """What was measured."""
        some = [] if self.sets is None else list(self.sets["metric"])
        return list(dict.fromkeys([*self.rows["metric"], *some]))

    def named(self, *kinds: str) -> list[str]:
        """The measured metrics of each kind, "lpips", "niqe", "fd" (FID, else its stand-in) or "kd", in that order."""
        known = {
            "lpips": ("lpips_alex", "lpips_squeeze"),
            "fd": ("fid", "fd_squeeze"),
            "kd": ("kid", "kd_squeeze"),
        }
        here = self.metrics()
        found = ([name for name in known.get(kind, (kind,)) if name in here][:1] for kind in kinds)
        return [name for names in found for name in names]

    def lpips(self) -> str:
        """LPIPS, of whichever network was measured (NotTested: of none)."""
        if not (names := self.named("lpips")):
            raise NotTested("LPIPS was not measured (its weights are missing)")
        return names[0]

    def steps(self, sampler: str) -> list[int]:
        """The step counts of a sampler, in order (NotTested: the sampler was not measured)."""
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
        return self.by_seed(metric, key).mean(axis=1)

    def by_seed(self, metric: str, key: Key) -> pd.DataFrame:
        """One value per image (rows) and training (columns); empty for a distance between sets."""
        if (metric, key) not in self._by_seed:
            here = _at(self.rows, metric, key)
            if "seed" not in here:
                here = here.assign(seed=0)
            self._by_seed[metric, key] = here.groupby(["image", "seed"], sort=False)["value"].mean().unstack()
        return self._by_seed[metric, key]

    @cached_property
    def _by_seed(self) -> dict[tuple[str, Key], pd.DataFrame]:
        """What `by_seed` has found: rules ask for the same settings again and again."""
        return {}

    @cached_property
    def seeds(self) -> list[int]:
        """Those of the trainings, as far as the rows tell them apart."""
        source = self.rows if len(self.rows) or self.sets is None else self.sets
        return sorted(source["seed"].unique()) if "seed" in source else [0]

    def where(self, which: Callable[[pd.DataFrame], pd.Series]) -> Measured:
        """The rows, and the distances, that `which` marks."""
        sets = None if self.sets is None else self.sets[which(self.sets)]
        return Measured(self.rows[which(self.rows)], sets)

    def of_seed(self, seed: int) -> Measured:
        """The part of one training."""
        parts = (self.rows, self.sets)
        rows, sets = (p if p is None or "seed" not in p else p[p["seed"] == seed] for p in parts)
        assert rows is not None
        return Measured(rows, sets)

    def compare(self, metric: str, a: Key, b: Key, family: int = 1, logs: bool = False) -> Number:
        """a - b, positive in favour of a claim that a is better; arguments as `contrast`."""
        label = metrics.describe(metric).label
        what = f"{f'log of {label}' if logs else label}, {_name(a)} against {_name(b)}"
        return self.contrast(metric, [(1, a), (-1, b)], what, family, logs)

    def contrast(
        self,
        metric: str,
        terms: Sequence[tuple[int, Key]],
        what: str,
        family: int = 1,
        logs: bool = False,
        worse: bool = False,
    ) -> Number:
        """A sum of settings with weights, such as a difference; large in favour of the claim where large is better.

        Per image: of the values of each image that all settings have. Between sets: of the distances, with the
        spread of the sum in common resamples of the images; where those are not stored, as if independent, which
        is too wide for a verdict (see `pairs`).

        Args:
            terms: (weight, setting).
            what: in words.
            family: how many comparisons could each decide the same verdict (Bonferroni).
            logs: of the logarithms, for ratios with heavy tails: a difference of geometric means.
            worse: the claim is about a loss: large in its favour where large is worse.
        """
        confidence = 1 - ERROR / family
        values = [self.by_seed(metric, key) for _, key in terms]
        if all(len(one) for one in values):
            table = pd.concat(values, axis=1, join="inner", keys=range(len(values)))
            table = np.log(table.where(table > 0)) if logs else table
            with np.errstate(invalid="ignore"):  # inf - inf, two perfect restorations
                sums = sum(weight * table[i] for i, (weight, _) in enumerate(terms))
            shared = [seed for seed in values[0] if all(seed in one for one in values)]
            found = metrics.interval_over_seeds(sums[shared], confidence)
        else:
            mean = sum(weight * self.mean(metric, key) for weight, key in terms)
            counts = sorted({self.distance(metric, key).n for _, key in terms})
            if len(counts) > 1:
                label, sizes = metrics.describe(metric).label, ", ".join(map(str, counts))
                raise NotTested(f"{label} of sets of unequal size ({sizes})")
            if self.pairs(metric):
                each = [self.of_seed(seed) for seed in self.seeds]
                levels = np.array([sum(w * one.mean(metric, key) for w, key in terms) for one in each])
                drawn = np.array([sum(w * one.drawn(metric, key) for w, key in terms) for one in each])
                found = spread(mean, drawn, levels, counts[0], confidence)
            else:
                found = independent([self.distance(metric, key) for _, key in terms], mean, confidence)
        side = -sign(metric) if worse else sign(metric)
        return _number(what, found, confidence, side)

    def pairs(self, metric: str) -> bool:
        """Whether settings can be compared as pairs: always per image, between sets with stored resamples."""
        if (self.rows["metric"] == metric).any():
            return True
        here = self.sets if self.sets is not None and "resamples" in self.sets else pd.DataFrame()
        return bool(len(here)) and bool(here.loc[here["metric"] == metric, "resamples"].astype(bool).all())

    def drawn(self, metric: str, key: Key) -> np.ndarray:
        """In each of `metrics.draws`, `mean`, averaged over trainings (NotTested: resamples are not stored)."""
        values = self.values(metric, key)
        if len(values):
            return np.asarray(metrics.draws(len(values)) @ values.to_numpy() / len(values))
        if self.sets is None or not self.pairs(metric):
            raise NotTested(NO_RESAMPLES)
        texts = _at(self.sets, metric, key)["resamples"]
        return np.mean([np.array(text.split(), dtype=float) for text in texts], axis=0)

    def gap(
        self, metric: str, a: Sequence[Key], b: Sequence[Key], what: str, family: int = 1, worse: bool = False
    ) -> Number:
        """How far the curve through a lies above that through b, in the plane of PSNR and the metric.

        The mean height between the two polylines over the PSNR that both reach: the area between them over
        its width. Its error is that over common resamples of the images, of both axes together.

        Args:
            a, b: points of the curves.
            what: in words. family: as in `compare`.
            worse: the claim is that a is the worse of the two.

        Raises:
            OutOfReach: the curves share no range of PSNR.
        """
        heights = np.array([self.of_seed(seed)._heights(metric, a, b) for seed in self.seeds])
        if np.isnan(heights[:, 0]).any():
            raise OutOfReach("the two curves share no range of PSNR")
        n = len(self.values("psnr", a[0]))
        confidence = 1 - ERROR / family
        found = spread(float(heights[:, 0].mean()), heights[:, 1:], heights[:, 0], n, confidence)
        label = f"{metrics.describe(metric).label}, {what} at equal PSNR"
        return _number(label, found, confidence, -sign(metric) if worse else sign(metric))

    def _heights(self, metric: str, a: Sequence[Key], b: Sequence[Key]) -> list[float]:
        """That height itself, then in every resample."""
        points = [
            np.array([[self.mean(axis, key), *self.drawn(axis, key)] for key in keys]).T
            for keys in (a, b)
            for axis in ("psnr", metric)
        ]
        return [_height(*curves) for curves in zip(*points, strict=True)]

    def mean(self, metric: str, key: Key) -> float:
        """Over images, or the distance between sets."""
        values = self.values(metric, key)
        return float(values.mean()) if len(values) else self.distance(metric, key).mean

    def interval(self, metric: str, key: Key, family: int = 1) -> Interval:
        """As `mean`, with its interval; `family` as in `compare`."""
        confidence = 1 - ERROR / family
        values = self.by_seed(metric, key)
        if len(values):
            return metrics.interval_over_seeds(values, confidence)
        found = self.distance(metric, key)
        return independent([found], found.mean, confidence)

    def distance(self, metric: str, key: Key) -> Interval:
        """A distance between sets with its 95 % interval, means over trainings (NotTested: it was not measured)."""
        if self.sets is None:
            raise NotTested(f"{metric} was not measured")
        here = _at(self.sets, metric, key)
        if here.empty:
            raise NotTested(f"no {metric} of {_name(key)}")
        mean = here[["value", "low", "high"]].mean()
        return Interval(mean["value"], mean["low"], mean["high"], int(here["images"].min()))

    def floor(self, metric: str) -> float:
        """The distance of two halves of the truths (NotTested: it is not stored)."""
        here = self.sets if self.sets is not None and "floor" in self.sets else pd.DataFrame({"metric": []})
        here = here[here["metric"] == metric]
        if here.empty or here["floor"].isna().any():
            raise NotTested("the distance of two halves of the truths is not stored")
        return float(here["floor"].mean())


def _at(rows: pd.DataFrame, metric: str, key: Key) -> pd.DataFrame:
    return rows[(rows["metric"] == metric) & (rows["sampler"] == key[0]) & (rows["steps"] == key[1])]


def _height(xa: np.ndarray, ya: np.ndarray, xb: np.ndarray, yb: np.ndarray) -> float:
    """Mean of the polyline (xa, ya) less (xb, yb) over the x of both; NaN where there is none."""
    low, high = max(xa.min(), xb.min()), min(xa.max(), xb.max())
    if not low < high:
        return math.nan
    a, b = np.argsort(xa), np.argsort(xb)
    inner = np.concatenate([xa, xb])
    x = np.unique(np.concatenate([[low, high], inner[(low < inner) & (inner < high)]]))
    gap = np.interp(x, xa[a], ya[a]) - np.interp(x, xb[b], yb[b])
    return float(((gap[1:] + gap[:-1]) / 2 * np.diff(x)).sum() / (high - low))


def spread(value: float, drawn: np.ndarray, levels: np.ndarray, n: int, confidence: float) -> Interval:
    """A number of a whole set with the interval of its standard error over resamples; exact zero is [0, 0].

    Percentiles would not do: a resample repeats images, which shifts distances between sets. Of several trainings
    the variance of the resamples' mean is that of the images, and of `levels` that of the seeds; what both hold,
    the spread of the trainings within a resample, is taken off once.

    Args:
        value: the mean of `levels`.
        drawn: in every common resample of the images, (trainings, resamples).
        levels: on the images themselves, (trainings,).
    """
    seeds = len(levels)
    if n < 2 or np.isnan(drawn).any():
        return Interval(value, math.nan, math.nan, n, seeds)
    images = float(np.var(drawn.mean(axis=0), ddof=1))
    if seeds == 1 or not (drawn.any() or levels.any()):
        half = quantile(confidence, n) * math.sqrt(images)
        return Interval(value, value - half, value + half, n, seeds)
    own = float(np.var(drawn - drawn.mean(axis=0), axis=1, ddof=1).sum()) / (seeds - 1) / seeds
    return metrics.two_way(value, images, float(np.var(levels, ddof=1)) / seeds, own, n, seeds, confidence)


def _number(what: str, found: Interval, confidence: float, side: int) -> Number:
    measured = (found.mean, found.low, found.high, found.n)
    return Number(what, *measured, confidence, side, seeds=found.seeds, freedom=found.freedom)


def sign(metric: str) -> int:
    """+1 where larger is better (or, of the detail ratio, where it is more), -1 where smaller is."""
    return -1 if metrics.describe(metric).direction == "lower" else 1


def _name(key: Key) -> str:
    return f"{key[0]} N = {key[1]}" if key[1] else key[0]


def independent(parts: Sequence[Interval], mean: float, confidence: float) -> Interval:
    """A sum or difference of independent numbers whose 95 % intervals are normal."""
    usual = NormalDist().inv_cdf(0.975)
    errors = [(interval.high - interval.low) / 2 / usual for interval in parts]
    half = NormalDist().inv_cdf((1 + confidence) / 2) * math.hypot(*errors)
    return Interval(mean, mean - half, mean + half, min(interval.n for interval in parts))
