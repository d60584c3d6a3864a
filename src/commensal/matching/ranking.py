"""Judged lots in an order, each with its words: why it is refused, why it stands where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from commensal.matching.gates import Gated
from commensal.matching.policy import Policy
from commensal.matching.recipient import Recipient
from commensal.matching.scores import Communities, Scores, bands, score_lots

ANY_DONOR = "any eligible donor: no order, since donor effects are not clinically relevant in CDI"
NO_PROFILE = "cannot tell: no sample with a profile of every donor of the lot"
NO_ELIGIBLE = "not eligible"


def rank(
    gated: Sequence[Gated],
    who: Recipient,
    communities: Communities,
    *,
    policy: Policy,
    on_day: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Return a row of ``rankings`` for each lot: the ranked, those nobody can tell, then the refused."""
    eligible = [g for g in gated if g.is_eligible]
    refused = [_refused(g) for g in gated if not g.is_eligible]
    if not eligible:
        return refused
    if who.is_any_donor_enough:
        return [_unordered(g) for g in eligible] + refused
    profiled = [g for g in eligible if communities.sources[g.lot.unit_id]] or eligible
    scores = score_lots([g.lot for g in profiled], communities, policy=policy, on_day=on_day, seed=seed)
    unknown = [_row(g, explanation=_warned(g), reason=NO_PROFILE) for g in eligible if g not in profiled]
    return _scored(profiled, scores, policy=policy) + unknown + refused


def _row(gated: Gated, **more: Any) -> dict[str, Any]:
    return {
        "unit_id": gated.lot.unit_id,
        "donor_id": ";".join(gated.lot.donor_ids) or None,
        "is_eligible": gated.is_eligible,
        **more,
    }


def _refused(gated: Gated) -> dict[str, Any]:
    return _row(
        gated,
        failed_rules=";".join(rule for rule, _ in gated.failed),
        explanation=" ".join(text for _, text in gated.failed),
        reason=NO_ELIGIBLE,
    )


def _unordered(gated: Gated) -> dict[str, Any]:
    return _row(gated, explanation=_warned(gated), rank=1, band="1", reason=ANY_DONOR)


def _warned(gated: Gated) -> str:
    return " ".join(["Every gate is met.", *gated.warnings])


def _scored(eligible: Sequence[Gated], scores: Scores, *, policy: Policy) -> list[dict[str, Any]]:
    band = bands(scores, policy=policy)
    lower, upper = scores.interval(level=policy.level)
    rows = []
    for i in np.argsort(-scores.values, kind="stable"):
        gated = eligible[i]
        rows.append(
            _row(
                gated,
                explanation=" ".join([f"{scores.words[i]}.", *gated.warnings]),
                rank=int((scores.values > scores.values[i]).sum()) + 1,
                score=float(scores.values[i]),
                lower=float(lower[i]),
                upper=float(upper[i]),
                band=str(band[i]),
                reason=_why(eligible, scores, band, i),
            )
        )
    return rows


def _why(eligible: Sequence[Gated], scores: Scores, band: np.ndarray, i: int) -> str | None:
    """Return what limits the order: lots without a credible difference, and parts nobody could compute."""
    others = {g.lot.donor_ids for g, b in zip(eligible, band, strict=True) if b == band[i]} - {
        eligible[i].lot.donor_ids
    }
    shared = [f"no credible difference from {len(others)} other donors in the band"] if others else []
    return "; ".join([*shared, *(f"left out: {part}" for part in scores.left_out)]) or None
