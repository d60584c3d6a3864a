"""Conditional models that imputation draws from. Arrays in, arrays out.

Every function has the same form: ``x`` (n, p) coded columns without an intercept, about standardised, observed
rows in ``seen``; returns values for the rows of ``wanted`` and the coefficients to start from next time.

Prior of all but the linear model: slopes are normal around 0 with standard deviation SLOPE_SD per standard
deviation of the predictor, and half an observation of each level sits at the average patient. It keeps
separated or constant data finite, and shrinks toward the observed share, never toward one half.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import expit

Array = np.ndarray

SLOPE_SD = 2.5
MOST_STEPS = 30
# Newton stops once its decrement, in squared standard errors, is below this: the next step would be smaller.
CLOSE = 1e-3
LONGEST_STEP = 4.0
RIDGE = 1e-5


def predictive_mean_matching(
    x: Array, y: Array, seen: Array, wanted: Array, *, donors: int, rng: np.random.Generator
) -> Array:
    """Draw for each wanted row the value of one of the ``donors`` observed rows with the nearest predictions.

    Type-1 matching: predictions of observed rows by the estimate, of wanted rows by a draw from its posterior
    (flat prior; a ridge of 1e-5 of each column's squares against collinear columns).
    """
    a, b = _with_intercept(x[seen]), _with_intercept(x[wanted])
    gram = a.T @ a
    gram[np.diag_indices_from(gram)] *= 1 + RIDGE
    gram[np.diag_indices_from(gram)] += 1e-12
    chol = cho_factor(gram, lower=True)
    beta = cho_solve(chol, a.T @ y[seen])
    fitted = a @ beta
    left = float(((y[seen] - fitted) ** 2).sum())
    sigma = np.sqrt(left / rng.chisquare(max(len(fitted) - a.shape[1], 1)))
    drawn = beta + sigma * solve_triangular(chol[0], rng.standard_normal(len(beta)), lower=True, trans="T")
    return y[seen][matched(fitted, b @ drawn, donors=donors, rng=rng)]


def matched(offered: Array, asked: Array, *, donors: int, rng: np.random.Generator) -> Array:
    """Return for each of ``asked`` the position of one of its ``donors`` nearest in ``offered``.

    Ties are broken at random, so that the order of the rows does not choose the donor.
    """
    donors = min(donors, len(offered))
    shuffled = rng.permutation(len(offered))
    order = shuffled[np.argsort(offered[shuffled], kind="stable")]
    ranked = offered[order]
    # The nearest ``donors`` lie within that many places of where the prediction would be sorted in.
    first = np.clip(np.searchsorted(ranked, asked) - donors, 0, max(len(ranked) - 2 * donors, 0))
    near = first[:, None] + np.arange(min(2 * donors, len(ranked)))
    distance = np.abs(ranked[near] - asked[:, None])
    nearest = np.argpartition(distance, donors - 1, axis=1)[:, :donors]
    chosen = nearest[np.arange(len(asked)), rng.integers(0, donors, len(asked))]
    return order[near[np.arange(len(asked)), chosen]]


def draw_binary(
    x: Array, y: Array, seen: Array, wanted: Array, *, start: Array | None, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Draw 0 or 1 by a logistic regression whose coefficients are drawn from their posterior."""
    a, b = _with_intercept(x[seen]), _with_intercept(x[wanted])
    drawn, beta = logistic_draw(a, y[seen], start=start, rng=rng)
    return (rng.random(len(b)) < expit(b @ drawn)).astype(float), beta


def logistic_draw(
    a: Array, y: Array, *, start: Array | None, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Return a draw of the coefficients (first the intercept) and their posterior mode."""
    p = a.shape[1]
    precision = np.full(p, SLOPE_SD**-2)
    precision[0] = 0.0
    average = a.mean(axis=0)
    beta = np.zeros(p) if start is None else start
    for _ in range(MOST_STEPS):
        mu, middle = expit(a @ beta), float(expit(average @ beta))
        rooted = a * np.sqrt(mu * (1 - mu))[:, None]
        information = rooted.T @ rooted + middle * (1 - middle) * np.outer(average, average)
        information[np.diag_indices(p)] += precision + 1e-10
        slope = a.T @ (y - mu) + (0.5 - middle) * average - precision * beta
        chol = cho_factor(information, lower=True)
        step = cho_solve(chol, slope)
        beta = beta + step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        if slope @ step < CLOSE:
            break
    return beta + solve_triangular(chol[0], rng.standard_normal(p), lower=True, trans="T"), beta


def draw_ordered(
    x: Array,
    y: Array,
    seen: Array,
    wanted: Array,
    *,
    n_levels: int,
    start: Array | None,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Draw levels 0 … n_levels − 1 by proportional odds: logit P(Y ≤ k) = θ_k − xβ."""
    cuts = n_levels - 1
    a = x[seen]
    beta = _start_of_cuts(y[seen], n_levels, a.shape[1]) if start is None else start
    precision = np.r_[np.zeros(cuts), np.full(a.shape[1], SLOPE_SD**-2)]
    for _ in range(MOST_STEPS):
        slope, information = _ordered_score(a, y[seen], beta, n_levels)
        more = _ordered_score(
            np.repeat(a.mean(axis=0)[None], n_levels, axis=0), np.arange(n_levels), beta, n_levels
        )
        slope = slope + 0.5 * more[0] - precision * beta
        information = information + 0.5 * more[1] + np.diag(precision + 1e-10)
        step = np.linalg.solve(information, slope)
        beta = _ordered_step(beta, step, cuts)
        if slope @ step < CLOSE:
            break
    drawn = beta + np.linalg.solve(np.linalg.cholesky(information).T, rng.standard_normal(len(beta)))
    below = expit(np.maximum.accumulate(drawn[:cuts])[None] - (x[wanted] @ drawn[cuts:])[:, None])
    return (rng.random(len(below))[:, None] > below).sum(axis=1).astype(float), beta


def _start_of_cuts(y: Array, n_levels: int, p: int) -> Array:
    share = (np.bincount(y.astype(int), minlength=n_levels) + 0.5) / (len(y) + 0.5 * n_levels)
    below = np.cumsum(share)[:-1]
    return np.r_[np.log(below / (1 - below)), np.zeros(p)]


def _ordered_step(beta: Array, step: Array, cuts: int) -> Array:
    """The step, halved until the cut points stay in order."""
    step = step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
    for _ in range(20):
        if (np.diff((beta + step)[:cuts]) > 0).all():
            return beta + step
        step = step / 2
    return beta


def _ordered_score(a: Array, y: Array, beta: Array, n_levels: int) -> tuple[Array, Array]:
    """Score and expected information of the proportional odds model."""
    cuts = n_levels - 1
    level = y.astype(int)
    gamma = expit(beta[:cuts][None] - (a @ beta[cuts:])[:, None])
    density = gamma * (1 - gamma)
    chance = np.clip(np.diff(np.c_[np.zeros(len(a)), gamma, np.ones(len(a))], axis=1), 1e-10, 1)
    # Derivative of each level's probability by the cut point above it and the one below it.
    above, below = np.c_[density, np.zeros(len(a))], np.c_[np.zeros(len(a)), density]
    mine = np.arange(len(a))
    ratio = above[mine, level] / chance[mine, level], below[mine, level] / chance[mine, level]
    score = np.zeros_like(beta)
    np.add.at(score[:cuts], level[level < cuts], ratio[0][level < cuts])
    np.subtract.at(score[:cuts], level[level > 0] - 1, ratio[1][level > 0])
    score[cuts:] = -a.T @ (ratio[0] - ratio[1])
    information = np.zeros((len(beta), len(beta)))
    for k in range(cuts):
        information[k, k] = (density[:, k] ** 2 * (1 / chance[:, k] + 1 / chance[:, k + 1])).sum()
        if k:
            information[k, k - 1] = information[k - 1, k] = -(
                density[:, k] * density[:, k - 1] / chance[:, k]
            ).sum()
        shift = density[:, k] * (
            (above[:, k] - below[:, k]) / chance[:, k]
            - (above[:, k + 1] - below[:, k + 1]) / chance[:, k + 1]
        )
        information[k, cuts:] = information[cuts:, k] = -a.T @ shift
    weight = ((above - below) ** 2 / chance).sum(axis=1)
    rooted = a * np.sqrt(weight)[:, None]
    information[cuts:, cuts:] = rooted.T @ rooted
    return score, information


def draw_nominal(
    x: Array,
    y: Array,
    seen: Array,
    wanted: Array,
    *,
    n_levels: int,
    start: Array | None,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Draw levels 0 … n_levels − 1 by a multinomial logistic regression against level 0."""
    a, b = _with_intercept(x[seen]), _with_intercept(x[wanted])
    p, others = a.shape[1], n_levels - 1
    is_level = (y[seen][:, None] == np.arange(1, n_levels)).astype(float)
    beta = np.zeros((p, others)) if start is None else start
    average = a.mean(axis=0)
    precision = np.full(p, SLOPE_SD**-2)
    precision[0] = 0.0
    for _ in range(MOST_STEPS):
        chance, middle = _softmax(a @ beta), _softmax(average[None] @ beta)
        slope = a.T @ (is_level - chance) - precision[:, None] * beta
        slope += np.outer(average, 0.5 - 0.5 * n_levels * middle[0])
        information = _nominal_information(a, chance)
        information += 0.5 * n_levels * _nominal_information(average[None], middle)
        information[np.diag_indices(p * others)] += np.tile(precision, others) + 1e-10
        chol = cho_factor(information, lower=True)
        step = cho_solve(chol, slope.T.ravel()).reshape(others, p).T
        beta = beta + step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))
        if (slope * step).sum() < CLOSE:
            break
    noise = solve_triangular(chol[0], rng.standard_normal(p * others), lower=True, trans="T")
    drawn = _softmax(b @ (beta + noise.reshape(others, p).T))
    below = np.cumsum(np.c_[1 - drawn.sum(axis=1), drawn], axis=1)[:, :-1]
    return (rng.random(len(b))[:, None] > below).sum(axis=1).astype(float), beta


def _softmax(eta: Array) -> Array:
    """Probabilities of all levels but the first, whose linear predictor is 0."""
    top = np.maximum(eta.max(axis=1, keepdims=True), 0)
    grown = np.exp(eta - top)
    return grown / (np.exp(-top) + grown.sum(axis=1, keepdims=True))


def _nominal_information(a: Array, chance: Array) -> Array:
    p, others = a.shape[1], chance.shape[1]
    information = np.empty((p * others, p * others))
    for i in range(others):
        for j in range(i, others):
            weight = chance[:, i] * ((i == j) - chance[:, j])
            block = a.T @ (a * weight[:, None])
            information[i * p : (i + 1) * p, j * p : (j + 1) * p] = block
            information[j * p : (j + 1) * p, i * p : (i + 1) * p] = block
    return information


def _with_intercept(x: Array) -> Array:
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)
