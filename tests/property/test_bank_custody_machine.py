"""Whatever is asked of a unit, nothing unsafe is issued and no exposure is lost."""

import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from commensal.bank.custody import ADMINISTRATIONS, Event, UnitState, advance, fold, not_issuable
from commensal.errors import RefusedError
from commensal.study.inputs import CUSTODY_EVENTS

PLAIN = [e for e in CUSTODY_EVENTS if e not in ("corrected", "issued", *ADMINISTRATIONS)]
PATIENTS = st.sampled_from(["P1", "P2"])
EXPIRES = 10


class Unit(RuleBasedStateMachine):
    """One unit in the hands of careless people. The model keeps plain facts of its own."""

    def __init__(self):
        super().__init__()
        self.events: list[Event] = []
        self.state = UnitState()
        self.day = 0
        self.hold = "none"
        self.number = itertools.count()
        self.given: dict[str, float] = {}
        self.was_released = False
        self.issues_standing = 0

    def attempt(self, event, **fields):
        made = Event(f"E{next(self.number)}", event, day=self.day, **fields)
        try:
            self.state = advance(self.state, made, pathway="bookend")
        except RefusedError:
            return None
        self.events.append(made)
        return made

    @rule(event=st.sampled_from(PLAIN), patient=PATIENTS)
    def something_happens(self, event, patient):
        made = self.attempt(event, patient_id=patient)
        self.was_released |= made is not None and event == "released"

    @rule()
    def usual_way_to_release(self):
        for event in ("collected", "processed", "frozen", "released"):
            made = self.attempt(event)
            self.was_released |= made is not None and event == "released"

    @rule(hold=st.sampled_from(["none", "quarantine", "recall"]))
    def hold_changes(self, hold):
        self.hold = hold

    @rule(days=st.integers(1, 4))
    def days_pass(self, days):
        self.day += days

    @rule(patient=PATIENTS)
    def somebody_asks_for_it(self, patient):
        asked = {"pathway": "bookend", "hold": self.hold, "expires_day": EXPIRES, "on_day": self.day}
        if not_issuable(self.state, **asked, patient_id=patient):
            return
        assert self.attempt("issued", patient_id=patient)
        self.issues_standing += 1
        assert self.was_released
        assert self.day <= EXPIRES
        assert self.hold == "none"
        assert self.issues_standing == 1
        assert self.state.reserved_for is None

    @rule(event=st.sampled_from(ADMINISTRATIONS), fraction=st.none() | st.floats(0.05, 1), patient=PATIENTS)
    def somebody_gives_it(self, event, fraction, patient):
        made = self.attempt(event, patient_id=patient, fraction=fraction)
        if made:
            self.given[made.event_id] = fraction or 0.0

    @precondition(lambda self: self.events)
    @rule(back=st.integers(1, 3))
    def somebody_corrects(self, back):
        target = self.events[-min(back, len(self.events))]
        made = self.attempt("corrected", corrects=target.event_id)
        if made and target.event == "issued":
            self.issues_standing -= 1

    @invariant()
    def no_exposure_is_lost(self):
        assert {e.event_id for e in self.state.exposures} == set(self.given)

    @invariant()
    def never_more_than_the_whole_unit(self):
        standing = [e for e in self.state.exposures if not e.is_taken_back]
        assert sum(self.given[e.event_id] for e in standing) <= 1 + 1e-6
        assert len({e.patient_id for e in standing}) <= 1

    @invariant()
    def folding_again_gives_the_same(self):
        assert fold(self.events, pathway="bookend") == self.state
        assert not self.state.faults


Unit.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestUnit = pytest.mark.slow(Unit.TestCase)
