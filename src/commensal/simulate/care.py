"""What else is on record of a patient: the person, diagnoses, consents, drugs, operations, the end."""

from __future__ import annotations

import numpy as np
import polars as pl

from commensal.simulate.disease import RESCUE, Course, Interventions
from commensal.simulate.draws import Ints, within_groups
from commensal.simulate.followup import FollowUp
from commensal.simulate.material import dates, picked, strings
from commensal.simulate.people import (
    AMBISPECTIVE,
    PROSPECTIVE,
    RETROSPECTIVE,
    YEAR,
    Patients,
    day_of,
    of_disorder,
)
from commensal.simulate.safety import NEW_CONDITIONS, Events
from commensal.simulate.scenario import Scenario

COMORBIDITIES = ("hypertension", "type 2 diabetes mellitus", "depression", "asthma", "osteoporosis")
RESCUES = {"uc": "biologic", "crohns": "biologic", "rcdi": "antibiotic", "ra": "biologic"}
RESCUES |= dict.fromkeys(("functional_constipation", "slow_transit_constipation"), "laxative")
# Standing care: indication, class, agent, share of patients.
STANDING = (
    ("uc", "aminosalicylate", "mesalazine", 0.65),
    ("uc", "biologic", "vedolizumab", 0.15),
    ("crohns", "immunosuppressant", "azathioprine", 0.30),
    ("crohns", "biologic", "infliximab", 0.25),
    ("functional_constipation", "laxative", "macrogol", 0.70),
    ("slow_transit_constipation", "laxative", "macrogol", 0.85),
    ("ibs_d", "low_fodmap_diet", "low-FODMAP diet", 0.35),
    ("ibs_c", "fibre_rich_diet", "fibre-rich diet", 0.35),
    ("parkinson", "levodopa", "levodopa", 0.85),
    ("ra", "immunosuppressant", "methotrexate", 0.60),
    ("ms", "disease_modifying_therapy", "dimethyl fumarate", 0.60),
    ("fibromyalgia", "antidepressant", "duloxetine", 0.40),
)
GOES_ON = -999
Periods = tuple[Ints, str, str, Ints, Ints, bool]  # rows, class, agent, start, stop (GOES_ON: no end), rescue


def cohorts(scenario: Scenario, patients: Patients, follow_up: FollowUp) -> np.ndarray:
    """Return each patient's cohort. Ambispective: in follow-up when the study began, and consented then."""
    start = day_of(scenario.calendar.study_start)
    stays = patients.index_day + np.minimum(follow_up.end, 1e6) > start + 90
    ambispective = patients.may_be_ambispective & stays & patients.has_consent
    return np.select(
        [patients.enrolled_day >= start, ambispective], [PROSPECTIVE, AMBISPECTIVE], default=RETROSPECTIVE
    )


def patient_table(
    scenario: Scenario, patients: Patients, cohort: np.ndarray, *, site_id: str, rng: np.random.Generator
) -> pl.DataFrame:
    """Return the patients table."""
    n = len(patients)
    code = np.array([d.code for d in scenario.indications])[patients.disorder]
    arm = np.where(patients.is_treated, "fmt", np.where(code == "rcdi", "antibiotics_only", "other_control"))
    serology = rng.random((2, n))
    known = rng.random((2, n)) < 0.7
    igg = [np.where(s < share, "positive", "negative") for s, share in zip(serology, (0.6, 0.9), strict=True)]
    frame = pl.DataFrame(
        {
            "patient_id": strings(patients.patient_id),
            "sex": strings(np.where(patients.is_female, "female", "male")),
            "indication": strings(code),
            "arm": strings(arm),
            "cohort": strings(cohort),
            "cmv": strings(igg[0]),
            "ebv": strings(igg[1]),
            "cmv_known": known[0],
            "ebv_known": known[1],
            "allergy": patients.has_allergy,
            "born": patients.born_day,
            "enrolled": patients.enrolled_day,
            "index": patients.index_day,
            "severe": patients.has_severe_complication,
            "mucosa": patients.is_mucosa_injured,
            "grade": patients.immunocompromise,
        }
    )
    return frame.select(
        "patient_id",
        "sex",
        "indication",
        "arm",
        "cohort",
        site_id=pl.lit(site_id),
        born_on=dates(pl.col("born")),
        enrolled_on=dates(pl.col("enrolled")),
        index_on=dates(pl.col("index")),
        has_severe_complication_before_index="severe",
        is_mucosal_barrier_injured="mucosa",
        immunocompromise=pl.col("grade").replace_strict({0: "none", 1: "mild_moderate", 2: "severe"}),
        cmv_igg=pl.when("cmv_known").then("cmv"),
        ebv_igg=pl.when("ebv_known").then("ebv"),
        anaphylactic_allergens=pl.when("allergy").then(pl.lit("peanut")).otherwise(pl.lit("none")),
    )


