"""Scores of lots: a weighted mean of parts, with an interval for what was measured and for the weights.

With weights w of the parts that are known (of some lot) and values v, both uncertain and independent,

    score = Σ w v,    variance = Σ (w² + Var w) Var v + Var_w(Σ w v),

w from a Dirichlet distribution around the policy's weights: for given values a and mean weights m its share
is (Σ m a² - (Σ m a)²) / (concentration + 1). Two lots are compared by the same formula on their difference,
where lots told by the same stool, record or taxa do not differ for it. Nothing is drawn at random. No part
has been shown to predict outcome: the order is exploratory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.matching.parts import LeftOut, Made, Part
from commensal.matching.policy import Policy

Score = Callable[..., pl.DataFrame]
"""A score of one's own: ``score(parts, *, policy, seed) -> frame``.

``parts`` are the rows of ``score_parts``; the frame has one row a lot [unit_id, score, lower, upper], each
between 0 and 1, lower ≤ score ≤ upper. It is a named function: its name enters the hash of the run.
"""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of some lots, shape (lots,), their limits and bands; ``weight`` is the share of the policy's
    weights that was known, ``left_out`` the parts that were not."""

    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    band: np.ndarray
    weight: float
    left_out: tuple[LeftOut, ...]


def score_lots(made: Sequence[Made], *, policy: Policy, order: np.ndarray) -> Scores:
    """Return the scores of lots; ``order`` (lots,) settles which of two equal lots comes first.

    A part that is known of no lot is left out and the weighted mean is over the others; the share of the
    weights they stand for is part of the result. Below ``policy.least_weight`` all lots share a band.
    """
    used = [m for m in made if isinstance(m, Part) and policy.weight(m.name) > 0]
    left_out = tuple(m for m in made if isinstance(m, LeftOut) and policy.weight(m.name) > 0)
    n = len(order)
    share = sum(policy.weight(p.name) for p in used)
    if not used:
        nothing = np.full(n, np.nan)
        return Scores(nothing, nothing, nothing, np.ones(n, dtype=int), 0.0, left_out)
    weights = np.array([policy.weight(p.name) for p in used]) / share
    table = np.array([p.counted for p in used])
    values = weights @ table
    spread = _variance(weights, table, np.array([p.uncertainty for p in used]), policy=policy)
    reach = _z(policy.level) * np.sqrt(spread)
    band = (
        _bands(used, weights, table, values, policy=policy, order=order)
        if share >= policy.least_weight
        else np.ones(n, dtype=int)
    )
    return Scores(values, np.clip(values - reach, 0, 1), np.clip(values + reach, 0, 1), band, share, left_out)


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _variance(weights: np.ndarray, table: np.ndarray, variance: np.ndarray, *, policy: Policy) -> np.ndarray:
    """Return the variance of Σ w v; ``table`` and ``variance`` are (parts, lots)."""
    divisor = policy.weight_concentration + 1
    of_weights = (weights @ table**2 - (weights @ table) ** 2) / divisor
    squared = weights**2 + weights * (1 - weights) / divisor
    return squared @ variance + np.maximum(of_weights, 0.0)


def _bands(
    used: Sequence[Part],
    weights: np.ndarray,
    table: np.ndarray,
    values: np.ndarray,
    *,
    policy: Policy,
    order: np.ndarray,
) -> np.ndarray:
    """Return the band of each lot, 1 the best; lots of one band do not differ credibly from its leader.

    From the best downwards: a lot opens a new band when the interval of the leader's advantage over it lies
    wholly above the smallest difference that matters.
    """
    ranked = np.lexsort((order, -values))
    band = np.zeros(len(values), dtype=int)
    start, number = 0, 1
    while start < len(ranked):
        rest = ranked[start:]
        credible = _is_better(used, weights, table, leader=int(ranked[start]), policy=policy)[rest]
        after = int(credible.argmax()) if credible.any() else len(rest)
        band[rest[:after]] = number
        start, number = start + after, number + 1
    return band


def _is_better(
    used: Sequence[Part], weights: np.ndarray, table: np.ndarray, *, leader: int, policy: Policy
) -> np.ndarray:
    gap = table[:, [leader]] - table
    variance = np.array([part.between(leader) for part in used])
    spread = _variance(weights, gap, variance, policy=policy)
    return weights @ gap - _z(policy.level) * np.sqrt(spread) > policy.smallest_difference


def own_scores(
    score: Score, parts: pl.DataFrame, units: Sequence[str], *, policy: Policy, seed: int
) -> Scores:
    """Return the scores that a function of the caller gives; two lots differ where intervals are apart.

    Refuses (InputError) a frame that lacks a lot, repeats one, or holds a score that is not a number between
    its limits, all between 0 and 1.
    """
    made = score(parts, policy=policy, seed=seed)
    columns = ["unit_id", "score", "lower", "upper"]
    if not isinstance(made, pl.DataFrame) or not set(columns) <= set(made.columns):
        raise InputError(f"score {name_of(score)} gave no frame of {columns}", expected="one row a lot")
    rows = pl.DataFrame({"unit_id": list(units)}, schema={"unit_id": pl.String}).join(
        made.select(columns), on="unit_id", how="left", maintain_order="left"
    )
    limits = rows.select(pl.col("lower", "score", "upper").cast(pl.Float64)).to_numpy()
    in_order = (limits[:, 0] <= limits[:, 1]) & (limits[:, 1] <= limits[:, 2])
    is_right = in_order & (limits[:, 0] >= 0) & (limits[:, 2] <= 1)
    if rows.height != len(units) or made.height != len(units) or not is_right.all():
        wrong = rows["unit_id"][int((~is_right).argmax())] if rows.height == len(units) else "a lot"
        raise InputError(
            f"score {name_of(score)}: {wrong} has no score between its limits",
            expected="each lot once, 0 ≤ lower ≤ score ≤ upper ≤ 1",
        )
    lower, values, upper = limits.T
    band = _apart(values, lower, upper, gap=policy.smallest_difference)
    return Scores(values, lower, upper, band, 1.0, ())


def _apart(values: np.ndarray, lower: np.ndarray, upper: np.ndarray, *, gap: float) -> np.ndarray:
    ranked = np.argsort(-values, kind="stable")
    band, number = np.zeros(len(values), dtype=int), 1
    leader = ranked[0] if len(ranked) else 0
    for lot in ranked:
        if lower[leader] - upper[lot] > gap:
            leader, number = lot, number + 1
        band[lot] = number
    return band


def name_of(score: Score) -> str:
    """Return the name of a score. Refuses (InputError) a function without one."""
    name = f"{getattr(score, '__module__', '')}.{getattr(score, '__qualname__', '')}".strip(".")
    if not name or "<lambda>" in name:
        raise InputError("a score without a name cannot be told from another", expected="a named function")
    return name


def limit_of(part: Part, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the limits of one part of each lot, between 0 and 1."""
    reach = _z(level) * np.sqrt(part.uncertainty)
    return np.clip(part.counted - reach, 0, 1), np.clip(part.counted + reach, 0, 1)
