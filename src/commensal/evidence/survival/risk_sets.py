"""Who is at risk and who has which event at every distinct time, counted once for all curves.

One row per patient, or grouped counts with ``n`` patients a row, or weights: all become the same table of
risk sets. Whole-number times (days) are counted without sorting. A patient is at risk at t when
entry < t ≤ time. Events at a time come before censorings at the same time; ties are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import InputError

Array = np.ndarray
# Counting without sorting is worth it while the table of all keys is not much larger than the data.
MOST_EMPTY_KEYS = 4_000_000


@dataclass(frozen=True)
class Observed:
    """Checked survival data: arrays (n,) of one length.

    ``event`` 0 is censored; ``entry`` −inf where observed from the origin, None where all are; ``count`` the
    patients a row stands for, None for one each; ``weight`` of one patient, None for 1; ``stratum`` codes
    into ``strata``, sorted.
    """

    time: Array
    event: Array
    entry: Array | None
    count: Array | None
    weight: Array | None
    stratum: Array | None
    strata: tuple[Any, ...]

    @property
    def weights(self) -> Array:
        """Weight of each row: count times weight."""
        ones = np.ones(len(self.time)) if self.count is None else self.count.astype(float)
        return ones if self.weight is None else ones * self.weight


@dataclass(frozen=True)
class RiskTable:
    """One row per stratum and distinct time, sorted.

    ``first`` is the first row of each stratum and, last, the number of rows; ``n_*`` count patients,
    ``events`` (rows, causes) and ``at_risk`` are sums of weights (the counts again without weights).
    """

    strata: tuple[Any, ...]
    causes: tuple[int, ...]
    first: Array
    time: Array
    n_at_risk: Array
    n_censored: Array
    n_events: Array
    at_risk: Array
    events: Array

    def blocks(self) -> list[slice]:
        """The rows of each stratum."""
        return [slice(a, b) for a, b in pairwise(self.first)]


def observed(
    time: Any,
    event: Any = None,
    *,
    entry: Any = None,
    n: Any = None,
    weights: Any = None,
    stratum: Any = None,
) -> Observed:
    """Check arrays (or one frame with columns time, event and any of entry, n, stratum) of survival data.

    Refuses (InputError) nobody, lengths that differ, times or events missing or before the origin, entries at
    or after the time, and weights or counts missing or below zero.
    """
    if isinstance(time, pl.DataFrame):
        frame = time
        optional = {c: frame[c] for c in ("entry", "n", "stratum") if c in frame.columns}
        return observed(frame["time"], frame["event"], weights=weights, **optional)
    t = numbers(time)
    given = {"event": event, "entry": entry, "n": n, "weights": weights, "stratum": stratum}
    check_lengths(len(t), **given)
    codes, levels = coded(stratum)
    count = None if n is None else numbers(n)
    found = Observed(
        time=t,
        event=_codes_of_events(event),
        entry=None if entry is None else _entries(entry),
        count=count,
        weight=None if weights is None else numbers(weights),
        stratum=codes,
        strata=levels,
    )
    _check(found)
    return found


def numbers(values: Any) -> Array:
    """A float array; a missing value becomes NaN. Whole numbers are kept as they are."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return values
    if isinstance(values, pl.Series):
        return values.to_numpy() if values.null_count() == 0 else values.cast(pl.Float64).to_numpy()
    made = np.asarray(values)
    return made if made.dtype.kind in "iuf" else np.asarray(values, dtype=float)


def _entries(values: Any) -> Array:
    made = numbers(values).astype(float)
    return np.where(np.isnan(made), -np.inf, made)


def _codes_of_events(values: Any) -> Array:
    made = np.asarray(values) if not isinstance(values, pl.Series) else values.cast(pl.Int64).to_numpy()
    if made.dtype.kind == "b":
        return made.astype(np.int64)
    if made.dtype.kind in "iu":
        return made
    as_float = made.astype(float)
    if not np.isfinite(as_float).all() or (as_float != np.floor(as_float)).any():
        faulty = int((~np.isfinite(as_float) | (as_float != np.floor(as_float))).sum())
        raise InputError(
            f"{faulty} rows have no time or no event",
            expected="an event code: 0 is censored, 1, 2 … are events",
            do="leave out patients without follow-up before, and count them",
        )
    return as_float.astype(np.int64)


