"""Donors for a recipient: gates first, then an explained, uncertain order. It does not order treatment."""

from commensal.matching.match import MatchRun, match
from commensal.matching.policy import EXPLORATORY, Policy

__all__ = ["EXPLORATORY", "MatchRun", "Policy", "match"]
