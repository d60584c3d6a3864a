"""Missing outcomes: imputation, weights, estimands and how far a finding holds."""

from commensal.evidence.missing.analysis import missing_outcomes
from commensal.evidence.missing.imputation import Imputed, impute
from commensal.evidence.missing.settings import Settings
from commensal.evidence.missing.weights import (
    CensoringWeights,
    IntensityWeights,
    censoring_weights,
    visit_intensity_weights,
)

__all__ = [
    "CensoringWeights",
    "Imputed",
    "IntensityWeights",
    "Settings",
    "censoring_weights",
    "impute",
    "missing_outcomes",
    "visit_intensity_weights",
]
