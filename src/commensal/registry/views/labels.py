"""Labels on paper, and what a scanner reads back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from commensal.bank.boxes import all_positions
from commensal.registry.forms import Form
from commensal.registry.labels import SHEETS, Label, label_sheets, unit_label
from commensal.registry.scope import seen
from commensal.registry.views.pages import one
from commensal.registry.views.storage import code_in

MOST_LABELS = 1000
PAGES = {
    "units": "unit",
    "batches": "batch",
    "places": "place",
    "donors": "donor",
    "patients": "patient",
    "equipment": "equipment",
    "excursions": "excursion",
    "deviations": "deviation",
}
"""Tables whose rows carry an id that can be scanned, and the page of a row."""


class LabelForm(Form):
    """Which sheet, and how much of it is used."""

    sheet = forms.ChoiceField(label="Sheet", choices=[(key, sheet.title) for key, sheet in SHEETS.items()])
    n_used = forms.IntegerField(
        label="Labels already used on the first sheet", min_value=0, max_value=64, initial=0
    )


def labels(request: HttpRequest) -> HttpResponse:
    """Labels of a unit, of a batch's units and samples, or of a box and its positions, as a PDF document."""
    form = LabelForm(request.GET if "sheet" in request.GET else None, initial={"n_used": 0})
    title, found = _wanted(request)
    if form.is_valid():
        made = label_sheets(found, sheet=form.cleaned_data["sheet"], n_used=form.cleaned_data["n_used"])
        answer = HttpResponse(made, content_type="application/pdf")
        answer["Content-Disposition"] = 'inline; filename="labels.pdf"'
        return answer
    asked = [(name, request.GET[name]) for name in ("unit", "batch", "box") if request.GET.get(name)]
    shown = {"form": form, "title": title, "n_labels": len(found), "asked": asked}
    return render(request, "registry/labels.html", shown)


def _wanted(request: HttpRequest) -> tuple[str, list[Label]]:
    """What the labels are of, and the labels."""
    if pk := request.GET.get("unit"):
        return _("Label of unit %(unit)s") % {"unit": pk}, _of_units(request, [one(request, "units", pk)])
    if pk := request.GET.get("batch"):
        row = one(request, "batches", pk)
        units = seen(request, "units").filter(batch=row).order_by("pk")[:MOST_LABELS]
        samples = seen(request, "retention_samples").filter(batch=row, gone_on__isnull=True).order_by("pk")
        found = [*_of_units(request, units), *(_of_sample(request, sample) for sample in samples)]
        return _("Labels of batch %(batch)s") % {"batch": pk}, found
    if pk := request.GET.get("box"):
        row = one(request, "places", pk)
        return _("Labels of box %(box)s") % {"box": row.name}, _of_box(request, row)
    raise Http404("labels of nothing")


def _of_units(request: HttpRequest, units: Any) -> list[Label]:
    return [unit_label(unit, address=_address(request, unit.pk)) for unit in units]


def _of_sample(request: HttpRequest, sample: Any) -> Label:
    lines = (
        _("Retention sample of batch %(batch)s") % {"batch": sample.batch_id},
        _("Taken %(day)s") % {"day": sample.taken_on or _("not known")},
        _("Keep until %(day)s") % {"day": sample.keep_until_on or _("not known")},
        _("NOT FOR USE IN PATIENTS"),
    )
    return Label(sample.pk, _address(request, sample.pk), lines)


def _of_box(request: HttpRequest, box: Any) -> list[Label]:
    """The label of a place, and of a box those of its positions."""
    where = f"{box.equipment.name} / {box.name}"
    own = Label(box.pk, _address(request, box.pk), (where, box.kind))
    positions = all_positions(box.n_rows or 0, box.n_columns or 0)
    return [
        own,
        *(
            Label(
                f"{box.pk}-{p}", _address(request, f"{box.pk}-{p}"), (where, _("position %(p)s") % {"p": p})
            )
            for p in positions
        ),
    ]


def _address(request: HttpRequest, code: str) -> str:
    return request.build_absolute_uri(reverse("scanned", args=[code]))


def scan(request: HttpRequest) -> HttpResponse:
    """A field for the scanner: what it reads opens its page."""
    code = code_in(request.GET.get("code", ""))
    if not code:
        return render(request, "registry/scan.html", {})
    target = _page_of(request, code)
    if target is None:
        return render(request, "registry/scan.html", {"code": code}, status=404)
    return redirect(target)


def scanned(request: HttpRequest, code: str) -> HttpResponse:
    """The address in a label's QR code: it opens the page of what the label is on."""
    target = _page_of(request, code)
    if target is None:
        raise Http404(f"nothing at your centres has the code {code}")
    return redirect(target)


def _page_of(request: HttpRequest, code: str) -> str | None:
    """The page of a scanned id: itself, or, of a position, the box it is in."""
    for asked in (code, code.rpartition("-")[0]):
        for table, page in PAGES.items():
            if asked and seen(request, table).filter(pk=asked).exists():
                return reverse(page, args=[asked])
    sample = seen(request, "retention_samples").filter(pk=code).first()
    return reverse("batch", args=[sample.batch_id]) if sample else None
