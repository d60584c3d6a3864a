"""Trees: how they are read and rooted, what is refused, and branch lengths added by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commensal.errors import InputError, RefusedError
from commensal.microbiome.abundance import Abundance
from commensal.microbiome.conversion import abundance_from
from commensal.microbiome.diversity.distances import distance_matrix
from commensal.microbiome.diversity.measures import alpha
from commensal.microbiome.diversity.phylogeny import (
    AS_WRITTEN,
    MIDPOINT,
    Tree,
    branches,
    faith_pd,
    read_newick,
    tree_of,
)
from commensal.study import Manifest, open_study, write_study

# scikit-bio is slow to import: the first test that reads a tree pays for it.
pytestmark = pytest.mark.slow

#            ┌1─ A_1
#     ┌───2──┤
#  ───┤      └3─ B
#     └───4───── C
TREE = "((A_1:1,B:3)x:2,C:4);"


def table(*rows: tuple[int, int, int]) -> Abundance:
    return abundance_from(
        np.array(rows),
        sample_ids=[f"s{i}" for i in range(len(rows))],
        taxon_ids=["A_1", "B", "C"],
        is_counts=True,
    )


def test_faith_and_unifrac_by_hand() -> None:
    tree = read_newick(TREE)
    some = table((1, 0, 0), (0, 1, 1), (1, 1, 2), (0, 0, 5))
    assert tree.rooting == AS_WRITTEN
    assert faith_pd(some, tree).tolist() == [3, 9, 10, 4]
    unweighted = distance_matrix(some, distance="unweighted_unifrac", tree=tree).values
    assert unweighted[0, 1] == pytest.approx(1 - 2 / 10)
    assert unweighted[0, 3] == 1
    weighted = distance_matrix(some, distance="weighted_unifrac", tree=tree).values
    assert weighted[0, 1] == pytest.approx(1 * 1 + 3 * 0.5 + 2 * 0.5 + 4 * 0.5)
    normalized = distance_matrix(some, distance="weighted_normalized_unifrac", tree=tree).values
    assert normalized[0, 1] == pytest.approx(5.5 / ((1 + 2) + (1.5 + 1 + 2)))


def test_shares_below_branches() -> None:
    shares = branches(table((1, 1, 2)), read_newick(TREE))
    assert sorted(shares.toarray()[0].tolist()) == [0.25, 0.25, 0.5, 0.5, 1.0]
    assert shares.toarray()[0, 0] == 1.0


def test_a_taxon_that_the_tree_lacks_is_named_and_an_unseen_one_is_not_asked_for() -> None:
    tree = read_newick("((A_1:1,B:3):2,D:4);")
    with pytest.raises(InputError, match="'C' among them"):
        faith_pd(table((1, 0, 1)), tree)
    assert faith_pd(table((1, 0, 0)), tree).tolist() == [3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("((A:1,B:1):1,(A:1,C:1):1);", "taxon 'A' stands twice"),
        ("((A:1,:1):1,C:1);", "no name"),
        ("((A:1,B):1,C:1);", "no length, or one below zero"),
        ("((A:1,B:-1):1,C:1);", "no length, or one below zero"),
        ("((A:1,B:1:1", "cannot be read"),
        ("(A:1,B:1,C:1);", "no root"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_newick(text)


def test_a_tree_without_root_is_rooted_at_its_midpoint_when_asked() -> None:
    tree = read_newick("(A_1:1,B:2,C:7);", midpoint=True)
    assert tree.rooting == MIDPOINT
    # Half way between B and C, 4.5 from each.
    assert faith_pd(table((0, 1, 0), (0, 0, 1), (1, 0, 0)), tree).tolist() == [4.5, 4.5, 3.5]
    with pytest.raises(InputError, match="no length"):
        read_newick("(A:1,B:2,C);", midpoint=True)


def test_a_tree_checks_itself() -> None:
    with pytest.raises(InputError, match="before its parent"):
        Tree(np.array([-1, 2, 0]), np.zeros(3), {"A": 1})
    with pytest.raises(InputError, match="branches under it"):
        Tree(np.array([-1, 0, 1]), np.zeros(3), {"A": 1})
    with pytest.raises(InputError, match="as many lengths"):
        Tree(np.array([-1, 0]), np.zeros(3), {"A": 1})


def test_the_tree_a_study_keeps(tmp_path: Path) -> None:
    manifest = Manifest(origin="test", clock="patient")
    trees = {"tree.nwk": TREE.encode()}
    write_study({}, tmp_path / "one", manifest=manifest, sources=trees)
    assert set(tree_of(open_study(tmp_path / "one")).tips) == {"A_1", "B", "C"}
    write_study({}, tmp_path / "none", manifest=manifest)
    with pytest.raises(RefusedError, match="keeps no tree"):
        tree_of(open_study(tmp_path / "none"))
    write_study({}, tmp_path / "two", manifest=manifest, sources=trees | {"other.tree": TREE.encode()})
    with pytest.raises(InputError, match=r"2 trees: other\.tree, tree\.nwk"):
        tree_of(open_study(tmp_path / "two"))


def test_alpha_has_faith_where_a_tree_is_given() -> None:
    some = table((1, 0, 0), (0, 1, 1))
    assert set(alpha(some)) == {"richness", "shannon", "simpson"}
    assert alpha(some, tree=read_newick(TREE))["faith_pd"].tolist() == [3, 9]
