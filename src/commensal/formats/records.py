"""Clinical records in any CSV, TSV or Excel sheet, with a mapping file: one sheet, any number of tables."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from commensal.errors import InputError, Problem, SafetyError
from commensal.formats.cells import is_route, read_cell
from commensal.formats.files import read_bytes
from commensal.formats.imported import Draft, Imported
from commensal.formats.mapping import PLACEHOLDER, Cell, Plan, Target, columns_matching, read_plan
from commensal.formats.metadata import column_meaning, names_routes, route_problem
from commensal.formats.sheets import MISSING, Sheet, read_sheet
from commensal.study import Manifest
from commensal.vocabulary import convert, refuse_parenteral
from commensal.vocabulary.units import analytes

# One row of the sheet as one target sees it: its number, its cells and the pseudo-columns.
Row = tuple[int, dict[str, str | None]]


def read_records(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read a sheet of records by a mapping (see :mod:`commensal.formats.mapping`).

    The sheet itself is kept in ``sources/``: columns and cells that no table takes are not lost.

    Refuses
        ``ProblemsFoundError`` with every bad cell, by row and column; ``InputError`` for a mapping with
        faults (all of them) or a sheet that is none.
    """
    if mapping is None:
        raise InputError(
            "a table of records needs a mapping file",
            expected="which column of the sheet is which column of which table",
            do='write a TOML file: [[tables]], table = "patients", columns = { patient_id = "…", arm = "…" }',
        )
    plan, draft = read_plan(mapping), Draft(source.name)
    sheet = read_sheet(
        source,
        problems=draft.problems,
        encoding=plan.encoding,
        delimiter=plan.delimiter,
        missing=_missing(plan),
        sheet=plan.sheet,
    )
    draft.sources[source.name] = read_bytes(source)
    _check_routes(sheet, plan, draft)
    used = _used_columns(sheet, plan, draft)
    _note_unused(sheet, used, draft)
    for target in plan.targets:
        if all(c in sheet for c in target.reads):
            _add_table(sheet, target, draft)
    origin = plan.origin or f"table {source.name}"
    manifest = Manifest(origin=origin, clock=plan.clock, data_cut_day=plan.data_cut_day, notes=plan.notes)
    return draft.finish(manifest)


def _missing(plan: Plan) -> tuple[str, ...]:
    """Cells that say nothing; a parenteral route is never one, whatever the mapping calls missing."""
    if plan.missing is None:
        return MISSING
    return ("", *(text for text in plan.missing if not _is_parenteral(text)))


def _is_parenteral(text: str) -> bool:
    try:
        refuse_parenteral(text)
    except SafetyError:
        return True
    return False


def _used_columns(sheet: Sheet, plan: Plan, draft: Draft) -> set[str]:
    used = set()
    for target in plan.targets:
        for name in target.reads:
            if name not in sheet:
                draft.problems.append(_absent(sheet, name, f"the mapping of {target.table.name} needs it"))
        each = columns_matching(target.each.pattern, list(sheet.columns)) if target.each else []
        if target.each and not each:
            draft.problems.append(_absent(sheet, target.each.pattern, "no column matches each"))
        used |= {*target.reads, *each}
    return used


def _absent(sheet: Sheet, name: str, why: str) -> Problem:
    found = ", ".join(list(sheet.columns)[:12])
    return Problem(sheet.name, 0, name, "", "column_missing", f"{why}; the sheet has {found}")


def _note_unused(sheet: Sheet, used: set[str], draft: Draft) -> None:
    if unused := [c for c in sheet.columns if c not in used]:
        listed = ", ".join(unused)
        draft.notes.append(
            f"columns kept in sources/{sheet.name} only, as they were (take out names and contacts before "
            f"sharing the study): {listed}"
        )


def _check_routes(sheet: Sheet, plan: Plan, draft: Draft) -> None:
    """Every row of every column that says how FMT was given, whatever the mapping filters or renames.

    Where the sheet is one of sessions, a column that is not mapped is looked at too, if it is called a route
    or some cell of it names a way into the gut.
    """
    mapped = {
        name
        for target in plan.targets
        for column, cell in target.cells.items()
        if is_route(target.table[column])
        for name in cell.reads
    }
    taken = {name for target in plan.targets for name in target.reads}
    if any(target.table.name == "sessions" for target in plan.targets):
        left = {name: cells for name, cells in sheet.columns.items() if name not in taken}
        mapped |= {c for c, cells in left.items() if column_meaning(c) == "route" or names_routes(cells)}
    for column in sorted(mapped & set(sheet.columns)):
        for number, text in enumerate(sheet.columns[column], start=1):
            fault = route_problem(sheet.name, number, column, text) if text else None
            if fault and fault.severity == "safety":
                draft.problems.append(fault)


def _add_table(sheet: Sheet, target: Target, draft: Draft) -> None:
    rows = [r for row in _rows(sheet, target) for r in _expanded(sheet, row, target, draft.problems)]
    reader = _Reader(sheet.name, target, draft.problems)
    made = [cells for row in rows if (cells := reader.read(row)) is not None]
    names = [c for c in target.table.names if c in reader.columns]
    schema = {c: target.table[c].storage for c in names}
    frame = pl.DataFrame([{c: cells.get(c) for c in names} for cells in made], schema=schema)
    before = draft.frames.get(target.table.name)
    frame = frame if before is None else pl.concat([before, frame], how="diagonal")
    draft.frames[target.table.name] = frame.unique(maintain_order=True) if target.is_distinct else frame


