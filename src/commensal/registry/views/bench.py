"""The bench: consumables and equipment, what is due, and the storage of the centre at a glance."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from commensal.registry import forms as made
from commensal.registry.actions import bench as actions
from commensal.registry.actions import storage
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, today

LOT = ("item", "description", "lot", "supplier", "received_on", "expires_on")


def bench(request: HttpRequest) -> HttpResponse:
    """Equipment and the consumables in use."""
    pieces = seen(request, "equipment").filter(retired_on__isnull=True).order_by("kind", "name")
    lots = seen(request, "consumable_lots").filter(used_up_on__isnull=True).order_by("item", "expires_on")
    shown = {"pieces": pieces, "lots": lots, "today": today(), "cold": storage.COLD}
    return render(request, "registry/bench.html", shown)


def add_lot(request: HttpRequest) -> HttpResponse:
    """A new lot of a consumable."""

    def save(values: dict[str, Any]) -> str:
        actions.add_lot(by=request.user, **values)
        return reverse("bench")

    return form_page(
        request,
        made.make_form("consumable_lots", LOT, required=("lot", "received_on"), more=sites_choice(request)),
        title=_("New lot"),
        button=_("Add lot"),
        done=_("Lot added."),
        back=reverse("bench"),
        save=save,
        initial={"received_on": today()},
    )


def use_up_lot(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of a lot."""
    row = one(request, "consumable_lots", pk)

    def save(values: dict[str, Any]) -> str:
        actions.use_up_lot(by=request.user, lot=pk, on=values["used_up_on"])
        return reverse("bench")

    return form_page(
        request,
        made.make_form("consumable_lots", ("used_up_on",), required=("used_up_on",)),
        title=_("Lot %(lot)s is used up") % {"lot": row.lot},
        button=_("Record"),
        done=_("Recorded."),
        back=reverse("bench"),
        save=save,
        initial={"used_up_on": today()},
    )
