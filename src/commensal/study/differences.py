"""What changed between two studies of the same programme: rows added, changed and removed, table by table."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from commensal.study.declaration import Table
from commensal.study.folder import Study
from commensal.study.inputs import INPUTS

SCHEMA = {"table": pl.String, "n_added": pl.Int64, "n_changed": pl.Int64, "n_removed": pl.Int64}


def differences(before: Study, after: Study) -> pl.DataFrame:
    """Return one row for each table that differs: ``table``, ``n_added``, ``n_changed``, ``n_removed``.

    A row is told again by its table's key; it is changed where any other value differs (unknown equals
    unknown). No rows: the two studies hold the same.
    """
    rows = list(_differences(before, after))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _differences(before: Study, after: Study) -> Iterator[tuple[str, int, int, int]]:
    for table in INPUTS.values():
        if not before.has(table.name) and not after.has(table.name):
            continue
        counts = _of_table(table, before.read(table.name), after.read(table.name))
        if any(counts):
            yield table.name, *counts


def _of_table(table: Table, old: pl.DataFrame, new: pl.DataFrame) -> tuple[int, int, int]:
    keys = list(table.key)
    rest = [c for c in table.names if c not in keys]
    added = new.join(old, on=keys, how="anti", nulls_equal=True).height
    removed = old.join(new, on=keys, how="anti", nulls_equal=True).height
    if not rest:
        return added, 0, removed
    both = old.join(new, on=keys, how="inner", nulls_equal=True, suffix=" after")
    differs = pl.any_horizontal([pl.col(c).ne_missing(pl.col(f"{c} after")) for c in rest])
    return added, both.filter(differs).height, removed


def in_words(found: pl.DataFrame) -> tuple[str, ...]:
    """Return the differences as lines, for a manifest or a terminal."""
    return tuple(
        f"{table}: {n_added:,} added, {n_changed:,} changed, {n_removed:,} removed"
        for table, n_added, n_changed, n_removed in found.iter_rows()
    )
