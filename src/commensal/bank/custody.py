"""Custody of one unit: what happened to it, in order, and what may happen next.

Custody and hold are two axes. Custody is the fold of append-only events; a hold (quarantine, recall)
stands beside it and never changes what has happened. A mistake is taken back by a ``corrected`` event that
names the one it corrects; an administration that was ever recorded stays visible as an exposure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from commensal.errors import InputError, RefusedError, nearest
from commensal.study.inputs import CUSTODY_EVENTS

ADMINISTRATIONS = ("partly_administered", "administered")
WHOLE = 1.0
ROUNDING = 1e-9

_ENDS = {"expired": "expired", "wasted": "wasted", "destroyed": "destroyed"}
_WASTE = {"wasted": "wasted", "destroyed": "destroyed"}

NEXT: dict[str, dict[str, str]] = {
    "none": {"collected": "collected", "received": "stored"},
    "collected": {"accepted": "accepted", "rejected": "rejected", "processed": "processed", **_WASTE},
    "accepted": {"processed": "processed", **_WASTE},
    "rejected": _WASTE,
    "processed": {"frozen": "stored", "stored": "stored", "released": "released", **_ENDS},
    "stored": {"stored": "stored", "released": "released", "shipped": "shipped", **_ENDS},
    "released": {
        "stored": "released",
        "reserved": "reserved",
        "thawed": "thawed",
        "issued": "issued",
        "shipped": "shipped",
        **_ENDS,
    },
    "reserved": {"reservation_ended": "released", "thawed": "thawed", "issued": "issued", **_ENDS},
    "shipped": {"received": "stored", **_WASTE},
    "thawed": {"issued": "issued", **_ENDS},
    "issued": {
        "thawed": "issued",
        "partly_administered": "partly_administered",
        "administered": "administered",
        "returned": "returned",
        **_WASTE,
    },
    "partly_administered": {
        "partly_administered": "partly_administered",
        "administered": "administered",
        **_WASTE,
    },
    "returned": _WASTE,
    "expired": _WASTE,
    "administered": {},
    "wasted": {},
    "destroyed": {},
}
"""Custody state → event → next state. What is not here is not legal. Thawed material never goes back to
the freezer, and returned material is never issued again (CN2020: no refreezing; use within hours)."""


@dataclass(frozen=True)
class Event:
    """One custody event of one unit. ``day`` is a study day; ``fraction`` the part of the unit given."""

    event_id: str
    event: str
    day: int | None = None
    session_id: str | None = None
    patient_id: str | None = None
    fraction: float | None = None
    corrects: str | None = None
    recorded_by: str | None = None
    signed_by: str | None = None

    def __post_init__(self) -> None:
        if self.event not in CUSTODY_EVENTS:
            raise InputError(
                f"custody event {self.event!r} does not exist", expected=nearest(self.event, CUSTODY_EVENTS)
            )
        if (self.event == "corrected") != (self.corrects is not None):
            raise InputError(
                f"custody event {self.event_id}: 'corrected' goes with the event it corrects",
                expected="event 'corrected' and corrects, or neither",
            )
        if self.fraction is not None and not 0 < self.fraction <= WHOLE:
            raise InputError(f"fraction {self.fraction} of a unit", expected="more than 0, at most 1")


@dataclass(frozen=True)
class Exposure:
    """Material that reached a patient, or was recorded as having done so.

    ``fraction`` is null where nobody recorded how much. ``is_taken_back`` marks a record that was
    corrected later; it is kept, because a recall must still ask about it.
    """

    event_id: str
    patient_id: str | None
    session_id: str | None
    day: int | None
    fraction: float | None
    is_taken_back: bool = False


@dataclass(frozen=True)
class UnitState:
    """What the events of a unit add up to.

    ``custody`` is a key of :data:`NEXT`; ``fraction_left`` the part not given; ``faults`` every recorded
    event that was not legal, in words. A unit with faults is never issued.
    """

    custody: str = "none"
    is_released: bool = False
    is_thawed: bool = False
    fraction_left: float = WHOLE
    reserved_for: str | None = None
    given_to: str | None = None
    last_day: int | None = None
    exposures: tuple[Exposure, ...] = ()
    faults: tuple[str, ...] = ()
    last_event_id: str | None = None
    recorded: frozenset[str] = field(default=frozenset(), repr=False)
    before: UnitState | None = field(default=None, repr=False, compare=False)


def fold(events: Iterable[Event], *, pathway: str) -> UnitState:
    """Return the state that events, in the order of their sequence, add up to.

    Total: an event that was not legal is applied as it was recorded (a transplant that happened, happened)
    and named in ``faults``. ``pathway`` is the unit's release pathway: historical material may enter the
    record at its administration.
    """
    state = UnitState()
    for event in events:
        state = _applied(state, event, fault=illegal(state, event, pathway=pathway))
    return state


def advance(state: UnitState, event: Event, *, pathway: str) -> UnitState:
    """Return the state after one more event. Refuses (RefusedError) an event that is not legal."""
    if fault := illegal(state, event, pathway=pathway):
        legal = ", ".join(NEXT[state.custody]) or "nothing more"
        raise RefusedError(fault, expected=f"after {state.custody!r}: {legal}", do="check the unit's history")
    return _applied(state, event, fault="")


def illegal(state: UnitState, event: Event, *, pathway: str) -> str:
    """Say why an event may not follow, or return '' where it may."""
    if event.event_id in state.recorded:
        return f"event {event.event_id} is recorded twice"
    if event.day is not None and state.last_day is not None and event.day < state.last_day:
        return f"{event.event} on day {event.day} lies before the event on day {state.last_day}"
    if event.event == "corrected":
        return _illegal_correction(state, event)
    if event.event not in _legal(state, pathway):
        return f"{event.event} may not follow {state.custody}"
    if event.event in ADMINISTRATIONS:
        return _illegal_administration(state, event)
    if state.reserved_for and event.event in ("thawed", "issued") and event.patient_id != state.reserved_for:
        return f"the unit is reserved for {state.reserved_for}"
    return ""


def _legal(state: UnitState, pathway: str) -> dict[str, str]:
    legal = NEXT[state.custody]
    if state.custody == "none" and pathway == "historical":
        return {**legal, **{event: event for event in ADMINISTRATIONS}}
    return legal


def _illegal_correction(state: UnitState, event: Event) -> str:
    if state.last_event_id != event.corrects:
        return f"event {event.corrects} is not the last one that stands: take back the later ones first"
    return ""


def _illegal_administration(state: UnitState, event: Event) -> str:
    if event.patient_id is None:
        return f"{event.event} names no patient"
    meant_for = state.given_to
    if meant_for and meant_for != event.patient_id:
        return f"the unit went to {meant_for}, not {event.patient_id}"
    if event.event == "partly_administered" and event.fraction is None:
        return "partly_administered names no fraction"
    if (event.fraction or 0.0) > state.fraction_left + ROUNDING:
        return f"{event.fraction:g} of the unit given where {state.fraction_left:g} is left"
    return ""


def _applied(state: UnitState, event: Event, *, fault: str) -> UnitState:
    if event.event == "corrected":
        return _taken_back(state, event, fault=fault)
    custody = NEXT[state.custody].get(event.event, _resulting(event))
    changed = UnitState(
        custody="released" if event.event == "received" and state.is_released else custody,
        is_released=(state.is_released or event.event == "released") and event.event != "returned",
        is_thawed=state.is_thawed or event.event == "thawed",
        fraction_left=state.fraction_left,
        reserved_for=_reserved_for(state, event),
        given_to=_given_to(state, event),
        last_day=event.day if event.day is not None else state.last_day,
        exposures=state.exposures,
        faults=(*state.faults, fault) if fault else state.faults,
        last_event_id=event.event_id,
        recorded=state.recorded | {event.event_id},
        before=state,
    )
    return _exposed(changed, event) if event.event in ADMINISTRATIONS else changed


def _resulting(event: Event) -> str:
    """State that an illegal event leaves: what it says happened."""
    return {"frozen": "stored", "received": "stored", "reservation_ended": "released"}.get(
        event.event, event.event
    )


def _reserved_for(state: UnitState, event: Event) -> str | None:
    if event.event == "reserved":
        return event.patient_id
    return state.reserved_for if event.event == "thawed" else None


def _given_to(state: UnitState, event: Event) -> str | None:
    if event.event in ("issued", *ADMINISTRATIONS):
        return event.patient_id or state.given_to
    return state.given_to


def _exposed(state: UnitState, event: Event) -> UnitState:
    given = event.fraction
    if event.event == "administered" and given is None and state.fraction_left < WHOLE:
        given = state.fraction_left
    left = 0.0 if event.event == "administered" else max(0.0, state.fraction_left - (given or 0.0))
    exposure = Exposure(event.event_id, event.patient_id, event.session_id, event.day, given)
    return replace(state, fraction_left=left, exposures=(*state.exposures, exposure))


def _taken_back(state: UnitState, event: Event, *, fault: str) -> UnitState:
    """State before the corrected event, with every exposure that was ever recorded.

    A correction that was not legal changes nothing but the faults and the mark on the exposure.
    """
    exposures = tuple(
        replace(exposure, is_taken_back=True) if exposure.event_id == event.corrects else exposure
        for exposure in state.exposures
    )
    base = state if fault or state.before is None else state.before
    return replace(
        base,
        exposures=exposures,
        faults=(*base.faults, fault) if fault else base.faults,
        last_day=event.day if event.day is not None else state.last_day,
        recorded=state.recorded | {event.event_id},
    )


def not_issuable(
    state: UnitState,
    *,
    pathway: str,
    hold: str,
    expires_day: int | None,
    on_day: int,
    patient_id: str | None = None,
) -> str:
    """Say why a unit may not be issued on a day (to a patient), or return '' where it may.

    Unknown is never issuable: without a recorded release or expiry the answer is no. The last day
    (``expires_day``) is included.
    """
    if pathway == "historical":
        return "historical material: recorded for the trace, never issued"
    if hold != "none":
        return f"on hold: {hold}"
    if state.faults:
        return f"the custody record has a fault: {state.faults[0]}"
    if "issued" not in NEXT[state.custody]:
        return f"custody is {state.custody}"
    if not state.is_released:
        return "not released"
    if expires_day is None:
        return "the expiry date is unknown"
    if on_day > expires_day:
        return "expired"
    if state.is_thawed and state.last_day != on_day:
        return "thawed on an earlier day"
    if any(not exposure.is_taken_back for exposure in state.exposures):
        return "part of the unit was given already"
    if state.reserved_for and state.reserved_for != patient_id:
        return f"reserved for {state.reserved_for}"
    return ""
