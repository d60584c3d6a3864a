"""Charts, funnels, tests and settings of the monitoring: what they say and what they refuse."""

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.monitoring import (
    Settings,
    cusum,
    cusum_alarm_probability,
    cusum_limit,
    funnel,
    sequential_limit,
    sequential_test,
)
from commensal.evidence.monitoring.clusters import clusters


def test_a_chart_alarms_where_it_reaches_its_limit():
    run = cusum([1, 0, 1, 1, 1, 1], [0.2] * 6, limit=1.5)
    assert run.alarm_at == 4
    assert cusum([0, 0, 0], [0.2] * 3, limit=1.5).alarm_at is None


def test_an_odds_ratio_below_one_looks_for_improvement():
    assert cusum([0] * 10, [0.6] * 10, odds_ratio=0.5, limit=1.5).alarm_at is not None


def test_the_limit_spends_what_was_asked():
    expected = np.random.default_rng(1).uniform(0.1, 0.8, 80)
    limit = cusum_limit(expected, false_alarm=0.05)
    spent = cusum_alarm_probability(expected, limit=limit)
    assert 0.045 < spent <= 0.05
    assert cusum_alarm_probability(expected, limit=limit, true_odds_ratio=2.0) > 0.3


def test_longer_streams_and_uncertain_expectations_need_higher_limits():
    assert cusum_limit(0.3, horizon=200) > cusum_limit(0.3, horizon=50)
    assert cusum_limit(0.3, horizon=50, uncertainty=0.3) > cusum_limit(0.3, horizon=50)
    p = np.full(300, 0.014)
    assert sequential_limit(p, uncertainty=0.3) > sequential_limit(p)


def test_a_sequential_alarm_needs_its_events():
    p = [0.001] * 5
    assert sequential_test([1, 0, 0, 0, 0], p, limit=0.5).alarm_at is None
    assert sequential_test([1, 0, 1, 0, 0], p, limit=0.5).alarm_at == 2
    assert sequential_test([1, 0, 0, 0, 0], p, limit=0.5, min_events=1).alarm_at == 0


def test_a_unit_that_is_half_of_everything_is_not_judged_by_the_other_half_as_truth():
    observed = np.r_[np.ones(60), np.zeros(40)]
    sure = funnel(observed, np.full(100, 0.45), unit=["A"] * 100)
    unsure = funnel(observed, np.full(100, 0.45), unit=["A"] * 100, uncertainty={"A": 0.2})
    assert unsure.p_value[0] > 2 * sure.p_value[0]
    assert unsure.lower[0] < sure.lower[0] < sure.upper[0] < unsure.upper[0]


def test_poisson_funnel_of_counts():
    made = funnel([3, 10, 0], [2.0, 5.5, 1.0])
    # Garwood's exact limits of 3 events: 0.6187 to 8.7673
    assert made.lower[0] * 2 == pytest.approx(0.61867, abs=1e-4)
    assert made.upper[0] * 2 == pytest.approx(8.76727, abs=1e-4)
    assert made.lower[2] == 0
    assert (made.outer[:, 1] >= made.inner[:, 1]).all()


def test_whole_counts_at_both_ends_have_finite_limits():
    made = funnel([0, 0, 1, 1], [0.3, 0.4, 0.3, 0.4], unit=["A", "A", "B", "B"])
    assert made.lower[0] == 0
    assert made.upper[1] == pytest.approx(2 / 0.7)
    for column in (made.lower, made.upper, made.inner, made.outer, made.p_value):
        assert np.isfinite(column).all()


@pytest.mark.parametrize(
    ("observed", "expected"),
    [([1, 0], [0.2]), ([2], [0.2]), ([np.nan], [0.2]), ([1], [np.nan]), ([1], [0.0]), ([1], [1.0]), ([], [])],
)
def test_what_is_no_outcome_beside_a_probability_is_refused(observed, expected):
    with pytest.raises(InputError):
        cusum(observed, expected, limit=3.0)
    with pytest.raises(InputError):
        sequential_test(observed, expected)


def test_bad_charts_are_refused():
    for bad in ({"odds_ratio": 1.0, "limit": 3.0}, {"odds_ratio": -1.0, "limit": 3.0}, {"limit": 0.0}):
        with pytest.raises(InputError):
            cusum([1], [0.3], **bad)
    with pytest.raises(InputError):
        cusum_limit(0.3, false_alarm=1.5, horizon=10)
    with pytest.raises(InputError):
        cusum_alarm_probability([0.3], limit=2.0, uncertainty=-1)
    with pytest.raises(InputError):
        funnel([1.5], [2.0])
    with pytest.raises(InputError):
        funnel([1], [0.0])


@pytest.mark.parametrize(
    "choice",
    [
        {"false_alarm": 0.0},
        {"dimensions": ("donor", "weather")},
        {"landmark": "M7"},
        {"min_courses": 0},
        {"odds_ratio": 0.5},
        {"infection_terms": ("ae99",)},
        {"covariates": ("engraftment",)},
    ],
)
def test_settings_name_the_fault(choice):
    with pytest.raises(InputError) as fault:
        Settings(**choice)
    if choice.keys() != {"covariates"}:
        assert next(iter(choice)) in str(fault.value)


def infections(*rows: tuple[int, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["day", "patient_id"], orient="row")


@pytest.mark.parametrize(
    ("rows", "days"),
    [
        ([(10, "P1"), (40, "P2")], [40]),  # thirty days apart is inside
        ([(10, "P1"), (41, "P2")], []),
        ([(10, "P1"), (12, "P1")], []),  # one patient twice is no cluster
        ([(10, "P1"), (12, "P2"), (30, "P3"), (200, "P4"), (210, "P5")], [12, 210]),
    ],
)
def test_two_patients_within_thirty_days_are_a_cluster_that_alarms_once(rows, days):
    assert [day for _, day in clusters(infections(*rows), Settings())] == days
