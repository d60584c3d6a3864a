"""C2R, colonisers against residents: abundance in taxa the donor, or the recipient before, had more of."""

from __future__ import annotations

import numpy as np

from commensal.microbiome.abundance import Matrix

TRIMMED = 0.05
PSEUDO = 1e-5


def c2r(samples: Matrix, baselines: Matrix, donors: Matrix) -> np.ndarray:
    """Return −ln(Q₂ / Q₁) of row i of each; above zero where colonisers outweigh residents.

    Q₁ sums up the sample's abundances in the taxa with a greater fold change from the baseline than from
    the donor, ln(s/b + 1) > ln(s/d + 1), Q₂ those with a smaller one; for a taxon that the sample has that
    is just d > b and d < b. Each Q is (5 %-trimmed mean + 1e-5) × number of taxa. As published the index
    is computed on raw counts although a relative table is made just before: the pseudo-count then hangs on
    the depth. Give proportions for comparable values, counts to repeat published ones. NaN inside this room
    only, where one side has no taxon.

    References: as in bioinfo-biols/FMT_Enterotype, whose toy vectors this function meets.
    """
    more = (donors - baselines).tocsr()
    q = {side: _weight(samples, (more > 0 if side == "first" else more < 0)) for side in ("first", "second")}
    with np.errstate(divide="ignore", invalid="ignore"):
        index = np.log(q["first"]) - np.log(q["second"])
    return np.where(np.isfinite(index), index, np.nan)


def _weight(samples: Matrix, chosen: Matrix) -> np.ndarray:
    """Return (5 %-trimmed mean + pseudo-count) × number, over the chosen taxa each sample has."""
    kept = samples.multiply(chosen).tocsr()
    kept.eliminate_zeros()
    count = np.diff(kept.indptr)
    row = np.repeat(np.arange(kept.shape[0]), count)
    order = np.lexsort((kept.data, row))
    place = np.arange(kept.nnz) - kept.indptr[row]
    cut = np.floor(count * TRIMMED).astype(int)
    is_kept = (place >= cut[row]) & (place < (count - cut)[row])
    sums = np.bincount(row, weights=np.where(is_kept, kept.data[order], 0.0), minlength=kept.shape[0])
    return (sums / np.maximum(count - 2 * cut, 1) + PSEUDO) * count