def diagnosis_table(
    scenario: Scenario, patients: Patients, events: Events, *, rng: np.random.Generator
) -> pl.DataFrame:
    """Return the indication of every patient, comorbidities of some, and new-onset disease."""
    n = len(patients)
    code = np.array([d.code for d in scenario.indications])[patients.disorder]
    years = np.round(
        np.minimum(np.exp(rng.normal(1.3, 0.7, n)), np.maximum(patients.age_years - 1.5, 0.2)), 1
    )
    ill = np.flatnonzero(rng.random(n) < 0.25)
    new = events.term == "ae20"
    parts = [
        (
            np.arange(n),
            "indication",
            code,
            np.full(n, ""),
            patients.index_day - np.floor(years * YEAR),
            years,
        ),
        _others(
            ill, "comorbidity", np.array(COMORBIDITIES)[rng.integers(0, len(COMORBIDITIES), len(ill))], None
        ),
        _others(
            events.row[new],
            "new_onset",
            np.array(NEW_CONDITIONS)[rng.integers(0, len(NEW_CONDITIONS), int(new.sum()))],
            patients.index_day[events.row[new]] + events.began[new],
        ),
    ]
    frames = [
        pl.DataFrame(
            {
                "row": row,
                "indication": strings(ind),
                "condition": strings(cond),
                "day": np.full(len(row), np.nan) if day is None else np.asarray(day, dtype=float),
                "years": years_,
            }
        ).with_columns(role=pl.lit(role))
        for row, role, ind, cond, day, years_ in parts
    ]
    rows = pl.concat(frames).sort("row", "role", "day")
    return rows.select(
        diagnosis_id=picked(patients.patient_id, rows["row"].to_numpy())
        + "-D"
        + pl.Series(within_groups(rows["row"].to_numpy()) + 1).cast(pl.String),
        patient_id=picked(patients.patient_id, rows["row"].to_numpy()),
        role="role",
        indication=pl.when(pl.col("indication") != "").then("indication"),
        condition=pl.when(pl.col("condition") != "").then("condition"),
        diagnosed_on=dates(pl.col("day").fill_nan(None)),
        disease_duration_years=pl.col("years").fill_nan(None),
    )


def _others(row: Ints, role: str, condition: np.ndarray, day: Ints | None) -> tuple:
    return row, role, np.full(len(row), ""), condition, day, np.full(len(row), np.nan)


