"""The result tables: what analyses write and reports read, one declaration each.

What cannot be computed is a row with a reason, never NaN; a denominator stands in every row.
"""

from __future__ import annotations

from commensal.study.declaration import Table
from commensal.study.results import communities, inference, matches, monitoring, outcomes, prediction

__all__ = ["RESULTS"]

RESULTS: dict[str, Table] = {
    t.name: t
    for t in (
        outcomes.VERDICTS,
        outcomes.FLOW,
        outcomes.BASELINE,
        outcomes.ESTIMATES,
        outcomes.MISSINGNESS,
        outcomes.FOLLOW_UP,
        outcomes.CURVES,
        outcomes.CURVE_RISK,
        inference.EFFECTS,
        inference.HYPOTHESIS_TESTS,
        inference.VARIANCE_COMPONENTS,
        inference.BALANCE,
        inference.WEIGHT_SUMMARIES,
        inference.IMPUTATIONS,
        inference.TIPPING_POINTS,
        prediction.PREDICTIONS,
        prediction.PERFORMANCE,
        prediction.CALIBRATION,
        prediction.DECISION_CURVES,
        prediction.MODEL_CARDS,
        monitoring.MONITORS,
        monitoring.FUNNELS,
        monitoring.ALARMS,
        communities.ENGRAFTMENT,
        communities.ENGRAFTMENT_TESTS,
        communities.TAXON_OUTCOMES,
        communities.TAXON_FATES,
        communities.TAXON_NAMES,
        communities.ATTRIBUTIONS,
        communities.IDENTITY,
        communities.DYSBIOSIS,
        communities.DEFICITS,
        communities.ORDINATION,
        communities.COMMUNITY_PREDICTIONS,
        communities.COMMUNITY_VALIDATION,
        matches.MATCH_RUNS,
        matches.RANKINGS,
        matches.SCORE_PARTS,
        matches.REFUSALS,
        matches.MATCH_WATCH,
        matches.DONOR_EFFECTS,
        matches.MODEL_PARAMETERS,
        matches.CARE_PLANS,
        matches.REPLANS,
        matches.POLICY_TRIALS,
        outcomes.EVIDENCE_STATUS,
        outcomes.PROVENANCE,
    )
}
