"""Batches: what went in, how they were made, their record on paper, the samples kept of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from commensal.registry import forms as made
from commensal.registry.actions import bench, material
from commensal.registry.batch_record import BatchRecord, batch_pdf
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one, page_of, today

BATCH = ("diluent", "glycerol_percent", "atmosphere", "frozen_at", "cfu_per_unit", "is_quality_passed")
PROCESSING = ("started_at", "ended_at", "temperature_celsius", "departures")
UNIT = ("release_pathway", "dose_grams", "volume_millilitres", "n_capsules", "expires_on")
MASS = "mass-"
OFFERED = 40


def batches(request: HttpRequest) -> HttpResponse:
    """The batches, newest first."""
    page = page_of(request, seen(request, "batches"))
    return render(request, "registry/batches.html", page)


def add_batch(request: HttpRequest) -> HttpResponse:
    """A new batch of one or several donations."""
    chosen = request.GET.get("donation")
    offered = _offered(request, chosen)
    left = bench.left_of(offered)
    life = material.profile_on(today()).shelf_life

    def save(values: dict[str, Any]) -> str:
        row = bench.make_batch(
            by=request.user,
            site_id=values["site_id"],
            donations={d.pk: values[MASS + d.pk] for d in offered if values[MASS + d.pk] is not None},
            n_units=values["n_units"],
            batch={name: values[name] for name in BATCH}
            | {"product": values["product"], "produced_on": values["produced_on"]}
            | {"processed_at": values["ended_at"]},
            unit={name: values[name] for name in (*UNIT, "product", "produced_on")},
            processing={name: values[name] for name in PROCESSING},
            lots=values["lots"],
            equipment=values["equipment"],
            is_frozen=values["frozen_at"] is not None,
        )
        return reverse("batch", args=[row.pk])

    return form_page(
        request,
        _batch_form(request, offered, left),
        title=_("New batch"),
        button=_("Make batch"),
        done=_("Batch made; its units stay in quarantine until they are released."),
        back=reverse("batches"),
        save=save,
        template="registry/new_batch.html",
        offered=[{"row": d, "left": left[d.pk]} for d in offered],
        initial={
            "n_units": 1,
            "release_pathway": "bookend",
            "produced_on": today(),
            "expires_on": today() + timedelta(days=life.days) if life else None,
            **({MASS + chosen: left.get(chosen)} if chosen else {}),
        },
    )


def _offered(request: HttpRequest, chosen: str | None) -> list[Any]:
    """The accepted donations no unit was made of, latest first, and the one that was asked for."""
    accepted = seen(request, "donations").filter(is_accepted=True).select_related("donor")
    used = seen(request, "unit_donors").filter(donation__isnull=False).values("donation")
    rows = accepted.filter(Q(pk=chosen) | ~Q(pk__in=used))
    return list(rows.order_by("-donated_on", "-pk")[:OFFERED])


def _batch_form(request: HttpRequest, offered: list[Any], left: dict[str, float | None]) -> type[made.Form]:
    masses = {
        MASS + d.pk: forms.FloatField(
            label=_("Grams of %(donation)s") % {"donation": d.pk},
            min_value=0.1,
            max_value=left[d.pk],
            required=False,
            widget=forms.NumberInput({"step": "any"}),
        )
        for d in offered
    }
    on = today()
    lots = seen(request, "consumable_lots").filter(used_up_on__isnull=True, expires_on__gte=on)
    pieces = seen(request, "equipment").filter(retired_on__isnull=True).order_by("kind", "name")
    more = {
        **masses,
        **sites_choice(request),
        **made.make_form(
            "batches", ("product", "produced_on"), required=("product", "produced_on")
        ).base_fields,
        "n_units": forms.IntegerField(label=_("Number of units"), min_value=1, max_value=bench.MOST_UNITS),
        **made.make_form("units", UNIT, required=("expires_on",)).base_fields,
        **made.make_form("processings", PROCESSING).base_fields,
        **made.make_form("batches", BATCH).base_fields,
        "lots": several(
            _("Consumables used"),
            [(row.pk, f"{row.item}: {row.lot}, {row.expires_on:%Y-%m-%d}") for row in lots.order_by("item")],
        ),
        "equipment": several(_("Equipment used"), [(row.pk, row.name) for row in pieces]),
    }
    return made.make_form("batches", (), more=more)


def several(words: str, choices: list[tuple[str, str]]) -> forms.Field:
    """Return a choice of none, one or several rows."""
    return forms.MultipleChoiceField(
        label=words, choices=choices, required=False, widget=forms.CheckboxSelectMultiple
    )


def batch(request: HttpRequest, pk: str) -> HttpResponse:
    """One batch: its record, its units, its samples."""
    row = one(request, "batches", pk)
    units = seen(request, "units").filter(batch=row).order_by("pk")
    return render(
        request,
        "registry/batch.html",
        {
            "batch": row,
            "record": record_of(request, row),
            "units": units,
            "samples": seen(request, "retention_samples").filter(batch=row).order_by("pk"),
            "deviations": seen(request, "deviations").filter(batch=row).order_by("-found_on"),
        },
    )


def record_of(request: HttpRequest, row: Any) -> BatchRecord:
    """Return the record of a batch from the rows a person may see."""
    units = seen(request, "units").filter(batch=row)
    return BatchRecord(
        batch=row,
        processing=seen(request, "processings").filter(batch=row).first(),
        parts=list(seen(request, "batch_donations").filter(batch=row).select_related("donation")),
        shares=dict(
            seen(request, "unit_donors").filter(unit__in=units[:1]).values_list("donation_id", "share")
        ),
        lots=[use.lot for use in seen(request, "batch_lots").filter(batch=row).select_related("lot")],
        equipment=[
            use.equipment
            for use in seen(request, "batch_equipment").filter(batch=row).select_related("equipment")
        ],
        units=list(units.order_by("pk")),
        samples=list(seen(request, "retention_samples").filter(batch=row).order_by("pk")),
    )


def batch_record(request: HttpRequest, pk: str) -> HttpResponse:
    """The record of a batch as a PDF document."""
    row = one(request, "batches", pk)
    answer = HttpResponse(batch_pdf(record_of(request, row), on=today()), content_type="application/pdf")
    answer["Content-Disposition"] = f'inline; filename="batch-{row.pk}.pdf"'
    return answer


def keep_sample(request: HttpRequest, pk: str) -> HttpResponse:
    """A retention sample of a batch."""
    row = one(request, "batches", pk)
    back = reverse("batch", args=[pk])
    parts = seen(request, "batch_donations").filter(batch=row).values_list("donation_id", flat=True)
    donation = forms.ChoiceField(
        label=_("Donation"),
        help_text=_("For a sample of raw stool."),
        choices=[("", "—"), *((d, d) for d in parts)],
        required=False,
    )
    names = ("kind", "volume_millilitres", "taken_on", "keep_until_on")
    form = made.make_form("retention_samples", names, required=("taken_on",), more={"donation": donation})

    def save(values: dict[str, Any]) -> str:
        values["donation"] = values["donation"] or None
        bench.keep_sample(by=request.user, batch=pk, **values)
        return back

    return form_page(
        request,
        form,
        title=_("Retention sample of batch %(batch)s") % {"batch": pk},
        button=_("Record sample"),
        done=_("Sample recorded. Scan it into a box to give it a position."),
        back=back,
        save=save,
        initial={"kind": "product", "taken_on": row.produced_on, "volume_millilitres": 2},
        before=_("Without a day it is kept until two years after the last unit of the batch expires."),
    )


def use_sample(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of a retention sample."""
    row = one(request, "retention_samples", pk)
    back = reverse("batch", args=[row.batch_id])

    def save(values: dict[str, Any]) -> str:
        bench.use_sample(
            by=request.user,
            sample=pk,
            fate=values["fate"],
            on=values["gone_on"],
            note=values["reason"],
            reason=values["reason"],
        )
        return back

    form = made.make_form(
        "retention_samples", ("fate", "gone_on"), required=("fate", "gone_on"), needs_reason=True
    )
    return form_page(
        request,
        form,
        title=_("End of retention sample %(sample)s") % {"sample": pk},
        button=_("Record"),
        done=_("Recorded."),
        back=back,
        save=save,
        initial={"gone_on": today()},
    )
