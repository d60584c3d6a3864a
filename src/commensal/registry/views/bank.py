"""The bank desk: donors, screening, donations, units, release, holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from commensal.errors import RefusedError
from commensal.registry import forms as made
from commensal.registry.actions import custody, material
from commensal.registry.scope import seen
from commensal.registry.views.pages import form_page, one, today

DONOR = ("donor_id", "site_id", "kind", "sex", "born_on", "bmi", "enrolled_on", "cmv_igg", "ebv_igg")
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
        save=lambda values: reverse("donor", args=[material.add_donor(by=request.user, **values).pk]),
    )


def donor(request: HttpRequest, pk: str) -> HttpResponse:
    """One donor: where the screening stands, what was given."""
    row = one(request, "donors", pk)
    laboratory, answers = material.donor_screen(row, on=today())
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


def add_consent(request: HttpRequest, pk: str) -> HttpResponse:
    """A donor's consent."""
    one(request, "donors", pk)
    form = made.make_form("consents", ("signed_on", "version", "language"), required=("signed_on",))
    back = reverse("donor", args=[pk])

    def save(values: dict[str, Any]) -> str:
        material.add_donor_consent(by=request.user, donor=pk, **values)
        return back

    title = f"Consent of donor {pk}"
    return form_page(
        request, form, title=title, button="Record consent", done="Consent recorded.", back=back, save=save
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
        material.record_results(
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
        material.record_results(
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
        material.resolve_result(by=request.user, result=pk, reason=values["reason"])
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
        material.set_donor_status(by=request.user, donor=pk, on=today(), **values)
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
    return render(
        request,
        "registry/unit.html",
        {
            "unit": row,
            "hold": custody.hold_of(row, on=today()),
            "events": seen(request, "custody").filter(unit=row).order_by("sequence"),
            "donors": seen(request, "unit_donors").filter(unit=row),
            "holds": seen(request, "holds").filter(unit=row).order_by("-placed_on"),
            "decision": None if row.is_released else decision(request, pk),
        },
    )


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
        made.make_form("units", (*CHECKS, "supplier_lot", "freezer_position")),
        title=f"Checks of unit {pk}",
        button="Record checks",
        done="Checks recorded.",
        back=back,
        save=save,
        initial={name: words[getattr(row, name)] for name in CHECKS}
        | {"supplier_lot": row.supplier_lot, "freezer_position": row.freezer_position},
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
    """A hold on a unit or on all material of a donor."""
    one(request, table, pk)
    what = {"units": "unit", "donors": "donor"}[table]
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
    back = reverse("unit", args=[row.unit_id]) if row.unit_id else reverse("donor", args=[row.donor_id])

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
        custody.handle_unit(by=request.user, unit=pk, on=values["occurred_on"], event=values["event"])
        return back

    form = made.make_form("custody", ("occurred_on",), required=("occurred_on",), more=more)
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
