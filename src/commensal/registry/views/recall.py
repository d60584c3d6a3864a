"""Recalls: what asks for one, opening and drilling one, following it to its signed end."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commensal.errors import RefusedError
from commensal.registry import forms as made
from commensal.registry.actions import recall as actions
from commensal.registry.reading import opened
from commensal.registry.recalling import clusters_of_donors, proposals, shown_recall
from commensal.registry.scope import seen
from commensal.registry.tables.recall import STARTS
from commensal.registry.views.pages import form_page, one, page_of, today

ASKED = ("kind", "severity", "detected_at", "account")
TRIED = ("contacted_at", "way", "outcome", "note")


def recalls(request: HttpRequest) -> HttpResponse:
    """What asks for a recall, the open ones, and the others."""
    rows, sites = seen(request, "recalls"), request.sites  # type: ignore[attr-defined]
    return render(
        request,
        "registry/recalls.html",
        {
            "proposals": proposals(sites=sites),
            "clusters": clusters_of_donors(sites=sites),
            "open": rows.filter(closed_at__isnull=True).order_by("detected_at", "pk"),
            **page_of(request, rows.filter(closed_at__isnull=False)),
        },
    )


def open_recall(request: HttpRequest) -> HttpResponse:
    """Open a recall, or a drill, from one thing."""
    given = {name: request.GET[name] for name in STARTS if request.GET.get(name)}
    start, pk = next(iter(given.items()), ("unit", ""))
    event = request.GET.get("adverse_event")
    row = one(request, "adverse_events", event) if event else None
    fields = {
        "start": forms.ChoiceField(label=_("Start from"), choices=[(s, s) for s in STARTS]),
        "pk": forms.CharField(label=_("Its number"), max_length=64, strip=True),
        **made.make_form("recalls", ASKED, required=ASKED).base_fields,
        "mode": forms.ChoiceField(
            label=_("Recall or drill"),
            choices=[("recall", _("recall: holds at once")), ("drill", _("drill: lists, holds nothing"))],
        ),
    }

    def save(values: dict[str, Any]) -> str:
        found = actions.open_recall(
            by=request.user, **values, adverse_event=event, at=timezone.now(), on=today()
        )
        return reverse("recall", args=[found.pk])

    return form_page(
        request,
        type("OpenForm", (made.Form,), fields),
        title=_("Open a recall or a drill"),
        button=_("Open"),
        done=_("Opened. Units and patients are listed below."),
        back=reverse("recalls"),
        save=save,
        initial={
            "start": start,
            "pk": pk,
            "mode": "drill" if request.GET.get("drill") else "recall",
            **({"kind": "infection_suspected", "severity": "critical"} if event else {}),
            "detected_at": timezone.localtime(row.aware_at if row and row.aware_at else None),
        },
        before=_(
            "A recall holds the units, whole batches and donors it reaches in the moment it is opened, at "
            "every centre. Suspected infection, a late positive result and illness of the donor reach all "
            "material of every donor behind the start; other reasons reach what is named."
        ),
    )


def recall(request: HttpRequest, pk: str) -> HttpResponse:
    """One recall: clocks, patients, units."""
    row = one(request, "recalls", pk)
    shown = shown_recall(row, now=timezone.now(), on=today())
    for person in shown["patients"]:
        opened(request, "recall_patients", person["entry"])
    return render(request, "registry/recall.html", shown)


def look_again(request: HttpRequest, pk: str) -> HttpResponse:
    """Reach again, in case more was recorded since."""
    one(request, "recalls", pk)
    back = reverse("recall", args=[pk])

    def save(_values: dict[str, Any]) -> str:
        actions.look_again(by=request.user, recall=pk, at=timezone.now(), on=today())
        return back

    return form_page(
        request,
        made.Form,
        title=_("Look again: recall %(recall)s") % {"recall": pk},
        button=_("Look again"),
        done=_("Looked again; what is new is listed and held."),
        back=back,
        save=save,
        before=_("Units and patients recorded since the recall was opened are listed, and held."),
    )


def contact(request: HttpRequest, pk: str) -> HttpResponse:
    """An attempt to reach a patient."""
    row = one(request, "recall_patients", pk)
    back = reverse("recall", args=[row.recall_id])

    def save(values: dict[str, Any]) -> str:
        actions.record_contact(by=request.user, recall_patient=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("recall_contacts", TRIED, required=("contacted_at",)),
        title=_("Contact with patient %(patient)s") % {"patient": row.patient_id},
        button=_("Record"),
        done=_("Recorded."),
        back=back,
        save=save,
        initial={"contacted_at": timezone.localtime()},
        before=_("Telephone and address stand in the vault, on the patient's page of identity."),
    )


def state_fate(request: HttpRequest, pk: str) -> HttpResponse:
    """What became of a unit that custody cannot tell."""
    row = one(request, "recall_units", pk)
    back = reverse("recall", args=[row.recall_id])

    def save(values: dict[str, Any]) -> str:
        actions.state_fate(
            by=request.user,
            recall_unit=pk,
            fate=values["stated_fate"],
            note=values["note"],
            at=timezone.now(),
        )
        return back

    return form_page(
        request,
        made.make_form("recall_units", ("stated_fate", "note"), required=("stated_fate", "note")),
        title=_("What became of unit %(unit)s") % {"unit": row.unit_id},
        button=_("Record"),
        done=_("Recorded."),
        back=back,
        save=save,
        before=_("Only where custody cannot tell. If the event is known, record it at the unit instead."),
    )


def close_recall(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of a recall, signed with the password of who closes it."""
    one(request, "recalls", pk)
    back = reverse("recall", args=[pk])
    password = forms.CharField(
        label=_("Your password"),
        help_text=_("Typed again, here and now: it is your signature."),
        widget=forms.PasswordInput({"autocomplete": "current-password"}),
    )

    def save(values: dict[str, Any]) -> str:
        name = request.user.get_username()
        signer = authenticate(request, username=name, password=values["password"])
        if signer is None:
            raise RefusedError("the signature was not accepted", do="check your password")
        actions.close_recall(
            by=request.user,
            recall=pk,
            signer=signer,
            finding=values["finding"],
            at=timezone.now(),
            on=today(),
        )
        return back

    return form_page(
        request,
        made.make_form("recalls", ("finding",), required=("finding",), more={"password": password}),
        title=_("Close recall %(recall)s") % {"recall": pk},
        button=_("Sign and close"),
        done=_("Closed. Its holds stand until quality lifts them."),
        back=back,
        save=save,
        before=_("Closed only when every unit's fate is known and every patient was contacted to an end."),
    )


def rule_no_recall(request: HttpRequest, pk: str) -> HttpResponse:
    """An adverse event asks for no recall."""
    row = one(request, "adverse_events", pk)
    if row.pk not in {p["event"].pk for p in proposals(sites=request.sites)}:  # type: ignore[attr-defined]
        raise Http404("this event proposes no recall, or was decided on")

    def save(values: dict[str, Any]) -> str:
        note = values["reason"]
        actions.rule_no_recall(by=request.user, adverse_event=pk, note=note, reason=note, at=timezone.now())
        return reverse("recalls")

    return form_page(
        request,
        made.make_form("lookback_rulings", (), needs_reason=True),
        title=_("No recall for the event of patient %(patient)s") % {"patient": row.patient_id},
        button=_("Decide: no recall"),
        done=_("Decided; the proposal is gone, the decision stays on record."),
        back=reverse("recalls"),
        save=save,
    )
