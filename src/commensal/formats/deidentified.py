"""A study without the means to tell who is who: keyed pseudonyms, dates shifted person by person.

Every person's dates move by one number of days, whole weeks of it, so that intervals between any two of a
person's days stay exact and days of the week stay what they were. Free text and direct identifiers go; birth
becomes a year, and the old are pooled. Material belongs to several people: its dates are shifted with the
donor or patient of the row, and left out where the row names nobody.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from commensal.errors import InputError
from commensal.study import INPUTS
from commensal.study.declaration import Column, Kind, Privacy, Table

MAX_SHIFT_WEEKS = 52
OLD = 90
HEX = 20
QUASI = ("sex", "birth_year", "indication")
PERSONS = ("patient_id", "donor_id")
NOT_NAMES = ("taxon_id",)
WRITTEN_BY = ("operator", "recorded_by", "signed_by", "placed_by", "lifted_by", "verified_by")
"""Staff: not needed for research, left out."""

Frames = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Deidentified:
    """The tables that may leave, what was left out, and how often people are alike."""

    frames: dict[str, pl.DataFrame]
    left_out: tuple[str, ...]
    small_cells: pl.DataFrame


def deidentify(frames: Frames, *, key: bytes, minimum: int = 5, on: dt.date) -> Deidentified:
    """Return a study's tables without identifiers, under pseudonyms that only the key's holder can repeat.

    ``small_cells`` has one row for each combination of sex, year of birth and indication that fewer than
    ``minimum`` patients share: who knows such a person may recognise them, whatever they are called.

    Refuses (InputError) a key of fewer than 16 bytes, and a minimum below 2.
    """
    if len(key) < 16:
        raise InputError("the key of the pseudonyms is too short", expected="at least 16 bytes")
    if minimum < 2:
        raise InputError(f"the smallest group is {minimum}", expected="2 or more", do="the usual is 5")
    owners = _owners(frames)
    kept, left_out = {}, []
    for name, frame in frames.items():
        table = INPUTS[name]
        kept[name], gone = _stripped(frame, table, key, owners, on)
        left_out += [f"{name}.{column}" for column in gone if column in frame.columns]
    return Deidentified(kept, tuple(left_out), _small(kept.get("patients"), minimum))


def pseudonym(value: str, *, kind: str, key: bytes) -> str:
    """Return the keyed pseudonym of an id; ids of different tables never share one."""
    return hmac.new(key, f"{kind}\x1f{value}".encode(), hashlib.sha256).hexdigest()[:HEX]


def shift_of(person: str, *, key: bytes) -> int:
    """Return the days a person's dates are moved back: 1 to 52 whole weeks."""
    drawn = int.from_bytes(hmac.new(key, f"shift\x1f{person}".encode(), hashlib.sha256).digest()[:8], "big")
    return -7 * (1 + drawn % MAX_SHIFT_WEEKS)


_CHAINS = {
    "sessions": ("session_id", "patient_id"),
    "visits": ("visit_id", "patient_id"),
    "donations": ("donation_id", "donor_id"),
}


def _owners(frames: Frames) -> dict[tuple[str, str], str]:
    """(id column, value) → the person whose clock a row of it runs on."""
    found: dict[tuple[str, str], str] = {}
    for name, (column, person) in _CHAINS.items():
        if name in frames and {column, person} <= set(frames[name].columns):
            pairs = frames[name].select(column, person).drop_nulls().iter_rows()
            found |= {(column, row): who for row, who in pairs}
    return found


def _stripped(
    frame: pl.DataFrame, table: Table, key: bytes, owners: Mapping[tuple[str, str], str], on: dt.date
) -> tuple[pl.DataFrame, list[str]]:
    declared = [c for c in table.declared if c.name in frame.columns]
    people = _people(frame, owners)
    gone, columns = [], []
    for column in declared:
        values = frame[column.name]
        if _goes(column):
            gone.append(column.name)
            values = pl.Series(column.name, [None] * frame.height, dtype=column.storage)
        elif column.kind is Kind.ID and column.name not in NOT_NAMES:
            values = _renamed(values, column, table, key)
        elif column.name == "born_on":
            values = _year_of_birth(values, on)
        elif column.kind in (Kind.DATE, Kind.INSTANT):
            values = _shifted(values, people, key)
        columns.append(values)
    return pl.DataFrame(columns), gone


def _goes(column: Column) -> bool:
    is_worded = column.privacy in (Privacy.FREE_TEXT, Privacy.DIRECT)
    return is_worded or column.name in WRITTEN_BY or column.name in _WORDS_OF_THE_SOURCE


_WORDS_OF_THE_SOURCE = ("arm_as_recorded", "route_as_recorded", "label_as_recorded", "definition", "name",
                        "agent", "study_id", "supplier_lot", "freezer_position", "timepoint")  # fmt: skip
"""Text that is no person's by declaration, but that somebody typed or that names a place."""


def _people(frame: pl.DataFrame, owners: Mapping[tuple[str, str], str]) -> list[str | None]:
    """Whose clock each row runs on: its patient's, its donor's, or that of what it belongs to."""
    found: list[str | None] = [None] * frame.height
    for column in (*PERSONS, "session_id", "visit_id", "donation_id"):
        if column not in frame.columns:
            continue
        for index, value in enumerate(frame[column].to_list()):
            if found[index] is None and value is not None:
                found[index] = value if column in PERSONS else owners.get((column, value))
    return found


def _renamed(values: pl.Series, column: Column, table: Table, key: bytes) -> pl.Series:
    own = table.name if table.key == (column.name,) else column.name
    kind = column.references or own
    names = {v: pseudonym(v, kind=kind, key=key) for v in values.drop_nulls().unique().to_list()}
    return pl.Series(values.name, [names.get(v) for v in values.to_list()], dtype=pl.String)


def _year_of_birth(values: pl.Series, on: dt.date) -> pl.Series:
    """The first of July of the year of birth; those of 90 and over share the year of the 90."""
    eldest = on.year - OLD
    years = [None if v is None else dt.date(max(v.year, eldest), 7, 1) for v in values.to_list()]
    return pl.Series(values.name, years, dtype=pl.Date)


def _shifted(values: pl.Series, people: list[str | None], key: bytes) -> pl.Series:
    shifts: dict[str, dt.timedelta] = {}
    moved = []
    for value, person in zip(values.to_list(), people, strict=True):
        if value is None or person is None:
            moved.append(None)
            continue
        if person not in shifts:
            shifts[person] = dt.timedelta(days=shift_of(person, key=key))
        moved.append(value + shifts[person])
    return pl.Series(values.name, moved, dtype=values.dtype)


def _small(patients: pl.DataFrame | None, minimum: int) -> pl.DataFrame:
    schema = {"sex": pl.String, "birth_year": pl.Int32, "indication": pl.String, "n_patients": pl.UInt32}
    if patients is None or patients.is_empty():
        return pl.DataFrame(schema=schema)
    have = [c for c in ("sex", "born_on", "indication") if c in patients.columns]
    frame = patients.select(have).with_columns(
        [pl.lit(None, dtype=pl.String).alias(c) for c in ("sex", "indication") if c not in have]
    )
    year = pl.col("born_on").dt.year() if "born_on" in have else pl.lit(None, dtype=pl.Int32)
    counted = frame.with_columns(year.alias("birth_year")).group_by(QUASI).agg(pl.len().alias("n_patients"))
    return counted.filter(pl.col("n_patients") < minimum).sort(QUASI, nulls_last=True).select(list(schema))
