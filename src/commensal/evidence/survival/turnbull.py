"""Turnbull's estimate: the distribution of a time known only to lie between two visits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.evidence.survival.risk_sets import Array, check_lengths, numbers

MOST_ROUNDS = 20_000
# The likelihood cannot rise by more than this per patient: the gradient at every interval is within it.
GAP = 1e-4


@dataclass(frozen=True)
class Turnbull:
    """Mass on the innermost intervals, and how sure it is that this is the maximum.

    ``intervals``: [after, until, mass, estimate], the event lies in (after, until] (at ``until`` where both
    are equal) with probability ``mass``; ``estimate`` is the probability of the event by ``until``. Inside an
    interval nothing is known. ``until`` is null for "later than anybody was seen". ``gap`` bounds the log
    likelihood per patient still to be gained.
    """

    intervals: pl.DataFrame
    n: int
    rounds: int
    gap: float


def turnbull(left: Any, right: Any, *, n: Any = None) -> Turnbull:
    """Estimate the distribution of a time known to lie in (left, right].

    ``left`` (n,) last time known free of the event (0 where never seen), ``right`` (n,) first time known
    after it; missing or infinite where the event was not seen (right-censored); equal where the time is
    exact. ``n`` patients a row stands for.

    Refuses (InputError) nobody, left after right and negative or missing left ends.

    Notes
        Maximises Σ log(F(right) − F(left)) by self-consistency (expectation–maximisation, accelerated), and
        checks the gradient at every interval (Kuhn–Tucker). No standard error: the estimate converges at the
        cube root of n and none is agreed on.
    References: Turnbull, JRSS B 1976;38:290; Gentleman & Geyer, Biometrika 1994;81:618.
    """
    low, high = numbers(left).astype(float), numbers(right).astype(float)
    count = np.ones(len(low)) if n is None else numbers(n).astype(float)
    high = np.where(np.isnan(high), np.inf, high)
    _check(low, high, count)
    starts, ends, after, until = _innermost(low, high)
    mass, rounds, gap = _maximised(starts, ends, count, len(after))
    frame = pl.DataFrame({"after": after, "until": until, "mass": mass, "estimate": np.cumsum(mass)})
    kept = frame.filter(pl.col("mass") > 1e-10)
    kept = kept.with_columns(until=pl.when(pl.col("until").is_finite()).then("until"))
    return Turnbull(kept.with_columns(pl.col("estimate").clip(0, 1)), int(count.sum()), rounds, gap)


def _check(low: Array, high: Array, count: Array) -> None:
    check_lengths(len(low), right=high, n=count)
    faulty = int((~np.isfinite(low) | (low < 0) | (high < low)).sum())
    if faulty:
        raise InputError(
            f"{faulty} of {len(low)} intervals are not (left, right] with 0 ≤ left ≤ right",
            expected="the last time free of the event and the first time after it",
            do="correct the days; leave the right end missing where the event was not seen",
        )


def _innermost(low: Array, high: Array) -> tuple[Array, Array, Array, Array]:
    """Each patient's first and last innermost interval, and the ends of these intervals.

    Ends are ordered as: start at an exact time, end, start after a time; an interval is innermost where a
    start is followed at once by an end.
    """
    grid = np.unique(np.concatenate([low, high]))
    start = np.searchsorted(grid, low) * 3 + np.where(low == high, 0, 2)
    end = np.searchsorted(grid, high) * 3 + 1
    marks = np.unique(np.concatenate([start, end]))
    is_end = marks % 3 == 1
    pairs = np.flatnonzero(~is_end[:-1] & is_end[1:])
    opens, closes = marks[pairs], marks[pairs + 1]
    first = np.searchsorted(opens, start, side="left")
    last = np.searchsorted(closes, end, side="right") - 1
    return first, last, grid[opens // 3], grid[closes // 3]


def _maximised(first: Array, last: Array, count: Array, size: int) -> tuple[Array, int, float]:
    total = count.sum()
    mass = np.full(size, 1 / size)

    def round_of(p: Array) -> tuple[Array, Array, float]:
        cumulated = np.concatenate([[0.0], np.cumsum(p)])
        inside = np.maximum(cumulated[last + 1] - cumulated[first], 1e-300)
        share = count / inside
        rises = np.bincount(first, weights=share, minlength=size + 1)
        falls = np.bincount(last + 1, weights=share, minlength=size + 1)
        gradient = np.cumsum(rises - falls)[:size] / total
        return p * gradient, gradient, float((count * np.log(inside)).sum())

    gap = np.inf
    for rounds in range(1, MOST_ROUNDS + 1):
        once, gradient, value = round_of(mass)
        gap = float(gradient.max() - 1)
        if gap < GAP:
            return once, rounds, gap
        twice, _, _ = round_of(once)
        jumped = _extrapolated(mass, once, twice)
        further, _, reached = round_of(jumped)
        mass = further / further.sum() if reached >= value else twice
    return mass, MOST_ROUNDS, gap


def _extrapolated(start: Array, once: Array, twice: Array) -> Array:
    """A longer step in the direction of two rounds (SQUAREM)."""
    step, bend = once - start, twice - 2 * once + start
    size = np.linalg.norm(bend)
    length = max(float(np.linalg.norm(step) / size), 1.0) if size > 0 else 1.0
    jumped = np.maximum(start + 2 * length * step + length**2 * bend, 1e-14)
    return jumped / jumped.sum()
