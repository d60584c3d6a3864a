"""Diversity and distances against scikit-bio and SciPy as oracles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

from commensal.errors import InputError
from commensal.microbiome.diversity import measures as diversity

COUNTS = np.random.default_rng(4).poisson(2, (8, 30)) * (np.random.default_rng(5).random((8, 30)) < 0.5)
PAIRS = [(0, 1), (2, 3), (4, 4), (7, 1)]


def pair(values: np.ndarray) -> tuple[sparse.csr_array, sparse.csr_array]:
    matrix = sparse.csr_array(values)
    return matrix[[i for i, _ in PAIRS]], matrix[[j for _, j in PAIRS]]


def picked(square: np.ndarray) -> list[float]:
    return [square[i, j] for i, j in PAIRS]


@pytest.mark.slow
def test_alpha_agrees_with_scikit_bio() -> None:
    from skbio.diversity import alpha

    proportions = sparse.csr_array(COUNTS / COUNTS.sum(axis=1, keepdims=True))
    assert diversity.richness(sparse.csr_array(COUNTS)) == pytest.approx([alpha.sobs(r) for r in COUNTS])
    assert diversity.shannon(proportions) == pytest.approx([alpha.shannon(r, base=np.e) for r in COUNTS])
    assert diversity.simpson(proportions) == pytest.approx([alpha.simpson(r) for r in COUNTS])


@pytest.mark.slow
def test_aitchison_agrees_with_scikit_bio() -> None:
    from skbio.stats.composition import clr

    square = cdist(clr(COUNTS + 0.5), clr(COUNTS + 0.5))
    assert diversity.aitchison(*pair(COUNTS), pseudocount=0.5) == pytest.approx(picked(square), abs=1e-9)


def test_distances_agree_with_scipy() -> None:
    proportions = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    assert diversity.bray_curtis(*pair(proportions)) == pytest.approx(
        picked(cdist(proportions, proportions, "braycurtis"))
    )
    assert diversity.jaccard(*pair(COUNTS)) == pytest.approx(picked(cdist(COUNTS > 0, COUNTS > 0, "jaccard")))
    roots = np.sqrt(proportions)
    assert diversity.hellinger(*pair(proportions)) == pytest.approx(picked(cdist(roots, roots)))


def test_a_pseudocount_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="above zero"):
        diversity.aitchison(*pair(COUNTS), pseudocount=0)
