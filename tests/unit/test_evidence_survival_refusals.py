"""What the time-to-event functions refuse, and what they say."""

import numpy as np
import pytest

from commensal.errors import InputError, RefusedError
from commensal.evidence.survival import (
    Settings,
    aalen_johansen,
    concordance,
    cox,
    fine_gray,
    gray_test,
    kaplan_meier,
    log_rank,
    pool_curves,
    quantile,
    restricted_mean,
    state_occupation,
    turnbull,
)

TIME = [3, 5, 7, 9, 11, 13]
EVENT = [1, 0, 1, 1, 0, 1]
AGE = [50, 40, 60, 30, 20, 45]


def test_follow_up_before_index_is_refused_with_its_count():
    with pytest.raises(InputError, match="2 rows end before the origin"):
        kaplan_meier([-3, 4, -1], [1, 0, 1])


def test_no_events_is_refused_with_counts_in_models_and_tests():
    none = [0] * 6
    for run in (
        lambda: cox(TIME, none, AGE),
        lambda: fine_gray(TIME, none, AGE),
        lambda: log_rank(TIME, none, [0, 1] * 3),
        lambda: gray_test(TIME, none, [0, 1] * 3),
        lambda: concordance(TIME, none, AGE),
    ):
        with pytest.raises(RefusedError, match=r"0 events|no events"):
            run()


def test_a_curve_of_censored_patients_alone_stays_at_its_start():
    assert kaplan_meier(TIME, [0] * 6)["estimate"].to_list() == [1.0] * 6
    assert aalen_johansen(TIME, [0] * 6, causes=[1])["estimate"].to_list() == [0.0] * 6
    assert aalen_johansen(TIME, [0] * 6).is_empty()


@pytest.mark.parametrize("model", [cox, fine_gray])
def test_columns_that_cannot_be_estimated_are_refused_by_name(model):
    sick = np.column_stack([AGE, [1] * 6])
    with pytest.raises(RefusedError, match="column centre is constant"):
        model(TIME, EVENT, sick, names=("age", "centre"))
    with pytest.raises(RefusedError, match="some depend on others"):
        model(TIME, EVENT, np.column_stack([AGE, np.array(AGE) * 2]))
    with pytest.raises(RefusedError, match="column x1: no event among the 2 patients with 1"):
        model(TIME, EVENT, [0, 1, 0, 0, 1, 0])
    with pytest.raises(InputError, match="1 of 6 rows have a missing covariate"):
        model(TIME, EVENT, [1, 2, np.nan, 3, 4, 5])


def test_one_group_has_nothing_to_be_compared_with():
    for test in (log_rank, gray_test):
        with pytest.raises(RefusedError, match="one group only"):
            test(TIME, EVENT, ["a"] * 6)


@pytest.mark.parametrize(
    "run",
    [
        lambda: kaplan_meier(TIME, EVENT, limits="wald"),
        lambda: kaplan_meier(TIME, EVENT, level=95),
        lambda: kaplan_meier(TIME, EVENT, weights=[1, 1, 1, 1, 1, -1]),
        lambda: kaplan_meier(TIME, EVENT[:-1]),
        lambda: cox(TIME, EVENT, AGE, ties="exact"),
        lambda: cox(TIME, EVENT, AGE, names=("age", "sex")),
        lambda: restricted_mean(TIME, EVENT, until=0),
        lambda: quantile(kaplan_meier(TIME, EVENT), probability=50),
        lambda: concordance(TIME, EVENT, AGE, kind="somers"),
        lambda: concordance(TIME, EVENT, AGE[:-1]),
        lambda: turnbull([5], [3]),
        lambda: pool_curves([kaplan_meier(TIME, EVENT)], start=1),
        lambda: pool_curves(
            [kaplan_meier(TIME, EVENT), kaplan_meier(TIME, EVENT, stratum=["a"] * 6)], start=1
        ),
    ],
)
def test_impossible_input_is_named(run):
    with pytest.raises(InputError):
        run()


def test_visits_after_death_are_refused_with_their_count():
    who, days = ["a", "a", "a"], [0, 30, 60]
    with pytest.raises(InputError, match=r"1 rows after an absorbing state \(events after death\)"):
        state_occupation(who, days, ["no", "dead", "no"], states=["no", "dead"], absorbing=["dead"])
    with pytest.raises(InputError, match="1 patients whose first row is not at time 0"):
        state_occupation(["a"], [4], ["no"], states=["no", "dead"])


def test_time_in_a_state_beyond_follow_up_is_not_invented():
    found = state_occupation(
        ["a", "a", "b", "b"],
        [0, 50, 0, 30],
        ["no", "yes", "no", "no"],
        states=["no", "yes"],
        horizons=[40, 60],
    )
    assert found.mean_times["estimate"].is_null().to_list() == [False, False, True, True]


def test_remission_left_and_entered_again_by_hand():
    # Two patients: one in remission from 10 to 20, the other never; both seen until 30.
    found = state_occupation(
        ["a", "a", "a", "a", "b", "b"],
        [0, 10, 20, 30, 0, 30],
        ["no", "yes", "no", "no", "no", "no"],
        states=["no", "yes"],
        horizons=[30],
    )
    yes = found.curve.filter(state="yes")
    assert yes["time"].to_list() == [10, 20]
    assert yes["estimate"].to_list() == [0.5, 0.0]
    assert found.mean_times.filter(state="yes")["estimate"].to_list() == [5.0]


def test_turnbull_by_hand():
    # One in (0, 2], one in (1, 3], one never found by 3: all that can be told is (1, 2] and later than 3.
    found = turnbull([0, 1, 3], [2, 3, None])
    assert found.intervals["after"].to_list() == [1, 3]
    assert found.intervals["until"].to_list() == [2, None]
    assert found.intervals["mass"].to_list() == pytest.approx([2 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("covariates", "age"),
        ("covariates", ("days_to_death",)),
        ("horizons", ("Y9",)),
        ("least_group", 1),
        ("least_curve", True),
        ("events_per_parameter", 0),
        ("is_truncated_at_consent", 1),
        ("ties", "exact"),
    ],
)
def test_settings_are_checked_at_birth(setting, value):
    with pytest.raises(InputError, match=f"{setting}|measured after index"):
        Settings(**{setting: value})
