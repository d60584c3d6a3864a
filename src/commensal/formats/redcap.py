"""REDCap projects: dictionary and data, read without losing a cell and written back cell for cell.

A project is a folder (or the files of one): the data dictionary, the data in raw codes, and, where it is
longitudinal, events and arms. An entry is one row of the data: a record, at an event, in one instance of a
repeating instrument. A checkbox keeps every box apart, and an empty box stays apart from an unticked one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from commensal.errors import InputError, Problem
from commensal.formats.files import decode
from commensal.formats.sheets import MAX_CELL, MAX_COLUMNS, MAX_ROWS, Sheet

HEADINGS = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
"""The headings of a dictionary as a person downloads it; a dictionary of the API calls them otherwise."""
FIRST_HEADINGS = (HEADINGS[0], "field_name")
EVENT, INSTRUMENT, INSTANCE, GROUP = (
    "redcap_event_name",
    "redcap_repeat_instrument",
    "redcap_repeat_instance",
    "redcap_data_access_group",
)
PLACES = (EVENT, INSTRUMENT, INSTANCE, GROUP)
BOX = "___"
CHOSEN = ("radio", "dropdown")

_PATTERNS = {
    "date_": r"\d{4}-\d{2}-\d{2}",
    "datetime_": r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}(:\d{2})?",
    "integer": r"-?\d+",
    "number_comma": r"-?\d*,?\d+",
    "number_1dp_comma": r"-?\d*,\d",
    "number": r"-?\d*([.]\d+)?([eE][+-]?\d+)?",
    "time": r"\d{1,2}:\d{2}(:\d{2})?",
}


@dataclass(frozen=True)
class Table:
    """A CSV file as it stands: its header and its rows of text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """How many columns the header has."""
        return len(self.header)


@dataclass(frozen=True)
class Field:
    """One line of the dictionary, under the headings it came with."""

    cells: tuple[str, ...]

    def _cell(self, index: int) -> str:
        text = self.cells[index].strip() if index < len(self.cells) else ""
        return "" if text == "NA" else text

    @property
    def name(self) -> str:
        """The variable's name."""
        return self._cell(0)

    @property
    def form(self) -> str:
        """The instrument it stands in."""
        return self._cell(1)

    @property
    def kind(self) -> str:
        """The field type: text, notes, radio, checkbox …"""
        return self._cell(3)

    @property
    def label(self) -> str:
        """What is asked."""
        return self._cell(4)

    @property
    def validation(self) -> str:
        """The kind of text that is expected, where one is."""
        return self._cell(7)

    @property
    def annotation(self) -> str:
        """Remarks and action tags."""
        return self._cell(17)

    @cached_property
    def choices(self) -> dict[str, str]:
        """Code → label of a field with a list; empty for any other."""
        if self.kind not in (*CHOSEN, "checkbox"):
            return {"1": "yes", "0": "no"} if self.kind in ("yesno", "truefalse") else {}
        parts = (part.partition(",") for part in self._cell(5).split("|"))
        return {code.strip(): words.strip() for code, _, words in parts if code.strip()}

    def boxes(self, columns: Sequence[str]) -> dict[str, str]:
        """Column → code of a checkbox's boxes among the columns of the data."""
        return {c: c[len(self.name) + len(BOX) :] for c in columns if c.startswith(self.name + BOX)}


@dataclass(frozen=True)
class Entry:
    """One row of the data. ``values``: field → text, or box → cell for a checkbox."""

    record: str
    places: Mapping[str, str]
    values: Mapping[str, str | Mapping[str, str]]

    @property
    def event(self) -> str:
        """Unique name of the event; empty in a project without."""
        return self.places.get(EVENT, "")

    @property
    def instrument(self) -> str:
        """The repeating instrument this row is an instance of; empty otherwise."""
        return self.places.get(INSTRUMENT, "")

    @property
    def instance(self) -> str:
        """Number of the instance, as text."""
        return self.places.get(INSTANCE, "")

    @property
    def group(self) -> str:
        """Data access group."""
        return self.places.get(GROUP, "")


@dataclass(frozen=True)
class Project:
    """A whole project. ``columns`` is the header of the data, kept so that it can be written again."""

    headings: tuple[str, ...]
    fields: tuple[Field, ...]
    columns: tuple[str, ...]
    entries: tuple[Entry, ...]
    others: Mapping[str, Table] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Variable → field."""
        return {f.name: f for f in self.fields}

    @property
    def forms(self) -> tuple[str, ...]:
        """Instruments in the order of the dictionary."""
        return tuple(dict.fromkeys(f.form for f in self.fields))

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The rows of the data as they stood: each cell back in its column."""
        homes = _homes(self.columns, self.fields)
        for entry in self.entries:
            yield tuple(_cell_of(entry, column, homes[column]) for column in self.columns)


