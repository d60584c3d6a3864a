"""All pairs of rows of a sparse matrix, in machine code. Arrays in, arrays out.

Layout: CSR with the entries of each row in rising order of their column, no zeros, no repeats. What a pair
gives is summed over the columns that both rows have, in that order: it is the same whichever of the two
comes first and whatever other rows there are, to the last bit.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def overlaps(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, n_columns: int) -> np.ndarray:
    """Return Σ min(x, y) of each pair of rows of non-negative numbers, shape (rows, rows)."""
    n = indptr.size - 1
    found = np.zeros((n, n))
    row = np.zeros(n_columns)
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            row[indices[k]] = data[k]
        for j in range(i + 1):
            total = 0.0
            for k in range(indptr[j], indptr[j + 1]):
                total += min(row[indices[k]], data[k])
            found[i, j] = total
            found[j, i] = total
        for k in range(indptr[i], indptr[i + 1]):
            row[indices[k]] = 0.0
    return found


@numba.njit(cache=True, nogil=True)
def squared(indptr: np.ndarray, indices: np.ndarray, data: np.ndarray, n_columns: int) -> np.ndarray:
    """Return Σ (x − y)² of each pair of rows of positive numbers, shape (rows, rows).

    The columns that only one row has are its own sum of squares less that of the shared columns, so that
    two rows alike are exactly 0 apart.
    """
    n = indptr.size - 1
    found = np.zeros((n, n))
    row = np.zeros(n_columns)
    own = np.zeros(n)
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            row[indices[k]] = data[k]
            own[i] += data[k] * data[k]
        for j in range(i):
            near, mine, theirs = 0.0, 0.0, 0.0
            for k in range(indptr[j], indptr[j + 1]):
                here = row[indices[k]]
                if here > 0:
                    near += (here - data[k]) * (here - data[k])
                    mine += here * here
                    theirs += data[k] * data[k]
            apart = near + (max(own[i] - mine, 0.0) + max(own[j] - theirs, 0.0))
            found[i, j] = apart
            found[j, i] = apart
        for k in range(indptr[i], indptr[i + 1]):
            row[indices[k]] = 0.0
    return found
