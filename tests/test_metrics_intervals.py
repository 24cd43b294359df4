"""Intervals: coverage, the closed form of the mean, and honesty where resampling says nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from indi.errors import InDIError
from indi.evaluation import metrics
from indi.evaluation.metrics import (
    Interval,
    bootstrap_interval,
    bootstrap_statistic,
    interval_of_mean,
    paired_difference,
)
from indi.evaluation.metrics.intervals import quantile, tail


def test_width_is_that_of_the_normal_approximation_for_many_images() -> None:
    values = np.random.default_rng(0).normal(25, 3, 400)
    interval = bootstrap_interval(values)
    half = 1.96 * values.std() / math.sqrt(400)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.n == 400
    assert interval.low == pytest.approx(values.mean() - half, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.03)
    wider = bootstrap_interval(values, confidence=0.99)
    assert wider.low < interval.low < interval.high < wider.high


def test_coverage_at_the_sizes_we_report() -> None:
    """95 % intervals of 20 images hold the truth about 95 % of the time (BCa is a little narrow)."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        interval = bootstrap_interval(rng.normal(0, 1, 20))
        held += interval.low <= 0 <= interval.high
    assert 0.87 <= held / 200 <= 0.98


def test_the_same_seed_gives_the_same_interval() -> None:
    values = np.random.default_rng(2).exponential(size=12)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_bounds_stay_inside_what_was_measured() -> None:
    for values in ([1.0, 2.0], [0.0, 0.0, 0.0, 0.0, 1.0], [3.0, 3.0, 4.0]):
        interval = bootstrap_interval(values)
        assert min(values) <= interval.low <= interval.mean <= interval.high <= max(values)


@pytest.mark.parametrize("values", [[1.5], [2.0, 2.0, 2.0], [30.0, math.inf]])
def test_no_bounds_where_there_is_nothing_to_resample(values: list[float]) -> None:
    interval = bootstrap_interval(values)
    assert interval.mean == np.mean(values)
    assert interval.n == len(values)
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_an_undefined_value_is_left_out_and_not_counted() -> None:
    values = [1.0, 2.0, math.nan, 4.0]
    assert bootstrap_interval(values) == bootstrap_interval([1.0, 2.0, 4.0])
    empty = bootstrap_interval([math.nan])
    assert empty.n == 0
    assert math.isnan(empty.mean)


def test_a_paired_difference_sees_what_unpaired_intervals_hide() -> None:
    rng = np.random.default_rng(5)
    images = rng.normal(25, 4, 40)
    a, b = images + 0.3 + rng.normal(0, 0.1, 40), images + rng.normal(0, 0.1, 40)
    difference = paired_difference(a, b)
    assert difference.mean == pytest.approx((a - b).mean())
    assert 0.2 < difference.low < 0.3 < difference.high < 0.4
    assert bootstrap_interval(a).low < bootstrap_interval(b).high  # unpaired, they overlap


def test_a_paired_difference_leaves_out_images_that_one_side_lacks() -> None:
    assert paired_difference([1.0, math.nan, 3.0], [0.0, 5.0, 1.0]).n == 2
    perfect = paired_difference([math.inf, 30.0], [math.inf, 29.0])
    assert math.isnan(perfect.mean)
    assert perfect.n == 2
    with pytest.raises(InDIError, match="not 2 and 3"):
        paired_difference([1.0, 2.0], [1.0, 2.0, 3.0])


def test_a_statistic_of_the_set_is_resampled_by_images() -> None:
    values = np.random.default_rng(6).normal(0, 2, 50)

    def mean(images: NDArray[np.int64]) -> float:
        return float(values[images].mean())

    interval = bootstrap_statistic(mean, 50, resamples=400)
    half = 1.96 * values.std() / math.sqrt(50)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.high - interval.mean == pytest.approx(half, rel=0.15)
    assert interval.mean - interval.low == pytest.approx(interval.high - interval.mean)
    alone = bootstrap_statistic(mean, 1)
    assert alone.mean == values[0]
    assert math.isnan(alone.low)


