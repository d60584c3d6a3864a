"""Communities: abundances, diversity, and how much of a donor is found in a recipient."""

from commensal.microbiome.abundance import Abundance, abundance_of, aggregate, rarefy
from commensal.microbiome.complementarity import Complementarity, complementarity
from commensal.microbiome.dysbiosis import dysbiosis
from commensal.microbiome.engraftment import engraft
from commensal.microbiome.mismatch import mismatch_test
from commensal.microbiome.overlap import peds, peds_feature, peds_gained, pprs
from commensal.microbiome.prediction import CommunityModel, model_of, train
from commensal.microbiome.prediction_donors import (
    DonorTerms,
    donor_terms,
    expected_engraftment,
    expected_gain,
    predict,
)
from commensal.microbiome.prediction_validation import held_out_predictions, validate_prediction
from commensal.microbiome.reference import Reference, reference_of
from commensal.microbiome.taxon_outcomes import taxon_engraftment

__all__ = [
    "Abundance",
    "CommunityModel",
    "Complementarity",
    "DonorTerms",
    "Reference",
    "abundance_of",
    "aggregate",
    "complementarity",
    "donor_terms",
    "dysbiosis",
    "engraft",
    "expected_engraftment",
    "expected_gain",
    "held_out_predictions",
    "mismatch_test",
    "model_of",
    "peds",
    "peds_feature",
    "peds_gained",
    "pprs",
    "predict",
    "rarefy",
    "reference_of",
    "taxon_engraftment",
    "train",
    "validate_prediction",
]
