"""Changes to a unit's custody: one event, and the projection on the unit, in one transaction."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from commensal.bank import Event, UnitState, advance, fold, not_givable, not_issuable
from commensal.bank.stock import active_holds, events_of
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS
from commensal.registry.rows import frame_of, live_study
from commensal.registry.scope import within
from commensal.study.conform import conform
from commensal.study.inputs import INPUTS
from commensal.vocabulary.materials import products

EPOCH = date(1970, 1, 1)
HANDLED = ("returned", "wasted", "destroyed", "expired")
"""Ends of a unit the laboratory records as such; every other event has an action of its own."""

IN_FREEZER = ("stored", "released", "reserved")
AWAY = (
    "thawed",
    "shipped",
    "issued",
    "partly_administered",
    "administered",
    "returned",
    "wasted",
    "destroyed",
)
"""Custody states in which a unit stands at no position of a freezer."""


def day_of(on: date) -> int:
    """Return the study day of a calendar date."""
    return (on - EPOCH).days


def end_of(on: date) -> datetime:
    """Return the last second of a calendar date: the moment of what is known by its day alone."""
    return datetime.combine(on, time(23, 59, 59), tzinfo=UTC)


def state_of(unit: Any) -> UnitState:
    """Return the fold of a unit's custody events."""
    frame = conform(frame_of("custody", MODELS["custody"].objects.filter(unit=unit)), INPUTS["custody"])
    return fold(events_of(frame).get(unit.pk, []), pathway=unit.release_pathway)


def hold_of(unit: Any, *, on: date) -> str:
    """Return the gravest hold that stands on a unit on a day."""
    frames = {
        "units": frame_of("units", MODELS["units"].objects.filter(pk=unit.pk)),
        "unit_donors": frame_of("unit_donors", MODELS["unit_donors"].objects.filter(unit=unit)),
        "holds": frame_of("holds", MODELS["holds"].objects.all()),
    }
    study = live_study(frames, on_day=day_of(on))
    return active_holds(study, on_day=day_of(on)).get(unit.pk, "none")


def append(
    desk: Desk, unit: Any, event: str, *, on: date | None, at: datetime | None = None, **more: Any
) -> Any:
    """Append one legal event to a locked unit and write what it adds up to. RefusedError where not legal.

    A unit that leaves the freezer leaves its position; where that is taken back, it is there again.
    """
    before = state_of(unit)
    row = {
        "event": event,
        "occurred_on": on,
        "occurred_at": at,
        "unit_id": unit.pk,
        "sequence": len(before.recorded) + 1,
        "recorded_by": desk.name,
        **more,
    }
    made = desk.add("custody", **row)
    after = advance(before, _event(made), pathway=unit.release_pathway)
    project(unit, after)
    if after.custody in AWAY:
        _leave_position(desk, unit, made)
    if event == "corrected":
        _return_to_position(desk, unit, made)
    return made


def _leave_position(desk: Desk, unit: Any, event: Any) -> None:
    moment = event.occurred_at or (end_of(event.occurred_on) if event.occurred_on else None)
    for stay in MODELS["placements"].objects.filter(unit=unit, until_at__isnull=True):
        desk.change(stay, until_at=max(stay.since_at, moment or stay.since_at), ended_by=event.pk)


def _return_to_position(desk: Desk, unit: Any, event: Any) -> None:
    """Put a unit back where the event that is taken back had found it, unless something stands there."""
    stays = MODELS["placements"].objects
    for stay in stays.filter(unit=unit, ended_by=event.corrects_id):
        position = {"box_id": stay.box_id, "box_row": stay.box_row, "box_column": stay.box_column}
        if not stays.filter(**position, until_at__isnull=True).exists():
            desk.add("placements", **position, unit_id=unit.pk, since_at=stay.until_at)


