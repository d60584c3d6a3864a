"""Conditional models that imputation draws from. Arrays in, arrays out.

``a`` (p, n) holds the predictors of the observed rows, ``b`` (p, w) those of the wanted ones: one predictor
a row (that way a column of the data lies in one piece), the first all ones, the others about standardised.
``y`` (n,) are values or positions of levels. Returned are the draws and where to start from next time.

Coefficients of the logistic and multinomial models are drawn by the Bayesian bootstrap: the mode under
exponential weights of the observed rows. A normal draw around the mode would, in sparse cells, raise the mean
of small chances and lower that of large ones (a chance of 5 % among 25 patients becomes 7 %), and a course of
many visits adds that up; weighted shares keep their mean.

Prior of all but the linear model: slopes are normal around 0 with standard deviation SLOPE_SD per standard
deviation of the predictor, and one observation, divided over the levels as the observed are (half a patient
added to each), sits at the average patient. It keeps separated or constant data finite, and pulls toward the
observed shares, never toward one half.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import expit

Array = np.ndarray
Start = tuple[Array, Array] | None  # coefficients and the factor of their information, of the round before

SLOPE_SD = 2.5
MOST_STEPS = 100
# Newton takes its last step once the decrement, in squared standard errors, is below this: what that step
# leaves is far below the spread of the draw.
CLOSE = 0.01
LONGEST_STEP = 4.0
RIDGE = 1e-5


def draw_continuous(a: Array, y: Array, b: Array, *, donors: int, rng: np.random.Generator) -> Array:
    """Predictive mean matching: the value of one of the ``donors`` observed rows with nearest predictions.

    Type-1 matching: predictions of observed rows by the estimate, of wanted rows by a draw from its posterior
    (flat prior; a ridge of 1e-5 of each predictor's squares against collinear ones).
    """
    from commensal.evidence.missing._kernels import gram, predicted, sums

    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    squares = gram(a, np.ones(len(y)))
    squares[np.diag_indices_from(squares)] *= 1 + RIDGE
    squares[np.diag_indices_from(squares)] += 1e-12
    chol = cho_factor(squares, lower=True, check_finite=False)
    beta = cho_solve(chol, sums(a, y), check_finite=False)
    fitted = predicted(beta, a)
    sigma = np.sqrt(float(((y - fitted) ** 2).sum()) / rng.chisquare(max(len(y) - len(a), 1)))
    return y[matched(fitted, predicted(beta + sigma * _noise(chol, rng), b), donors=donors, rng=rng)]


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
    mine = np.arange(len(asked))
    chosen = nearest[mine, rng.integers(0, donors, len(asked))]
    return order[near[mine, chosen]]


def draw_binary(
    a: Array, y: Array, b: Array, *, weights: Array | None, start: Start, rng: np.random.Generator
) -> tuple[Array, Start]:
    """Draw 0 or 1 by a logistic regression whose coefficients are drawn from their posterior."""
    end = _mode(a, y, 2, weights=_bootstrapped(len(y), weights, rng), start=start, close=CLOSE)
    return (rng.random(b.shape[1]) < expit(end[0][0] @ b)).astype(float), end


def _bootstrapped(n: int, weights: Array | None, rng: np.random.Generator) -> Array:
    drawn = rng.exponential(size=n)
    drawn *= n / drawn.sum()
    return drawn if weights is None else drawn * weights


def logistic_mode(a: Array, y: Array, *, n_free: int = 1) -> tuple[Array, Array]:
    """Return the posterior mode and its covariance; the first ``n_free`` coefficients have no prior width."""
    beta, factor = _mode(a, y, 2, weights=None, start=None, close=1e-12, n_free=n_free)
    # The factor may be older than the mode: once more, from the mode.
    _, factor = _mode(a, y, 2, weights=None, start=(beta, factor[:0]), close=np.inf, n_free=n_free)
    return beta[0], cho_solve((factor, True), np.eye(len(a)), check_finite=False)


def _mode(
    a: Array,
    y: Array,
    n_levels: int,
    *,
    weights: Array | None,
    start: Start,
    close: float,
    n_free: int = 1,
) -> tuple[Array, Array]:
    from commensal.evidence.missing._kernels import multinomial_mode

    w, level = np.ones(len(y)) if weights is None else weights, y.astype(np.int64)
    anchor = (np.bincount(level, minlength=n_levels) + 0.5) / (len(y) + 0.5 * n_levels)
    beta, factor = start or (np.zeros((n_levels - 1, len(a))), np.empty((0, 0)))
    precision, rows = _precision(len(a), n_free), np.ascontiguousarray(a)
    return multinomial_mode(rows, level, w, anchor, beta, factor, precision, close, MOST_STEPS, LONGEST_STEP)


def draw_ordered(
    a: Array, y: Array, b: Array, *, n_levels: int, start: Start, rng: np.random.Generator
) -> tuple[Array, Start]:
    """Draw levels 0 … n_levels − 1 by proportional odds: logit P(Y ≤ k) = θ_k − xβ."""
    from commensal.evidence.missing._kernels import ordered_score

    cuts, x = n_levels - 1, np.ascontiguousarray(a[1:])
    level = y.astype(np.int64)
    average, each = np.repeat(x.mean(axis=1)[:, None], n_levels, axis=1), np.arange(n_levels)
    beta = _start_of_cuts(level, n_levels, len(x)) if start is None else start[0]
    precision = np.r_[np.full(cuts, 1e-10), _precision(len(a))[1:]]
    factor = np.eye(len(beta))
    for _ in range(MOST_STEPS):
        slope, information = ordered_score(x, level, beta, n_levels)
        more = ordered_score(average, each, beta, n_levels)
        slope = slope + 0.5 * more[0] - precision * beta
        information = information + 0.5 * more[1] + np.diag(precision)
        factor = np.linalg.cholesky(information)
        step = cho_solve((factor, True), slope, check_finite=False)
        beta = beta + _in_order(beta, _held(step), cuts)
        if slope @ step < 10 * CLOSE:
            break
    drawn = beta + _noise((factor, True), rng)
    below = expit(np.maximum.accumulate(drawn[:cuts])[:, None] - drawn[cuts:] @ b[1:])
    return (rng.random(b.shape[1]) > below).sum(axis=0).astype(float), (beta, factor)


def _start_of_cuts(level: Array, n_levels: int, n_slopes: int) -> Array:
    share = (np.bincount(level, minlength=n_levels) + 0.5) / (len(level) + 0.5 * n_levels)
    below = np.cumsum(share)[:-1]
    return np.r_[np.log(below / (1 - below)), np.zeros(n_slopes)]


def _in_order(beta: Array, step: Array, cuts: int) -> Array:
    """The step, halved until the cut points stay in order."""
    for _ in range(20):
        if (np.diff((beta + step)[:cuts]) > 0).all():
            return step
        step = step / 2
    return 0 * step


def draw_nominal(
    a: Array,
    y: Array,
    b: Array,
    *,
    n_levels: int,
    weights: Array | None,
    start: Start,
    rng: np.random.Generator,
) -> tuple[Array, Start]:
    """Draw levels 0 … n_levels − 1 by a multinomial logistic regression against level 0."""
    end = _mode(a, y, n_levels, weights=_bootstrapped(len(y), weights, rng), start=start, close=CLOSE)
    eta = end[0] @ b
    top = np.maximum(eta.max(axis=0), 0)
    grown = np.concatenate([np.exp(-top)[None], np.exp(eta - top)])
    below = np.cumsum(grown / grown.sum(axis=0), axis=0)[:-1]
    return (rng.random(b.shape[1]) > below).sum(axis=0).astype(float), end


def _precision(p: int, n_free: int = 1) -> Array:
    """Prior precision: next to none of the intercepts."""
    return np.r_[np.full(n_free, 1e-10), np.full(p - n_free, SLOPE_SD**-2)]


def _held(step: Array) -> Array:
    """A Newton step of no more than LONGEST_STEP in any coefficient."""
    return step * min(1.0, LONGEST_STEP / max(float(np.abs(step).max()), 1e-12))


def _noise(chol: tuple[Array, bool], rng: np.random.Generator) -> Array:
    """A draw from the normal distribution whose precision has this Cholesky factor."""
    size = len(chol[0])
    return solve_triangular(chol[0], rng.standard_normal(size), lower=True, trans=1, check_finite=False)
