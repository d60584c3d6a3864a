"""What a trace or a recall reaches: read link by link from the registry, never a whole table.

The pure walks of ``commensal.bank`` then run on this small study. The number of queries does not grow with
the bank, but for lists of keys longer than a database takes in one statement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from django.db.models import QuerySet

from commensal.registry.models import MODELS
from commensal.registry.rows import frame_of, live_study
from commensal.registry.scope import within
from commensal.study import Study

AT_ONCE = 5000
"""Keys named in one statement: SQLite takes 32,766 values, PostgreSQL 65,535."""

Frames = dict[str, pl.DataFrame]


@dataclass(frozen=True)
class Reached:
    """The rows one walk needs. ``elsewhere`` counts units of the same donors at centres out of sight."""

    study: Study
    elsewhere: dict[str, int] = field(default_factory=dict)


def reached_from(
    *,
    on_day: int,
    sites: Sequence[str] | None,
    units: Iterable[str] = (),
    donors: Iterable[str] = (),
    patients: Iterable[str] = (),
    is_wide: bool = True,
) -> Reached:
    """Return what is linked to units, donors or patients, as a study cut at a day.

    Reaches from the start to its units, from these to their donors, to every unit of those donors, and to
    the patients, sessions and adverse events of all these units. ``sites`` limits it to some centres; null
    is for actions that must reach every centre. Where not ``is_wide`` it stays with the units it began with.
    """
    of_patients = _of_patients(list(patients), sites)
    first = {*units, *of_patients["units"]}
    parts = _all("unit_donors")
    suspects = {*donors, *_column(parts, "unit", first, "donor_id")}
    wide = suspects if is_wide else ()
    places = dict(_column(parts, "donor", wide, "unit_id", "unit__site_id"))
    near = {unit for unit, site in places.items() if sites is None or site in sites}
    mine = near | first if is_wide else first
    away = Counter(site for unit, site in places.items() if unit not in mine)
    frames = _material(mine, suspects, sites)
    frames |= _people(frames, mine, of_patients["sessions"], [*patients], sites)
    return Reached(live_study(frames, on_day=on_day), {str(site): n for site, n in sorted(away.items())})


def _of_patients(patients: list[str], sites: Sequence[str] | None) -> dict[str, set[str]]:
    """The sessions of patients, and every unit that sessions or custody name for them."""
    sessions = set(_column(_rows("sessions", sites), "patient", patients, "session_id"))
    used = set(_column(_all("session_units"), "session", sessions, "unit_id"))
    touched = set(_column(_all("custody"), "patient", patients, "unit_id"))
    return {"sessions": sessions, "units": used | touched}


def _material(units: set[str], donors: set[str], sites: Sequence[str] | None) -> Frames:
    """Units with their donors, donations, batches, custody and holds."""
    found = {
        "units": _frame("units", _rows("units", sites), "pk", units),
        "unit_donors": _frame("unit_donors", _all("unit_donors"), "unit", units),
        "custody": _frame("custody", _all("custody"), "unit", units),
        "donors": _frame("donors", _rows("donors", sites), "pk", donors),
        "donations": _frame("donations", _rows("donations", sites), "donor", donors),
    }
    batches = set(found["units"]["batch_id"].drop_nulls())
    found["batches"] = _frame("batches", _all("batches"), "pk", batches)
    # A hold on another centre's donor stands on this centre's unit: holds are read by what they name.
    named = (("unit", units), ("batch", batches), ("donor", donors))
    found["holds"] = pl.concat([_frame("holds", _all("holds"), column, keys) for column, keys in named])
    return found


def _people(
    frames: Frames, units: set[str], sessions: set[str], patients: list[str], sites: Sequence[str] | None
) -> Frames:
    """Sessions in which the units were used, the patients, and what happened to them."""
    used = _frame("session_units", _rows("session_units", sites), "unit", units)
    found = _frame("sessions", _rows("sessions", sites), "pk", sessions | set(used["session_id"]))
    exposed = {*patients, *found["patient_id"].drop_nulls(), *frames["custody"]["patient_id"].drop_nulls()}
    return {
        "session_units": used,
        "sessions": found,
        "patients": _frame("patients", _rows("patients", sites), "pk", exposed),
        "adverse_events": _frame("adverse_events", _rows("adverse_events", sites), "patient", exposed),
    }


def _rows(table: str, sites: Sequence[str] | None) -> QuerySet:
    return _all(table) if sites is None else within(table, sites=sites)


def _all(table: str) -> QuerySet:
    return MODELS[table].objects.all()


def _frame(table: str, rows: QuerySet, column: str, keys: Iterable[str]) -> pl.DataFrame:
    """Rows whose column is one of the keys, some thousands at a time."""
    parts = [frame_of(table, rows.filter(**{f"{column}__in": some})) for some in _some(keys)]
    return pl.concat(parts) if parts else frame_of(table, rows.none())


def _column(rows: QuerySet, column: str, keys: Iterable[str], *wanted: str) -> Iterable[Any]:
    for some in _some(keys):
        yield from rows.filter(**{f"{column}__in": some}).values_list(*wanted, flat=len(wanted) == 1)


def _some(keys: Iterable[str]) -> Iterable[list[str]]:
    listed = sorted(keys)
    return (listed[start : start + AT_ONCE] for start in range(0, len(listed), AT_ONCE))
