"""What leaves the house, and who may ask for it by program."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commensal.errors import CommensalError
from commensal.registry.actions import exports
from commensal.registry.forms import Form
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import one, today

KINDS = (
    (
        "deidentified",
        gettext_lazy("De-identified tables: new pseudonyms, shifted dates, no words (zip of CSV)"),
    ),
    ("redcap", gettext_lazy("REDCap projects of patients and donors (zip of CSV)")),
    ("odm", gettext_lazy("CDISC ODM 1.3.2 (XML)")),
    ("fhir", gettext_lazy("FHIR R4B bundle (JSON)")),
)
SHOWN = 20


def export(request: HttpRequest) -> HttpResponse:
    """Take the data of a centre out, for a purpose that is recorded."""
    fields = {
        **sites_choice(request),
        "kind": forms.ChoiceField(
            label=_("What"), choices=KINDS, widget=forms.RadioSelect, initial="deidentified"
        ),
        "purpose": forms.CharField(
            label=_("Purpose"),
            help_text=_("Recorded with your name, the time and the number of rows."),
            max_length=500,
        ),
    }
    form = type("ExportForm", (Form,), fields)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made = exports.export_site(
                by=request.user, site=values["site_id"], kind=values["kind"], purpose=values["purpose"]
            )
        except CommensalError as error:
            form.add_error(None, str(error))
        else:
            answer = HttpResponse(made.content, content_type=made.media_type)
            answer.headers["Content-Disposition"] = f'attachment; filename="{made.name}"'
            return answer
    past = seen(request, "accesses").filter(kind="export").order_by("-seen_at")[:SHOWN]
    shown = {"form": form, "past": past, "title": _("Take data out")}
    return render(request, "registry/export.html", shown, status=422 if form.is_bound else 200)


def tokens(request: HttpRequest) -> HttpResponse:
    """A person's own tokens."""
    rows = exports.tokens_of(request.user, sites=request.sites)  # type: ignore[attr-defined]
    return render(request, "registry/tokens.html", {"rows": rows, "today": today()})


def make_token(request: HttpRequest) -> HttpResponse:
    """Make a token; it is shown once."""
    fields = {
        **sites_choice(request),
        "name": forms.CharField(label=_("What it is for"), max_length=80),
        "expires_on": forms.DateField(
            label=_("Last day"),
            help_text=_("At most a year ahead."),
            widget=forms.DateInput({"type": "date"}, format="%Y-%m-%d"),
            initial=today() + timedelta(days=90),
        ),
    }
    form = type("TokenForm", (Form,), fields)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values: dict[str, Any] = form.cleaned_data
        try:
            token = exports.make_token(
                by=request.user, site=values["site_id"], name=values["name"], expires_on=values["expires_on"]
            )
        except CommensalError as error:
            form.add_error(None, str(error))
        else:
            return render(request, "registry/token_made.html", {"token": token, "name": values["name"]})
    shown = {"form": form, "title": _("New token"), "button": _("Make it"), "back": reverse("tokens")}
    return render(request, "registry/form.html", shown, status=422 if form.is_bound else 200)


def revoke_token(request: HttpRequest, pk: str) -> HttpResponse:
    """Take a token back."""
    row = one(request, "tokens", pk)
    try:
        exports.revoke_token(by=request.user, token=row.pk)
    except CommensalError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The token is taken back."))
    return redirect("tokens")
