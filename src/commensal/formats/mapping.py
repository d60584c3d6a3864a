"""The mapping file of a table of records: which column of the sheet is which column of which table.

    clock = "calendar"                    # or "patient": days count from each patient's index
    missing = ["", "NA", "."]             # cells that say nothing
    [[tables]]
    table = "patients"
    distinct = true                       # rows that say the same are one row
    when = { column = "arm", is = ["fmt"] }
    [tables.columns]
    patient_id = "patient"                # the column of the sheet
    arm = { column = "fmt", values = { "1" = "fmt", "0" = "placebo" } }
    indication = { constant = "uc" }
    index_on = { column = "date", date_format = "%d.%m.%Y" }

``each = { columns = "donor*", is = ["1"] }`` makes one row for every matching column of a sheet's row
whose cell is ``1`` (``is_not``, by default ``0``, lists the cells that make none); without ``is``, for
every cell that is not missing. ``@name``, ``@cell`` and ``@row`` then stand for the column's name, its
cell and the number of the row. A ``template`` writes columns into a text: ``"{patient}-{@name}"``.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import functools
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commensal.errors import InputError, nearest
from commensal.study import INPUTS
from commensal.study.declaration import Table
from commensal.study.manifest import CLOCKS

PSEUDO = ("@name", "@cell", "@row")
PLACEHOLDER = re.compile(r"\{([^{}]+)\}")

_TOP = ("tables", "clock", "origin", "notes", "missing", "encoding", "delimiter", "sheet", "data_cut")
_TARGET = ("table", "columns", "when", "each", "distinct")
_CELL = (
    "column",
    "template",
    "constant",
    "values",
    "date_format",
    "decimal",
    "unit",
    "unit_column",
    "timezone",
)


@dataclass(frozen=True)
class Cell:
    """Where one column's cells come from, and how they are read."""

    column: str | None = None
    template: str | None = None
    constant: str | None = None
    values: Mapping[str, str] | None = None
    date_format: str = "%Y-%m-%d"
    decimal: str = "."
    unit: str | None = None
    unit_column: str | None = None
    timezone: str | None = None

    @functools.cached_property
    def reads(self) -> tuple[str, ...]:
        """The columns of the sheet that this needs."""
        named = [c for c in (self.column, self.unit_column) if c]
        return tuple(dict.fromkeys([*named, *PLACEHOLDER.findall(self.template or "")]))


@dataclass(frozen=True)
class When:
    """Which rows count: those whose cell is one of ``accepted`` (or, without any, is not missing)."""

    column: str
    accepted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Each:
    """One row for every column that matches ``pattern`` and whose cell counts."""

    pattern: str
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ("0",)


