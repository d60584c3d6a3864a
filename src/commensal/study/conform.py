"""Fit a frame to its declaration without changing what it says.

A cast that would lose something in silence (1.5 to 1, a time of day to a date, 2 to "yes") is refused.
"""

from __future__ import annotations

import polars as pl

from commensal.errors import InputError, nearest
from commensal.study.declaration import Column, Kind, Table

_TEXTS = (pl.String, pl.Categorical, pl.Enum)


def conform(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the frame with the table's columns, types and order; day twins made from dates.

    Columns not given are null. Refuses (:class:`InputError`) a column the table does not declare, a type
    that cannot become the declared one without loss, an instant without a time zone, and a day twin that
    contradicts its date.
    """
    if unknown := [c for c in frame.columns if c not in table.names]:
        raise InputError(
            f"table {table.name} has no column {unknown[0]!r}", expected=nearest(unknown[0], table.names)
        )
    for column in table.columns:
        if column.name in frame.columns:
            _check_type(frame[column.name], column, table.name)
    frame = _cast(frame, table)
    _check_twins(frame, table)
    return frame.with_columns(_twins(table))


def _check_type(values: pl.Series, column: Column, table: str) -> None:
    kind, where = values.dtype, f"{table}.{column.name}"
    if kind == pl.Null or values.null_count() == len(values):
        return
    if not _may_become(kind, column.kind):
        raise InputError(
            f"{where} holds {kind}", expected=f"{column.storage}", do="convert the column before writing it"
        )
    if column.kind is Kind.INSTANT and kind == pl.Datetime and getattr(kind, "time_zone", None) is None:
        raise InputError(f"{where} has no time zone", expected="UTC", do="attach the zone, convert to UTC")
    if column.storage.is_integer() and not kind.is_integer():
        _check_whole(values, where)


def _may_become(have: pl.DataType, kind: Kind) -> bool:
    match kind:
        case Kind.ID:
            return have.base_type() in _TEXTS or have.is_integer()
        case Kind.TEXT | Kind.CODE:
            return have.base_type() in _TEXTS
        case Kind.DAY | Kind.INTEGER | Kind.NUMBER:
            return have.is_numeric()
        case Kind.DATE:
            return have == pl.Date
        case Kind.INSTANT:
            return have.base_type() == pl.Datetime
        case Kind.FLAG:
            return have == pl.Boolean


def _check_whole(values: pl.Series, where: str) -> None:
    broken = values.filter((values % 1 != 0).fill_null(False) | values.cast(pl.Float64).is_nan())
    if len(broken):
        raise InputError(f"{where} holds {broken[0]}", expected="whole numbers")


def _cast(frame: pl.DataFrame, table: Table) -> pl.DataFrame:
    have = set(frame.columns)
    try:
        return frame.select([_column(c.name, c.storage, have) for c in table.columns])
    except pl.exceptions.PolarsError as error:
        raise InputError(f"table {table.name}: {error}", expected=f"types {table.schema}") from error


def _column(name: str, storage: pl.DataType, have: set[str]) -> pl.Expr:
    return pl.col(name).cast(storage) if name in have else pl.lit(None, dtype=storage).alias(name)


def _check_twins(frame: pl.DataFrame, table: Table) -> None:
    for column in _dates(table):
        contradicts = frame.filter(pl.col(column.name).cast(pl.Int32) != pl.col(column.twin))
        if contradicts.height:
            value, day = contradicts.row(0, named=True)[column.name], contradicts[column.twin][0]
            raise InputError(
                f"{table.name}.{column.twin} is {day} where {column.name} is {value}",
                expected="the day that date is, counted from 1970-01-01",
                do="give the date alone, or the day alone",
            )


def _twins(table: Table) -> list[pl.Expr]:
    return [
        pl.coalesce(pl.col(c.name).cast(pl.Int32), pl.col(c.twin)).cast(pl.Int32).alias(c.twin)
        for c in _dates(table)
    ]


def _dates(table: Table) -> list[Column]:
    return [c for c in table.declared if c.kind is Kind.DATE]
