"""Data in and out: files laid before the registry, their mappings, what they would do; exports; tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from commensal.errors import CommensalError
from commensal.formats.doors import parse_mapping
from commensal.formats.mapping_text import mapping_text
from commensal.registry.actions import interchange
from commensal.registry.comparing import IMPORTED, Comparison
from commensal.registry.forms import Form, reason_field
from commensal.registry.mapping_forms import table_form
from commensal.registry.scope import seen
from commensal.registry.staged import MAX_BYTES
from commensal.registry.views.bank import sites_choice
from commensal.registry.views.pages import form_page, one
from commensal.study.inputs import INPUTS

FORMATS = (
    ("table", gettext_lazy("Spreadsheet: xlsx, ods, CSV or TSV")),
    ("redcap", gettext_lazy("REDCap project: zip of dictionary and data, or the data alone")),
    ("fhir", gettext_lazy("FHIR R4 bundle (JSON)")),
    ("odm", gettext_lazy("CDISC ODM (XML)")),
)
ENCODINGS = (
    ("", gettext_lazy("UTF-8, or a workbook")),
    ("utf-16", "UTF-16"),
    ("gb18030", "GB 18030"),
    ("cp1252", "Windows 1252"),
    ("latin-1", "Latin 1"),
)
IDS = (
    ("own", gettext_lazy("the file's own ids; new people get ids here")),
    ("registry", gettext_lazy("ids of this registry; nobody new is entered")),
)
SHOWN, EXAMPLES, LATELY = 200, 3, 50


def exchange(request: HttpRequest) -> HttpResponse:
    """What came in lately and the ways in and out."""
    rows = seen(request, "uploads").order_by("-uploaded_at")[:LATELY]
    mappings = seen(request, "mappings").order_by("name")
    return render(request, "registry/exchange.html", {"rows": rows, "mappings": mappings})


def bring_in(request: HttpRequest) -> HttpResponse:
    """Lay a file before the registry."""
    saved = {m.pk: m for m in seen(request, "mappings").order_by("name")}
    choices = [("", _("none yet")), *((pk, m.name) for pk, m in saved.items())]
    fields = {
        "file": forms.FileField(
            label=_("File"),
            help_text=_("At most %(n)d MB. Nothing is imported yet: you look at every row first.")
            % {"n": MAX_BYTES // 1_000_000},
        ),
        "format_name": forms.ChoiceField(label=_("Kind of file"), choices=FORMATS),
        "source": forms.CharField(
            label=_("Name of the source"),
            help_text=_("The same name for the next file of this source: its rows are then told again."),
            max_length=80,
        ),
        "people": forms.ChoiceField(
            label=_("People are named by"), choices=IDS, widget=forms.RadioSelect, initial="own"
        ),
        "saved": forms.ChoiceField(label=_("Saved mapping"), choices=choices, required=False),
        "encoding": forms.ChoiceField(label=_("Text encoding"), choices=ENCODINGS, required=False),
        "sheet": forms.CharField(
            label=_("Sheet of the workbook"), help_text=_("Empty: the first."), required=False
        ),
    }
    form = type("UploadForm", (Form,), {**sites_choice(request), **fields})

    def save(values: dict[str, Any]) -> str:
        chosen = saved.get(values["saved"])
        how = {k: values[k] for k in ("encoding", "sheet") if values[k]}
        row = interchange.lay_before(
            by=request.user,
            site=values["site_id"],
            content=values["file"].read(),
            file_name=values["file"].name,
            format_name=values["format_name"],
            source=values["source"],
            has_registry_ids=values["people"] == "registry",
            mapping=chosen.content if chosen else mapping_text(how) if how else None,
        )
        return reverse(
            "upload" if chosen or values["format_name"] != "table" else "map-upload", args=[row.pk]
        )

    return form_page(
        request,
        form,
        title=_("Bring in a file"),
        button=_("Look at it"),
        done=_("The file is laid before the registry; nothing is imported yet."),
        back=reverse("exchange"),
        save=save,
    )


def upload(request: HttpRequest, pk: str) -> HttpResponse:
    """What a file would do, row by row; then the import of all of it."""
    row = one(request, "uploads", pk)
    if row.stage != "laid_before":
        return render(request, "registry/upload.html", {"upload": row})
    try:
        found = interchange.dry_run(by=request.user, upload=row.pk)
    except CommensalError as error:
        return render(request, "registry/upload.html", {"upload": row, "unreadable": error}, status=200)
    form = type("ImportForm", (Form,), {"reason": reason_field()})(request.POST or None)
    refusal = ""
    if request.method == "POST" and form.is_valid():
        try:
            interchange.apply_upload(
                by=request.user,
                upload=row.pk,
                digest=request.POST.get("digest", ""),
                reason=form.cleaned_data["reason"],
            )
        except CommensalError as error:
            refusal = str(error)
        else:
            messages.success(request, _("Imported."))
            return redirect(request.path)
    shown = {"upload": row, "found": found, "form": form, "refusal": refusal, **_shown(found)}
    return render(request, "registry/upload.html", shown, status=422 if form.is_bound else 200)


def _shown(found: Comparison) -> dict[str, Any]:
    """The dry run for the page: refusals first, then changes, then additions, each up to a limit."""
    refused = [
        {"place": p.row, "table": p.table, "column": p.column, "value": p.value, "reason": p.message,
         "severity": p.severity}
        for p in found.problems
    ]  # fmt: skip
    refused += [
        {"place": s.place, "table": s.table, "column": r.column, "value": r.value, "reason": r.reason,
         "severity": "error"}
        for s in found.steps
        for r in s.refusals
    ]  # fmt: skip
    refused.sort(key=lambda r: ("safety", "error", "warning").index(r["severity"]))
    changes = [
        {"step": s, "cells": [(name, _plain(old), _plain(new)) for name, old, new in s.cells]}
        for s in found.steps
        if s.verdict == "change"
    ]
    added = [s for s in found.steps if s.verdict == "add"]
    return {
        "refused": refused[:SHOWN],
        "n_refused_lines": len(refused),
        "changes": changes[:SHOWN],
        "n_changes": len(changes),
        "added": [
            {"step": s, "said": [(n.replace("_", " "), _plain(v)) for n, v in s.values.items()]}
            for s in added[:SHOWN]
        ],
        "n_added": len(added),
        "counts": sorted(found.counts.items()),
        "limit": SHOWN,
    }


def _plain(value: Any) -> str:
    """A value as it is written in a file; empty where it is not known."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return "" if value is None else str(value)


