"""Reading a curve: its value at given times, and the time at which it crosses a probability."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from commensal.errors import InputError

ROUNDING = 1e-9


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


def quantile(curve: pl.DataFrame, *, probability: float = 0.5) -> pl.DataFrame:
    """Time by which survival has fallen to 1 − ``probability``: [stratum, estimate, lower, upper].

    ``curve`` is of :func:`kaplan_meier`. Null where the curve, or its limit, does not come down so far. Where
    the curve lies exactly on the probability for a while, the middle of that while (as usual for a median).
    Limits are the times at which the limits of the curve cross. Refuses (InputError) a probability outside
    0 to 1.
    References: Brookmeyer & Crowley, Biometrics 1982;38:29.
    """
    if not 0 < probability < 1:
        raise InputError(f"probability {probability}", expected="a number between 0 and 1")
    rows = []
    for (stratum,), part in curve.partition_by("stratum", as_dict=True, maintain_order=True).items():
        ends = {
            "estimate": _crossing(part, "estimate", 1 - probability),
            "lower": _crossing(part, "lower", 1 - probability),
            "upper": _crossing(part, "upper", 1 - probability),
        }
        rows.append({"stratum": stratum, **ends})
    kinds = {
        "stratum": curve.schema["stratum"],
        **dict.fromkeys(("estimate", "lower", "upper"), pl.Float64()),
    }
    return pl.DataFrame(rows, schema=kinds)


def _crossing(curve: pl.DataFrame, column: str, target: float) -> float | None:
    steps = curve.filter((pl.col("n_events") > 0) & pl.col(column).is_not_null())
    values, times = steps[column].to_numpy(), steps["time"].to_numpy()
    below = np.flatnonzero(values <= target + ROUNDING)
    if not len(below):
        # The last step to zero has no limits, but the curve has come down.
        ended = curve.filter((pl.col("n_events") > 0) & (pl.col("estimate") <= 0))
        return float(ended["time"][0]) if column == "lower" and ended.height else None
    at = int(below[0])
    if abs(values[at] - target) > ROUNDING:
        return float(times[at])
    further = np.flatnonzero(values < target - ROUNDING)
    return float((times[at] + times[further[0]]) / 2) if len(further) else float(times[at])
