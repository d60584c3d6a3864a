"""What was measured at the visits: instruments, quality of life, laboratory values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from commensal.simulate.bodies import Reading
from commensal.simulate.disease import Course
from commensal.simulate.draws import Flags, Floats, Ints
from commensal.simulate.followup import SCHEDULE, Visits
from commensal.simulate.people import Patients
from commensal.simulate.scales import READINGS, State
from commensal.simulate.scenario import Scenario

ADULT_YEARS = 18
_ASKS = np.array([entry[3] for entry in SCHEDULE] + [True])
_CODES = [entry[0] for entry in SCHEDULE] + [""]
_ENDOSCOPY = np.array([code in ("SCR", "M3", "Y1") for code in _CODES])
_LIFE = np.array([code in ("SCR", "M3", "Y1", "Y3", "Y5") for code in _CODES])
_BLOOD = np.array([code in ("SCR", "M3", "Y1") for code in _CODES])

Rows = tuple[Ints, str, str, Floats]  # positions of visits, instrument, item, values


def assessments(
    scenario: Scenario,
    patients: Patients,
    course: Course,
    visits: Visits,
    visit_id: pl.Series,
    patient_id: pl.Series,
    *,
    last_planned_day: Floats,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Return the answers at every attended visit that asks; one row an item."""
    n = len(patients)
    level = np.clip(0.6 * patients.severity + 0.8 * rng.standard_normal(n), -2.5, 2.5)
    trait = rng.standard_normal(n)
    has_endoscopy = rng.random(len(visits)) < scenario.visits.endoscopy_share
    noise, other = rng.random(len(visits)), rng.random(len(visits))
    is_well = _baseline_or_latent(patients, course, visits)

    def state_of(at: Ints) -> State:
        row = visits.row[at]
        return State(
            is_baseline=visits.day[at] < 0,
            is_responding=is_well[at],
            is_remitted=is_well[at] & (course.is_deep[row] | ~patients.is_active[row]),
            has_endoscopy=has_endoscopy[at] & _ENDOSCOPY[visits.kind[at]],
            level=level[row],
            trait=trait[row],
            noise=noise[at],
            other_noise=other[at],
            day=visits.day[at].astype(float),
            recurrence_day=course.changes[row, 0],
            last_planned_day=last_planned_day[row],
            items=scenario.recording.items_recorded,
        )

    parts = list(_disease(scenario, patients, visits, state_of))
    parts += list(_quality_of_life(patients, visits, is_well, trait, level, noise))
    return _assessment_table(parts, visit_id, patient_id)


def _baseline_or_latent(patients: Patients, course: Course, visits: Visits) -> Flags:
    """The state a visit finds; before index it is that of the baseline."""
    latent = course.is_responding(visits.row, visits.day)
    return np.where(visits.day < 0, ~patients.is_active[visits.row], latent)


def _disease(scenario: Scenario, patients: Patients, visits: Visits, state_of) -> Iterator[Rows]:
    asked = visits.is_attended & _ASKS[visits.kind]
    instrument = np.array([d.instrument for d in scenario.indications])[patients.disorder[visits.row]]
    is_adult = patients.age_years[visits.row] >= ADULT_YEARS
    for name, readings in READINGS.items():
        for who, code, read in readings:
            mine = asked & (instrument == name)
            mine &= (who == "any") | (is_adult == (who == "adult"))
            at = np.flatnonzero(mine)
            if len(at):
                for item, values in read(state_of(at)).items():
                    yield at, code, item, values


def _quality_of_life(
    patients: Patients, visits: Visits, is_well: Flags, trait: Floats, level: Floats, noise: Floats
) -> Iterator[Rows]:
    """EQ-VAS, with the youth form below sixteen; better in remission, worse with severity."""
    asked = visits.is_attended & _LIFE[visits.kind] & (patients.age_years[visits.row] >= 4)
    is_youth = patients.age_years[visits.row] < 16
    value = 60 + 14 * is_well - 5 * level[visits.row] + 6 * trait[visits.row] + 12 * (noise - 0.5)
    value = np.clip(np.round(value), 5, 100)
    for code, mine in (("eq_5d_5l", asked & ~is_youth), ("eq_5d_y", asked & is_youth)):
        at = np.flatnonzero(mine)
        yield at, code, "vas", value[at]


def _assessment_table(parts: list[Rows], visit_id: pl.Series, patient_id: pl.Series) -> pl.DataFrame:
    frames = [
        pl.DataFrame({"visit": at, "value": values}).with_columns(instrument=pl.lit(code), item=pl.lit(item))
        for at, code, item, values in parts
    ]
    rows = pl.concat(frames).filter(pl.col("value").is_not_nan()).sort("visit", "instrument", "item")
    return rows.select(
        visit_id=visit_id.gather(rows["visit"]),
        patient_id=patient_id.gather(rows["visit"]),
        instrument="instrument",
        item="item",
        occurrence=pl.lit(1),
        value="value",
    )


def blood_readings(
    scenario: Scenario, patients: Patients, course: Course, visits: Visits, *, rng: np.random.Generator
) -> list[Reading]:
    """Return inflammation markers of bowel disease at its visits and the safety panel at screening."""
    is_well = _baseline_or_latent(patients, course, visits)
    code = np.array([d.code for d in scenario.indications])[patients.disorder[visits.row]]
    bowel = visits.is_attended & np.isin(code, ("uc", "crohns")) & _BLOOD[visits.kind]
    screening = visits.is_attended & (visits.kind == 0)
    z = rng.standard_normal((4, len(visits)))
    well = np.where(
        is_well, np.minimum(90 * np.exp(0.5 * z[0]), 240), np.maximum(650 * np.exp(0.6 * z[0]), 265)
    )
    frail = patients.immunocompromise[visits.row] == 2
    return [
        ("calprotectin", bowel, np.round(well), "ug/g"),
        ("crp", bowel | screening, np.round(np.where(is_well, 2.0, 8.0) * np.exp(0.7 * z[1]), 1), "mg/L"),
        ("albumin", screening, np.round(np.clip(41 + 3 * z[2], 26, 52)), "g/L"),
        (
            "neutrophils",
            screening,
            np.round(np.where(frail, 1100, 4200) * np.exp(0.25 * z[3]) / 10) * 10,
            "/mm3",
        ),
        (
            "lymphocytes",
            screening,
            np.round(np.where(frail, 420, 1800) * np.exp(0.25 * z[2]) / 10) * 10,
            "/mm3",
        ),
    ]


def lab_results(
    patients: Patients,
    visits: Visits,
    readings: Iterable[Reading],
    visit_id: pl.Series,
    patient_id: pl.Series,
) -> pl.DataFrame:
    """Return the readings as laboratory results, one row a visit and analyte."""
    frames = [
        pl.DataFrame({"visit": np.flatnonzero(mine), "value": values[mine]}).with_columns(
            analyte=pl.lit(analyte), unit=pl.lit(unit)
        )
        for analyte, mine, values, unit in readings
    ]
    rows = pl.concat(frames).sort("visit", "analyte")
    day = pl.Series(patients.index_day[visits.row] + visits.day).gather(rows["visit"])
    return rows.select(
        lab_result_id=visit_id.gather(rows["visit"]) + "-" + pl.col("analyte"),
        patient_id=patient_id.gather(rows["visit"]),
        analyte="analyte",
        value="value",
        unit="unit",
        collected_on=pl.lit(day).cast(pl.Int32).cast(pl.Date),
    )
