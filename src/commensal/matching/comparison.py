"""Which lots are put beside each other, and the parts of their scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from commensal.matching import community_parts, parts
from commensal.matching.community_parts import OwnSample
from commensal.matching.gates import Gates
from commensal.matching.parts import Made
from commensal.matching.policy import PARTS, Policy
from commensal.matching.ranking import QUESTIONS, RESEARCH, Compared
from commensal.matching.recipient import Recipient
from commensal.matching.scores import score_lots
from commensal.matching.stock import Stock
from commensal.vocabulary import Route


def compare(
    stock: Stock,
    gates: Gates,
    who: Recipient,
    own: OwnSample,
    *,
    policy: Policy,
    evidence: Mapping[str, pl.DataFrame],
    route: Route | None,
    is_research: bool,
) -> Compared:
    """Return the lots put beside each other with their parts: the eligible; where the recipient's questions
    are open those fit for anybody; in a study without a calendar all but autologous material."""
    lots, note = np.flatnonzero(gates.is_eligible), None
    if is_research:
        lots, note = np.flatnonzero(_is_of_donor(stock)), RESEARCH
    elif not lots.size and not gates.is_recipient_refused:
        lots, note = np.flatnonzero(gates.is_fit), QUESTIONS
    is_strict = policy.is_validated(who.indication)
    if who.is_any_donor_enough or not lots.size:
        return Compared(lots, (), None, note, is_strict)
    if (stock.communities.of_lot[lots] >= 0).any():
        lots = lots[stock.communities.of_lot[lots] >= 0]
    made = parts_of(stock, lots, who, own, policy=policy, evidence=evidence, route=route)
    scores = score_lots(made, policy=policy, order=lots)
    return Compared(lots, made, scores, note, is_strict)


def _is_of_donor(stock: Stock) -> np.ndarray:
    autologous = stock.columns["is_autologous"]
    return np.array([v is not True for v in autologous.values], dtype=bool)[autologous.codes]


def parts_of(
    stock: Stock,
    lots: np.ndarray,
    who: Recipient,
    own: OwnSample,
    *,
    policy: Policy,
    evidence: Mapping[str, pl.DataFrame],
    route: Route | None,
) -> tuple[Made, ...]:
    """Return the parts of the policy for some lots, in the order of PARTS; those of weight 0 are not made."""
    setup = community_parts.setup(stock.communities, lots, own)
    units = stock.units[lots]
    donors = [stock.donors.at(lot) for lot in lots]
    made = [
        community_parts.complementarity(setup, policy=policy),
        community_parts.predicted_engraftment(setup, route=route.value if route else None),
        community_parts.predicted_distance(setup, policy=policy),
        parts.donor_record(donors, evidence, policy=policy, indication=who.indication),
        community_parts.pathobiont_load(setup, policy=policy),
        community_parts.stability(setup),
        parts.freshness(units["produced_day"], units["expires_day"], on_day=stock.on_day),
        parts.stock(stock.donors.codes[lots]),
    ]
    known = [m for m in made if isinstance(m, parts.Part)]
    made.append(
        parts.predicted_response(who.facts, known, evidence, policy=policy, indication=who.indication)
    )
    return tuple(
        sorted((m for m in made if policy.weight(m.name) > 0), key=lambda m: list(PARTS).index(m.name))
    )
