"""Analysis sets: who is registered, who was treated, who has what the full analysis needs."""

from __future__ import annotations

import polars as pl

from commensal.evidence.ground import Ground

NO_INDICATION = "no indication is recorded"
NO_BASELINE = "baseline severity is not known, or no primary endpoint is defined"
NOT_DUE = "no primary outcome is due yet"
NO_OUTCOME = "due, but no primary outcome can be evaluated"


def analysis_sets(ground: Ground) -> pl.DataFrame:
    """Return one row per patient: patient_id, is_registered, is_treated, is_full_data, why_not_full.

    Everyone in the study is registered; the treated received at least one dose of donor material: they are
    the safety set, whatever followed. The full data set are the treated with a known baseline severity and at
    least one primary outcome that can be evaluated. It conditions on what happened after index, so it
    describes and gates nothing; ``why_not_full`` is null inside it and for those not treated.
    """
    cohort = ground.cohort
    primary = ground.outcomes.filter("is_primary")
    known = primary.group_by("patient_id").agg(
        has_baseline=pl.col("is_active").is_not_null().any(),
        has_due=pl.col("is_due").fill_null(False).any(),
        has_outcome=pl.col("success").is_not_null().any(),
    )
    flags = cohort.select(
        "patient_id", "indication", is_treated=pl.col("is_treated") & ~pl.col("is_comparator")
    ).join(known, on="patient_id", how="left")
    has = {c: pl.col(c).fill_null(False) for c in ("has_baseline", "has_due", "has_outcome")}
    why = (
        pl.when(~pl.col("is_treated"))
        .then(None)
        .when(pl.col("indication").is_null())
        .then(pl.lit(NO_INDICATION))
        .when(~has["has_baseline"])
        .then(pl.lit(NO_BASELINE))
        .when(~has["has_outcome"] & ~has["has_due"])
        .then(pl.lit(NOT_DUE))
        .when(~has["has_outcome"])
        .then(pl.lit(NO_OUTCOME))
    )
    return (
        flags.with_columns(why_not_full=why)
        .select(
            "patient_id",
            "is_treated",
            "why_not_full",
            is_registered=pl.lit(True),
            is_full_data=pl.col("is_treated") & pl.col("why_not_full").is_null(),
        )
        .select("patient_id", "is_registered", "is_treated", "is_full_data", "why_not_full")
        .sort("patient_id")
    )
