"""Richness and diversity of communities as share of a reference's."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from commensal.microbiome.abundance import Abundance
from commensal.microbiome.diversity.measures import richness, shannon


def alphas_of(compared: Abundance, *, depth: int) -> dict[str, np.ndarray]:
    """Return richness and Shannon entropy of every sample at the rank compared; NaN where it has none."""
    is_read = compared.totals > 0
    expected = expected_richness(compared, depth=depth) if compared.is_counts else richness(compared.values)
    return {
        "richness_share": np.where(is_read, expected, np.nan),
        "shannon_share": np.where(is_read, shannon(compared.proportions), np.nan),
    }


def expected_richness(abundance: Abundance, *, depth: int) -> np.ndarray:
    """Return the taxa expected among ``depth`` reads drawn without replacement, shape (samples,).

    Σ over taxa of 1 − C(N − n, depth) / C(N, depth), for n of N reads; NaN for a sample of fewer reads.
    References: Hurlbert 1971, doi:10.2307/1934145.
    """
    totals = np.repeat(abundance.totals, np.diff(abundance.values.indptr))
    rest = totals - abundance.values.data
    with np.errstate(invalid="ignore"):
        logs = gammaln(rest + 1) - gammaln(np.maximum(rest - depth, 0) + 1)
        logs += gammaln(np.maximum(totals - depth, 0) + 1) - gammaln(totals + 1)
    seen = np.where(rest < depth, 1.0, -np.expm1(np.minimum(logs, 0.0)))
    sums = np.add.reduceat(np.append(seen, 0.0), abundance.values.indptr[:-1])
    sums = np.where(np.diff(abundance.values.indptr) > 0, sums, 0.0)
    return np.where(abundance.totals >= depth, sums, np.nan)
