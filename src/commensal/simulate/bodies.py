"""Height and weight: grown along reference medians, each patient keeping a standing of their own.

Medians to 19 years are those of the World Health Organization's growth standards (2006) and reference (2007,
DOI 10.2471/BLT.07.043497), rounded; the body-mass index of older adults is this project's assumption. Disease
has no bearing on either here.
"""

from __future__ import annotations

import numpy as np

from commensal.simulate.draws import Flags, Floats
from commensal.simulate.followup import SCHEDULE, Visits
from commensal.simulate.people import YEAR, Patients
from commensal.simulate.scenario import Scenario

Reading = tuple[str, Flags, Floats, str]  # analyte, visits it is read at, value at every visit, unit

# Age in years; height in metres and body-mass index in kg/m2, boys before girls.
_AGE = (3, 5, 7, 9, 11, 13, 15, 17, 19, 45)
_HEIGHT = (
    (0.961, 1.100, 1.217, 1.326, 1.431, 1.560, 1.690, 1.752, 1.765, 1.765),
    (0.951, 1.094, 1.208, 1.325, 1.450, 1.564, 1.617, 1.629, 1.632, 1.632),
)
_BMI = (
    (15.6, 15.3, 15.5, 16.0, 16.9, 18.2, 19.8, 21.1, 22.2, 24.0),
    (15.4, 15.2, 15.4, 16.1, 17.2, 18.8, 20.2, 21.0, 21.4, 23.5),
)
_SPREAD = (
    (5, 15),
    (0.67, 1.0),
)  # of the body-mass index at an age, against an adult's: wider as children grow
_MEASURED = np.array([code in ("SCR", "M3", "Y1") for code, *_ in SCHEDULE] + [False])


def body_readings(
    scenario: Scenario, patients: Patients, visits: Visits, *, rng: np.random.Generator
) -> list[Reading]:
    """Return weight and height at the visits that measure them, of the patients who are measured at all."""
    body, n = scenario.body, len(patients)
    is_known = rng.random(n) >= body.unmeasured_share
    tall, heavy = rng.standard_normal((2, n))
    row = visits.row
    age, is_female = patients.age_years[row] + visits.day / YEAR, patients.is_female[row]
    height = np.round(_median(_HEIGHT, age, is_female) * (1 + body.height_relative_sd * tall[row]), 2)
    passing = body.between_visits_log_sd * rng.standard_normal(len(visits))
    standing = body.bmi_log_sd * np.interp(age, *_SPREAD) * heavy[row]
    bmi = _median(_BMI, age, is_female) * np.exp(standing + passing)
    measured = visits.is_attended & _MEASURED[visits.kind] & is_known[row]
    mass = np.round(bmi * height**2, 1)
    return [("body_height", measured, height, "m"), ("body_mass", measured, mass, "kg")]


def _median(table: tuple[tuple[float, ...], ...], age: Floats, is_female: Flags) -> Floats:
    boys, girls = (np.interp(age, _AGE, medians) for medians in table)
    return np.where(is_female, girls, boys)
