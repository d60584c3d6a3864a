"""Compiled loops over pairs of communities. Arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def shared_abundance(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    other_data: np.ndarray,
    other_indices: np.ndarray,
    other_indptr: np.ndarray,
    n_taxa: int,
) -> np.ndarray:
    """Return Σ min(a, b) of every pair, shape (rows, other rows); both CSR over the same taxa.

    Each sum runs over the entries of the first row in their order, whatever else is asked for.
    """
    n, m = indptr.size - 1, other_indptr.size - 1
    shared = np.zeros((n, m))
    full = np.zeros(n_taxa)
    for j in range(m):
        for k in range(other_indptr[j], other_indptr[j + 1]):
            full[other_indices[k]] = other_data[k]
        for i in range(n):
            total = 0.0
            for k in range(indptr[i], indptr[i + 1]):
                total += min(data[k], full[indices[k]])
            shared[i, j] = total
        for k in range(other_indptr[j], other_indptr[j + 1]):
            full[other_indices[k]] = 0.0
    return shared
