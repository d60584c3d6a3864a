"""Donors for a recipient: gates first, then an explained, uncertain order. It does not order treatment."""

from commensal.matching.allocation import Allocation, TrialProtocol, allocate, draw
from commensal.matching.care.plan import CarePlan, plan
from commensal.matching.care.replan import Replan, replan
from commensal.matching.match import MatchRun, match, still_valid
from commensal.matching.policy import Policy, read_policy
from commensal.matching.stock import Stock, prepare_stock

__all__ = [
    "Allocation",
    "CarePlan",
    "MatchRun",
    "Policy",
    "Replan",
    "Stock",
    "TrialProtocol",
    "allocate",
    "draw",
    "match",
    "plan",
    "prepare_stock",
    "read_policy",
    "replan",
    "still_valid",
]
