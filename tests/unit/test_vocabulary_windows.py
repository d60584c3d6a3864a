"""Visit windows: which visit a day belongs to, and who is due."""

from datetime import date
from itertools import pairwise

import pytest

from commensal.errors import InputError
from commensal.vocabulary import windows as w


@pytest.mark.parametrize("cohort", w.COHORTS)
def test_windows_of_a_cohort_do_not_overlap(cohort):
    for earlier, later in pairwise(w.windows(cohort)):
        assert earlier.close < later.open, (earlier.visit, later.visit)


@pytest.mark.parametrize("cohort", w.COHORTS)
def test_a_day_belongs_to_the_one_window_that_holds_it(cohort):
    for day in range(-120, 2100):
        held = [window.visit for window in w.windows(cohort) if window.open <= day <= window.close]
        assert w.assign_visit(day, cohort=cohort) == (held[0] if held else None)


@pytest.mark.parametrize(
    ("cohort", "day", "visit"),
    [
        ("prospective", 55, None),
        ("prospective", 56, "W8"),
        ("prospective", 70, "W8"),
        ("prospective", 71, None),
        ("prospective", 78, "M3"),
        ("prospective", 105, "M3"),
        ("prospective", 106, None),
        ("retrospective", 136, "M3"),
        ("retrospective", 137, "M6"),
        ("prospective", 395, "Y1"),
        ("prospective", 396, None),
        ("retrospective", 2009, "Y5"),
        ("ambispective", 120, "M3"),
        ("prospective", 0, "V0"),
        ("prospective", -43, None),
    ],
)
def test_bounds_are_inclusive(cohort, day, visit):
    assert w.assign_visit(day, cohort=cohort) == visit


def test_an_unknown_day_belongs_to_no_visit():
    assert w.assign_visit(None, cohort="prospective") is None


def test_the_first_year_is_365_days_across_a_leap_day():
    index = date(2024, 2, 29)
    target = date.fromordinal(index.toordinal() + w.window_of("Y1", cohort="prospective").target)
    assert target == date(2025, 2, 28)
    five = date.fromordinal(index.toordinal() + w.window_of("Y5", cohort="prospective").target)
    assert five == date(2029, 2, 28)


def test_due_when_the_window_has_closed_by_the_data_cut():
    due = {cut: w.due_on("M3", index_day=100, cohort="prospective", data_cut_day=cut) for cut in (204, 205)}
    assert due == {204: False, 205: True}
    assert w.due_on("M3", index_day=100, cohort="retrospective", data_cut_day=205) is False
    assert w.due_on("M3", index_day=100, cohort="prospective", data_cut_day=None) is None
    assert w.due_on("M3", index_day=None, cohort="prospective", data_cut_day=205) is None


def test_a_prospective_patient_of_september_2025_is_not_due_at_five_years_by_june_2028():
    index, cut = date(2025, 9, 1).toordinal(), date(2028, 6, 30).toordinal()
    assert w.due_on("Y5", index_day=index, cohort="prospective", data_cut_day=cut) is False
    assert w.due_on("Y1", index_day=index, cohort="prospective", data_cut_day=cut) is True


def test_not_yet_due_counts_neither_as_missing_nor_as_failure():
    assert {code for code, reason in w.missing_reasons().items() if not reason.is_due} == {
        "not_yet_due",
        "administrative_censor",
    }
    assert set(w.missing_reasons()) > {"lost", "withdrew", "died", "missed_visit", "data_not_collected"}


def test_the_table_form_says_the_same():
    rows = w.window_table()
    assert len(rows) == 3 * len(w.visits())
    assert (
        {row["visit"] for row in rows if row["is_landmark"]} == set(w.landmarks()) == {"W8", "M3", "Y1", "Y5"}
    )
    row = next(row for row in rows if row["cohort"] == "prospective" and row["visit"] == "M3")
    assert (row["target"], row["open"], row["close"]) == (91, 78, 105)


def test_baseline_is_never_after_the_procedure():
    assert {cohort: w.baseline_window(cohort) for cohort in w.COHORTS} == {
        "prospective": (-42, -1),
        "retrospective": (-90, 0),
        "ambispective": (-90, 0),
    }


def test_a_missing_day_of_month_is_the_15th_and_a_missing_month_is_refused():
    assert w.read_partial_date("2024-02") == w.ReadDate(date(2024, 2, 15), True)
    assert w.read_partial_date("2024-02-29") == w.ReadDate(date(2024, 2, 29), False)
    for text in ("2024", "2023-02-29", "2024-13", "spring"):
        with pytest.raises(InputError, match="no date"):
            w.read_partial_date(text)


def test_unknown_words_are_refused():
    with pytest.raises(InputError, match="prospective"):
        w.windows("prospektive")
    with pytest.raises(InputError, match="M3"):
        w.window_of("M33", cohort="prospective")
