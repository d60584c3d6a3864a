"""Relapses a year: how often a remission that was seen is seen lost again."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.longitudinal.words import counted, joined
from commensal.evidence.outcomes import verdicts
from commensal.evidence.rates import Rate, clustered_rate, incidence_rate
from commensal.evidence.remission import studied_endpoints
from commensal.vocabulary.endpoints import Endpoint
from commensal.vocabulary.indications import is_within

Array = np.ndarray

DAYS_PER_YEAR = 365.25
AT_VISITS = "from remission at one assessed visit to none at the next; what came and went between is not seen"
FROM_FIRST = "reached remission after index and assessed again"


def rate_of(events: Array, years: Array, *, level: float) -> Rate:
    """Events per person-year: clustered by patient; exact where there are none, one patient, or all alike."""
    rate = events.sum() / years.sum()
    if not events.any() or len(events) < 2 or np.abs(events - rate * years).max() < 1e-9:
        return incidence_rate(int(events.sum()), float(years.sum()), per=1, level=level)
    return clustered_rate(events, years, per=1, level=level)


def relapse_rows(ground: Ground, *, level: float) -> pl.DataFrame:
    """Return ``estimates`` cells: relapses per person-year since the first remission, by indication.

    Remission is that of the indication's primary endpoint, steroids or not. C. difficile infection, whose
    recurrences have a clock of their own, is left out; an indication without a remission has a reason.
    """
    treated = ground.treated.filter(pl.col("indication").is_not_null())
    endpoints = studied_endpoints(treated, landmarks=ground.landmarks)
    rows = []
    for code in dict.fromkeys(e.indication for e in endpoints):
        if is_within(code, "cdi"):
            continue
        mine = [e for e in endpoints if e.indication == code and e.kind == "remission" and e.is_primary]
        patients = treated.filter(pl.col("indication") == code)
        rows.append(_row(ground, patients, code, mine[0] if mine else None, level=level))
    return pl.DataFrame(rows, infer_schema_length=None)


def observed_relapses(judged: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, n_relapses, years] of everybody seen in remission after index.

    ``judged`` has [patient_id, day, success]. Years run from the first remission to the last assessed visit;
    0 where there was none after it.
    """
    known = judged.filter(pl.col("success").is_not_null() & (pl.col("day") > 0)).sort("patient_id", "day")
    reached = known.with_columns(
        has_begun=pl.col("success").cum_max().over("patient_id"),
        before=pl.col("success").shift(1).over("patient_id"),
    ).filter("has_begun")
    lost = (~pl.col("success") & pl.col("before").fill_null(False)).sum()
    years = (pl.col("day").max() - pl.col("day").min()) / DAYS_PER_YEAR
    return reached.group_by("patient_id").agg(n_relapses=lost, years=years).sort("patient_id")


def _row(
    ground: Ground, patients: pl.DataFrame, code: str, endpoint: Endpoint | None, *, level: float
) -> dict[str, Any]:
    cells = {
        "endpoint": "relapses_per_year",
        "population": FROM_FIRST,
        "estimand": AT_VISITS,
        "group_variable": "indication",
        "group_level": code,
        "level": level,
        "unit": "per_person_year",
    }
    if endpoint is None:
        return cells | {"reason": "no remission is defined, so that relapses cannot be counted"}
    found = observed_relapses(verdicts(patients, endpoint, ground.records.assessed))
    at_risk = found.filter(pl.col("years") > 0)
    cells |= {
        "estimand": f"{endpoint.code}, steroids or not: {AT_VISITS}",
        "n": at_risk.height,
        "n_due": found.height,
        "n_missing": found.height - at_risk.height,
        "n_events": int(at_risk["n_relapses"].sum()),
    }
    again = counted(found.height - at_risk.height, "reached remission and were not assessed again")
    if at_risk.is_empty():
        nobody = "nobody was seen in remission" if found.is_empty() else "nobody was assessed again"
        return cells | {"reason": joined(nobody, again)}
    events, years = at_risk["n_relapses"].to_numpy(), at_risk["years"].to_numpy()
    rate = rate_of(events, years, level=level)
    return cells | {
        "estimate": float(rate.estimate),
        "se": rate.se,
        "lower": float(rate.lower),
        "upper": float(rate.upper),
        "method": rate.method,
        "reason": joined(f"{years.sum():.1f} person-years since the first remission", again),
    }
