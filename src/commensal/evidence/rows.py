"""Rows of the declared result tables, made from partial frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from commensal.study.conform import conform
from commensal.study.results import RESULTS


def rows_of(table: str, parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the parts as one frame of the declared result table; columns not given are null."""
    declared = RESULTS[table]
    # A frame of no rows may have no columns either, and then no height to keep.
    kept = [
        conform(part.select([c for c in part.columns if c in declared.names]), declared)
        for part in parts
        if part.height
    ]
    return pl.concat(kept) if kept else declared.empty()


def reason_row(table: str, *, reason: str, **cells: Any) -> pl.DataFrame:
    """Return one row of a result table that says why there is no number."""
    return rows_of(table, [pl.DataFrame([{**cells, "reason": reason}])])
