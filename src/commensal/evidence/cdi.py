"""C. difficile infection: cure by its own clock, and freedom from recurrence after it."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.evidence.assessed import Assessed
from commensal.study import Study
from commensal.vocabulary.cure import CURE_DAYS, with_rcdi_cure

INSTRUMENT = "rcdi_recurrence"
TERM = "ae18"


def cdi_facts(
    study: Study, cohort: pl.DataFrame, *, visits: pl.DataFrame, assessed: Mapping[str, Assessed]
) -> pl.DataFrame:
    """Return what the clocks of C. difficile infection need, one row per patient, in days since index.

    Columns: patient_id; first_recurrence_day; episode_end_day, the last session given within 56 days of the
    last one planned; recurrence_after_episode_day; last_contact_day, the last attended visit.
    """
    recurrences = _recurrences(study, cohort, visits, assessed)
    sessions = study.read("sessions", columns=["patient_id", "administered_day"])
    days = cohort.select("patient_id", "index_day", "last_planned_day")
    given = sessions.join(days, on="patient_id").with_columns(
        day=(pl.col("administered_day") - pl.col("index_day")).cast(pl.Int64)
    )
    episode = given.filter(pl.col("day") <= pl.col("last_planned_day") + CURE_DAYS)
    ends = episode.group_by("patient_id").agg(episode_end_day=pl.col("day").max())
    contacts = visits.group_by("patient_id").agg(last_contact_day=pl.col("day").max())
    frame = cohort.select("patient_id").join(ends, on="patient_id", how="left")
    later = recurrences.join(frame, on="patient_id").filter(pl.col("day") > pl.col("episode_end_day"))
    return (
        frame.join(_earliest(recurrences, "first_recurrence_day"), on="patient_id", how="left")
        .join(_earliest(later, "recurrence_after_episode_day"), on="patient_id", how="left")
        .join(contacts, on="patient_id", how="left")
    )


def _earliest(days: pl.DataFrame, name: str) -> pl.DataFrame:
    return days.group_by("patient_id").agg(pl.col("day").min().alias(name))


def _recurrences(
    study: Study, cohort: pl.DataFrame, visits: pl.DataFrame, assessed: Mapping[str, Assessed]
) -> pl.DataFrame:
    """[patient_id, day] of every recurrence after index: its onset, or the visit that found it.

    A positive gene test alone is carriage and does not count.
    """
    events = study.read("adverse_events", columns=["patient_id", "term", "began_day"])
    onset = (
        events.filter(pl.col("term") == TERM)
        .join(cohort.select("patient_id", "index_day"), on="patient_id")
        .select("patient_id", day=(pl.col("began_day") - pl.col("index_day")).cast(pl.Int64))
    )
    found = visits.select("patient_id", "day").clear()
    if INSTRUMENT in assessed:
        scored = assessed[INSTRUMENT].visits
        found = scored.filter(pl.col("recurrence") >= 1).select("patient_id", "day")
    return pl.concat([onset, found]).filter(pl.col("day") > 0)


def cdi_outcomes(frame: pl.DataFrame, facts: pl.DataFrame, *, code: str) -> pl.DataFrame:
    """Return [patient_id, day, success] by one of the three endpoints of C. difficile infection.

    ``frame`` has the cohort's columns and the landmark's target, open and close. ``cdi_cure`` counts from the
    last session planned at index and fails on retreatment; ``cdi_overall_cure`` from the last session of
    the episode, repeated FMT allowed. The clock of a comparator, who has no session, starts at index.
    ``cdi_recurrence_free`` needs the cure, no recurrence by the landmark's target day, and a contact once its
    window has opened: without one neither answer counts as observed, for only the bad one could be known.
    """
    at_index = pl.when("is_comparator").then(pl.lit(0, dtype=pl.Int64))
    rows = frame.join(facts, on="patient_id", how="left")
    if code == "cdi_overall_cure":
        days = {
            "last_session_day": pl.coalesce(at_index, "episode_end_day"),
            "first_recurrence_day": pl.col("recurrence_after_episode_day"),
            "first_retreatment_day": pl.when(pl.col("days_to_rescue") > pl.col("episode_end_day")).then(
                "days_to_rescue"
            ),
        }
    else:
        days = {
            "last_session_day": pl.coalesce(at_index, "last_planned_day"),
            "first_recurrence_day": pl.col("first_recurrence_day"),
            "first_retreatment_day": pl.min_horizontal("days_to_retreatment", "days_to_rescue"),
        }
    kept = ("patient_id", "target", "open", "last_contact_day", pl.col("days_to_death").alias("died_day"))
    judged = with_rcdi_cure(rows.select(*kept, **days))
    cured = pl.when(pl.col("cure_status") != "undetermined").then(pl.col("cure_status") == "cure")
    if code == "cdi_recurrence_free":
        late = (pl.col("first_recurrence_day") <= pl.col("target")).fill_null(False)
        seen = (pl.col("last_contact_day") >= pl.col("open")).fill_null(False)
        cured = pl.when(seen).then(pl.when(~cured | late).then(False).when(cured).then(True))
    return judged.select("patient_id", day=pl.lit(None, dtype=pl.Int64), success=cured)
