"""No order of screens releases a donation that its closing blood came too early for."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.vocabulary.donor_verdicts import ScreeningResult, donor_verdict, release_window
from commensal.vocabulary.screening import screening_profile

DAY_0 = date(2025, 1, 1)
STRICT = screening_profile("STRICT", on=DAY_0)
SEROLOGY = {need.analyte for need in STRICT.requirements if need.group == "blood_virus" and need.closing}
screen_days = st.lists(st.integers(0, 200), min_size=1, max_size=4, unique=True)


def screen_on(n):
    day = DAY_0 + timedelta(days=n)
    return [
        ScreeningResult(
            f"{need.analyte}-{n}-{back}",
            need.analyte,
            need.specimens[0],
            "negative",
            day - timedelta(days=back),
            method="PCR" if need.needs_nucleic_acid_test else "",
        )
        for need in STRICT.requirements
        for back in range(need.n_separate_days)
    ]


@pytest.mark.slow
@given(screen_days, st.integers(0, 200))
@settings(deadline=None, max_examples=40)
def test_a_release_has_blood_56_to_84_days_later_and_an_opening_screen(days, donated):
    results = [result for n in days for result in screen_on(n)]
    verdict = release_window(
        results, profile=STRICT, donated_on=DAY_0 + timedelta(days=donated), on=DAY_0 + timedelta(days=400)
    )
    closed = any(56 <= n - donated <= 84 for n in days)
    opened = any(0 <= donated - n <= 60 for n in days)
    for one in verdict.analytes:
        if one.analyte in SEROLOGY:
            assert (one.outcome == "met") is (closed and opened)
    assert verdict.outcome != "met" or (closed and opened)


@pytest.mark.slow
@given(
    screen_days,
    st.integers(0, 200),
    st.integers(0, 50),
    st.sampled_from(["positive", "equivocal"]),
)
@settings(deadline=None, max_examples=40)
def test_no_negative_hides_an_open_finding(days, on, analyte, found):
    need = [need for need in STRICT.requirements if need.if_positive != "record"][analyte % 40]
    finding = ScreeningResult("finding", need.analyte, need.specimens[0], found, DAY_0)
    results = [finding, *(result for n in days for result in screen_on(n))]
    verdict = donor_verdict(results, profile=STRICT, on=DAY_0 + timedelta(days=on))
    assert verdict.outcome == ("not_met" if found == "positive" else "undetermined")
