"""The course of the disease: latent states in continuous time, under full follow-up.

Until month 3 the state follows whether the patient responds; afterwards a two-state Markov process with
relapse and recovery, whose relapse rate is solved so that the indication keeps its share of responders at one
year. Recovery happens by a retreatment or by rescue therapy. All of it happens whether or not anyone sees it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from scipy.optimize import brentq

from commensal.simulate.draws import Flags, Floats, Ints, expit, intercept
from commensal.simulate.people import YEAR, Patients, of_disorder
from commensal.simulate.scenario import Disorder, Scenario

MONTH_3, YEAR_1, YEAR_5 = 91, 365, 1826
HORIZON = 2400.0
MAX_CHANGES = 10
RETREATMENT, RESCUE = 0, 1
MAINTAINED_SHARE = 0.85  # of patients inactive at baseline who are still inactive at month 3


@dataclass(frozen=True)
class Course:
    """Each patient's latent course. ``changes`` (patients × MAX_CHANGES): days from index on which the state
    turns over, infinity where it does not. ``is_deep``: a response of this patient is remission too."""

    starts_responding: Flags
    changes: Floats
    is_deep: Flags
    death: Floats
    colectomy: Floats
    engraftment: Floats

    def is_responding(self, rows: Ints, days: Floats | Ints | float) -> Flags:
        """Return the state of patients ``rows`` on ``days`` (from index), death and colectomy left aside."""
        turned = (self.changes[rows] <= np.asarray(days, dtype=float).reshape(-1, 1)).sum(axis=1)
        return self.starts_responding[rows] ^ (turned % 2 == 1)

    def is_well(self, rows: Ints, days: Floats | Ints | float) -> Flags:
        """Return who responds, is alive and has kept the colon."""
        end = np.minimum(self.death, self.colectomy)[rows]
        return self.is_responding(rows, days) & (end > np.asarray(days, dtype=float))


@dataclass(frozen=True)
class Interventions:
    """Retreatments and rescue therapies: patient row, day from index, kind, whether it worked."""

    row: Ints
    day: Floats
    kind: Ints
    is_success: Flags


def relapse_rate(disorder: Disorder, recovery_per_year: float) -> float:
    """Return the yearly relapse rate that leaves ``retention_year_1`` of the month-3 responders at one year.

    With relapse rate λ and recovery rate μ the share responding moves from R to
    π + (R - π) exp(-(λ + μ) t), π = μ / (λ + μ).
    """
    start, years = disorder.month_3_response, (YEAR_1 - MONTH_3) / YEAR
    goal = start * disorder.retention_year_1

    def miss(rate: float) -> float:
        total = rate + recovery_per_year
        rest = recovery_per_year / total
        return rest + (start - rest) * np.exp(-total * years) - goal

    if miss(1e-9) <= 0:
        return 0.0
    return cast(float, brentq(miss, 1e-9, 60.0)) if miss(60.0) < 0 else 60.0


def recovery_rates(scenario: Scenario, disorder: Disorder) -> tuple[float, float]:
    """Return the yearly rates of recovery by retreatment and by rescue. A recurrence is never undone."""
    if disorder.is_free_at_index:
        return 0.0, 0.0
    disease = scenario.disease
    return (
        disorder.retreatment_per_year * disease.retreatment_success,
        disease.rescue_per_year * disease.rescue_success,
    )


def draw_course(
    scenario: Scenario,
    patients: Patients,
    *,
    engraftment: Floats,
    donor_log_odds: Floats,
    rng: np.random.Generator,
) -> tuple[Course, Interventions]:
    """Draw every patient's latent course. ``engraftment`` is standardised; ``donor_log_odds`` the planted
    effect of the donors of the first course (0 for all but the bad one)."""
    n = len(patients)
    responds = _responds(scenario, patients, engraftment, donor_log_odds, rng)
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    starts = free | ~patients.is_active
    changes = np.full((n, MAX_CHANGES), np.inf)
    used = _until_month_3(scenario, patients, changes, responds, starts, rng)
    _after_month_3(scenario, patients, changes, used, responds, rng)
    course = Course(
        starts_responding=starts,
        changes=changes,
        is_deep=rng.random(n) < of_disorder(scenario, patients.disorder, "remission_share"),
        death=_deaths(scenario, patients, rng),
        colectomy=np.full(n, np.inf),
        engraftment=engraftment,
    )
    course = _with_colectomies(scenario, patients, course, rng)
    return course, _interventions(scenario, patients, course, rng)


def _responds(
    scenario: Scenario,
    patients: Patients,
    engraftment: Floats,
    donor_log_odds: Floats,
    rng: np.random.Generator,
) -> Flags:
    disease = scenario.disease
    linear = (
        disease.age_log_odds_per_decade * (patients.age_years - 45) / 10
        + disease.severity_log_odds_per_sd * patients.severity
        + patients.is_treated * (np.log(disease.engraftment_odds_ratio_per_sd) * engraftment + donor_log_odds)
    )
    chance = np.zeros(len(patients))
    for position, disorder in enumerate(scenario.indications):
        mine = patients.disorder == position
        for group, goal in (
            (mine & patients.is_treated & patients.is_active, disorder.month_3_response),
            (mine & ~patients.is_treated & patients.is_active, disorder.control_response),
            (mine & ~patients.is_active, MAINTAINED_SHARE),
        ):
            chance[group] = expit(intercept(linear[group], goal) + linear[group])
    return rng.random(len(patients)) < chance


def _until_month_3(
    scenario: Scenario,
    patients: Patients,
    changes: Floats,
    responds: Flags,
    starts: Flags,
    rng: np.random.Generator,
) -> Ints:
    """Fill the changes before month 3 and return how many each patient has."""
    n = len(patients)
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    onset = rng.integers(6, 80, n)
    recurrence = np.where(rng.random(n) < 0.9, rng.integers(4, 56, n), rng.integers(66, 90, n))
    early, late = rng.integers(8, 40, n), rng.integers(44, 88, n)
    passing = ~starts & ~responds & (rng.random(n) < scenario.disease.early_transient_share)
    changes[:, 0] = np.where(~starts & responds, onset, np.inf)
    fails = starts & ~responds
    changes[fails, 0] = np.where(free, recurrence, late)[fails]
    changes[passing, 0], changes[passing, 1] = early[passing], late[passing]
    return np.isfinite(changes).sum(axis=1)


def _after_month_3(
    scenario: Scenario,
    patients: Patients,
    changes: Floats,
    used: Ints,
    responds: Flags,
    rng: np.random.Generator,
) -> None:
    recovery = np.array([sum(recovery_rates(scenario, d)) for d in scenario.indications])
    relapse = np.array([relapse_rate(d, r) for d, r in zip(scenario.indications, recovery, strict=True)])
    rows, now, state, column = (
        np.arange(len(patients)),
        np.full(len(patients), float(MONTH_3)),
        responds,
        used,
    )
    while len(rows):
        disorder = patients.disorder[rows]
        exponential = rng.exponential(size=len(rows))
        rate = np.where(state, relapse[disorder], recovery[disorder])
        next_day = _change_day(now, exponential, rate, scenario.disease.late_change_factor)
        happens = (next_day < HORIZON) & (column < MAX_CHANGES)
        rows, now, state, column = rows[happens], np.ceil(next_day[happens]), ~state[happens], column[happens]
        changes[rows, column] = now
        column = column + 1


def _change_day(now: Floats, exponential: Floats, rate: Floats, late_factor: float) -> Floats:
    """Invert the cumulative hazard of a change, whose rate falls by ``late_factor`` after one year."""
    rate = np.maximum(rate, 1e-12) / YEAR
    left_early = np.maximum(YEAR_1 - now, 0.0)
    early = exponential <= rate * left_early
    late_wait = (exponential - rate * left_early) / (rate * max(late_factor, 1e-12))
    return np.where(early, now + exponential / rate, np.maximum(now, YEAR_1) + late_wait)


def _deaths(scenario: Scenario, patients: Patients, rng: np.random.Generator) -> Floats:
    yearly = of_disorder(scenario, patients.disorder, "mortality_per_year")
    aged = np.exp(0.05 * (patients.age_years - of_disorder(scenario, patients.disorder, "age_mean")))
    days = np.ceil(rng.exponential(size=len(patients)) / np.maximum(yearly * aged, 1e-12) * YEAR)
    return np.where(days < HORIZON, days + 3, np.inf)


def _with_colectomies(
    scenario: Scenario, patients: Patients, course: Course, rng: np.random.Generator
) -> Course:
    """Colectomy for ulcerative colitis that is active on the day; it ends the latent course."""
    is_uc = np.array([d.code == "uc" for d in scenario.indications])[patients.disorder]
    wait = rng.exponential(size=len(patients)) / max(scenario.disease.colectomy_per_year, 1e-12) * YEAR
    day = np.ceil(wait) + 30
    rows = np.arange(len(patients))
    happens = is_uc & (day < np.minimum(course.death, HORIZON)) & ~course.is_responding(rows, day)
    return replace(course, colectomy=np.where(happens, day, np.inf))


def _interventions(
    scenario: Scenario, patients: Patients, course: Course, rng: np.random.Generator
) -> Interventions:
    parts = [_recoveries(scenario, patients, course, rng), _failed(scenario, patients, course, rng)]
    joined = [
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("row", "day", "kind", "is_success")
    ]
    end = np.minimum(course.death, course.colectomy)[joined[0]]
    keep = joined[1] < end
    order = np.lexsort((joined[1][keep], joined[0][keep]))
    return Interventions(*(column[keep][order] for column in joined))


def _recoveries(
    scenario: Scenario, patients: Patients, course: Course, rng: np.random.Generator
) -> Interventions:
    """Every recovery after month 3 was brought by a retreatment or a rescue, in proportion to their rates."""
    rates = np.array([recovery_rates(scenario, d) for d in scenario.indications])
    row, column = np.nonzero(np.isfinite(course.changes) & (course.changes > MONTH_3))
    is_recovery = course.starts_responding[row] ^ (column % 2 == 0)
    row, day = row[is_recovery], course.changes[row, column][is_recovery]
    by_retreatment, by_rescue = rates[patients.disorder[row]].T
    is_rescue = rng.random(len(row)) * np.maximum(by_retreatment + by_rescue, 1e-12) >= by_retreatment
    return Interventions(row, day, np.where(is_rescue, RESCUE, RETREATMENT), np.ones(len(row), dtype=bool))


def _failed(
    scenario: Scenario, patients: Patients, course: Course, rng: np.random.Generator
) -> Interventions:
    """Retreatments and rescues in the first active period after month 3 (for a recurrence: at once)."""
    disease, n = scenario.disease, len(patients)
    start, stop = _first_active_period(scenario, patients, course)
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    retreat = of_disorder(scenario, patients.disorder, "retreatment_per_year")
    rates = (
        retreat * np.where(free, 1, 1 - disease.retreatment_success),
        0 * retreat + disease.rescue_per_year,
    )
    made = []
    for kind, rate in ((RETREATMENT, rates[0]), (RESCUE, rates[1])):
        wait = np.ceil(rng.exponential(size=n) / np.maximum(rate, 1e-12) * YEAR) + np.where(free, 3, 10)
        row = np.flatnonzero(start + wait < stop - 1)
        made.append((row, (start + wait)[row], np.full(len(row), kind), free[row] & (kind == RETREATMENT)))
    return Interventions(*(np.concatenate(column) for column in zip(*made, strict=True)))


def _first_active_period(scenario: Scenario, patients: Patients, course: Course) -> tuple[Floats, Floats]:
    """Start and end of the first active period after month 3; a recurrence starts one at any time."""
    n = len(patients)
    rows = np.arange(n)
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    after = np.where(course.changes > MONTH_3, course.changes, np.inf)
    first, second = np.sort(after, axis=1)[:, :2].T
    well = course.is_responding(rows, float(MONTH_3))
    start, stop = np.where(well, first, float(MONTH_3)), np.where(well, second, first)
    start = np.where(free, course.changes[:, 0], start)
    stop = np.where(free, start + 120, stop)
    return start, np.minimum(stop, HORIZON)
