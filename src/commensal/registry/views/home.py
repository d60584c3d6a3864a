"""Today, and the lists."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from commensal.bank import unit_states
from commensal.registry.actions.custody import day_of
from commensal.registry.rows import frame_of, live_study
from commensal.registry.scope import roles_of, seen
from commensal.registry.views.pages import page_of, today
from commensal.registry.worklists import Followed, closed_patients, due_visits

IN_STOCK = ("processed", "stored", "released", "reserved", "thawed")


def home(request: HttpRequest) -> HttpResponse:
    """What must be done today."""
    on = today()
    due = due_visits(followed(request), on=on)
    states = stock(request)
    soon = day_of(on + timedelta(days=30))
    waiting = [s for s in states if not s["is_released"] and s["custody"] in IN_STOCK]
    expiring = [s for s in states if s["expires_day"] is not None and s["expires_day"] <= soon]
    return render(
        request,
        "registry/home.html",
        {
            "on": on,
            "due": due[:50],
            "n_due": len(due),
            "n_issuable": sum(s["is_issuable"] for s in states),
            "waiting": waiting[:20],
            "n_waiting": len(waiting),
            "n_held": sum(s["hold"] != "none" for s in states),
            "n_expiring": len(expiring),
            "roles": sorted(roles_of(request.user)),
        },
    )


def followed(request: HttpRequest) -> list[Followed]:
    """Return the patients a person follows, with the visits recorded so far."""
    patients = seen(request, "patients").filter(index_on__isnull=False)
    recorded: dict[str, set[str]] = {}
    visits = seen(request, "visits").filter(visit__isnull=False).exclude(status="cancelled")
    for patient, visit in visits.values_list("patient_id", "visit"):
        recorded.setdefault(patient, set()).add(visit)
    ended = seen(request, "dispositions").values("patient_id", "kind", "withdrawal_level")
    closed = closed_patients(ended)
    return [
        Followed(patient, index_on, cohort, frozenset(recorded.get(patient, ())), patient in closed)
        for patient, index_on, cohort in patients.values_list("pk", "index_on", "cohort")
    ]


def stock(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the state of every unit that is still in stock at the person's centres."""
    return states_of(request, seen(request, "units").filter(custody_state__in=IN_STOCK))


def states_of(request: HttpRequest, units: QuerySet) -> list[dict[str, Any]]:
    """Return the state of units today: custody, hold, and why one may not be issued."""
    keys = units.values("pk")
    frames = {
        "units": frame_of("units", units),
        **{
            table: frame_of(table, seen(request, table).filter(unit__in=keys))
            for table in ("unit_donors", "custody", "session_units")
        },
        "sessions": frame_of("sessions", seen(request, "sessions").none()),
        "holds": frame_of("holds", seen(request, "holds")),
    }
    study = live_study(frames, on_day=day_of(today()))
    return unit_states(study, on_day=day_of(today())).rows(named=True)


def donors(request: HttpRequest) -> HttpResponse:
    """The donors, newest first."""
    return render(request, "registry/donors.html", page_of(request, seen(request, "donors")))


def patients(request: HttpRequest) -> HttpResponse:
    """The patients, newest first."""
    return render(request, "registry/patients.html", page_of(request, seen(request, "patients")))


def units(request: HttpRequest) -> HttpResponse:
    """The units, newest first."""
    rows = seen(request, "units")
    page = page_of(request, rows)
    states = states_of(request, rows.filter(pk__in=[unit.pk for unit in page["rows"]]))
    return render(request, "registry/units.html", {**page, "states": {s["unit_id"]: s for s in states}})
