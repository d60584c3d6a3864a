"""What is proposed for a patient: match runs with their gates and reasons, care plans, re-plans."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commensal.errors import RefusedError
from commensal.registry import forms as made
from commensal.registry.actions import matching, records
from commensal.registry.people_forms import facts_form
from commensal.registry.proposals import kept_of, sections_of, shown_rankings
from commensal.registry.scope import roles_of, seen
from commensal.registry.views.pages import form_page, one, today
from commensal.registry.words import label_of

KINDS = {
    "match": gettext_lazy("Match run"),
    "care_plan": gettext_lazy("Care plan"),
    "replan": gettext_lazy("Re-plan"),
}


def proposals(request: HttpRequest, pk: str) -> HttpResponse:
    """What was proposed for a patient, newest first."""
    row = one(request, "patients", pk)
    rows = seen(request, "proposals").filter(patient=row).order_by("-made_at").defer("content")[:50]
    ruled = {r.proposal_id: r for r in seen(request, "proposal_rulings").filter(proposal__patient=row)}
    shown = [
        {
            "row": r,
            "kind": KINDS[r.kind],
            "route": label_of("routes", r.route) if r.route else "",
            "ruling": ruled.get(r.pk),
        }
        for r in rows
    ]
    return render(request, "registry/proposals.html", {"patient": row, "proposals": shown})


def new_match(request: HttpRequest, pk: str) -> HttpResponse:
    """The route planned, and the questions of the day that no record answers."""
    return _new(request, pk, kind="match", title=_("Match patient %(pk)s"), button=_("Rank the stock"))


def new_plan(request: HttpRequest, pk: str) -> HttpResponse:
    """A care plan: the route a clinician wants, and the questions of the day."""
    return _new(
        request, pk, kind="care_plan", title=_("Care plan of patient %(pk)s"), button=_("Write the plan")
    )


def _new(request: HttpRequest, pk: str, *, kind: str, title: str, button: str) -> HttpResponse:
    row = one(request, "patients", pk)
    known = records.facts_of(row, on=today())
    more: dict[str, forms.Field] = dict(
        made.make_form("sessions", ("route",), required=("route",)).base_fields
    )
    more |= facts_form(matching.bedside_questions(known))
    make = matching.make_match if kind == "match" else matching.make_plan

    def save(values: dict[str, Any]) -> str:
        route = values.pop("route")
        kept = make(by=request.user, patient=pk, route=route, on=today(), answers=values)
        return reverse("proposal", args=[kept.pk])

    return form_page(
        request,
        made.make_form("sessions", (), more=more),
        title=title % {"pk": pk},
        button=button,
        done=_("Made and kept. It orders nothing: a physician decides."),
        back=reverse("patient-proposals", args=[pk]),
        save=save,
        before=_("What is not answered stays open, and then no unit is eligible."),
    )


def new_replan(request: HttpRequest, pk: str) -> HttpResponse:
    """What may follow a transplant, four weeks on."""
    one(request, "patients", pk)

    def save(_values: dict[str, Any]) -> str:
        return reverse("proposal", args=[matching.make_replan(by=request.user, patient=pk, on=today()).pk])

    return form_page(
        request,
        made.make_form("sessions", ()),
        title=_("Re-plan of patient %(pk)s") % {"pk": pk},
        button=_("Show the options"),
        done=_("Made and kept. It orders nothing: a physician decides."),
        back=reverse("patient-proposals", args=[pk]),
        save=save,
        before=_("Options after the fourth week, from what is on record of response and harm."),
    )


def proposal(request: HttpRequest, pk: str) -> HttpResponse:
    """One proposal as it was made, what changed since, and the physician's word."""
    row = one(request, "proposals", pk)
    ruling = seen(request, "proposal_rulings").filter(proposal=row).first()
    kept = kept_of(row.content)
    return render(
        request,
        f"registry/proposal_{row.kind}.html",
        {
            "proposal": row,
            "kind": KINDS[row.kind],
            "route": label_of("routes", row.route) if row.route else None,
            "ruling": ruling,
            "changes": [] if ruling else matching.changed_since(row, on=today()),
            "kept": kept,
            "rankings": shown_rankings(kept["tables"]),
            "sections": sections_of(kept["tables"]),
            "may_sign": ruling is None and "physician" in roles_of(request.user),
            "may_reserve": bool(ruling and ruling.decision == "signed" and row.kind == "match"),
        },
    )


