"""From the text of a cell to the value of a declared column. What cannot be read is refused, not guessed."""

from __future__ import annotations

import datetime as dt
import math
import re
import zoneinfo
from typing import Any

from commensal.errors import InputError, nearest
from commensal.formats.mapping import Cell
from commensal.formats.numerals import read_number
from commensal.study.declaration import Column, Kind
from commensal.study.lists import codes_of
from commensal.vocabulary import find_indication, read_route, refuse_parenteral

EARLIEST, LATEST = 1900, 2100
_TRUE = ("1", "true", "yes", "y", "t", "是")
_FALSE = ("0", "false", "no", "n", "f", "否")
# A date cell of a workbook is written out with the time of midnight.
_MIDNIGHT = re.compile(r"(\d{4}-\d{2}-\d{2})[ T]00:00:00(\.0+)?")


def is_route(column: Column) -> bool:
    """Whether a column says how FMT was administered (never how a drug was)."""
    return column.codes == "routes" or column.name == "route_as_recorded"


def read_cell(text: str, *, column: Column, cell: Cell) -> Any:
    """Return the value that ``text`` stands for in ``column``; None where the mapping says so.

    Refuses
        ``SafetyError`` for a parenteral route, before any value map is looked at; ``InputError`` for what
        cannot be read, is outside the column's list or limits, or is not in the value map.
    """
    if is_route(column):
        refuse_parenteral(text)
    if cell.values is not None:
        if text not in cell.values:
            raise InputError("not in the value map", expected=nearest(text, cell.values))
        text = cell.values[text]
        if text == "":
            return None
    value = _typed(text, column, cell)
    _check_limits(value, column)
    return value


def _typed(text: str, column: Column, cell: Cell) -> Any:
    match column.kind:
        case Kind.ID | Kind.TEXT:
            return text
        case Kind.CODE:
            return _code(text, column)
        case Kind.DATE:
            return _date(text, cell)
        case Kind.INSTANT:
            return _instant(text, cell)
        case Kind.NUMBER:
            return _number(text, cell)
        case Kind.INTEGER | Kind.DAY:
            return _integer(text, cell)
        case Kind.FLAG:
            return _flag(text)


def _code(text: str, column: Column) -> str | None:
    if column.codes == "routes":
        found = read_route(text).code
        return found.value if found else None
    codes = codes_of(column)
    if text in codes:
        return text
    if column.codes == "indications":
        return find_indication(text).code
    raise InputError(
        "not a code of this column", expected=nearest(text, codes), do="map the value in the mapping file"
    )


def _date(text: str, cell: Cell) -> dt.date:
    midnight = _MIDNIGHT.fullmatch(text)
    try:
        if midnight:
            value = dt.date.fromisoformat(midnight[1])
        else:
            value = dt.datetime.strptime(text, cell.date_format).date()  # noqa: DTZ007 -- a date has no zone
    except ValueError as error:
        raise InputError("not a date", expected=f"a date like {cell.date_format}") from error
    if not EARLIEST <= value.year <= LATEST:
        raise InputError(f"the year {value.year}", expected=f"{EARLIEST} to {LATEST}")
    return value


def _instant(text: str, cell: Cell) -> dt.datetime:
    try:
        value = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError("not a moment", expected="ISO 8601, like 2026-01-31T14:05+01:00") from error
    if value.tzinfo is None:
        value = _in_zone(value, cell.timezone)
    if not EARLIEST <= value.year <= LATEST:
        raise InputError(f"the year {value.year}", expected=f"{EARLIEST} to {LATEST}")
    return value.astimezone(dt.UTC)


def _in_zone(value: dt.datetime, zone: str | None) -> dt.datetime:
    if zone is None:
        raise InputError("a moment without a zone", expected="an offset, or timezone in the mapping")
    local = value.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    if local.utcoffset() != local.replace(fold=1).utcoffset():
        raise InputError("this moment occurs twice or never (clock change)", expected="an offset")
    return local


def _number(text: str, cell: Cell) -> float:
    if cell.decimal == ",":
        if "." in text:
            raise InputError("a point in a number", expected="numbers with a decimal comma")
        text = text.replace(",", ".")
    value = read_number(text)
    if value is None or not math.isfinite(value):
        raise InputError("not a number", expected=f"a number with the decimal sign {cell.decimal!r}")
    return value


def _integer(text: str, cell: Cell) -> int:
    value = _number(text, cell)
    if value != int(value) or abs(value) > 2**31 - 1:
        raise InputError("not a whole number", expected="a whole number")
    return int(value)


def _flag(text: str) -> bool:
    folded = text.casefold()
    if folded not in (*_TRUE, *_FALSE):
        raise InputError("neither yes nor no", expected="yes/no, true/false, 1/0", do="map the value")
    return folded in _TRUE


def _check_limits(value: Any, column: Column) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high = column.minimum, column.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        limits = f"{'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}"
        raise InputError("outside the limits of the column", expected=f"{limits} {column.unit}".strip())
