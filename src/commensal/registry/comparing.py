"""A file against the registry: what its rows would add, change or leave, and what is refused and why.

Plain Python: it is given what the registry holds and changes nothing. A row of the file is told again by its
own key, so that the same file twice changes nothing; what the file leaves empty never empties the registry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from commensal.errors import Problem
from commensal.study.declaration import Column, Kind, Table
from commensal.study.inputs import INPUTS
from commensal.vocabulary.instruments import instrument

IMPORTED = {
    "patients": True,
    "donors": True,
    "donations": False,
    "units": False,
    "courses": True,
    "sessions": True,
    "visits": True,
    "dispositions": False,
    "consents": False,
    "diagnoses": True,
    "procedures": True,
    "hospitalisations": True,
    "lab_results": True,
    "exposures": True,
    "screenings": False,
    "unit_donors": False,
    "session_units": False,
    "assessments": True,
    "diaries": True,
    "reported_outcomes": True,
    "adverse_events": True,
}
"""Tables a file may fill, those referred to first, and whether it may also change rows that are there.

Results of donors, consents, withdrawals and material are added and never changed: each has its page.
"""
PEOPLE = ("patients", "donors")
MAY_LIE_AHEAD = ("expires_on", "deferred_until_on", "stopped_on")
KEPT_ALWAYS = ("adverse_events",)
"""Recorded whatever was withdrawn."""
ADD, CHANGE, SAME, REFUSED = "add", "change", "same", "refused"
VERDICTS = (ADD, CHANGE, SAME, REFUSED)


@dataclass(frozen=True)
class Refusal:
    """Why a row, or one cell of it, cannot be taken."""

    column: str
    value: str
    reason: str


@dataclass(frozen=True)
class Step:
    """One row of the file: what would become of it."""

    table: str
    place: int
    source_key: str
    row_key: Any
    verdict: str
    values: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[tuple[str, Any, Any], ...] = ()
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True)
class Known:
    """What the registry holds of what the file speaks of, at one centre.

    ``origins``: (table, key in the file) → key in the registry, of earlier imports from the same source.
    ``rows``: table → key → values. ``natural``: the same for tables told by several columns.
    ``numbers``: letter and next free number of each table whose rows are numbered. ``make_key`` gives any
    other row a key that is the same whenever the same row is read. ``closed``: patients about whom nothing
    new may be taken from records, and why.
    """

    site: str
    today: date
    has_registry_ids: bool
    origins: Mapping[tuple[str, str], str]
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]]
    natural: Mapping[str, Mapping[tuple[Any, ...], tuple[Any, Mapping[str, Any]]]]
    numbers: Mapping[str, tuple[str, int]]
    make_key: Callable[[str, str], str]
    closed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Comparison:
    """Everything a dry run says."""

    steps: tuple[Step, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Table → verdict → rows, of the tables the file speaks of."""
        found: dict[str, dict[str, int]] = {}
        for step in self.steps:
            found.setdefault(step.table, dict.fromkeys(VERDICTS, 0))[step.verdict] += 1
        return found

    @property
    def may_go(self) -> bool:
        """Whether nothing is refused and something would change."""
        return not self.n_refused and any(s.verdict in (ADD, CHANGE) for s in self.steps)

    @property
    def n_refused(self) -> int:
        """Refused rows and faults of the file."""
        faults = sum(p.severity != "warning" for p in self.problems)
        return faults + sum(s.verdict == REFUSED for s in self.steps)

    @property
    def digest(self) -> str:
        """The identity of what was shown: what is imported must be the same."""
        text = repr([(s.table, s.place, s.verdict, sorted(s.values.items(), key=str), s.cells)
                     for s in self.steps])  # fmt: skip
        return hashlib.sha256(text.encode()).hexdigest()


def compare(
    frames: Mapping[str, pl.DataFrame],
    *,
    places: Mapping[str, Sequence[int]],
    known: Known,
    problems: Sequence[Problem] = (),
) -> Comparison:
    """Return what would become of every row; ``places`` are the rows of the file."""
    reader = _Reader(known)
    for name in [*IMPORTED, *(n for n in frames if n not in IMPORTED)]:
        if name in frames:
            reader.read(INPUTS[name], frames[name], places.get(name, ()))
    return Comparison(tuple(reader.steps), tuple(problems))


