"""The bank desk: donations, units, release, holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from commensal.errors import RefusedError
from commensal.registry import forms as made
from commensal.registry.actions import custody, material
from commensal.registry.scope import seen
from commensal.registry.views.pages import form_page, one, today

DONATION = (
    "donated_on",
    "passed_at",
    "received_at",
    "stool_mass_grams",
    "bristol_type",
    "is_questionnaire_clean",
    "is_accepted",
    "rejection_reason",
)
CHECKS = ("is_label_verified", "is_cold_chain_unbroken", "has_retention_sample", "has_supplier_certificate")


def sites_choice(request: HttpRequest) -> dict[str, forms.Field]:
    """Return the choice of one of the person's centres."""
    rows = [(site, site) for site in request.sites]
    return {"site_id": forms.ChoiceField(label="Centre", choices=rows)}


def add_donation(request: HttpRequest, pk: str) -> HttpResponse:
    """A donation."""
    row = one(request, "donors", pk)
    more = {}
    if row.sex != "male":
        more["menstruating"] = made.yes_no(label="Menstruating at this donation", required=False)
    form = made.make_form("donations", DONATION, required=("donated_on", "is_accepted"), more=more)
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        answer = values.pop("menstruating", None)
        given = material.add_donation(by=request.user, donor=pk, menstruating=answer, **values)
        return reverse("make-units", args=[given.pk]) if given.is_accepted else back

    return form_page(
        request,
        form,
        title=f"Donation of donor {pk}",
        button="Record donation",
        done="Donation recorded.",
        back=back,
        save=save,
        initial={"donated_on": today()},
    )


def make_units(request: HttpRequest, pk: str) -> HttpResponse:
    """Units from a donation."""
    source = one(request, "donations", pk)
    batch = ("frozen_at", "glycerol_percent", "atmosphere", "is_quality_passed")
    fields = (
        "product",
        "release_pathway",
        "dose_grams",
        "volume_millilitres",
        "n_capsules",
        "produced_on",
        "expires_on",
    )
    units = made.make_form("units", fields, required=("product", "produced_on", "expires_on"))
    more = {
        "n_units": forms.IntegerField(label="Number of units", min_value=1, max_value=200),
        **sites_choice(request),
        **units.base_fields,
        **made.make_form("batches", batch).base_fields,
    }
    form = made.make_form("units", (), more=more)
    life = material.profile_on(today()).shelf_life

    def save(values: dict[str, Any]) -> str:
        made_units = material.make_units(
            by=request.user,
            donation=pk,
            site_id=values["site_id"],
            n_units=values["n_units"],
            batch={name: values[name] for name in batch}
            | {"product": values["product"], "produced_on": values["produced_on"]},
            unit={name: values[name] for name in fields},
            is_frozen=values["frozen_at"] is not None,
        )
        return reverse("unit", args=[made_units[0].pk])

    return form_page(
        request,
        form,
        title=f"Units from donation {pk}",
        button="Make units",
        done="Units made; they stay in quarantine until they are released.",
        back=reverse("donor", args=[source.donor_id]),
        save=save,
        initial={
            "n_units": 1,
            "release_pathway": "bookend",
            "produced_on": source.donated_on,
            "expires_on": source.donated_on + timedelta(days=life.days) if life else None,
        },
    )


def unit(request: HttpRequest, pk: str) -> HttpResponse:
    """One unit: where it stands, why, and everything that happened to it."""
    row = one(request, "units", pk)
    state = custody.state_of(row)
    stay = seen(request, "placements").filter(unit=row, until_at__isnull=True).first()
    return render(
        request,
        "registry/unit.html",
        {
            "unit": row,
            "state": state,
            "is_late": state.use_by is not None and state.use_by < timezone.now(),
            "stay": stay,
            "is_unplaced": stay is None and row.custody_state in custody.IN_FREEZER,
            "hold": custody.hold_of(row, on=today()),
            "events": seen(request, "custody").filter(unit=row).order_by("sequence"),
            "donors": seen(request, "unit_donors").filter(unit=row),
            "holds": _holds_on(request, row),
            "excursions": seen(request, "excursion_units").filter(unit=row).order_by("pk"),
            "deviations": seen(request, "deviations").filter(unit=row).order_by("-found_on"),
            "decision": None if row.is_released else decision(request, pk),
        },
    )


def _holds_on(request: HttpRequest, row: Any) -> Any:
    """The holds on a unit, on its batch and on its donors."""
    donors = seen(request, "unit_donors").filter(unit=row).values("donor")
    on_it = Q(unit=row) | Q(donor__in=donors)
    if row.batch_id:
        on_it |= Q(batch=row.batch_id)
    return seen(request, "holds").filter(on_it).order_by("-placed_on")


