"""Tables of treatment and visits: sites, courses, sessions, visits."""

from __future__ import annotations

import numpy as np
import polars as pl

from commensal.simulate.draws import Ints
from commensal.simulate.followup import UNSCHEDULED, VISIT_CODES, Visits
from commensal.simulate.material import dates, dose_grams, instants, picked, strings
from commensal.simulate.people import RETROSPECTIVE, Patients
from commensal.simulate.regimen import RETREAT, Courses, Sessions, is_given
from commensal.simulate.scenario import Scenario

PURPOSES = np.array(["induction", "consolidation", "retreatment"])


def site_table(site_id: str, centre: int) -> pl.DataFrame:
    """Return the row of one centre."""
    return pl.DataFrame(
        {
            "site_id": [site_id],
            "name": [f"Synthetic centre {centre + 1}"],
            "country": ["CN"],
            "timezone": ["Asia/Shanghai"],
        }
    )


def session_ids(patients: Patients, sessions: Sessions) -> np.ndarray:
    """Return each session's identifier: the patient and the session's number."""
    ids = patients.patient_id[sessions.row].tolist()
    return np.array(
        [f"{p}-F{n:02d}" for p, n in zip(ids, sessions.number.tolist(), strict=True)], dtype=object
    )


def visit_ids(patients: Patients, visits: Visits) -> tuple[pl.Series, pl.Series]:
    """Return each visit's identifier and its patient's."""
    patient = picked(patients.patient_id, visits.row)
    number = pl.Series(visits.number).cast(pl.String).str.zfill(2)
    return patient + "-V" + number, patient


def _course_ids(patients: Patients, courses: Courses, rows: Ints | None = None) -> pl.Series:
    rows = np.arange(len(courses)) if rows is None else rows
    number = pl.Series(courses.number[rows]).cast(pl.String).str.zfill(2)
    return picked(patients.patient_id, courses.row[rows]) + "-T" + number


def course_table(patients: Patients, courses: Courses, sessions: Sessions) -> pl.DataFrame:
    """Return the courses of which at least one session was given."""
    given = np.flatnonzero(is_given(courses, sessions))
    day = patients.index_day[courses.row] + courses.day.astype(np.int64)
    last = np.zeros(len(courses), dtype=np.int64)
    np.maximum.at(last, sessions.course, patients.index_day[sessions.row] + sessions.day)
    purpose = courses.purpose[given]
    return pl.DataFrame(
        {
            "course_id": _course_ids(patients, courses, given),
            "patient_id": picked(patients.patient_id, courses.row[given]),
            "number": courses.number[given],
            "purpose": strings(PURPOSES[purpose]),
            "is_planned_at_index": purpose != RETREAT,
            "n_sessions_planned": courses.n_planned[given],
            "started_on": day[given],
            "ended_on": last[given],
        }
    ).with_columns(dates(pl.col("started_on")), dates(pl.col("ended_on")))


def session_table(
    scenario: Scenario,
    patients: Patients,
    courses: Courses,
    sessions: Sessions,
    session_id: np.ndarray,
    *,
    site_id: str,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Return the sessions. A consolidation course is given by the same route as the first."""
    codes = np.array(list(scenario.routes))
    route = codes[patients.route[sessions.row]]
    grams = dose_grams(patients, sessions.row)
    code = np.array([d.code for d in scenario.indications])[patients.disorder[sessions.row]]
    frame = pl.DataFrame(
        {
            "session_id": strings(session_id),
            "course_id": _course_ids(patients, courses, sessions.course),
            "patient_id": picked(patients.patient_id, sessions.row),
            "number": sessions.number,
            "day": patients.index_day[sessions.row] + sessions.day,
            "route": strings(route),
            "grams": grams,
            "is_cdi": code == "rcdi",
            "partial": rng.random(len(sessions)) < 0.04,
        }
    )
    capsule = pl.col("route").str.contains("capsule")
    first = pl.col("number") == 1
    preparation = pl.concat_str(
        [
            pl.when(pl.col("is_cdi") & first).then(pl.lit("vancomycin_before")),
            pl.when(~capsule & first).then(pl.lit("bowel_lavage")),
            pl.lit("fasting"),
        ],
        separator=";",
        ignore_nulls=True,
    )
    return frame.select(
        "session_id",
        "course_id",
        "patient_id",
        "number",
        "route",
        site_id=pl.lit(site_id),
        administered_on=dates(pl.col("day")),
        administered_at=instants(pl.col("day"), 10),
        product=pl.when(pl.col("route").str.contains("lyophilised"))
        .then(pl.lit("lyophilised_capsule"))
        .when(capsule)
        .then(pl.lit("frozen_capsule"))
        .otherwise(pl.lit("frozen_suspension")),
        dose_grams="grams",
        volume_millilitres=pl.when(~capsule).then(pl.col("grams") * 4),
        n_capsules=pl.when(capsule).then(pl.lit(30)),
        preparation=preparation,
        operator=pl.lit("staff-physician-1"),
        tolerance=pl.when("partial").then(pl.lit("partial")).otherwise(pl.lit("complete")),
    )


def visit_table(
    scenario: Scenario,
    patients: Patients,
    visits: Visits,
    visit_id: pl.Series,
    cohort: np.ndarray,
    *,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Return the visits: kept, missed, and outside the schedule."""
    codes = pl.Series(values=[*VISIT_CODES, None], dtype=pl.String)
    is_phone = rng.random(len(visits)) < scenario.visits.telephone_share
    frame = pl.DataFrame(
        {
            "visit_id": visit_id,
            "patient_id": picked(patients.patient_id, visits.row),
            "visit": codes.gather(visits.kind),
            "day": patients.index_day[visits.row] + visits.day,
            "attended": visits.is_attended,
            "extra": visits.kind == UNSCHEDULED,
            "old": cohort[visits.row] == RETROSPECTIVE,
            "phone": is_phone & ~np.isin(visits.kind, (0, 1)),
        }
    )
    return frame.select(
        "visit_id",
        "patient_id",
        "visit",
        visited_on=dates(pl.col("day")),
        status=pl.when("attended").then(pl.lit("attended")).otherwise(pl.lit("missed")),
        mode=pl.when(~pl.col("attended"))
        .then(None)
        .when("old")
        .then(pl.lit("records"))
        .when("phone")
        .then(pl.lit("telephone"))
        .otherwise(pl.lit("in_person")),
        is_symptom_driven=pl.when("attended").then("extra"),
    )
