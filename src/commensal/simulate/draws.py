"""Random draws and the small calculations behind them: arrays in, arrays out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

TOPICS = (
    "people",
    "disease",
    "regimen",
    "followup",
    "donors",
    "stock",
    "measures",
    "safety",
    "care",
    "communities",
    "sequencing",
    "body",  # last: a topic added before another would change its numbers
)


def generators(seed: int, centre: int) -> Mapping[str, np.random.Generator]:
    """Return one generator a topic, so that a change in one topic leaves the others' numbers alone."""
    children = np.random.SeedSequence([seed, centre]).spawn(len(TOPICS))
    return {topic: np.random.default_rng(child) for topic, child in zip(TOPICS, children, strict=True)}


def expit(x: Floats) -> Floats:
    """Return the probability of log-odds ``x``."""
    return 1.0 / (1.0 + np.exp(-x))


def intercept(linear: Floats, target: float) -> float:
    """Return the intercept that makes the mean of ``expit(intercept + linear)`` equal ``target``.

    Bisection on 60 halvings; ``target`` of 0 or 1 gives minus or plus infinity.
    """
    if target <= 0 or target >= 1 or len(linear) == 0:
        return -np.inf if target <= 0 else np.inf
    low, high = -40.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        if expit(middle + linear).mean() < target:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def chosen(rng: np.random.Generator, shares: Sequence[float] | Floats, size: int) -> Ints:
    """Draw ``size`` indices with the given shares (which need not add up to 1)."""
    edges = np.cumsum(np.asarray(shares, dtype=float))
    return np.searchsorted(edges, rng.random(size) * edges[-1], side="right").clip(0, len(edges) - 1)


def one_true(rng: np.random.Generator, allowed: Flags) -> Ints:
    """Draw, for each row, the index of one allowed column; -1 where none is."""
    score = rng.random(allowed.shape) * allowed
    return np.where(allowed.any(axis=1), score.argmax(axis=1), -1)


def within_groups(keys: Ints) -> Ints:
    """Return each row's position (from 0) among the rows of its key, in row order."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1] if len(keys) else np.array([], dtype=int)
    lengths = np.diff(np.r_[starts, len(keys)])
    position = np.empty(len(keys), dtype=np.int64)
    position[order] = np.arange(len(keys)) - np.repeat(starts, lengths)
    return position


def names(prefix: str, numbers: Ints, *, width: int) -> NDArray[np.object_]:
    """Return identifiers: the prefix and each number with leading zeros."""
    return np.array([f"{prefix}{number:0{width}d}" for number in numbers.tolist()], dtype=object)
