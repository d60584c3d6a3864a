"""Facts of treatment: sessions, courses, routes, donors, retreatment."""

from __future__ import annotations

import narwhals as nw

from commensal.study.calendar import Lazy
from commensal.study.facts_tools import count, since_index
from commensal.study.folder import Study

# Larger than any day number: a count and a day make one sortable number.
_DAY_SPAN = 10_000_000


def course_facts(study: Study, who: Lazy) -> list[Lazy]:
    """Frames keyed by patient: counts of sessions, courses and donors, main route, days of sessions."""
    sessions = study.frame("sessions")
    n_courses = study.frame("courses").group_by("patient_id").agg(count("n_courses"))
    return [_session_facts(study, who), n_courses, main_route(sessions), _n_donors(study)]


def _session_facts(study: Study, who: Lazy) -> Lazy:
    """First, last, last planned and first unplanned session, in days from index."""
    courses = study.frame("courses").select("course_id", "purpose", "is_planned_at_index")
    sessions = study.frame("sessions").join(courses, on="course_id", how="left")
    day = nw.col("day")
    is_planned = nw.col("is_planned_at_index").fill_null(False)
    # Given for a failure, or known not to be part of the plan made at index.
    is_again = (nw.col("purpose") == "retreatment").fill_null(False) | (
        ~nw.col("is_planned_at_index")
    ).fill_null(False)
    placed = sessions.join(who, on="patient_id", how="inner").with_columns(
        since_index("administered_day").alias("day")
    )
    marked = placed.with_columns(
        nw.when(is_planned).then(day).alias("planned"), nw.when(is_again).then(day).alias("again")
    )
    return marked.group_by("patient_id").agg(
        count("n_sessions"),
        day.min().alias("days_to_first_session"),
        day.max().alias("days_to_last_session"),
        nw.col("planned").max().alias("days_to_last_planned_session"),
        nw.col("again").min().alias("days_to_retreatment"),
    )


def is_treated() -> nw.Expr:
    """Whether a patient had a session, in an arm that is given stool (a donor's or his own)."""
    has_arm = (nw.col("arm") == "fmt") | (nw.col("arm") == "autologous")
    return has_arm & (nw.col("n_sessions").fill_null(0) > 0)


def main_route(sessions: Lazy) -> Lazy:
    """The route of most sessions; of routes used equally often the one used first, then by name.

    ``n_routes`` counts the different known routes. Null where no session's route is known.
    """
    known = sessions.filter(~nw.col("route").is_null())
    used = known.group_by("patient_id", "route").agg(
        count("n"), nw.col("administered_day").min().alias("first")
    )
    first = nw.col("first").cast(nw.Int64).fill_null(_DAY_SPAN // 2)
    used = used.with_columns((nw.col("n") * _DAY_SPAN - first).alias("weight"))
    most = used.group_by("patient_id").agg(nw.col("weight").max().alias("most"), count("n_routes"))
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
    return pairs.group_by("patient_id").agg(count("n_donors"))