def test_a_confidence_in_percent_is_refused() -> None:
    with pytest.raises(InDIError, match=r"confidence 95 is not inside \(0, 1\)"):
        bootstrap_interval([1.0, 2.0], confidence=95)


def test_values_equal_up_to_rounding_have_no_bounds() -> None:
    a = np.array([20.1, 22.3, 21.7, 30.9])
    found = paired_difference(a + 0.1, a)
    assert found.mean == pytest.approx(0.1)
    assert np.isnan([found.low, found.high]).all()


@pytest.mark.parametrize("n", [10, 20])
def test_students_interval_covers_where_the_bootstrap_falls_short(n: int) -> None:
    rng = np.random.default_rng(3)
    held = [(i := interval_of_mean(rng.normal(0, 1, n))).low <= 0 <= i.high for _ in range(2000)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


def test_from_thirty_images_on_it_is_the_bootstrap() -> None:
    values = np.random.default_rng(4).exponential(size=30)
    assert interval_of_mean(values, 0.99) == bootstrap_interval(values, 0.99)
    student = interval_of_mean(values[:29])
    expected = stats.t.interval(0.95, 28, values[:29].mean(), stats.sem(values[:29]))
    assert (student.low, student.high) == pytest.approx(expected)


def test_an_exact_zero_is_a_number_with_bounds() -> None:
    a = np.random.default_rng(5).normal(size=12)
    assert interval_of_mean(a - a) == Interval(0.0, 0.0, 0.0, 12)
    assert interval_of_mean([0.0, math.nan, 0.0]) == Interval(0.0, 0.0, 0.0, 2)
    for values in ([0.0], [0.2, 0.2, 0.2], [math.inf, 1.0]):
        assert math.isnan(interval_of_mean(values).low)


@pytest.mark.parametrize("n", [12, 300])
def test_the_tail_inverts_the_quantile(n: int) -> None:
    assert tail(quantile(0.99, n), n) == pytest.approx(0.01)


# --- over images and seeds -------------------------------------------------------------------------


def test_one_source_of_chance_gives_students_interval() -> None:
    """Alike in all trainings, or alike for all images: Student's interval of what differs, as in `scipy.stats`."""
    values = np.random.default_rng(0).normal(size=7)
    expected = stats.t.interval(0.95, 6, loc=values.mean(), scale=stats.sem(values))
    for table in (np.repeat(values[:, None], 3, axis=1), np.repeat(values[None], 12, axis=0)):
        found = metrics.interval_over_seeds(table)
        assert (found.low, found.high) == pytest.approx(expected)


@pytest.mark.parametrize(("by_seed", "rest"), [(0.0, 0.5), (0.3, 0.5), (1.0, 0.1)])
def test_coverage_over_images_and_seeds(by_seed: float, rest: float) -> None:
    """Simulated: 32 images, three seeds; the truth lies inside about as often as it says.

    With two degrees of freedom Satterthwaite's are a little hopeful: 93.5 % where seeds decide.
    """
    generator = np.random.default_rng(1)
    inside, trials = 0, 1500
    for _ in range(trials):
        table = generator.normal(size=(32, 1)) + by_seed * generator.normal(size=(1, 3))
        found = metrics.interval_over_seeds(table + rest * generator.normal(size=(32, 3)))
        inside += found.low < 0 < found.high
    assert inside / trials > 0.925


def test_over_seeds_nothing_is_invented() -> None:
    assert metrics.interval_over_seeds(np.zeros((5, 3))) == metrics.Interval(0.0, 0.0, 0.0, 5, 3)
    one = np.random.default_rng(2).normal(size=(40, 1))
    assert metrics.interval_over_seeds(one) == metrics.interval_of_mean(one)
    with pytest.raises(InDIError, match="images, trainings"):
        metrics.interval_over_seeds(np.zeros(4))
