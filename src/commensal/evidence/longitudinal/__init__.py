"""Scores over visits: change from baseline, repeated-measures models, responders, sparing of drugs."""

from commensal.evidence.longitudinal.gee import Marginal, gee
from commensal.evidence.longitudinal.mmrm import Contrast, RepeatedMeasures, mmrm
from commensal.evidence.longitudinal.quality_of_life import quality_of_life
from commensal.evidence.longitudinal.settings import Settings

__all__ = ["Contrast", "Marginal", "RepeatedMeasures", "Settings", "gee", "mmrm", "quality_of_life"]
