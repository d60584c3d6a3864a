"""Tests that groups have the same survival (log-rank) or the same cumulative incidence (Gray)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.special import chdtrc

from commensal.errors import RefusedError
from commensal.evidence.survival.risk_sets import Array, Observed, check_lengths, coded, observed


@dataclass(frozen=True)
class GroupTest:
    """χ² statistic on ``df`` degrees; patients, observed and expected events of each group.

    ``expected`` is null-hypothesis events (log-rank); for Gray's test the events less the score.
    """

    statistic: float
    df: int
    p_value: float
    groups: tuple[Any, ...]
    n: Array
    observed: Array
    expected: Array


def log_rank(
    time: Any, event: Any, group: Any, *, entry: Any = None, stratum: Any = None, rho: float = 0.0
) -> GroupTest:
    """Test whether k groups have the same hazard. ``rho`` 1 is Peto and Peto's weighting by survival.

    Parameters as :func:`kaplan_meier`; within ``stratum`` groups are compared with each other only. Weights
    S(t−)^rho with S the pooled Kaplan–Meier curve of the stratum; hypergeometric variance.

    Refuses: RefusedError, with the counts, fewer than two groups and no events.
    References: Mantel, Cancer Chemother Rep 1966;50:163; Harrington & Fleming, Biometrika 1982;69:553.
    """
    data = observed(time, event, entry=entry, stratum=stratum)
    codes, levels = _groups(group, data, is_event=data.event != 0)
    k = len(levels)
    difference, variance = np.zeros(k), np.zeros((k, k))
    seen, due = np.zeros(k), np.zeros(k)
    for rows in _strata(data):
        at_risk, died, _ = _counts(data, codes, rows, k, event=None)
        total, deaths = at_risk.sum(axis=1), died.sum(axis=1)
        weight = np.concatenate([[1.0], np.cumprod(1 - deaths / total)[:-1]]) ** rho
        expected = at_risk * (deaths / total)[:, None]
        seen, due = seen + weight @ died, due + weight @ expected
        difference = difference + weight @ (died - expected)
        share = at_risk / total[:, None]
        spread = weight**2 * deaths * np.where(total > 1, (total - deaths) / np.maximum(total - 1, 1), 0.0)
        variance += np.diag(spread @ share) - (share * spread[:, None]).T @ share
    statistic, df = _chi_square(difference, variance)
    n = np.bincount(codes, minlength=k)
    return GroupTest(statistic, df, float(chdtrc(df, statistic)), levels, n, seen, due)


def gray_test(time: Any, event: Any, group: Any, *, cause: int = 1) -> GroupTest:
    """Test whether k groups have the same cumulative incidence of ``cause``, other events competing.

    ``event`` 0 is censored, ``cause`` the event of interest, anything else competes. Weight 1 (rho 0).

    Refuses: RefusedError, with the counts, fewer than two groups and no event of the cause.

    Notes
        The score compares subdistribution hazards over R_g(t) = Y_g(t)(1 − F_g(t−))/S_g(t−), with Gray's
        variance for the estimated censoring (as cmprsk's cuminc). A group drops out of the comparison when
        its last patient has left.
    References: Gray, Ann Stat 1988;16:1141.
    """
    data = observed(time, event)
    codes, levels = _groups(group, data, is_event=data.event == cause)
    k = len(levels)
    at_risk, own, other = _counts(data, codes, np.arange(len(data.time)), k, event=cause)
    score, variance = _gray(at_risk, own, other)
    statistic, df = _chi_square(score, variance)
    seen = own.sum(axis=0)
    n = np.bincount(codes, minlength=k)
    return GroupTest(statistic, df, float(chdtrc(df, statistic)), levels, n, seen, seen - score)


def _groups(group: Any, data: Observed, *, is_event: Array) -> tuple[Array, tuple[Any, ...]]:
    check_lengths(len(data.time), group=group)
    series = group if isinstance(group, pl.Series) else pl.Series(np.asarray(group))
    codes, levels = coded(series)
    assert codes is not None
    counts = f"{int(is_event.sum())} events among {len(codes)} patients in {len(levels)} groups"
    if len(levels) < 2:
        raise RefusedError(f"one group only ({counts}): there is nothing to compare")
    if not is_event.any():
        raise RefusedError(f"no events ({counts}): there is nothing to compare")
    return codes, levels


def _strata(data: Observed) -> list[Array]:
    """The patients of each stratum that has an event."""
    if data.stratum is None:
        return [np.arange(len(data.time))]
    rows = [np.flatnonzero(data.stratum == s) for s in range(len(data.strata))]
    return [r for r in rows if (data.event[r] != 0).any()]


def _counts(
    data: Observed, codes: Array, rows: Array, k: int, *, event: int | None
) -> tuple[Array, Array, Array]:
    """At risk, events of the cause and other events at each distinct event time, by group: (T, k) each."""
    time, kind, group = data.time[rows], data.event[rows], codes[rows]
    is_any = kind != 0
    is_own = is_any if event is None else kind == event
    grid = np.unique(time[is_any])
    leave = np.searchsorted(grid, time, side="right")
    shape = (len(grid) + 1, k)

    def table(place: Array, which: Array) -> Array:
        flat = np.bincount(place[which] * k + group[which], minlength=shape[0] * k)
        return flat.reshape(shape).astype(float)

    every = np.ones(len(time), dtype=bool)
    at_risk = np.cumsum(table(leave, every)[::-1], axis=0)[::-1][1:]
    if data.entry is not None:
        start = np.searchsorted(grid, data.entry[rows], side="right")
        at_risk = at_risk - np.cumsum(table(start, every)[::-1], axis=0)[::-1][1:]
    died = np.maximum(leave - 1, 0)
    return at_risk, table(died, is_own)[:-1], table(died, is_any & ~is_own)[:-1]


def _chi_square(score: Array, variance: Array) -> tuple[float, int]:
    """Quadratic form on the rank of the variance (groups that were never at risk together drop out)."""
    inverse = np.linalg.pinv(variance, rcond=1e-10, hermitian=True)
    df = int(np.linalg.matrix_rank(variance, tol=1e-10 * np.abs(variance).max(), hermitian=True))
    return float(score @ inverse @ score), df


def _gray(at_risk: Array, own: Array, other: Array) -> tuple[Array, Array]:
    """Gray's score (k,) and its variance (k, k), over the event times in order.

    ``before`` (T, k) are each group's all-cause survival and incidence just before; ``pooled`` the incidence
    under the null. The variance is that of the sum of three martingale integrals, one per group: of events
    of interest (with tie correction) and of competing events.
    """
    k = at_risk.shape[1]
    survival, incidence, pooled = np.ones(k), np.zeros(k), 0.0
    score, c = np.zeros(k), np.zeros((k, k))
    # Running sums of φ², φ·ξ and ξ·ξᵀ over the martingales of each group: φ multiplies the final c.
    phi, mixed, inner = np.zeros(k), np.zeros((k, k)), np.zeros((k, k))
    for y, d, e in zip(at_risk, own, other, strict=True):
        here = y > 0
        if not here.any():
            break
        safe = np.where(here, y, 1.0)
        r = np.divide(y, survival, out=np.zeros(k), where=here & (survival > 0))
        total, deaths = r.sum(), d.sum()
        next_survival = np.where(here, survival * (y - d - e) / safe, survival)
        next_incidence = np.where(here, incidence + survival * d / safe, incidence)
        next_pooled = pooled + deaths / total
        share = r * (1 - incidence)
        score += d - deaths * share / share.sum() if deaths else 0.0
        a = np.diag(r) - np.outer(r, r) / total
        c = c + a * (deaths / (total * (1 - pooled)))
        falls = np.where(
            next_survival > 0, (1 - next_pooled) / np.where(next_survival > 0, next_survival, 1), 0
        )
        if deaths:
            tie = np.where(deaths > 1, 1 - (deaths - 1) / np.maximum(total * survival - 1, 1e-300), 1.0)
            spread = np.where(here, tie * survival * deaths / (total * safe), 0.0)
            factor = np.where(next_survival > 0, 1 - falls, 1.0)
            xi = a - c * factor
            phi, mixed = phi + factor**2 * spread, mixed + xi * (factor * spread)
            inner = inner + (xi * spread) @ xi.T
        if e.any():
            tie = np.where(e > 1, 1 - (e - 1) / np.maximum(safe - 1, 1), 1.0)
            spread = np.where(here & (next_survival > 0), tie * survival**2 * e / safe**2, 0.0)
            xi = -c * falls
            phi, mixed = phi + falls**2 * spread, mixed + xi * (falls * spread)
            inner = inner + (xi * spread) @ xi.T
        survival, incidence, pooled = next_survival, next_incidence, next_pooled
    return score, inner + (c * phi) @ c.T + c @ mixed.T + mixed @ c.T
