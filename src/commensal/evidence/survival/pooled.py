"""One curve out of the curves of several completed data sets, pooled on the log(−log) scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.evidence.pooling import pool
from commensal.evidence.survival.limits import AT_THE_EDGE
from commensal.evidence.survival.risk_sets import Array


def pool_curves(curves: Sequence[pl.DataFrame], *, start: float, level: float = 0.95) -> pl.DataFrame:
    """Pool step curves of m completed data sets by Rubin's rules at every time any of them has.

    ``curves`` are of :func:`kaplan_meier` (``start`` 1) or :func:`aalen_johansen` (``start`` 0), with the
    same strata and events. Returns [stratum, (event,) time, estimate, se, lower, upper, fraction_missing].
    Where some curve is still at 0 or 1 the transform has no value: the estimate is the plain mean, and se and
    limits are null.

    Refuses (InputError) fewer than two curves and curves of other strata.
    References: Rubin 1987; Marshall, Altman & Holder, BMC Med Res Methodol 2010;10:112.
    """
    if len(curves) < 2:
        raise InputError(f"{len(curves)} curves", expected="the curves of at least two completed data sets")
    keys = [k for k in ("stratum", "event") if k in curves[0].columns]
    parted = [c.partition_by(keys, as_dict=True, maintain_order=True) for c in curves]
    if any(set(part) != set(parted[0]) for part in parted):
        raise InputError(
            "the curves have different strata or events", expected="the same groups in every data set"
        )
    made = []
    for key in parted[0]:
        pooled = _pooled([part[key] for part in parted], start=start, level=level)
        labels = [pl.lit(v).cast(curves[0].schema[k]).alias(k) for k, v in zip(keys, key, strict=True)]
        made.append(pooled.select(*labels, pl.all()))
    return pl.concat(made)


def _pooled(curves: Sequence[pl.DataFrame], *, start: float, level: float) -> pl.DataFrame:
    times = np.unique(np.concatenate([c["time"].to_numpy() for c in curves]))
    estimate = np.vstack([_steps(c, "estimate", times, start) for c in curves])
    se = np.vstack([_steps(c, "se", times, 0.0) for c in curves])
    inside = ((estimate > AT_THE_EDGE) & (estimate < 1 - AT_THE_EDGE)).all(axis=0)
    columns = {name: np.full(len(times), np.nan) for name in ("se", "lower", "upper", "fraction_missing")}
    value = estimate.mean(axis=0)
    if inside.any():
        q = estimate[:, inside]
        slope = q * np.abs(np.log(q))
        found = pool(np.log(-np.log(q)), (se[:, inside] / slope) ** 2, level=level)
        value[inside] = _back(found.estimate)
        columns["se"][inside] = np.sqrt(found.variance) * value[inside] * np.abs(np.log(value[inside]))
        # log(−log) falls as the probability rises.
        columns["lower"][inside], columns["upper"][inside] = _back(found.upper), _back(found.lower)
        columns["fraction_missing"][inside] = found.fraction_missing
    filled = {name: pl.Series(values, nan_to_null=True) for name, values in columns.items()}
    return pl.DataFrame({"time": times, "estimate": value, **filled})


def _back(values: Array | float) -> Array:
    return np.exp(-np.exp(np.asarray(values)))


def _steps(curve: pl.DataFrame, column: str, times: Array, start: float) -> Array:
    found = np.searchsorted(curve["time"].to_numpy(), times, side="right")
    return np.concatenate([[start], curve[column].to_numpy()])[found]
