"""Communities: abundances, diversity, and how much of a donor is found in a recipient."""

from commensal.microbiome.abundance import Abundance, abundance_of, aggregate, rarefy
from commensal.microbiome.attribution.attribute import attribute
from commensal.microbiome.comparability import Setting, caution, comparable_groups, refusal, settings_of
from commensal.microbiome.controls import Load, absolute, contaminants, positive_controls, resembling_controls
from commensal.microbiome.conversion import abundance_from, from_anndata, from_skbio, to_anndata, to_skbio
from commensal.microbiome.diversity.distances import Distances, distance_matrix, study_distances
from commensal.microbiome.diversity.ordination import ordinate
from commensal.microbiome.diversity.phylogeny import Tree, faith_pd, read_newick, tree_of
from commensal.microbiome.engraftment.mismatch import mismatch_test
from commensal.microbiome.engraftment.overlap import peds, peds_feature, peds_gained, pprs
from commensal.microbiome.engraftment.panel import engraft
from commensal.microbiome.engraftment.taxon_outcomes import taxon_engraftment
from commensal.microbiome.identity.identify import identify
from commensal.microbiome.identity.strains import call, call_by_distance, strain_engraftment
from commensal.microbiome.names import taxon_names
from commensal.microbiome.prediction.donors import (
    DonorTerms,
    donor_terms,
    expected_engraftment,
    expected_gain,
    predict,
)
from commensal.microbiome.prediction.model import CommunityModel, model_of, train
from commensal.microbiome.prediction.validation import held_out_predictions, validate_prediction
from commensal.microbiome.reference.cohort import Reference, reference_of
from commensal.microbiome.reference.complementarity import Complementarity, complementarity
from commensal.microbiome.reference.dysbiosis import dysbiosis
from commensal.microbiome.reference.given import complementarity_given

__all__ = [
    "Abundance",
    "CommunityModel",
    "Complementarity",
    "Distances",
    "DonorTerms",
    "Load",
    "Reference",
    "Setting",
    "Tree",
    "absolute",
    "abundance_from",
    "abundance_of",
    "aggregate",
    "attribute",
    "call",
    "call_by_distance",
    "caution",
    "comparable_groups",
    "complementarity",
    "complementarity_given",
    "contaminants",
    "distance_matrix",
    "donor_terms",
    "dysbiosis",
    "engraft",
    "expected_engraftment",
    "expected_gain",
    "faith_pd",
    "from_anndata",
    "from_skbio",
    "held_out_predictions",
    "identify",
    "mismatch_test",
    "model_of",
    "ordinate",
    "peds",
    "peds_feature",
    "peds_gained",
    "positive_controls",
    "pprs",
    "predict",
    "rarefy",
    "read_newick",
    "reference_of",
    "refusal",
    "resembling_controls",
    "settings_of",
    "strain_engraftment",
    "study_distances",
    "taxon_engraftment",
    "taxon_names",
    "to_anndata",
    "to_skbio",
    "train",
    "tree_of",
    "validate_prediction",
]
