"""The loop that imputation spends its time in. Arrays in, arrays out; compiled."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, fastmath=True)
def dot(first, second):
    """Sum of products; its own function so that the compiler spreads it over lanes."""
    total = 0.0
    for i in range(first.shape[0]):
        total += first[i] * second[i]
    return total


@njit(cache=True, fastmath=True)
def multinomial_mode(a, y, weights, anchor, start, precision, close, most_steps, longest):
    """Posterior mode of a multinomial logistic regression against level 0, by Newton steps.

    ``a`` (p, n) predictors, the first of them ones; ``y`` (n,) levels from 0; ``weights`` (n,); ``anchor``
    (k,) parts of an observation of each level that sit at the average row; ``start`` (k − 1, p);
    ``precision`` (p,) of the normal prior around 0. Returns the mode and the lower Cholesky factor of the
    information before the last step, coefficients ordered level by level.
    """
    p, n = a.shape
    others = anchor.shape[0] - 1
    held = anchor.sum()
    size = others * p
    beta = start.copy()
    average = np.zeros(p)
    for i in range(p):
        average[i] = dot(a[i], weights) / weights.sum()
    chance, scratch = np.empty((others, n)), np.empty(n)
    middle = np.empty(others)
    factor = np.empty((size, size))
    for _ in range(most_steps):
        _chances(a, beta, chance)
        _chances(average.reshape(p, 1), beta, middle.reshape(others, 1))
        slope = np.empty(size)
        information = np.empty((size, size))
        for k in range(others):
            for i in range(n):
                scratch[i] = weights[i] * ((1.0 if y[i] == k + 1 else 0.0) - chance[k, i])
            for i in range(p):
                extra = (anchor[k + 1] - held * middle[k]) * average[i]
                slope[k * p + i] = dot(a[i], scratch) + extra - precision[i] * beta[k, i]
            for j in range(k + 1):
                share = held * middle[k] * ((1.0 if j == k else 0.0) - middle[j])
                for i in range(n):
                    scratch[i] = weights[i] * chance[k, i] * ((1.0 if j == k else 0.0) - chance[j, i])
                _block(a, scratch, information, k * p, j * p, share, average)
            for i in range(p):
                information[k * p + i, k * p + i] += precision[i]
        factor = np.linalg.cholesky(information)
        step = np.linalg.solve(information, slope)
        beta += step.reshape(others, p) * min(1.0, longest / max(np.abs(step).max(), 1e-12))
        if dot(slope, step) < close:
            break
    return beta, factor


@njit(cache=True, fastmath=True)
def _chances(a, beta, out):
    """Probabilities of the levels but the first."""
    others, n = out.shape
    for k in range(others):
        for i in range(n):
            out[k, i] = 0.0
        for j in range(a.shape[0]):
            b = beta[k, j]
            for i in range(n):
                out[k, i] += b * a[j, i]
    for i in range(n):
        top = 0.0
        for k in range(others):
            top = max(top, out[k, i])
        total = np.exp(-top)
        for k in range(others):
            out[k, i] = np.exp(out[k, i] - top)
            total += out[k, i]
        for k in range(others):
            out[k, i] /= total


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
