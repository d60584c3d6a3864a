"""Time to event: curves, tests, hazard models, restricted means and concordance, on plain arrays."""

from commensal.evidence.survival.curves import aalen_johansen, kaplan_meier, nelson_aalen
from commensal.evidence.survival.limits import log_log_limits
from commensal.evidence.survival.reading import at_times, quantile
from commensal.evidence.survival.risk_sets import grouped_counts

__all__ = [
    "aalen_johansen",
    "at_times",
    "grouped_counts",
    "kaplan_meier",
    "log_log_limits",
    "nelson_aalen",
    "quantile",
]
