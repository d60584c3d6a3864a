"""Who is seen when: visits kept, missed and unscheduled, loss to follow-up and withdrawal.

In the default scenario leaving depends only on what was recorded: the state at the last visit attended, route
and age. With ``dropout.current_active`` it depends on the state at the visit that is then missed, which
nobody records.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commensal.simulate.disease import Course
from commensal.simulate.draws import Flags, Floats, Ints, expit, intercept
from commensal.simulate.people import Patients, day_of, of_disorder
from commensal.simulate.scenario import Scenario

# Visit code, target day from index, standard deviation of the day kept, whether instruments are asked.
SCHEDULE = (
    ("SCR", -20, 6.0, True),
    ("V0", 0, 0.0, False),
    ("W1", 7, 0.8, False),
    ("W4", 28, 2.0, True),
    ("W8", 61, 2.2, True),
    ("M3", 91, 5.0, True),
    ("M6", 183, 9.0, True),
    ("Y1", 365, 10.0, True),
    ("Y2", 730, 20.0, True),
    ("Y3", 1096, 20.0, True),
    ("Y4", 1461, 20.0, True),
    ("Y5", 1826, 28.0, True),
)
VISIT_CODES = tuple(entry[0] for entry in SCHEDULE)
UNSCHEDULED = len(SCHEDULE)  # position that stands for a contact outside the schedule
FIRST_EARLIEST = {"SCR": (-40, -3), "W1": (5, 10), "W4": (22, 34), "W8": (56, 70)}


@dataclass(frozen=True)
class Visits:
    """One entry a visit that was kept or is known to have been missed, sorted by patient and number.

    ``kind`` is a position in ``SCHEDULE`` or UNSCHEDULED; ``number`` orders the patient's visits; ``day``
    counts from index.
    """

    row: Ints
    kind: Ints
    number: Ints
    day: Ints
    is_attended: Flags

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True)
class FollowUp:
    """Visits and how follow-up ended. Days from index, infinity where it did not happen.

    ``left`` is the day of loss or withdrawal, ``end`` the first of leaving, death and data cut, and
    ``last_contact`` the last visit kept.
    """

    visits: Visits
    left: Floats
    is_withdrawal: Flags
    end: Floats
    last_contact: Ints
    would_have_left: Floats


def follow(scenario: Scenario, patients: Patients, course: Course, *, rng: np.random.Generator) -> FollowUp:
    """Draw the visits of every patient and the end of follow-up."""
    n = len(patients)
    days = _visit_days(scenario, patients, rng)
    left, attended = _keep_visits(scenario, patients, course, days, rng)
    cut = (day_of(scenario.calendar.data_cut) - patients.index_day).astype(float)
    end = np.minimum(np.minimum(left, course.death), cut + 1)
    recorded = (days < end[:, None]) & (np.array([d for _, d, _, _ in SCHEDULE]) <= cut[:, None])
    visits = _table(scenario, course, days, recorded, attended, end, rng)
    last = np.zeros(n, dtype=np.int64)
    np.maximum.at(last, visits.row[visits.is_attended], visits.day[visits.is_attended])
    visits = _known(visits, last)
    happened = (left < course.death) & (left <= cut)
    withdraws = rng.random(n) < scenario.dropout.withdrawal_share
    return FollowUp(visits, np.where(happened, left, np.inf), withdraws & happened, end, last, left)


def _visit_days(scenario: Scenario, patients: Patients, rng: np.random.Generator) -> Ints:
    target = np.array([d for _, d, _, _ in SCHEDULE], dtype=float)
    spread = np.array([sd for _, _, sd, _ in SCHEDULE])
    is_old = patients.index_day < day_of(scenario.calendar.study_start)
    wide = np.where(is_old, scenario.visits.retrospective_jitter_factor, 1.0)[:, None]
    days = np.rint(target + spread * wide * rng.standard_normal((len(patients), len(SCHEDULE))))
    for position, code in enumerate(VISIT_CODES):
        if code in FIRST_EARLIEST:
            days[:, position] = days[:, position].clip(*FIRST_EARLIEST[code])
    return days.astype(np.int64)


def _keep_visits(
    scenario: Scenario, patients: Patients, course: Course, days: Ints, rng: np.random.Generator
) -> tuple[Floats, Flags]:
    """Walk through the schedule. Returns the day of leaving (under no other end) and who attends what."""
    n, rows = len(patients), np.arange(len(patients))
    retained = {"SCR": 1.0, "V0": 1.0, **scenario.visits.retained}
    recorded = _recorded_history(scenario, patients)
    free = of_disorder(scenario, patients.disorder, "is_free_at_index") > 0
    seen_active = patients.is_active & ~free
    left, stays, before = np.full(n, np.inf), np.ones(n, dtype=bool), 1.0
    attended = np.ones((n, len(SCHEDULE)), dtype=bool)
    for position, (code, _, _, asks) in enumerate(SCHEDULE):
        keeps = retained.get(code, before)
        is_active = ~course.is_responding(rows, days[:, position])
        linear = recorded + scenario.dropout.last_observed_active * seen_active
        linear = linear + scenario.dropout.current_active * is_active
        chance = expit(intercept(linear[stays], 1 - keeps / before) + linear)
        leaves = stays & (rng.random(n) < chance)
        left[leaves] = _leaving_day(days, position, rng.random(n))[leaves]
        stays, before = stays & ~leaves, keeps
        missed = (rng.random(n) < scenario.visits.missed_share) & (position > 1)
        attended[:, position] = stays & ~missed
        if asks:
            seen_active = np.where(attended[:, position], is_active, seen_active)
    return left, attended


def _recorded_history(scenario: Scenario, patients: Patients) -> Floats:
    dropout = scenario.dropout
    return (
        dropout.capsule_route * patients.is_capsule + dropout.age_per_decade * (patients.age_years - 45) / 10
    )


def _leaving_day(days: Ints, position: int, u: Floats) -> Floats:
    start = np.maximum(days[:, max(position - 1, 1)], 0)
    return start + 1 + np.floor(u * np.maximum(days[:, position] - start - 1, 1))


def _table(
    scenario: Scenario,
    course: Course,
    days: Ints,
    recorded: Flags,
    attended: Flags,
    end: Floats,
    rng: np.random.Generator,
) -> Visits:
    row, kind = np.nonzero(recorded)
    more_row, more_day = _symptom_visits(scenario, course, end, rng)
    row = np.concatenate([row, more_row])
    day = np.concatenate([days[row[: len(kind)], kind], more_day])
    is_attended = np.concatenate([attended[row[: len(kind)], kind], np.ones(len(more_row), dtype=bool)])
    kind = np.concatenate([kind, np.full(len(more_row), UNSCHEDULED)])
    order = np.lexsort((kind, day, row))
    row, kind, day, is_attended = row[order], kind[order], day[order], is_attended[order]
    starts = np.r_[0, np.flatnonzero(np.diff(row)) + 1]
    number = np.arange(len(row)) - np.repeat(starts, np.diff(np.r_[starts, len(row)])) + 1
    return Visits(row, kind, number, day, is_attended)


def _symptom_visits(
    scenario: Scenario, course: Course, end: Floats, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Visits a few days after a relapse: the patient comes because of symptoms."""
    row, column = np.nonzero(np.isfinite(course.changes))
    is_relapse = course.starts_responding[row] ^ (column % 2 == 1)
    row, column = row[is_relapse], column[is_relapse]
    day = (course.changes[row, column] + rng.integers(1, 10, len(row))).astype(np.int64)
    later = np.where(column + 1 < course.changes.shape[1], column + 1, column)
    until = np.where(later > column, course.changes[row, later], np.inf)
    comes = (rng.random(len(row)) < scenario.visits.symptom_driven_share) & (
        day < np.minimum(end[row], until)
    )
    return row[comes], day[comes]


def _known(visits: Visits, last_contact: Ints) -> Visits:
    """Keep a missed visit only where a later contact shows that the patient had stayed."""
    keep = visits.is_attended | (visits.day < last_contact[visits.row])
    return Visits(
        visits.row[keep], visits.kind[keep], visits.number[keep], visits.day[keep], visits.is_attended[keep]
    )
