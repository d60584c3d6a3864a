"""Donors, routes and predictors: what goes with remission, and how sure that is."""

from commensal.evidence.effects.donors import DonorFit, DonorPrior, donor_model
from commensal.evidence.effects.e_values import EValue, e_value
from commensal.evidence.effects.entry import predictors
from commensal.evidence.effects.microbiome_rows import (
    MetaAnalysis,
    microbiome_effects,
    outcome_by_engraftment,
    random_effects,
)
from commensal.evidence.effects.mixed import Membership, MixedFit, mixed_model
from commensal.evidence.effects.overlap import (
    OverlapWeights,
    WeightedRisks,
    overlap_weights,
    standardised_difference,
    weighted_risks,
)
from commensal.evidence.effects.settings import Settings

__all__ = [
    "DonorFit",
    "DonorPrior",
    "EValue",
    "Membership",
    "MetaAnalysis",
    "MixedFit",
    "OverlapWeights",
    "Settings",
    "WeightedRisks",
    "donor_model",
    "e_value",
    "microbiome_effects",
    "mixed_model",
    "outcome_by_engraftment",
    "overlap_weights",
    "predictors",
    "random_effects",
    "standardised_difference",
    "weighted_risks",
]