def consent_table(
    scenario: Scenario, patients: Patients, cohort: np.ndarray, follow_up: FollowUp
) -> pl.DataFrame:
    """Return consents: data use signed at treatment, the study's before index or, for the ambispective,
    after the study began; for minors a guardian's permission and, from seven years, the child's assent."""
    start = day_of(scenario.calendar.study_start)
    agreed = patients.has_consent
    study = agreed & (cohort == PROSPECTIVE)
    later = agreed & (cohort == AMBISPECTIVE)
    minor = agreed & (patients.age_years < 18)
    row_days = (
        ("data_use_signed", agreed & (cohort != PROSPECTIVE), patients.index_day - 1),
        ("informed_signed", study, patients.enrolled_day),
        ("informed_signed", later, np.full(len(patients), start + 30)),
        ("guardian_permission", minor, patients.enrolled_day),
        ("assent", minor & (patients.age_years >= 7), patients.enrolled_day),
    )
    withdrawn = np.where(follow_up.is_withdrawal, patients.index_day + np.minimum(follow_up.left, 1e6), -1)
    frames = [
        pl.DataFrame({"row": np.flatnonzero(mask), "day": day[mask], "out": withdrawn[mask]}).with_columns(
            type=pl.lit(kind)
        )
        for kind, mask, day in row_days
    ]
    rows = pl.concat(frames).sort("row", "type")
    row = rows["row"].to_numpy()
    is_out = (pl.col("out") >= 0) & (pl.col("out") > pl.col("day"))
    return rows.select(
        consent_id=picked(patients.patient_id, row)
        + "-C"
        + pl.Series(within_groups(row) + 1).cast(pl.String),
        patient_id=picked(patients.patient_id, row),
        type="type",
        version=pl.lit("1.0"),
        language=pl.lit("zh-CN"),
        signed_on=dates(pl.col("day")),
        withdrawn_on=pl.when(is_out).then(dates(pl.col("out"))),
        withdrawal_level=pl.when(is_out).then(pl.lit("W3")),
        study_id=pl.lit("real-world-4000"),
    )


def disposition_table(patients: Patients, course: Course, follow_up: FollowUp) -> pl.DataFrame:
    """Return everyone's last contact, and loss, withdrawal and death where they are known."""
    everyone = np.ones(len(patients), dtype=bool)
    left = np.isfinite(follow_up.left)
    died = np.isfinite(course.death) & (course.death < follow_up.end + 0.5) & ~left
    last = np.minimum(follow_up.last_contact, np.where(died, course.death, np.inf))
    parts = (
        ("last_contact", everyone, last),
        ("lost_to_follow_up", left & ~follow_up.is_withdrawal, follow_up.left),
        ("withdrawal", follow_up.is_withdrawal, follow_up.left),
        ("death", died, course.death),
    )
    frames = [
        pl.DataFrame(
            {"row": np.flatnonzero(mask), "day": (patients.index_day + np.where(mask, day, 0))[mask]}
        ).with_columns(kind=pl.lit(kind))
        for kind, mask, day in parts
    ]
    rows = pl.concat(frames).sort("row", "day", "kind")
    row = rows["row"].to_numpy()
    return rows.select(
        disposition_id=picked(patients.patient_id, row)
        + "-X"
        + pl.Series(within_groups(row) + 1).cast(pl.String),
        patient_id=picked(patients.patient_id, row),
        kind="kind",
        occurred_on=dates(pl.col("day")),
        withdrawal_level=pl.when(pl.col("kind") == "withdrawal").then(pl.lit("W3")),
    )


def procedure_table(patients: Patients, course: Course, follow_up: FollowUp) -> pl.DataFrame:
    """Return colectomies that were recorded."""
    row = np.flatnonzero(course.colectomy < follow_up.end)
    return pl.DataFrame(
        {
            "procedure_id": picked(patients.patient_id, row) + "-O1",
            "patient_id": picked(patients.patient_id, row),
            "kind": ["colectomy"] * len(row),
            "performed_on": (patients.index_day[row] + course.colectomy[row]).astype(np.int64),
            "detail": ["disease active after FMT"] * len(row),
        }
    ).with_columns(dates(pl.col("performed_on")))