def decision(request: HttpRequest, pk: str) -> Any:
    """Return the decision on a unit as far as it can be told before the second person signs."""
    return material.decision_on(pk, on=today(), released_by=request.user.get_username(), signed_by=None)


def verify_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """The checks of one unit."""
    row = one(request, "units", pk)
    back = reverse("unit", args=[pk])

    def save(values: dict[str, Any]) -> str:
        material.verify_unit(by=request.user, unit=pk, **values)
        return back

    words = {True: "yes", False: "no", None: ""}
    return form_page(
        request,
        made.make_form("units", (*CHECKS, "supplier_lot")),
        title=f"Checks of unit {pk}",
        button="Record checks",
        done="Checks recorded.",
        back=back,
        save=save,
        initial={name: words[getattr(row, name)] for name in CHECKS} | {"supplier_lot": row.supplier_lot},
    )


def release(request: HttpRequest, pk: str) -> HttpResponse:
    """The release of a unit: every criterion, and the second person's signature."""
    one(request, "units", pk)
    back = reverse("unit", args=[pk])

    def save(values: dict[str, Any]) -> str:
        signer = authenticate(request, username=values["signer"], password=values["password"])
        if signer is None:
            raise RefusedError(
                "the signature was not accepted", do="check name and password of the second person"
            )
        material.release_unit(by=request.user, unit=pk, signer=signer, on=today())
        return back

    return form_page(
        request,
        made.ReleaseForm,
        title=f"Release unit {pk}",
        button="Sign and release",
        done="Unit released.",
        back=back,
        save=save,
        template="registry/release.html",
        decision=decision(request, pk),
    )


def place_hold(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """A hold on a unit, a batch or all material of a donor."""
    one(request, table, pk)
    what = {"units": "unit", "donors": "donor", "batches": "batch"}[table]
    back = reverse(what, args=[pk])

    def save(values: dict[str, Any]) -> str:
        custody.place_hold(
            by=request.user,
            kind=values["kind"],
            on=today(),
            at=timezone.now(),
            note=values["reason"],
            reason=values["reason"],
            **{what: pk},
        )
        return back

    return form_page(
        request,
        made.make_form("holds", ("kind",), needs_reason=True),
        title=f"Hold {what} {pk}",
        button="Place hold",
        done="Hold placed.",
        back=back,
        save=save,
    )


def lift_hold(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of a hold."""
    row = one(request, "holds", pk)
    held = {"unit": row.unit_id, "batch": row.batch_id, "donor": row.donor_id}
    page, key = next((page, key) for page, key in held.items() if key)
    back = reverse(page, args=[key])

    def save(values: dict[str, Any]) -> str:
        custody.lift_hold(by=request.user, hold=pk, at=timezone.now(), on=today(), reason=values["reason"])
        return back

    form = made.make_form("holds", (), needs_reason=True)
    return form_page(
        request, form, title="Lift hold", button="Lift hold", done="Hold lifted.", back=back, save=save
    )


def handle_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """Something happened to a unit."""
    one(request, "units", pk)
    back = reverse("unit", args=[pk])
    events = [(event, event.replace("_", " ")) for event in custody.HANDLED]
    more = made.with_choices("event", events, words="What happened")

    def save(values: dict[str, Any]) -> str:
        custody.handle_unit(
            by=request.user,
            unit=pk,
            on=values["occurred_on"],
            event=values["event"],
            note=values["reason"],
            reason=values["reason"],
        )
        return back

    form = made.make_form(
        "custody", ("occurred_on",), required=("occurred_on",), more=more, needs_reason=True
    )
    return form_page(
        request,
        form,
        title=f"Custody of unit {pk}",
        button="Record",
        done="Recorded.",
        back=back,
        save=save,
        initial={"occurred_on": today()},
    )


def correct_event(request: HttpRequest, pk: str) -> HttpResponse:
    """Take back the last event of a unit."""
    row = one(request, "custody", pk)
    back = reverse("unit", args=[row.unit_id])

    def save(values: dict[str, Any]) -> str:
        custody.correct_event(by=request.user, event=pk, on=today(), reason=values["reason"])
        return back

    form = made.make_form("custody", (), needs_reason=True)
    title = f"Take back “{row.event.replace('_', ' ')}” of unit {row.unit_id}"
    return form_page(request, form, title=title, button="Take back", done="Taken back.", back=back, save=save)
