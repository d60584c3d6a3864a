"""Changes around a procedure: sessions planned, the check before, what was given, the observation after."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from django.utils import timezone

from commensal.errors import InputError, RefusedError
from commensal.matching import match
from commensal.registry.actions.care import course_for
from commensal.registry.actions.consents import demand_treatable
from commensal.registry.actions.custody import day_of, demand_givable, hand_over, part_given
from commensal.registry.actions.desk import Desk, action
from commensal.registry.actions.matching import Answers, answers_for
from commensal.registry.checklist import Item, answered_items, as_rows, outcome_of, rule_items
from commensal.registry.match_study import match_study
from commensal.registry.models import MODELS, Membership
from commensal.vocabulary.routes import refuse_parenteral

OBSERVED_MINUTES = 240
"""How long a patient is observed after a session before going home (CN20: a day ward, four hours)."""


@action("physician", "coordinator")
def plan_sessions(
    desk: Desk, *, patient: str, first_on: date, route: str, n_sessions: int, every_days: int
) -> list[Any]:
    """Plan the sessions of a course, a number of days apart."""
    refuse_parenteral(route)
    row = desk.one("patients", patient)
    demand_treatable(patient, on=first_on)
    if not 1 <= n_sessions <= 60 or not 1 <= every_days <= 365:
        raise InputError("that is no course", expected="1 to 60 sessions, 1 to 365 days apart")
    if MODELS["planned_sessions"].objects.filter(patient=row, **OPEN).exists():
        raise RefusedError("sessions are planned already", do="cancel what is planned first")
    return desk.add_all(
        "planned_sessions",
        [
            {
                "patient_id": row.pk,
                "number": n + 1,
                "due_on": first_on + timedelta(days=n * every_days),
                "route": route,
            }
            for n in range(n_sessions)
        ],
    )


OPEN: dict[str, Any] = {"session__isnull": True, "cancelled_on__isnull": True}


@action("physician", "coordinator", needs_reason=True)
def cancel_planned(desk: Desk, *, patient: str, on: date) -> int:
    """Give up every session of a patient that is planned and was not given; return how many."""
    row = desk.one("patients", patient)
    planned = list(MODELS["planned_sessions"].objects.filter(patient=row, **OPEN))
    for session in planned:
        desk.change(session, cancelled_on=on)
    return len(planned)


@action("physician", "coordinator")
def check_procedure(
    desk: Desk,
    *,
    patient: str,
    route: str,
    units: Iterable[str],
    on: date,
    at: datetime,
    is_identity_confirmed: bool | None = None,
    is_positioned: bool | None = None,
    answers: Answers | None = None,
    override_code: str = "",
    override_reason: str = "",
) -> Any:
    """Check a patient, a route and the units at hand, and keep every open item.

    Blocked while a rule that excludes or defers is open or not met. Refuses (RefusedError) an override by
    anybody but a physician, or without code and reason.
    """
    refuse_parenteral(route)
    row, chosen = desk.one("patients", patient), sorted(set(units))
    demand_treatable(patient, on=on)
    if not chosen:
        raise InputError("no unit is chosen", do="choose the units at hand")
    items = [
        *answered_items(
            route=route, is_identity_confirmed=is_identity_confirmed, is_positioned=is_positioned
        ),
        *_custody_items(desk, chosen, patient=patient, on=on, at=at),
        *_rule_items(row, chosen, route=route, on=on, answers=answers),
    ]
    is_overridden = _override(desk, row, code=override_code, reason=override_reason)
    outcome = outcome_of(items, is_overridden=is_overridden)
    override = {"override_code": override_code, "override_reason": override_reason}
    return desk.add(
        "checklists",
        patient_id=patient,
        route=route,
        units=";".join(chosen),
        checked_on=on,
        checked_at=at,
        checked_by=desk.name,
        outcome=outcome,
        content=json.dumps({"items": as_rows(items), "answers": dict(answers or {})}, sort_keys=True),
        **({**override, "overridden_by": desk.name} if outcome == "overridden" else {}),
    )


def _custody_items(desk: Desk, units: list[str], *, patient: str, on: date, at: datetime) -> list[Item]:
    found = []
    for unit in units:
        try:
            demand_givable(desk.one("units", unit), patient=patient, on=on, at=at)
        except RefusedError as error:
            found.append(Item("custody", error.what, "not_met", is_firm=True, source="PRACTICE", unit=unit))
    return found


def _rule_items(
    patient: Any, units: list[str], *, route: str, on: date, answers: Answers | None
) -> list[Item]:
    study = match_study(patient, on_day=day_of(on), at_hand=units)
    said = answers_for(patient, study, on=on, bedside=answers)
    run = match(study, recipient=patient.pk, on_day=day_of(on), route=route, answers=said)
    looked_at = set(run.rankings["unit_id"])
    absent = [
        Item("unseen", "The unit was not looked at by the gates.", "undetermined", True, "PRACTICE", unit)
        for unit in units
        if unit not in looked_at
    ]
    return [*absent, *rule_items(run.tables["refusals"].rows(named=True), units=units)]


def _override(desk: Desk, patient: Any, *, code: str, reason: str) -> bool:
    """Whether open items are overridden. Refuses (RefusedError) anybody but a physician of the centre."""
    if not code and not reason.strip():
        return False
    if not code or not reason.strip():
        raise InputError("an override needs its code and a reason in words")
    is_physician = Membership.objects.filter(user=desk.by, site=patient.site_id, role="physician").exists()
    if not is_physician:
        raise RefusedError("only a physician may override an open item")
    return True


@action("physician", "coordinator")
def give_units(
    desk: Desk,
    *,
    checklist: str,
    parts: Mapping[str, float | None],
    at: datetime,
    purpose: str = "induction",
    operator: str = "",
    **values: Any,
) -> Any:
    """Record a session under its check: the units given whole or in part, and how it was tolerated.

    Refuses (RefusedError) a check that blocks, is of another day or was used before, and a unit it did not
    look at; and whatever the bank refuses at that moment.
    """
    check, on = desk.one("checklists", checklist), timezone.localdate(at)
    _demand_usable(check, parts, on=on)
    patient = desk.one("patients", check.patient_id)
    demand_treatable(patient.pk, on=on)
    rows = [desk.one("units", unit, is_locked=True) for unit in sorted(parts)]
    for unit in rows:
        demand_givable(unit, patient=patient.pk, on=on, at=at)
    course = course_for(desk, patient, purpose=purpose, on=on)
    given = {unit.pk: part_given(unit, parts[unit.pk]) for unit in rows}
    session = desk.add(
        "sessions",
        patient_id=patient.pk,
        site_id=patient.site_id,
        course_id=course.pk,
        number=MODELS["sessions"].objects.filter(patient=patient).count() + 1,
        administered_on=on,
        administered_at=at,
        route=check.route,
        product=_one_of([unit.product for unit in rows]),
        dose_grams=_grams(rows, given),
        operator=operator or desk.name,
        **values,
    )
    for unit in rows:
        desk.add("session_units", session_id=session.pk, unit_id=unit.pk, fraction=given[unit.pk])
        hand_over(desk, unit, patient=patient.pk, session=session.pk, on=on, at=at, fraction=given[unit.pk])
    desk.add("session_checks", session_id=session.pk, checklist_id=check.pk)
    desk.change(course, ended_on=on)
    if patient.index_on is None:
        desk.change(patient, index_on=on)
    planned = MODELS["planned_sessions"].objects.filter(patient=patient, **OPEN).order_by("due_on").first()
    if planned is not None:
        desk.change(planned, session_id=session.pk)
    return session


def _demand_usable(check: Any, parts: Mapping[str, Any], *, on: date) -> None:
    if check.outcome == "blocked":
        raise RefusedError(
            "the check before the procedure blocks it", do="settle its items, then check again"
        )
    if check.checked_on != on:
        raise RefusedError(f"the check is of {check.checked_on}", do="check again today")
    if MODELS["session_checks"].objects.filter(checklist=check).exists():
        raise RefusedError("a session was recorded under this check already", do="check again")
    if not parts or not set(parts) <= set(check.units.split(";")):
        raise RefusedError("units are given that the check did not look at", do="check again with them")


def _one_of(products: list[str | None]) -> str | None:
    """The product where all units are of one; else nothing: a mixture has no name."""
    return products[0] if len(set(products)) == 1 else None


def _grams(rows: list[Any], given: Mapping[str, float]) -> float | None:
    """The stool given by all units; unknown where one of them is."""
    if any(unit.dose_grams is None for unit in rows):
        return None
    return sum(unit.dose_grams * given[unit.pk] for unit in rows)


@action("physician", "coordinator")
def observe(desk: Desk, *, session: str, observed_at: datetime, **values: Any) -> Any:
    """Record how a patient is after a session. Refuses one that is closed and a look before the session."""
    row = desk.one("sessions", session)
    _demand_not_closed(row)
    if row.administered_at is not None and observed_at < row.administered_at:
        raise InputError("observed before the session", expected=f"after {row.administered_at:%H:%M} UTC")
    if not any(value not in (None, "") for value in values.values()):
        raise InputError("nothing was observed", do="enter at least one value")
    return desk.add(
        "observations", session_id=row.pk, observed_at=observed_at, observed_by=desk.name, **values
    )


@action("physician", "coordinator")
def close_session(
    desk: Desk, *, session: str, minutes: int, is_well: bool | None, note: str | None = None
) -> Any:
    """End the observation of a session.

    Refuses (RefusedError) without one observation; leaving early or not well needs a note.
    """
    row = desk.one("sessions", session)
    _demand_not_closed(row)
    if not MODELS["observations"].objects.filter(session=row).exists():
        raise RefusedError("the patient was not observed", do="record vital signs first")
    if (minutes < OBSERVED_MINUTES or is_well is not True) and not (note or "").strip():
        raise InputError(
            f"{minutes} minutes, {'well' if is_well else 'not known to be well'}",
            expected=f"{OBSERVED_MINUTES} minutes and well, or a note that says why",
        )
    return desk.add(
        "session_closings",
        session_id=row.pk,
        minutes=minutes,
        is_well=is_well,
        note=note,
        closed_at=timezone.now(),
        closed_by=desk.name,
    )


def _demand_not_closed(session: Any) -> None:
    if MODELS["session_closings"].objects.filter(session=session).exists():
        raise RefusedError("the observation of this session is closed", do="record an adverse event instead")
