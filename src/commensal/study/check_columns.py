"""Does each table hold what its declaration says: required cells, keys, references, codes, limits, days."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from commensal.study.check_files import Tables
from commensal.study.declaration import Column, Kind, Table
from commensal.study.inputs import INPUTS
from commensal.study.lists import codes_of
from commensal.study.problems import problem, problems_at

_FEW = 12


def check_table(tables: Tables, table: Table) -> Iterator[pl.DataFrame]:
    """Check one table against its declaration, column by column, then its key."""
    if not tables.has(table.name):
        return
    for column in table:
        if column.name in tables.sound[table.name]:
            values = tables.read(table.name, column.name)
            yield from _check_values(values, column, table.name)
            yield from _check_reference(tables, values, column, table.name)
    for column in (c for c in table.declared if c.kind is Kind.DATE):
        if {column.name, column.twin} <= tables.sound[table.name]:
            frame = tables.read(table.name, column.name, column.twin)
            yield from _check_twin(frame, column, table.name, clock=tables.study.manifest.clock)
    yield from _check_key(tables, table)


def _check_values(frame: pl.DataFrame, column: Column, table: str) -> Iterator[pl.DataFrame]:
    yield from _check_required(frame, column, table)
    match column.kind:
        case Kind.ID:
            yield from _check_blank(frame, column, table)
        case Kind.CODE:
            yield from _check_codes(frame, column, table)
        case Kind.NUMBER:
            yield from _check_finite(frame, column, table)
            yield from _check_limits(frame, column, table)
        case Kind.INTEGER:
            yield from _check_limits(frame, column, table)
        case _:
            pass


def _check_required(frame: pl.DataFrame, column: Column, table: str) -> Iterator[pl.DataFrame]:
    if column.is_required and frame[column.name].null_count():
        broken = frame.filter(pl.col(column.name).is_null())
        yield problems_at(
            broken, table, column=column.name, rule="required", message=f"missing: {column.meaning}"
        )


def _check_blank(frame: pl.DataFrame, column: Column, table: str) -> Iterator[pl.DataFrame]:
    is_blank = pl.col(column.name).str.len_bytes() == 0
    if frame.select(is_blank.any()).item():
        message = "an identifier is empty text; unknown is null"
        yield problems_at(frame.filter(is_blank), table, column=column.name, rule="blank", message=message)


def _check_codes(frame: pl.DataFrame, column: Column, table: str) -> Iterator[pl.DataFrame]:
    codes = codes_of(column)
    strange = set(frame[column.name].unique().drop_nulls()) - set(codes)
    if not strange:
        return
    is_route = column.codes == "routes"
    shown = ", ".join(codes[:_FEW]) + (" …" if len(codes) > _FEW else "")
    what = "not an enteral route of administration" if is_route else "not a code of the closed list"
    yield problems_at(
        frame.filter(pl.col(column.name).is_in(list(strange))),
        table,
        column=column.name,
        rule="closed_list",
        message=f"{what}; expected one of {shown}",
        severity="safety" if is_route else "error",
    )


def _check_finite(frame: pl.DataFrame, column: Column, table: str) -> Iterator[pl.DataFrame]:
    is_broken = ~pl.col(column.name).is_finite()
    if frame.select(is_broken.any()).item():
        message = "not a number, or infinite; what is not known is null"
        broken = frame.filter(is_broken)
        yield problems_at(broken, table, column=column.name, rule="not_finite", message=message)


def _check_limits(frame: pl.DataFrame, column: Column, table: str) -> Iterator[pl.DataFrame]:
    value, unit = pl.col(column.name), f" {column.unit}" if column.unit else ""
    outside = []
    if column.minimum is not None:
        outside.append((value < column.minimum, f"below {column.minimum:g}{unit}"))
    if column.maximum is not None:
        outside.append(((value > column.maximum) & value.is_finite(), f"above {column.maximum:g}{unit}"))
    for is_outside, message in outside:
        if frame.select(is_outside.any()).item():
            broken = frame.filter(is_outside)
            yield problems_at(broken, table, column=column.name, rule="limits", message=message)


def _check_reference(
    tables: Tables, frame: pl.DataFrame, column: Column, table: str
) -> Iterator[pl.DataFrame]:
    if not column.references or frame[column.name].null_count() == frame.height:
        return
    key = INPUTS[column.references].key[0]
    known = tables.read(column.references, key)[key]
    used = frame[column.name].unique().drop_nulls()
    dangling = used.filter(~used.is_in(known.implode()))
    if len(dangling):
        yield problems_at(
            frame.filter(pl.col(column.name).is_in(dangling.implode())),
            table,
            column=column.name,
            rule="reference",
            message=f"no such row in {column.references}",
        )


def _check_twin(frame: pl.DataFrame, column: Column, table: str, *, clock: str) -> Iterator[pl.DataFrame]:
    if clock == "patient":
        broken = frame.filter(pl.col(column.name).is_not_null())
        message = "a study on the patient clock has days relative to index and no dates"
    else:
        broken = frame.filter(pl.col(column.name).cast(pl.Int32).ne_missing(pl.col(column.twin)))
        message = f"the date and {column.twin} do not say the same day"
    yield problems_at(broken, table, column=column.name, rule="day_twin", message=message)


def _check_key(tables: Tables, table: Table) -> Iterator[pl.DataFrame]:
    if not set(table.key) <= tables.sound[table.name]:
        message = "the key cannot be checked: a key column is missing or of another type"
        yield problem(table.name, column=";".join(table.key), rule="duplicate_key", message=message)
        return
    frame = tables.read(table.name, *table.key)
    if _is_strictly_sorted(frame, table.key):
        return
    is_repeated = pl.struct(table.key).is_first_distinct().not_()
    broken = frame.filter(is_repeated).with_columns(
        pl.concat_str([pl.col(k).cast(pl.String).fill_null("") for k in table.key], separator=" / ").alias(
            "key"
        )
    )
    message = f"a row with this key ({', '.join(table.key)}) stands above"
    yield problems_at(broken, table.name, column="key", rule="duplicate_key", message=message).with_columns(
        pl.lit(";".join(table.key)).alias("column")
    )


def _is_strictly_sorted(frame: pl.DataFrame, key: tuple[str, ...]) -> bool:
    """Whether each row's key is greater than the one above: then none repeats. One pass, no hashing.

    Study folders are written in key order, so this is the usual case. A null in the key answers False.
    """
    rises, ties = pl.lit(False), pl.lit(True)
    for name in key:
        above = pl.col(name).shift(1)
        rises, ties = rises | (ties & (pl.col(name) > above)), ties & (pl.col(name) == above)
    is_null = pl.any_horizontal([pl.col(k).is_null().any() for k in key])
    return bool(frame.select(~is_null & rises.slice(1).all()).item())
