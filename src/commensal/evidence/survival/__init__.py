"""Time to event: curves, tests, hazard models, restricted means and concordance, on plain arrays."""

from commensal.evidence.survival.analysis import time_to_event
from commensal.evidence.survival.concordance import Concordance, concordance
from commensal.evidence.survival.cox import CoxFit, cox
from commensal.evidence.survival.curves import aalen_johansen, kaplan_meier, nelson_aalen
from commensal.evidence.survival.fine_gray import FineGrayFit, fine_gray
from commensal.evidence.survival.group_tests import GroupTest, gray_test, log_rank
from commensal.evidence.survival.limits import log_log_limits
from commensal.evidence.survival.pooled import pool_curves
from commensal.evidence.survival.proportional_hazards import (
    ProportionalHazardsTest,
    proportional_hazards_test,
)
from commensal.evidence.survival.reading import at_times, quantile
from commensal.evidence.survival.restricted_mean import RestrictedMeans, restricted_mean
from commensal.evidence.survival.risk_sets import grouped_counts
from commensal.evidence.survival.settings import Settings
from commensal.evidence.survival.states import Occupation, state_occupation
from commensal.evidence.survival.turnbull import Turnbull, turnbull

__all__ = [
    "Concordance",
    "CoxFit",
    "FineGrayFit",
    "GroupTest",
    "Occupation",
    "ProportionalHazardsTest",
    "RestrictedMeans",
    "Settings",
    "Turnbull",
    "aalen_johansen",
    "at_times",
    "concordance",
    "cox",
    "fine_gray",
    "gray_test",
    "grouped_counts",
    "kaplan_meier",
    "log_log_limits",
    "log_rank",
    "nelson_aalen",
    "pool_curves",
    "proportional_hazards_test",
    "quantile",
    "restricted_mean",
    "state_occupation",
    "time_to_event",
    "turnbull",
]
