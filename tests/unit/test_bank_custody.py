"""The fold of a unit's events, and what may follow."""

import pytest

from commensal.bank import Event, advance, fold, not_issuable
from commensal.errors import InputError, RefusedError


def events(*words, patient="P1", start=1):
    """'administered:0.5' names a fraction; '-E3' takes back event E3; days count up."""
    made = []
    for number, word in enumerate(words, start=start):
        name, _, fraction = word.partition(":")
        taken_back = name[1:] if name.startswith("-") else None
        is_personal = name in ("reserved", "issued", "partly_administered", "administered")
        made.append(
            Event(
                f"E{number}",
                "corrected" if taken_back else name,
                day=number,
                corrects=taken_back,
                fraction=float(fraction) if fraction else None,
                patient_id=patient if is_personal else None,
            )
        )
    return made


STORED = ("collected", "accepted", "processed", "frozen")
ISSUED = (*STORED, "released", "issued")


@pytest.mark.parametrize(
    ("words", "custody", "left", "n_exposures"),
    [
        ((), "none", 1, 0),
        (STORED, "stored", 1, 0),
        ((*STORED, "released", "reserved", "reservation_ended"), "released", 1, 0),
        ((*STORED, "released", "shipped", "received"), "released", 1, 0),
        ((*STORED, "shipped", "received"), "stored", 1, 0),
        ((*ISSUED, "administered"), "administered", 0, 1),
        ((*ISSUED, "partly_administered:0.25", "partly_administered:0.25"), "partly_administered", 0.5, 2),
        ((*ISSUED, "partly_administered:0.25", "wasted"), "wasted", 0.75, 1),
        ((*ISSUED, "returned", "destroyed"), "destroyed", 1, 0),
        ((*ISSUED, "-E6"), "released", 1, 0),
        ((*ISSUED, "administered", "-E7"), "issued", 1, 1),
        ((*ISSUED, "-E6", "-E5"), "stored", 1, 0),
    ],
)
def test_fold(words, custody, left, n_exposures):
    state = fold(events(*words), pathway="bookend")
    assert (state.custody, state.fraction_left, len(state.exposures)) == (custody, left, n_exposures)
    assert state.faults == ()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((*STORED, "issued"), "issued may not follow stored"),
        ((*ISSUED, "stored"), "stored may not follow issued"),
        ((*ISSUED, "returned", "issued"), "issued may not follow returned"),
        ((*STORED, "released", "thawed", "stored"), "stored may not follow thawed"),
        ((*STORED, "released", "expired", "issued"), "issued may not follow expired"),
        ((*ISSUED, "administered", "administered"), "administered may not follow administered"),
        ((*ISSUED, "partly_administered:0.6", "administered:0.5"), "0.5 of the unit given where 0.4 is left"),
        ((*ISSUED, "partly_administered"), "no fraction"),
        ((*STORED, "-E2"), "take back the later ones first"),
        (("administered",), "administered may not follow none"),
    ],
)
def test_what_is_not_legal_is_refused_and_named(words, reason):
    *before, last = events(*words)
    state = fold(before, pathway="bookend")
    with pytest.raises(RefusedError, match=reason):
        advance(state, last, pathway="bookend")
    assert reason in fold([*before, last], pathway="bookend").faults[-1]


def test_an_exposure_is_kept_however_it_came_about():
    state = fold(events("collected", "administered"), pathway="bookend")
    assert [e.patient_id for e in state.exposures] == ["P1"]
    assert state.faults


def test_a_correction_keeps_the_exposure_visible():
    state = fold(events(*ISSUED, "administered", "-E7"), pathway="bookend")
    assert [e.is_taken_back for e in state.exposures] == [True]


def test_the_rest_of_a_unit_goes_to_no_other_patient():
    state = fold(events(*ISSUED, "partly_administered:0.5"), pathway="bookend")
    other = Event("E9", "administered", day=9, patient_id="P2")
    with pytest.raises(RefusedError, match="went to P1"):
        advance(state, other, pathway="bookend")


def test_history_may_begin_with_the_administration():
    state = fold(events("administered"), pathway="historical")
    assert (state.custody, state.faults) == ("administered", ())


def test_events_do_not_run_backwards_in_time():
    state = fold(events(*STORED), pathway="bookend")
    with pytest.raises(RefusedError, match="lies before"):
        advance(state, Event("E9", "released", day=1), pathway="bookend")


@pytest.mark.parametrize(
    "fields", [{"event": "teleported"}, {"event": "corrected"}, {"event": "administered", "fraction": 1.5}]
)
def test_an_event_checks_itself(fields):
    with pytest.raises(InputError):
        Event("E1", **fields)


RELEASED = (*STORED, "released")


@pytest.mark.parametrize(
    ("words", "changed", "reason"),
    [
        (RELEASED, {}, ""),
        (RELEASED, {"on_day": 21}, "expired"),
        (RELEASED, {"on_day": 20}, ""),
        (RELEASED, {"expires_day": None}, "the expiry date is unknown"),
        (RELEASED, {"hold": "quarantine"}, "on hold: quarantine"),
        (RELEASED, {"hold": "recall"}, "on hold: recall"),
        (RELEASED, {"pathway": "historical"}, "historical"),
        (STORED, {}, "custody is stored"),
        ((*STORED, "stored", "issued"), {}, "fault"),
        ((*RELEASED, "reserved"), {}, "reserved for P1"),
        ((*RELEASED, "reserved"), {"patient_id": "P1"}, ""),
        ((*RELEASED, "thawed"), {"on_day": 6}, ""),
        ((*RELEASED, "thawed"), {"on_day": 7}, "thawed on an earlier day"),
        ((*ISSUED, "administered"), {}, "custody is administered"),
        ((*ISSUED, "administered", "-E7"), {}, "custody is issued"),
    ],
)
def test_what_may_be_issued(words, changed, reason):
    state = fold(events(*words), pathway="bookend")
    asked = {"pathway": "bookend", "hold": "none", "expires_day": 20, "on_day": 10, **changed}
    found = not_issuable(state, **asked)
    assert (reason in found) if reason else found == ""
