"""Kaplan–Meier and Aalen–Johansen, exact from grouped counts.

The input is a frame of grouped counts, one row per distinct (stratum, entry, time, event) with the number
of patients ``n``; rows of single patients are the case ``n = 1``. Grouped counts are sufficient: the
result is the same as from patient rows, at any size and in any order. Times are integers (days) or
numbers in one unit; a patient is at risk at t when entry < t ≤ time. Events at a time come before
censorings at the same time; ties are exact, nothing is jittered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from scipy.stats import norm

from commensal.errors import InputError

Array = np.ndarray


def grouped_counts(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum rows [stratum, entry, time, event, n] to one row per distinct combination, sorted.

    ``stratum``, ``entry`` and ``n`` may be absent (one stratum, entry at null, one patient a row). A null
    entry means observed from the origin. Refuses (InputError) times that are null or not finite and entries
    at or after the time.
    """
    have = rows.columns
    rows = rows.with_columns(
        stratum=pl.col("stratum") if "stratum" in have else pl.lit("all"),
        entry=pl.col("entry").cast(pl.Float64) if "entry" in have else pl.lit(None, dtype=pl.Float64),
        n=pl.col("n") if "n" in have else pl.lit(1),
        time=pl.col("time").cast(pl.Float64),
    )
    _check(rows)
    keys = ["stratum", "entry", "time", "event"]
    return rows.group_by(keys).agg(pl.col("n").sum()).sort(keys, nulls_last=False)


def _check(rows: pl.DataFrame) -> None:
    faulty = rows.filter(
        pl.col("time").is_null() | ~pl.col("time").is_finite() | pl.col("event").is_null() | (pl.col("n") < 0)
    ).height
    if faulty:
        raise InputError(
            f"{faulty} rows have no time or no event",
            expected="a finite time, an event code (0 is censored) and a count",
            do="leave out patients without follow-up before, and count them",
        )
    if late := rows.filter(pl.col("entry") >= pl.col("time")).height:
        raise InputError(
            f"{late} rows enter at or after their time",
            expected="entry before time",
            do="leave out patients who were never at risk, and count them",
        )


def kaplan_meier(rows: pl.DataFrame, *, level: float = 0.95) -> pl.DataFrame:
    """Kaplan–Meier survival curve of each stratum.

    ``event`` 0 is censored, anything else is the event. Returns [stratum, time, n_at_risk, n_events,
    n_censored, estimate, se, lower, upper] at every distinct time, sorted. SE by Greenwood; limits by the
    log(−log) transform, null where the estimate is 0 or 1.
    References: Kaplan & Meier, JASA 1958;53:457; Kalbfleisch & Prentice 1980.
    """
    single = rows.with_columns(event=(pl.col("event") != 0).cast(pl.Int64))
    curves = [
        _kaplan_meier(times, level=level).with_columns(stratum=pl.lit(stratum))
        for stratum, times in _by_stratum(single, causes=(1,))
    ]
    return _stacked(curves, ["stratum", "time"])


def aalen_johansen(rows: pl.DataFrame, *, causes: Sequence[int] = (), level: float = 0.95) -> pl.DataFrame:
    """Cumulative incidence of each cause with the others competing.

    ``event`` 0 is censored, k ≥ 1 is cause k; ``causes`` names those to return (default: all that occur).
    Returns [stratum, event, time, n_at_risk, n_events, estimate, se, lower, upper] at every distinct time.

    Notes
        CIF_k(t) = Σ_{s ≤ t} S(s−) d_k(s) / Y(s), S the Kaplan–Meier estimate of all causes together. SE is
        the Greenwood-type delta-method estimate (as R's survfit prints); limits by the log(−log) transform.
        One minus Kaplan–Meier with the competing events censored is larger, and wrong.
    References: Aalen & Johansen, Scand J Stat 1978;5:141.
    """
    wanted = tuple(causes) or tuple(sorted(set(rows["event"].to_list()) - {0}))
    others = tuple(sorted(set(rows["event"].to_list()) - {0} - set(wanted)))
    curves = [
        _cumulative_incidence(times, cause=cause, level=level).with_columns(
            stratum=pl.lit(stratum), event=pl.lit(cause)
        )
        for stratum, times in _by_stratum(rows, causes=wanted + others)
        for cause in wanted
    ]
    return _stacked(curves, ["stratum", "event", "time"])


def at_times(curve: pl.DataFrame, times: Iterable[float], *, start: float) -> pl.DataFrame:
    """Read step curves at given times: the last step at or before each; ``start`` before the first step.

    ``start`` is 1 for survival, 0 for cumulative incidence. Returns the curve's columns with ``at`` in front;
    n_at_risk is the number at risk just before the asked time.
    """
    keys = [k for k in ("stratum", "event") if k in curve.columns]
    asked = pl.DataFrame({"at": [float(t) for t in times]})
    parts = []
    for group in curve.partition_by(keys, maintain_order=True):
        found = np.searchsorted(group["time"].to_numpy(), asked["at"].to_numpy(), side="right") - 1
        next_step = np.searchsorted(group["time"].to_numpy(), asked["at"].to_numpy(), side="left")
        at_risk = np.append(group["n_at_risk"].to_numpy(), 0)[next_step]
        picked = group[np.maximum(found, 0).tolist()].with_columns(asked["at"], n_at_risk=pl.Series(at_risk))
        before = pl.Series(found < 0)
        parts.append(
            picked.with_columns(
                estimate=pl.when(before).then(start).otherwise("estimate"),
                se=pl.when(before).then(0.0).otherwise("se"),
                **{c: pl.when(~before).then(c) for c in ("lower", "upper")},
            )
        )
    return pl.concat(parts)


