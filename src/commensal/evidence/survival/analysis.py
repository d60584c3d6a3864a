"""The time-to-event part of a study: curves, time in remission, hazard models and tests."""

from __future__ import annotations

import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.rows import rows_of
from commensal.evidence.survival.courses import courses_of
from commensal.evidence.survival.curve_rows import (
    LATE_ENTRY,
    METHOD,
    curves_by_indication,
    curves_within,
    joined,
    overall_survival,
)
from commensal.evidence.survival.model_rows import group_comparisons, hazard_models
from commensal.evidence.survival.settings import Settings
from commensal.evidence.survival.state_rows import (
    first_remission_between_visits,
    in_remission,
    sustained,
)
from commensal.study.results import RESULTS


def time_to_event(
    ground: Ground, *, settings: Settings, level: float, seed: int, processes: int = 1
) -> dict[str, pl.DataFrame]:
    """Return rows of curves, numbers_at_risk, estimates, effects and hypothesis_tests.

    Curves of first remission (or response), relapse and recurrence by indication, and by route and cohort
    inside it; being in remission; first remission as interval-censored; overall survival. Estimates of the
    mean time in remission and of sustained remission. Hazard models of each course on
    ``settings.covariates``; tests between routes and between cohorts. What cannot be computed is a row with a
    reason and counts. Nothing here is drawn at random: ``seed`` and ``processes`` change nothing.
    """
    del seed, processes
    late = settings.is_truncated_at_consent
    courses = courses_of(ground.records, is_truncated_at_consent=late)
    method = METHOD + (LATE_ENTRY if late else "")
    occupied, times = in_remission(
        courses, horizons=settings.horizons, least=settings.least_curve, level=level
    )
    drawn, at_risk = joined(
        [
            curves_by_indication(courses, least=settings.least_curve, level=level, method=method),
            curves_within(courses, by="route", least=settings.least_group, level=level, method=method),
            curves_within(courses, by="cohort", least=settings.least_group, level=level, method=method),
            occupied,
            first_remission_between_visits(courses, least=settings.least_curve),
            overall_survival(
                ground.treated, least=settings.least_curve, is_truncated_at_consent=late, level=level
            ),
        ]
    )
    effects, proportional = hazard_models(courses, ground.covariates, settings=settings, level=level)
    kept = sustained(ground.outcomes, courses, horizons=settings.horizons, level=level)
    tests = [group_comparisons(courses, settings=settings), proportional]
    tables = {
        "curves": drawn,
        "numbers_at_risk": at_risk,
        "estimates": rows_of("estimates", [times, kept]),
        "effects": effects,
        "hypothesis_tests": rows_of("hypothesis_tests", tests),
    }
    return {name: rows.sort(RESULTS[name].key, nulls_last=True) for name, rows in tables.items()}
