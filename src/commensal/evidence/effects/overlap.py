"""Overlap weights: two groups compared where either treatment was possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import norm

from commensal.errors import InputError, RefusedError
from commensal.evidence.logistic import LogisticFit, logistic

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class OverlapWeights:
    """Weights of two groups and what they do.

    ``propensity`` (n,) is the chance of the second group, ``weights`` (n,) one minus the chance of the group
    a patient is in; ``balance`` one row a covariate: [covariate, first, second, standardised_difference,
    weighted_first, weighted_second, weighted_standardised_difference], differences second less first in
    standard deviations of the unweighted groups (root of the mean variance), null where both are constant and
    differ. ``effective`` sample sizes (Kish) of first and second group; ``counts`` patients of each.
    ``scores`` (n, p + 1) are each patient's influence on the propensity model of ``design`` (n, p + 1).
    """

    is_second: Array
    propensity: Array
    weights: Array
    balance: pl.DataFrame
    counts: tuple[int, int]
    effective: tuple[float, float]
    scores: Array
    design: Array


@dataclass(frozen=True)
class Contrast:
    """A weighted contrast of two groups: second less first, with limits and a two-sided normal p value."""

    estimate: float
    se: float
    lower: float
    upper: float
    p_value: float


@dataclass(frozen=True)
class WeightedRisks:
    """Risks of the two groups in the overlap population, their difference and log odds ratio."""

    first: float
    second: float
    risk_difference: Contrast
    log_odds_ratio: Contrast | None


def overlap_weights(
    is_second: Array | Sequence[int], *, covariates: Array, names: Sequence[str] = ()
) -> OverlapWeights:
    """Weigh each patient by the chance of the other group.

    Parameters
    ----------
    is_second : (n,) 1 for the second group, 0 for the first.
    covariates : (n, p) design of the propensity model without its intercept, nothing missing.
    names : names of the columns.

    Refuses
    -------
    InputError for shapes and missing values; RefusedError, with the counts, where one group is empty, a
    column is constant or depends on others, and where covariates separate the groups (nobody could have been
    in either).

    Notes
    -----
    Propensity e by unpenalised logistic regression; weight 1 − e in the second group and e in the first.
    The means of every covariate in the model are then exactly equal. The estimand is the average effect in
    the overlap population: patients for whom either group was likely. Nobody's weight exceeds 1.

    References
    ----------
    Li, Morgan & Zaslavsky 2018, doi:10.1080/01621459.2016.1260466.
    """
    z, x = np.asarray(is_second, dtype=float), np.asarray(covariates, dtype=float)
    if x.ndim != 2 or len(x) != len(z):
        raise InputError(
            f"covariates of shape {x.shape} for {len(z)} patients", expected="one row for each patient"
        )
    columns = tuple(names) or tuple(f"x{i}" for i in range(x.shape[1]))
    if len(columns) != x.shape[1]:
        raise InputError(f"{len(columns)} names for {x.shape[1]} covariates", expected="one each")
    design = np.column_stack([np.ones(len(z)), x])
    fit = _propensity(design, z)
    weights = np.where(z == 1, 1 - fit.fitted, fit.fitted)
    return OverlapWeights(
        is_second=z == 1,
        propensity=fit.fitted,
        weights=weights,
        balance=_balance(x, z, weights, columns),
        counts=(int((z == 0).sum()), int((z == 1).sum())),
        effective=(effective_size(weights[z == 0]), effective_size(weights[z == 1])),
        scores=(design * (z - fit.fitted)[:, None]) @ fit.covariance,
        design=design,
    )


def _propensity(design: Array, z: Array) -> LogisticFit:
    n_second = int(z.sum())
    try:
        return logistic(design, z)
    except RefusedError as refused:
        raise RefusedError(
            f"groups of {len(z) - n_second} and {n_second} cannot be weighed: {refused.what}",
            expected="two groups that overlap in every covariate",
            do="compare where both were given, or take out the covariate that tells them apart",
        ) from refused


def effective_size(weights: Array) -> float:
    """Return Kish's effective sample size (Σw)²/Σw²; 0 where all weights are 0."""
    total = float((weights**2).sum())
    return float(weights.sum()) ** 2 / total if total > 0 else 0.0


