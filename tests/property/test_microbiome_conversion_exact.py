"""There and back again: nothing is lost, made up or scaled on the way to AnnData and scikit-bio."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from commensal.microbiome.abundance import Abundance
from commensal.microbiome.conversion import abundance_from, from_anndata, from_skbio, to_anndata, to_skbio

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 7))
COUNTS = arrays.arrays(np.int64, SHAPES, elements=st.integers(0, 2**40))
SHARES = arrays.arrays(np.float64, SHAPES, elements=st.floats(0, 1 / 7))


def made(values: np.ndarray, *, is_counts: bool) -> Abundance:
    samples = [f"s{i} ö" for i in range(values.shape[0])]
    taxa = [f"k__Bacteria;g__{i}" for i in range(values.shape[1])]
    return abundance_from(values, sample_ids=samples, taxon_ids=taxa, is_counts=is_counts)


def same(one: Abundance, other: Abundance) -> bool:
    return (
        one.sample_ids == other.sample_ids
        and one.taxon_ids == other.taxon_ids
        and one.is_counts == other.is_counts
        and np.array_equal(one.values.toarray(), other.values.toarray())
    )


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.one_of(COUNTS, SHARES))
def test_round_trips_are_exact(values: np.ndarray) -> None:
    is_counts = values.dtype.kind == "i"
    first = made(values, is_counts=is_counts)
    assert np.array_equal(first.values.toarray(), values)
    assert same(from_anndata(to_anndata(first), is_counts=is_counts), first)
    assert same(from_skbio(to_skbio(first), is_counts=is_counts), first)
