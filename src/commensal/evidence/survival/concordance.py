"""Concordance of a prediction with time to event: Harrell's C and Uno's C, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from commensal.errors import InputError, RefusedError
from commensal.evidence.survival.limits import quantile_of
from commensal.evidence.survival.risk_sets import Array, numbers, observed


@dataclass(frozen=True)
class Concordance:
    """C with its standard error and limits, and the (weighted) pairs it counts."""

    estimate: float
    se: float
    lower: float
    upper: float
    concordant: float
    discordant: float
    tied: float
    method: str


def concordance(
    time: Any,
    event: Any,
    risk: Any,
    *,
    kind: str = "harrell",
    weights: Any = None,
    until: float | None = None,
    level: float = 0.95,
) -> Concordance:
    """Probability that of two patients the one with the larger predicted ``risk`` has the event first.

    ``event`` 0 is censored, anything else the event; ``risk`` (n,) in any unit; ``kind`` "harrell" or "uno"
    (pairs weighted by n/G(t−)², G the censoring curve, so that the estimand does not depend on censoring);
    ``until`` counts only events up to that time (Uno's τ).

    Refuses: InputError for values that do not fit; RefusedError where no pair can be compared.

    Notes
        C = (concordant + ½ tied predictions) / comparable. A pair is comparable where the earlier time is an
        event; an event comes before a censoring at its time; two events at one time are not compared. SE by
        the infinitesimal jackknife over patients, the censoring weights held fixed.
    References: Harrell, JAMA 1982;247:2543; Uno, Stat Med 2011;30:1105.
    """
    import commensal.evidence.survival._kernels as kernels  # numba: imported late

    if kind not in ("harrell", "uno"):
        raise InputError(f"concordance {kind!r} is not known", expected="harrell or uno")
    data = observed(time, event, weights=weights)
    score = numbers(risk).astype(float)
    if len(score) != len(data.time) or not np.isfinite(score).all():
        missing = int((~np.isfinite(score)).sum())
        raise InputError(
            f"{len(score)} predictions for {len(data.time)} patients, {missing} of them missing",
            expected="one finite number a patient",
            do="leave out patients without a prediction, and count them",
        )
    is_event = data.event != 0
    order = np.lexsort((is_event, -data.time.astype(float)))
    _, rank = np.unique(score, return_inverse=True)
    _, place = np.unique(-data.time.astype(float), return_inverse=True)
    counted = np.ones(len(score)) if kind == "harrell" else _uno_weights(data.time, is_event)
    if until is not None:
        counted = np.where(data.time <= until, counted, 0.0)
    pairs = np.empty((len(score), 3))
    pairs[order] = kernels.pair_sums(
        rank[order], int(rank.max()) + 1, place[order], is_event[order], data.weights[order], counted[order]
    )
    return _summed(pairs, data.weights, n_events=int(is_event.sum()), kind=kind, level=level)


def _uno_weights(time: Array, is_event: Array) -> Array:
    """n/G(t−)², events before censorings at one time; scaled by n, which no ratio sees."""
    grid, place = np.unique(time, return_inverse=True)
    left = np.bincount(place, minlength=len(grid))
    died = np.bincount(place[is_event], minlength=len(grid))
    at_risk = np.cumsum(left[::-1])[::-1] - died
    stays = np.divide(at_risk - (left - died), at_risk, out=np.ones(len(grid)), where=at_risk > 0)
    before = np.concatenate([[1.0], np.cumprod(stays)[:-1]])[place]
    # Where G has come to zero nobody is left to compare with.
    return np.divide(1.0, before**2, out=np.zeros(len(time)), where=before > 0)


def _summed(pairs: Array, w: Array, *, n_events: int, kind: str, level: float) -> Concordance:
    # Each pair is counted at both of its patients.
    concordant, discordant, tied = (w @ pairs) / 2
    comparable = concordant + discordant + tied
    if not comparable > 0:
        raise RefusedError(f"no two of {len(w)} patients can be compared ({n_events} events)")
    estimate = (concordant + tied / 2) / comparable
    own = pairs[:, 0] + pairs[:, 2] / 2 - estimate * pairs.sum(axis=1)
    se = float(np.sqrt(((w * own / comparable) ** 2).sum()))
    width = quantile_of(level) * se
    return Concordance(
        estimate=float(estimate),
        se=se,
        lower=max(float(estimate) - width, 0.0),
        upper=min(float(estimate) + width, 1.0),
        concordant=float(concordant),
        discordant=float(discordant),
        tied=float(tied),
        method=f"{kind.capitalize()}'s C, infinitesimal jackknife",
    )
