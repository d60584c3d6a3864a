"""Distances between all pairs of samples.

One walk over the sparse rows gives each of them: Bray–Curtis, Jaccard and the two UniFracs from
Σ min(x, y), Hellinger and Aitchison from Σ (x − y)². For chosen pairs of samples, and as a second opinion
on these, :mod:`commensal.microbiome.diversity` has the same measures pair by pair.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from commensal.errors import InputError, RefusedError, nearest
from commensal.microbiome.abundance import Abundance, Matrix, abundance_of, in_order
from commensal.microbiome.comparability import Setting, comparable_groups, refusal, settings_of
from commensal.microbiome.phylogeny import Tree, branches, tree_of
from commensal.study import Study

# Half a read stands for a taxon not seen, where logarithms are taken.
PSEUDOCOUNT = 0.5

# A square of numbers of 8 bytes: 800 MB.
MAX_SAMPLES = 10_000

# Rows finished together: they fit a cache, and change no number.
ROWS_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances between all pairs of samples: ``values`` of shape (samples, samples), symmetric, 0 on the
    diagonal, rows and columns in the order of ``sample_ids``; ``distance`` is the name of the measure."""

    values: np.ndarray
    sample_ids: tuple[str, ...]
    distance: str


def distance_matrix(
    abundance: Abundance,
    *,
    distance: str,
    tree: Tree | None = None,
    settings: Mapping[str, Setting] | None = None,
) -> Distances:
    """Return the distances between all pairs of samples.

    Parameters
        distance: one of ``DISTANCES``. bray_curtis, jaccard and hellinger compare proportions or presence;
        aitchison compares counts (half a read stands for a taxon not seen, and its value depends on which
        taxa the table holds); unweighted_unifrac, weighted_unifrac and weighted_normalized_unifrac need
        ``tree``. ``settings``, where given, says how each sample was read.

    Returns
        The same numbers whatever the order of samples and taxa, and for a pair whatever the other samples
        (aitchison: of the same taxa).

    Refuses
        InputError: an unknown distance, no tree for UniFrac, a taxon that the tree lacks. RefusedError: two
        samples that cannot be compared, samples without any abundance (nothing is known of how far they
        are from others), proportions for aitchison, more than 10,000 samples.

    Notes
        On proportions, with b(x) the share below a branch of length l: Bray–Curtis
        Σ|x − y| / Σ(x + y); Jaccard 1 − |X ∩ Y| / |X ∪ Y|; Hellinger √Σ(√x − √y)²; unweighted UniFrac
        1 − Σ l [in both] / Σ l [in either]; weighted Σ l |b(x) − b(y)|; normalized, that over
        Σ l (b(x) + b(y)). Aitchison: √(Σd² − (Σd)²/D), d = ln((x + ½)/(y + ½)) over all D taxa.

    References
        Bray & Curtis 1957, doi:10.2307/1942268; Lozupone & Knight 2005, doi:10.1128/AEM.71.12.8228-8235.2005;
        Lozupone et al. 2007, doi:10.1128/AEM.01996-06; Legendre & Gallagher 2001, doi:10.1007/s004420100716;
        Aitchison 1986, doi:10.1007/978-94-009-4109-0.
    """
    if distance not in DISTANCES:
        raise InputError(f"{distance!r} is no distance", expected=nearest(distance, DISTANCES))
    _check_samples(abundance, distance=distance)
    _check_settings(abundance, settings or {})
    rows = _rows(in_order(abundance), distance=distance, tree=tree)
    return Distances(_MEASURES[distance](rows), abundance.sample_ids, distance)


def study_distances(
    study: Study, *, distance: str = "bray_curtis", samples: Collection[str] | None = None
) -> Distances:
    """Return the distances between all profiled samples of a study, or between those named.

    Refuses what :func:`distance_matrix` refuses, samples of settings that cannot be compared among it;
    UniFrac needs a tree among the study's sources.
    """
    abundance = abundance_of(study, samples=samples)
    if absent := sorted(set(samples or ()) - set(abundance.sample_ids)):
        raise InputError(f"sample {absent[0]!r} has no abundances", expected="profiled samples")
    tree = tree_of(study) if distance in ON_TREE else None
    return distance_matrix(abundance, distance=distance, tree=tree, settings=settings_of(study))


def _check_samples(abundance: Abundance, *, distance: str) -> None:
    if len(abundance.sample_ids) > MAX_SAMPLES:
        raise RefusedError(
            f"{len(abundance.sample_ids):,} samples", expected=f"at most {MAX_SAMPLES:,}", do="choose samples"
        )
    if empty := [s for s, total in zip(abundance.sample_ids, abundance.totals, strict=True) if total <= 0]:
        raise RefusedError(
            f"{len(empty)} samples hold nothing, {empty[0]!r} among them: their distances are unknown",
            expected="samples with at least one taxon",
            do="leave them out",
        )
    if distance == "aitchison" and not abundance.is_counts:
        raise RefusedError("proportions have no reads to add half a read to", expected="read counts")