def _by_stratum(rows: pl.DataFrame, *, causes: tuple[int, ...]) -> list[tuple[object, pl.DataFrame]]:
    counts = grouped_counts(rows)
    return [
        (key[0], _risk_table(part, causes=causes))
        for key, part in counts.partition_by("stratum", maintain_order=True, as_dict=True).items()
    ]


def _risk_table(counts: pl.DataFrame, *, causes: tuple[int, ...]) -> pl.DataFrame:
    """One row per distinct time: at risk just before it, censored at it, events d_k of each cause."""
    times = (
        counts.group_by("time")
        .agg(
            pl.col("n").sum().alias("left"),
            pl.col("n").filter(pl.col("event") == 0).sum().alias("n_censored"),
            *[pl.col("n").filter(pl.col("event") == k).sum().alias(f"d_{k}") for k in causes],
        )
        .sort("time")
    )
    entries = (
        counts.filter(pl.col("entry").is_not_null()).group_by("entry").agg(pl.col("n").sum()).sort("entry")
    )
    from_origin = int(counts.filter(pl.col("entry").is_null())["n"].sum())
    entered = np.concatenate([[0], entries["n"].cum_sum().to_numpy()])
    # At risk at t: everybody who entered before t, less those who left before t.
    before = np.searchsorted(entries["entry"].to_numpy(), times["time"].to_numpy(), side="left")
    left_before = times["left"].cum_sum().to_numpy() - times["left"].to_numpy()
    return times.with_columns(
        n_at_risk=pl.Series(from_origin + entered[before] - left_before, dtype=pl.Int64)
    )


def _kaplan_meier(times: pl.DataFrame, *, level: float) -> pl.DataFrame:
    at_risk, events = _arrays(times, "n_at_risk"), _arrays(times, "d_1")
    survival = np.cumprod(1 - events / at_risk)
    spread = np.cumsum(_ratio(events, at_risk * (at_risk - events)))
    se = np.where(survival > 0, survival * np.sqrt(spread), 0.0)
    return _curve(times, "d_1", survival, se, level=level, extra=["n_censored"])


def _cumulative_incidence(times: pl.DataFrame, *, cause: int, level: float) -> pl.DataFrame:
    at_risk, events = _arrays(times, "n_at_risk"), _arrays(times, f"d_{cause}")
    every = np.asarray(times.select(pl.sum_horizontal(pl.col("^d_.*$"))).to_series(), dtype=float)
    survival_before = np.concatenate([[1.0], np.cumprod(1 - every / at_risk)[:-1]])
    incidence = np.cumsum(survival_before * events / at_risk)
    se = np.sqrt(_variance(incidence, survival_before, events, every, at_risk).clip(min=0))
    return _curve(times, f"d_{cause}", incidence, se, level=level)


def _variance(incidence: Array, before: Array, events: Array, every: Array, at_risk: Array) -> Array:
    """Σ (F(t)−F(s))² d/(Y(Y−d)) + Σ S(s−)² d_k(Y−d_k)/Y³ − 2 Σ (F(t)−F(s)) S(s−) d_k/Y², by running sums."""
    hazard = _ratio(every, at_risk * (at_risk - every))
    cross = before * events / at_risk**2
    own = before**2 * events * (at_risk - events) / at_risk**3
    squares = (
        incidence**2 * np.cumsum(hazard)
        - 2 * incidence * np.cumsum(incidence * hazard)
        + np.cumsum(incidence**2 * hazard)
    )
    return squares + np.cumsum(own) - 2 * (incidence * np.cumsum(cross) - np.cumsum(incidence * cross))


def _curve(
    times: pl.DataFrame, events: str, estimate: Array, se: Array, *, level: float, extra: Sequence[str] = ()
) -> pl.DataFrame:
    lower, upper = log_log_limits(estimate, se, level=level)
    return times.select(
        "time",
        "n_at_risk",
        pl.col(events).cast(pl.Int64).alias("n_events"),
        *extra,
        estimate=pl.Series(estimate),
        se=pl.Series(se),
        lower=pl.Series(lower).fill_nan(None),
        upper=pl.Series(upper).fill_nan(None),
    )


def log_log_limits(estimate: Array, se: Array, *, level: float) -> tuple[Array, Array]:
    """Limits of a probability by the log(−log) transform; NaN where the estimate is 0 or 1."""
    # A sum that should be 1 may fall short of it by rounding; the transform has no value there.
    inside = (estimate > 1e-12) & (estimate < 1 - 1e-12)
    safe = np.where(inside, estimate, 0.5)
    width = norm.ppf((1 + level) / 2) * se / (safe * np.abs(np.log(safe)))
    centre = np.log(-np.log(safe))
    lower, upper = np.exp(-np.exp(centre + width)), np.exp(-np.exp(centre - width))
    return np.where(inside, lower, np.nan), np.where(inside, upper, np.nan)


def _arrays(times: pl.DataFrame, column: str) -> Array:
    return times[column].cast(pl.Float64).to_numpy()


def _ratio(top: Array, bottom: Array) -> Array:
    # Where the last patients at risk all have the event, Greenwood's term has no value and no later use.
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)


def _stacked(curves: list[pl.DataFrame], keys: list[str]) -> pl.DataFrame:
    if not curves:
        raise InputError("no curve can be drawn of no rows", expected="at least one patient with follow-up")
    first = [*keys, *(c for c in curves[0].columns if c not in keys)]
    return pl.concat([c.select(first) for c in curves]).sort(keys)
