"""The links of a patient: made, listed, taken back by staff."""

from __future__ import annotations

from typing import Any

import segno
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commensal.errors import CommensalError
from commensal.registry.actions import reported
from commensal.registry.forms import Form
from commensal.registry.questionnaires import questionnaires
from commensal.registry.scope import seen
from commensal.registry.views.pages import one, page_of
from commensal.registry.words import label_of
from commensal.vocabulary.windows import visits

STATES = {
    "open": gettext_lazy("not begun"),
    "begun": gettext_lazy("begun, not sent"),
    "sent": gettext_lazy("sent"),
    "revoked": gettext_lazy("taken back"),
    "expired": gettext_lazy("expired"),
    "closed": gettext_lazy("closed: withdrawn or died"),
}
VISIT, DUE = "visit:", "due:"


def links(request: HttpRequest, pk: str) -> HttpResponse:
    """Every link of a patient and where it stands."""
    row = one(request, "patients", pk)
    part = page_of(request, seen(request, "report_links").filter(patient=row))
    shown = [_shown(link) for link in part["rows"]]
    return render(request, "registry/links.html", {"patient": row, "rows": shown, "next": part["next"]})


def _shown(link: Any) -> dict[str, Any]:
    state = reported.state_of(link)
    return {
        "row": link,
        "state": STATES[state],
        "is_open": state in ("open", "begun"),
        "visit": label_of("visits", link.due) if link.due else _("no scheduled visit"),
        "asked": [label_of("instruments", code) for code in reported.codes_of(link)],
    }


def new_link(request: HttpRequest, pk: str) -> HttpResponse:
    """A link for one patient and one visit; its address is shown once."""
    row = one(request, "patients", pk)
    form = _form(request, row)(request.POST or None, initial={"days": 14})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            made, token = reported.make_link(
                by=request.user,
                patient=pk,
                instruments=values["instruments"],
                days=values["days"],
                **_chosen(values["visit"]),
            )
        except CommensalError as error:
            form.add_error(None, str(error))
        else:
            address = request.build_absolute_uri(reverse("answers", args=[token]))
            shown = {"address": address, "picture": _picture(address), "patient": row, "link": made}
            return render(request, "registry/link_made.html", shown)
    shown = {
        "form": form,
        "title": _("Link for patient %(pk)s") % {"pk": pk},
        "before": _("The patient answers on their own telephone, without an account."),
        "button": _("Make link"),
        "back": reverse("patient-links", args=[pk]),
    }
    return render(request, "registry/form.html", shown, status=422 if form.is_bound else 200)


def _form(request: HttpRequest, patient: Any) -> type[Form]:
    been = seen(request, "visits").filter(patient=patient, status="attended").order_by("-visited_on")[:20]
    took_place = [
        (f"{VISIT}{v.pk}", f"{v.visit or _('unscheduled')} · {v.visited_on or _('date not known')}")
        for v in been
    ]
    scheduled = [(f"{DUE}{code}", f"{code} · {words}") for code, words in visits().items()]
    choices = [
        ("", "—"),
        (_("The answers are the visit"), [*scheduled, (DUE, _("no scheduled visit"))]),
        (_("A visit that took place"), took_place),
    ]
    asked = [(code, label_of("instruments", code)) for code in questionnaires()]
    fields = {
        "visit": forms.ChoiceField(
            label=_("Visit"),
            choices=choices,
            help_text=_(
                "Answers that are the visit record it as attended by questionnaire, on the day sent."
            ),
        ),
        "instruments": forms.MultipleChoiceField(
            label=_("Questionnaires"), choices=asked, widget=forms.CheckboxSelectMultiple
        ),
        "days": forms.IntegerField(
            label=_("Days it may be used"), min_value=1, max_value=reported.LONGEST_DAYS
        ),
    }
    return type("LinkForm", (Form,), fields)


def _chosen(value: str) -> dict[str, str]:
    if value.startswith(VISIT):
        return {"visit": value.removeprefix(VISIT)}
    return {"due": value.removeprefix(DUE)} if value != DUE else {}


def _picture(address: str) -> str:
    """Return a QR code as an element of the page; it holds nothing but modules."""
    code = segno.make(address, error="m")
    return mark_safe(code.svg_inline(scale=5, light="#fff", dark="#000"))  # noqa: S308  drawn by us


def revoke_link(request: HttpRequest, pk: str) -> HttpResponse:
    """Take a link back."""
    row = one(request, "report_links", pk)
    try:
        reported.revoke_link(by=request.user, report_link=pk)
    except CommensalError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("The link is taken back."))
    return redirect("patient-links", pk=row.patient_id)
