"""Restricted mean time free of an event: area under the Kaplan–Meier curve up to a horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.evidence.survival.curves import kaplan_meier
from commensal.evidence.survival.limits import quantile_of
from commensal.evidence.survival.risk_sets import Array


@dataclass(frozen=True)
class RestrictedMeans:
    """One row per group in ``groups``, and each group against the first in ``comparisons``.

    ``groups``: [group, n, estimate, se, lower, upper, longest], in the unit of time; ``longest`` is the last
    time the group was observed. ``comparisons``: [group, reference, measure, estimate, se, lower, upper,
    p_value], measure "difference" (in time) or "ratio" (limits on the log scale, se of the log).
    """

    until: float
    groups: pl.DataFrame
    comparisons: pl.DataFrame


def restricted_mean(
    time: Any,
    event: Any,
    *,
    until: float,
    group: Any = None,
    entry: Any = None,
    n: Any = None,
    weights: Any = None,
    level: float = 0.95,
) -> RestrictedMeans:
    """Mean time free of the event up to ``until``, of each group, and its difference and ratio to the first.

    Parameters as :func:`kaplan_meier`. Where a group was not observed until the horizon and its curve has not
    come to zero, the mean is null: a longer area would be invented.

    Refuses: InputError for a horizon of zero or less and what :func:`kaplan_meier` refuses.

    Notes
        μ(τ) = ∫₀^τ S(t) dt; variance Σ_{t ≤ τ} (∫_t^τ S)² d/(Y(Y − d)).
    References: Royston & Parmar, BMC Med Res Methodol 2013;13:152.
    """
    if not until > 0:
        raise InputError(f"horizon {until}", expected="a time after the origin")
    curve = kaplan_meier(time, event, entry=entry, n=n, weights=weights, stratum=group, level=level)
    rows = []
    for (label,), part in curve.partition_by("stratum", as_dict=True, maintain_order=True).items():
        estimate, se = area(part, until=until)
        longest = float(part["time"].to_numpy()[-1])
        ends = float(part["estimate"].to_numpy()[-1]) <= 0
        is_known = longest >= until or ends
        count = int((part["n_events"] + part["n_censored"]).sum())
        rows.append((label, count, *((estimate, se) if is_known else (None, None)), longest))
    z = quantile_of(level)
    kinds = {"group": curve.schema["stratum"], "n": pl.Int64, **dict.fromkeys(("estimate", "se"), pl.Float64)}
    means = pl.DataFrame(rows, schema={**kinds, "longest": pl.Float64}, orient="row").with_columns(
        lower=pl.col("estimate") - z * pl.col("se"), upper=pl.col("estimate") + z * pl.col("se")
    )
    return RestrictedMeans(until, means, _compared(means, z=z))


def area(curve: pl.DataFrame, *, until: float) -> tuple[float, float]:
    """Area under one survival curve up to ``until``, and its standard error (Greenwood's increments)."""
    steps = curve.filter(pl.col("time") <= until)
    times = np.concatenate([[0.0], steps["time"].to_numpy(), [until]])
    heights = np.concatenate([[1.0], steps["estimate"].to_numpy()])
    pieces = heights * np.diff(times)
    ahead = pieces.sum() - np.cumsum(pieces)[:-1]
    return float(pieces.sum()), float(np.sqrt((ahead**2 * _greenwood(steps)).sum()))


def _greenwood(steps: pl.DataFrame) -> Array:
    """Increments of the variance of log S; from the standard errors, so that weights count."""
    survival, se = steps["estimate"].to_numpy(), steps["se"].to_numpy()
    running = np.divide(se, survival, out=np.zeros_like(se), where=survival > 0) ** 2
    growing = np.maximum.accumulate(running) if len(running) else running
    return np.diff(growing, prepend=0.0)


def _compared(means: pl.DataFrame, *, z: float) -> pl.DataFrame:
    from scipy.special import ndtr

    reference, rows = means.row(0, named=True), []
    for other in means.iter_rows(named=True):
        if other["group"] == reference["group"] or None in (other["estimate"], reference["estimate"]):
            continue
        a, b = reference["estimate"], other["estimate"]
        spread = float(np.hypot(reference["se"], other["se"]))
        measures = [("difference", b - a, spread, b - a)]
        if a > 0 and b > 0:
            relative = float(np.hypot(reference["se"] / a, other["se"] / b))
            measures.append(("ratio", b / a, relative, float(np.log(b / a))))
        for name, estimate, se, centre in measures:
            ends = (centre - z * se, centre + z * se)
            lower, upper = ends if name == "difference" else tuple(float(np.exp(e)) for e in ends)
            p = float(2 * ndtr(-abs(centre) / se)) if se > 0 else None
            rows.append((other["group"], reference["group"], name, estimate, se, lower, upper, p))
    kinds = {"group": means.schema["group"], "reference": means.schema["group"], "measure": pl.String()}
    numbers = dict.fromkeys(("estimate", "se", "lower", "upper", "p_value"), pl.Float64())
    return pl.DataFrame(rows, schema={**kinds, **numbers}, orient="row")