def standardised_difference(values: Array, *, is_second: Array, weights: Array | None = None) -> float | None:
    """Return the mean of the second group less that of the first, over √((s₁² + s₂²)/2) without weights.

    ``values`` (n,) of 0 and 1 take p(1 − p) for the variance. Null where neither group varies but they
    differ: the groups are disjoint, no number stands for that; 0 where they are constant and alike.
    """
    second = np.asarray(is_second, dtype=bool)
    w = np.ones(len(values)) if weights is None else weights
    ddof = 0 if np.isin(values, (0, 1)).all() else 1
    if min(second.sum(), (~second).sum()) <= ddof:
        return None
    spread = np.sqrt((values[second].var(ddof=ddof) + values[~second].var(ddof=ddof)) / 2)
    gap = float(
        np.average(values[second], weights=w[second]) - np.average(values[~second], weights=w[~second])
    )
    if spread <= 1e-12:
        return 0.0 if abs(gap) <= 1e-12 else None
    return float(gap / spread)


def _balance(x: Array, z: Array, weights: Array, names: Sequence[str]) -> pl.DataFrame:
    second = z == 1
    rows = []
    for name, values in zip(names, x.T, strict=True):
        rows.append(
            {
                "covariate": name,
                "first": float(values[~second].mean()),
                "second": float(values[second].mean()),
                "standardised_difference": standardised_difference(values, is_second=second),
                "weighted_first": float(np.average(values[~second], weights=weights[~second])),
                "weighted_second": float(np.average(values[second], weights=weights[second])),
                "weighted_standardised_difference": standardised_difference(
                    values, is_second=second, weights=weights
                ),
            }
        )
    return pl.DataFrame(rows)


def weighted_risks(
    outcome: Array | Sequence[int], *, weights: OverlapWeights, level: float = 0.95
) -> WeightedRisks:
    """Return risks of both groups in the overlap population, their difference and log odds ratio.

    ``outcome`` (n,) of 0 and 1, in the order of the weights. Standard errors are sandwich estimates that
    count the propensity model as estimated. The odds ratio is None where a weighted risk is 0 or 1.

    Refuses (InputError) outcomes that are missing or others; RefusedError where all outcomes are alike.
    """
    y = np.asarray(outcome, dtype=float)
    if len(y) != len(weights.weights) or not np.isin(y, (0, 1)).all():
        raise InputError("the outcomes do not fit the weights", expected="0 or 1 for each patient weighed")
    if np.ptp(y) == 0:
        raise RefusedError(f"all {len(y)} outcomes are alike: {int(y.sum())} successes")
    first, of_first = _risk(y, weights, second=False)
    second, of_second = _risk(y, weights, second=True)
    difference = _contrast(second - first, of_second - of_first, level=level)
    ratio = None
    if min(first, second) > 0 and max(first, second) < 1:
        influence = of_second / (second * (1 - second)) - of_first / (first * (1 - first))
        ratio = _contrast(float(_logit(second) - _logit(first)), influence, level=level)
    return WeightedRisks(first, second, difference, ratio)


def _risk(y: Array, weights: OverlapWeights, *, second: bool) -> tuple[float, Array]:
    """The weighted risk of one group and each patient's influence on it, the propensity's included."""
    own = weights.is_second == second
    w = np.where(own, weights.weights, 0.0)
    total = w.sum()
    risk = float((w * y).sum() / total)
    e = weights.propensity
    # A weight 1 − e falls with the propensity, a weight e rises: both at the rate e(1 − e).
    slope = np.where(own, (-1.0 if second else 1.0) * e * (1 - e), 0.0)
    pull = (slope * (y - risk)) @ weights.design
    return risk, (w * (y - risk) + weights.scores @ pull) / total


def _contrast(estimate: float, influence: Array, *, level: float) -> Contrast:
    se = float(np.sqrt((influence**2).sum()))
    half = float(norm.ppf((1 + level) / 2)) * se
    p = float(2 * norm.sf(abs(estimate) / se)) if se > 0 else 1.0
    return Contrast(float(estimate), se, estimate - half, estimate + half, p)


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))
