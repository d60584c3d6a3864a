"""What may still be done with a person, by consents and withdrawals on a day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commensal.registry.permitted import birthday, consents_due, not_to_contact, permitted, years_between

ON = date(2026, 6, 1)


def signed(kind="informed_signed", on=date(2025, 1, 1), **more):
    row = {"patient_id": "P1", "type": kind, "language": "en", "signed_on": on}
    return {**row, "withdrawn_on": None, "withdrawal_level": None, **more}


def withdrew(level, on=date(2026, 1, 1)):
    return {"patient_id": "P1", "kind": "withdrawal", "occurred_on": on, "withdrawal_level": level}


def ended(kind, on=date(2026, 1, 1)):
    return {"patient_id": "P1", "kind": kind, "occurred_on": on, "withdrawal_level": None}


@pytest.mark.parametrize(
    ("level", "treat", "contact", "extract", "keep"),
    [
        (None, False, False, False, True),  # not recorded: as W3
        ("W1", False, True, True, True),
        ("W2", False, False, True, True),
        ("W3", False, False, False, True),
        ("W4", False, False, False, False),
    ],
)
def test_each_level_stops_what_it_says(level, treat, contact, extract, keep):
    state = permitted([signed()], [withdrew(level)], on=ON)
    said = (state.may_treat, state.may_contact, state.may_extract_records, state.keeps_collected_data)
    assert said == (treat, contact, extract, keep)
    assert state.is_level_known == (level is not None)


def test_nothing_is_stopped_before_its_day_and_at_once_on_it():
    rows = [withdrew("W4", ON)]
    assert permitted([signed()], rows, on=ON - timedelta(days=1)).may_treat
    assert not permitted([signed()], rows, on=ON).may_treat


def test_the_gravest_withdrawal_decides_and_gives_the_day():
    state = permitted([], [withdrew("W1", date(2025, 1, 1)), withdrew("W3", date(2025, 5, 1))], on=ON)
    assert (state.level, state.since) == ("W3", date(2025, 5, 1))


def test_a_later_informed_consent_ends_a_withdrawal_and_one_of_the_same_day_does_not():
    again = signed(on=date(2026, 1, 2))
    assert permitted([signed(), again], [withdrew("W4")], on=ON).may_treat
    assert not permitted([signed(on=date(2026, 1, 1))], [withdrew("W4")], on=ON).may_treat
    assert not permitted([signed("data_sharing", on=ON)], [withdrew("W4")], on=ON).may_treat


def test_a_withdrawal_without_a_day_is_never_ended_by_a_signature():
    assert permitted([signed(on=ON)], [withdrew("W2", None)], on=ON).level == "W2"


def test_taking_back_storage_of_samples_does_not_end_follow_up():
    back = {"withdrawn_on": date(2026, 1, 1), "withdrawal_level": "W4"}
    assert permitted([signed("biobank_future", **back)], [], on=ON).level is None
    assert permitted([signed(**back)], [], on=ON).level == "W4"


def test_the_dead_the_lost_and_the_withdrawn_are_left_in_peace():
    assert not_to_contact([], [ended("death")], on=ON) == {"P1"}
    assert not_to_contact([], [ended("lost_to_follow_up")], on=ON) == {"P1"}
    assert not_to_contact([], [withdrew("W2")], on=ON) == {"P1"}
    assert not not_to_contact([], [withdrew("W1")], on=ON)
    assert not not_to_contact([signed()], [ended("last_contact")], on=ON)
    assert permitted([], [ended("lost_to_follow_up")], on=ON).may_treat


days = st.dates(date(2020, 1, 1), date(2027, 1, 1))
levels = st.sampled_from([None, "W1", "W2", "W3", "W4"])


@given(st.lists(st.tuples(levels, st.none() | days)), st.lists(days), levels, days)
def test_one_more_withdrawal_never_allows_more(withdrawals, signatures, level, day):
    consents = [signed(on=d) for d in signatures]
    rows = [withdrew(lv, d) for lv, d in withdrawals]
    before = permitted(consents, rows, on=ON)
    after = permitted(consents, [*rows, withdrew(level, day)], on=ON)
    for name in ("may_treat", "may_contact", "may_extract_records", "keeps_collected_data"):
        assert getattr(before, name) or not getattr(after, name)


# --- who must be asked


def due(born, *consents, on=ON, asked_again=None, ends=()):
    patient = {"patient_id": "P1", "born_on": born}
    standing = permitted(consents, ends, on=on)
    found = consents_due(patient, consents, on=on, standing=standing, asked_again=asked_again)
    return [(d.what, d.from_on) for d in found]


ADULT, CHILD = date(1980, 1, 1), date(2014, 3, 1)


def test_an_adult_with_a_signature_is_not_asked():
    assert due(ADULT, signed()) == []
    assert due(ADULT, signed("waiver_irb")) == []
    assert due(ADULT) == [("informed_signed", None)]


def test_a_child_needs_a_guardian_and_from_seven_years_assents():
    assert due(CHILD, signed()) == [("guardian_permission", None), ("assent", None)]
    assert due(CHILD, signed("guardian_permission"), signed("assent")) == []
    assert due(date(2020, 7, 1), signed("guardian_permission")) == []


@pytest.mark.parametrize(
    ("on", "is_due"),
    [(date(2026, 1, 14), False), (date(2026, 1, 15), True), (date(2026, 4, 15), True)],
)
def test_who_comes_of_age_decides_anew(on, is_due):
    born, majority = date(2008, 4, 15), date(2026, 4, 15)
    consents = [signed("guardian_permission"), signed("assent")]
    assert (("informed_signed", majority) in due(born, *consents, on=on)) == is_due
    assert due(born, *consents, signed(on=majority), on=majority) == []


def test_a_new_text_asks_again_who_signed_an_earlier_one():
    again = {("informed_signed", "en"): date(2026, 2, 1)}
    assert due(ADULT, signed(), asked_again=again) == [("informed_signed", date(2026, 2, 1))]
    assert due(ADULT, signed(), signed(on=date(2026, 3, 1)), asked_again=again) == []
    assert due(ADULT, signed(language="zh"), asked_again=again) == []


def test_nobody_asks_who_may_not_be_contacted():
    assert due(CHILD, signed(), ends=[withdrew("W2")]) == []
    assert due(CHILD, ends=[ended("death")]) == []


@given(st.dates(date(1920, 1, 1), date(2026, 1, 1)), st.integers(0, 100))
def test_a_birthday_is_the_first_day_of_that_age(born, years):
    day = birthday(born, years)
    assert years_between(born, day) == years
    if years:
        assert years_between(born, day - timedelta(days=1)) == years - 1
