"""Logistic regression by iteratively reweighted least squares: the model behind weights and expectations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from commensal.errors import InputError, RefusedError

Array = np.ndarray

MOST_STEPS = 50
CLOSE = 1e-10
# A fitted log-odds this large says that the predictors tell the outcome apart without error.
SEPARATED = 15.0


@dataclass(frozen=True)
class LogisticFit:
    """A fitted logistic regression: coefficients (p,), their covariance (p, p), fitted probabilities (n,)."""

    coefficients: Array
    covariance: Array
    fitted: Array
    log_likelihood: float


def logistic(
    design: Array, outcome: Array, *, weights: Array | None = None, ridge: float = 0.0
) -> LogisticFit:
    """Fit the probability of ``outcome`` (n,) of 0 and 1 by the columns of ``design`` (n, p).

    The intercept is a column of the design like others; the first column is not penalised. ``weights`` (n,)
    are frequency weights. ``ridge`` penalises half its value times the squared coefficients: 0 is maximum
    likelihood.

    Refuses: InputError for shapes or values that do not fit; RefusedError where all outcomes are alike, where
    a column is constant (besides the first) or depends on others, and where predictors separate the outcomes
    (there is no maximum), with the counts.
    """
    x, y, w = _checked(design, outcome, weights)
    penalty = np.full(x.shape[1], ridge)
    penalty[0] = 0.0
    _refuse_unfit(x, y, w, is_penalised=ridge > 0)
    beta = np.zeros(x.shape[1])
    previous = -np.inf
    for _ in range(MOST_STEPS):
        eta = x @ beta
        mu = expit(eta)
        information = (x * (w * mu * (1 - mu))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(information, x.T @ (w * (y - mu)) - penalty * beta)
        beta = beta + _halved(x, y, w, penalty, beta, step, previous)
        current = _objective(x, y, w, penalty, beta)
        if ridge == 0 and np.abs(x @ beta).max() > SEPARATED and np.abs(step).max() > 0.1:
            _refuse_separation(x, y)
        if abs(current - previous) < CLOSE * (abs(current) + CLOSE):
            break
        previous = current
    mu = expit(x @ beta)
    information = (x * (w * mu * (1 - mu))[:, None]).T @ x + np.diag(penalty)
    likelihood = _objective(x, y, w, np.zeros_like(penalty), beta)
    return LogisticFit(beta, np.linalg.inv(information), mu, float(likelihood))


def _checked(design: Array, outcome: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    x, y = np.asarray(design, dtype=float), np.asarray(outcome, dtype=float)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=float)
    if x.ndim != 2 or len(x) != len(y) or len(w) != len(y) or not len(y):
        raise InputError(
            f"a design of shape {x.shape} with {len(y)} outcomes and {len(w)} weights",
            expected="one row of the design, one outcome and one weight for each patient",
        )
    if not (np.isfinite(x).all() and np.isin(y, (0, 1)).all() and np.isfinite(w).all() and (w >= 0).all()):
        raise InputError(
            "the design, outcomes or weights hold missing or other values",
            expected="finite numbers, outcomes of 0 and 1, weights of zero or more",
            do="leave out or impute what is missing, and count it",
        )
    return x, y, w


def _refuse_unfit(x: Array, y: Array, w: Array, *, is_penalised: bool) -> None:
    used = w > 0
    n_events = int(y[used].sum())
    if n_events in (0, int(used.sum())):
        raise RefusedError(f"{n_events} events among {int(used.sum())}: all outcomes are alike")
    if not is_penalised and np.linalg.matrix_rank(x[used]) < x.shape[1]:
        raise RefusedError(
            f"of {x.shape[1]} columns some are constant or depend on others ({int(used.sum())} patients)"
        )


def _refuse_separation(x: Array, y: Array) -> None:
    raise RefusedError(
        f"the predictors separate the outcomes perfectly ({int(y.sum())} events among {len(y)}, "
        f"{x.shape[1]} columns): no finite coefficient fits"
    )


def _objective(x: Array, y: Array, w: Array, penalty: Array, beta: Array) -> float:
    eta = x @ beta
    return float((w * (y * eta - np.logaddexp(0, eta))).sum() - 0.5 * (penalty * beta**2).sum())


def _halved(x: Array, y: Array, w: Array, penalty: Array, beta: Array, step: Array, previous: float) -> Array:
    """The step, halved until the objective does not fall.

    Not by what rounding alone takes: next to the maximum half of a good step would be left out, and where it
    ends would hang on the order of the rows.
    """
    lowest = previous - 1e-12 * abs(previous)
    for _ in range(20):
        if _objective(x, y, w, penalty, beta + step) >= lowest:
            return step
        step = step / 2
    return step
