"""The life of a unit after its release: reserved, thawed, issued, sent, taken in."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commensal.registry import forms as made
from commensal.registry.actions import custody, supply
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, page_of, today

DELIVERY = (
    "product",
    "supplier",
    "supplier_lot",
    "n_units",
    "received_on",
    "arrival_celsius",
    "certificate",
    "is_accepted",
    "remark",
)
DELIVERED = ("dose_grams", "volume_millilitres", "n_capsules", "produced_on", "expires_on")
PAST = ("product", "dose_grams", "volume_millilitres", "n_capsules", "produced_on", "supplier_lot")
MOST_CHOICES = 500


def patient_choice(request: HttpRequest, site: str) -> dict[str, forms.Field]:
    """Return the choice of one patient of a centre, the newest first."""
    found = seen(request, "patients").filter(site=site).order_by("-pk")[:MOST_CHOICES]
    rows = [
        (p.pk, f"{p.pk} · {(p.indication or _('indication not known')).replace('_', ' ')}") for p in found
    ]
    return made.with_choices("patient", rows, words=_("Patient"))


def reserve_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """A reservation for a patient."""
    row = one(request, "units", pk)
    back = reverse("unit", args=[pk])

    def save(values: dict[str, Any]) -> str:
        custody.reserve_unit(by=request.user, unit=pk, patient=values["patient"], on=today())
        return back

    return form_page(
        request,
        made.make_form("custody", (), more=patient_choice(request, row.site_id)),
        title=_("Reserve unit %(unit)s") % {"unit": pk},
        button=_("Reserve"),
        done=_("Reserved."),
        back=back,
        save=save,
    )


def end_reservation(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of a reservation."""
    one(request, "units", pk)
    back = reverse("unit", args=[pk])

    def save(values: dict[str, Any]) -> str:
        custody.end_reservation(by=request.user, unit=pk, on=today(), reason=values["reason"])
        return back

    return form_page(
        request,
        made.make_form("custody", (), needs_reason=True),
        title=_("Give up the reservation of unit %(unit)s") % {"unit": pk},
        button=_("Give up"),
        done=_("The unit is free again."),
        back=back,
        save=save,
    )


def thaw_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """The start of a unit's thaw clock."""
    one(request, "units", pk)
    back = reverse("unit", args=[pk])

    def save(values: dict[str, Any]) -> str:
        at = values["occurred_at"]
        custody.thaw_unit(by=request.user, unit=pk, at=at, on=timezone.localdate(at))
        return back

    return form_page(
        request,
        made.make_form("custody", ("occurred_at",), required=("occurred_at",)),
        title=_("Thaw unit %(unit)s") % {"unit": pk},
        button=_("Start thawing"),
        done=_("The clock runs."),
        back=back,
        save=save,
        initial={"occurred_at": timezone.localtime()},
        before=_("Thawed material is used within six hours and never frozen again."),
    )


def issue_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """The handing out of a unit for a patient."""
    row = one(request, "units", pk)
    back = reverse("unit", args=[pk])

    def save(values: dict[str, Any]) -> str:
        at = values["occurred_at"]
        custody.issue_unit(
            by=request.user, unit=pk, patient=values["patient"], at=at, on=timezone.localdate(at)
        )
        return back

    form = made.make_form(
        "custody", ("occurred_at",), required=("occurred_at",), more=patient_choice(request, row.site_id)
    )
    return form_page(
        request,
        form,
        title=_("Issue unit %(unit)s") % {"unit": pk},
        button=_("Issue"),
        done=_("Issued."),
        back=back,
        save=save,
        initial={"occurred_at": timezone.localtime(), "patient": row.reserved_for},
    )


def expire_units(request: HttpRequest) -> HttpResponse:
    """Every unit in stock whose last day is over is recorded as expired."""
    late = seen(request, "units").filter(
        expires_on__lt=today(), custody_state__in=("processed", "thawed", *custody.IN_FREEZER)
    )

    def save(_values: dict[str, Any]) -> str:
        custody.expire_units(by=request.user, on=today())
        return reverse("units")

    return form_page(
        request,
        made.make_form("custody", ()),
        title=_("Units past their last day: %(n)d") % {"n": late.count()},
        button=_("Record as expired"),
        done=_("Recorded as expired."),
        back=reverse("units"),
        save=save,
        before=_("Expired units keep their position until they are destroyed."),
    )


