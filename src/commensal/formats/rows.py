"""Rows of study tables while they are gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from commensal.errors import Problem
from commensal.formats.metadata import Subject
from commensal.formats.sheets import Sheet
from commensal.study import INPUTS


@dataclass
class Rows:
    """Rows of study tables as they are gathered."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, table: str, **cells: Any) -> None:
        """Add a row; columns not given are null."""
        self.tables.setdefault(table, []).append(cells)

    def frames(self) -> dict[str, pl.DataFrame]:
        """The gathered rows as frames of the declared types, each row once."""
        return {
            name: pl.DataFrame(rows, schema=_schema(name, rows)).unique(maintain_order=True)
            for name, rows in self.tables.items()
        }


def _schema(name: str, rows: list[dict[str, Any]]) -> dict[str, pl.DataType]:
    used = {c for row in rows for c in row}
    return {c.name: c.storage for c in INPUTS[name] if c.name in used}


def subject_problem(
    sheet: Sheet,
    person: Subject,
    column: str,
    value: str | None,
    rule: str,
    message: str,
    *,
    severity: str = "error",
) -> Problem:
    """A fault of what a subject's rows say, at the first of them."""
    return Problem(
        table=sheet.name,
        row=person.rows[0],
        column=column,
        value=value or "",
        rule=rule,
        message=f"{person.subject_id}: {message}",
        severity=severity,
    )
