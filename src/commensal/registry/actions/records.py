"""Changes to what is known of a patient: answers to the rules, medication, grade of immunocompromise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils import timezone

from commensal.errors import InputError, RefusedError
from commensal.registry.actions.consents import demand_recordable, permitted_of
from commensal.registry.actions.custody import day_of
from commensal.registry.actions.desk import Desk, action
from commensal.registry.eligibility import (
    GRADES,
    Eligibility,
    Facts,
    asked_facts,
    coming_of_age,
    gathered,
    judged,
)
from commensal.registry.medication import drug_facts, is_taken
from commensal.registry.models import MODELS
from commensal.registry.rows import patient_study
from commensal.study import patient_facts, recipient_facts
from commensal.vocabulary.immunocompromise import Immunocompromise, immunocompromise

EXPOSURE = ("exposure_id", "exposure", "agent", "started_on", "stopped_on")


@action("coordinator", "physician")
def answer_facts(
    desk: Desk, *, patient: str, on: date, answers: Mapping[str, bool | float | None]
) -> list[Any]:
    """Record a clinician's answers to the questions of the rules; what was not answered stays open."""
    row = desk.one("patients", patient)
    demand_recordable(patient, on=on, today=timezone.localdate())
    kinds = {fact.code: fact.kind for fact in asked_facts()}
    given = {name: answer for name, answer in answers.items() if answer is not None}
    if not given:
        raise InputError("no question was answered", do="answer at least one")
    if unknown := sorted(set(given) - set(kinds)):
        raise InputError(f"{unknown[0]!r} is not asked here")
    return desk.add_all(
        "findings",
        [
            {
                "patient_id": row.pk,
                "fact": name,
                ("is_so" if kinds[name] == "boolean" else "value"): answer,
                "found_on": on,
                "answered_at": timezone.now(),
                "found_by": desk.name,
            }
            for name, answer in given.items()
        ],
    )


@action("physician", needs_reason=True)
def grade_immunocompromise(desk: Desk, *, patient: str, grade: str) -> Any:
    """Record a physician's grade of a patient's immunocompromise, with the reason."""
    row = desk.one("patients", patient)
    if grade not in GRADES:
        raise InputError(f"grade {grade!r}", expected="one of " + ", ".join(GRADES))
    return desk.change(row, immunocompromise=grade)


@action("coordinator", "physician")
def review_medication(
    desk: Desk,
    *,
    patient: str,
    on: date,
    is_complete: bool | None,
    visit: str | None = None,
    asked_of: str | None = None,
    stopped: Mapping[str, date | None] | None = None,
) -> Any:
    """Record a look through everything a patient takes: what was stopped and when, and that nothing lacks.

    Refuses (RefusedError) an entry of somebody else, (InputError) one stopped before it began.
    """
    row = desk.one("patients", patient)
    demand_recordable(patient, on=on, today=timezone.localdate())
    for exposure, day in (stopped or {}).items():
        if day is not None:
            _stop(desk, exposure, day, patient=row.pk)
    if visit is not None and desk.one("visits", visit).patient_id != row.pk:
        raise RefusedError("the visit is another patient's")
    listed = MODELS["exposures"].objects.filter(patient=row).values(*EXPOSURE)
    return desk.add(
        "medication_reviews",
        patient_id=row.pk,
        visit_id=visit,
        reviewed_on=on,
        asked_of=asked_of,
        is_complete=is_complete,
        n_taken=sum(is_taken(entry, on=on) for entry in listed),
        reviewed_by=desk.name,
    )


def _stop(desk: Desk, exposure: str, day: date, *, patient: str) -> None:
    entry = desk.one("exposures", exposure)
    if entry.patient_id != patient:
        raise RefusedError("the entry is another patient's")
    if entry.started_on is not None and day < entry.started_on:
        raise InputError(
            f"{entry.agent or entry.exposure} was stopped on {day}", expected=f"{entry.started_on} or later"
        )
    desk.change(entry, stopped_on=day)


# --- what is known of a patient, for the pages


def facts_of(patient: Any, *, on: date) -> Facts:
    """Return everything the rules may ask of a patient on a day."""
    study = patient_study(patient.pk, on_day=day_of(on))
    recorded = _first(recipient_facts(study, on_day=day_of(on)))
    if patient.index_on is not None:
        course = _first(patient_facts(study))
        recorded |= {name: value for name, value in course.items() if name not in recorded}
    consents = MODELS["consents"].objects.filter(patient=patient)
    exposures = MODELS["exposures"].objects.filter(patient=patient).values(*EXPOSURE)
    reviews = MODELS["medication_reviews"].objects.filter(patient=patient)
    findings = MODELS["findings"].objects.filter(patient=patient)
    return gathered(
        recorded
        | coming_of_age(patient.born_on, consents.values("type", "signed_on", "withdrawn_on"), on=on),
        drug_facts(exposures, reviews.values("reviewed_on", "is_complete"), on=on),
        findings.values("fact", "is_so", "value", "found_on", "answered_at"),
        on=on,
        standing=permitted_of(patient.pk, on=on),
    )


def eligibility_of(patient: Any, *, on: date) -> Eligibility:
    """Return the verdicts on a patient on a day."""
    return judged(facts_of(patient, on=on), on=on)


def grade_of(patient: Any, *, on: date) -> Immunocompromise:
    """Return the grade of immunocompromise that the facts give, with its reasons."""
    return immunocompromise(facts_of(patient, on=on))


def _first(facts: Any) -> dict[str, Any]:
    return facts.collect("polars").to_native().row(0, named=True)
