"""Presence at a common depth, computed and not drawn: what rarefaction would find on average."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.special import gammaln

from commensal.errors import InputError, RefusedError
from commensal.microbiome.abundance import Abundance, Matrix

# Beyond this a chance of presence is one to the last digit; its complement's logarithm stays finite.
NEARLY_ONE = 1 - 1e-15


def expected_presence(abundance: Abundance, *, depth: int) -> Matrix:
    """Return the chance that each taxon is seen in ``depth`` reads drawn from its sample.

    Shape (samples, taxa), sparse; a sample with fewer reads than ``depth`` has no entries, and is left to
    the caller to name. The chance is hypergeometric, 1 − C(N − c, m) / C(N, m) for c of N reads and depth
    m: the mean of all rarefactions of the sample, without their noise.

    Refuses: RefusedError for proportions, which have no reads; InputError for a depth under 1.
    References: Hurlbert 1971, doi:10.2307/1934145.
    """
    if not abundance.is_counts:
        raise RefusedError("proportions have no reads", expected="read counts")
    if depth < 1:
        raise InputError(f"a depth of {depth} reads", expected="at least 1")
    values = abundance.values
    reads = np.repeat(abundance.totals, np.diff(values.indptr))
    rest = reads - values.data
    unseen = np.zeros(values.nnz)
    can_miss = (rest >= depth) & (reads >= depth)
    unseen[can_miss] = np.exp(_log_draws(rest[can_miss], depth) - _log_draws(reads[can_miss], depth))
    chance = np.where(reads >= depth, 1 - unseen, 0.0)
    return sparse.csr_array((chance, values.indices, values.indptr), shape=values.shape)


def _log_draws(n: np.ndarray, m: int) -> np.ndarray:
    """Return ln(n! / (n − m)!)."""
    return gammaln(n + 1) - gammaln(n - m + 1)


def union_presence(joining: Matrix, chances: Matrix) -> Matrix:
    """Return the chance that a taxon is seen in any sample of each group, each drawn by itself."""
    missed = chances.copy()
    missed.data = np.log1p(-np.minimum(missed.data, NEARLY_ONE))
    union = sparse.csr_array(joining @ missed)
    union.data = -np.expm1(union.data)
    return union


def peds_at_depth(samples: Matrix, donors: Matrix) -> np.ndarray:
    """Return Σ p q / Σ q of row i of each: expected donor taxa found over expected donor taxa.

    p and q are chances of presence (``expected_presence``) in sample and donor; a ratio of expectations,
    not the expectation of the ratio. NaN inside this room only, where the donor has no taxon.
    """
    found = row_sums(samples.multiply(donors))
    had = row_sums(donors)
    return np.divide(found, had, out=np.full(had.shape, np.nan), where=had > 0)


def row_sums(values: Matrix) -> np.ndarray:
    """Return the sum of each row."""
    return np.asarray(values.sum(axis=1), dtype=float).ravel()
