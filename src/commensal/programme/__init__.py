"""The order of the analyses: which comes before which. Computes nothing itself."""

from commensal.programme.analysis import Analysis, read_analysis
from commensal.programme.run import engraft, run

__all__ = ["Analysis", "engraft", "read_analysis", "run"]
