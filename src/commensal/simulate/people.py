"""Who the patients are: disease, age, sex, entry, cohort and what they will be given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from commensal.simulate.draws import Flags, Floats, Ints, chosen, names
from commensal.simulate.scenario import Scenario
from commensal.vocabulary.routes import routes

YEAR = 365.25
EPOCH = date(1970, 1, 1)
PROSPECTIVE, RETROSPECTIVE, AMBISPECTIVE = "prospective", "retrospective", "ambispective"


@dataclass(frozen=True)
class Patients:
    """One entry a patient, in the order of ``patient_id``. Days since 1970-01-01.

    ``disorder`` and ``route`` are positions in the scenario's lists. ``severity`` is in standard deviations
    of the indication. ``is_treated`` is False for comparators, who have an index day but no session.
    """

    patient_id: np.ndarray
    disorder: Ints
    route: Ints
    is_female: Flags
    age_years: Floats
    born_day: Ints
    index_day: Ints
    enrolled_day: Ints
    is_treated: Flags
    is_active: Flags
    severity: Floats
    is_mucosa_injured: Flags
    has_severe_complication: Flags
    immunocompromise: Ints
    has_allergy: Flags
    may_be_ambispective: Flags
    has_consent: Flags
    is_upper_route: Flags
    is_capsule: Flags

    def __len__(self) -> int:
        return len(self.disorder)


def day_of(when: date) -> int:
    """Return the integer day of a date since 1970-01-01."""
    return (when - EPOCH).days


def of_disorder(scenario: Scenario, disorder: Ints, figure: str) -> Floats:
    """Return one figure of each patient's indication."""
    table = np.array([float(getattr(d, figure)) for d in scenario.indications])
    return table[disorder]


def draw_patients(scenario: Scenario, n: int, *, prefix: str, rng: np.random.Generator) -> Patients:
    """Draw the patients of one centre."""
    people = scenario.people
    disorder = chosen(rng, [d.share for d in scenario.indications], n)
    age = _ages(scenario, disorder, rng)
    index_day = _index_days(scenario, n, rng)
    route = _routes(scenario, age, rng)
    entries = [routes().get(code) for code in scenario.routes]
    free = of_disorder(scenario, disorder, "is_free_at_index") > 0
    unscaled = of_disorder(scenario, disorder, "remission_share") == 0  # no threshold of activity either
    study_start = day_of(scenario.calendar.study_start)
    recent = (index_day < study_start) & (index_day >= study_start - people.ambispective_years * YEAR)
    return Patients(
        patient_id=names(f"{prefix}P", np.arange(1, n + 1), width=5),
        disorder=disorder,
        route=route,
        is_female=rng.random(n) < of_disorder(scenario, disorder, "female_share"),
        age_years=age,
        born_day=np.floor(index_day - age * YEAR).astype(np.int64),
        index_day=index_day,
        enrolled_day=index_day - rng.integers(41, 60, n),
        is_treated=rng.random(n) >= people.comparator_share,
        is_active=free | unscaled | (rng.random(n) >= people.inactive_at_baseline_share),
        severity=rng.standard_normal(n),
        is_mucosa_injured=rng.random(n) < people.mucosal_injury_share,
        has_severe_complication=rng.random(n) < people.severe_complication_share,
        immunocompromise=chosen(
            rng,
            [
                1 - people.mild_immunocompromise_share - people.severe_immunocompromise_share,
                people.mild_immunocompromise_share,
                people.severe_immunocompromise_share,
            ],
            n,
        ),
        has_allergy=rng.random(n) < people.allergy_share,
        may_be_ambispective=recent & (rng.random(n) < people.ambispective_share),
        has_consent=rng.random(n) >= people.without_consent_share,
        is_upper_route=np.array([entry.reach != "lower" for entry in entries])[route],
        is_capsule=np.array(["capsule" in code for code in scenario.routes])[route],
    )


def _ages(scenario: Scenario, disorder: Ints, rng: np.random.Generator) -> Floats:
    mean, sd, low = (of_disorder(scenario, disorder, f) for f in ("age_mean", "age_sd", "age_min"))
    age = mean + sd * rng.standard_normal(len(disorder))
    # Values below the youngest age are reflected, so that nobody piles up at the limit.
    return np.clip(np.where(age < low, 2 * low - age, age), low, 92.0)


def _index_days(scenario: Scenario, n: int, rng: np.random.Generator) -> Ints:
    """Staggered entry: the rate of arrivals grows linearly from the programme's start to the data cut."""
    calendar = scenario.calendar
    start, cut = day_of(calendar.programme_start), day_of(calendar.data_cut)
    slope = calendar.arrivals_growth_per_year * (cut - start) / YEAR
    u = rng.random(n)
    share = u if abs(slope) < 1e-9 else (np.sqrt(1 + u * ((1 + slope) ** 2 - 1)) - 1) / slope
    return (start + np.floor(share * (cut - start))).astype(np.int64)


def _routes(scenario: Scenario, age: Floats, rng: np.random.Generator) -> Ints:
    """Children under seven are not given capsules (they may not be able to swallow them): a tube instead."""
    codes = list(scenario.routes)
    route = chosen(rng, list(scenario.routes.values()), len(age))
    is_capsule = np.array(["capsule" in code for code in codes])[route]
    tube = codes.index("nasojejunal") if "nasojejunal" in codes else 0
    return np.where(is_capsule & (age < 7), tube, route)
