"""Outcomes weighted by the inverse chance of having been observed, given the recorded history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from commensal.evidence.designs import design_of
from commensal.evidence.missing._conditional import logistic_mode
from commensal.evidence.missing.panel import FAILED, RESPONDED, Panel, Target
from commensal.evidence.missing.settings import Settings
from commensal.evidence.missing.weights import Retention, retention, truncated

Array = np.ndarray

RARE_LEVEL = 20


@dataclass(frozen=True, eq=False)
class Weighted:
    """A weighted proportion: ``estimate`` with its ``se`` and limits, and the weights it rests on."""

    estimate: float
    se: float
    lower: float
    upper: float
    n: int
    n_events: int
    weights: Array
    n_truncated: int
    influence: Array

    @property
    def effective_n(self) -> float:
        """(Σw)² / Σw²."""
        return float(self.weights.sum()) ** 2 / float((self.weights**2).sum())


@dataclass(frozen=True, eq=False)
class Observation:
    """The model of being observed at a landmark among those still followed there."""

    chance: Array
    slopes: Array
    influence: Array


@dataclass(frozen=True, eq=False)
class Weighting:
    """The models of staying and of being observed; ``rests_on`` names what they condition on."""

    panel: Panel
    stay: Retention
    observation: dict[str, Observation]
    rests_on: str


def weighting_of(panel: Panel, targets: list[Target], *, settings: Settings) -> Weighting:
    """Fit both models for all patients together; covariates that are not known of all stay out of them."""
    fixed, names = _covariates(panel, settings)
    last = np.stack([panel.before == FAILED, panel.before == RESPONDED], axis=2).astype(float)
    history = np.concatenate([last, np.repeat(fixed[:, None], len(panel.visits), axis=1)], axis=2)
    stay = retention(panel.at_risk, panel.leaves, history=history)
    observed = {
        landmark: _observation(panel, [t for t in targets if t.landmark == landmark], history)
        for landmark in dict.fromkeys(t.landmark for t in targets)
    }
    rests_on = ", ".join(["visit", "last recorded state of the disease", *names])
    return Weighting(panel, stay, observed, rests_on)


def _covariates(panel: Panel, settings: Settings) -> tuple[Array, list[str]]:
    frame = panel.patients
    names = [c for c in dict.fromkeys(("indication", *settings.covariates)) if frame[c].null_count() == 0]
    if not frame.height or not names:
        return np.zeros((frame.height, 0)), names
    return design_of(frame, names, at_least=RARE_LEVEL).matrix[:, 1:], names


def _observation(panel: Panel, targets: list[Target], history: Array) -> Observation:
    """Missed visits, and visits at which the endpoint could not be judged."""
    n = len(panel.seen)
    rows = np.concatenate([t.rows for t in targets])
    visits = np.concatenate([np.full(len(t.rows), t.visit) for t in targets])
    seen = ~np.isnan(np.concatenate([t.outcome for t in targets]))
    there = (panel.at_risk & ~panel.leaves)[rows, visits]
    # Who failed for good before the window is known without a visit.
    asked = there & ~(panel.failed[rows] < panel.open[rows, visits])
    used, at = rows[asked], visits[asked]
    if not len(used) or seen[asked].all():
        return Observation(np.ones(n), np.zeros((n, 0)), np.zeros((n, 0)))
    x = history[used, at]
    spread = x.std(axis=0)
    design = np.c_[
        np.ones(len(used)),
        np.where(spread > 1e-12, (x - x.mean(axis=0)) / np.where(spread > 1e-12, spread, 1), 0),
    ]
    y = seen[asked].astype(float)
    beta, covariance = logistic_mode(design.T, y)
    fitted = expit(design @ beta)
    chance, slopes, influence = np.ones(n), np.zeros((n, len(beta))), np.zeros((n, len(beta)))
    chance[used] = fitted
    slopes[used] = (1 - fitted)[:, None] * design
    influence[used] = ((y - fitted)[:, None] * design) @ covariance
    return Observation(chance, slopes, influence)


def weighted(
    weighting: Weighting, target: Target, member: Array, *, truncate_at: float = 1.0, level: float = 0.95
) -> Weighted:
    """The weighted share of successes among the members (flags over ``target.rows``).

    Notes: μ = Σwy/Σw; the variance is the sum of squared influence values, the part of both estimated models
    included; limits on the logit scale. At 0 or all successes the limits are Wilson's on the effective
    number.
    """
    used = member & ~np.isnan(target.outcome)
    rows, y = target.rows[used], target.outcome[used]
    seen = weighting.observation[target.landmark]
    weights = 1 / (weighting.stay.stayed[rows, target.visit] * seen.chance[rows])
    weights, n_truncated = truncated(weights, at=truncate_at)
    total = weights.sum()
    mean = float(weights @ y / total)
    part = weights * (y - mean) / total
    influence = np.zeros(len(weighting.panel.seen))
    influence[rows] = part
    influence -= weighting.stay.influence @ (part @ weighting.stay.slopes[rows, target.visit])
    influence -= seen.influence @ (part @ seen.slopes[rows])
    se = float(np.sqrt((influence**2).sum()))
    lower, upper = _limits(mean, se, effective=float(total**2 / (weights**2).sum()), level=level)
    return Weighted(mean, se, lower, upper, len(y), int(y.sum()), weights, n_truncated, influence)


def _limits(mean: float, se: float, *, effective: float, level: float) -> tuple[float, float]:
    z = float(norm.ppf((1 + level) / 2))
    if not 0 < mean < 1:
        centre, shrink = (mean + z * z / (2 * effective)), 1 + z * z / effective
        half = z * np.sqrt(z * z / (4 * effective**2))
        return max(0.0, (centre - half) / shrink), min(1.0, (centre + half) / shrink)
    half = z * se / (mean * (1 - mean))
    return float(expit(logit(mean) - half)), float(expit(logit(mean) + half))
