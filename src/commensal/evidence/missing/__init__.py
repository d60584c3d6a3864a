"""Missing outcomes: imputation, weights, estimands and how far a finding holds."""

from commensal.evidence.missing.imputation import Imputed, impute

__all__ = ["Imputed", "impute"]