def discard(request: HttpRequest, pk: str) -> HttpResponse:
    """Discard a file that was laid before the registry."""
    row = one(request, "uploads", pk)
    interchange.discard_upload(by=request.user, upload=row.pk)
    messages.success(request, _("The file was discarded."))
    return redirect("exchange")


def map_upload(request: HttpRequest, pk: str) -> HttpResponse:
    """The columns of a file, and the tables they are mapped to."""
    row = one(request, "uploads", pk)
    try:
        sheet = interchange.peek_upload(row)
    except CommensalError as error:
        return render(request, "registry/upload.html", {"upload": row, "unreadable": error})
    said = _said(row.mapping)
    fields = {
        "mapping": forms.CharField(
            label=_("Mapping file"), widget=forms.Textarea({"rows": 16, "spellcheck": "false"})
        ),
        "name": forms.CharField(
            label=_("Save it as"),
            required=False,
            max_length=80,
            help_text=_("Empty: used for this file alone."),
        ),
    }

    def save(values: dict[str, Any]) -> str:
        interchange.map_upload(by=request.user, upload=row.pk, mapping=values["mapping"])
        if values["name"]:
            interchange.save_mapping(
                by=request.user, site=row.site_id, name=values["name"], content=values["mapping"]
            )
        return reverse("upload", args=[row.pk])

    mapped = [t.get("table") for t in said.get("tables", ())]
    columns = [
        {"name": name, "examples": list(dict.fromkeys(c for c in cells if c is not None))[:EXAMPLES]}
        for name, cells in sheet.columns.items()
    ]
    return form_page(
        request,
        type("MappingForm", (Form,), fields),
        title=_("Columns of %(file)s") % {"file": row.file_name},
        button=_("Look at the rows"),
        done=_("Mapping kept."),
        back=reverse("exchange"),
        save=save,
        initial={"mapping": row.mapping or ""},
        template="registry/mapping.html",
        upload=row,
        columns=columns,
        n_rows=sheet.n_rows,
        mapped=mapped,
        tables=[(name, INPUTS[name].row) for name in IMPORTED if name not in mapped],
    )


def _said(mapping: str | None) -> dict[str, Any]:
    return dict(parse_mapping(mapping, name="the mapping")) if mapping else {}


def map_table(request: HttpRequest, pk: str, table: str) -> HttpResponse:
    """Where the columns of one table are found in the file."""
    row = one(request, "uploads", pk)
    if table not in IMPORTED:
        raise Http404(table)
    said = _said(row.mapping)
    before = next((t for t in said.get("tables", ()) if t.get("table") == table), None)
    sheet = interchange.peek_upload(row)

    def save(values: dict[str, Any]) -> str:
        interchange.map_upload(
            by=request.user, upload=row.pk, mapping=mapping_text(_with(said, values["made"]))
        )
        return reverse("map-upload", args=[row.pk])

    made = table_form(INPUTS[table], sheet, before=before, given=request.POST)
    form = made(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect(save({"made": form.mapping()}))
        except CommensalError as error:
            form.add_error(None, str(error))
    shown = {
        "form": form,
        "table": table,
        "row": INPUTS[table].row,
        "upload": row,
        "blocks": form.blocks(),
        "title": _("Columns of %(table)s") % {"table": table.replace("_", " ")},
    }
    return render(request, "registry/mapping_table.html", shown, status=422 if form.is_bound else 200)


def _with(said: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with one table's part put in place of the former."""
    others = [t for t in said.get("tables", ()) if t.get("table") != made["table"]]
    order = {name: i for i, name in enumerate(IMPORTED)}
    tables = sorted([*others, made], key=lambda t: order.get(str(t.get("table")), 99))
    return {**said, "tables": tables}
