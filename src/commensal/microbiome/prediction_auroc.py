"""Area under the ROC curve with an interval over recipients, each of whom brings many pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

N_BOOTSTRAP = 1000
BOOTSTRAP = "percentile bootstrap over recipients within studies: holds recipients, not the choice of studies"


def weighted_auroc(score: np.ndarray, present: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the area under the ROC curve for each row of weights, shape (draws,).

    ``score`` and ``present`` have the shape (pairs,), ``weights`` (draws, pairs): how often each counts.
    Notes: the weighted share of present–absent pairs whose present one scores higher, ties counting half;
    NaN where a draw has none of one kind.
    """
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.diff(score[order], prepend=-np.inf))
    sorted_weights = weights[:, order]
    is_present = present[order]
    up = np.add.reduceat(sorted_weights * is_present, starts, axis=1)
    down = np.add.reduceat(sorted_weights * ~is_present, starts, axis=1)
    below = np.cumsum(down, axis=1) - down / 2
    concordant, possible = (up * below).sum(axis=1), up.sum(axis=1) * down.sum(axis=1)
    return np.divide(concordant, possible, out=np.full(len(weights), np.nan), where=possible > 0)


def auroc_within(
    score: np.ndarray, present: np.ndarray, weights: np.ndarray, study: np.ndarray
) -> np.ndarray:
    """Return AUROC over pairs of recipients of one study, pooled over studies by their number of pairs."""
    concordant, possible = np.zeros(len(weights)), np.zeros(len(weights))
    for one in np.unique(study):
        at = study == one
        n = (weights[:, at] * present[at]).sum(axis=1) * (weights[:, at] * ~present[at]).sum(axis=1)
        concordant += np.nan_to_num(weighted_auroc(score[at], present[at], weights[:, at])) * n
        possible += n
    return np.divide(concordant, possible, out=np.full(len(weights), np.nan), where=possible > 0)


def resampled(study: np.ndarray, *, seed: int, stream: int) -> np.ndarray:
    """Return how often each recipient is drawn, (draws, recipients); the first row has each once."""
    rng = np.random.default_rng([seed, stream])
    weights = np.ones((N_BOOTSTRAP + 1, len(study)))
    for one in np.unique(study):
        at = np.flatnonzero(study == one)
        weights[1:, at] = rng.multinomial(len(at), np.full(len(at), 1 / len(at)), size=N_BOOTSTRAP)
    return weights


def interval(area: np.ndarray, baseline: np.ndarray | None, *, level: float) -> dict[str, Any]:
    """Return AUROC and difference (first draw: the data) with their percentile intervals."""
    lower, upper = _limits(area[1:], level)
    out = {"auroc": float(area[0]), "lower": lower, "upper": upper}
    if baseline is not None:
        gap = area - baseline
        low, high = _limits(gap[1:], level)
        out |= {"difference": float(gap[0]), "difference_lower": low, "difference_upper": high}
    return out


def _limits(draws: np.ndarray, level: float) -> tuple[float, float]:
    # A draw of recipients may have no pair of one kind; it says nothing and is left out.
    lower, upper = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)