class _Reader:
    """Reads table after table; what a table refers to was read before it."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.steps: list[Step] = []
        self.keys: dict[tuple[str, str], str] = dict(known.origins)
        self.numbers = dict(known.numbers)

    def read(self, table: Table, frame: pl.DataFrame, places: Sequence[int]) -> None:
        """Read the rows of one table."""
        gathered, refused = _gathered(table, frame, places)
        for place, row in gathered:
            self.steps.append(self._step(table, place, row))
        self.steps += refused

    def _step(self, table: Table, place: int, row: dict[str, Any]) -> Step:
        source_key = key_of(table, row)
        refusals = [*self._forbidden(table), *_faults(table, row, self.known.today)]
        values = {name: value for name, value in row.items() if value is not None}
        for column in table.declared:
            if column.references and column.name in values and column.name not in _own(table):
                values[column.name] = self._referred(column, values[column.name], refusals)
        row_key, before = self._found(table, source_key, values, refusals)
        if before is None:
            values = self._completed(table, values, refusals)
        cells = (
            tuple((n, before.get(n), v) for n, v in values.items() if before.get(n) != v) if before else ()
        )
        verdict = ADD if before is None else CHANGE if cells else SAME
        if verdict == CHANGE and not IMPORTED.get(table.name):
            refusals += [
                Refusal(name, str(new), f"the registry says {old}; a file does not change {table.name}")
                for name, old, new in cells
            ]
        closed = self.known.closed.get(values.get("patient_id") or (before or {}).get("patient_id") or "")
        if closed and verdict != SAME and table.name not in KEPT_ALWAYS:
            refusals.append(Refusal("patient_id", "", closed))
        verdict = REFUSED if refusals else verdict
        if verdict == CHANGE:
            values = {name: new for name, _, new in cells}
        return Step(table.name, place, source_key, row_key, verdict, values, cells, tuple(refusals))

    def _forbidden(self, table: Table) -> list[Refusal]:
        if table.name in IMPORTED:
            return []
        return [
            Refusal("", table.name, f"{table.name} are not taken from a file; they have pages of their own")
        ]

    def _referred(self, column: Column, value: str, refusals: list[Refusal]) -> Any:
        """The registry's key of the row a cell points to."""
        table = column.references
        if table == "sites":
            if value != self.known.site:
                refusals.append(Refusal(column.name, value, f"this import is for centre {self.known.site}"))
            return self.known.site
        if self.known.has_registry_ids and table in PEOPLE:
            if value not in self.known.rows.get(table, {}):
                refusals.append(
                    Refusal(column.name, value, f"no such {table.removesuffix('s')} at your centre")
                )
            return value
        found = self.keys.get((table, value))
        if found is None:
            refusals.append(
                Refusal(column.name, value, f"not among the {table} of this file or of earlier imports of it")
            )
        return found

    def _found(
        self, table: Table, source_key: str, values: dict[str, Any], refusals: list[Refusal]
    ) -> tuple[Any, Mapping[str, Any] | None]:
        """The row's key in the registry, and what stands there; none where it would be a new row."""
        if len(table.key) > 1:
            natural = tuple(values.get(stored(name, table)) for name in table.key)
            return self.known.natural.get(table.name, {}).get(natural, (None, None))
        key = table.key[0]
        values.pop(key, None)
        row_key = self.keys.get((table.name, source_key))
        if self.known.has_registry_ids and table.name in PEOPLE:
            row_key = source_key
            if source_key not in self.known.rows.get(table.name, {}):
                refusals.append(Refusal(key, source_key, "no such person at your centre"))
        if row_key is not None and (before := self.known.rows.get(table.name, {}).get(row_key)) is not None:
            return row_key, before
        made = row_key or self._new_key(table, source_key)
        self.keys[table.name, source_key] = made
        return made, None

    def _new_key(self, table: Table, source_key: str) -> str:
        if table.name not in self.numbers:
            return self.known.make_key(table.name, source_key)
        prefix, number = self.numbers[table.name]
        self.numbers[table.name] = (prefix, number + 1)
        return f"{prefix}{number:04d}"

    def _completed(self, table: Table, values: dict[str, Any], refusals: list[Refusal]) -> dict[str, Any]:
        """A new row with its centre; refused where something required is missing."""
        if "site_id" in table.names:
            values.setdefault("site_id", self.known.site)
        refusals += [
            Refusal(c.name, "", "missing, and every new row needs it")
            for c in table.declared
            if c.is_required and c.name not in table.key and values.get(c.name) is None
        ]
        return values


