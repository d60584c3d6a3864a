"""Compiled loops of the donor model: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True)
def permuted_scores(rng, residual, starts, first, donor, share, n_donors, n_permutations):  # pragma: no cover
    """Return Σ_d (Σ_i share_id r_i)² of each permutation of the residuals within strata, (n_permutations,).

    Rows stand stratum by stratum; ``starts`` (strata + 1,) are their bounds. Row i holds the donors
    ``donor[first[i]:first[i + 1]]`` with their shares.
    """
    out = np.empty(n_permutations)
    r = residual.copy()
    score = np.empty(n_donors)
    for b in range(n_permutations):
        for s in range(len(starts) - 1):
            for i in range(starts[s + 1] - 1, starts[s], -1):
                j = starts[s] + int(rng.random() * (i - starts[s] + 1))
                r[i], r[j] = r[j], r[i]
        score[:] = 0.0
        for i in range(len(r)):
            for k in range(first[i], first[i + 1]):
                score[donor[k]] += share[k] * r[i]
        out[b] = (score * score).sum()
    return out
