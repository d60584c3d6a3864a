"""Until when a donor's screens hold, and when closing screens may be taken."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.vocabulary.donor_verdicts import ScreeningResult, donor_verdict, evidence_of
from commensal.vocabulary.rescreening import closing_windows, donor_standing
from commensal.vocabulary.screening import screening_profile

ON = date(2026, 6, 1)
PROFILE = screening_profile("STRICT", on=ON)
DAY = timedelta(days=1)


def only(*analytes):
    kept = tuple(need for need in PROFILE.requirements if need.analyte in analytes)
    return replace(PROFILE, requirements=kept)


def result(analyte, on, outcome="negative", method="naat", **more):
    need = next(n for n in PROFILE.requirements if n.analyte == analyte)
    return ScreeningResult(
        f"{analyte}-{on}-{outcome}", analyte, need.specimens[0], outcome, on, method, **more
    )


def standing(profile, *results, on=ON):
    return donor_standing(evidence_of(results, profile=profile, on=on), profile=profile, on=on)


def test_a_screen_holds_to_the_last_day_of_its_age():
    profile = only("hiv")
    limit = profile.intervals["blood_virus"].max_opening_age_days
    (found,) = standing(profile, result("hiv", ON - 10 * DAY, method="serology"))
    assert found.valid_until == ON + (limit - 10) * DAY
    assert found.outcome == "met"


def test_a_test_of_several_days_holds_as_long_as_enough_of_them_do():
    profile = only("ova_and_parasites")
    need = profile.requirements[0]
    assert need.n_separate_days == 3
    limit = profile.intervals["stool"].max_opening_age_days
    days = [ON - n * DAY for n in (1, 5, 9)]
    (found,) = standing(profile, *(result(need.analyte, day, method="microscopy") for day in days))
    assert found.valid_until == min(days) + limit * DAY
    (found,) = standing(profile, *(result(need.analyte, day, method="microscopy") for day in days[:2]))
    assert (found.outcome, found.valid_until) == ("undetermined", None)


@pytest.mark.parametrize("outcome", ["positive", "equivocal"])
def test_a_finding_blocks_without_an_end_whatever_came_later(outcome):
    profile = only("hiv")
    rows = (result("hiv", ON - 20 * DAY, outcome), result("hiv", ON - DAY))
    (found,) = standing(profile, *rows)
    assert found.outcome != "met"
    assert found.valid_until is None


results = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from(["negative", "pending", "positive", "equivocal"])),
    max_size=5,
)


@given(results, st.integers(0, 100))
def test_a_donor_is_clear_to_the_last_day_and_not_after(rows, ahead):
    """The day a screen runs out is the day from which the verdict itself says so."""
    profile = only("hiv")
    made = [
        replace(result("hiv", ON - n * DAY, outcome, method="serology"), result_id=str(i))
        for i, (n, outcome) in enumerate(rows)
    ]
    (found,) = standing(profile, *made)
    later = donor_verdict(made, profile=profile, on=ON + ahead * DAY).outcome
    holds = found.valid_until is not None and ON + ahead * DAY <= found.valid_until
    assert (later == "met") == holds


def windows(profile, donated_on, *results, on=ON):
    return closing_windows(
        evidence_of(results, profile=profile, on=on), profile=profile, donated_on=donated_on
    )


def test_blood_of_day_sixty_is_not_a_closing_screen_of_day_fifty_nine():
    profile, donated = only("hiv"), ON - 59 * DAY
    (window,) = windows(profile, donated, result("hiv", donated - DAY, method="serology"))
    assert (window.from_on, window.to_on) == (donated + 56 * DAY, donated + 84 * DAY)
    closed = result("hiv", donated + 56 * DAY, method="serology")
    assert windows(profile, donated, result("hiv", donated - DAY, method="serology"), closed) == ()


def test_without_an_opening_screen_no_day_closes_a_donation():
    (window,) = windows(only("hiv"), ON - 10 * DAY)
    assert (window.from_on, window.to_on) == (None, None)
    assert "no valid opening" in window.reason


def test_the_gap_between_the_screens_ends_a_window_early():
    profile, donated = only("esbl"), ON - 5 * DAY
    opened = result("esbl", donated - 20 * DAY, method="culture")
    (window,) = windows(profile, donated, opened)
    gap = profile.intervals["mdro"].max_gap_days
    assert window.to_on == opened.collected_on + gap * DAY
