"""How well predictions agree with outcomes: calibration, Brier score, concordance, net benefit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from commensal.errors import InputError, RefusedError
from commensal.evidence.logistic import logistic
from commensal.evidence.prediction.smooth import smoother

Array = np.ndarray
Numbers = Sequence[float] | Array

NEAREST_TO_CERTAIN = 1e-9
THRESHOLDS = tuple(round(0.05 * i, 2) for i in range(1, 20))


@dataclass(frozen=True, eq=False)
class Calibration:
    """Agreement of predicted probabilities with outcomes.

    ``slope`` and ``intercept`` of logit P(outcome) = intercept + slope · logit(predicted), ``in_the_large``
    the intercept with the slope held at 1, each with its standard error; ``observed_to_expected`` the sum of
    outcomes over that of predictions. ``ici``, ``e50`` and ``e90``: mean, median and 90th centile of
    |smoothed outcome − prediction|, the smoothed outcome as it comes. ``curve`` (p, 4): predicted, observed,
    lower, upper, the observed cut to 0 and 1.
    """

    slope: float
    slope_se: float
    intercept: float
    intercept_se: float
    in_the_large: float
    in_the_large_se: float
    observed_to_expected: float
    ici: float
    e50: float
    e90: float
    curve: Array


@dataclass(frozen=True)
class Brier:
    """Mean squared error of probabilities, that of the overall share, and 1 minus their ratio."""

    score: float
    null: float
    scaled: float


@dataclass(frozen=True)
class Auroc:
    """Chance that a patient with the outcome has the higher prediction, ties counting one half."""

    estimate: float
    se: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class DecisionCurve:
    """Net benefit (t,) of acting by the model, on everybody and on nobody, at each threshold (t,)."""

    thresholds: Array
    model: Array
    treat_all: Array
    treat_none: Array


def checked(
    outcome: Numbers, predicted: Numbers, weights: Numbers | None = None
) -> tuple[Array, Array, Array]:
    """Return outcomes, predictions and weights as arrays (n,).

    Refuses (InputError) arrays of different lengths, empty ones, outcomes other than 0 and 1, predictions
    outside 0 to 1, missing values and negative weights.
    """
    y, p = np.asarray(outcome, dtype=float), np.asarray(predicted, dtype=float)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    if y.ndim != 1 or y.shape != p.shape or y.shape != w.shape or not len(y):
        raise InputError(
            f"{y.shape} outcomes, {p.shape} predictions and {w.shape} weights",
            expected="one outcome, one prediction and one weight for each patient",
        )
    is_fit = np.isin(y, (0, 1)).all() and ((p >= 0) & (p <= 1)).all() and (w >= 0).all()
    if not (is_fit and np.isfinite(w).all() and w.sum() > 0):
        raise InputError(
            "outcomes, predictions or weights are missing or out of range",
            expected="outcomes of 0 and 1, probabilities, weights of zero or more",
            do="leave out who was not observed, and count them",
        )
    return y, p, w


def log_odds(predicted: Array) -> Array:
    """Return the log-odds; a probability of 0 or 1 counts as 1e-9 away from it."""
    return logit(np.clip(predicted, NEAREST_TO_CERTAIN, 1 - NEAREST_TO_CERTAIN))


def calibration(
    outcome: Numbers,
    predicted: Numbers,
    *,
    weights: Numbers | None = None,
    span: float = 0.75,
    level: float = 0.95,
    points: int = 50,
) -> Calibration:
    """Calibration of predicted probabilities (n,) of an outcome (n,) of 0 and 1; ``weights`` (n,) of
    patients.

    Refuses: InputError as :func:`checked`; RefusedError where all outcomes are alike, where predictions are
    constant or tell the outcomes apart without error, and below 20 patients.

    Notes
    -----
    The curve is loess of the outcome on the prediction (degree 2, tricube, neighbourhoods of ``span``), its
    interval pointwise from the linear smoother with binomial variance. Weighted standard errors of slope and
    intercepts are robust (sandwich).

    References
    ----------
    Van Calster et al. 2019, doi:10.1186/s12916-019-1466-7. Austin & Steyerberg 2019, doi:10.1002/sim.8281.
    Cleveland et al. 1992, Statistical Models in S, chapter 8.

    Example
    -------
    >>> import numpy as np
    >>> p = np.linspace(0.05, 0.95, 40)
    >>> y = (np.arange(40) % 3 == 0) | (p > 0.7)
    >>> round(calibration(y, p).observed_to_expected, 2)
    1.05
    """
    y, p, w = checked(outcome, predicted, weights)
    eta = log_odds(p)
    design = np.column_stack([np.ones(len(y)), eta])
    fit = logistic(design, y, weights=w)
    covariance = fit.covariance if weights is None else _robust(design, y, w, fit.fitted, fit.covariance)
    large, large_se = _in_the_large(eta, y, w, is_robust=weights is not None)
    smooth = smoother(p, span=span)
    away = np.abs(smooth.curves(y, w[None], p)[0] - p)
    half, tenth = _quantiles(away, w, (0.5, 0.9))
    return Calibration(
        slope=float(fit.coefficients[1]),
        slope_se=float(np.sqrt(covariance[1, 1])),
        intercept=float(fit.coefficients[0]),
        intercept_se=float(np.sqrt(covariance[0, 0])),
        in_the_large=large,
        in_the_large_se=large_se,
        observed_to_expected=float((w * y).sum() / (w * p).sum()),
        ici=float((w * away).sum() / w.sum()),
        e50=half,
        e90=tenth,
        curve=_curve(smooth, y, p, w, points=points, level=level),
    )


def _robust(design: Array, y: Array, w: Array, fitted: Array, covariance: Array) -> Array:
    scores = design * (w * (y - fitted))[:, None]
    return covariance @ (scores.T @ scores) @ covariance


def _in_the_large(eta: Array, y: Array, w: Array, *, is_robust: bool) -> tuple[float, float]:
    shift = 0.0
    for _ in range(50):
        mu = expit(shift + eta)
        step = (w * (y - mu)).sum() / (w * mu * (1 - mu)).sum()
        shift += float(np.clip(step, -2, 2))
        if abs(step) < 1e-12:
            break
    mu = expit(shift + eta)
    information = (w * mu * (1 - mu)).sum()
    variance = ((w * (y - mu)) ** 2).sum() / information**2 if is_robust else 1 / information
    return shift, float(np.sqrt(variance))


def _quantiles(values: Array, weights: Array, at: Sequence[float]) -> list[float]:
    """Weighted quantiles; with equal weights those of linear interpolation between order statistics."""
    if np.ptp(weights) == 0:
        return [float(v) for v in np.quantile(values, at)]
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return [float(values[order][min(np.searchsorted(reached, a), len(values) - 1)]) for a in at]


def _curve(smooth, y: Array, p: Array, w: Array, *, points: int, level: float) -> Array:
    grid = np.linspace(p.min(), p.max(), points)
    rows = smooth.operator(w, grid)
    fitted = np.clip(smooth.curves(y, w[None], p)[0], 0, 1)
    observed = rows @ y
    half = norm.ppf((1 + level) / 2) * np.sqrt(rows**2 @ (fitted * (1 - fitted)))
    return np.column_stack([grid, *(np.clip(v, 0, 1) for v in (observed, observed - half, observed + half))])


def brier(outcome: Numbers, predicted: Numbers, *, weights: Numbers | None = None) -> Brier:
    """Brier score of predicted probabilities (n,): Σ w (p − y)² / Σ w.

    ``null`` is the score of predicting everybody the (weighted) overall share s, s (1 − s); ``scaled`` is
    1 − score / null: 1 is perfect, 0 no better than the share, negative worse; NaN is refused.

    Refuses: InputError as :func:`checked`; RefusedError where all outcomes are alike (nothing to scale by).

    References
    ----------
    Brier 1950, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2. Steyerberg et al. 2010,
    doi:10.1097/EDE.0b013e3181c30fb2.

    Example
    -------
    >>> brier([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5])
    Brier(score=0.25, null=0.25, scaled=0.0)
    """
    y, p, w = checked(outcome, predicted, weights)
    share = float((w * y).sum() / w.sum())
    if share in (0.0, 1.0):
        raise RefusedError(f"all {len(y)} outcomes are alike: there is no score to scale by")
    score, null = float((w * (p - y) ** 2).sum() / w.sum()), share * (1 - share)
    return Brier(score, null, 1 - score / null)


def censored_brier(
    times: Numbers, events: Sequence[bool] | Array, survival: Numbers, *, horizon: float
) -> Brier:
    """Brier score at ``horizon`` of predicted survival (n,) when follow-up (n,) may end before it.

    ``events`` is true where follow-up ended in the event. Those with an event by the horizon count
    survival² / G(T−), those followed beyond it (1 − survival)² / G(horizon), those censored before it
    nothing; G is the Kaplan–Meier estimate of staying uncensored, events before censorings at equal times.
    ``null`` predicts everybody the Kaplan–Meier survival.

    Refuses: InputError for missing values or lengths that differ; RefusedError where nobody is followed to
    the horizon or nobody has the event by then.

    References
    ----------
    Graf et al. 1999, doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5.
    """
    t, s = np.asarray(times, dtype=float), np.asarray(survival, dtype=float)
    e = np.asarray(events, dtype=bool)
    if not (t.shape == s.shape == e.shape) or not np.isfinite(t).all() or not ((s >= 0) & (s <= 1)).all():
        raise InputError(
            "times, events and predicted survival do not fit", expected="one finite number of each a patient"
        )
    is_dead, is_beyond = (t <= horizon) & e, t > horizon
    if not is_dead.any() or not is_beyond.any():
        raise RefusedError(
            f"{int(is_dead.sum())} events by {horizon:g} and {int(is_beyond.sum())} followed beyond"
        )
    kept = np.where(is_dead, uncensored(t, e, at=t), uncensored(t, e, at=np.nextafter(horizon, np.inf)))
    weights = np.where(is_dead | is_beyond, 1 / kept, 0.0)
    share = float((weights * is_beyond).sum() / weights.sum())
    score = float((weights * (is_beyond - s) ** 2).sum() / len(t))
    null = float((weights * (is_beyond - share) ** 2).sum() / len(t))
    return Brier(score, null, 1 - score / null)


def uncensored(times: Array, events: Array, *, at: Array | float) -> Array:
    """Return G(at−), the Kaplan–Meier chance of not being censored before ``at``; events go first in ties."""
    day, position = np.unique(times, return_inverse=True)
    n_events = np.bincount(position, weights=events, minlength=len(day))
    n_all = np.bincount(position, minlength=len(day))
    at_risk = n_all[::-1].cumsum()[::-1] - n_events
    n_censored = n_all - n_events
    steps = np.divide(n_censored, at_risk, out=np.zeros(len(day)), where=at_risk > 0)
    after = np.concatenate([[1.0], np.cumprod(1 - steps)])
    return after[np.searchsorted(day, at, side="left")]


def auroc(
    outcome: Numbers, predicted: Numbers, *, weights: Numbers | None = None, level: float = 0.95
) -> Auroc:
    """Area under the ROC curve of predictions (n,), with DeLong's standard error and logit limits.

    Weighted, each pair counts the product of its weights. For outcomes that may be censored see the
    concordance of survival.

    Refuses: InputError as :func:`checked` (any finite prediction between 0 and 1); RefusedError with fewer
    than two patients with the outcome or two without.

    References
    ----------
    DeLong et al. 1988, doi:10.2307/2531595. Sun & Xu 2014, doi:10.1109/LSP.2014.2337313.

    Example
    -------
    >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]).estimate
    0.75
    """
    y, p, w = checked(outcome, predicted, weights)
    is_case = (y == 1) & (w > 0)
    is_control = (y == 0) & (w > 0)
    n_cases, n_controls = int(is_case.sum()), int(is_control.sum())
    if min(n_cases, n_controls) < 2:
        raise RefusedError(f"{n_cases} with the outcome and {n_controls} without: no area to estimate")
    above = _share_below(p[is_case], p[is_control], w[is_control])
    below = 1 - _share_below(p[is_control], p[is_case], w[is_case])
    cases, controls = w[is_case] / w[is_case].sum(), w[is_control] / w[is_control].sum()
    area = float(cases @ above)
    spread = [
        float(part**2 @ (values - area) ** 2) * n / (n - 1)
        for part, values, n in ((cases, above, n_cases), (controls, below, n_controls))
    ]
    se = float(np.sqrt(sum(spread)))
    return Auroc(area, se, *_logit_limits(area, se, level))


def _share_below(points: Array, others: Array, weights: Array) -> Array:
    """Weighted share of ``others`` below each point, ties one half."""
    order = np.argsort(others, kind="stable")
    reached = np.concatenate([[0.0], np.cumsum(weights[order])])
    left = reached[np.searchsorted(others[order], points, side="left")]
    right = reached[np.searchsorted(others[order], points, side="right")]
    return (left + right) / 2 / reached[-1]


def _logit_limits(area: float, se: float, level: float) -> tuple[float, float]:
    if not 0 < area < 1:
        return area, area
    half = norm.ppf((1 + level) / 2) * se / (area * (1 - area))
    return float(expit(logit(area) - half)), float(expit(logit(area) + half))


def decision_curve(
    outcome: Numbers,
    predicted: Numbers,
    *,
    weights: Numbers | None = None,
    thresholds: Sequence[float] | Array = THRESHOLDS,
) -> DecisionCurve:
    """Net benefit of acting where the predicted probability reaches a threshold.

    Net benefit = (true positives − false positives · t / (1 − t)) / n: benefits per patient when one benefit
    weighs as much as (1 − t) / t needless actions. A patient exactly at the threshold is acted on.

    Refuses: InputError as :func:`checked`, and for thresholds outside 0 to 1 (both excluded).

    References
    ----------
    Vickers & Elkin 2006, doi:10.1177/0272989X06295361.

    Example
    -------
    >>> decision_curve([1, 0, 1, 0], [0.9, 0.2, 0.6, 0.5], thresholds=[0.5]).model
    array([0.25])
    """
    y, p, w = checked(outcome, predicted, weights)
    t = np.asarray(thresholds, dtype=float)
    if not ((t > 0) & (t < 1)).all():
        raise InputError("a threshold lies outside 0 to 1", expected="probabilities above 0 and below 1")
    odds, share = t / (1 - t), float((w * y).sum() / w.sum())
    acted = p[:, None] >= t
    true, false = (w * y) @ acted / w.sum(), (w * (1 - y)) @ acted / w.sum()
    return DecisionCurve(t, true - false * odds, share - (1 - share) * odds, np.zeros(len(t)))
