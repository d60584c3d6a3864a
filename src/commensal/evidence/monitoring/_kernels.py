"""Loops of the charts: arrays in, arrays out.

All arrays are one-dimensional float64 in order of treatment, probabilities inside (0, 1).
"""

from __future__ import annotations

import numpy as np
from numba import njit

Array = np.ndarray


@njit(cache=True)
def cusum_path(observed: Array, when_event: Array, when_none: Array) -> Array:
    """Value of the chart after each course: max(0, before + weight of what happened)."""
    path = np.empty(len(observed))
    value = 0.0
    for i in range(len(observed)):
        value += when_event[i] if observed[i] > 0 else when_none[i]
        if value < 0.0:
            value = 0.0
        path[i] = value
    return path


@njit(cache=True)
def _add_shifted(now: Array, later: Array, weight: float, shift: float) -> None:
    """Add ``weight`` times the later probability of crossing, the value moved by ``shift`` nodes.

    At the last node and above the chart has crossed; below the first it stands at 0. The last entry of
    ``later`` is the value just under the limit.
    """
    n_nodes = len(now)
    whole = int(np.floor(shift))
    part = shift - whole
    for j in range(n_nodes):
        below = j + whole
        if below >= n_nodes - 1:
            now[j] += weight
        elif below < 0:
            now[j] += weight * later[0]
        else:
            now[j] += weight * (later[below] * (1.0 - part) + later[below + 1] * part)


@njit(cache=True)
def cusum_crossing(when_event: Array, when_none: Array, true: Array, limit: float, n_nodes: int) -> float:
    """Probability that the chart reaches ``limit`` anywhere in the stream, events having probability
    ``true``.

    Backwards from the end: u(w) = p u(w + event) + (1 − p) u(max(0, w + none)), on a grid from 0 to the limit
    with linear interpolation between nodes.
    """
    step = limit / (n_nodes - 1)
    later = np.zeros(n_nodes)
    now = np.empty(n_nodes)
    for t in range(len(true) - 1, -1, -1):
        now[:] = 0.0
        _add_shifted(now, later, true[t], when_event[t] / step)
        _add_shifted(now, later, 1.0 - true[t], when_none[t] / step)
        later, now = now, later
    return later[0]


@njit(cache=True)
def poisson_binomial_masses(probabilities: Array, negligible: float) -> Array:
    """P(sum = k), k = 0..n, of independent events; masses below ``negligible`` at both ends become 0."""
    n = len(probabilities)
    masses = np.zeros(n + 1)
    masses[0] = 1.0
    low, high = 0, 0
    for i in range(n):
        p = probabilities[i]
        high += 1
        for k in range(high, low, -1):
            masses[k] = masses[k] * (1.0 - p) + masses[k - 1] * p
        masses[low] *= 1.0 - p
        while low < high and masses[low] < negligible:
            masses[low] = 0.0
            low += 1
        while high > low and masses[high] < negligible:
            masses[high] = 0.0
            high -= 1
    return masses


@njit(cache=True)
def odds_limit(
    probabilities: Array,
    count: int,
    tail: float,
    is_lower: bool,
    widest: float,
    errors: Array,
    weights: Array,
) -> float:
    """The expected count at which ``count`` or more (lower), or ``count`` or fewer (upper), has probability
    ``tail``, the log-odds of all courses moved alike by at most ``widest``; averaged over ``errors`` of the
    expected log-odds, which have these ``weights``."""
    n = len(probabilities)
    moved = np.empty(n)
    low, high = -widest, widest
    for _ in range(32):
        reached = 0.0
        for k in range(len(errors)):
            ratio = np.exp((low + high) / 2.0 + errors[k])
            for i in range(n):
                moved[i] = ratio * probabilities[i] / (1.0 - probabilities[i] + ratio * probabilities[i])
            masses = poisson_binomial_masses(moved, 1e-20)
            reached += weights[k] * (masses[count:].sum() if is_lower else masses[: count + 1].sum())
        # More odds put more into the upper tail and less into the lower.
        if (reached < tail) == is_lower:
            low = (low + high) / 2.0
        else:
            high = (low + high) / 2.0
    ratio = np.exp((low + high) / 2.0)
    total = 0.0
    for i in range(n):
        total += ratio * probabilities[i] / (1.0 - probabilities[i] + ratio * probabilities[i])
    return total


@njit(cache=True)
def ratio_path(observed: Array, expected: Array) -> Array:
    """Maximised Poisson log-likelihood ratio after each course: k log(k/m) − (k − m) where k exceeds m."""
    path = np.empty(len(observed))
    count, mean = 0.0, 0.0
    for i in range(len(observed)):
        count += observed[i]
        mean += expected[i]
        path[i] = count * np.log(count / mean) - (count - mean) if count > mean else 0.0
    return path


@njit(cache=True)
def ratio_crossing(expected: Array, true: Array, limit: float, min_events: int) -> float:
    """Probability that the ratio reaches ``limit`` with at least ``min_events`` anywhere in the stream.

    Walks the distribution of the count; what reaches the boundary is taken out and summed.
    """
    masses = np.zeros(len(expected) + 2)
    masses[0] = 1.0
    high, mean, crossed, boundary = 0, 0.0, 0.0, min_events
    for t in range(len(expected)):
        mean += expected[t]
        # The boundary never falls: the same count is the less surprising the more was expected.
        while boundary <= mean or boundary * np.log(boundary / mean) - (boundary - mean) < limit:
            boundary += 1
        p = true[t]
        high += 1
        for k in range(high, 0, -1):
            masses[k] = masses[k] * (1.0 - p) + masses[k - 1] * p
        masses[0] *= 1.0 - p
        while high >= boundary:
            crossed += masses[high]
            masses[high] = 0.0
            high -= 1
    return crossed