def _event(row: Any) -> Event:
    return Event(
        row.event_id,
        row.event,
        day=day_of(row.occurred_on) if row.occurred_on else None,
        session_id=row.session_id,
        patient_id=row.patient_id,
        fraction=row.fraction,
        corrects=row.corrects_id,
        recorded_by=row.recorded_by,
        signed_by=row.signed_by,
        at=row.occurred_at,
    )


def project(unit: Any, state: UnitState) -> None:
    """Write a state to the unit's row."""
    unit.custody_state = state.custody
    unit.is_released = state.is_released
    unit.fraction_left = state.fraction_left
    unit.reserved_for = state.reserved_for
    unit.save(update_fields=["custody_state", "is_released", "fraction_left", "reserved_for"])


@action("lab", "quality")
def handle_unit(
    desk: Desk, *, unit: str, event: str, on: date, at: datetime | None = None, note: str | None = None
) -> Any:
    """Record that a unit was returned, wasted, destroyed or has expired."""
    if event not in HANDLED:
        raise InputError(f"{event!r} is not recorded here", expected="one of " + ", ".join(HANDLED))
    return append(desk, desk.one("units", unit, is_locked=True), event, on=on, at=at, reason=note)


@action("lab", "coordinator", "physician")
def reserve_unit(desk: Desk, *, unit: str, patient: str, on: date) -> Any:
    """Reserve an issuable unit for a patient."""
    row = desk.one("units", unit, is_locked=True)
    demand_issuable(row, patient=patient, on=on)
    return append(desk, row, "reserved", on=on, patient_id=desk.one("patients", patient).pk)


@action("lab", "coordinator", "physician", needs_reason=True)
def end_reservation(desk: Desk, *, unit: str, on: date) -> Any:
    """Give up a reservation."""
    return append(desk, desk.one("units", unit, is_locked=True), "reservation_ended", on=on)


@action("lab")
def thaw_unit(desk: Desk, *, unit: str, at: datetime, on: date) -> Any:
    """Take an issuable unit out of the freezer to thaw: its clock starts.

    Refuses (RefusedError) what may not be issued: material is not thawed for nobody.
    """
    row = desk.one("units", unit, is_locked=True)
    if not _is_frozen_product(row):
        raise RefusedError(f"unit {unit} is {row.product or 'of no known product'}: nothing to thaw")
    demand_issuable(row, patient=row.reserved_for, on=on, at=at)
    return append(desk, row, "thawed", on=on, at=at, patient_id=row.reserved_for)


@action("lab")
def issue_unit(desk: Desk, *, unit: str, patient: str, at: datetime, on: date) -> Any:
    """Hand an issuable unit out for a patient; the session records what was given."""
    row = desk.one("units", unit, is_locked=True)
    demand_issuable(row, patient=patient, on=on, at=at)
    return append(desk, row, "issued", on=on, at=at, patient_id=desk.one("patients", patient).pk)


def hand_over(
    desk: Desk,
    unit: Any,
    *,
    patient: str,
    session: str,
    on: date,
    at: datetime | None = None,
    fraction: float | None = None,
) -> None:
    """Record that a locked unit was given to a patient in a session, and its issue where that is new."""
    if unit.custody_state not in ("issued", "partly_administered"):
        append(desk, unit, "issued", on=on, at=at, patient_id=patient)
    part = part_given(unit, fraction)
    event = "partly_administered" if part < unit.fraction_left else "administered"
    append(desk, unit, event, on=on, at=at, fraction=part, patient_id=patient, session_id=session)


def part_given(unit: Any, fraction: float | None) -> float:
    """Return the part of a unit that is given: all that is left where nothing or the whole is named."""
    return unit.fraction_left if fraction is None or fraction == 1 else fraction


def _is_frozen_product(unit: Any) -> bool:
    return unit.product in products().codes and products().get(unit.product).storage == "frozen"


