"""Donors: first contact, screening, the decision on a donor."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from commensal.registry import forms as made
from commensal.registry.actions import screening
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, today

DONOR = ("donor_id", "site_id", "kind", "sex", "born_on", "bmi", "enrolled_on", "cmv_igg", "ebv_igg")


def add_donor(request: HttpRequest) -> HttpResponse:
    """A new donor."""
    names = [name for name in DONOR if name not in ("site_id", "donor_id")]
    form = made.make_form("donors", names, required=("kind", "sex"), more=sites_choice(request))
    return form_page(
        request,
        form,
        title="New donor",
        button="Add donor",
        done="Donor added as a candidate.",
        back=reverse("donors"),
        initial={"enrolled_on": today()},
        save=lambda values: reverse("donor", args=[screening.add_donor(by=request.user, **values).pk]),
    )


def donor(request: HttpRequest, pk: str) -> HttpResponse:
    """One donor: where the screening stands, what was given."""
    row = one(request, "donors", pk)
    laboratory, answers = screening.donor_screen(row, on=today())
    open_answers = [verdict for verdict in answers if verdict.rule.is_binding and verdict.outcome != "met"]
    mine = {"donor": row}
    return render(
        request,
        "registry/donor.html",
        {
            "donor": row,
            "laboratory": laboratory,
            "open_answers": open_answers,
            "n_answers": len(answers),
            "donations": seen(request, "donations").filter(**mine).order_by("-donated_on"),
            "results": seen(request, "screenings").filter(**mine).order_by("-collected_on", "analyte")[:200],
            "consents": seen(request, "consents").filter(**mine),
            "units": seen(request, "units").filter(
                pk__in=seen(request, "unit_donors").filter(donor=row).values("unit")
            ),
            "holds": seen(request, "holds").filter(donor=row, lifted_on__isnull=True),
        },
    )


def add_results(request: HttpRequest, pk: str) -> HttpResponse:
    """One day's test results of a donor."""
    one(request, "donors", pk)
    given = seen(request, "donations").filter(donor=pk).order_by("-donated_on")
    form = made.panel_form(today(), donations=[(d.pk, f"{d.pk} of {d.donated_on}") for d in given])
    asked = made.panel_fields(today())
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        results = [
            {
                "analyte": analyte,
                "specimen": specimen,
                "result": values[f"result-{analyte}"],
                "method": values[f"method-{analyte}"],
            }
            for analyte, (_, specimen, _) in asked.items()
        ]
        screening.record_results(
            by=request.user,
            donor=pk,
            collected_on=values["collected_on"],
            donation=values["donation"] or None,
            results=results,
        )
        return back

    return form_page(
        request,
        form,
        title=f"Test results of donor {pk}",
        button="Record results",
        done="Results recorded.",
        back=back,
        save=save,
        template="registry/panel.html",
        asked=list(asked),
    )


def add_answers(request: HttpRequest, pk: str) -> HttpResponse:
    """The donor questionnaire."""
    one(request, "donors", pk)
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        results = [
            {
                "analyte": question["code"],
                "specimen": "questionnaire",
                "result": values.get(f"result-{question['code']}"),
                "value": values.get(f"value-{question['code']}"),
                "event_on": values.get(f"event-{question['code']}"),
            }
            for question in made.questions(today())
        ]
        screening.record_results(
            by=request.user, donor=pk, collected_on=values["collected_on"], results=results
        )
        return back

    return form_page(
        request,
        made.questionnaire_form(today()),
        title=f"Questionnaire of donor {pk}",
        button="Record answers",
        done="Answers recorded.",
        back=back,
        save=save,
        initial={"collected_on": today()},
    )


def resolve_result(request: HttpRequest, pk: str) -> HttpResponse:
    """A physician's reason why a finding no longer counts."""
    row = one(request, "screenings", pk)
    back = reverse("donor", args=[row.donor_id])

    def save(values: dict[str, Any]) -> str:
        screening.resolve_result(by=request.user, result=pk, reason=values["reason"])
        return back

    form = made.make_form("screenings", (), needs_reason=True)
    title = f"Clear the finding {row.analyte.replace('_', ' ')} of donor {row.donor_id}"
    return form_page(
        request, form, title=title, button="Clear", done="Finding cleared.", back=back, save=save
    )


def decide_donor(request: HttpRequest, pk: str) -> HttpResponse:
    """A physician's decision on a donor."""
    row = one(request, "donors", pk)
    form = made.make_form("donors", ("status", "deferred_until_on"), required=("status",), needs_reason=True)
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        screening.set_donor_status(by=request.user, donor=pk, on=today(), **values)
        return back

    return form_page(
        request,
        form,
        title=f"Decide on donor {pk}",
        button="Record decision",
        done="Decision recorded.",
        back=back,
        save=save,
        initial={"status": row.status},
    )