def exposure_table(
    scenario: Scenario,
    patients: Patients,
    course: Course,
    interventions: Interventions,
    follow_up: FollowUp,
    *,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Return drugs and diets: before index, standing, steroids tapered, antibiotics, rescue therapy."""
    periods = [
        *_standing(scenario, patients, rng),
        *_antibiotics(scenario, patients, course, rng),
        _steroids(scenario, patients, course, rng),
        *_rescues(scenario, patients, interventions),
    ]
    frames = [
        pl.DataFrame({"row": row, "start": start, "stop": stop}).with_columns(
            exposure=pl.lit(kind), agent=pl.lit(agent), is_rescue=pl.lit(rescue)
        )
        for row, kind, agent, start, stop, rescue in periods
    ]
    rows = pl.concat(frames)
    end = pl.Series(np.minimum(follow_up.end, 1e6)).gather(rows["row"])
    rows = (
        rows.with_columns(end=end)
        .filter(pl.col("start") < pl.col("end"))
        .sort("row", "start", "exposure", "agent")
    )
    row = rows["row"].to_numpy()
    index = pl.Series(patients.index_day).gather(rows["row"])
    is_open = (pl.col("stop") < -900) | (pl.col("stop") >= pl.col("end"))
    is_steroid = pl.col("exposure") == "steroid"
    return rows.select(
        exposure_id=picked(patients.patient_id, row)
        + "-M"
        + pl.Series(within_groups(row) + 1).cast(pl.String).str.zfill(2),
        patient_id=picked(patients.patient_id, row),
        exposure="exposure",
        agent="agent",
        dose=pl.when(is_steroid).then(20.0),
        dose_unit=pl.when(is_steroid).then(pl.lit("mg")),
        doses_per_day=pl.when(is_steroid).then(1.0),
        route_of_drug=pl.when(pl.col("agent") == "infliximab")
        .then(pl.lit("intravenous"))
        .otherwise(pl.lit("oral")),
        started_on=dates(index + pl.col("start")),
        stopped_on=pl.when(~is_open).then(dates(index + pl.col("stop"))),
        is_rescue="is_rescue",
    )


def _standing(scenario: Scenario, patients: Patients, rng: np.random.Generator) -> list[Periods]:
    code = np.array([d.code for d in scenario.indications])[patients.disorder]
    made: list[Periods] = []
    for indication, kind, agent, share in (*STANDING, ("", "ppi", "omeprazole", 0.12)):
        takes = ((code == indication) | (indication == "")) & (rng.random(len(patients)) < share)
        row = np.flatnonzero(takes)
        made.append((row, kind, agent, -rng.integers(100, 700, len(row)), np.full(len(row), GOES_ON), False))
    return made


def _antibiotics(
    scenario: Scenario, patients: Patients, course: Course, rng: np.random.Generator
) -> list[Periods]:
    n = len(patients)
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    cdi = np.flatnonzero(free)
    start = -rng.integers(12, 20, len(cdi))
    before, after = (np.flatnonzero(~free & (rng.random(n) < share)) for share in (0.10, 0.08))
    early, late = -rng.integers(95, 300, len(before)), rng.integers(10, 700, len(after))
    again = np.flatnonzero(free & np.isfinite(course.changes[:, 0]))
    relapse = course.changes[again, 0].astype(np.int64) + 1
    return [
        (cdi, "antibiotic", "vancomycin", start, -rng.integers(2, 4, len(cdi)), False),
        (before, "antibiotic", "amoxicillin", early, early + 7, False),
        (after, "antibiotic", "amoxicillin", late, late + 7, False),
        (again, "antibiotic", "vancomycin", relapse, relapse + 10, True),
    ]


def _steroids(scenario: Scenario, patients: Patients, course: Course, rng: np.random.Generator) -> Periods:
    """Steroids of some with bowel disease; tapered off before month 3 by all, by the unwell later."""
    code = np.array([d.code for d in scenario.indications])[patients.disorder]
    row = np.flatnonzero(np.isin(code, ("uc", "crohns")) & (rng.random(len(patients)) < 0.3))
    well = course.is_responding(row, 91.0)
    stop = np.where(well, rng.integers(15, 70, len(row)), rng.integers(40, 150, len(row)))
    return row, "steroid", "prednisone", -rng.integers(20, 90, len(row)), stop, False


def _rescues(scenario: Scenario, patients: Patients, interventions: Interventions) -> list[Periods]:
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    code = np.array([d.code for d in scenario.indications])[patients.disorder]
    mine = (interventions.kind == RESCUE) & ~free[interventions.row]
    row, day = interventions.row[mine], interventions.day[mine].astype(np.int64)
    kinds = np.array([RESCUES.get(c, "other_care") for c in code[row].tolist()], dtype=object)
    return [
        (row[kinds == kind], str(kind), "rescue", day[kinds == kind], day[kinds == kind] + 180, True)
        for kind in sorted(set(kinds.tolist()))
    ]
