"""The state of every unit of a study on one day: custody, hold, and whether it may be issued."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import narwhals as nw
import polars as pl

from commensal.bank.custody import Event, UnitState, fold, not_issuable
from commensal.study import INPUTS, Study, unit_holds

# Columns of custody, in the order of the fields of an event.
_RECORDED = (
    "event_id",
    "event",
    "occurred_day",
    "session_id",
    "patient_id",
    "fraction",
    "corrects",
    "recorded_by",
    "signed_by",
)

# From here on a table is read whole and then filtered: a query that names every value is slower.
_MANY = 100

STATES: dict[str, pl.DataType] = {
    "unit_id": pl.String(),
    "custody": pl.String(),
    "is_released": pl.Boolean(),
    "hold": pl.String(),
    "is_issuable": pl.Boolean(),
    "reason": pl.String(),
    "reserved_for": pl.String(),
    "fraction_left": pl.Float64(),
    "expires_day": pl.Int32(),
}


def unit_states(study: Study, *, on_day: int, units: Collection[str] | None = None) -> pl.DataFrame:
    """Return one row per unit as it stood at the end of a day.

    Parameters
    ----------
    study : tables units, unit_donors, custody, holds, session_units and sessions are read.
    on_day : study day; later events and holds are left out, undated ones count as past.
    units : only these units; all where null.

    Returns
    -------
    [unit_id, custody, is_released, hold, is_issuable, reason, reserved_for, fraction_left, expires_day],
    sorted by unit_id. ``reason`` says why a unit is not issuable; null where it is. ``fraction_left`` is null
    for a unit that a session used without a custody record.
    """
    rows = picked(study, "units", key="unit_id", values=units).sort("unit_id")
    ids = None if units is None else rows["unit_id"].to_list()
    events = _events(study, on_day=on_day, units=ids)
    holds = active_holds(study, on_day=on_day)
    used = _used_in_sessions(study, on_day=on_day, units=ids)
    states = [
        _row(unit, events.get(unit["unit_id"], []), holds=holds, used=used, on_day=on_day)
        for unit in rows.select("unit_id", "release_pathway", "expires_day").iter_rows(named=True)
    ]
    return pl.DataFrame(states, schema=STATES)


def _row(
    unit: dict[str, Any], events: list[Event], *, holds: dict[str, str], used: dict[str, str], on_day: int
) -> dict[str, Any]:
    unit_id, pathway = unit["unit_id"], unit["release_pathway"]
    state = fold(events, pathway=pathway)
    hold = holds.get(unit_id, "none")
    reason = not_issuable(
        state, pathway=pathway, hold=hold, expires_day=unit["expires_day"], on_day=on_day
    ) or _used(state, used.get(unit_id))
    return {
        "unit_id": unit_id,
        "custody": state.custody,
        "is_released": state.is_released,
        "hold": hold,
        "is_issuable": not reason,
        "reason": reason or None,
        "reserved_for": state.reserved_for,
        "fraction_left": None if unit_id in used and not state.exposures else state.fraction_left,
        "expires_day": unit["expires_day"],
    }


def _used(state: UnitState, session_id: str | None) -> str:
    if session_id is None or any(e.session_id == session_id and e.is_taken_back for e in state.exposures):
        return ""
    return f"used in session {session_id}"


def events_of(frame: pl.DataFrame) -> dict[str, list[Event]]:
    """Return the custody events of each unit, in the order of their sequence."""
    found: dict[str, list[Event]] = {}
    for unit_id, *recorded in frame.sort("unit_id", "sequence").select("unit_id", *_RECORDED).iter_rows():
        found.setdefault(unit_id, []).append(Event(*recorded))
    return found


def _events(study: Study, *, on_day: int, units: list[str] | None) -> dict[str, list[Event]]:
    past = pl.col("occurred_day").is_null() | (pl.col("occurred_day") <= on_day)
    return events_of(picked(study, "custody", key="unit_id", values=units).filter(past))


def active_holds(study: Study, *, on_day: int) -> dict[str, str]:
    """Return the gravest hold that stands on a day, by unit; a unit that is not named has none."""
    held = unit_holds(study, on_day=on_day).collect("polars").to_native()
    return dict(held.select("unit_id", "hold").iter_rows())


def _used_in_sessions(study: Study, *, on_day: int, units: list[str] | None) -> dict[str, str]:
    used = picked(study, "session_units", key="unit_id", values=units)
    sessions = study.read("sessions", columns=["session_id", "administered_day"])
    past = pl.col("administered_day").is_null() | (pl.col("administered_day") <= on_day)
    rows = used.join(sessions, on="session_id", how="left").filter(past).sort("session_id")
    return dict(rows.select("unit_id", "session_id").iter_rows())


def picked(study: Study, table: str, *, key: str, values: Iterable[str] | None) -> pl.DataFrame:
    """Return the rows of a table whose key is among values; every row where values is null."""
    if values is None:
        return study.read(table)
    wanted = [value for value in values if value is not None]
    if not wanted:
        return INPUTS[table].empty()
    if len(wanted) > _MANY:
        return study.read(table).filter(pl.col(key).is_in(wanted))
    return study.frame(table).filter(nw.col(key).is_in(wanted)).collect(backend="polars").to_native()
