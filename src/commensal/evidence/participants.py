"""Who was studied, from one ground to rows: rules, flow, baseline, follow-up, comparators."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from commensal.errors import InputError
from commensal.evidence.analysis_sets import analysis_sets
from commensal.evidence.baseline import baseline
from commensal.evidence.baseline_versions import WEIGHTED_BY, imputed_baseline, weighted_baseline
from commensal.evidence.comparators import ADJUSTED_FOR, comparators
from commensal.evidence.covariates import known_covariates
from commensal.evidence.eligibility import eligible, verdicts
from commensal.evidence.flow import donor_flow, flow
from commensal.evidence.follow_up import follow_up
from commensal.evidence.ground import Ground
from commensal.evidence.material import UNKNOWN, session_material
from commensal.evidence.standing import evidence_status
from commensal.vocabulary.windows import visits


@dataclass(frozen=True)
class Settings:
    """Covariates that weigh the baseline table and the comparators; imputations of the baseline table."""

    weighted_by: tuple[str, ...] = WEIGHTED_BY
    adjusted_for: tuple[str, ...] = ADJUSTED_FOR
    imputations: int = 5
    iterations: int = 5

    def __post_init__(self) -> None:
        known_covariates(self.weighted_by)
        known_covariates(self.adjusted_for)
        for name in ("imputations", "iterations"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(
                    f"participants: {name} is {value!r}", expected="a whole number from 1", do="correct it"
                )


def participants(
    ground: Ground, *, settings: Settings | None = None, level: float, seed: int, processes: int = 1
) -> dict[str, pl.DataFrame]:
    """Return ``verdicts``, ``flow``, ``baseline``, ``follow_up``, ``evidence_status`` and ``effects`` rows.

    ``seed`` draws the imputed baseline table alone; ``effects`` are those of the comparators.
    """
    chosen, cohort = settings or Settings(), ground.cohort
    judged = verdicts(cohort)
    patients = flow(
        cohort,
        ground.outcomes,
        landmarks={code: visits()[code] for code in ground.landmarks},
        verdicts=eligible(cohort),
        rules=judged,
        sets=analysis_sets(ground),
    )
    used = session_material(ground.study, cohort)["donor_id"].unique()
    boxes = pl.concat([patients, donor_flow(ground.study, used=[d for d in used if d != UNKNOWN])])
    return {
        "verdicts": judged,
        "flow": boxes.with_columns(position=pl.int_range(1, pl.len() + 1)),
        "baseline": pl.concat(
            [
                baseline(ground.study, cohort, ground.records.assessed),
                weighted_baseline(ground, weighted_by=chosen.weighted_by),
                imputed_baseline(
                    ground,
                    imputations=chosen.imputations,
                    iterations=chosen.iterations,
                    seed=seed,
                    processes=processes,
                ),
            ]
        ),
        "follow_up": follow_up(ground),
        "evidence_status": evidence_status(cohort),
        **comparators(ground, level=level, adjusted_for=chosen.adjusted_for),
    }
