"""The bedside: patients, sessions, visits and records."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from commensal.registry import forms as made
from commensal.registry.actions import care
from commensal.registry.scope import seen
from commensal.registry.tables import DECLARED
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.home import followed, stock
from commensal.registry.views.pages import form_page, one, today
from commensal.registry.words import label_of
from commensal.registry.worklists import due_visits
from commensal.vocabulary.instruments.declaration import instrument, instruments
from commensal.vocabulary.instruments.scoring import score_one
from commensal.vocabulary.windows import assign_visit

PATIENT = (
    "sex",
    "born_on",
    "indication",
    "arm",
    "cohort",
    "enrolled_on",
    "immunocompromise",
    "cmv_igg",
    "ebv_igg",
    "anaphylactic_allergens",
)
RECORDS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "consents": ("Consent", ("type", "signed_on", "version", "language"), ("signed_on",)),
    "diagnoses": (
        "Diagnosis",
        ("role", "indication", "condition", "diagnosed_on", "disease_duration_years", "extent"),
        (),
    ),
    "exposures": (
        "Drug or other care",
        ("exposure", "agent", "dose", "dose_unit", "doses_per_day", "started_on", "stopped_on", "is_rescue"),
        ("started_on",),
    ),
    "adverse_events": (
        "Adverse event",
        (
            "term",
            "term_as_recorded",
            "began_on",
            "resolved_on",
            "grade",
            "is_serious",
            "causality",
            "related_to",
            "is_expected",
            "outcome",
            "aware_at",
        ),
        ("began_on",),
    ),
    "procedures": ("Procedure", ("kind", "performed_on", "detail"), ("performed_on",)),
    "hospitalisations": ("Hospital stay", ("admitted_on", "discharged_on", "reason"), ("admitted_on",)),
    "lab_results": (
        "Laboratory value",
        ("analyte", "value", "unit", "collected_on"),
        ("value", "collected_on"),
    ),
    "dispositions": (
        "Follow-up status",
        ("kind", "occurred_on", "withdrawal_level", "cause"),
        ("occurred_on",),
    ),
    "reported_outcomes": (
        "Outcome reported elsewhere",
        ("label", "label_as_recorded", "definition", "assessed_on"),
        (),
    ),
}


def add_patient(request: HttpRequest) -> HttpResponse:
    """A new patient."""
    form = made.make_form("patients", PATIENT, required=("indication", "cohort"), more=sites_choice(request))
    return form_page(
        request,
        form,
        title="New patient",
        button="Add patient",
        done="Patient added.",
        back=reverse("patients"),
        initial={"arm": "fmt", "cohort": "prospective", "enrolled_on": today()},
        save=lambda values: reverse("patient", args=[care.add_patient(by=request.user, **values).pk]),
    )


def patient(request: HttpRequest, pk: str) -> HttpResponse:
    """One patient: what is due, what was given, what was recorded."""
    row = one(request, "patients", pk)
    mine = {"patient": row}
    records = [
        (table, words, _shown(request, table, columns, pk)) for table, (words, columns, _) in RECORDS.items()
    ]
    return render(
        request,
        "registry/patient.html",
        {
            "patient": row,
            "indication": label_of("indications", row.indication) if row.indication else None,
            "due": due_visits([f for f in followed(request) if f.patient_id == pk], on=today()),
            "sessions": [
                _session(request, s) for s in seen(request, "sessions").filter(**mine).order_by("number")
            ],
            "visits": seen(request, "visits").filter(**mine).order_by("visited_on"),
            "records": records,
            "has_consent": seen(request, "consents").filter(patient=row).exists(),
        },
    )


def _session(request: HttpRequest, row: Any) -> dict[str, Any]:
    units = seen(request, "session_units").filter(session=row)
    route = label_of("routes", row.route) if row.route else "route not recorded"
    return {"row": row, "route": route, "units": [unit.unit_id for unit in units]}


def _shown(request: HttpRequest, table: str, columns: tuple[str, ...], pk: str) -> list[dict[str, Any]]:
    """Records of a patient as (key, list of (label, words))."""
    declared = DECLARED[table]
    rows = seen(request, table).filter(patient=pk)
    return [
        {
            "pk": row.pk,
            "cells": [
                (made.label(declared[name]), _words(declared[name].codes, getattr(row, name)))
                for name in columns
                if getattr(row, name) is not None
            ],
        }
        for row in rows
    ]


def _words(codes: Any, value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return value.isoformat()
    return label_of(codes, value) if codes else value


def add_record(request: HttpRequest, pk: str, table: str) -> HttpResponse:
    """One record of a patient."""
    one(request, "patients", pk)
    if table not in RECORDS:
        raise Http404(table)
    words, columns, required = RECORDS[table]
    back = reverse("patient", args=[pk])

    def save(values: dict[str, Any]) -> str:
        care.add_record(by=request.user, table=table, patient=pk, values=values)
        return back

    return form_page(
        request,
        made.make_form(table, columns, required=required),
        title=f"{words} of patient {pk}",
        button="Record",
        done="Recorded.",
        back=back,
        save=save,
    )


def issuable(request: HttpRequest, pk: str) -> list[tuple[str, str]]:
    """Return the units that may be issued to a patient today, soonest expiry first, with words."""
    states = [s for s in stock(request) if s["is_issuable"] or s["reserved_for"] == pk]
    rows = seen(request, "units").in_bulk([s["unit_id"] for s in states])
    parts = seen(request, "unit_donors").filter(unit__in=list(rows))
    donors: dict[str, list[str]] = {}
    for part in parts:
        donors.setdefault(part.unit_id, []).append(part.donor_id)
    ordered = sorted(rows.values(), key=lambda unit: (unit.expires_on or date.max, unit.pk))
    return [(unit.pk, _unit_words(unit, donors.get(unit.pk, []))) for unit in ordered]


def _unit_words(unit: Any, donors: list[str]) -> str:
    parts = [
        unit.pk,
        label_of("products", unit.product) if unit.product else "product not recorded",
        f"{unit.dose_grams:g} g" if unit.dose_grams is not None else "",
        f"donor {', '.join(donors)}" if donors else "donor unknown",
        f"expires {unit.expires_on}",
    ]
    return " · ".join(part for part in parts if part)


def add_session(request: HttpRequest, pk: str) -> HttpResponse:
    """A transplant session: one unit, one enteral route."""
    one(request, "patients", pk)
    back = reverse("patient", args=[pk])
    more: dict[str, forms.Field] = made.with_choices(
        "unit", issuable(request, pk), words="Unit", hint="Only units that may be issued today are listed."
    )
    given = ("administered_on", "route", "volume_millilitres", "n_capsules", "tolerance")
    more |= made.make_form("sessions", given, required=("administered_on", "route")).base_fields
    purposes = [(code, code) for code in ("induction", "consolidation", "maintenance", "retreatment")]
    more |= made.with_choices("purpose", purposes, words="Purpose of the course")
    more["fraction"] = forms.FloatField(
        label="Part of the unit given", help_text="1 is the whole unit.", min_value=0.01, max_value=1
    )
    form = made.make_form("sessions", (), more=more)

    def save(values: dict[str, Any]) -> str:
        on = values.pop("administered_on")
        care.add_session(by=request.user, patient=pk, on=on, **values)
        return back

    return form_page(
        request,
        form,
        title=f"Session of patient {pk}",
        button="Record session",
        done="Session recorded; the unit is booked out.",
        back=back,
        save=save,
        initial={"administered_on": today(), "fraction": 1, "purpose": "induction"},
    )


def add_visit(request: HttpRequest, pk: str) -> HttpResponse:
    """A visit of a patient."""
    row = one(request, "patients", pk)
    back = reverse("patient", args=[pk])
    suggested = request.GET.get("visit")
    if suggested is None and row.index_on is not None:
        suggested = assign_visit((today() - row.index_on).days, cohort=row.cohort or "prospective")

    def save(values: dict[str, Any]) -> str:
        visit = care.add_visit(by=request.user, patient=pk, **values)
        return reverse("visit", args=[visit.pk]) if visit.status == "attended" else back

    return form_page(
        request,
        made.make_form("visits", ("visit", "visited_on", "status", "mode", "is_symptom_driven")),
        title=f"Visit of patient {pk}",
        button="Record visit",
        done="Visit recorded.",
        back=back,
        save=save,
        initial={"visit": suggested, "visited_on": today(), "status": "attended", "mode": "in_person"},
    )


def visit(request: HttpRequest, pk: str) -> HttpResponse:
    """One visit: what was assessed and how it scores."""
    row = one(request, "visits", pk)
    given: dict[str, dict[str, float | None]] = {}
    for answer in seen(request, "assessments").filter(visit=row):
        given.setdefault(answer.instrument, {})[answer.item or "total"] = answer.value
    scored = [_scored(code, answers) for code, answers in given.items()]
    return render(
        request,
        "registry/visit.html",
        {
            "visit": row,
            "scored": scored,
            "instruments": [i for i in instruments() if i.code not in given],
        },
    )


def _scored(code: str, answers: dict[str, float | None]) -> dict[str, Any]:
    declared = instrument(code)
    scored = score_one(code, answers)
    return {
        "label": declared.label,
        "scores": [(declared.score(name).label, value) for name, value in scored.scores.items()],
        "band": scored.band,
        "reason": scored.reason,
        "answers": [(declared.inputs[item].label, value) for item, value in answers.items()],
    }


def assess(request: HttpRequest, pk: str, code: str) -> HttpResponse:
    """One instrument at one visit."""
    row = one(request, "visits", pk)
    if code not in instruments():
        raise Http404(code)
    declared = instrument(code)
    back = reverse("visit", args=[pk])

    def save(values: dict[str, Any]) -> str:
        care.assess(by=request.user, visit=pk, code=code, answers=values)
        return back

    return form_page(
        request,
        made.assessment_form(declared),
        title=f"{declared.label} · patient {row.patient_id}",
        button="Record answers",
        done="Answers recorded.",
        back=back,
        save=save,
    )


def choose_instrument(request: HttpRequest, pk: str) -> HttpResponse:
    """The chosen instrument's form."""
    one(request, "visits", pk)
    code = request.GET.get("instrument", "")
    if code not in instruments():
        raise Http404(code)
    return redirect("assess", pk=pk, code=code)
