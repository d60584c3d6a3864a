"""Who looked at whose record: searched by those who oversee the work."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.dateparse import parse_datetime

from commensal.registry.scope import seen
from commensal.registry.views.pages import ROWS


def accesses(request: HttpRequest) -> HttpResponse:
    """The looks and exports at the person's centres, newest first, of an account or of a person."""
    asked = {name: request.GET.get(name, "").strip() for name in ("account", "person", "kind")}
    rows = seen(request, "accesses")
    if asked["account"]:
        rows = rows.filter(actor=asked["account"])
    if asked["person"]:
        rows = rows.filter(Q(patient=asked["person"]) | Q(donor=asked["person"]))
    if asked["kind"]:
        rows = rows.filter(kind=asked["kind"])
    if before := _place(request.GET.get("before", "")):
        at, pk = before
        rows = rows.filter(Q(seen_at__lt=at) | Q(seen_at=at, access_id__lt=pk))
    shown = list(rows.order_by("-seen_at", "-access_id")[: ROWS + 1])
    last = shown[ROWS - 1] if len(shown) > ROWS else None
    context = {
        "rows": shown[:ROWS],
        "asked": asked,
        "kinds": ("page", "export", "vault"),
        "next": f"{last.seen_at.isoformat()}~{last.pk}" if last else None,
    }
    return render(request, "registry/accesses.html", context)


def _place(text: str) -> tuple[Any, str] | None:
    """Return the place in the list after which a page begins; None where there is none or it is no place."""
    when, _, pk = text.partition("~")
    try:
        at = parse_datetime(when)
    except ValueError:
        return None
    return (at, pk) if at is not None and at.tzinfo is not None and "\0" not in pk else None
