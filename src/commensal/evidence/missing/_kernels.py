"""The loops that imputation spends its time in. Arrays in, arrays out; compiled.

Products of matrices stand here too: at these sizes a threaded library spends more on threads than on sums.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from commensal.engine.elementary import exp_of

# A step that leaves more than this share of the last decrement calls for a new information matrix.
SLOW = 0.3


@njit(cache=True, fastmath=True)
def dot(first, second):
    """Sum of products; its own function so that the compiler spreads it over lanes."""
    total = 0.0
    for i in range(first.shape[0]):
        total += first[i] * second[i]
    return total


@njit(cache=True, fastmath=True)
def gram(a, weights):
    """Σ w a aᵀ (p, p) over the columns of ``a`` (p, n)."""
    p, n = a.shape
    out, scratch = np.empty((p, p)), np.empty(n)
    for i in range(p):
        for m in range(n):
            scratch[m] = weights[m] * a[i, m]
        for j in range(i + 1):
            out[i, j] = dot(scratch, a[j])
            out[j, i] = out[i, j]
    return out


@njit(cache=True, fastmath=True)
def sums(a, values):
    """Σ a v (p,) over the columns of ``a`` (p, n)."""
    out = np.empty(a.shape[0])
    for i in range(a.shape[0]):
        out[i] = dot(a[i], values)
    return out


@njit(cache=True, fastmath=True)
def predicted(beta, a):
    """βᵀa (n,) of the columns of ``a`` (p, n)."""
    out = np.zeros(a.shape[1])
    for i in range(a.shape[0]):
        for m in range(a.shape[1]):
            out[m] += beta[i] * a[i, m]
    return out


@njit(cache=True, fastmath=True)
def multinomial_mode(a, y, weights, anchor, start, factor, precision, close, most_steps, longest):
    """Posterior mode of a multinomial logistic regression against level 0.

    ``a`` (p, n) predictors, the first of them ones; ``y`` (n,) levels from 0; ``weights`` (n,); ``anchor``
    (k,) parts of an observation of each level that sit at the average row; ``start`` (k − 1, p); ``factor``
    the lower Cholesky factor of the information of a like problem, or of no rows where there is none;
    ``precision`` (p,) of the normal prior around 0. Returns the mode and the factor last used, coefficients
    ordered level by level.

    Newton steps with an information matrix that is kept as long as they converge: it only sets the way, the
    slope where it ends.
    """
    p, n = a.shape
    others = anchor.shape[0] - 1
    beta = start.copy()
    average = sums(a, weights) / weights.sum()
    chance, middle, scratch = np.empty((others, n)), np.empty(others), np.empty(n)
    slope = np.empty(others * p)
    before = np.inf
    is_fresh = False
    for _ in range(most_steps):
        _chances(a, beta, chance)
        _chances(average.reshape(p, 1), beta, middle.reshape(others, 1))
        _slope(a, y, weights, anchor, beta, precision, average, chance, middle, scratch, slope)
        step = _solved(factor, slope) if factor.shape[0] else slope
        if not factor.shape[0] or (not is_fresh and dot(slope, step) > SLOW * before):
            information = _information(a, weights, anchor.sum(), precision, average, chance, middle, scratch)
            factor = _cholesky(information)
            step = _solved(factor, slope)
            is_fresh = True
        else:
            is_fresh = False
        before = dot(slope, step)
        beta += step.reshape(others, p) * min(1.0, longest / max(np.abs(step).max(), 1e-12))
        if before < close:
            break
    return beta, factor


@njit(cache=True, fastmath=True)
def _slope(a, y, weights, anchor, beta, precision, average, chance, middle, scratch, slope):
    """Fill the slope of the log posterior."""
    p, n = a.shape
    held = anchor.sum()
    for k in range(chance.shape[0]):
        for i in range(n):
            scratch[i] = weights[i] * ((1.0 if y[i] == k + 1 else 0.0) - chance[k, i])
        for i in range(p):
            extra = (anchor[k + 1] - held * middle[k]) * average[i]
            slope[k * p + i] = dot(a[i], scratch) + extra - precision[i] * beta[k, i]


@njit(cache=True, fastmath=True)
def _information(a, weights, held, precision, average, chance, middle, scratch):
    """Information of the log posterior."""
    p, n = a.shape
    others = chance.shape[0]
    information = np.empty((others * p, others * p))
    for k in range(others):
        for j in range(k + 1):
            same = 1.0 if j == k else 0.0
            for i in range(n):
                scratch[i] = weights[i] * chance[k, i] * (same - chance[j, i])
            _block(a, scratch, information, k * p, j * p, held * middle[k] * (same - middle[j]), average)
        for i in range(p):
            information[k * p + i, k * p + i] += precision[i]
    return information


@njit(cache=True, fastmath=True)
def _cholesky(information):
    """Lower factor L of a positive definite matrix, L Lᵀ."""
    size = information.shape[0]
    factor = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            left = information[i, j] - dot(factor[i, :j], factor[j, :j])
            factor[i, j] = np.sqrt(left) if i == j else left / factor[j, j]
    return factor


@njit(cache=True, fastmath=True)
def _solved(factor, right):
    """Solve L Lᵀ x = right."""
    size = right.shape[0]
    x = right.copy()
    for i in range(size):
        for j in range(i):
            x[i] -= factor[i, j] * x[j]
        x[i] /= factor[i, i]
    for i in range(size - 1, -1, -1):
        for j in range(i + 1, size):
            x[i] -= factor[j, i] * x[j]
        x[i] /= factor[i, i]
    return x


@njit(cache=True, fastmath=True)
def _chances(a, beta, out):
    """Probabilities of the levels but the first."""
    others, n = out.shape
    top, total = np.zeros(n), np.empty(n)
    for k in range(others):
        row = out[k]
        row[:] = 0.0
        for j in range(a.shape[0]):
            b, x = beta[k, j], a[j]
            for i in range(n):
                row[i] += b * x[i]
        for i in range(n):
            top[i] = max(top[i], row[i])
    total[:] = 0.0
    _grow(total, top)
    for k in range(others):
        row = out[k]
        _grow(row, top)
        for i in range(n):
            total[i] += row[i]
    for i in range(n):
        total[i] = 1.0 / total[i]
    for k in range(others):
        row = out[k]
        for i in range(n):
            row[i] *= total[i]


# The next two without fastmath: the exponential's last bits rest on the order of its sums.
@njit(cache=True, error_model="numpy")
def _grow(values, top):
    """Exponentials of values less their top, in place."""
    for i in range(values.size):
        values[i] = exp_of(values[i] - top[i])


@njit(cache=True, error_model="numpy")
def _below(cut, fitted, out):
    """Chance of a level below the cut."""
    for i in range(out.size):
        out[i] = 1.0 / (1.0 + exp_of(fitted[i] - cut))


@njit(cache=True, fastmath=True)
def ordered_score(x, level, beta, n_levels):
    """Score (cuts + p,) and expected information of the proportional odds model; ``x`` has no intercept."""
    cuts, n = n_levels - 1, x.shape[1]
    edge, inverse = _edges(predicted(beta[cuts:], x), beta[:cuts])
    score, information = np.zeros(beta.size), np.zeros((beta.size, beta.size))
    total, scratch = np.zeros(n), np.empty(n)
    for i in range(n):
        k = level[i]
        above, below = edge[k + 1, i] * inverse[k, i], edge[k, i] * inverse[k, i]
        scratch[i] = below - above
        if k < cuts:
            score[k] += above
        if k > 0:
            score[k - 1] -= below
    score[cuts:] = sums(x, scratch)
    for k in range(n_levels):
        for i in range(n):
            rise = edge[k + 1, i] - edge[k, i]
            total[i] += rise * rise * inverse[k, i]
    information[cuts:, cuts:] = gram(x, total)
    for k in range(cuts):
        same, before = 0.0, 0.0
        for i in range(n):
            density, low, high = edge[k + 1, i], inverse[k, i], inverse[k + 1, i]
            same += density * density * (low + high)
            before += density * edge[k, i] * low
            scratch[i] = density * ((edge[k + 2, i] - density) * high - (density - edge[k, i]) * low)
        information[k, k] = same
        if k > 0:
            information[k, k - 1] = information[k - 1, k] = -before
        information[k, cuts:] = sums(x, scratch)
        information[cuts:, k] = information[k, cuts:]
    return score, information


@njit(cache=True, fastmath=True)
def _edges(fitted, at):
    """Density at the cut below and above each level, and one over the chance of each level."""
    cuts, n = at.size, fitted.size
    edge, inverse = np.zeros((cuts + 2, n)), np.empty((cuts + 1, n))
    below, last = np.empty(n), np.zeros(n)
    for k in range(cuts):
        _below(at[k], fitted, below)
        for i in range(n):
            edge[k + 1, i] = below[i] * (1.0 - below[i])
            inverse[k, i] = 1.0 / max(below[i] - last[i], 1e-10)
            last[i] = below[i]
    for i in range(n):
        inverse[cuts, i] = 1.0 / max(1.0 - last[i], 1e-10)
    return edge, inverse


@njit(cache=True)
def picked(table, rows, columns):
    """The cells of these rows and columns."""
    found = np.empty((rows.size, columns.size))
    for r in range(rows.size):
        row, out = table[rows[r]], found[r]
        for i in range(columns.size):
            out[i] = row[columns[i]]
    return found


@njit(cache=True, fastmath=True)
def _block(a, w, information, row, column, share, average):
    """Fill one block, and its mirror, with Σ w a aᵀ + share · average averageᵀ."""
    p, n = a.shape
    weighted = np.empty(n)
    for i in range(p):
        for m in range(n):
            weighted[m] = w[m] * a[i, m]
        for j in range(i + 1):
            value = dot(weighted, a[j]) + share * average[i] * average[j]
            information[row + i, column + j] = value
            information[row + j, column + i] = value
            information[column + i, row + j] = value
            information[column + j, row + i] = value
