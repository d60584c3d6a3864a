"""Courses and sessions: what was planned at index, how much of it was given, and retreatments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commensal.simulate.disease import RETREATMENT, Interventions
from commensal.simulate.draws import Flags, Floats, Ints, within_groups
from commensal.simulate.people import Patients, of_disorder
from commensal.simulate.scenario import Scenario

INDUCTION, CONSOLIDATION, RETREAT = 0, 1, 2


@dataclass(frozen=True)
class Courses:
    """One entry a course, sorted by patient and day. ``day`` counts from index; ``number`` from 1."""

    row: Ints
    day: Floats
    purpose: Ints
    n_planned: Ints
    number: Ints

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class Sessions:
    """One entry a session, sorted by patient and day: patient row, position of its course, day from index."""

    row: Ints
    course: Ints
    day: Ints
    number: Ints

    def __len__(self) -> int:
        return len(self.row)


def plan_courses(scenario: Scenario, patients: Patients, *, rng: np.random.Generator) -> Courses:
    """Return the courses planned at index that adherence lets happen (the first always does)."""
    figure = {
        name: of_disorder(scenario, patients.disorder, name)
        for name in ("courses", "consolidation_courses", "weeks_between_courses", "course_adherence")
    }
    planned = (figure["courses"] + figure["consolidation_courses"]).astype(np.int64)
    happens = rng.random((len(patients), int(planned.max(initial=1)))) < figure["course_adherence"][:, None]
    happens[:, 0] = True
    kept = np.cumprod(happens, axis=1).astype(bool) & patients.is_treated[:, None]
    kept &= np.arange(kept.shape[1]) < planned[:, None]
    row, position = np.nonzero(kept)
    purpose = np.where(position < figure["courses"][row], INDUCTION, CONSOLIDATION)
    day = position * 7 * figure["weeks_between_courses"][row]
    return _numbered(scenario, patients, row, day, purpose)


def with_retreatments(
    scenario: Scenario, patients: Patients, courses: Courses, interventions: Interventions
) -> Courses:
    """Add a course for every retreatment of a treated patient, after the planned ones of that patient.

    A retreatment that falls into the planned courses is part of them and adds nothing.
    """
    last = np.full(len(patients), -np.inf)
    np.maximum.at(last, courses.row, courses.day)
    again = (interventions.kind == RETREATMENT) & patients.is_treated[interventions.row]
    again &= interventions.day > last[interventions.row] + 6
    return _numbered(
        scenario,
        patients,
        np.concatenate([courses.row, interventions.row[again]]),
        np.concatenate([courses.day, interventions.day[again]]),
        np.concatenate([courses.purpose, np.full(again.sum(), RETREAT)]),
    )


def _numbered(scenario: Scenario, patients: Patients, row: Ints, day: Floats, purpose: Ints) -> Courses:
    order = np.lexsort((day, row))
    row, day, purpose = row[order], day[order], purpose[order]
    n_planned = of_disorder(scenario, patients.disorder, "sessions_per_course")[row].astype(np.int64)
    return Courses(row, day, purpose, n_planned, within_groups(row) + 1)


def give_sessions(courses: Courses, *, until: Floats) -> Sessions:
    """Return the sessions given by day ``until`` of each patient (leaving, death, colectomy, data cut).

    The sessions of a course follow each other daily.
    """
    course = np.repeat(np.arange(len(courses)), courses.n_planned)
    day = (courses.day[course] + within_groups(course)).astype(np.int64)
    row = courses.row[course]
    given = (day < until[row]) | (day == 0)
    row, course, day = row[given], course[given], day[given]
    return Sessions(row, course, day, within_groups(row) + 1)


def is_given(courses: Courses, sessions: Sessions) -> Flags:
    """Return which courses had at least one session."""
    return np.bincount(sessions.course, minlength=len(courses)) > 0
