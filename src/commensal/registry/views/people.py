"""Who people are: the identity of a patient or donor, and the same person entered twice."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from commensal.errors import CommensalError
from commensal.registry import forms as made
from commensal.registry.actions import people
from commensal.registry.people_forms import IdentityForm, PurposeForm
from commensal.registry.scope import seen
from commensal.registry.views.pages import form_page, one

OWNERS = {"patients": "patient", "donors": "donor"}
PATIENT = (
    "sex",
    "born_on",
    "indication",
    "cohort",
    "enrolled_on",
    "cmv_igg",
    "ebv_igg",
    "anaphylactic_allergens",
)
DONOR = ("kind", "sex", "born_on", "bmi", "enrolled_on", "cmv_igg", "ebv_igg", "recent_foods")


@sensitive_variables("shown")
def identity(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """Who somebody is: shown once a purpose is stated, and never by an address alone."""
    one(request, table, pk)
    what = OWNERS[table]
    form, shown, refusal = PurposeForm(request.POST or None), None, ""
    if request.method == "POST" and form.is_valid():
        answer = form.cleaned_data
        purpose = f"{answer['purpose']}: {answer['note']}".rstrip(": ")
        try:
            shown = people.open_identity(by=request.user, purpose=purpose, **{what: pk})
        except CommensalError as error:
            refusal = str(error)
    return render(
        request,
        "registry/identity.html",
        {
            "form": form,
            "what": what,
            "pk": pk,
            "is_entered": seen(request, "identities").filter(**{what: pk}).exists(),
            "shown": shown,
            "refusal": refusal,
            "back": reverse(what, args=[pk]),
            "enter": reverse(f"enter-{what}-identity", args=[pk]),
        },
        status=422 if refusal or form.errors else 200,
    )


@sensitive_post_parameters()
def enter_identity(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """Enter or correct who somebody is."""
    one(request, table, pk)
    what = OWNERS[table]

    def save(values: dict[str, Any]) -> str:
        matches = people.enter_identity(by=request.user, **{what: pk}, **values)
        if not matches:
            return reverse(what, args=[pk])
        messages.warning(request, _("This may be a person who is known already: decide below."))
        return reverse("pairs")

    return form_page(
        request,
        IdentityForm,
        title=_("Identity of %(what)s %(pk)s") % {"what": what, "pk": pk},
        button=_("Keep in the vault"),
        done=_("Kept in the vault."),
        back=reverse(f"{what}-identity", args=[pk]),
        save=save,
        before=_("What is left empty stays as it was. It is kept encrypted and shown nowhere else."),
    )


def pairs(request: HttpRequest) -> HttpResponse:
    """People who may have been entered twice."""
    found = people.open_pairs(sites=request.sites)  # type: ignore[attr-defined]
    return render(request, "registry/pairs.html", {"pairs": found})


def rule_pair(request: HttpRequest, pk: str) -> HttpResponse:
    """Whether two entries are one person."""
    row = one(request, "identities", pk)
    other = request.GET.get("other", "")
    found = people.matches_of(row, sites=request.sites)  # type: ignore[attr-defined]
    match = next((m for m in found if m.other == other), None)
    if match is None and other:
        raise Http404(other)

    def save(values: dict[str, Any]) -> str:
        note = values["reason"]
        people.rule_pair(
            by=request.user, identity=pk, other=other, ruling=values["ruling"], reason=note, note=note
        )
        return reverse("pairs")

    more = made.with_choices(
        "ruling",
        [("same_person", _("One person")), ("different_people", _("Two people"))],
        words=_("Decision"),
        hint=_("Open both identities first. Both pseudonyms stay; a freeze names the pair."),
    )
    return form_page(
        request,
        made.make_form("ruled_pairs", (), needs_reason=True, more=more),
        title=_("One person or two?"),
        button=_("Record decision"),
        done=_("Decision recorded."),
        back=reverse("pairs"),
        save=save,
        template="registry/pair.html",
        match=match,
    )


def correct(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """Correct what stands in a person's own row, with a reason."""
    row = one(request, table, pk)
    what, names = OWNERS[table], {"patients": PATIENT, "donors": DONOR}[table]

    def save(values: dict[str, Any]) -> str:
        change = people.correct_patient if what == "patient" else people.correct_donor
        reason = values.pop("reason")
        change(by=request.user, reason=reason, **{what: pk}, **values)
        return reverse(what, args=[pk])

    return form_page(
        request,
        made.make_form(table, names, needs_reason=True),
        title=_("Correct %(what)s %(pk)s") % {"what": what, "pk": pk},
        button=_("Correct"),
        done=_("Corrected."),
        back=reverse(what, args=[pk]),
        save=save,
        initial={name: getattr(row, name) for name in names},
    )
