"""How a table is declared: its columns, their kinds, units, limits and privacy.

One declaration has five uses: check a file, make the Parquet and DuckDB schema, write the data
dictionary, check synthetic data, and test that the registry's freeze covers the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TypedDict, Unpack

import polars as pl


class Kind(StrEnum):
    """What a column holds. The kind fixes the storage type and the checks."""

    ID = "identifier"
    TEXT = "text"
    CODE = "code"
    DATE = "date"
    DAY = "day"
    INSTANT = "instant"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"


class Privacy(StrEnum):
    """How a column bears on a person's privacy. Direct identifiers never enter a study."""

    NONE = "none"
    PSEUDONYM = "pseudonym"
    QUASI = "quasi-identifier"
    HEALTH = "health"
    FREE_TEXT = "free text"


STORAGE: dict[Kind, pl.DataType] = {
    Kind.ID: pl.String(),
    Kind.TEXT: pl.String(),
    Kind.CODE: pl.String(),
    Kind.DATE: pl.Date(),
    Kind.DAY: pl.Int32(),
    Kind.INSTANT: pl.Datetime("us", "UTC"),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
    Kind.FLAG: pl.Boolean(),
}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    ``codes`` is the closed list of a CODE column: the codes themselves, or the name of a list in
    ``commensal.vocabulary`` (``"routes"``). ``references`` names the table whose key it points to.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    is_required: bool = False
    codes: tuple[str, ...] | str = ()
    references: str = ""
    minimum: float | None = None
    maximum: float | None = None
    privacy: Privacy = Privacy.HEALTH

    def __post_init__(self) -> None:
        if self.kind is Kind.CODE and not self.codes:
            raise ValueError(f"{self.name}: a code column needs its closed list")
        if self.kind is Kind.DATE and not self.name.endswith("_on"):
            raise ValueError(f"{self.name}: a date is named …_on")
        if self.kind is Kind.INSTANT and not self.name.endswith("_at"):
            raise ValueError(f"{self.name}: an instant is named …_at")

    @property
    def storage(self) -> pl.DataType:
        """The Polars type the column is stored as."""
        return STORAGE[self.kind]

    @property
    def twin(self) -> str:
        """The integer-day twin of a date (``index_on`` → ``index_day``)."""
        return self.name.removesuffix("_on") + "_day"


@dataclass(frozen=True)
class Table:
    """A table: its name, what one row is, its key and its columns.

    Every date column gets an integer-day twin behind it, made when the study is written: days since
    1970-01-01 on a calendar clock, days since the patient's index date on a patient clock.
    """

    name: str
    row: str
    key: tuple[str, ...]
    declared: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [c.name for c in self.columns]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a column is declared twice")
        if missing := [k for k in self.key if k not in names]:
            raise ValueError(f"{self.name}: key columns {missing} are not declared")

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        return self.columns[self.names.index(name)]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The declared columns, each date followed by its integer-day twin."""
        return tuple(c for column in self.declared for c in _with_twin(column))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return tuple(c.name for c in self.columns)

    @cached_property
    def schema(self) -> dict[str, pl.DataType]:
        """Column name → Polars type."""
        return {c.name: c.storage for c in self.columns}

    def empty(self) -> pl.DataFrame:
        """A frame of this table without rows."""
        return pl.DataFrame(schema=self.schema)


def _with_twin(column: Column) -> tuple[Column, ...]:
    if column.kind is not Kind.DATE:
        return (column,)
    meaning = f"Integer day of {column.name}: since 1970-01-01, or since index on a patient clock."
    return (column, Column(column.twin, Kind.DAY, meaning, unit="days", privacy=column.privacy))


def identifier(name: str, meaning: str, *, references: str = "", is_required: bool = False) -> Column:
    """Declare a pseudonym or a key of another table."""
    return Column(
        name, Kind.ID, meaning, references=references, is_required=is_required, privacy=Privacy.PSEUDONYM
    )


def text(name: str, meaning: str, *, privacy: Privacy = Privacy.FREE_TEXT) -> Column:
    """Declare free or descriptive text."""
    return Column(name, Kind.TEXT, meaning, privacy=privacy)


def word(name: str, meaning: str) -> Column:
    """Declare text that says nothing about a person: a label, a unit, a version."""
    return Column(name, Kind.TEXT, meaning, privacy=Privacy.NONE)


def code(
    name: str,
    codes: tuple[str, ...] | str,
    meaning: str,
    *,
    is_required: bool = False,
    privacy: Privacy = Privacy.HEALTH,
) -> Column:
    """Declare a value of a closed list: the codes, or the name of a vocabulary list."""
    return Column(name, Kind.CODE, meaning, codes=codes, is_required=is_required, privacy=privacy)


def date(name: str, meaning: str, *, is_required: bool = False) -> Column:
    """Declare a calendar date; its integer-day twin follows by itself."""
    return Column(name, Kind.DATE, meaning, is_required=is_required, privacy=Privacy.QUASI)


def instant(name: str, meaning: str) -> Column:
    """Declare a moment in UTC."""
    return Column(name, Kind.INSTANT, meaning, privacy=Privacy.QUASI)


class _Limits(TypedDict, total=False):
    unit: str
    minimum: float | None
    maximum: float | None
    is_required: bool
    privacy: Privacy


def integer(name: str, meaning: str, **limits: Unpack[_Limits]) -> Column:
    """Declare a whole number with its unit and limits."""
    return Column(name, Kind.INTEGER, meaning, **limits)


def number(name: str, meaning: str, **limits: Unpack[_Limits]) -> Column:
    """Declare a measured number with its unit and limits."""
    return Column(name, Kind.NUMBER, meaning, **limits)


def flag(name: str, meaning: str) -> Column:
    """Declare yes, no, or (null) unknown."""
    return Column(name, Kind.FLAG, meaning)
