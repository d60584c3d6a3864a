"""What the pages of recalls show: what asks for one, how far each has come, who must be told what."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from commensal.bank.recall import (
    ENDING,
    INFECTION_TERMS,
    LOOK_BACK_TERMS,
    asks_look_back,
    clocks,
    clustered,
    open_points,
)
from commensal.registry.actions.custody import day_of
from commensal.registry.actions.recall import fates_of, last_outcomes
from commensal.registry.models import MODELS
from commensal.registry.scope import within
from commensal.registry.words import label_of

SHOWN = 200
"""Units of one list on a page, the open ones first; the counts are of all."""


def proposals(*, sites: Sequence[str]) -> list[dict[str, Any]]:
    """Return the adverse events that ask to look back and on which nobody has decided, newest first.

    Nothing stores a proposal: it stands by itself from the moment the event is recorded, by hand or from a
    file, until a recall names the event or somebody rules, with a reason, that none is needed.
    """
    events = within("adverse_events", sites=sites).filter(term__in=LOOK_BACK_TERMS)
    decided = set(
        MODELS["recalls"]
        .objects.filter(mode="recall", adverse_event__in=events)
        .values_list("adverse_event_id", flat=True)
    )
    ruled = MODELS["lookback_rulings"].objects.filter(adverse_event__in=events)
    decided |= set(ruled.values_list("adverse_event_id", flat=True))
    rows = [e for e in events.order_by("-began_on", "pk") if asks_look_back(e.term, causality=e.causality)]
    donors = donors_behind({row.patient_id for row in rows}, sites=sites)
    return [
        {
            "event": row,
            "words": label_of("adverse_event_terms", row.term),
            "donors": sorted({d for d, day in donors[row.patient_id] if _is_before(day, row.began_on)}),
        }
        for row in rows
        if row.pk not in decided
    ]


def _is_before(given_on: date | None, began_on: date | None) -> bool:
    """Whether material may have come before an onset; where a day is not known it may."""
    return given_on is None or began_on is None or given_on <= began_on


def donors_behind(patients: set[str], *, sites: Sequence[str]) -> dict[str, set[tuple[str, date | None]]]:
    """Return patient → (donor, day) of everything the patient received."""
    sessions = within("sessions", sites=sites).filter(patient__in=patients)
    rows = sessions.values_list("pk", "patient_id", "administered_on")
    given = {pk: (patient, on) for pk, patient, on in rows}
    used = (
        MODELS["session_units"].objects.filter(session__in=list(given)).values_list("unit_id", "session_id")
    )
    custody = MODELS["custody"].objects.filter(patient__in=patients, event__contains="administered")
    uses = {(unit, *given[session]) for unit, session in used}
    uses |= set(custody.values_list("unit_id", "patient_id", "occurred_on"))
    parts = MODELS["unit_donors"].objects.filter(unit__in={unit for unit, *_ in uses})
    behind: dict[str, set[str]] = defaultdict(set)
    for unit, donor in parts.values_list("unit_id", "donor_id"):
        behind[unit].add(donor)
    found: dict[str, set[tuple[str, date | None]]] = defaultdict(set)
    for unit, patient, on in uses:
        found[patient] |= {(donor, on) for donor in behind[unit]}
    return found


def clusters_of_donors(*, sites: Sequence[str]) -> list[dict[str, Any]]:
    """Return donors of whose recipients two or more had a suspected infection within the rule's window.

    The rule is that of the alarms of a study.
    """
    rows = within("adverse_events", sites=sites).filter(term__in=INFECTION_TERMS, began_on__isnull=False)
    events = [e for e in rows if asks_look_back(e.term, causality=e.causality)]
    donors = donors_behind({e.patient_id for e in events}, sites=sites)
    laid: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for event in events:
        for donor, on in donors[event.patient_id]:
            if _is_before(on, event.began_on):
                laid[donor].add((day_of(event.began_on), event.patient_id))
    return [
        {"donor": donor, "patients": sorted(patients)}
        for donor in sorted(laid)
        for patients in clustered(laid[donor])
    ]


def shown_recall(recall: Any, *, now: datetime, on: date) -> dict[str, Any]:
    """Return everything the page of one recall shows."""
    found = fates_of(recall, on=on)
    outcomes = last_outcomes(recall)
    is_drill = recall.mode == "drill"
    entries = dict(MODELS["recall_units"].objects.filter(recall=recall).values_list("unit_id", "pk"))
    tried = defaultdict(list)
    contacts = MODELS["recall_contacts"].objects.filter(recall_patient__recall=recall)
    for contact in contacts.order_by("contacted_at", "pk"):
        tried[contact.recall_patient_id].append(contact)
    listed = MODELS["recall_patients"].objects.filter(recall=recall).order_by("patient_id")
    steps = clocks(
        severity=recall.severity,
        detected_at=recall.detected_at,
        done=_done(recall, tried, outcomes),
        now=recall.closed_at or now,
    )
    people = [
        {
            "entry": entry,
            "attempts": tried[entry.pk],
            "is_done": outcomes[entry.patient_id] in ENDING,
            "units": [f.unit_id for f in found if entry.patient_id in f.patients],
        }
        for entry in listed
    ]
    n_known = sum(fate.is_known for fate in found)
    return {
        "recall": recall,
        "units": [{"fate": fate, "entry": entries[fate.unit_id]} for fate in found[:SHOWN]],
        "counts": sorted(Counter(fate.fate for fate in found).items()),
        "n_units": len(found),
        "n_known": n_known,
        "share": n_known / len(found) if found else 1.0,
        "first_share": _share(recall),
        "patients": sorted(people, key=lambda person: person["is_done"]),
        "n_done": sum(person["is_done"] for person in people),
        "clocks": [
            c for c in steps if not is_drill or c.step not in ("held", "first_contact", "all_contacted")
        ],
        "is_drill": is_drill,
        "may_close": not open_points(found, patients=outcomes, is_drill=is_drill),
    }


def _share(recall: Any) -> float | None:
    return recall.n_accounted / recall.n_units if recall.n_units else None


def _done(recall: Any, tried: Any, outcomes: dict[str, str | None]) -> dict[str, datetime | None]:
    """When each step was done; with nobody to contact, that was when the list was made."""
    attempts = [contact for each in tried.values() for contact in each]
    is_over = all(outcome in ENDING for outcome in outcomes.values())
    first = min((c.contacted_at for c in attempts), default=None)
    last = max((c.contacted_at for c in attempts if c.outcome in ENDING), default=None)
    return {
        "held": recall.held_at,
        "listed": recall.opened_at,
        "first_contact": first if outcomes else recall.opened_at,
        "all_contacted": (last if outcomes else recall.opened_at) if is_over else None,
        "closed": recall.closed_at,
    }
