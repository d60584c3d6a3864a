"""Sums over risk sets at every event time, for hazard models: the arithmetic of partial likelihoods.

Patient i is at risk at event rows first[i] ≤ k < last[i]; rows are the distinct (stratum, time) with events,
sorted. Sums over risk sets are differences of running sums, taken from the end, where risk sets are small.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from commensal.evidence.survival.risk_sets import Array

# Tied deaths of a large study are taken in portions, so that memory does not grow with their number.
PORTION = 20_000


@dataclass(frozen=True)
class EventRows:
    """The distinct event times of the strata, and where each patient stands among them.

    ``row`` is the event row of each death, ``deaths`` the patients who die (sorted by row), ``n_deaths`` (K,)
    how many at each row, ``stratum`` and ``time`` (K,) what the row is.
    """

    stratum: Array
    time: Array
    first: Array
    last: Array
    deaths: Array
    row: Array
    n_deaths: Array

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.time)


def event_rows(time: Array, is_event: Array, *, entry: Array | None, stratum: Array) -> EventRows:
    """Find the event rows and each patient's range of them."""
    grid, place = np.unique(time, return_inverse=True)
    width = len(grid) + 1
    keys = np.unique((stratum * width + place)[is_event])
    last = np.searchsorted(keys, stratum * width + place, side="right")
    first = np.searchsorted(keys, stratum * width)
    if entry is not None:
        entered = np.searchsorted(grid, entry, side="right")
        first = np.searchsorted(keys, stratum * width + entered)
    # A patient who leaves before the first event after entry is in no risk set at all.
    first = np.minimum(first, last)
    deaths = np.flatnonzero(is_event)
    deaths = deaths[np.argsort(last[deaths], kind="stable")]
    row = last[deaths] - 1
    return EventRows(
        stratum=keys // width,
        time=grid[keys % width],
        first=first,
        last=last,
        deaths=deaths,
        row=row,
        n_deaths=np.bincount(row, minlength=len(keys)),
    )


def at_risk_sums(rows: EventRows, values: Array) -> Array:
    """Sum of ``values`` (n,) over the risk set of each event row: (K,)."""
    ends = np.bincount(rows.last, weights=values, minlength=rows.n + 1)
    starts = np.bincount(rows.first, weights=values, minlength=rows.n + 1)
    return np.cumsum((ends - starts)[::-1])[::-1][1:]


def death_sums(rows: EventRows, values: Array) -> Array:
    """Sum of ``values`` (n,) over the deaths at each event row: (K,)."""
    return np.bincount(rows.row, weights=values[rows.deaths], minlength=rows.n)


@dataclass(frozen=True)
class Moments:
    """Sums of r, r·x and r·x·xᵀ over one set of patients per event row: (K,), (K, p), (K, p, p)."""

    zero: Array
    one: Array
    two: Array


def moments(rows: EventRows, x: Array, r: Array, *, of: str, second: bool = True) -> Moments:
    """Moments of the risk sets (``of`` "risk") or of the deaths ("deaths") at every event row."""
    summed = at_risk_sums if of == "risk" else death_sums
    p = x.shape[1]
    one = np.empty((rows.n, p))
    two = np.empty((rows.n, p, p) if second else (0, p, p))
    for a in range(p):
        weighted = r * x[:, a]
        one[:, a] = summed(rows, weighted)
        for b in range(a if second else p, p):
            two[:, a, b] = two[:, b, a] = summed(rows, weighted * x[:, b])
    return Moments(summed(rows, r), one, two)


@dataclass(frozen=True)
class TiedRows:
    """A portion of the terms of a partial likelihood, one per death: its event row k and tie fraction."""

    k: Array
    fraction: Array


def tied_rows(rows: EventRows, *, ties: str) -> Iterator[TiedRows]:
    """Yield the terms in portions: Efron's l/d of the deaths taken out at the l-th, Breslow's none."""
    start = np.concatenate([[0], np.cumsum(rows.n_deaths)])
    for begin in range(0, len(rows.row), PORTION):
        k = rows.row[begin : begin + PORTION]
        if ties == "breslow":
            yield TiedRows(k, np.zeros(len(k)))
        else:
            rank = np.arange(begin, begin + len(k)) - start[k]
            yield TiedRows(k, rank / rows.n_deaths[k])
