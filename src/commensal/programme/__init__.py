"""The order of the analyses: which comes before which. Computes nothing itself."""

from commensal.programme.analysis import Analysis, read_analysis
from commensal.programme.communities import panel
from commensal.programme.policy_trial import policy_trial
from commensal.programme.run import run

__all__ = ["Analysis", "panel", "policy_trial", "read_analysis", "run"]
