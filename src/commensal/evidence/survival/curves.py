"""Kaplan–Meier, Nelson–Aalen and Aalen–Johansen curves, exact, from patients, grouped counts or weights.

Each function takes plain arrays (time, event), or one frame of grouped counts with columns time, event and
any of stratum, entry and n: one row per distinct combination with ``n`` patients. Grouped counts are
sufficient: the result is the same as from patient rows, at any size and in any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from commensal.evidence.survival.limits import limits_of
from commensal.evidence.survival.risk_sets import Array, Observed, RiskTable, observed, risk_table
from commensal.evidence.survival.weighted import weighted_incidence_se, weighted_survival_se


def kaplan_meier(
    time: Any,
    event: Any = None,
    *,
    entry: Any = None,
    n: Any = None,
    weights: Any = None,
    stratum: Any = None,
    level: float = 0.95,
    limits: str = "log-log",
) -> pl.DataFrame:
    """Kaplan–Meier survival curve of each stratum.

    Parameters are arrays of one length: ``time`` from the origin in one unit; ``event`` 0 or false for
    censored, anything else the event; ``entry`` for late entry, missing where observed from the origin; ``n``
    patients a row stands for; ``weights`` of one patient (probability or overlap weights); ``stratum``
    labels. ``limits`` are "log-log", "log" or "plain".

    Returns [stratum, time, n_at_risk, n_events, n_censored, estimate, se, lower, upper] at every distinct
    time, sorted; counts are of patients, whatever the weights.

    Refuses: InputError for what :func:`risk_sets.observed` refuses.

    Notes
        S(t) = Π_{s ≤ t} (1 − d(s)/Y(s)). SE by Greenwood; with weights by the infinitesimal jackknife over
        patients, which is Greenwood where all weights are 1 and nobody enters late. Limits are
        null where the transform has none.
    References: Kaplan & Meier, JASA 1958;53:457; Kalbfleisch & Prentice 1980.
    """
    data = observed(time, event, entry=entry, n=n, weights=weights, stratum=stratum)
    data = _single(data)
    table = risk_table(data, causes=(1,))
    survival, spread = np.empty(len(table.time)), np.empty(len(table.time))
    for rows in table.blocks():
        at_risk, events = table.at_risk[rows], table.events[rows, 0]
        survival[rows] = np.cumprod(1 - _ratio(events, at_risk))
        spread[rows] = np.cumsum(_ratio(events, at_risk * (at_risk - events)))
    se = np.where(survival > 0, survival * np.sqrt(spread), 0.0)
    if data.weight is not None:
        se = weighted_survival_se(data, table, survival)
    return _frame(table, 0, survival, se, level=level, limits=limits, n_censored=table.n_censored)


def nelson_aalen(
    time: Any,
    event: Any = None,
    *,
    entry: Any = None,
    n: Any = None,
    weights: Any = None,
    stratum: Any = None,
) -> pl.DataFrame:
    """Nelson–Aalen cumulative hazard of each stratum: [stratum, time, n_at_risk, n_events, estimate, se].

    Parameters as :func:`kaplan_meier`. H(t) = Σ_{s ≤ t} d(s)/Y(s); variance Σ d/Y².
    References: Aalen, Ann Stat 1978;6:701.
    """
    data = _single(observed(time, event, entry=entry, n=n, weights=weights, stratum=stratum))
    table = risk_table(data, causes=(1,))
    hazard, variance = np.empty(len(table.time)), np.empty(len(table.time))
    for rows in table.blocks():
        at_risk, events = table.at_risk[rows], table.events[rows, 0]
        hazard[rows] = np.cumsum(_ratio(events, at_risk))
        variance[rows] = np.cumsum(_ratio(events, at_risk**2))
    made = _frame(table, 0, hazard, np.sqrt(variance), level=0.95, limits="plain")
    return made.drop("lower", "upper")


def aalen_johansen(
    time: Any,
    event: Any = None,
    *,
    causes: Sequence[int] = (),
    entry: Any = None,
    n: Any = None,
    weights: Any = None,
    stratum: Any = None,
    level: float = 0.95,
    limits: str = "log-log",
) -> pl.DataFrame:
    """Cumulative incidence of each cause with the others competing.

    Parameters as :func:`kaplan_meier`; ``event`` 0 is censored, k ≥ 1 is cause k; ``causes`` names those to
    return (default: all that occur). Returns [stratum, event, time, n_at_risk, n_events, estimate, se, lower,
    upper] at every distinct time.

    Notes
        CIF_k(t) = Σ_{s ≤ t} S(s−) d_k(s) / Y(s), S the Kaplan–Meier estimate of all causes together. SE is
        the Greenwood-type delta-method estimate (as R's survfit prints), with weights the infinitesimal
        jackknife, which is the same where all weights are 1 and nobody enters late. One minus Kaplan–Meier
        with the competing events censored is larger, and wrong.
    References: Aalen & Johansen, Scand J Stat 1978;5:141.
    """
    data = observed(time, event, entry=entry, n=n, weights=weights, stratum=stratum)
    occurring = set(np.flatnonzero(np.bincount(data.event)).tolist()) - {0}
    wanted = tuple(causes) or tuple(sorted(occurring))
    table = risk_table(data, causes=wanted + tuple(sorted(occurring - set(wanted))))
    parts = []
    for column, cause in enumerate(wanted):
        incidence, se = _incidence(table, column)
        if data.weight is not None:
            se = weighted_incidence_se(data, table, column)
        made = _frame(table, column, incidence, se, level=level, limits=limits)
        parts.append(made.with_columns(event=pl.lit(cause)))
    if not parts:
        return _frame(table, None, np.zeros(0), np.zeros(0), level=level, limits=limits)
    first = ["stratum", "event", "time"]
    rest = [c for c in parts[0].columns if c not in first]
    return pl.concat(parts).select(*first, *rest).sort(first, maintain_order=True)


def _single(data: Observed) -> Observed:
    """Any event is the event."""
    if len(data.event) and data.event.max() > 1:
        return replace(data, event=(data.event != 0).astype(np.int64))
    return data


def _incidence(table: RiskTable, column: int) -> tuple[Array, Array]:
    incidence, se = np.empty(len(table.time)), np.empty(len(table.time))
    for rows in table.blocks():
        at_risk, events = table.at_risk[rows], table.events[rows, column]
        every = table.events[rows].sum(axis=1)
        before = np.concatenate([[1.0], np.cumprod(1 - _ratio(every, at_risk))[:-1]])
        incidence[rows] = np.cumsum(before * _ratio(events, at_risk))
        variance = _variance(incidence[rows], before, events, every, at_risk)
        se[rows] = np.sqrt(variance.clip(min=0))
    return incidence, se


def _variance(incidence: Array, before: Array, events: Array, every: Array, at_risk: Array) -> Array:
    """Σ (F(t)−F(s))² d/(Y(Y−d)) + Σ S(s−)² d_k(Y−d_k)/Y³ − 2 Σ (F(t)−F(s)) S(s−) d_k/Y², by running sums."""
    hazard = _ratio(every, at_risk * (at_risk - every))
    cross = _ratio(before * events, at_risk**2)
    own = _ratio(before**2 * events * (at_risk - events), at_risk**3)
    squares = (
        incidence**2 * np.cumsum(hazard)
        - 2 * incidence * np.cumsum(incidence * hazard)
        + np.cumsum(incidence**2 * hazard)
    )
    return squares + np.cumsum(own) - 2 * (incidence * np.cumsum(cross) - np.cumsum(incidence * cross))


def _ratio(top: Array, bottom: Array) -> Array:
    # Where the last patients at risk all have the event, Greenwood's term has no value and no later use.
    return np.divide(top, bottom, out=np.zeros_like(top, dtype=float), where=bottom > 0)


def _frame(
    table: RiskTable,
    column: int | None,
    estimate: Array,
    se: Array,
    *,
    level: float,
    limits: str,
    **extra: Array,
) -> pl.DataFrame:
    if column is None:
        return pl.DataFrame(schema=EMPTY)
    lower, upper = limits_of(estimate, se, level=level, limits=limits)
    stratum = np.repeat(np.arange(len(table.strata)), np.diff(table.first))
    return pl.DataFrame(
        {
            "stratum": pl.Series(list(table.strata)).gather(stratum),
            "time": table.time,
            "n_at_risk": np.rint(table.n_at_risk).astype(np.int64),
            "n_events": np.rint(table.n_events[:, column]).astype(np.int64),
            **{name: np.rint(values).astype(np.int64) for name, values in extra.items()},
            "estimate": estimate,
            "se": se,
            "lower": pl.Series(lower, nan_to_null=True),
            "upper": pl.Series(upper, nan_to_null=True),
        }
    )


EMPTY = {
    "stratum": pl.String(),
    "event": pl.Int64(),
    "time": pl.Float64(),
    "n_at_risk": pl.Int64(),
    "n_events": pl.Int64(),
    **dict.fromkeys(("estimate", "se", "lower", "upper"), pl.Float64()),
}
