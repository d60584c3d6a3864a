"""Time to the first remission (or response) of those with active disease at baseline, one row a patient."""

from __future__ import annotations

import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.outcomes import verdicts
from commensal.vocabulary.endpoints import primary_endpoint
from commensal.vocabulary.indications import indication, indications, is_within


def first_remissions(ground: Ground) -> pl.DataFrame:
    """Return [patient_id, time, event]: days from index to the first visit in remission, else to the last
    one.

    By the measure of the indication's primary endpoint at three months (or the first there is). Remission was
    found at a visit and began before it: the time is an upper limit. Without an assessed visit after index a
    patient is absent. C. difficile infection has no active disease to leave and is absent too.
    """
    parts = [_of(ground, code) for code in ground.treated["indication"].drop_nulls().unique().sort()]
    empty = pl.DataFrame(schema={"patient_id": pl.String, "time": pl.Int64, "event": pl.Int64})
    return pl.concat([empty, *parts]).sort("patient_id")


def _of(ground: Ground, code: str) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"patient_id": pl.String, "time": pl.Int64, "event": pl.Int64})
    if code not in indications() or indication(code).is_group or is_within(code, "cdi"):
        return empty
    endpoint = primary_endpoint(code, landmark="M3") or primary_endpoint(code, landmark="Y1")
    if endpoint is None or endpoint.measure is None:
        return empty
    patients = ground.treated.filter(pl.col("indication") == code)
    active = ground.outcomes.filter((pl.col("endpoint") == endpoint.code) & "is_active")[
        "patient_id"
    ].unique()
    judged = verdicts(patients, endpoint, ground.records.assessed).filter(
        pl.col("success").is_not_null() & (pl.col("day") > 0) & pl.col("patient_id").is_in(active.implode())
    )
    first = pl.col("day").filter("success").min()
    return (
        judged.group_by("patient_id")
        .agg(time=pl.coalesce(first, pl.col("day").max()), event=pl.col("success").any().cast(pl.Int64))
        .select("patient_id", pl.col("time").cast(pl.Int64), "event")
    )
