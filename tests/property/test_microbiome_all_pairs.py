"""All pairs at once equal the pairwise twins and scikit-bio; order and strangers change no bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from commensal.microbiome.abundance import Abundance, rarefy
from commensal.microbiome.conversion import abundance_from
from commensal.microbiome.diversity import measures as diversity
from commensal.microbiome.diversity.distances import DISTANCES, PSEUDOCOUNT, distance_matrix
from commensal.microbiome.diversity.phylogeny import Tree, faith_pd

N_TAXA = 6
COUNTS = arrays.arrays(
    np.int64,
    st.tuples(st.integers(2, 6), st.just(N_TAXA)),
    elements=st.one_of(st.just(0), st.integers(0, 30), st.integers(0, 10**6)),
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Tips joined two at a time in a drawn order; lengths may be zero."""
    below: list[tuple] = [(f"t{i}",) for i in range(N_TAXA)]
    while len(below) > 1:
        i = draw(st.integers(1, len(below) - 1))
        below[0] = (below[0], below.pop(i))
        below.append(below.pop(0))
    parent, tips = [-1], {}
    waiting = [(child, 0) for child in below[0]]
    while waiting:
        node, above = waiting.pop()
        parent.append(above)
        if len(node) == 1:
            tips[node[0]] = len(parent) - 1
        else:
            waiting += [(child, len(parent) - 1) for child in node]
    lengths = draw(
        st.lists(st.floats(0, 5, allow_subnormal=False), min_size=len(parent), max_size=len(parent))
    )
    return Tree(np.array(parent), np.array([0.0, *lengths[1:]]), tips)


def made(counts: np.ndarray) -> Abundance:
    counts = counts.copy()
    counts[counts.sum(axis=1) == 0, 0] = 1
    return abundance_from(
        counts,
        sample_ids=[f"s{i}" for i in range(len(counts))],
        taxon_ids=[f"t{i}" for i in range(counts.shape[1])],
        is_counts=True,
    )


def below(taxa: Mapping[str, float], tree: Tree) -> np.ndarray:
    """What lies below each branch, one taxon and one branch at a time."""
    sums = np.zeros(tree.parent.size)
    for taxon, value in taxa.items():
        at = tree.tips[taxon]
        while at >= 0:
            sums[at] += value
            at = int(tree.parent[at])
    return sums


def naive_unifrac(one: np.ndarray, other: np.ndarray, tree: Tree, *, distance: str) -> float:
    x, y = (below({f"t{i}": v for i, v in enumerate(row / row.sum())}, tree) for row in (one, other))
    if distance == "unweighted_unifrac":
        either = tree.length[(x > 0) | (y > 0)].sum()
        return float(1 - tree.length[(x > 0) & (y > 0)].sum() / either) if either > 0 else 0.0
    apart = (tree.length * abs(x - y)).sum()
    if distance == "weighted_unifrac":
        return float(apart)
    whole = (tree.length * (x + y)).sum()
    return float(apart / whole) if whole > 0 else 0.0


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(COUNTS, trees())
def test_all_pairs_equal_the_twins(counts: np.ndarray, tree: Tree) -> None:
    abundance = made(counts)
    dense = abundance.values.toarray()
    first, second = np.divmod(np.arange(len(dense) ** 2), len(dense))
    shares = abundance.proportions
    twins = {
        "bray_curtis": diversity.bray_curtis(shares[first], shares[second]),
        "jaccard": diversity.jaccard(shares[first], shares[second]),
        "hellinger": diversity.hellinger(shares[first], shares[second]),
        "aitchison": diversity.aitchison(
            abundance.values[first], abundance.values[second], pseudocount=PSEUDOCOUNT
        ),
    }
    for distance in DISTANCES:
        found = distance_matrix(abundance, distance=distance, tree=tree).values
        twin = twins.get(distance)
        if twin is None:
            pairs = zip(first, second, strict=True)
            twin = [naive_unifrac(dense[i], dense[j], tree, distance=distance) for i, j in pairs]
        assert found.ravel() == pytest.approx(twin, abs=1e-7 if distance == "aitchison" else 1e-9)
        assert np.array_equal(found, found.T)
        assert not found.diagonal().any()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(COUNTS, trees(), st.randoms(use_true_random=False))
def test_order_and_strangers_change_no_bit(counts: np.ndarray, tree: Tree, random) -> None:
    abundance = made(counts)
    dense = abundance.values.toarray()
    rows, columns = list(range(len(dense))), list(range(N_TAXA))
    random.shuffle(rows)
    random.shuffle(columns)
    rows = rows[: max(2, len(rows) - 1)]
    other = abundance_from(
        dense[np.ix_(rows, columns)],
        sample_ids=[abundance.sample_ids[i] for i in rows],
        taxon_ids=[abundance.taxon_ids[i] for i in columns],
        is_counts=True,
    )
    for distance in DISTANCES:
        found = distance_matrix(abundance, distance=distance, tree=tree).values
        again = distance_matrix(other, distance=distance, tree=tree).values
        assert np.array_equal(found[np.ix_(rows, rows)], again), distance


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(COUNTS, trees())
def test_faith_equals_its_twin(counts: np.ndarray, tree: Tree) -> None:
    abundance = made(counts)
    twin = [
        tree.length[below({f"t{i}": float(v > 0) for i, v in enumerate(row)}, tree) > 0].sum()
        for row in abundance.values.toarray()
    ]
    assert faith_pd(abundance, tree) == pytest.approx(twin)


@settings(max_examples=40, deadline=None)
@given(COUNTS, st.integers(0, 2**32), st.integers(1, 20), st.randoms(use_true_random=False))
def test_what_is_drawn_hangs_on_the_seed_and_the_sample_alone(
    counts: np.ndarray, seed: int, depth: int, random
) -> None:
    abundance = made(counts)
    dense = abundance.values.toarray()
    rows, columns = list(range(len(dense))), list(range(N_TAXA))
    random.shuffle(rows)
    random.shuffle(columns)
    other = abundance_from(
        dense[np.ix_(rows, columns)],
        sample_ids=[abundance.sample_ids[i] for i in rows],
        taxon_ids=[abundance.taxon_ids[i] for i in columns],
        is_counts=True,
    )
    drawn, again = (rarefy(a, depth=depth, seed=seed) for a in (abundance, other))
    assert set(drawn.sample_ids) == {
        s for s, t in zip(abundance.sample_ids, abundance.totals, strict=True) if t >= depth
    }
    assert (drawn.totals == depth).all()
    assert np.array_equal(again.select(drawn.sample_ids).values.toarray(), drawn.values.toarray())
    assert again.taxon_ids == drawn.taxon_ids
    assert (drawn.values.toarray() <= abundance.select(drawn.sample_ids).values.toarray()).all()
