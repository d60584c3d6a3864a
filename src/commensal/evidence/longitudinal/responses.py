"""Response over the landmarks by a marginal model."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.longitudinal.changes import population_of
from commensal.evidence.longitudinal.gee import gee
from commensal.evidence.longitudinal.measured import Measured
from commensal.evidence.longitudinal.settings import Settings
from commensal.evidence.longitudinal.tally import Tallied, Tally, at_risk
from commensal.evidence.longitudinal.words import joined, reference

GEE = "marginal logistic model by landmark, {} working correlation, robust variance"
COMPLETELY = "missing completely at random"

Found = tuple[float, float, float, float]


def response_rows(tallied: Tallied, *, settings: Settings, level: float) -> pl.DataFrame:
    """Return ``estimates`` cells: the marginal probability of response, all landmarks in one model."""
    found, left_out = _fitted(tallied, settings=settings, level=level)
    told = [
        _row(tallied.measured, tally, found.get(name))
        | {
            "landmark": name,
            "level": level,
            "method": GEE.format(settings.working),
            "reason": joined(
                None if name in found else tally.why_nothing or left_out.get(name), tally.cautions
            ),
        }
        for name, tally in tallied.treated.items()
    ]
    return pl.DataFrame(told, infer_schema_length=None)


def _fitted(tallied: Tallied, *, settings: Settings, level: float) -> tuple[dict[str, Found], dict[str, str]]:
    """The probability at each landmark of the model, and the reason for each landmark that is not in it."""
    left_out = {
        name: reason
        for name, tally in tallied.treated.items()
        if (reason := _unusable(tally, settings.least_patients)) is not None
    }
    kept = [name for name in tallied.landmarks if name not in left_out]
    if len(kept) < 2:
        return {}, left_out | dict.fromkeys(kept, "one visit only: no repeated measures")
    can = at_risk("response", has_active=tallied.measured.has_active)
    told = pl.col("is_due") & ~pl.col("is_comparator") & pl.col("response").is_not_null()
    used = tallied.measured.rows.filter(can & told & pl.col("landmark").is_in(kept))
    place = used["landmark"].replace_strict(kept, range(len(kept)), return_dtype=pl.Int64).to_numpy()
    try:
        fit = gee(
            used["response"].cast(pl.Float64).to_numpy(),
            design=np.eye(len(kept))[place],
            subject=used["patient_id"].to_list(),
            position=place,
            working=settings.working,
            level=level,
        )
    except RefusedError as refusal:
        return {}, left_out | dict.fromkeys(kept, refusal.what)
    return {name: fit.mean(np.eye(len(kept))[j]) for j, name in enumerate(kept)}, left_out


def _unusable(tally: Tally, least: int) -> str | None:
    """Why a landmark cannot be in the model: too few patients, or all with one outcome."""
    _, n, events = tally.response
    if n < least:
        return f"{n} patients seen, fewer than the {least} asked for"
    return f"{events} of {n} responded: no finite log-odds" if events in (0, n) else None


def _row(measured: Measured, tally: Tally, found: Found | None) -> dict[str, Any]:
    n_due, observed, events = tally.response
    estimate, se, lower, upper = found or (None, None, None, None)
    rule = measured.response_rule
    return {
        "endpoint": f"response_in_{measured.name}",
        "population": population_of(measured, kind="response"),
        "estimand": f"{COMPLETELY}; response: {rule}" if rule else COMPLETELY,
        "group_variable": "indication",
        "group_level": measured.indication,
        "estimate": estimate,
        "se": se,
        "lower": lower,
        "upper": upper,
        "unit": "proportion",
        "n": observed,
        "n_events": events,
        "n_due": n_due,
        "n_missing": n_due - observed,
        "reference": reference(measured.indication),
    }
