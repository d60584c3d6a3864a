"""Time and memory of all-pairs distances and rarefaction, beside scikit-bio.

Processor seconds, warm (kernels compiled, the peer called once before). scikit-bio is left out where it
would take minutes; it is then said so. Run: python benchmarks/bench_distances.py
"""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable

import numpy as np
from scipy import sparse
from skbio import TreeNode
from skbio.diversity import beta_diversity

from commensal.microbiome.abundance import Abundance, rarefy
from commensal.microbiome.diversity.distances import DISTANCES, distance_matrix
from commensal.microbiome.diversity.phylogeny import Tree, read_newick

SIZES = ((172, 1_601), (600, 3_000), (2_000, 5_000))
PEER = {
    "bray_curtis": ("braycurtis", {}, 2_000),
    "jaccard": ("jaccard", {}, 600),
    "unweighted_unifrac": ("unweighted_unifrac", {}, 600),
    "weighted_normalized_unifrac": ("weighted_unifrac", {"normalized": True}, 600),
}


def drawn(n_samples: int, n_taxa: int, *, seed: int) -> Abundance:
    """About one taxon in twelve in each sample, as in Kump's 16S data, with long-tailed counts."""
    generator = np.random.default_rng(seed)
    values = sparse.random_array((n_samples, n_taxa), density=0.08, rng=generator, format="csr")
    values.data = np.ceil(generator.lognormal(3, 1.5, values.nnz))
    ids = tuple(f"S{i:05d}" for i in range(n_samples))
    return Abundance(sparse.csr_array(values), ids, tuple(f"T{i:05d}" for i in range(n_taxa)), True)


def newick(n_taxa: int, *, seed: int) -> str:
    """Lineages joined two by two at random, with exponential branch lengths."""
    generator = np.random.default_rng(seed)
    lines = [f"T{i:05d}" for i in range(n_taxa)]
    while len(lines) > 1:
        i, j = sorted(generator.choice(len(lines), 2, replace=False))
        a, b = generator.exponential(0.05, 2)
        other = lines.pop(j)
        lines[i] = f"({lines[i]}:{a:.6f},{other}:{b:.6f})"
    return lines[0] + ";"


def timed(function: Callable[[], np.ndarray], *, warm: bool) -> tuple[float, np.ndarray]:
    if warm:
        function()
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def peer(abundance: Abundance, tree: TreeNode, distance: str) -> Callable[[], np.ndarray]:
    metric, options, _ = PEER[distance]
    counts = abundance.values.toarray().astype(int)
    if distance.endswith("unifrac"):
        taxa = list(abundance.taxon_ids)
        return lambda: beta_diversity(metric, counts, taxa=taxa, tree=tree, **options).data
    shares = counts / counts.sum(axis=1, keepdims=True) if distance == "bray_curtis" else counts > 0
    return lambda: beta_diversity(metric, shares).data


def compare(abundance: Abundance, tree: Tree, theirs: TreeNode) -> None:
    n = len(abundance.sample_ids)
    for distance in DISTANCES:
        fast, found = timed(
            lambda d=distance: distance_matrix(abundance, distance=d, tree=tree).values, warm=n < 1000
        )
        line = f"  {distance:<28} {fast:7.3f} s"
        if distance in PEER and n <= PEER[distance][2]:
            slow, other = timed(peer(abundance, theirs, distance), warm=n < 200)
            assert np.abs(found - other).max() < 1e-9, "the peer disagrees"
            line += f"; scikit-bio {slow:7.3f} s, {slow / fast:.1f} ×"
        elif distance in PEER:
            line += "; scikit-bio not run (minutes)"
        print(line)


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    at_start = peak()
    for n_samples, n_taxa in SIZES:
        abundance = drawn(n_samples, n_taxa, seed=1)
        text = newick(n_taxa, seed=2)
        print(f"{n_samples:,} samples × {n_taxa:,} taxa ({abundance.values.nnz / n_samples:.0f} in each)")
        theirs = TreeNode.read(io.StringIO(text), format="newick", convert_underscores=False)
        compare(abundance, read_newick(text), theirs)
        print(f"  peak {peak() - at_start:.0f} MB above imports, the peer's included")
    many = drawn(20_000, 5_000, seed=3)
    seconds, _ = timed(lambda: rarefy(many, depth=5_000, seed=4).values, warm=False)
    print(f"rarefaction of 20,000 samples × 5,000 taxa: {seconds:.1f} s")


if __name__ == "__main__":
    main()
