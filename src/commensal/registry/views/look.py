"""Looking back: the trace of material and the history of a record."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from commensal.bank import Trace, trace, unit_states
from commensal.registry import audit
from commensal.registry.actions.custody import day_of
from commensal.registry.rows import frame_of, live_study
from commensal.registry.scope import sites_of, visible
from commensal.registry.views.pages import one, today
from commensal.study import Study

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
    frames = {table: frame_of(table, visible(table, by=request.user)) for table in WALKED}
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
        "events": found.adverse_events.rows(named=True),
        "states": {row["unit_id"]: row for row in states.rows(named=True)},
        "n_donors": found.donors.height,
        "n_units": found.units.height,
        "n_patients": found.patients.height,
    }


def history(request: HttpRequest, table: str, pk: str) -> HttpResponse:
    """Who changed a record, when, why and what."""
    if table not in CLASSIFIED:
        raise Http404(table)
    one(request, table, pk)
    return render(
        request, "registry/history.html", {"table": table, "pk": pk, "changes": audit.history(table, pk)}
    )


def people(request: HttpRequest) -> HttpResponse:
    """Who works at the person's centres, and the state of the audit trail."""
    from commensal.registry.models import Membership

    held = Membership.objects.filter(site__in=sites_of(request.user)).select_related("user")
    rows = sorted((m.user.username, m.site_id, m.role, m.user.is_active) for m in held)
    return render(request, "registry/people.html", {"rows": rows, "head": audit.head()})