def _own(table: Table) -> tuple[str, ...]:
    return table.key if len(table.key) == 1 else ()


def stored(name: str, table: Table) -> str:
    """Return the stored column behind a key column: the registry keeps dates, not their integer-day twins."""
    on = name.removesuffix("_day") + "_on"
    return on if on in table.names else name


def key_of(table: Table, row: Mapping[str, Any]) -> str:
    """The key of a row of the file, in words."""
    return " · ".join(str(row.get(stored(name, table))) for name in table.key)


def _gathered(
    table: Table, frame: pl.DataFrame, places: Sequence[int]
) -> tuple[list[tuple[int, dict[str, Any]]], list[Step]]:
    """Rows by key: rows of one key that do not contradict each other are one, others are refused."""
    names = [c.name for c in table.declared if c.name in frame.columns]
    rows: dict[str, tuple[int, dict[str, Any]]] = {}
    refused = []
    for index, row in enumerate(frame.select(names).iter_rows(named=True)):
        place = places[index] if index < len(places) else index + 1
        key = key_of(table, row)
        first = rows.setdefault(key, (place, dict(row)))
        for name, value in row.items():
            if first[1][name] is None:
                first[1][name] = value
        clash = [n for n, value in row.items() if value is not None and first[1][n] != value]
        if clash:
            said = tuple(
                Refusal(n, str(row[n]), f"row {first[0]} of the file says {first[1][n]} of {key}")
                for n in clash
            )
            refused.append(Step(table.name, place, key, None, REFUSED, refusals=said))
    return list(rows.values()), refused


def _faults(table: Table, row: Mapping[str, Any], today: date) -> list[Refusal]:
    """What no file may say, whatever the cell can hold."""
    found = []
    for key in table.key:
        if row.get(stored(key, table)) is None and table[key].is_required:
            found.append(Refusal(key, "", "the row has no key: nothing would tell it again"))
    for column in table.declared:
        value = row.get(column.name)
        is_ahead = column.kind is Kind.DATE and value is not None and value > today
        if is_ahead and column.name not in MAY_LIE_AHEAD:
            found.append(Refusal(column.name, str(value), "this date lies in the future"))
        why = _FORBIDDEN.get((table.name, column.name, value)) if isinstance(value, str | bool) else None
        if why:
            found.append(Refusal(column.name, str(value), why))
    if table.name == "assessments" and row.get("instrument") and (wrong := _answer_fault(row)):
        found.append(Refusal("value", str(row.get("value")), wrong))
    pathway = row.get("release_pathway")
    if table.name == "units" and pathway not in (None, "historical"):
        found.append(
            Refusal("release_pathway", pathway, "only historical units come from a file; none is issued")
        )
    return found


def _answer_fault(row: Mapping[str, Any]) -> str:
    """Why an answer is none of its instrument's; empty where it is one."""
    declared = instrument(row["instrument"])
    item = declared.input_code(row.get("item") or "")
    if item not in declared.inputs:
        return f"{declared.label} has no item {row.get('item')!r}"
    value = row.get("value")
    admits = value is None or declared.inputs[item].admits(value)
    return "" if admits else f"outside what {declared.inputs[item].label} admits"


_FORBIDDEN = {
    ("donors", "status", "eligible"): "a physician decides on eligibility on the donor's page",
    ("screenings", "is_resolved", True): "a physician clears a positive result on the donor's page",
}
