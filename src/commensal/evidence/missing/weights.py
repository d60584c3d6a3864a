"""Weights that let those still seen stand for those who were not: censoring and visit intensity.

References: Robins & Finkelstein, Biometrics 2000;56:779 (doi:10.1111/j.0006-341X.2000.00779.x); Lin,
Scharfstein & Rosenheck, J R Stat Soc B 2004;66:791 (doi:10.1111/j.1467-9868.2004.b5543.x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from commensal.errors import InputError, RefusedError
from commensal.evidence.missing._conditional import logistic_mode

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class CensoringWeights:
    """Weights of n patients at one horizon.

    ``weights`` (n,): 1 over the probability of having stayed as long as was needed, 0 for the censored.
    ``stayed`` (n,) that probability. ``n_truncated`` weights were cut. ``effective_n`` is (Σw)²/Σw².
    """

    weights: Array
    stayed: Array
    n_truncated: int
    method: str

    @property
    def effective_n(self) -> float:
        """(Σw)² / Σw²; 0 where every weight is 0."""
        squares = float((self.weights**2).sum())
        return float(self.weights.sum()) ** 2 / squares if squares > 0 else 0.0


def censoring_weights(
    times: Array,
    is_event: Array,
    *,
    at: float,
    edges: Array | None = None,
    history: Array | None = None,
    truncate_at: float = 1.0,
) -> CensoringWeights:
    """Weigh the uncensored at the horizon ``at`` by the inverse of their chance of staying in follow-up.

    Parameters
    ----------
    times : (n,) event or censoring time, 0 or more. is_event : (n,) whether the event ended it.
    at : horizon. Uncensored are those with an event by then, and those followed to it or beyond.
    edges : (k + 1,) interval limits, the first 0 and the last at or after ``at``, and
    history : (n, k, p) what is recorded of each patient at the start of each interval: leaving in (edges[j],
        edges[j + 1]] follows a pooled logistic regression on the interval and that. Without both, the chance
        of staying is the Kaplan–Meier estimate of censoring, the same for all.
    truncate_at : weights above this quantile of the positive ones are cut to it; 1 cuts none.

    Refuses
    -------
    InputError: shapes that differ, missing or negative times, edges that do not span; RefusedError where
    nobody is uncensored at the horizon.

    Notes
    -----
    w = 1 / G(T−) for events by ``at``, 1 / G(at) for those under observation there. Events come before
    censorings at tied times: who has the event is not at risk of leaving then. With Kaplan–Meier weights
    Σ w·1{event by t} / n is exactly 1 − Ŝ(t). Unbiased where leaving depends on the recorded history alone.
    """
    t, d = np.asarray(times, dtype=float), np.asarray(is_event, dtype=bool)
    if t.shape != d.shape or t.ndim != 1 or not len(t) or not np.isfinite(t).all() or (t < 0).any():
        raise InputError(
            "times and events do not fit", expected="one time of 0 or more, and one flag, a patient"
        )
    if (edges is None) != (history is None):
        raise InputError("edges and history go together", expected="both, or neither")
    used = (d & (t <= at)) | (t >= at)
    if not used.any():
        raise RefusedError(f"of {len(t)} patients nobody is uncensored at {at}")
    if edges is None:
        stayed = _kaplan_meier_of_censoring(t, d, at=at)
        method = "Kaplan–Meier of censoring, events before censorings at ties"
    else:
        stayed = _pooled(
            t, d, at=at, edges=np.asarray(edges, dtype=float), history=np.asarray(history, dtype=float)
        )
        method = "pooled logistic regression of leaving on the recorded history, events before censorings"
    weights = np.where(used, 1 / np.where(used, stayed, 1.0), 0.0)
    weights, n_truncated = truncated(weights, at=truncate_at)
    return CensoringWeights(weights, stayed, n_truncated, method)


def truncated(weights: Array, *, at: float) -> tuple[Array, int]:
    """Return the weights cut to the quantile ``at`` of the positive ones, and how many were cut."""
    positive = weights[weights > 0]
    if at >= 1 or not len(positive):
        return weights, 0
    limit = float(np.quantile(positive, at))
    return np.minimum(weights, limit), int((weights > limit).sum())


def _kaplan_meier_of_censoring(t: Array, d: Array, *, at: float) -> Array:
    """G(T−) for events by ``at``; G(at−) for the others: who is censored at ``at`` was still seen there."""
    moments = np.unique(t)
    n_risk = np.array([(t >= s).sum() - (d & (t == s)).sum() for s in moments], dtype=float)
    n_left = np.array([((~d) & (t == s)).sum() for s in moments], dtype=float)
    survival = np.cumprod(1 - np.divide(n_left, n_risk, out=np.zeros_like(n_left), where=n_risk > 0))
    before = np.r_[1.0, survival]
    return before[np.searchsorted(moments, np.minimum(t, at), side="left")]


def _pooled(t: Array, d: Array, *, at: float, edges: Array, history: Array) -> Array:
    k = len(edges) - 1
    if history.shape[:2] != (len(t), k) or (np.diff(edges) <= 0).any() or edges[0] != 0 or edges[-1] < at:
        raise InputError(
            f"history of shape {history.shape} with {len(edges)} edges from {edges[0]} to {edges[-1]}",
            expected=f"({len(t)}, {k}, p), edges increasing from 0 to {at} or beyond",
        )
    ends = np.minimum(t, at)
    leaves = (~d & (t < at))[:, None] & (t[:, None] > edges[:-1]) & (t[:, None] <= edges[1:])
    leaves[:, 0] |= ~d & (t == 0) & (t < at)
    # At risk of leaving in an interval: seen through it, or left in it. Who has the event in it is not.
    at_risk = (ends[:, None] >= np.minimum(edges[1:], at)) & ~(d & (t <= at))[:, None]
    at_risk |= (d & (t <= at))[:, None] & (t[:, None] > edges[1:])
    at_risk = (at_risk | leaves) & (edges[:-1] < at)
    return retention(at_risk, leaves, history=history).stayed[:, -1]


@dataclass(frozen=True, eq=False)
class Retention:
    """A fitted model of leaving over k visits.

    ``stayed`` (n, k): chance of being there after each visit, over the visits at which the patient was at
    risk; ``chance`` (n, k) of leaving, for everybody. ``slopes`` (n, k, q): derivative of the logarithm of
    ``stayed`` by the coefficients; ``influence`` (n, q) of each patient on the coefficients, for standard
    errors that know the weights were estimated.
    """

    stayed: Array
    chance: Array
    slopes: Array
    influence: Array


def retention(at_risk: Array, leaves: Array, *, history: Array) -> Retention:
    """Fit the chance of leaving at each of k visits among those at risk, on the visit and the history.

    Parameters: ``at_risk`` and ``leaves`` (n, k) flags, ``history`` (n, k, p) finite wherever at risk.
    Visits at which nobody leaves have a chance of 0 of it and need no model.

    Refuses (InputError) history that is missing where someone is at risk.
    """
    n, k = at_risk.shape
    fitted = np.flatnonzero((leaves & at_risk).any(axis=0))
    if not len(fitted):
        nothing = np.zeros((n, k))
        return Retention(nothing + 1, nothing, np.zeros((n, k, 0)), np.zeros((n, 0)))
    risk = at_risk[:, fitted]
    x = history[:, fitted]
    if not np.isfinite(x[risk]).all():
        raise InputError("the history is missing at a visit at risk", expected="a finite number each")
    x = np.where(np.isfinite(x), x, 0.0)
    spread = x[risk].std(axis=0)
    x = np.where(spread > 1e-12, (x - x[risk].mean(axis=0)) / np.where(spread > 1e-12, spread, 1), 0.0)
    own = np.broadcast_to(np.eye(len(fitted)), (n, len(fitted), len(fitted)))
    design = np.concatenate([own, x], axis=2)
    gone = leaves[:, fitted]
    beta, covariance = logistic_mode(design[risk].T, gone[risk].astype(float), n_free=len(fitted))
    fitted_chance = np.minimum(expit(design @ beta), 1 - 1e-9)
    at_visit = np.where(risk, fitted_chance, 0.0)
    stayed, chance = np.zeros((n, k)), np.zeros((n, k))
    slopes = np.zeros((n, k, len(beta)))
    stayed[:, fitted] = np.log1p(-at_visit)
    chance[:, fitted] = fitted_chance
    slopes[:, fitted] = -at_visit[:, :, None] * design
    scores = (np.where(risk, gone - fitted_chance, 0.0)[:, :, None] * design).sum(axis=1)
    return Retention(
        np.exp(np.cumsum(stayed, axis=1)), chance, np.cumsum(slopes, axis=1), scores @ covariance
    )


@dataclass(frozen=True, eq=False)
class IntensityWeights:
    """Weights of visits. ``weights`` (v,): stabilised inverse intensity, 0 where an interval ended otherwise.
    ``log_rate_ratios`` (p,): how the recorded history changes how soon a patient comes."""

    weights: Array
    log_rate_ratios: Array
    method: str


def visit_intensity_weights(
    durations: Array,
    is_visit: Array,
    *,
    history: Array,
    periods: Array | None = None,
    truncate_at: float = 1.0,
) -> IntensityWeights:
    """Weigh visits by the inverse of how likely the patient was to come just then.

    Parameters
    ----------
    durations : (v,) days from one visit of a patient to the next, or to the end of follow-up; above 0.
    is_visit : (v,) whether a visit ended the interval.
    history : (v, p) what was recorded at the interval's start (the state then, say).
    periods : (v,) number of the period of follow-up; rates differ freely between periods.
    truncate_at : as in :func:`censoring_weights`.

    Refuses (InputError) shapes that differ, missing values, durations that are not above 0; RefusedError
    where there are no visits.

    Notes
    -----
    Poisson model of the recurrent event "visit": rate = λ(period) · exp(γ·history); the weight of a visit is
    λ₀(period)/rate, λ₀ the same model without the history. Where patients come because they are ill, visits
    of the ill weigh less. It corrects for visits driven by what had been recorded before, not by what only
    the visit itself revealed.
    """
    length, came, x = (
        np.asarray(durations, dtype=float),
        np.asarray(is_visit, dtype=bool),
        np.asarray(history, dtype=float),
    )
    period = np.zeros(len(length), dtype=int) if periods is None else np.asarray(periods)
    if x.ndim != 2 or not len(length) == len(came) == len(x) == len(period):
        raise InputError(
            "durations, visits, history and periods differ in length", expected="one row an interval"
        )
    if not (np.isfinite(x).all() and np.isfinite(length).all() and (length > 0).all()):
        raise InputError("missing history, or durations not above 0", expected="finite numbers")
    if not came.any():
        raise RefusedError(f"among {len(length)} intervals none ended in a visit")
    groups = np.unique(period[came])
    dummies = (period[:, None] == groups).astype(float)
    rates = np.array([came[period == g].sum() / length[period == g].sum() for g in groups])
    beta = _poisson(
        np.concatenate([dummies, x - x.mean(axis=0)], axis=1), came, np.log(length), start=np.log(rates)
    )
    ratio = np.exp((x - x.mean(axis=0)) @ beta[len(groups) :])
    plain = (dummies @ rates) / np.maximum(dummies @ np.exp(beta[: len(groups)]), 1e-300)
    weights, _ = truncated(np.where(came, plain / ratio, 0.0), at=truncate_at)
    return IntensityWeights(
        weights, beta[len(groups) :], "Poisson model of visits on period and recorded history, stabilised"
    )


def _poisson(design: Array, count: Array, offset: Array, *, start: Array) -> Array:
    """Poisson regression with a normal(0, 2.5) prior on all but the periods: finite for constant columns."""
    beta = np.r_[start, np.zeros(design.shape[1] - len(start))]
    precision = np.r_[np.full(len(start), 1e-10), np.full(design.shape[1] - len(start), 2.5**-2)]
    for _ in range(50):
        mean = np.exp(np.clip(design @ beta + offset, -50, 50))
        information = (design * mean[:, None]).T @ design + np.diag(precision)
        slope = design.T @ (count - mean) - precision * beta
        step = np.linalg.solve(information, slope)
        beta = beta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if slope @ step < 1e-12:
            break
    return beta
