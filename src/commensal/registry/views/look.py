"""Looking back: the trace of material and the history of a record."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from commensal.bank import Trace, trace, unit_states
from commensal.registry import audit
from commensal.registry.actions.custody import day_of
from commensal.registry.rows import frame_of, live_study
from commensal.registry.scope import colleagues, seen
from commensal.registry.tables import DECLARED
from commensal.registry.views.pages import one, today
from commensal.registry.words import label_of
from commensal.study import Study
from commensal.study.declaration import Kind

STARTS = {"unit": "units", "donor": "donors", "patient": "patients"}
WALKED = (
    "units",
    "unit_donors",
    "donors",
    "donations",
    "batches",
    "patients",
    "sessions",
    "session_units",
    "custody",
    "holds",
    "adverse_events",
)
CLASSIFIED = ("donors", "donations", "units", "patients", "sessions", "visits", "screenings", "holds")


def follow(request: HttpRequest) -> HttpResponse:
    """Where material went and where it came from."""
    start = next((name for name in STARTS if request.GET.get(name)), None)
    if start is None:
        return render(request, "registry/trace.html", {"starts": STARTS})
    pk = request.GET[start].strip()
    one(request, STARTS[start], pk)
    study = _walked(request)
    found = trace(study, **{start: pk})
    return render(request, "registry/trace.html", {"starts": STARTS, "found": _shown(found, study)})


def _walked(request: HttpRequest) -> Study:
    """The tables a trace walks, of the person's centres."""
    frames = {table: frame_of(table, seen(request, table)) for table in WALKED}
    return live_study(frames, on_day=day_of(today()))


def _shown(found: Trace, study: Study) -> dict[str, Any]:
    units = found.units["unit_id"].to_list() + found.other_units
    states = unit_states(study, on_day=day_of(today()), units=units)
    return {
        "start": found.start,
        "id": found.id,
        "links": found.links.rows(named=True),
        "others": found.others.rows(named=True),
        "other_patients": found.other_patients,
        "events": [{**row, "words": _term(row)} for row in found.adverse_events.rows(named=True)],
        "states": {row["unit_id"]: row for row in states.rows(named=True)},
        "n_donors": found.donors.height,
        "n_units": found.units.height,
        "n_patients": found.patients.height,
    }


def _term(row: dict[str, Any]) -> str:
    if row["term"]:
        return label_of("adverse_event_terms", row["term"])
    return row["term_as_recorded"] or "term not recorded"


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
