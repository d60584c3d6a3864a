"""Diversity inside samples and distances between chosen pairs of samples.

Nothing here is "balance": each measure says one thing about one community, and is read against a
reference. All functions take sparse samples × taxa matrices (CSR) and return one float a sample or pair.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from commensal.errors import InputError
from commensal.microbiome.abundance import Abundance, Matrix
from commensal.microbiome.phylogeny import Tree, faith_pd


def richness(values: Matrix) -> np.ndarray:
    """Return the number of taxa seen in each sample (observed richness; grows with depth)."""
    return np.diff(values.indptr).astype(float)


def shannon(proportions: Matrix) -> np.ndarray:
    """Return Shannon's entropy −Σ p ln p of each sample, in nats; an empty sample gives 0.

    References: Shannon 1948, doi:10.1002/j.1538-7305.1948.tb01338.x.
    """
    return _sum_rows(proportions, -proportions.data * np.log(proportions.data))


def simpson(proportions: Matrix) -> np.ndarray:
    """Return Simpson's diversity 1 − Σ p²: the chance that two reads are of two taxa.

    References: Simpson 1949, doi:10.1038/163688a0.
    """
    return 1.0 - _sum_rows(proportions, proportions.data**2)


def bray_curtis(first: Matrix, second: Matrix) -> np.ndarray:
    """Return the Bray–Curtis dissimilarity Σ|a − b| / Σ(a + b) of row i of each matrix.

    On proportions this is half the sum of absolute differences; 0 the same, 1 nothing in common.
    Two empty samples give 0. References: Bray & Curtis 1957, doi:10.2307/1942268.
    """
    apart = np.asarray(abs(first - second).sum(axis=1)).ravel()
    total = np.asarray(first.sum(axis=1)).ravel() + np.asarray(second.sum(axis=1)).ravel()
    return np.divide(apart, total, out=np.zeros_like(total, dtype=float), where=total > 0)


def jaccard(first: Matrix, second: Matrix) -> np.ndarray:
    """Return the Jaccard distance 1 − |A ∩ B| / |A ∪ B| on presence; two empty samples give 0."""
    shared = shared_taxa(first, second)
    union = richness(first) + richness(second) - shared
    return np.divide(union - shared, union, out=np.zeros_like(union), where=union > 0)


def shared_taxa(first: Matrix, second: Matrix) -> np.ndarray:
    """Return the number of taxa seen in both samples of each pair."""
    return np.asarray(_seen(first).multiply(_seen(second)).sum(axis=1), dtype=float).ravel()


def hellinger(first: Matrix, second: Matrix) -> np.ndarray:
    """Return the Euclidean distance between square-rooted proportions; from 0 to √2.

    References: Legendre & Gallagher 2001, doi:10.1007/s004420100716.
    """
    apart = first.sqrt() - second.sqrt()
    return np.sqrt(np.asarray(apart.power(2).sum(axis=1)).ravel())


def aitchison(first: Matrix, second: Matrix, *, pseudocount: float) -> np.ndarray:
    """Return the Aitchison distance of each pair of count vectors after adding ``pseudocount``.

    With d = ln((a + c) / (b + c)) over all D taxa of the matrices, the squared distance is Σd² − (Σd)²/D;
    taxa absent from both give d = 0, so only the sparse entries are visited, but D counts them: the value
    depends on which taxa the matrices hold, and is compared only within one set of taxa.
    Refuses (InputError) a pseudocount that is not above zero.
    References: Aitchison 1986, doi:10.1007/978-94-009-4109-0.
    """
    if not pseudocount > 0:
        raise InputError(f"a pseudocount of {pseudocount}", expected="a number above zero")
    apart = _log_above(first, pseudocount) - _log_above(second, pseudocount)
    squares = np.asarray(apart.power(2).sum(axis=1)).ravel()
    sums = np.asarray(apart.sum(axis=1)).ravel()
    n_taxa = max(first.shape[1], 1)
    return np.sqrt(np.maximum(squares - sums**2 / n_taxa, 0.0))


def alpha(abundance: Abundance, *, tree: Tree | None = None) -> dict[str, np.ndarray]:
    """Return richness, Shannon (nats) and Simpson of every sample, in the order of its samples.

    With the tree of the taxa also Faith's phylogenetic diversity (``faith_pd``).
    """
    found = {
        "richness": richness(abundance.values),
        "shannon": shannon(abundance.proportions),
        "simpson": simpson(abundance.proportions),
    }
    return found if tree is None else found | {"faith_pd": faith_pd(abundance, tree)}


def _seen(values: Matrix) -> Matrix:
    seen = values.astype(np.int64)
    seen.data[:] = 1
    return seen


def _log_above(values: Matrix, pseudocount: float) -> Matrix:
    logs = values.astype(float)
    logs.data = np.log1p(logs.data / pseudocount)
    return logs


def _sum_rows(values: Matrix, data: np.ndarray) -> np.ndarray:
    same_places = sparse.csr_array((data, values.indices, values.indptr), shape=values.shape)
    return np.asarray(same_places.sum(axis=1), dtype=float).ravel()
