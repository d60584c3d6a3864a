"""Compiled loops over baseline, donor and sample of one subject. Arrays in, arrays out; CSR over one set."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def fate_sums(
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    donor_indices: np.ndarray,
    donor_indptr: np.ndarray,
    baseline_indices: np.ndarray,
    baseline_indptr: np.ndarray,
    n_taxa: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return taxa and summed data of each row by who holds a taxon, both (rows, 8).

    The column is 1 for the sample, plus 2 for the donor, plus 4 for the baseline; column 0 stays zero.
    """
    n = indptr.size - 1
    counts = np.zeros((n, 8), dtype=np.int64)
    sums = np.zeros((n, 8))
    held = np.zeros(n_taxa, dtype=np.int8)
    for i in range(n):
        for k in range(donor_indptr[i], donor_indptr[i + 1]):
            held[donor_indices[k]] += 2
        for k in range(baseline_indptr[i], baseline_indptr[i + 1]):
            held[baseline_indices[k]] += 4
        for k in range(indptr[i], indptr[i + 1]):
            code = held[indices[k]] + 1
            counts[i, code] += 1
            sums[i, code] += data[k]
            held[indices[k]] = 0
        for k in range(donor_indptr[i], donor_indptr[i + 1]):
            counts[i, held[donor_indices[k]]] += 1
            held[donor_indices[k]] = 0
        for k in range(baseline_indptr[i], baseline_indptr[i + 1]):
            counts[i, held[baseline_indices[k]]] += 1
            held[baseline_indices[k]] = 0
        counts[i, 0] = 0
    return counts, sums


@njit(cache=True, nogil=True)
def fate_entries(
    row_ends: np.ndarray,
    data: np.ndarray,
    indices: np.ndarray,
    indptr: np.ndarray,
    donor_data: np.ndarray,
    donor_indices: np.ndarray,
    donor_indptr: np.ndarray,
    baseline_data: np.ndarray,
    baseline_indices: np.ndarray,
    baseline_indptr: np.ndarray,
    n_taxa: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return taxon, who holds it, and its three values, row after row in the order of the taxa.

    ``row_ends`` holds the number of entries up to the end of each row, as ``fate_sums`` counts them.
    """
    n = indptr.size - 1
    total = row_ends[-1] if n else 0
    taxon = np.empty(total, dtype=np.int32)
    code = np.empty(total, dtype=np.int8)
    values = np.empty((3, total))
    held = np.zeros(n_taxa, dtype=np.int8)
    full = np.zeros((3, n_taxa))
    place = 0
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            held[indices[k]] += 1
            full[0, indices[k]] = data[k]
        for k in range(donor_indptr[i], donor_indptr[i + 1]):
            held[donor_indices[k]] += 2
            full[1, donor_indices[k]] = donor_data[k]
        for k in range(baseline_indptr[i], baseline_indptr[i + 1]):
            held[baseline_indices[k]] += 4
            full[2, baseline_indices[k]] = baseline_data[k]
        for t in range(n_taxa):
            if held[t]:
                taxon[place] = t
                code[place] = held[t]
                for j in range(3):
                    values[j, place] = full[j, t]
                    full[j, t] = 0.0
                held[t] = 0
                place += 1
    return taxon, code, values