@action("lab", "quality")
def expire_units(desk: Desk, *, on: date) -> int:
    """Record every unit in stock whose last day is over as expired; return how many."""
    late = within("units", sites=desk.sites).filter(
        expires_on__lt=on, custody_state__in=("processed", "thawed", *IN_FREEZER)
    )
    for unit in late:
        append(desk, desk.one("units", unit.pk, is_locked=True), "expired", on=on)
    return len(late)


@action("quality", "lab", needs_reason=True)
def correct_event(desk: Desk, *, event: str, on: date) -> Any:
    """Take back the last event of a unit; what was recorded stays visible."""
    wrong = desk.one("custody", event)
    return append(
        desk, desk.one("units", wrong.unit_id, is_locked=True), "corrected", on=on, corrects=wrong.pk
    )


def demand_issuable(unit: Any, *, patient: str | None, on: date, at: datetime | None = None) -> None:
    """Refuse (RefusedError) a unit that may not be issued to a patient on a day, at a moment.

    A thawed unit asks for the moment: its clock counts hours.
    """
    state = state_of(unit)
    _demand_moment(unit, state, at=at)
    reason = not_issuable(state, **_facts_of(unit, on=on), patient_id=patient, at=at)
    if reason:
        raise RefusedError(
            f"unit {unit.pk} may not be issued: {reason}",
            expected="a released unit in date and free of holds",
            do="choose another unit",
        )


def demand_givable(unit: Any, *, patient: str, on: date, at: datetime | None = None) -> None:
    """Refuse (RefusedError) a unit that may not be given to a patient: not issuable, or issued elsewhere."""
    if unit.custody_state not in ("issued", "partly_administered"):
        demand_issuable(unit, patient=patient, on=on, at=at)
        return
    state = state_of(unit)
    _demand_moment(unit, state, at=at)
    if reason := not_givable(state, **_facts_of(unit, on=on), patient_id=patient, at=at):
        raise RefusedError(f"unit {unit.pk} may not be given: {reason}", do="choose another unit")


def _facts_of(unit: Any, *, on: date) -> dict[str, Any]:
    return {
        "pathway": unit.release_pathway,
        "hold": hold_of(unit, on=on),
        "expires_day": day_of(unit.expires_on) if unit.expires_on else None,
        "on_day": day_of(on),
    }


def _demand_moment(unit: Any, state: UnitState, *, at: datetime | None) -> None:
    if state.is_thawed and at is None:
        raise RefusedError(
            f"unit {unit.pk} is thawed and its clock runs", do="enter the moment, not the day alone"
        )


@action("lab", "quality", "physician", needs_reason=True)
def place_hold(
    desk: Desk,
    *,
    kind: str,
    at: datetime,
    on: date,
    unit: str | None = None,
    batch: str | None = None,
    donor: str | None = None,
    note: str = "",
) -> Any:
    """Hold a unit, a batch or all material of a donor. What was given already stays recorded as given."""
    values = {"unit_id": unit, "batch_id": batch, "donor_id": donor}
    for table, pk in (("units", unit), ("batches", batch), ("donors", donor)):
        if pk:
            desk.one(table, pk)
    return desk.add(
        "holds", kind=kind, placed_on=on, placed_at=at, placed_by=desk.name, reason=note, **values
    )


@action("quality", needs_reason=True)
def lift_hold(desk: Desk, *, hold: str, at: datetime, on: date) -> Any:
    """Lift a hold."""
    row = desk.one("holds", hold)
    if row.lifted_on:
        raise RefusedError(f"hold {hold} was lifted on {row.lifted_on}")
    warmed = MODELS["excursion_units"].objects.filter(hold=row).first()
    if warmed is not None and warmed.disposition != "usable":
        raise RefusedError(
            f"hold {hold} is of the excursion {warmed.excursion_id}",
            do="decide on the excursion; a unit to be discarded stays held",
        )
    return desk.change(row, lifted_on=on, lifted_at=at, lifted_by=desk.name)
