"""Measures of a prediction under many weightings at once: bootstrap intervals without refitting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from commensal.errors import RefusedError
from commensal.evidence.prediction.metrics import log_odds
from commensal.evidence.prediction.smooth import Smoother, smoother

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Judged:
    """Out-of-sample predictions (n,) with their outcomes (n,) of 0 and 1 and weights (b, n).

    The first row of ``weights`` are the patients' own weights, the others those times how often a bootstrap
    sample drew each patient.
    """

    outcome: Array
    predicted: Array
    weights: Array

    @cached_property
    def smooth(self) -> tuple[Smoother, tuple[Array, Array]]:
        """The smoother of the predictions and its fits for each row of weights; refuses as the smoother."""
        made = smoother(self.predicted)
        return made, made.fits(self.outcome, self.weights)

    @cached_property
    def order(self) -> Array:
        """Positions by rising prediction, (n,)."""
        return np.argsort(self.predicted, kind="stable")


@dataclass(frozen=True)
class Resampled:
    """An estimate, its bootstrap standard error and percentile limits, and how many samples had none."""

    estimate: float
    se: float
    lower: float
    upper: float
    n_failed: int = 0


def drawn(weights: Array, *, n_samples: int, generator: np.random.Generator) -> Array:
    """Return weights (1 + n_samples, n): the patients' own, then those of samples with replacement."""
    n = len(weights)
    picks = generator.integers(0, n, size=(n_samples, n)) + n * np.arange(n_samples)[:, None]
    counts = np.bincount(picks.ravel(), minlength=n * n_samples).reshape(n_samples, n)
    return np.vstack([weights, counts * weights])


def resampled(values: Array, *, level: float) -> Resampled:
    """Return the estimate (first of ``values``, (b,)) with the spread of the others."""
    others = values[1:][np.isfinite(values[1:])]
    tail = (1 - level) / 2
    lower, upper = np.quantile(others, [tail, 1 - tail])
    return Resampled(
        float(values[0]),
        float(others.std(ddof=1)),
        float(lower),
        float(upper),
        len(values) - 1 - len(others),
    )


def areas_of(judged: Judged, is_member: Array | None = None) -> Array:
    """Area under the ROC curve, of all or of the members (n,), for each row of weights: (b,)."""
    from commensal.evidence.prediction._kernels import areas

    order = judged.order if is_member is None else judged.order[is_member[judged.order]]
    return areas(judged.outcome, judged.predicted, order, judged.weights)


def brier_of(judged: Judged) -> tuple[Array, Array]:
    """Brier score and scaled Brier score for each row of weights, (b,) each."""
    total = judged.weights.sum(axis=1)
    score = judged.weights @ (judged.predicted - judged.outcome) ** 2 / total
    share = judged.weights @ judged.outcome / total
    return score, _ratio(score, share * (1 - share), complement=True)


def observed_to_expected(judged: Judged, is_member: Array | None = None) -> Array:
    """Sum of outcomes over sum of predictions, of all or of the members, for each row of weights: (b,)."""
    member = 1.0 if is_member is None else is_member
    return _ratio(judged.weights @ (judged.outcome * member), judged.weights @ (judged.predicted * member))


def brier_within(judged: Judged, is_member: Array) -> Array:
    """Brier score of the members (n,) for each row of weights: (b,)."""
    loss = (judged.predicted - judged.outcome) ** 2
    return _ratio(judged.weights @ (loss * is_member), judged.weights @ is_member.astype(float))


def _ratio(above: Array, below: Array, *, complement: bool = False) -> Array:
    found = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return 1 - found if complement else found


def recalibration_of(judged: Judged) -> tuple[Array, Array]:
    """Calibration slope and intercept for each row of weights, (b,) each; NaN where there is no maximum."""
    from commensal.evidence.prediction._kernels import recalibrated

    eta, outcome = log_odds(judged.predicted), judged.outcome.astype(float)
    first = recalibrated(eta, outcome, judged.weights[:1], np.array([0.0, 1.0]), 1e-10)
    start = first[0] if np.isfinite(first).all() else np.array([0.0, 1.0])
    # Newton's last step below 1e-4 leaves an error of about its square.
    found = np.concatenate([first, recalibrated(eta, outcome, judged.weights[1:], start, 1e-4)])
    return found[:, 1], found[:, 0]


def calibration_curves(judged: Judged, grid: Array) -> tuple[Array, Array]:
    """Integrated calibration index (b,) and smoothed outcomes at ``grid``, (b, g), for each row of weights.

    The neighbourhoods are those of the whole sample. Refuses (RefusedError) as :func:`smooth.smoother`.
    """
    smooth, fits = judged.smooth

    def curves(points: Array) -> Array:
        value, slope = smooth.basis(points)
        return fits[0] @ value + fits[1] @ slope

    away = np.abs(curves(judged.predicted) - judged.predicted)
    return (judged.weights * away).sum(axis=1) / judged.weights.sum(axis=1), np.clip(curves(grid), 0, 1)


def net_benefits(judged: Judged, thresholds: Array) -> Mapping[str, Array]:
    """Net benefit (b, t) of acting by the model and on everybody, for each row of weights."""
    total, odds = judged.weights.sum(axis=1)[:, None], thresholds / (1 - thresholds)
    acted = (judged.predicted[:, None] >= thresholds).astype(float)
    cases, controls = judged.weights * judged.outcome, judged.weights * (1 - judged.outcome)
    share = cases.sum(axis=1)[:, None] / total
    model = (cases @ acted - (controls @ acted) * odds) / total
    return {"model": model, "all": share - (1 - share) * odds}


def measures_of(judged: Judged) -> dict[str, Array]:
    """Every measure of :data:`MEASURES` for each row of weights, (b,) each; one that fails is NaN."""
    score, scaled = brier_of(judged)
    slope, intercept = recalibration_of(judged)
    try:
        ici = calibration_curves(judged, np.zeros(0))[0]
    except RefusedError:
        ici = np.full(len(judged.weights), np.nan)
    return {
        "auroc": areas_of(judged),
        "calibration_slope": slope,
        "calibration_intercept": intercept,
        "observed_to_expected": observed_to_expected(judged),
        "ici": ici,
        "brier": score,
        "scaled_brier": scaled,
    }


MEASURES = {
    "auroc": "area under the ROC curve",
    "calibration_slope": "slope of the outcome on the logit of the prediction",
    "calibration_intercept": "intercept of the outcome on the logit of the prediction",
    "observed_to_expected": "sum of outcomes over sum of predictions",
    "ici": "integrated calibration index, loess of degree 2 and span 0.75",
    "brier": "mean squared error of the probability",
    "scaled_brier": "1 minus the Brier score over that of the overall share",
}