def _rows(sheet: Sheet, target: Target) -> list[Row]:
    rows = list(enumerate(sheet.rows(), start=1))
    when = target.when
    if when is None:
        return rows
    if when.accepted:
        return [(n, cells) for n, cells in rows if cells[when.column] in when.accepted]
    return [(n, cells) for n, cells in rows if cells[when.column] is not None]


def _expanded(sheet: Sheet, row: Row, target: Target, problems: list[Problem]) -> list[Row]:
    number, cells = row
    if target.each is None:
        return [(number, {**cells, "@row": str(number)})]
    made = []
    for name in columns_matching(target.each.pattern, list(sheet.columns)):
        cell, each = cells[name], target.each
        counts = cell in each.accepted if each.accepted else cell is not None
        if counts:
            made.append((number, {**cells, "@row": str(number), "@name": name, "@cell": cell}))
        elif cell is not None and cell not in each.refused:
            expected = ", ".join((*each.accepted, *each.refused))
            message = f"expected one of {expected}"
            problems.append(Problem(sheet.name, number, name, cell, "not_listed", message))
    return made


class _Reader:
    """Reads the rows of one target; a text that was read once is not read again."""

    def __init__(self, name: str, target: Target, problems: list[Problem]) -> None:
        self.name, self.target, self.problems = name, target, problems
        self.columns = set(target.cells)
        routes = [c for c in target.cells if target.table[c].codes == "routes"]
        self.route = routes[0] if routes and "route_as_recorded" not in target.cells else None
        self.columns |= {"route_as_recorded"} if self.route else set()
        self.columns |= {"unit"} if self._converts() else set()
        self._seen: dict[tuple[str, str], Any] = {}

    def _converts(self) -> bool:
        value = self.target.cells.get("value")
        return self.target.table.name == "lab_results" and value is not None

    def read(self, row: Row) -> dict[str, Any] | None:
        """Return the row's values; None (with problems) where one of them cannot be read."""
        before = len(self.problems)
        values = {column: self._value(row, column, cell) for column, cell in self.target.cells.items()}
        if self.route:
            values["route_as_recorded"] = _text_of(row, self.target.cells[self.route])
        if self._converts():
            self._convert(row, values)
        for column in self.target.table:
            if column.is_required and values.get(column.name) is None and len(self.problems) == before:
                self._problem(row, column.name, None, "a value is required")
        return values if len(self.problems) == before else None

    def _value(self, row: Row, column: str, cell: Cell) -> Any:
        text = _text_of(row, cell)
        if text is None:
            return None
        key = (column, text)
        if key not in self._seen:
            try:
                self._seen[key] = read_cell(text, column=self.target.table[column], cell=cell)
            except InputError as error:
                self._seen[key] = error
        found = self._seen[key]
        if not isinstance(found, InputError):
            return found
        is_safety = isinstance(found, SafetyError)
        if is_safety and cell.column:
            return None  # the column as a whole was looked at before, row by row
        message = "; expected ".join(part for part in (found.what, found.expected) if part)
        self._problem(row, column, text, message, severity="safety" if is_safety else "error")
        return None

    def _convert(self, row: Row, values: dict[str, Any]) -> None:
        """Laboratory values are kept in the analyte's own unit; the unit reported is never guessed."""
        cell, analyte = self.target.cells["value"], values.get("analyte")
        if values["value"] is None or analyte is None:
            return
        unit = cell.unit or row[1].get(cell.unit_column or "") or ""
        try:
            values["value"] = _convert(values["value"], analyte, unit)
            values["unit"] = analytes().get(analyte).unit
        except InputError as error:
            message = "; expected ".join(part for part in (error.what, error.expected) if part)
            self._problem(row, "value", _text_of(row, cell), message)

    def _problem(
        self, row: Row, column: str, value: str | None, message: str, *, severity: str = "error"
    ) -> None:
        cell = self.target.cells.get(column)
        place = (cell.column or cell.template or column) if cell else column
        rule = "parenteral_route" if severity == "safety" else "bad_cell"
        about = f"{self.target.table.name}.{column}: {message}"
        self.problems.append(Problem(self.name, row[0], place, value or "", rule, about, severity=severity))


@functools.lru_cache(maxsize=10_000)
def _convert(value: float, analyte: str, unit: str) -> float:
    return convert(value, analyte=analyte, unit=unit)


def _text_of(row: Row, cell: Cell) -> str | None:
    """The text a cell's rule finds in a row; a template with a missing part is missing."""
    if cell.constant is not None:
        return cell.constant
    if cell.column is not None:
        return row[1].get(cell.column)
    parts = {name: row[1].get(name) for name in cell.reads}
    if any(part is None for part in parts.values()):
        return None
    return PLACEHOLDER.sub(lambda m: parts[m[1]] or "", cell.template or "")
