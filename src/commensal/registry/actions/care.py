"""Changes at the bedside: patients, what is known of them, sessions, visits and what happened."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from commensal.errors import InputError
from commensal.registry.actions.custody import append, demand_issuable
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS
from commensal.vocabulary.instruments.declaration import instrument
from commensal.vocabulary.instruments.scoring import Scored, score_one

RECORDS = (
    "consents",
    "diagnoses",
    "procedures",
    "hospitalisations",
    "lab_results",
    "exposures",
    "dispositions",
    "reported_outcomes",
    "adverse_events",
)
"""Tables of plain records of one patient."""


@action("coordinator", "physician")
def add_patient(desk: Desk, **values: Any) -> Any:
    """Enter a patient."""
    return desk.add("patients", **values)


@action("coordinator", "physician")
def add_record(desk: Desk, *, table: str, patient: str, values: Mapping[str, Any]) -> Any:
    """Add one record of a patient: diagnosis, consent, drug, adverse event …"""
    if table not in RECORDS:
        raise InputError(f"{table!r} is not recorded here", expected="one of " + ", ".join(RECORDS))
    return desk.add(table, patient_id=desk.one("patients", patient).pk, **values)


@action("physician", "coordinator")
def add_session(
    desk: Desk,
    *,
    patient: str,
    unit: str,
    on: date,
    at: datetime | None = None,
    fraction: float | None = None,
    purpose: str = "induction",
    **values: Any,
) -> Any:
    """Give one issuable unit to a patient: the session, the issue and the administration together.

    The patient's first session sets the index date. Refuses (RefusedError) a unit that may not be issued,
    (SafetyError) a parenteral route. ``fraction`` is the part given, the whole where null; what is left of a
    unit is then wasted or destroyed by the laboratory.
    """
    person = desk.one("patients", patient)
    row = desk.one("units", unit, is_locked=True)
    demand_issuable(row, patient=patient, on=on)
    if not values.get("route"):
        raise InputError("the route is missing", expected="an enteral route of the list")
    course = _course(desk, person, purpose=purpose, on=on)
    session = desk.add(
        "sessions",
        patient_id=patient,
        site_id=person.site_id,
        course_id=course.pk,
        number=MODELS["sessions"].objects.filter(patient=person).count() + 1,
        administered_on=on,
        administered_at=at,
        product=row.product,
        operator=desk.name,
        **{"dose_grams": _share(row.dose_grams, fraction), **values},
    )
    desk.add("session_units", session_id=session.pk, unit_id=unit, fraction=fraction or 1.0)
    given = {"patient_id": patient, "session_id": session.pk}
    append(desk, row, "issued", on=on, at=at, patient_id=patient)
    is_part = fraction is not None and fraction < 1
    event = "partly_administered" if is_part else "administered"
    append(desk, row, event, on=on, at=at, fraction=fraction or 1.0, **given)
    desk.change(course, ended_on=on)
    if person.index_on is None:
        desk.change(person, index_on=on)
    return session


def _share(grams: float | None, fraction: float | None) -> float | None:
    return None if grams is None else grams * (fraction or 1.0)


def _course(desk: Desk, person: Any, *, purpose: str, on: date) -> Any:
    """The patient's course of this purpose that is running, or a new one."""
    courses = MODELS["courses"].objects.filter(patient=person).order_by("-number")
    latest = courses.first()
    if latest is not None and latest.purpose == purpose:
        return latest
    return desk.add(
        "courses",
        patient_id=person.pk,
        number=(latest.number or 0) + 1 if latest else 1,
        purpose=purpose,
        is_planned_at_index=latest is None,
        started_on=on,
    )


@action("coordinator", "physician")
def add_visit(desk: Desk, *, patient: str, **values: Any) -> Any:
    """Record a visit, attended or missed."""
    return desk.add("visits", patient_id=desk.one("patients", patient).pk, **values)


@action("coordinator", "physician")
def assess(desk: Desk, *, visit: str, code: str, answers: Mapping[str, float | None]) -> Scored:
    """Record the answers to one instrument at a visit; what was not answered stays unanswered.

    Refuses (InputError) an answer outside its item's range and a second entry of the same item.
    """
    row = desk.one("visits", visit)
    declared = instrument(code)
    given = {item: value for item, value in answers.items() if value is not None}
    scored = score_one(declared.code, given)
    if scored.problems:
        raise InputError("; ".join(scored.problems), do="correct the answers")
    if not given:
        raise InputError("no answer was entered", do="answer at least one item, or record a missed visit")
    if MODELS["assessments"].objects.filter(visit=row, instrument=declared.code).exists():
        raise InputError(f"{declared.label} is recorded for this visit already")
    for item, value in given.items():
        desk.add(
            "assessments",
            visit_id=row.pk,
            patient_id=row.patient_id,
            instrument=declared.code,
            item=item,
            occurrence=1,
            value=value,
        )
    return scored
