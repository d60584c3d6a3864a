"""Freezers and what stands in them: the map, the boxes, readings, excursions and what quality decides."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from commensal.bank.boxes import Position, read_position
from commensal.registry import forms as made
from commensal.registry.actions import bench, storage
from commensal.registry.scope import seen
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.batches import several
from commensal.registry.views.pages import form_page, one, today

EQUIPMENT = ("kind", "name", "serial", "calibration_due_on", "warmest_celsius")
READINGS_SHOWN = 20


def equipment_page(request: HttpRequest, pk: str) -> HttpResponse:
    """One piece of equipment; of a freezer its places, its readings and its excursions."""
    row = one(request, "equipment", pk)
    places = list(seen(request, "places").filter(equipment=row).order_by("name", "pk"))
    standing = seen(request, "placements").filter(box__equipment=row, until_at__isnull=True)
    n_in: dict[str, int] = {}
    for box in standing.values_list("box_id", flat=True):
        n_in[box] = n_in.get(box, 0) + 1
    return render(
        request,
        "registry/equipment.html",
        {
            "piece": row,
            "is_cold": row.kind in storage.COLD,
            "places": _as_tree(places, n_in),
            "readings": seen(request, "temperatures")
            .filter(equipment=row)
            .order_by("-read_at")[:READINGS_SHOWN],
            "excursions": seen(request, "excursions").filter(equipment=row).order_by("-began_at"),
            "today": today(),
        },
    )


def _as_tree(places: list[Any], n_in: dict[str, int], parent: str | None = None, depth: int = 0) -> list[Any]:
    """The places in the order in which they stand in each other, with depth and what a box holds."""
    found: list[Any] = []
    for place in (p for p in places if p.parent_id == parent):
        size = (place.n_rows or 0) * (place.n_columns or 0)
        found.append({"row": place, "depth": depth, "n_in": n_in.get(place.pk, 0), "size": size})
        found += _as_tree(places, n_in, place.pk, depth + 1)
    return found


def add_equipment(request: HttpRequest) -> HttpResponse:
    """A new piece of equipment."""
    form = made.make_form("equipment", EQUIPMENT, required=("name",), more=sites_choice(request))
    return form_page(
        request,
        form,
        title=_("New equipment"),
        button=_("Add equipment"),
        done=_("Equipment added."),
        back=reverse("bench"),
        save=lambda values: reverse("equipment", args=[bench.add_equipment(by=request.user, **values).pk]),
    )


def change_equipment(request: HttpRequest, pk: str) -> HttpResponse:
    """A calibration, another limit, or the end of a piece of equipment."""
    row = one(request, "equipment", pk)
    back = reverse("equipment", args=[pk])
    names = ("name", "serial", "calibration_due_on", "warmest_celsius", "retired_on")

    def save(values: dict[str, Any]) -> str:
        reason = values.pop("reason")
        bench.change_equipment(by=request.user, equipment=pk, reason=reason, **values)
        return back

    return form_page(
        request,
        made.make_form("equipment", names, required=("name",), needs_reason=True),
        title=_("Change %(name)s") % {"name": row.name},
        button=_("Record"),
        done=_("Recorded."),
        back=back,
        save=save,
        initial={name: getattr(row, name) for name in names},
    )


def add_places(request: HttpRequest, pk: str) -> HttpResponse:
    """Shelves, racks or boxes of a freezer."""
    row = one(request, "equipment", pk)
    back = reverse("equipment", args=[pk])
    inside = seen(request, "places").filter(equipment=row).exclude(kind="box").order_by("name")
    more = {
        "parent": forms.ChoiceField(
            label=_("Stands in"),
            choices=[("", row.name), *((p.pk, f"{p.kind} {p.name}") for p in inside)],
            required=False,
        ),
        "names": forms.CharField(
            label=_("Names"), help_text=_("One on each line."), widget=forms.Textarea({"rows": 4})
        ),
    }

    def save(values: dict[str, Any]) -> str:
        storage.add_places(
            by=request.user,
            equipment=pk,
            kind=values["kind"],
            names=values["names"].splitlines(),
            parent=values["parent"] or None,
            n_rows=values["n_rows"],
            n_columns=values["n_columns"],
        )
        return back

    return form_page(
        request,
        made.make_form("places", ("kind", "n_rows", "n_columns"), more=more),
        title=_("Places in %(name)s") % {"name": row.name},
        button=_("Add"),
        done=_("Places added."),
        back=back,
        save=save,
        initial={"kind": "box", "n_rows": 9, "n_columns": 9},
        before=_("Add shelves first, then racks, then boxes. Rows and columns are of boxes alone."),
    )


def box(request: HttpRequest, pk: str) -> HttpResponse:
    """One box: its grid, and the field into which units and samples are scanned."""
    row = one(request, "places", pk)
    here = reverse("place", args=[pk])

    def save(values: dict[str, Any]) -> str:
        where = values["position"]
        storage.place(
            by=request.user,
            box=pk,
            code=code_in(values["code"]),
            position=read_position(where) if where else None,
            at=timezone.now(),
            on=today(),
        )
        return here

    return form_page(
        request,
        _scan_form(),
        title=row.name,
        button=_("Put here"),
        done=_("Placed."),
        back=reverse("equipment", args=[row.equipment_id]),
        save=save,
        template="registry/box.html",
        box=row,
        rows=_grid(request, row),
    )


def _scan_form() -> type[made.Form]:
    more = {
        "code": forms.CharField(
            label=_("Scan a unit or a sample"),
            widget=forms.TextInput({"autofocus": True, "spellcheck": "false"}),
        ),
        "position": forms.CharField(
            label=_("Position"), help_text=_("Such as B7; empty is the first free one."), required=False
        ),
    }
    return made.make_form("places", (), more=more)


def code_in(scanned: str) -> str:
    """Return the id in what a scanner read: the id itself, or the last part of an address."""
    return scanned.strip().rstrip("/").rsplit("/", 1)[-1]


def _grid(request: HttpRequest, row: Any) -> list[Any]:
    """The positions of a box, row by row, each with what stands there."""
    stays = seen(request, "placements").filter(box=row, until_at__isnull=True).select_related("unit")
    taken = {(stay.box_row, stay.box_column): stay for stay in stays}
    held = set(
        seen(request, "holds")
        .filter(unit__in=stays.values("unit"), lifted_on__isnull=True)
        .values_list("unit_id", flat=True)
    )
    columns = range(1, (row.n_columns or 0) + 1)
    return [
        [
            {
                "position": Position(line, column),
                "stay": (stay := taken.get((line, column))),
                "is_held": stay is not None and stay.unit_id in held,
            }
            for column in columns
        ]
        for line in range(1, (row.n_rows or 0) + 1)
    ]


def place_unit(request: HttpRequest, pk: str) -> HttpResponse:
    """A position for a unit: scanned from the box's label, or chosen."""
    row = one(request, "units", pk)
    back = reverse("unit", args=[pk])
    boxes = (
        seen(request, "places").filter(kind="box", equipment__site=row.site_id).select_related("equipment")
    )
    choices = [(b.pk, f"{b.equipment.name} / {b.name}") for b in boxes.order_by("equipment__name", "name")]
    more = {
        **made.with_choices("box", choices, words=_("Box")),
        "position": forms.CharField(
            label=_("Position"), help_text=_("Such as B7; empty is the first free one."), required=False
        ),
    }

    def save(values: dict[str, Any]) -> str:
        where = values["position"]
        storage.place(
            by=request.user,
            box=values["box"],
            code=pk,
            position=read_position(where) if where else None,
            at=timezone.now(),
            on=today(),
        )
        return back

    return form_page(
        request,
        made.make_form("places", (), more=more),
        title=_("Position of unit %(unit)s") % {"unit": pk},
        button=_("Put there"),
        done=_("Placed."),
        back=back,
        save=save,
    )