class SignForm(made.Form):
    """A physician's signature: the choice and the password, typed now."""

    note = forms.CharField(label=gettext_lazy("Note"), max_length=500, required=False)
    password = forms.CharField(
        label=gettext_lazy("Your password"),
        help_text=gettext_lazy("It is your signature under exactly this result."),
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )


def sign_proposal(request: HttpRequest, pk: str) -> HttpResponse:
    """A physician's signature under a proposal."""
    row = one(request, "proposals", pk)
    more = _choices(row) | SignForm.base_fields

    def save(values: dict[str, Any]) -> str:
        if authenticate(request, username=request.user.username, password=values["password"]) is None:  # type: ignore[union-attr]
            raise RefusedError("the password was not right", do="type your own password")
        said = {"choice": values.get("choice", ""), "note": values["note"]}
        matching.sign_proposal(by=request.user, proposal=pk, on=today(), **said)
        return reverse("proposal", args=[pk])

    return form_page(
        request,
        made.make_form("proposals", (), more=more),
        title=_("Sign: %(kind)s of patient %(patient)s")
        % {"kind": KINDS[row.kind], "patient": row.patient_id},
        button=_("Sign"),
        done=_("Signed."),
        back=reverse("proposal", args=[pk]),
        save=save,
    )


def _choices(row: Any) -> dict[str, forms.Field]:
    tables = kept_of(row.content)["tables"]
    if row.kind == "match":
        units = [(lot["unit_id"], lot["unit_id"]) for lot in tables["rankings"] if lot["is_eligible"]]
        return made.with_choices("choice", units, words=_("Unit"), hint=_("Units that passed every gate."))
    if row.kind == "replan":
        options = [(o["option"], o["option"].replace("_", " ")) for o in tables["replans"]]
        return made.with_choices("choice", options, words=_("Option"))
    return {}


def refuse_proposal(request: HttpRequest, pk: str) -> HttpResponse:
    """A physician's refusal, for a coded reason."""
    row = one(request, "proposals", pk)

    def save(values: dict[str, Any]) -> str:
        matching.refuse_proposal(by=request.user, proposal=pk, **values)
        return reverse("proposal", args=[pk])

    return form_page(
        request,
        made.make_form("proposal_rulings", ("reason_code", "note"), required=("reason_code",)),
        title=_("Refuse: %(kind)s of patient %(patient)s")
        % {"kind": KINDS[row.kind], "patient": row.patient_id},
        button=_("Refuse"),
        done=_("Refused."),
        back=reverse("proposal", args=[pk]),
        save=save,
    )


def reserve_ranked(request: HttpRequest, pk: str) -> HttpResponse:
    """The reservation of the unit that was signed."""
    row = one(request, "proposals", pk)
    ruling = seen(request, "proposal_rulings").filter(proposal=row, decision="signed").first()
    if row.kind != "match" or ruling is None:
        raise Http404("no signed match run")

    def save(_values: dict[str, Any]) -> str:
        matching.reserve_ranked(by=request.user, proposal=pk, unit=ruling.choice, on=today())
        return reverse("unit", args=[ruling.choice])

    return form_page(
        request,
        made.make_form("sessions", ()),
        title=_("Reserve unit %(unit)s for patient %(patient)s")
        % {"unit": ruling.choice, "patient": row.patient_id},
        button=_("Reserve"),
        done=_("Unit reserved."),
        back=reverse("proposal", args=[pk]),
        save=save,
    )