@dataclass(frozen=True)
class Target:
    """One table made from the sheet."""

    table: Table
    cells: Mapping[str, Cell]
    when: When | None = None
    each: Each | None = None
    is_distinct: bool = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the sheet that this table needs."""
        named = [c for cell in self.cells.values() for c in cell.reads if c not in PSEUDO]
        return tuple(dict.fromkeys([*named, *([self.when.column] if self.when else [])]))


@dataclass(frozen=True)
class Plan:
    """A whole mapping file."""

    targets: tuple[Target, ...]
    clock: str = "calendar"
    origin: str = ""
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    data_cut_day: int | None = None
    faults: tuple[str, ...] = field(default=(), compare=False)


class _Faults(list[str]):
    """Faults of the mapping file, gathered."""

    def unknown(self, where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> None:
        """Note every name that does not exist."""
        for name in given:
            if name not in known:
                self.append(f"{where}: there is no {name!r} here; {nearest(name, known)}")

    def text(self, where: str, given: Mapping[str, Any], name: str) -> str | None:
        """Return a text of the mapping; note a value that is none."""
        value = given.get(name)
        if value is None or isinstance(value, str):
            return value
        self.append(f"{where}: {name} is {value!r}; expected text in quotation marks")
        return None

    def texts(self, where: str, given: Mapping[str, Any], name: str) -> tuple[str, ...]:
        """Return a list of texts; note a value that is none."""
        value = given.get(name, [])
        if isinstance(value, list) and all(isinstance(v, str) for v in value):
            return tuple(value)
        self.append(f"{where}: {name} is {value!r}; expected a list of texts")
        return ()


def read_plan(given: Mapping[str, Any]) -> Plan:
    """Check a mapping and return it. InputError with every fault of it at once."""
    faults = _Faults()
    faults.unknown("mapping", given, _TOP)
    tables = given.get("tables")
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables) or not tables:
        faults.append("mapping: no [[tables]]; expected at least one")
        tables = []
    targets = [_target(f"tables[{i}]", t, faults) for i, t in enumerate(tables, start=1)]
    clock = faults.text("mapping", given, "clock") or "calendar"
    if clock not in CLOCKS:
        faults.append(f"mapping: clock {clock!r} does not exist; one of {', '.join(CLOCKS)}")
    plan = Plan(
        targets=tuple(t for t in targets if t),
        clock=clock,
        origin=faults.text("mapping", given, "origin") or "",
        notes=faults.texts("mapping", given, "notes"),
        missing=faults.texts("mapping", given, "missing") if "missing" in given else None,
        encoding=faults.text("mapping", given, "encoding"),
        delimiter=faults.text("mapping", given, "delimiter"),
        sheet=faults.text("mapping", given, "sheet"),
        data_cut_day=_data_cut(given.get("data_cut"), clock, faults),
    )
    if plan.delimiter is not None and len(plan.delimiter) != 1:
        faults.append(f"mapping: delimiter {plan.delimiter!r}; expected one character")
    if faults:
        raise InputError(
            "the mapping file has faults:\n  " + "\n  ".join(faults), do="correct it and try again"
        )
    return plan


def _data_cut(value: Any, clock: str, faults: _Faults) -> int | None:
    if value is None:
        return None
    if clock == "patient" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if clock == "calendar" and isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return (value - dt.date(1970, 1, 1)).days
    faults.append(
        f"mapping: data_cut is {value!r}; expected a date (2026-01-31), or a day on a patient clock"
    )
    return None


def _target(where: str, given: Mapping[str, Any], faults: _Faults) -> Target | None:
    faults.unknown(where, given, _TARGET)
    name, columns = faults.text(where, given, "table"), given.get("columns")
    if name not in INPUTS or not isinstance(columns, dict):
        faults.append(f"{where}: table {name!r} with its columns; {nearest(name or '', INPUTS)}")
        return None
    where, table = f"{where} ({name})", INPUTS[name]
    faults.unknown(where, columns, table.names)
    cells = {c: cell for c, spec in columns.items() if (cell := _cell(f"{where}.{c}", spec, faults))}
    for column in table:
        if column.is_required and column.name not in columns:
            faults.append(f"{where}: the column {column.name} is required")
    value = cells.get("value")
    if name == "lab_results" and value and not (value.unit or value.unit_column):
        faults.append(f"{where}.value: unit (or unit_column) is missing; a unit is never guessed")
    return Target(
        table,
        cells,
        when=_when(where, given.get("when"), faults),
        each=_each(where, given.get("each"), faults),
        is_distinct=given.get("distinct") is True,
    )


def _when(where: str, given: Any, faults: _Faults) -> When | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("column"), str):
        faults.append(f'{where}: when is {given!r}; expected {{ column = "…", is = ["…"] }}')
        return None
    faults.unknown(f"{where}.when", given, ("column", "is"))
    return When(given["column"], faults.texts(where, given, "is"))


def _each(where: str, given: Any, faults: _Faults) -> Each | None:
    if given is None:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("columns"), str):
        faults.append(f'{where}: each is {given!r}; expected {{ columns = "donor*", is = ["1"] }}')
        return None
    faults.unknown(f"{where}.each", given, ("columns", "is", "is_not"))
    refused = faults.texts(where, given, "is_not") if "is_not" in given else ("0",)
    return Each(given["columns"], faults.texts(where, given, "is"), refused)


def _cell(where: str, given: Any, faults: _Faults) -> Cell | None:
    if isinstance(given, str):
        return Cell(column=given)
    if not isinstance(given, dict):
        faults.append(f"{where} is {given!r}; expected the name of a column, or {{ column = … }}")
        return None
    faults.unknown(where, given, _CELL)
    if sum(k in given for k in ("column", "template", "constant")) != 1:
        faults.append(f"{where}: expected one of column, template, constant")
        return None
    values = given.get("values")
    if values is not None and not (isinstance(values, dict) and all(_is_plain(v) for v in values.values())):
        faults.append(f"{where}: values is {values!r}; expected a table of texts")
        return None
    constant = given.get("constant")
    if constant is not None and not _is_plain(constant):
        faults.append(f"{where}: constant is {constant!r}; expected a text, number, date or true/false")
        return None
    texts = {k: faults.text(where, given, k) for k in _CELL if k not in {"values", "constant"}}
    _check_reading(where, texts, faults)
    return Cell(
        values={k: as_text(v) for k, v in values.items()} if values is not None else None,
        constant=None if constant is None else as_text(constant),
        **{k: v for k, v in texts.items() if v is not None},
    )


def _check_reading(where: str, texts: Mapping[str, str | None], faults: _Faults) -> None:
    if "%y" in (texts["date_format"] or ""):
        faults.append(f"{where}: a year of two digits (%y) is ambiguous; expected %Y")
    if texts["decimal"] not in (None, ".", ","):
        faults.append(f"{where}: decimal is {texts['decimal']!r}; expected '.' or ','")
    zone = texts["timezone"]
    if zone is not None and zone not in zoneinfo.available_timezones():
        faults.append(f"{where}: there is no time zone {zone!r}; expected one like Europe/Vienna")


def _is_plain(value: Any) -> bool:
    return isinstance(value, str | int | float | bool | dt.date)


def as_text(value: str | int | float | bool | dt.date) -> str:
    """A TOML value as it would stand in a sheet."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def columns_matching(pattern: str, columns: list[str]) -> list[str]:
    """Return the columns of a sheet that a pattern with ``*`` names, in order."""
    return [c for c in columns if fnmatch.fnmatchcase(c, pattern)]
