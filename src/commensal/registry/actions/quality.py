"""Changes to deviations: what went wrong, its cause, what is done about it, and the end of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from commensal.errors import RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS
from commensal.registry.scope import Person

LINKED = {"unit_id": "units", "batch_id": "batches", "donor_id": "donors", "equipment_id": "equipment"}


@action("lab", "quality", "coordinator", "physician")
def report_deviation(desk: Desk, *, site_id: str, **values: Any) -> Any:
    """Report that something was not as it should be, with what it touches."""
    for column, table in LINKED.items():
        if values.get(column):
            desk.one(table, values[column])
    return desk.add("deviations", site_id=site_id, **{"found_by": desk.name, **values})


@action("quality", "lab")
def investigate(desk: Desk, *, deviation: str, **values: Any) -> Any:
    """Record the root cause, the severity as now seen, and whether what was done has worked."""
    return desk.change(_open(desk, deviation), **values)


@action("quality", "lab")
def add_remedy(desk: Desk, *, deviation: str, **values: Any) -> Any:
    """Add a corrective or preventive action, with who sees to it and by when."""
    return desk.add("remedies", deviation_id=_open(desk, deviation).pk, **values)


@action("quality", "lab", "coordinator", "physician")
def finish_remedy(desk: Desk, *, remedy: str, on: date, outcome: str) -> Any:
    """Record that an action was done, and what was done."""
    row = desk.one("remedies", remedy, is_locked=True)
    _open(desk, row.deviation_id)
    if row.done_on:
        raise RefusedError(f"this action was done on {row.done_on}")
    return desk.change(row, done_on=on, done_by=desk.name, outcome=outcome)


@action("quality")
def close_deviation(desk: Desk, *, deviation: str, signer: Person, at: datetime, on: date) -> Any:
    """Close a deviation, signed by a person of quality who has just typed the own password.

    Refuses (RefusedError) without root cause and effectiveness check, while an action is open, and, but for
    a minor one, without any action.
    """
    row = _open(desk, deviation)
    if signer.pk != desk.by.pk:
        raise RefusedError("a deviation is signed by who closes it")
    if missing := _missing(row):
        raise RefusedError(
            f"deviation {deviation} is not closed: " + "; ".join(missing),
            expected="a root cause, every action done, and a check that they worked",
            do="complete the record first",
        )
    return desk.change(row, closed_on=on, closed_at=at, closed_by=desk.name)


def _missing(row: Any) -> list[str]:
    remedies = list(MODELS["remedies"].objects.filter(deviation=row))
    n_open = sum(remedy.done_on is None for remedy in remedies)
    asked = {
        "no root cause": not row.root_cause,
        "no corrective or preventive action": row.severity != "minor" and not remedies,
        f"{n_open} actions are open": bool(n_open),
        "no effectiveness check": not row.effectiveness,
        "what was done has not worked, as far as is known": row.is_effective is not True,
    }
    return [words for words, is_missing in asked.items() if is_missing]


def _open(desk: Desk, deviation: str) -> Any:
    """The deviation, locked. Refuses (RefusedError) a closed one: what was signed stays as it is."""
    row = desk.one("deviations", deviation, is_locked=True)
    if row.closed_on:
        raise RefusedError(
            f"deviation {deviation} was closed on {row.closed_on} by {row.closed_by}",
            do="report a new deviation that refers to it",
        )
    return row
