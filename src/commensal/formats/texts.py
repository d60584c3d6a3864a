"""The values of declared columns as text that another program reads, and back without loss."""

from __future__ import annotations

import datetime as dt
from typing import Any

from commensal.formats.cells import read_cell
from commensal.formats.mapping import Cell
from commensal.study.declaration import Column, Kind

FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTE = "'"
_AS_WRITTEN = Cell()


def text_of(value: Any, column: Column) -> str:
    """Return a value as text: ISO dates, moments in UTC, 1 and 0 for yes and no; empty where unknown."""
    if value is None:
        return ""
    match column.kind:
        case Kind.FLAG:
            return "1" if value else "0"
        case Kind.DATE:
            return value.isoformat()
        case Kind.INSTANT:
            return value.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case Kind.NUMBER:
            return repr(float(value)).removesuffix(".0")
        case Kind.INTEGER | Kind.DAY:
            return str(value)
        case _:
            return str(value)


def value_of(text: str, column: Column) -> Any:
    """Return the value that :func:`text_of` wrote; null where it is empty. Refuses as ``read_cell``."""
    return None if text == "" else read_cell(text, column=column, cell=_AS_WRITTEN)


def unspreadable(text: str) -> str:
    """Return text that no spreadsheet program takes for a formula; :func:`spreadable` undoes it."""
    return _QUOTE + text if text.startswith((*FORMULA, _QUOTE)) else text


def spreadable(text: str) -> str:
    """Undo :func:`unspreadable`."""
    return text.removeprefix(_QUOTE)


def is_words(column: Column) -> bool:
    """Whether a column holds words that somebody typed, which could be a formula."""
    return column.kind in (Kind.TEXT, Kind.ID)
