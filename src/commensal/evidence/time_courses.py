"""Which curves a study has: first remission or response, relapse after it, recurrence of C. difficile."""

from __future__ import annotations

import polars as pl

from commensal.evidence.incidence import curves, time_to_relapse, time_to_remission
from commensal.evidence.outcomes import Records, active_at_baseline, steroid_free, verdicts
from commensal.evidence.rows import rows_of
from commensal.vocabulary.endpoints import Endpoint, primary_endpoint
from commensal.vocabulary.indications import indication, indications, is_within
from commensal.vocabulary.windows import window_of

STEROIDS_COUNT_FROM = window_of("M3", cohort="prospective").open


def time_courses(records: Records, *, level: float = 0.95) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ``curves`` and ``numbers_at_risk`` rows, one curve per indication, none pooled.

    First remission (response, where that is the primary endpoint) counts from index among those with active
    disease at baseline; relapse from the first remission; recurrence of C. difficile infection from index.
    """
    treated = records.cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    times: dict[str, dict[str, pl.DataFrame]] = {}
    for code in treated["indication"].drop_nulls().unique().sort():
        if code not in indications() or indication(code).is_group:
            continue
        for curve, rows in _times(treated.filter(pl.col("indication") == code), code, records):
            times.setdefault(curve, {})[code] = rows
    drawn = [_drawn(curve, by_code, level=level) for curve, by_code in sorted(times.items())]
    return (
        rows_of("curves", [made for made, _ in drawn]),
        rows_of("numbers_at_risk", [at_risk for _, at_risk in drawn]),
    )


def _drawn(curve: str, times: dict[str, pl.DataFrame], *, level: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows = pl.concat([part.with_columns(group_level=pl.lit(code)) for code, part in times.items()])
    return curves(rows, curve=curve, by="indication", groups=list(times), level=level)


def _times(patients: pl.DataFrame, code: str, records: Records) -> list[tuple[str, pl.DataFrame]]:
    """The curves of one indication, each with its times (none where nobody was under observation)."""
    if is_within(code, "cdi"):
        return [("cumulative_incidence_of_recurrence", _time_to_recurrence(patients, records))]
    early, late = (primary_endpoint(code, landmark=landmark) for landmark in ("W8", "Y1"))
    endpoint = early or late
    if endpoint is None or endpoint.measure is None:
        return []
    status = _status(patients, early or endpoint, late or endpoint, records)
    active = active_at_baseline(patients, endpoint, records.assessed).filter("is_active")
    at_risk = patients.join(active, on="patient_id", how="semi")
    status = status.join(at_risk, on="patient_id", how="semi")
    first = (f"cumulative_incidence_of_{endpoint.kind}", time_to_remission(status, at_risk))
    if endpoint.kind != "remission":
        return [first]
    return [first, ("cumulative_incidence_of_relapse", time_to_relapse(status, at_risk))]


def _status(patients: pl.DataFrame, early: Endpoint, late: Endpoint, records: Records) -> pl.DataFrame:
    """[patient_id, day, is_remission] of all visits; from three months on by the steroid-free rule."""
    judged = verdicts(patients, early, records.assessed)
    from_then = pl.col("day") >= STEROIDS_COUNT_FROM
    parts = [judged.filter(~from_then), steroid_free(judged.filter(from_then), late, records)]
    return pl.concat(parts).rename({"success": "is_remission"})


def _time_to_recurrence(patients: pl.DataFrame, records: Records) -> pl.DataFrame:
    """From index: a recurrence is found when it began; the last attended visit ends observation."""
    facts = patients.select("patient_id", "days_to_death", "days_to_colectomy").join(
        records.cdi, on="patient_id", how="left"
    )
    contact = facts.select("patient_id", day="last_contact_day", is_remission=pl.lit(False))
    onset = facts.select("patient_id", day="first_recurrence_day", is_remission=pl.lit(True))
    return time_to_remission(pl.concat([contact, onset]).drop_nulls("day"), facts)
