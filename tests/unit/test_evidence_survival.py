import polars as pl
import pytest

from commensal.errors import InputError
from commensal.evidence.survival import aalen_johansen, at_times, kaplan_meier


def test_six_patients_two_causes_by_hand():
    # A case on which a published implementation returned 0.2 and NaN: exact CIF of cause 2 at 6 is 0.4.
    rows = pl.DataFrame({"time": [1, 2, 3, 4, 5, 6], "event": [0, 1, 1, 2, 2, 0]})
    curve = aalen_johansen(rows)
    assert at_times(curve.filter(pl.col("event") == 2), [0, 2, 4, 6], start=0)["estimate"].to_list() == (
        pytest.approx([0, 0, 0.2, 0.4])
    )


def test_a_patient_who_enters_late_is_not_at_risk_before():
    rows = pl.DataFrame({"entry": [None, None, 4.0], "time": [3, 5, 6], "event": [1, 1, 0]})
    curve = kaplan_meier(rows)
    assert curve["n_at_risk"].to_list() == [2, 2, 1]
    assert curve["estimate"].to_list() == pytest.approx([0.5, 0.25, 0.25])


def test_event_at_the_day_of_entry_of_another_counts_without_him():
    rows = pl.DataFrame({"entry": [None, 3.0], "time": [3, 5], "event": [1, 0]})
    assert kaplan_meier(rows)["n_at_risk"].to_list() == [1, 1]


def test_an_incidence_that_rounding_leaves_just_under_one_has_no_limits():
    # Found by the property tests: nine patients, all but one with the event.
    rows = pl.DataFrame({"time": [1, 2, 2, 2, 2, 2, 2, 2, 3], "event": [1, 0, 1, 1, 1, 1, 1, 1, 1]})
    last = aalen_johansen(rows).tail(1).to_dicts()[0]
    assert last["estimate"] == pytest.approx(1)
    assert (last["lower"], last["upper"]) == (None, None)


def test_before_the_first_step_the_curve_is_at_its_start():
    curve = kaplan_meier(pl.DataFrame({"time": [5, 9], "event": [1, 0]}))
    before = at_times(curve, [1], start=1).to_dicts()[0]
    assert (before["estimate"], before["se"], before["lower"], before["n_at_risk"]) == (1, 0, None, 2)


def test_at_risk_is_read_just_before_the_asked_time():
    curve = kaplan_meier(pl.DataFrame({"time": [5, 9, 12], "event": [1, 1, 0]}))
    assert at_times(curve, [5, 6, 12, 13], start=1)["n_at_risk"].to_list() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    "rows",
    [
        {"time": [None, 2], "event": [1, 0]},
        {"time": [1.0, float("nan")], "event": [1, 0]},
        {"time": [1, 2], "event": [None, 0]},
        {"time": [1, 2], "event": [1, 0], "entry": [1.0, 0.0]},
        {"time": [], "event": []},
    ],
    ids=["no time", "nan time", "no event", "entry at time", "nobody"],
)
def test_rows_that_give_no_curve_are_refused(rows):
    frame = pl.DataFrame(rows, schema_overrides={"event": pl.Int64})
    with pytest.raises(InputError):
        kaplan_meier(frame)
