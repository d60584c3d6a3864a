"""One synthetic centre: every topic drawn in order, every table made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.simulate.bodies import body_readings
from commensal.simulate.care import (
    cohorts,
    consent_table,
    diagnosis_table,
    disposition_table,
    exposure_table,
    patient_table,
    procedure_table,
)
from commensal.simulate.communities import Taxa
from commensal.simulate.disease import Course, Interventions, draw_course
from commensal.simulate.donors import Donors, donor_consents, donor_table, draw_donors, draw_screenings
from commensal.simulate.draws import Ints, generators
from commensal.simulate.followup import FollowUp, follow
from commensal.simulate.material import Recall, donation_answers, material_tables
from commensal.simulate.measures import assessments, blood_readings, lab_results
from commensal.simulate.people import Patients, draw_patients
from commensal.simulate.records import (
    course_table,
    session_ids,
    session_table,
    site_table,
    visit_ids,
    visit_table,
)
from commensal.simulate.regimen import (
    RETREAT,
    Courses,
    Sessions,
    give_sessions,
    plan_courses,
    with_retreatments,
)
from commensal.simulate.safety import Events, draw_events, draw_recall, event_table, hospitalisation_table
from commensal.simulate.sampling import Sampling, draw_sampling, sample_tables
from commensal.simulate.scenario import Scenario
from commensal.simulate.stock import CourseDonors, Stock, first_donors, make_stock, plan_donors
from commensal.simulate.truth import (
    donor_truth,
    engraftment_truth,
    patient_truth,
    planted_truth,
)

Frames = dict[str, pl.DataFrame]
Generators = Mapping[str, np.random.Generator]
FRAMES_STREAM = 1_000_000_007  # the tables' own noise: independent of what happened


@dataclass(frozen=True)
class Story:
    """Everything that happened in a centre, before it is written down as tables."""

    patients: Patients
    donors: Donors
    course: Course
    interventions: Interventions
    follow_up: FollowUp
    courses: Courses
    sessions: Sessions
    plan: CourseDonors
    stock: Stock
    recall: Recall | None
    events: Events
    first_donor: Ints


def draw_story(scenario: Scenario, n: int, *, centre: int, seed: int) -> Story:
    """Draw one centre. The planted truths sit in the first one."""
    rng, plants, prefix = generators(seed, centre), centre == 0, f"{centre + 1:03d}-"
    patients = draw_patients(scenario, n, prefix=prefix, rng=rng["people"])
    donors = draw_donors(scenario, patients, prefix=prefix, plants=plants, rng=rng["donors"])
    courses = plan_courses(scenario, patients, rng=rng["regimen"])
    unknown = np.full(n, -1)
    first = plan_donors(scenario, patients, donors, courses, usual=unknown, rng=rng["stock"])
    first_donor, first_day = first_donors(n, courses, first)
    effect = np.where(first_donor >= 0, donors.log_odds[first_donor], 0.0)
    receptivity = rng["disease"].standard_normal(n)
    course, interventions = draw_course(
        scenario, patients, engraftment=receptivity, donor_log_odds=effect, rng=rng["disease"]
    )
    courses = with_retreatments(scenario, patients, courses, interventions)
    follow_up = follow(scenario, patients, course, rng=rng["followup"])
    sessions = give_sessions(courses, until=np.minimum(follow_up.end, course.colectomy))
    # The first course keeps its donor: its planted effect is already in the outcome.
    plan = plan_donors(scenario, patients, donors, courses, usual=first_donor, rng=rng["stock"])
    plan = _with_first(plan, courses, first_donor, first_day)
    stock = make_stock(scenario, patients, donors, sessions, plan, prefix=prefix, rng=rng["stock"])
    recall = (
        draw_recall(scenario, patients, follow_up, sessions, stock, rng=rng["safety"]) if plants else None
    )
    events = draw_events(scenario, patients, course, follow_up, sessions, recall, rng=rng["safety"])
    return Story(
        patients,
        donors,
        course,
        interventions,
        follow_up,
        courses,
        sessions,
        plan,
        stock,
        recall,
        events,
        first_donor,
    )


def _with_first(plan: CourseDonors, courses: Courses, first_donor: Ints, first_day: Ints) -> CourseDonors:
    is_first = np.flatnonzero(courses.number == 1)
    donor, day = plan.donor.copy(), plan.donation_day.copy()
    rows = courses.row[is_first]
    donor[is_first], day[is_first] = first_donor[rows], first_day[rows]
    return CourseDonors(donor, day)


def centre_frames(
    scenario: Scenario, story: Story, taxa: Taxa, *, centre: int, seed: int
) -> tuple[Frames, Frames]:
    """Return the tables of a centre and its truth tables."""
    rng, prefix = generators(seed + FRAMES_STREAM, centre), f"{centre + 1:03d}-"
    s, site_id = story, f"{prefix}SITE"
    session_id = session_ids(s.patients, s.sessions)
    frames = {
        "sites": site_table(site_id, centre),
        **_people_frames(scenario, s, session_id, site_id, rng),
        **_treatment_frames(scenario, s, session_id, site_id, rng),
        **_visit_frames(scenario, s, rng),
    }
    truth: Frames = {
        "patients": patient_truth(scenario, s.patients, s.course, s.follow_up, s.first_donor, s.donors),
        "donors": donor_truth(s.donors),
    }
    sampling, sample_ids = None, []
    if scenario.microbiome.sampled_fraction > 0:
        sampling, made = _sample_frames(scenario, s, taxa, prefix, centre == 0, rng)
        frames |= made
        sample_ids = made["samples"]["sample_id"].to_list()
        days = s.follow_up.visits.day[sampling.visit].astype(float)
        truth["engraftment"] = engraftment_truth(scenario, sampling, days, sample_ids)
    truth["planted"] = planted_truth(s.patients, s.donors, s.stock, s.recall, sample_ids, sampling)
    return frames, truth


def _people_frames(
    scenario: Scenario, s: Story, session_id: np.ndarray, site_id: str, rng: Generators
) -> Frames:
    cohort = cohorts(scenario, s.patients, s.follow_up)
    stays = hospitalisation_table(scenario, s.patients, s.events, s.follow_up, rng=rng["safety"])
    return {
        "patients": patient_table(scenario, s.patients, cohort, site_id=site_id, rng=rng["people"]),
        "dispositions": disposition_table(s.patients, s.course, s.follow_up),
        "consents": pl.concat(
            [consent_table(scenario, s.patients, cohort, s.follow_up), donor_consents(s.donors)],
            how="diagonal",
        ),
        "diagnoses": diagnosis_table(scenario, s.patients, s.events, rng=rng["care"]),
        "procedures": procedure_table(s.patients, s.course, s.follow_up),
        "hospitalisations": stays,
        "exposures": exposure_table(
            scenario, s.patients, s.course, s.interventions, s.follow_up, rng=rng["care"]
        ),
        "adverse_events": event_table(s.patients, s.events, session_id, s.follow_up),
    }


def _treatment_frames(
    scenario: Scenario, s: Story, session_id: np.ndarray, site_id: str, rng: Generators
) -> Frames:
    return {
        "donors": donor_table(scenario, s.donors, site_id=site_id),
        "screenings": pl.concat(
            [
                draw_screenings(scenario, s.donors, rng=rng["donors"]),
                donation_answers(s.donors, s.stock),
            ],
            how="diagonal",
        ),
        **material_tables(
            scenario,
            s.patients,
            s.donors,
            s.sessions,
            session_id,
            s.stock,
            s.recall,
            site_id=site_id,
            rng=rng["stock"],
        ),
        "courses": course_table(s.patients, s.courses, s.sessions),
        "sessions": session_table(
            scenario, s.patients, s.courses, s.sessions, session_id, site_id=site_id, rng=rng["regimen"]
        ),
    }


def _visit_frames(scenario: Scenario, s: Story, rng: Generators) -> Frames:
    visits = s.follow_up.visits
    visit_id, patient_id = visit_ids(s.patients, visits)
    cohort = cohorts(scenario, s.patients, s.follow_up)
    answers = assessments(
        scenario,
        s.patients,
        s.course,
        visits,
        visit_id,
        patient_id,
        last_planned_day=_last_planned(s),
        rng=rng["measures"],
    )
    readings = [
        *blood_readings(scenario, s.patients, s.course, visits, rng=rng["measures"]),
        *body_readings(scenario, s.patients, visits, rng=rng["body"]),
    ]
    return {
        "visits": visit_table(scenario, s.patients, visits, visit_id, cohort, rng=rng["followup"]),
        "assessments": answers,
        "lab_results": lab_results(s.patients, visits, readings, visit_id, patient_id),
    }


def _sample_frames(
    scenario: Scenario, s: Story, taxa: Taxa, prefix: str, plants: bool, rng: Generators
) -> tuple[Sampling, Frames]:
    visits = s.follow_up.visits
    sampling = draw_sampling(
        scenario,
        s.patients,
        s.donors,
        s.sessions,
        s.plan.donor[s.sessions.course],
        visits,
        taxa,
        receptivity=s.course.engraftment,
        plants=plants,
        rng=rng["communities"],
    )
    made = sample_tables(
        scenario, s.patients, s.donors, s.stock, visits, taxa, sampling, prefix=prefix, rng=rng["sequencing"]
    )
    return sampling, made


def _last_planned(story: Story) -> np.ndarray:
    """Day of the last session planned at index of each patient; 0 for a comparator."""
    last = np.zeros(len(story.patients))
    planned = story.courses.purpose[story.sessions.course] != RETREAT
    np.maximum.at(last, story.sessions.row[planned], story.sessions.day[planned])
    return last
