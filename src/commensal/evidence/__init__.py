"""Cohort, outcomes, effects, prediction and monitoring: rows with an uncertainty.

The functions here take plain arrays (data first, the rest by keyword) and know nothing of a study; each has a
page in ``docs/methods``. What reads a study, one entry a package (``survival.time_to_event``,
``missing.missing_outcomes`` …), takes a :class:`ground.Ground` and returns rows of the result tables.
"""

from commensal.evidence.effects import e_value, mixed_model, overlap_weights
from commensal.evidence.longitudinal import gee, mmrm
from commensal.evidence.missing import censoring_weights, impute
from commensal.evidence.monitoring import cusum, funnel
from commensal.evidence.pooling import pool
from commensal.evidence.prediction import brier, calibration, conformal, decision_curve
from commensal.evidence.proportion import proportion
from commensal.evidence.rates import incidence_rate
from commensal.evidence.survival import (
    aalen_johansen,
    concordance,
    cox,
    fine_gray,
    gray_test,
    kaplan_meier,
    log_rank,
    restricted_mean,
)

__all__ = [
    "aalen_johansen",
    "brier",
    "calibration",
    "censoring_weights",
    "concordance",
    "conformal",
    "cox",
    "cusum",
    "decision_curve",
    "e_value",
    "fine_gray",
    "funnel",
    "gee",
    "gray_test",
    "impute",
    "incidence_rate",
    "kaplan_meier",
    "log_rank",
    "mixed_model",
    "mmrm",
    "overlap_weights",
    "pool",
    "proportion",
    "restricted_mean",
]
