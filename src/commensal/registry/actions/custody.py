"""Changes to a unit's custody: one event, and the projection on the unit, in one transaction."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from commensal.bank import Event, UnitState, advance, fold, not_issuable
from commensal.bank.stock import active_holds, events_of
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS
from commensal.registry.rows import frame_of, live_study
from commensal.study.conform import conform
from commensal.study.inputs import INPUTS

EPOCH = date(1970, 1, 1)
HANDLED = ("stored", "thawed", "returned", "wasted", "destroyed", "expired", "shipped", "received")
"""Events the laboratory records as such; release, issue and administration have actions of their own."""


def day_of(on: date) -> int:
    """Return the study day of a calendar date."""
    return (on - EPOCH).days


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


def append(desk: Desk, unit: Any, event: str, *, on: date, at: datetime | None = None, **more: Any) -> Any:
    """Append one legal event to a locked unit and write what it adds up to. RefusedError where not legal."""
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
    return made


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
    )


def project(unit: Any, state: UnitState) -> None:
    """Write a state to the unit's row."""
    unit.custody_state = state.custody
    unit.is_released = state.is_released
    unit.fraction_left = state.fraction_left
    unit.reserved_for = state.reserved_for
    unit.save(update_fields=["custody_state", "is_released", "fraction_left", "reserved_for"])


@action("lab", "quality")
def handle_unit(desk: Desk, *, unit: str, event: str, on: date) -> Any:
    """Record that a unit was moved, thawed, returned, wasted, destroyed, expired, shipped or received."""
    if event not in HANDLED:
        raise InputError(f"{event!r} is not recorded here", expected="one of " + ", ".join(HANDLED))
    return append(desk, desk.one("units", unit, is_locked=True), event, on=on)


@action("lab", "coordinator", "physician")
def reserve_unit(desk: Desk, *, unit: str, patient: str, on: date) -> Any:
    """Reserve an issuable unit for a patient."""
    row = desk.one("units", unit, is_locked=True)
    demand_issuable(row, patient=patient, on=on)
    return append(desk, row, "reserved", on=on, patient_id=desk.one("patients", patient).pk)


@action("quality", "lab", needs_reason=True)
def correct_event(desk: Desk, *, event: str, on: date) -> Any:
    """Take back the last event of a unit; what was recorded stays visible."""
    wrong = desk.one("custody", event)
    return append(
        desk, desk.one("units", wrong.unit_id, is_locked=True), "corrected", on=on, corrects=wrong.pk
    )


def demand_issuable(unit: Any, *, patient: str, on: date) -> None:
    """Refuse (RefusedError) a unit that may not be issued to a patient on a day."""
    reason = not_issuable(
        state_of(unit),
        pathway=unit.release_pathway,
        hold=hold_of(unit, on=on),
        expires_day=day_of(unit.expires_on) if unit.expires_on else None,
        on_day=day_of(on),
        patient_id=patient,
    )
    if reason:
        raise RefusedError(
            f"unit {unit.pk} may not be issued: {reason}",
            expected="a released unit in date and free of holds",
            do="choose another unit",
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
    return desk.change(row, lifted_on=on, lifted_at=at, lifted_by=desk.name)
