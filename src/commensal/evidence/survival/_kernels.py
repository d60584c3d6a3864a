"""Compiled loops of concordance: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray


@njit(cache=True, nogil=True)
def pair_sums(
    rank: Array, n_ranks: int, time_from_end: Array, is_event: Array, weight: Array, pair_weight: Array
) -> Array:
    """Per patient: weight of concordant, discordant and tied-prediction pairs he is part of: (n, 3).

    Patients are sorted by time, latest first, at one time the censored before the events; ``rank`` is the
    place of each prediction among the distinct ones; ``time_from_end`` numbers the distinct times. A pair is
    an event and a patient who is still at risk after it; ``pair_weight`` (n,) belongs to the event.
    Concordant: the earlier event has the larger prediction.
    """
    n = len(rank)
    found = np.zeros((n, 3))
    at_risk = np.zeros(n_ranks + 1)
    i = 0
    while i < n:
        # Censorings at a time come before its events in this order: they outlive them.
        j = i
        while j < n and time_from_end[j] == time_from_end[i]:
            if not is_event[j]:
                _add(at_risk, rank[j], weight[j])
            j += 1
        every = _sum(at_risk, n_ranks - 1)
        for k in range(i, j):
            if is_event[k]:
                upto, below = _sum(at_risk, rank[k]), _sum(at_risk, rank[k] - 1)
                found[k, 0] += pair_weight[k] * below
                found[k, 1] += pair_weight[k] * (every - upto)
                found[k, 2] += pair_weight[k] * (upto - below)
        for k in range(i, j):
            if is_event[k]:
                _add(at_risk, rank[k], weight[k])
        i = j
    earlier = np.zeros(n_ranks + 1)
    j = n
    while j > 0:
        i = j - 1
        while i > 0 and time_from_end[i - 1] == time_from_end[j - 1]:
            i -= 1
        # The pairs in which a patient is the one who outlives: events before, or at the time if censored.
        for k in range(i, j):
            if is_event[k]:
                _outlived(found, k, earlier, rank[k], n_ranks)
        for k in range(i, j):
            if is_event[k]:
                _add(earlier, rank[k], weight[k] * pair_weight[k])
        for k in range(i, j):
            if not is_event[k]:
                _outlived(found, k, earlier, rank[k], n_ranks)
        j = i
    return found


@njit(cache=True, nogil=True)
def _outlived(found: Array, k: int, earlier: Array, rank: int, n_ranks: int) -> None:
    every, upto, below = _sum(earlier, n_ranks - 1), _sum(earlier, rank), _sum(earlier, rank - 1)
    found[k, 0] += every - upto
    found[k, 1] += below
    found[k, 2] += upto - below


@njit(cache=True, nogil=True)
def _add(tree: Array, rank: int, value: float) -> None:
    i = rank + 1
    while i < len(tree):
        tree[i] += value
        i += i & -i


@njit(cache=True, nogil=True)
def _sum(tree: Array, rank: int) -> float:
    total, i = 0.0, rank + 1
    while i > 0:
        total += tree[i]
        i -= i & -i
    return total
