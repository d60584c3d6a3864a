"""What must be done today: visits that are due, from index dates and windows alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from commensal.vocabulary.windows import Window, windows

SHOWN_AFTER_CLOSE_DAYS = 60
NOT_SCHEDULED = ("SCR", "V0")


@dataclass(frozen=True)
class Followed:
    """A patient in follow-up: index date, cohort and the visits recorded so far, missed ones among them."""

    patient_id: str
    index_on: date | None
    cohort: str | None
    recorded: frozenset[str] = frozenset()
    is_closed: bool = False


@dataclass(frozen=True)
class DueVisit:
    """A visit whose window is open (or has closed without a record)."""

    patient_id: str
    visit: str
    label: str
    opens_on: date
    target_on: date
    closes_on: date
    is_overdue: bool


def due_visits(patients: Iterable[Followed], *, on: date) -> list[DueVisit]:
    """Return visits to be made or accounted for, the one that closes first on top.

    A patient without index date, withdrawn from contact, lost or dead is never listed; a visit recorded as
    attended or missed is not listed again.
    """
    found = [
        _due(patient, window, on=on)
        for patient in patients
        if patient.index_on is not None and not patient.is_closed
        for window in windows(patient.cohort or "prospective")
        if _is_listed(patient, window, on=on)
    ]
    return sorted(found, key=lambda due: (due.closes_on, due.patient_id))


def _is_listed(patient: Followed, window: Window, *, on: date) -> bool:
    if window.visit in NOT_SCHEDULED or window.visit in patient.recorded or patient.index_on is None:
        return False
    day = (on - patient.index_on).days
    return window.open <= day <= window.close + SHOWN_AFTER_CLOSE_DAYS


def _due(patient: Followed, window: Window, *, on: date) -> DueVisit:
    index = patient.index_on or on
    dates = {
        name: index + timedelta(days=days)
        for name, days in (
            ("opens_on", window.open),
            ("target_on", window.target),
            ("closes_on", window.close),
        )
    }
    return DueVisit(
        patient.patient_id, window.visit, window.label, **dates, is_overdue=on > dates["closes_on"]
    )


def closed_patients(dispositions: Iterable[Mapping[str, str | None]]) -> frozenset[str]:
    """Return patients nobody contacts any more: dead, lost, or withdrawn from contact (W2 and beyond)."""
    return frozenset(
        str(row["patient_id"])
        for row in dispositions
        if row["kind"] in ("death", "lost_to_follow_up")
        or (row["kind"] == "withdrawal" and row["withdrawal_level"] != "W1")
    )
