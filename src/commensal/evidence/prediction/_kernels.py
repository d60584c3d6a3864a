"""Compiled loops: calibration slopes of many weightings at once."""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray


@njit(cache=True)
def recalibrated(eta: Array, outcome: Array, weights: Array, start: Array, close: float) -> Array:
    """Return intercept and slope of logit P(outcome) = a + b · eta for each row of ``weights``: (b, 2).

    ``eta`` and ``outcome`` (n,), ``weights`` (b, n) row-major, ``start`` (2,) the first guess. Newton steps
    until one is smaller than ``close``, at most twelve; a row that does not settle, or whose weights are on
    one outcome alone, is NaN.
    """
    n_rows, n = weights.shape
    found = np.empty((n_rows, 2))
    for r in range(n_rows):
        a, b = start[0], start[1]
        settled = False
        for _ in range(12):
            g0 = g1 = h00 = h01 = h11 = 0.0
            for i in range(n):
                w = weights[r, i]
                if w == 0.0:
                    continue
                x = eta[i]
                mu = 1.0 / (1.0 + np.exp(-(a + b * x)))
                d, v = w * (outcome[i] - mu), w * mu * (1.0 - mu)
                g0 += d
                g1 += d * x
                h00 += v
                h01 += v * x
                h11 += v * x * x
            determinant = h00 * h11 - h01 * h01
            if determinant <= 1e-12 * h00 * h11:
                break
            step0 = (h11 * g0 - h01 * g1) / determinant
            step1 = (h00 * g1 - h01 * g0) / determinant
            a += step0
            b += step1
            if abs(step0) + abs(step1) < close:
                settled = True
                break
        if settled and abs(b) < 1e3:
            found[r, 0], found[r, 1] = a, b
        else:
            found[r, 0], found[r, 1] = np.nan, np.nan
    return found


@njit(cache=True)
def areas(outcome: Array, predicted: Array, order: Array, weights: Array) -> Array:
    """Return the area under the ROC curve for each row of ``weights`` (b, n): (b,).

    ``order`` (m,) are the positions of the patients who count, by rising prediction. A row without weight on
    one of the outcomes is NaN.
    """
    n_rows = weights.shape[0]
    found = np.empty(n_rows)
    for r in range(n_rows):
        below = total = cases = 0.0
        tied_cases = tied_controls = 0.0
        last = -1.0
        for i in order:
            if predicted[i] != last:
                total += tied_cases * (below + 0.5 * tied_controls)
                below += tied_controls
                tied_cases = tied_controls = 0.0
                last = predicted[i]
            w = weights[r, i]
            if outcome[i] > 0.5:
                tied_cases += w
                cases += w
            else:
                tied_controls += w
        total += tied_cases * (below + 0.5 * tied_controls)
        below += tied_controls
        found[r] = total / (cases * below) if cases > 0 and below > 0 else np.nan
    return found
