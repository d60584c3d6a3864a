"""Pictures: functions from result tables to Altair charts; the report draws them into its page."""

from commensal.report.charts.communities import (
    FATES,
    ROLES,
    against_null,
    against_reference,
    attribution_stacks,
    measures_over_time,
    ordination,
    spread,
    taxa_changes,
    trajectories,
)
from commensal.report.charts.matches import VERDICTS, parts, policy_trials, refusals, scores
from commensal.report.charts.outcomes import curves, intervals
from commensal.report.charts.theme import drawing_of, svg_of, themed

__all__ = [
    "FATES",
    "ROLES",
    "VERDICTS",
    "against_null",
    "against_reference",
    "attribution_stacks",
    "curves",
    "drawing_of",
    "intervals",
    "measures_over_time",
    "ordination",
    "parts",
    "policy_trials",
    "refusals",
    "scores",
    "spread",
    "svg_of",
    "taxa_changes",
    "themed",
    "trajectories",
]