def record_temperature(request: HttpRequest, pk: str) -> HttpResponse:
    """A reading of a freezer; too warm a one holds what is inside."""
    row = one(request, "equipment", pk)
    back = reverse("equipment", args=[pk])

    def save(values: dict[str, Any]) -> str:
        found = storage.record_temperature(
            by=request.user,
            equipment=pk,
            celsius=values["celsius"],
            at=values["read_at"],
            on=today(),
        )
        return reverse("excursion", args=[found.pk]) if found is not None else back

    return form_page(
        request,
        made.make_form("temperatures", ("celsius", "read_at"), required=("read_at",)),
        title=_("Temperature of %(name)s") % {"name": row.name},
        button=_("Record"),
        done=_("Reading recorded."),
        back=back,
        save=save,
        initial={"read_at": timezone.localtime()},
        before=_("A reading above the limit puts every unit inside on hold at once."),
    )


def record_excursion(request: HttpRequest, pk: str) -> HttpResponse:
    """A time in which a freezer was too warm: everything inside is held at once."""
    row = one(request, "equipment", pk)
    names = ("began_at", "ended_at", "peak_celsius", "account")
    n_unplaced = storage.unplaced_units(row.site_id).count()
    more = {}
    if n_unplaced:
        words = _("Hold also the %(n)d units in stock whose position is not recorded") % {"n": n_unplaced}
        more = made.with_choices(
            "unplaced", [("yes", _("yes")), ("no", _("no, they stand elsewhere"))], words=words
        )

    def save(values: dict[str, Any]) -> str:
        found = storage.record_excursion(
            by=request.user,
            equipment=pk,
            at=timezone.now(),
            on=today(),
            is_unplaced_held=values.pop("unplaced", "no") == "yes",
            **values,
        )
        return reverse("excursion", args=[found.pk])

    return form_page(
        request,
        made.make_form("excursions", names, required=("began_at", "account"), more=more),
        title=_("Temperature excursion of %(name)s") % {"name": row.name},
        button=_("Record and hold"),
        done=_("Recorded; the units are on hold."),
        back=reverse("equipment", args=[pk]),
        save=save,
        before=_("Every unit that stood in it at any time between start and end is held at once."),
    )


