"""Test of Cox's assumption: that hazard ratios do not change over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import chdtrc

from commensal.evidence.survival.cox import Prepared, column_names, maximised, prepared, weighted_sum
from commensal.evidence.survival.curves import kaplan_meier
from commensal.evidence.survival.moments import death_sums, moments, tied_rows
from commensal.evidence.survival.risk_sets import Array


@dataclass(frozen=True)
class ProportionalHazardsTest:
    """Tests that hazard ratios do not change over time: χ² and p of each column (p,) and of all at once."""

    names: tuple[str, ...]
    statistics: Array
    p_values: Array
    global_statistic: float
    global_df: int
    global_p_value: float


def proportional_hazards_test(
    time: Any,
    event: Any,
    covariates: Any,
    *,
    entry: Any = None,
    stratum: Any = None,
    weights: Any = None,
    ties: str = "efron",
    names: Sequence[str] = (),
) -> ProportionalHazardsTest:
    """Score test of each coefficient against one that changes with 1 − S(t−), S the Kaplan–Meier curve.

    Parameters and refusals as :func:`cox`.

    Notes
        The score for γ in β + γ g(t), g(t) = 1 − S(t−), with its information given β: the exact form of
        Grambsch and Therneau's test (as R's cox.zph of survival ≥ 3).
    References: Grambsch & Therneau, Biometrika 1994;81:515.
    """
    made = prepared(
        time, event, covariates, entry=entry, stratum=stratum, weights=weights, ties=ties, names=names
    )
    labels = column_names(names, made.x.shape[1])
    beta, _ = maximised(made, labels)
    curve = kaplan_meier(time, np.asarray(event) != 0, entry=entry)
    before = np.searchsorted(curve["time"].to_numpy(), made.rows.time, side="left")
    g = 1 - np.concatenate([[1.0], curve["estimate"].to_numpy()])[before]
    score, information = _time_scores(made, beta, g - np.average(g, weights=made.rows.n_deaths))
    p = len(beta)
    left, cross, right = information
    whole = right - cross @ np.linalg.solve(left, cross)
    statistics = np.empty(p)
    for j in range(p):
        statistics[j] = score[j] ** 2 / whole[j, j]
    together = float(score @ np.linalg.solve(whole, score))
    return ProportionalHazardsTest(
        labels, statistics, chdtrc(1, statistics), together, p, float(chdtrc(p, together))
    )


def _time_scores(made: Prepared, beta: Array, g: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    """Score of the time-dependent coefficients, and Σ V, Σ g V, Σ g² V over event rows."""
    x, rows = made.x, made.rows
    r = made.w * np.exp(x @ beta)
    risk, dead = moments(rows, x, r, of="risk"), moments(rows, x, r, of="deaths")
    share = death_sums(rows, made.w) / rows.n_deaths
    score = (made.w[rows.deaths] * g[rows.row]) @ x[rows.deaths]
    sums = np.zeros((3, x.shape[1], x.shape[1]))
    for part in tied_rows(rows, ties=made.ties):
        k, f = part.k, part.fraction
        zero = risk.zero[k] - f * dead.zero[k]
        mean = (risk.one[k] - f[:, None] * dead.one[k]) / zero[:, None]
        score = score - (share[k] * g[k]) @ mean
        for power in range(3):
            weight = share[k] * g[k] ** power
            sums[power] += weighted_sum(rows, risk.two, dead.two, k, f, weight / zero)
            sums[power] -= (mean * weight[:, None]).T @ mean
    return score, (sums[0], sums[1], sums[2])
