"""Communities: abundances, diversity, and how much of a donor is found in a recipient."""

from commensal.microbiome.abundance import Abundance, abundance_of, aggregate, rarefy
from commensal.microbiome.engraftment import engraft
from commensal.microbiome.mismatch import mismatch_test
from commensal.microbiome.overlap import peds, peds_feature, peds_gained, pprs
from commensal.microbiome.taxon_outcomes import taxon_engraftment

__all__ = [
    "Abundance",
    "abundance_of",
    "aggregate",
    "engraft",
    "mismatch_test",
    "peds",
    "peds_feature",
    "peds_gained",
    "pprs",
    "rarefy",
    "taxon_engraftment",
]
