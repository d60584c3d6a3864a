"""Looking back: the trace of material and the history of a record."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from commensal.bank import trace
from commensal.registry import audit
from commensal.registry.actions.custody import day_of
from commensal.registry.reached import reached_from
from commensal.registry.scope import colleagues
from commensal.registry.tables import DECLARED
from commensal.registry.tracing import shown_trace
from commensal.registry.views.pages import one, today
from commensal.study.declaration import Kind

STARTS = {"unit": "units", "donor": "donors", "patient": "patients"}
CLASSIFIED = ("donors", "donations", "units", "patients", "sessions", "visits", "screenings", "holds")


def follow(request: HttpRequest) -> HttpResponse:
    """Where material went and where it came from."""
    start = next((name for name in STARTS if request.GET.get(name)), None)
    if start is None:
        return render(request, "registry/trace.html", {"starts": STARTS})
    pk = request.GET[start].strip()
    one(request, STARTS[start], pk)
    sites = request.sites  # type: ignore[attr-defined]
    reached = reached_from(on_day=day_of(today()), sites=sites, **{f"{start}s": [pk]})
    found = trace(reached.study, **{start: pk})
    shown = shown_trace(
        found,
        reached,
        first=_whole(request.GET.get("first")),
        first_other=_whole(request.GET.get("first_other")),
        on_day=day_of(today()),
    )
    return render(request, "registry/trace.html", {"starts": STARTS, "found": shown})


def _whole(typed: str | None) -> int:
    """The row a list starts at; what is no number starts it at the top."""
    return int(typed) if typed and typed.isascii() and typed.isdigit() and len(typed) < 8 else 0


def history(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """Who changed a record, when, why and what."""
    if table not in CLASSIFIED:
        raise Http404(table)
    one(request, table, pk)
    flags = {c.name for c in DECLARED[table].declared if c.kind is Kind.FLAG} | {"is_released"}
    changes = [
        {**change, "changes": _in_words(change["changes"], flags)} for change in audit.history(table, pk)
    ]
    shown = {"what": table.removesuffix("s"), "pk": pk, "changes": changes}
    return render(request, "registry/history.html", shown)


def _in_words(changes: list[tuple[str, Any, Any]], flags: set[str]) -> list[tuple[str, str, str]]:
    """The changed columns in words; what SQLite keeps as 0 and 1 is no and yes."""

    def words(name: str, value: Any) -> str:
        if value is None:
            return "empty"
        return ("yes" if value else "no") if name in flags else str(value)

    return [(name.replace("_", " "), words(name, old), words(name, new)) for name, old, new in changes]


def people(request: HttpRequest) -> HttpResponse:
    """Who works at the person's centres, and the state of the audit trail."""
    return render(request, "registry/people.html", {"rows": colleagues(request.user), "head": audit.head()})