def excursion(request: HttpRequest, pk: str) -> HttpResponse:
    """One excursion: the units it may have warmed and what was decided on each."""
    row = one(request, "excursions", pk)
    entries = seen(request, "excursion_units").filter(excursion=row).select_related("unit").order_by("unit")
    return render(
        request,
        "registry/excursion.html",
        {
            "excursion": row,
            "entries": entries,
            "n_open": entries.filter(disposition__isnull=True).count(),
            "samples": seen(request, "placements")
            .filter(box__equipment=row.equipment, sample__isnull=False, until_at__isnull=True)
            .count(),
        },
    )


def end_excursion(request: HttpRequest, pk: str) -> HttpResponse:
    """The end of an excursion."""
    one(request, "excursions", pk)
    back = reverse("excursion", args=[pk])

    def save(values: dict[str, Any]) -> str:
        storage.end_excursion(by=request.user, excursion=pk, **values)
        return back

    return form_page(
        request,
        made.make_form("excursions", ("ended_at", "peak_celsius"), required=("ended_at",)),
        title=_("End of excursion %(excursion)s") % {"excursion": pk},
        button=_("Record"),
        done=_("Recorded."),
        back=back,
        save=save,
    )


def decide_excursion(request: HttpRequest, pk: str) -> HttpResponse:
    """What quality decides on the units of an excursion."""
    row = one(request, "excursions", pk)
    back = reverse("excursion", args=[pk])
    entries = seen(request, "excursion_units").filter(excursion=row, disposition__isnull=True)
    units = [entry.unit_id for entry in entries.order_by("unit")]
    more = {"units": several(_("Units"), [(unit, unit) for unit in units])}

    def save(values: dict[str, Any]) -> str:
        storage.decide_excursion(
            by=request.user,
            excursion=pk,
            units=values["units"],
            disposition=values["disposition"],
            rationale=values["reason"],
            reason=values["reason"],
            at=timezone.now(),
            on=today(),
        )
        return back

    form = made.make_form(
        "excursion_units", ("disposition",), required=("disposition",), more=more, needs_reason=True
    )
    return form_page(
        request,
        form,
        title=_("Decide on the units of excursion %(excursion)s") % {"excursion": pk},
        button=_("Record decision"),
        done=_("Decision recorded."),
        back=back,
        save=save,
        initial={"units": units},
        before=_("Usable lifts the hold. Discard keeps it; the laboratory then destroys the unit."),
    )
