"""Kernels of the distances to a reference: arrays in, arrays out; rows are samples, in C order."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def bray_curtis_to(indptr, indices, data, reference):  # type: ignore[no-untyped-def]
    """Return 1 − Σ min(a, b), shape (rows, reference samples).

    ``indptr``, ``indices``, ``data`` are proportions as CSR (rows, taxa); ``reference`` proportions of
    shape (taxa, reference samples), float64.
    """
    n, m = indptr.size - 1, reference.shape[1]
    apart = np.ones((n, m))
    for i in range(n):
        for at in range(indptr[i], indptr[i + 1]):
            taxon, share = indices[at], data[at]
            for j in range(m):
                other = reference[taxon, j]
                apart[i, j] -= share if share < other else other
    return np.maximum(apart, 0.0)


@njit(cache=True)
def _walk(distances, order, weights, total, k):  # type: ignore[no-untyped-def]
    """Return the weighted median and the mean of the k nearest, along distances in their order."""
    half, passed, taken, summed, median = total / 2.0, 0.0, 0.0, 0.0, -1.0
    for position in range(order.size):
        at = order[position]
        weight = weights[at]
        if weight == 0.0:
            continue
        use = min(weight, k - taken)
        summed += use * distances[at]
        taken += use
        passed += weight
        if median < 0.0 and passed > half:
            median = distances[at]
        elif median < 0.0 and passed == half:
            # Exactly half lies at or below: the median is midway to the next.
            following = position + 1
            while weights[order[following]] == 0.0:
                following += 1
            median = (distances[at] + distances[order[following]]) / 2.0
        if median >= 0.0 and taken >= k:
            break
    return median, summed / taken


@njit(cache=True)
def median_and_nearest(distances, own, subject, weights, k):  # type: ignore[no-untyped-def]
    """Return the median distance and the mean of the k nearest, under each weighting of the subjects.

    ``distances`` (rows, reference samples); ``own`` (rows,) the subject of each row, −1 for none: its
    samples are left out; ``subject`` (reference samples,) int; ``weights`` (weightings, subjects). Returns
    two arrays (rows, weightings); NaN where a weighting leaves no other subject.
    """
    n, m = distances.shape
    draws = weights.shape[0]
    medians = np.full((n, draws), np.nan)
    nearest = np.full((n, draws), np.nan)
    spread = np.empty(m)
    for i in range(n):
        order = np.argsort(distances[i])
        for b in range(draws):
            total = 0.0
            for j in range(m):
                spread[j] = 0.0 if subject[j] == own[i] else weights[b, subject[j]]
                total += spread[j]
            if total > 0.0:
                medians[i, b], nearest[i, b] = _walk(distances[i], order, spread, total, k)
    return medians, nearest
