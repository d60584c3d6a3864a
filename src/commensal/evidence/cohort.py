"""The cohort: one row per patient, every day counted from that patient's index.

This is the one place where tables become patients: aggregation runs lazily on the study's engine, one row
per patient crosses. Nothing here looks at an outcome, so nothing here can depend on one.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl

from commensal.study import Study

Frame = nw.LazyFrame[Any]


def cohort_of(study: Study) -> pl.DataFrame:
    """Return one row per patient of the study, sorted by patient.

    Columns: the patient's own (indication, arm, cohort, sex, index_day …); n_sessions, is_treated (received
    at least one session), is_comparator, is_plan_known (what was planned at index is recorded); route (the
    one route of all sessions, "several", or null where one is unknown); age_years; and, in whole days since
    index, null where it did not happen or is not known: last_session_day, last_planned_day (last session of
    the courses planned at index), retreatment_day, rescue_day, colectomy_day, death_day, lost_day,
    withdrawn_day, last_known_day (last day anything is known of the patient), cut_day (data cut) and
    end_day (end of person-time: the first of death, loss, withdrawal, data cut and the last day known).
    """
    frame = _patients(study)
    for part in (
        _sessions(study),
        _planned(study),
        _retreatment(study),
        _first(study, "exposures", "started_day", nw.col("is_rescue"), "rescue_at"),
        _first(study, "procedures", "performed_day", nw.col("kind") == "colectomy", "colectomy_at"),
        _first(study, "dispositions", "occurred_day", nw.col("kind") == "death", "death_at"),
        _first(study, "dispositions", "occurred_day", nw.col("kind") == "lost_to_follow_up", "lost_at"),
        _first(study, "dispositions", "occurred_day", _stops_contact(), "withdrawn_at"),
        _last_known(study),
    ):
        frame = frame.join(part, on="patient_id", how="left")
    return _relative(frame.collect("polars").to_native(), cut=study.manifest.data_cut_day)


def _patients(study: Study) -> Frame:
    return study.frame("patients").select(
        "patient_id",
        "indication",
        "arm",
        "cohort",
        "sex",
        "born_day",
        "index_day",
        "enrolled_day",
        "immunocompromise",
        "is_mucosal_barrier_injured",
        "has_severe_complication_before_index",
    )


def _sessions(study: Study) -> Frame:
    return (
        study.frame("sessions")
        .group_by("patient_id")
        .agg(
            nw.col("session_id").len().alias("n_sessions"),
            nw.col("administered_day").max().alias("last_session_at"),
            nw.col("route").min().alias("first_route"),
            nw.col("route").max().alias("last_route"),
            nw.col("route").count().alias("n_routes_known"),
        )
    )


def _planned(study: Study) -> Frame:
    """The last session planned at index: courses said to be so, else every course that is no retreatment."""
    courses = study.frame("courses").select("course_id", "purpose", "is_planned_at_index")
    sessions = study.frame("sessions").join(courses, on="course_id", how="left")
    not_again = nw.col("purpose").is_null() | (nw.col("purpose") != "retreatment")
    planned = nw.col("is_planned_at_index") | (nw.col("is_planned_at_index").is_null() & not_again)
    return (
        sessions.filter(planned)
        .group_by("patient_id")
        .agg(
            nw.col("administered_day").max().alias("last_planned_at"),
            nw.col("is_planned_at_index").count().alias("n_plans_known"),
        )
    )


def _retreatment(study: Study) -> Frame:
    """First session of a course that was a retreatment or not planned at index."""
    courses = study.frame("courses").select("course_id", "purpose", "is_planned_at_index")
    sessions = study.frame("sessions").join(courses, on="course_id", how="inner")
    again = (nw.col("purpose") == "retreatment") | ~nw.col("is_planned_at_index")
    return (
        sessions.filter(again)
        .group_by("patient_id")
        .agg(nw.col("administered_day").min().alias("retreatment_at"))
    )


def _first(study: Study, table: str, day: str, condition: nw.Expr, name: str) -> Frame:
    """First day of something since index: what came before (an old colectomy) is history, not an outcome."""
    index = study.frame("patients").select("patient_id", "index_day")
    rows = study.frame(table).filter(condition).join(index, on="patient_id", how="inner")
    after = rows.filter(nw.col("index_day").is_null() | (nw.col(day) >= nw.col("index_day")))
    return after.group_by("patient_id").agg(nw.col(day).min().alias(name))


def _stops_contact() -> nw.Expr:
    # W1 stops the intervention only: such a patient is still followed.
    return (nw.col("kind") == "withdrawal") & (
        nw.col("withdrawal_level").is_null() | (nw.col("withdrawal_level") != "W1")
    )


LAST_KNOWN = (
    ("visits", "visited_day", nw.col("status") == "attended"),
    ("sessions", "administered_day", None),
    ("dispositions", "occurred_day", nw.col("kind").is_in(["last_contact", "death"])),
    ("adverse_events", "began_day", None),
    ("samples", "collected_day", ~nw.col("patient_id").is_null()),
)


def _last_known(study: Study) -> Frame:
    parts = []
    for table, day, condition in LAST_KNOWN:
        rows = study.frame(table)
        rows = rows if condition is None else rows.filter(condition)
        parts.append(rows.select("patient_id", nw.col(day).alias("day")))
    return (
        nw.concat(parts, how="vertical")
        .group_by("patient_id")
        .agg(nw.col("day").max().alias("last_known_at"))
    )


def _relative(frame: pl.DataFrame, *, cut: int | None) -> pl.DataFrame:
    """Turn days of the study's clock into days since index."""
    since = {
        name.removesuffix("_at") + "_day": pl.col(name).cast(pl.Int64) - pl.col("index_day")
        for name in frame.columns
        if name.endswith("_at")
    }
    routes = pl.when(pl.col("first_route") != pl.col("last_route")).then(pl.lit("several"))
    return (
        frame.with_columns(
            pl.col("n_sessions").fill_null(0).cast(pl.Int64),
            is_comparator=pl.col("arm") != "fmt",
            is_plan_known=pl.col("n_plans_known").fill_null(0) > 0,
            route=routes.when(pl.col("n_routes_known") == pl.col("n_sessions")).then("first_route"),
            age_years=(pl.col("index_day") - pl.col("born_day")) / 365.25,
            cut_day=pl.lit(cut, dtype=pl.Int64) - pl.col("index_day"),
            **since,
        )
        .with_columns(is_treated=pl.col("n_sessions") > 0, end_day=_end())
        .drop(
            [n for n in frame.columns if n.endswith("_at")],
            "first_route",
            "last_route",
            "n_routes_known",
            "n_plans_known",
        )
        .sort("patient_id")
    )


def _end() -> pl.Expr:
    # A patient who silently stopped coming is not followed to the data cut: no record is not zero.
    ends = pl.min_horizontal("death_day", "lost_day", "withdrawn_day", "cut_day", "last_known_day")
    return pl.when(pl.col("last_known_day").is_not_null()).then(ends.clip(lower_bound=0))
