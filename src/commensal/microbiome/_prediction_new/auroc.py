"""Area under the ROC curve with an interval over recipients, each of whom brings many pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

N_BOOTSTRAP = 1000
BOOTSTRAP = "percentile bootstrap over recipients within studies: holds recipients, not the choice of studies"

# Columns of the running count held at once: memory only, the sum does not change.
BLOCK = 64


def concordance(
    score: np.ndarray, present: np.ndarray, recipient: np.ndarray, *, n_recipients: int
) -> np.ndarray:
    """Return how many pairs are in the right order, by recipient, shape (recipients, recipients).

    ``score``, ``present`` and ``recipient`` (its position) have the shape (pairs,). Entry (i, j) counts the
    present taxa of i scored above the absent taxa of j, a tie as one half.
    """
    level = np.unique(score, return_inverse=True)[1]
    levels = int(level.max(initial=-1)) + 1
    up = sparse.csr_array(
        (np.ones(int(present.sum())), (recipient[present], level[present])), shape=(n_recipients, levels)
    )
    out = np.zeros((n_recipients, n_recipients))
    for start in range(0, n_recipients, BLOCK):
        block = ~present & (recipient >= start) & (recipient < start + BLOCK)
        down = np.zeros((levels, min(BLOCK, n_recipients - start)))
        np.add.at(down, (level[block], recipient[block] - start), 1.0)
        out[:, start : start + BLOCK] = up @ (np.cumsum(down, axis=0) - down / 2)
    return out


def auroc(
    score: np.ndarray,
    present: np.ndarray,
    recipient: np.ndarray,
    weights: np.ndarray,
    *,
    stratum: np.ndarray | None = None,
) -> np.ndarray:
    """Return the area under the ROC curve for each row of weights, shape (draws,).

    ``weights`` (draws, recipients) say how often each recipient counts. With ``stratum`` (recipients,) only
    pairs within one stratum are compared. Notes: the weighted share of present–absent pairs whose present
    one scores higher, ties counting half; NaN where a draw has no such pair.
    """
    n = weights.shape[1]
    right = concordance(score, present, recipient, n_recipients=n)
    ones = np.bincount(recipient[present], minlength=n)
    zeros = np.bincount(recipient[~present], minlength=n)
    possible = np.outer(ones, zeros).astype(float)
    if stratum is not None:
        same = stratum[:, None] == stratum[None, :]
        right, possible = right * same, possible * same
    top = ((weights @ right) * weights).sum(axis=1)
    bottom = ((weights @ possible) * weights).sum(axis=1)
    return np.divide(top, bottom, out=np.full(len(weights), np.nan), where=bottom > 0)


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
