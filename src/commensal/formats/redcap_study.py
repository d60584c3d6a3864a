"""A study's tables as REDCap projects, and back: one instrument a table, one repeating instance a row.

Patients and donors are projects of their own; the record is the person, a field is named after its
instrument and column. Material (units, batches, custody) belongs to no one person and has no place there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from commensal.errors import InputError, Problem, nearest
from commensal.formats.files import open_archive, read_bytes, read_entry
from commensal.formats.imported import Draft, Imported
from commensal.formats.mapping import read_plan
from commensal.formats.records import read_by_plan
from commensal.formats.redcap import (
    HEADINGS,
    INSTANCE,
    INSTRUMENT,
    Entry,
    Field,
    Project,
    read_project,
    sheet_of,
)
from commensal.formats.sheets import Sheet
from commensal.formats.texts import is_words, spreadable, text_of, unspreadable, value_of
from commensal.study import INPUTS, Manifest
from commensal.study.declaration import Column, Kind, Table
from commensal.study.lists import codes_of

ROOTS = {"patients": "patient_id", "donors": "donor_id"}
LEFT_OUT = ("samples", "units", "custody", "holds", "unit_donors", "session_units", "batches")
_VALIDATION = {Kind.DATE: "date_ymd", Kind.INTEGER: "integer", Kind.NUMBER: "number"}
MAX_FILES = 12


def tables_of(root: str) -> tuple[Table, ...]:
    """The tables of a project, the people first, then those whose rows belong to one of them."""
    key = ROOTS[root]
    rest = [t for t in INPUTS.values() if key in t.names and t.name not in (*ROOTS, *LEFT_OUT)]
    return (INPUTS[root], *rest)


def project_of(frames: Mapping[str, pl.DataFrame], *, root: str) -> Project:
    """Return the project of the patients or of the donors among a study's tables."""
    key, tables = ROOTS[root], tables_of(root)
    fields = [_field(root, INPUTS[root][key], key)]
    fields += [_field(t.name, c, f"{t.name}_{c.name}") for t in tables for c in t.declared if c.name != key]
    columns = (key, INSTRUMENT, INSTANCE, *(f.name for f in fields[1:]))
    entries = [e for t in tables if t.name in frames for e in _entries(frames[t.name], t, root)]
    order = {e.record: i for i, e in reversed(list(enumerate(entries)))}
    entries.sort(key=lambda e: order[e.record])
    return Project(headings=HEADINGS, fields=tuple(fields), columns=columns, entries=tuple(entries))


def _field(form: str, column: Column, name: str) -> Field:
    kind, choices = "text", ""
    if column.kind is Kind.FLAG:
        kind = "yesno"
    elif column.kind is Kind.CODE:
        kind, choices = "dropdown", " | ".join(f"{c}, {c.replace('_', ' ')}" for c in codes_of(column))
    elif column.kind is Kind.TEXT:
        kind = "notes"
    limits = ["" if v is None else f"{v:g}" for v in (column.minimum, column.maximum)]
    cells = [name, form, "", kind, unspreadable(column.meaning), choices, column.unit]
    cells += [_VALIDATION.get(column.kind, ""), *limits, "", "", "y" if column.is_required else ""]
    return Field((*cells, *[""] * (len(HEADINGS) - len(cells))))


def _entries(frame: pl.DataFrame, table: Table, root: str) -> list[Entry]:
    key = ROOTS[root]
    counts: dict[str, int] = {}
    made = []
    for row in frame.iter_rows(named=True):
        person = row.get(key)
        if person is None:
            continue  # a consent of the other kind of person
        counts[person] = counts.get(person, 0) + 1
        is_repeated = table.name != root
        places = {
            INSTRUMENT: table.name if is_repeated else "",
            INSTANCE: str(counts[person]) if is_repeated else "",
        }
        cells = {f"{table.name}_{c.name}": _cell(row.get(c.name), c) for c in table.declared if c.name != key}
        made.append(Entry(person, places, {key: unspreadable(person), **cells}))
    return made


def _cell(value: Any, column: Column) -> str:
    text = text_of(value, column)
    return unspreadable(text) if is_words(column) else text


def is_own(project: Project) -> bool:
    """Whether a project's instruments are the study's tables, as :func:`project_of` writes them."""
    return bool(project.fields) and all(form in INPUTS for form in project.forms)