def ship_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """A unit leaves for another centre or hospital."""
    row = one(request, "units", pk)
    back = reverse("unit", args=[pk])
    more = {
        "to_site_id": forms.CharField(label=_("Centre it goes to"), required=False, empty_value=None),
        "to_place": forms.CharField(
            label=_("Or another hospital"), required=False, max_length=200, empty_value=None
        ),
    }
    form = made.make_form("shipments", ("shipped_at", "carrier"), required=("shipped_at",), more=more)

    def save(values: dict[str, Any]) -> str:
        at = values.pop("shipped_at")
        supply.ship_unit(by=request.user, unit=pk, at=at, on=timezone.localdate(at), **values)
        return back

    return form_page(
        request,
        form,
        title=_("Send unit %(unit)s") % {"unit": pk},
        button=_("Send"),
        done=_("Sent."),
        back=back,
        save=save,
        initial={"shipped_at": timezone.localtime()},
        before=_("The unit is at %(site)s. Name a centre of this registry, or another hospital.")
        % {"site": row.site_id},
    )


def shipments(request: HttpRequest) -> HttpResponse:
    """What is on its way, what arrived, and the suppliers' deliveries."""
    rows = seen(request, "shipments").order_by("-shipped_at", "-pk")
    return render(
        request,
        "registry/shipments.html",
        {
            "open": rows.filter(received_at__isnull=True)[:MOST_CHOICES],
            "arrived": rows.filter(received_at__isnull=False)[:50],
            "sites": request.sites,  # type: ignore[attr-defined]
            **page_of(request, seen(request, "receipts")),
        },
    )


def receive_shipment(request: HttpRequest, pk: str) -> HttpResponse:
    """A unit arrives."""
    row = one(request, "shipments", pk)

    def save(values: dict[str, Any]) -> str:
        at = values.pop("received_at")
        supply.receive_shipment(by=request.user, shipment=pk, at=at, on=timezone.localdate(at), **values)
        return reverse("unit", args=[row.unit_id])

    names = ("received_at", "arrival_celsius", "is_cold_chain_unbroken")
    return form_page(
        request,
        made.make_form("shipments", names, required=("received_at",)),
        title=_("Take in unit %(unit)s") % {"unit": row.unit_id},
        button=_("Take in"),
        done=_("Taken in."),
        back=reverse("shipments"),
        save=save,
        initial={"received_at": timezone.localtime()},
        before=_("Unless the temperature is known to have been kept, the unit is put on hold."),
    )


def receive_delivery(request: HttpRequest) -> HttpResponse:
    """A supplier's product arrives."""
    more = {
        **sites_choice(request),
        **made.make_form("units", DELIVERED, required=("expires_on",)).base_fields,
    }
    needed = ("supplier", "supplier_lot", "n_units", "is_accepted")

    def save(values: dict[str, Any]) -> str:
        supply.receive_delivery(by=request.user, **values)
        return reverse("shipments")

    return form_page(
        request,
        made.make_form("receipts", DELIVERY, required=needed, more=more),
        title=_("Delivery of a supplier's product"),
        button=_("Take in"),
        done=_("Taken in; its units wait for release by the supplier's certificate."),
        back=reverse("shipments"),
        save=save,
        initial={"received_on": today()},
    )


def add_historical_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """Material that old records say a patient was given."""
    row = one(request, "patients", pk)
    back = reverse("patient", args=[pk])
    more = {
        "donor": forms.CharField(label=_("Donor, where known"), required=False, empty_value=None),
    }

    def save(values: dict[str, Any]) -> str:
        on = values.pop("occurred_on")
        made_unit = supply.add_historical_unit(
            by=request.user, site_id=row.site_id, patient=pk, on=on, **values
        )
        return reverse("unit", args=[made_unit.pk])

    day = made.make_form("custody", ("occurred_on",), required=("occurred_on",)).base_fields
    return form_page(
        request,
        made.make_form("units", PAST, required=("product",), more={**day, **more}),
        title=_("Earlier material given to patient %(patient)s") % {"patient": pk},
        button=_("Record"),
        done=_("Recorded for the trace; it can never be issued."),
        back=back,
        save=save,
        before=_("For records of the past alone: its screening is unknown, and it is never stock."),
    )
