"""Is a recipient nearer to the own donor than to other donors? A Monte-Carlo test against mismatches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control

from commensal.errors import InputError, RefusedError


@dataclass(frozen=True, eq=False)
class MismatchTest:
    """One test a sample: mismatched values at least as large, p, and q over the samples tested."""

    n_at_least: np.ndarray
    n_mismatched: np.ndarray
    p: np.ndarray
    q: np.ndarray

    @property
    def statistic(self) -> np.ndarray:
        """Mismatched values below the sample's own."""
        return self.n_mismatched - self.n_at_least


def mismatch_test(values: np.ndarray, mismatched: np.ndarray) -> MismatchTest:
    """Test each value (PEDS with the own donor) against the pool of mismatched values.

    p = (#(mismatched ≥ value) + 1) / (n + 1), which is never zero; q is Benjamini and Hochberg's. The
    values are not combined into one test of the study: samples of one recipient and recipients of one
    donor are not independent, and Stouffer's sum breaks on a single p of 1.
    Refuses (RefusedError) an empty pool and (InputError) values that are not numbers.
    References: Davison & Hinkley 1997, doi:10.1017/CBO9780511802843, section 4.2;
    Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values, pool = np.asarray(values, dtype=float), np.sort(np.asarray(mismatched, dtype=float))
    if not pool.size:
        raise RefusedError("no mismatched pair to compare with", expected="at least two donors")
    if not (np.isfinite(values).all() and np.isfinite(pool).all()):
        raise InputError("a value is not a number", do="leave out samples without a value first")
    n_at_least = pool.size - np.searchsorted(pool, values, side="left")
    p = (n_at_least + 1) / (pool.size + 1)
    q = np.asarray(false_discovery_control(p)) if p.size else p
    return MismatchTest(n_at_least, np.full(values.shape, pool.size), p, q)
