"""Deviations: reported, investigated, acted upon, closed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commensal.errors import RefusedError
from commensal.registry import forms as made
from commensal.registry.actions import quality
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, page_of, today

REPORT = (
    "severity",
    "account",
    "happened_on",
    "found_on",
    "containment",
    "unit_id",
    "batch_id",
    "donor_id",
    "equipment_id",
)
FINDINGS = ("severity", "root_cause", "containment", "effectiveness", "is_effective")


def deviations(request: HttpRequest) -> HttpResponse:
    """The open deviations with what is late, then all of them."""
    rows = seen(request, "deviations")
    late = seen(request, "remedies").filter(done_on__isnull=True, deviation__closed_on__isnull=True)
    return render(
        request,
        "registry/deviations.html",
        {
            "open": rows.filter(closed_on__isnull=True).order_by("found_on", "pk"),
            "remedies": late.order_by("due_on"),
            "today": today(),
            **page_of(request, rows.filter(closed_on__isnull=False)),
        },
    )


def report_deviation(request: HttpRequest) -> HttpResponse:
    """Something was not as it should be."""
    form = made.make_form("deviations", REPORT, required=("account",), more=sites_choice(request))
    linked = {name: request.GET[name] for name in quality.LINKED if request.GET.get(name)}

    def save(values: dict[str, Any]) -> str:
        return reverse("deviation", args=[quality.report_deviation(by=request.user, **values).pk])

    return form_page(
        request,
        form,
        title=_("Report a deviation"),
        button=_("Report"),
        done=_("Reported. Quality sees it on the page of deviations."),
        back=reverse("deviations"),
        save=save,
        initial={"found_on": today(), **linked},
    )


def deviation(request: HttpRequest, pk: str) -> HttpResponse:
    """One deviation with its actions."""
    row = one(request, "deviations", pk)
    remedies = seen(request, "remedies").filter(deviation=row).order_by("due_on", "pk")
    shown = {"deviation": row, "remedies": remedies, "today": today()}
    return render(request, "registry/deviation.html", shown)


def investigate(request: HttpRequest, pk: str) -> HttpResponse:
    """Root cause and effectiveness check of a deviation."""
    row = one(request, "deviations", pk)
    back = reverse("deviation", args=[pk])

    def save(values: dict[str, Any]) -> str:
        quality.investigate(by=request.user, deviation=pk, **values)
        return back

    answers = {True: "yes", False: "no", None: ""}
    return form_page(
        request,
        made.make_form("deviations", FINDINGS),
        title=_("Investigate deviation %(deviation)s") % {"deviation": pk},
        button=_("Record"),
        done=_("Recorded."),
        back=back,
        save=save,
        initial={name: getattr(row, name) for name in FINDINGS} | {"is_effective": answers[row.is_effective]},
    )


def add_remedy(request: HttpRequest, pk: str) -> HttpResponse:
    """A corrective or preventive action."""
    one(request, "deviations", pk)
    back = reverse("deviation", args=[pk])

    def save(values: dict[str, Any]) -> str:
        quality.add_remedy(by=request.user, deviation=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("remedies", ("kind", "task", "owner", "due_on"), required=("task", "owner")),
        title=_("Action on deviation %(deviation)s") % {"deviation": pk},
        button=_("Add action"),
        done=_("Action added."),
        back=back,
        save=save,
    )


def finish_remedy(request: HttpRequest, pk: str) -> HttpResponse:
    """An action was done."""
    row = one(request, "remedies", pk)
    back = reverse("deviation", args=[row.deviation_id])

    def save(values: dict[str, Any]) -> str:
        quality.finish_remedy(by=request.user, remedy=pk, on=values["done_on"], outcome=values["outcome"])
        return back

    return form_page(
        request,
        made.make_form("remedies", ("done_on", "outcome"), required=("done_on", "outcome")),
        title=_("Done: %(task)s") % {"task": row.task},
        button=_("Record as done"),
        done=_("Recorded as done."),
        back=back,
        save=save,
        initial={"done_on": today()},
    )


def close_deviation(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of a deviation, signed with the password of who closes it."""
    one(request, "deviations", pk)
    back = reverse("deviation", args=[pk])
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
        quality.close_deviation(by=request.user, deviation=pk, signer=signer, at=timezone.now(), on=today())
        return back

    return form_page(
        request,
        made.make_form("deviations", (), more={"password": password}),
        title=_("Close deviation %(deviation)s") % {"deviation": pk},
        button=_("Sign and close"),
        done=_("Closed."),
        back=back,
        save=save,
        before=_("Closed only with a root cause, every action done, and a check that they worked."),
    )