def read_project(files: Mapping[str, bytes], *, encoding: str | None = None) -> Project:
    """Read the files of a project: file name → content. Which file is which is told by its header.

    The dictionary may be absent (every field is then text). InputError where a file is no CSV, a row has
    another number of cells than its header, or no file holds data.
    """
    tables = {name: read_table(decode(_filled(b), name=name, encoding=encoding), name=name)
              for name, b in files.items()}  # fmt: skip
    dictionary = next((t for t in tables.values() if t.header[:1] and t.header[0] in FIRST_HEADINGS), None)
    others = {n: t for n, t in tables.items() if t.header[:1] in (("event_name",), ("arm_num",))}
    data = [t for n, t in tables.items() if t is not dictionary and n not in others]
    if len(data) != 1:
        raise InputError(
            f"{len(data)} of the files {', '.join(sorted(tables))} could be the data of a project",
            expected="one data file, one dictionary, and events and arms where the project has them",
            do="export the data as raw CSV and put it beside the dictionary",
        )
    fields = tuple(Field(row) for row in dictionary.rows) if dictionary else ()
    columns = data[0].header
    return Project(
        headings=dictionary.header if dictionary else HEADINGS,
        fields=fields,
        columns=columns,
        entries=_entries(data[0], fields),
        others=others,
    )


def _filled(content: bytes) -> bytes:
    """A file REDCap wrote for a project without rows is a single line end."""
    return content if content.strip() else b"\n"


def read_table(text: str, *, name: str) -> Table:
    """Read a CSV file cell for cell. InputError where it is none, is too large, or a row is ragged."""
    csv.field_size_limit(MAX_CELL)
    try:
        rows = [tuple(r) for r in csv.reader(io.StringIO(text, newline=""), strict=True) if r]
    except csv.Error as error:
        raise InputError(f"{name} is not a well-formed table: {error}", do="export it again") from error
    header = rows[0] if rows else ()
    if len(header) > MAX_COLUMNS * 10 or len(rows) > MAX_ROWS:
        raise InputError(
            f"{name} has {len(header):,} columns and {len(rows):,} rows",
            expected=f"at most {MAX_COLUMNS * 10:,} and {MAX_ROWS:,}",
        )
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise InputError(
                f"{name}: row {number} has {len(row)} cells, the header {len(header)}", do="export it again"
            )
    if twice := sorted({c for c in header if header.count(c) > 1}) if len(set(header)) < len(header) else []:
        raise InputError(f"{name}: column {twice[0]!r} stands twice", do="give each column its own name")
    return Table(header, tuple(rows[1:]))


def _homes(columns: Sequence[str], fields: Sequence[Field]) -> dict[str, tuple[str, str | None]]:
    """Column → (field, box): a column without a field of the dictionary is a field of its own."""
    boxes = {f.name for f in fields if f.kind == "checkbox"}
    homes: dict[str, tuple[str, str | None]] = {}
    for column in columns:
        head, sign, box = column.partition(BOX)
        homes[column] = (head, box) if sign and head in boxes else (column, None)
    return homes


def _entries(data: Table, fields: tuple[Field, ...]) -> tuple[Entry, ...]:
    homes = _homes(data.header, fields)
    key = fields[0].name if fields and fields[0].name in data.header else next(iter(data.header), "")
    made = []
    for row in data.rows:
        cells = dict(zip(data.header, row, strict=True))
        values: dict[str, str | dict[str, str]] = {}
        for column, cell in cells.items():
            name, box = homes[column]
            if column in PLACES:
                continue
            if box is None:
                values[name] = cell
            else:
                boxes = values.setdefault(name, {})
                if isinstance(boxes, dict):
                    boxes[box] = cell
        made.append(Entry(cells.get(key, ""), {c: cells[c] for c in PLACES if c in cells}, values))
    return tuple(made)


def _cell_of(entry: Entry, column: str, home: tuple[str, str | None]) -> str:
    if column in PLACES:
        return entry.places[column]
    name, box = home
    value = entry.values.get(name, "")
    if isinstance(value, str):
        return value
    return value.get(box or "", "")


def write_project(project: Project) -> dict[str, str]:
    """Return the project's files as text: ``dictionary.csv``, ``data.csv``, and events and arms as given."""
    made = {
        "dictionary.csv": write_table(Table(project.headings, tuple(f.cells for f in project.fields))),
        "data.csv": write_table(Table(project.columns, tuple(project.rows()))),
    }
    return made | {name: write_table(table) for name, table in project.others.items()}


def write_table(table: Table) -> str:
    """Return a table as CSV text, every cell as it is."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    if table.header:
        writer.writerow(table.header)
    writer.writerows(table.rows)
    return out.getvalue()


def sheet_of(project: Project, *, name: str, problems: list[Problem]) -> Sheet:
    """Return the data as a sheet that a mapping file can read; an empty cell says nothing.

    What does not fit its dictionary is a warning: REDCap itself keeps values entered before a rule was made.
    """
    columns = [c for c in project.columns if c]
    places = [project.columns.index(c) for c in columns]
    rows = list(project.rows())
    cells = {c: [row[i].strip() or None for row in rows] for c, i in zip(columns, places, strict=True)}
    problems += _misfits(project, cells, name)
    return Sheet(name, cells, len(rows))


def _misfits(project: Project, cells: Mapping[str, list[str | None]], name: str) -> list[Problem]:
    found = []
    for column, values in cells.items():
        known = project.by_name.get(column)
        if known is None:
            continue
        for number, value in enumerate(values, start=1):
            if value is not None and (wrong := _misfit(known, value)):
                found.append(
                    Problem(name, number, column, value, "dictionary_misfit", wrong, severity="warning")
                )
    return found


def _misfit(known: Field, value: str) -> str:
    if known.choices and value not in known.choices:
        return "not one of the dictionary's choices: " + ", ".join(list(known.choices)[:12])
    for start, pattern in _PATTERNS.items():
        if known.validation.startswith(start):
            return "" if re.fullmatch(pattern, value) else f"not a {known.validation} as the dictionary asks"
    return ""
