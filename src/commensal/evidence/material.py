"""Whose stool each patient received, and by what hands: the exposures that effects and monitoring rest on."""

from __future__ import annotations

import polars as pl

from commensal.study import Study

UNKNOWN = "unknown"


def donors_received(study: Study, cohort: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, donor_id, share]: donors of the sessions planned at index, shares sum to 1.

    A pool counts by its members' shares (equal where they are not recorded), every session alike. A patient
    any of whose donors is unknown has the donor "unknown" for that part. Retreatments do not count: they
    follow the outcome. Patients without a session are absent. Sorted by patient and donor.
    """
    material = session_material(study, cohort).filter("is_planned")
    totals = material.group_by("patient_id", "donor_id").agg(pl.col("share").sum())
    return totals.with_columns(pl.col("share") / pl.col("share").sum().over("patient_id")).sort(
        "patient_id", "donor_id"
    )


def session_material(study: Study, cohort: pl.DataFrame) -> pl.DataFrame:
    """Return one row per session, batch and donor: what was given, shares summing to 1 in each session.

    Columns: patient_id, session_id, course_id, course_number, is_planned (at index; without a recorded plan,
    the first course), day (since index), site_id, route, operator, batch_id, donor_id, share. Autologous
    material has the donor "unknown" too; filter by arm. Sorted.
    """
    sessions = study.read(
        "sessions",
        columns=["session_id", "course_id", "patient_id", "site_id", "administered_day", "route", "operator"],
    ).join(cohort.select("patient_id", "index_day"), on="patient_id")
    courses = study.read("courses", columns=["course_id", "number", "is_planned_at_index"])
    # The first course here may be the patient's second: an earlier one was given elsewhere.
    first = pl.col("course_number") == pl.col("course_number").min().over("patient_id")
    planned = pl.coalesce("is_planned_at_index", first, pl.lit(True))
    dated = (
        sessions.join(courses.rename({"number": "course_number"}), on="course_id", how="left")
        .with_columns(
            day=(pl.col("administered_day") - pl.col("index_day")).cast(pl.Int64), is_planned=planned
        )
        .drop("index_day", "is_planned_at_index")
    )
    return (
        dated.join(_donor_shares(study), on="session_id", how="left")
        .with_columns(pl.col("donor_id").fill_null(UNKNOWN), pl.col("share").fill_null(1.0))
        .select(
            *("patient_id", "session_id", "course_id", "course_number", "is_planned", "day"),
            *("administered_day", "site_id", "route", "operator", "batch_id", "donor_id", "share"),
        )
        .sort("patient_id", "day", "session_id", "batch_id", "donor_id", nulls_last=True)
    )


def _donor_shares(study: Study) -> pl.DataFrame:
    """[session_id, batch_id, donor_id, share], shares of a session summing to 1."""
    drawn = study.read("session_units", columns=["session_id", "unit_id", "fraction"])
    made_of = study.read("unit_donors", columns=["unit_id", "donor_id", "share"])
    units = study.read("units", columns=["unit_id", "batch_id"])
    of_unit = made_of.with_columns(
        share=pl.when(pl.col("share").null_count().over("unit_id") == 0)
        .then(pl.col("share"))
        .otherwise(1.0 / pl.len().over("unit_id"))
    )
    rows = (
        drawn.join(units, on="unit_id", how="left")
        .join(of_unit, on="unit_id", how="left")
        .with_columns(
            pl.col("donor_id").fill_null(UNKNOWN),
            part=pl.col("fraction").fill_null(1.0) * pl.col("share").fill_null(1.0),
        )
    )
    summed = rows.group_by("session_id", "batch_id", "donor_id").agg(pl.col("part").sum())
    return summed.select(
        "session_id", "batch_id", "donor_id", share=pl.col("part") / pl.col("part").sum().over("session_id")
    )
