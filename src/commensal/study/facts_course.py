"""Facts of treatment: sessions, courses, routes, donors, retreatment."""

from __future__ import annotations

import narwhals as nw

from commensal.study.calendar import Lazy
from commensal.study.facts_tools import first_day, last_day
from commensal.study.folder import Study

# Larger than any day number: a count and a day make one sortable number.
_DAY_SPAN = 10_000_000


def course_facts(study: Study, who: Lazy) -> list[Lazy]:
    """Frames keyed by patient: counts of sessions, courses and donors, main route, days of sessions."""
    sessions, courses = study.frame("sessions"), study.frame("courses")
    planned, retreatment = _planned(sessions, courses), _retreatment(sessions, courses)
    n_sessions = sessions.group_by("patient_id").agg(nw.len().cast(nw.Int64).alias("n_sessions"))
    n_courses = courses.group_by("patient_id").agg(nw.len().cast(nw.Int64).alias("n_courses"))
    return [
        n_sessions,
        n_courses,
        main_route(sessions),
        _n_donors(study),
        first_day(sessions, who, "administered_day", name="days_to_first_session"),
        last_day(sessions, who, "administered_day", name="days_to_last_session"),
        last_day(planned, who, "administered_day", name="days_to_last_planned_session"),
        first_day(retreatment, who, "administered_day", name="days_to_retreatment"),
    ]


def main_route(sessions: Lazy) -> Lazy:
    """The route of most sessions; of routes used equally often the one used first, then by name.

    ``n_routes`` counts the different known routes. Null where no session's route is known.
    """
    known = sessions.filter(~nw.col("route").is_null())
    used = known.group_by("patient_id", "route").agg(
        nw.len().cast(nw.Int64).alias("n"), nw.col("administered_day").min().alias("first")
    )
    used = used.with_columns(
        (nw.col("n") * _DAY_SPAN - nw.col("first").cast(nw.Int64).fill_null(_DAY_SPAN // 2)).alias("weight")
    )
    most = used.group_by("patient_id").agg(
        nw.col("weight").max().alias("most"), nw.len().cast(nw.Int64).alias("n_routes")
    )
    top = used.join(most, on="patient_id", how="inner").filter(nw.col("weight") == nw.col("most"))
    return top.group_by("patient_id").agg(
        nw.col("route").min().alias("main_route"), nw.col("n_routes").max().alias("n_routes")
    )


def donor_link(study: Study) -> Lazy:
    """One row per session, unit and donor: whose material went to whom, and when."""
    sessions = study.frame("sessions").select("session_id", "patient_id", "administered_day")
    units = study.frame("session_units").select("session_id", "unit_id")
    donors = study.frame("unit_donors").select("unit_id", "donor_id")
    return sessions.join(units, on="session_id", how="inner").join(donors, on="unit_id", how="inner")


def _n_donors(study: Study) -> Lazy:
    """Different donors of a patient's material; null where no session is linked to a donor."""
    pairs = donor_link(study).select("patient_id", "donor_id").unique()
    return pairs.group_by("patient_id").agg(nw.len().cast(nw.Int64).alias("n_donors"))


def _planned(sessions: Lazy, courses: Lazy) -> Lazy:
    """Sessions of courses planned at index."""
    planned = courses.filter(nw.col("is_planned_at_index")).select("course_id")
    return sessions.join(planned, on="course_id", how="inner")


def _retreatment(sessions: Lazy, courses: Lazy) -> Lazy:
    """Sessions of a course given for a failure, or known not to have been planned at index."""
    again = (nw.col("purpose") == "retreatment").fill_null(False)
    unplanned = (~nw.col("is_planned_at_index")).fill_null(False)
    return sessions.join(courses.filter(again | unplanned).select("course_id"), on="course_id", how="inner")
