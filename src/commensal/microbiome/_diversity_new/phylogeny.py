"""The tree of the taxa, and what it adds: Faith's phylogenetic diversity and the branches of a community.

A tree is three arrays: the parent of each node, the length of the branch above it, and the node of each
tip. Every measure on it is a sum over branches, so a community becomes a row of a sparse matrix samples ×
branches, and the distances of :mod:`commensal.microbiome.distances` do the rest.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from commensal.errors import InputError, RefusedError, nearest
from commensal.microbiome.abundance import Abundance, Matrix
from commensal.study import Study

TREE_FILES = (".nwk", ".newick", ".tree", ".tre")
AS_WRITTEN = "rooted as written"
MIDPOINT = "unrooted in the source; rooted at its midpoint"


@dataclass(frozen=True, eq=False)
class Tree:
    """A rooted tree of taxa.

    ``parent`` is the node above each node, shape (nodes,), the root's −1; a node comes after its parent.
    ``length`` is that of the branch above each node, in the tree's own unit (substitutions a site). ``tips``
    gives each taxon's node; ``rooting`` says in words where the root comes from. Refuses (InputError)
    nodes out of order, lengths that are negative or not a number, and a tip with branches under it.
    """

    parent: np.ndarray
    length: np.ndarray
    tips: Mapping[str, int]
    rooting: str = AS_WRITTEN

    def __post_init__(self) -> None:
        nodes = np.arange(self.parent.size)
        if self.parent.size != self.length.size or not self.parent.size:
            raise InputError(f"a tree of {self.parent.size} nodes", expected="as many lengths as nodes")
        if self.parent[0] != -1 or not ((self.parent[1:] >= 0) & (self.parent[1:] < nodes[1:])).all():
            raise InputError("a node stands before its parent", expected="the root first, then downwards")
        if not (np.isfinite(self.length) & (self.length >= 0)).all():
            raise InputError(
                "a branch of the tree has no length, or one below zero",
                expected="a length from 0 up for each branch",
            )
        if set(self.tips.values()) & set(self.parent.tolist()):
            raise InputError("a taxon stands at a node with branches under it", expected="taxa at the tips")

    @cached_property
    def branches_above(self) -> sparse.csr_array:
        """One where a branch leads to a tip; shape (tips, nodes), tips in the order of ``tips``."""
        at = np.fromiter(self.tips.values(), dtype=np.int64, count=len(self.tips))
        tip = np.arange(at.size)
        rows, columns = [], []
        while tip.size:
            rows.append(tip)
            columns.append(at)
            at = self.parent[at]
            tip, at = tip[at >= 0], at[at >= 0]
        row, column = np.concatenate([*rows, tip]), np.concatenate([*columns, at])
        shape = (len(self.tips), self.parent.size)
        return sparse.csr_array((np.ones(row.size), (row, column)), shape=shape)


def read_newick(text: str, *, midpoint: bool = False) -> Tree:
    """Return the tree of a Newick text; a name in it is a taxon's id, letter for letter.

    A root with more than two branches is how programs write a tree that has no root. Faith's diversity and
    unweighted UniFrac hang on the root; ``midpoint`` puts it half way between the two tips that are
    farthest apart. Refuses (InputError) text that is no tree, a tree without a root unless ``midpoint``,
    and a taxon that stands twice or has no name.
    """
    from skbio import TreeNode
    from skbio.io import FileFormatError
    from skbio.tree import TreeError

    try:
        root: Any = TreeNode.read(io.StringIO(text), format="newick", convert_underscores=False)
    except (FileFormatError, ValueError) as error:
        raise InputError(f"the tree cannot be read: {error}", expected="Newick, ending in ';'") from error
    is_rooted = len(root.children) <= 2
    if not is_rooted and not midpoint:
        raise InputError(
            f"the tree has no root ({len(root.children)} branches at the top)",
            expected="a rooted tree",
            do="root it, or let it be rooted at its midpoint (midpoint=True)",
        )
    if is_rooted:
        return _as_arrays(root, rooting=AS_WRITTEN)
    _as_arrays(root, rooting=AS_WRITTEN)  # Its lengths and names are checked before they are used.
    try:
        return _as_arrays(root.root_at_midpoint(), rooting=MIDPOINT)
    except TreeError as error:
        raise InputError(f"the tree has no midpoint: {error}", expected="branches of some length") from error


def _as_arrays(root: Any, *, rooting: str) -> Tree:
    number: dict[int, int] = {}
    parent, length = [], []
    tips: dict[str, int] = {}
    for node in root.preorder(include_self=True):
        number[id(node)] = len(parent)
        parent.append(-1 if node is root else number[id(node.parent)])
        # The root hangs on nothing: a length there, or none, says nothing about the taxa.
        length.append(0.0 if node is root else np.nan if node.length is None else node.length)
        if node.is_tip():
            if not node.name or node.name in tips:
                what = f"taxon {node.name!r} stands twice" if node.name else "a taxon has no name"
                raise InputError(f"{what} in the tree", expected="each taxon once, by its id")
            tips[node.name] = number[id(node)]
    return Tree(np.array(parent, dtype=np.int64), np.array(length, dtype=float), tips, rooting)


def tree_of(study: Study) -> Tree:
    """Return the tree that the study keeps among its sources; one without a root is rooted at its midpoint.

    Refuses: RefusedError where the study keeps no tree; InputError where it keeps several, or one that
    cannot be read.
    """
    found = {name: path for name, path in study.kept("sources").items() if name.endswith(TREE_FILES)}
    if not found:
        raise RefusedError(
            "the study keeps no tree of its taxa",
            expected=f"a file {' or '.join('*' + ending for ending in TREE_FILES)} among its sources",
            do="import the study from a folder that holds tree.nwk",
        )
    if len(found) > 1:
        raise InputError(f"the study keeps {len(found)} trees: {', '.join(found)}", expected="one tree")
    (path,) = found.values()
    return read_newick(path.read_text(encoding="utf-8"), midpoint=True)


def branches(abundance: Abundance, tree: Tree) -> Matrix:
    """Return each sample's share (proportion) below each branch, sparse, shape (samples, nodes).

    Column 0, the root, holds one for each sample that is not empty. Refuses (InputError) a taxon of the
    abundances that the tree does not hold: left out in silence it would shift every figure.
    """
    seen = np.unique(abundance.values.indices)
    missing = [abundance.taxon_ids[i] for i in seen if abundance.taxon_ids[i] not in tree.tips]
    if missing:
        raise InputError(
            f"{len(missing)} of {seen.size} taxa are not in the tree, {missing[0]!r} among them",
            expected=nearest(missing[0], tree.tips),
            do="give the tree that was made from these taxa",
        )
    row_of = {taxon: row for row, taxon in enumerate(tree.tips)}
    kept = [abundance.taxon_ids[i] for i in seen]
    above = tree.branches_above[[row_of[t] for t in kept]]
    # Taxa are added up in the tree's order, so that theirs in the table makes no difference.
    order = np.argsort([row_of[t] for t in kept])
    shares = sparse.csr_array(abundance.proportions[:, seen[order]]) @ above[order]
    shares = sparse.csr_array(shares)
    shares.sort_indices()
    return shares


def faith_pd(abundance: Abundance, tree: Tree) -> np.ndarray:
    """Return Faith's phylogenetic diversity of each sample, shape (samples,); an empty sample gives 0.

    The length of all branches that lead from the root to a taxon seen in the sample. It grows with depth.
    Refuses (InputError) a taxon that the tree does not hold.
    References: Faith 1992, doi:10.1016/0006-3207(92)91201-3.
    """
    present = branches(abundance, tree)
    present.data[:] = 1.0
    return np.asarray(present @ tree.length, dtype=float)
