"""Donors for a recipient: gates first, then an explained, uncertain order. It does not order treatment."""

from commensal.matching.match import MatchRun, match
from commensal.matching.plan import CarePlan, plan
from commensal.matching.policy import EXPLORATORY, Policy
from commensal.matching.replan import Replan, replan

__all__ = ["EXPLORATORY", "CarePlan", "MatchRun", "Policy", "Replan", "match", "plan", "replan"]