def read_redcap(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read a project: a folder of its files, a zip of them, or the data alone.

    With a mapping file its data are read as any sheet; without one the instruments must be the study's
    tables. Refuses (InputError) a project that is neither, (ProblemsFoundError) every bad cell.
    """
    draft, manifest = draft_redcap(source, mapping=mapping)
    return draft.finish(manifest)


def draft_redcap(source: Path, *, mapping: Mapping[str, Any] | None = None) -> tuple[Draft, Manifest]:
    """Read a project and hand over what was read with its faults; see :func:`read_redcap`."""
    files = _files(source)
    draft = Draft(source.name, sources=dict(files))
    plan = None if mapping is None else read_plan(mapping)
    project = read_project(files, encoding=plan.encoding if plan else None)
    if plan:
        return draft, read_by_plan(sheet_of(project, name=source.name, problems=draft.problems), plan, draft)
    if not is_own(project):
        strange = next((form for form in project.forms if form not in INPUTS), "(no dictionary)")
        raise InputError(
            f"the instrument {strange!r} is no table of a study",
            expected=nearest(strange, INPUTS),
            do="give a mapping file: which field of the project is which column of which table",
        )
    _read_own(project, draft)
    return draft, Manifest(origin=f"REDCap {source.name}")


def redcap_sheet(source: Path, *, encoding: str | None = None) -> Sheet:
    """Return the data of a project as a sheet, to see its columns."""
    return sheet_of(read_project(_files(source), encoding=encoding), name=source.name, problems=[])


def _files(source: Path) -> dict[str, bytes]:
    if source.is_dir():
        paths = sorted(p for p in source.iterdir() if p.suffix.lower() == ".csv")[: MAX_FILES + 1]
        found = {p.name: read_bytes(p) for p in paths}
    elif source.suffix.lower() == ".zip":
        with open_archive(source) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith(".csv")][: MAX_FILES + 1]
            found = {Path(n).name: read_entry(archive, n, name=source.name) for n in names}
    else:
        found = {source.name: read_bytes(source)}
    if not found or len(found) > MAX_FILES:
        raise InputError(f"{source.name} holds {len(found)} CSV files", expected=f"1 to {MAX_FILES}")
    return found


def _read_own(project: Project, draft: Draft) -> None:
    key = project.fields[0].name
    root = project.fields[0].form
    by_form: dict[str, list[tuple[Field, Column]]] = {}
    for known in project.fields[1:]:
        name = known.name.removeprefix(known.form + "_")
        if name not in INPUTS[known.form].names:
            draft.problems.append(_no_column(draft.name, known, name))
            continue
        by_form.setdefault(known.form, []).append((known, INPUTS[known.form][name]))
    rows: dict[str, list[dict[str, Any]]] = {}
    places: dict[str, list[int]] = {}
    for number, entry in enumerate(project.entries, start=1):
        form = entry.instrument or root
        made: dict[str, Any] = {key: spreadable(entry.record)}
        for known, column in by_form.get(form, ()):
            text = entry.values.get(known.name, "")
            made[column.name] = _read(str(text), column, (draft, number, known.name))
        rows.setdefault(form, []).append(made)
        places.setdefault(form, []).append(number)
    for form, made_rows in rows.items():
        if form not in INPUTS:
            message = f"there is no instrument {form!r}; expected {nearest(form, project.forms)}"
            draft.problems.append(Problem(draft.name, 0, INSTRUMENT, form, "not_listed", message))
            continue
        used = [c for c in INPUTS[form].declared if any(c.name in row for row in made_rows)]
        frame = pl.DataFrame([{c.name: r.get(c.name) for c in used} for r in made_rows],
                             schema={c.name: c.storage for c in used})  # fmt: skip
        draft.add_rows(form, frame, places=places[form], is_distinct=False)


def _no_column(name: str, known: Field, column: str) -> Problem:
    message = f"{known.form} has no column {column!r}; expected {nearest(column, INPUTS[known.form].names)}"
    return Problem(name, 0, known.name, "", "column_unknown", message)


def _read(text: str, column: Column, where: tuple[Draft, int, str]) -> Any:
    draft, number, name = where
    try:
        return value_of(spreadable(text) if is_words(column) else text, column)
    except InputError as error:
        message = "; expected ".join(part for part in (error.what, error.expected) if part)
        severity = "safety" if error.exit_code == 3 else "error"
        rule = "parenteral_route" if severity == "safety" else "bad_cell"
        draft.problems.append(Problem(draft.name, number, name, text, rule, message, severity=severity))
        return None
