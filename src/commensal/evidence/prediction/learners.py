"""The two kinds of model: logistic regression with a ridge penalty, and boosted trees.

Each is fitted once for a whole range of its tuning value; which value is used is chosen elsewhere, by
patients that the fit has not seen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

Array = np.ndarray

PENALTIES = tuple(float(v) for v in np.logspace(3, 0, 7))
ROUNDS = (10, 25, 50, 100)
NEWTON_STEPS = 25

BOOSTING = {
    "objective": "binary",
    "num_leaves": 4,
    "learning_rate": 0.08,
    "min_data_in_leaf": 20,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
    "seed": 1,
}

Fit = Callable[[Array, Array, Array, Array], Array]


def ridge_path(design: Array, outcome: Array, weights: Array) -> Array:
    """Return coefficients (penalties, p) of weighted logistic regression for each of :data:`PENALTIES`.

    The objective is Σ w log-likelihood − penalty / 2 · Σ β² without the first column (the intercept).
    """
    p = design.shape[1]
    beta, found = np.zeros(p), np.empty((len(PENALTIES), p))
    share = float(np.average(outcome, weights=weights))
    beta[0] = np.log(share / (1 - share))
    for i, penalty in enumerate(PENALTIES):
        beta = _newton(design, outcome, weights, beta, np.r_[0.0, np.full(p - 1, penalty)])
        found[i] = beta
    return found


def _newton(x: Array, y: Array, w: Array, beta: Array, penalty: Array) -> Array:
    value = _objective(x, y, w, beta, penalty)
    for _ in range(NEWTON_STEPS):
        mu = expit(x @ beta)
        information = (x * (w * mu * (1 - mu))[:, None]).T @ x + np.diag(penalty)
        step = np.linalg.solve(information, x.T @ (w * (y - mu)) - penalty * beta)
        reached = _objective(x, y, w, beta + step, penalty)
        while reached < value - 1e-9 and np.abs(step).max() > 1e-10:
            step = step / 2
            reached = _objective(x, y, w, beta + step, penalty)
        beta, gained, value = beta + step, reached - value, reached
        if gained < 1e-9 * (abs(value) + 1):
            break
    return beta


def _objective(x: Array, y: Array, w: Array, beta: Array, penalty: Array) -> float:
    eta = x @ beta
    return float(w @ (y * eta - np.logaddexp(0, eta)) - 0.5 * penalty @ beta**2)


def ridge(design: Array, outcome: Array, weights: Array, new: Array) -> Array:
    """Return probabilities (n_new, penalties) of new rows by :func:`ridge_path`."""
    return expit(new @ ridge_path(design, outcome, weights).T)


def boosting(design: Array, outcome: Array, weights: Array, new: Array) -> Array:
    """Return probabilities (n_new, rounds) of new rows by boosted trees after each of :data:`ROUNDS`.

    One thread and a fixed seed: the same rows give the same trees.
    """
    import lightgbm

    data = lightgbm.Dataset(design[:, 1:], outcome, weight=weights, params=BOOSTING)
    model = lightgbm.train(BOOSTING, data, num_boost_round=ROUNDS[-1])
    # Log-odds of trees add up: each stretch of trees is asked once.
    starts = (0, *ROUNDS[:-1])
    parts = [
        np.asarray(model.predict(new[:, 1:], start_iteration=a, num_iteration=b - a, raw_score=True))
        for a, b in zip(starts, ROUNDS, strict=True)
    ]
    return expit(np.cumsum(np.column_stack(parts), axis=1))


LEARNERS: dict[str, Fit] = {"ridge": ridge, "boosting": boosting}
TUNED = {"ridge": ("penalty", PENALTIES), "boosting": ("rounds", tuple(float(n) for n in ROUNDS))}