def _check_settings(abundance: Abundance, settings: Mapping[str, Setting]) -> None:
    groups = comparable_groups({s: settings[s] for s in abundance.sample_ids if s in settings})
    firsts = [group[0] for group in groups]
    if len(firsts) > 1:
        why = next((r for s in firsts[1:] if (r := refusal(settings[firsts[0]], settings[s]))), None)
        raise RefusedError(
            f"the samples are of {len(groups)} settings; {firsts[0]!r} and {firsts[1]!r}: "
            f"{why or 'unknown parts fit several'}",
            expected="samples of one assay, region and pipeline",
            do="choose the samples of one setting, or draw an ordination, which keeps them apart",
        )


def _rows(abundance: Abundance, *, distance: str, tree: Tree | None) -> Matrix:
    """Return the row of non-negative numbers that stands for each sample in the measure."""
    if distance in ON_TREE:
        if tree is None:
            raise InputError(f"{distance} needs the tree of the taxa", expected="a tree")
        return _branch_rows(branches(abundance, tree), tree, is_weighted=distance != "unweighted_unifrac")
    if distance == "jaccard":
        return abundance.presence.astype(float)
    if distance == "hellinger":
        return abundance.proportions.sqrt()
    if distance == "aitchison":
        rows = abundance.values.astype(float)
        rows.data = np.log1p(rows.data / PSEUDOCOUNT)
        return rows
    return abundance.proportions


def _branch_rows(shares: Matrix, tree: Tree, *, is_weighted: bool) -> Matrix:
    """Return each branch's length times the share below it, or the length where anything is below it."""
    rows = shares.copy()
    rows.data = tree.length[rows.indices] * (rows.data if is_weighted else 1.0)
    rows.eliminate_zeros()
    return rows


_Finish = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _from_overlaps(rows: Matrix, *, finish: _Finish) -> np.ndarray:
    """Return ``finish(Σ min(x, y), Σ x + Σ y)`` of all pairs, some rows at a time and in place."""
    from commensal.microbiome._distance_kernels import overlaps

    found = overlaps(*_arrays(rows))
    own = found.diagonal().copy()
    for start in range(0, own.size, ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        found[block] = finish(found[block], own[block, None] + own[None, :])
    return found


def _dissimilarity(shared: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Σ|x − y| / Σ(x + y); 0 where both rows are nothing but zeros."""
    return np.divide(_difference(shared, both), both, out=np.zeros_like(both), where=both > 0)


def _difference(shared: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Σ|x − y|."""
    return np.maximum(both - 2 * shared, 0)


def _unshared(shared: np.ndarray, both: np.ndarray) -> np.ndarray:
    """1 − Σ min(x, y) / Σ max(x, y); 0 where both rows are nothing but zeros."""
    either = both - shared
    return np.divide(np.maximum(either - shared, 0), either, out=np.zeros_like(both), where=either > 0)


def _euclidean(rows: Matrix) -> np.ndarray:
    from commensal.microbiome._distance_kernels import squared

    apart = squared(*_arrays(rows))
    return np.sqrt(apart, out=apart)


def _log_ratio(rows: Matrix) -> np.ndarray:
    from commensal.microbiome._distance_kernels import squared

    apart = squared(*_arrays(rows))
    sums = np.asarray(rows.sum(axis=1)).ravel()
    for row, total in enumerate(sums):
        apart[row] = np.sqrt(np.maximum(apart[row] - (total - sums) ** 2 / rows.shape[1], 0))
    return apart


def _arrays(rows: Matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return the arrays of a sparse matrix in the one layout that the kernels are compiled for."""
    return rows.indptr.astype(np.int64), rows.indices.astype(np.int64), rows.data, rows.shape[1]


_MEASURES: Mapping[str, Callable[[Matrix], np.ndarray]] = {
    "bray_curtis": partial(_from_overlaps, finish=_dissimilarity),
    "jaccard": partial(_from_overlaps, finish=_unshared),
    "hellinger": _euclidean,
    "aitchison": _log_ratio,
    "unweighted_unifrac": partial(_from_overlaps, finish=_unshared),
    "weighted_unifrac": partial(_from_overlaps, finish=_difference),
    "weighted_normalized_unifrac": partial(_from_overlaps, finish=_dissimilarity),
}
DISTANCES = tuple(_MEASURES)
ON_TREE = frozenset(d for d in DISTANCES if d.endswith("unifrac"))
