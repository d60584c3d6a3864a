"""Positions in a box: a letter for the row, a number for the column, A1 in the corner."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from commensal.errors import InputError

MOST_ROWS = 26
_WRITTEN = re.compile(r"([A-Z])0*([1-9][0-9]?)")


@dataclass(frozen=True, order=True)
class Position:
    """One position of a box, row and column from 1; printed as A1."""

    row: int
    column: int

    def __post_init__(self) -> None:
        if not 1 <= self.row <= MOST_ROWS or self.column < 1:
            raise InputError(
                f"row {self.row}, column {self.column} of a box", expected="rows 1 to 26, A to Z"
            )

    def __str__(self) -> str:
        return f"{chr(ord('A') + self.row - 1)}{self.column}"


def read_position(text: str) -> Position:
    """Return the position that a text names (``b7``, ``B07``). Refuses (InputError) any other text."""
    found = _WRITTEN.fullmatch(text.strip().upper())
    if found is None:
        raise InputError(f"position {text!r}", expected="a letter and a number, such as B7")
    return Position(ord(found[1]) - ord("A") + 1, int(found[2]))


def all_positions(n_rows: int, n_columns: int) -> list[Position]:
    """Return the positions of a box, row by row."""
    return [Position(row, column) for row in range(1, n_rows + 1) for column in range(1, n_columns + 1)]


def first_free(n_rows: int, n_columns: int, *, taken: Collection[Position]) -> Position | None:
    """Return the first position that is free, row by row; null where the box is full."""
    return next((p for p in all_positions(n_rows, n_columns) if p not in taken), None)