def coded(values: Any) -> tuple[Array | None, tuple[Any, ...]]:
    """Codes (n,) into the sorted distinct values; a missing value is a level of its own, the first."""
    if values is None:
        return None, ("all",)
    series = values if isinstance(values, pl.Series) else pl.Series(np.asarray(values))
    if series.dtype.is_integer() and series.null_count() == 0 and series.len():
        low, high = int(series.min()), int(series.max())  # pyright: ignore[reportArgumentType]
        if high - low < MOST_EMPTY_KEYS:
            shifted = series.to_numpy().astype(np.int64) - low
            present = np.flatnonzero(np.bincount(shifted))
            place = np.zeros(high - low + 1, dtype=np.int64)
            place[present] = np.arange(len(present))
            return place[shifted], tuple(int(p) + low for p in present)
    levels = series.unique().sort(nulls_last=False)
    table = pl.DataFrame({"level": levels, "code": np.arange(len(levels))})
    joined = pl.DataFrame({"level": series}).join(
        table, on="level", how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["code"].to_numpy().astype(np.int64), tuple(levels.to_list())


def check_lengths(n: int, /, **arrays: Any) -> None:
    """Refuse (InputError) arrays of other lengths than ``n``, and nobody at all."""
    if n == 0:
        raise InputError("no curve can be drawn of no rows", expected="at least one patient with follow-up")
    for name, values in arrays.items():
        if values is not None and len(values) != n:
            raise InputError(
                f"{n} times with {len(values)} values of {name}", expected="one of each a patient"
            )


def _check(found: Observed) -> None:
    faulty = int((~np.isfinite(found.time)).sum()) if found.time.dtype.kind == "f" else 0
    faulty += int((found.event < 0).sum())
    for sums in (found.count, found.weight):
        if sums is not None:
            faulty += int((~(sums >= 0) | ~np.isfinite(sums)).sum())
    if faulty:
        raise InputError(
            f"{faulty} rows have no time or no event",
            expected="a finite time, an event code (0 is censored) and a count or weight of zero or more",
            do="leave out patients without follow-up before, and count them",
        )
    if early := int((found.time < 0).sum()):
        raise InputError(
            f"{early} rows end before the origin (time below 0)",
            expected="times counted from index: zero or more",
            do="follow-up before index says nothing of what came after; correct the days or leave these out",
        )
    if found.entry is not None and (late := int((found.entry >= found.time).sum())):
        raise InputError(
            f"{late} rows enter at or after their time",
            expected="entry before time",
            do="leave out patients who were never at risk, and count them",
        )


def grouped_counts(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum rows [stratum, entry, time, event, n] to one row per distinct combination, sorted.

    ``stratum``, ``entry`` and ``n`` may be absent (one stratum, entry at null, one patient a row). A null
    entry means observed from the origin. Refuses what :func:`observed` refuses.
    """
    observed(rows)
    have = rows.columns
    rows = rows.with_columns(
        stratum=pl.col("stratum") if "stratum" in have else pl.lit("all"),
        entry=pl.col("entry").cast(pl.Float64) if "entry" in have else pl.lit(None, dtype=pl.Float64),
        n=pl.col("n") if "n" in have else pl.lit(1),
        time=pl.col("time").cast(pl.Float64),
    )
    keys = ["stratum", "entry", "time", "event"]
    return rows.group_by(keys).agg(pl.col("n").sum()).sort(keys, nulls_last=False)


def risk_table(data: Observed, *, causes: tuple[int, ...]) -> RiskTable:
    """Count risk sets and events; an event that is not among ``causes`` counts as censored."""
    place, grid = _times(data.time)
    key = place if data.stratum is None else data.stratum * len(grid) + place
    rows, row = _distinct(key, len(grid) * len(data.strata))
    kind = _kinds(data.event, causes)
    width = len(causes) + 1
    cell = row * width + kind

    def summed(per_row: Array | None) -> Array:
        return np.bincount(cell, weights=per_row, minlength=len(rows) * width).reshape(-1, width)

    first = np.searchsorted(rows, np.arange(len(data.strata) + 1) * len(grid))
    starts = _starts(data, rows, grid)
    counts = summed(data.count)
    n_at_risk = _at_risk(counts.sum(axis=1), _summed_at(starts, data.count, len(rows)), first)
    if data.weight is None:
        sums, at_risk = counts, n_at_risk
    else:
        sums = summed(data.weights)
        at_risk = _at_risk(sums.sum(axis=1), _summed_at(starts, data.weights, len(rows)), first)
    return RiskTable(
        strata=data.strata,
        causes=causes,
        first=first,
        time=grid[rows % len(grid)],
        n_at_risk=n_at_risk,
        n_censored=counts[:, 0],
        n_events=counts[:, 1:],
        at_risk=at_risk.astype(float),
        events=sums[:, 1:].astype(float),
    )


def _kinds(event: Array, causes: tuple[int, ...]) -> Array:
    """0 for censored, 1 … for the causes in order."""
    table = np.zeros(max(int(event.max()), *causes, 0) + 1, dtype=np.int64)
    table[list(causes)] = np.arange(1, len(causes) + 1)
    return table[event]


def _times(time: Array) -> tuple[Array, Array]:
    """The place of each time in a sorted grid, and the grid; whole numbers need no sorting."""
    low, high = time.min(), time.max()
    if high - low < MOST_EMPTY_KEYS:
        whole = time.astype(np.int64)
        if time.dtype.kind in "iu" or (whole == time).all():
            return whole - int(low), np.arange(int(low), int(high) + 1, dtype=float)
    grid, place = np.unique(time, return_inverse=True)
    return place, grid.astype(float)


def _distinct(key: Array, size: int) -> tuple[Array, Array]:
    """Sorted distinct keys, and for each key its place among them."""
    if size > MOST_EMPTY_KEYS:
        return np.unique(key, return_inverse=True)
    rows = np.flatnonzero(np.bincount(key, minlength=size))
    place = np.empty(size, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return rows, place[key]


def _starts(data: Observed, rows: Array, grid: Array) -> Array | None:
    """The first row at which each patient is at risk; None where all are from the origin."""
    if data.entry is None or np.isneginf(data.entry).all():
        return None
    after = np.searchsorted(grid, data.entry, side="right")
    stratum = 0 if data.stratum is None else data.stratum
    return np.searchsorted(rows, stratum * len(grid) + after)


def _summed_at(starts: Array | None, per_row: Array | None, n_rows: int) -> Array | None:
    return None if starts is None else np.bincount(starts, weights=per_row, minlength=n_rows)


def _at_risk(left: Array, entered: Array | None, first: Array) -> Array:
    """At risk just before each time: who entered before and has not left before."""
    found = np.empty(len(left), dtype=left.dtype if entered is None else np.result_type(left, entered))
    for a, b in pairwise(first):
        if entered is None:
            found[a:b] = np.cumsum(left[a:b][::-1])[::-1]
        else:
            found[a:b] = np.cumsum(entered[a:b]) - np.concatenate([[0], np.cumsum(left[a:b])[:-1]])
    return found
