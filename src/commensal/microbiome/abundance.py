"""Communities as one sparse matrix: samples × taxa, counts or proportions, never mixed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import narwhals as nw
import numpy as np
import polars as pl
from scipy import sparse

from commensal.errors import InputError, RefusedError, nearest
from commensal.study import INPUTS, Study
from commensal.study.inputs.samples import RANKS

# Rounding in a source can leave the shares of a sample a little above one.
SUM_TOLERANCE = 0.01

# NumPy draws without replacement from fewer than a thousand million reads.
MAX_READS_DRAWN_FROM = 1_000_000_000

# A scipy.sparse.csr_array, rows × taxa, without stored zeros; scipy ships no types for it.
Matrix: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Abundance:
    """Abundances of taxa in samples.

    ``values`` is a CSR array of shape (samples, taxa) without stored zeros: read counts where
    ``is_counts``, else proportions of the sample. A taxon that is not stored was not seen. Rows follow
    ``sample_ids``, columns ``taxon_ids``. Refuses (InputError) repeated ids, another shape, values that are
    negative, not finite, or not whole where they are counts, and proportions that sum to more than one.
    """

    values: Matrix
    sample_ids: tuple[str, ...]
    taxon_ids: tuple[str, ...]
    is_counts: bool

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.sample_ids), len(self.taxon_ids)):
            raise InputError(
                f"abundances have the shape {self.values.shape}",
                expected=f"{len(self.sample_ids)} samples × {len(self.taxon_ids)} taxa",
            )
        for name, ids in (("sample", self.sample_ids), ("taxon", self.taxon_ids)):
            if len(set(ids)) < len(ids):
                raise InputError(f"a {name} is there twice", expected=f"each {name} once")
        data = self.values.data
        if not np.isfinite(data).all() or (data <= 0).any():
            raise InputError("an abundance is zero, negative or not a number", expected="values above zero")
        if self.is_counts and (data != np.round(data)).any():
            raise InputError("a count is not a whole number", expected="whole numbers of reads")
        if not self.is_counts and (high := float(self.totals.max(initial=0.0))) > 1 + SUM_TOLERANCE:
            sample = self.sample_ids[int(self.totals.argmax())]
            raise InputError(
                f"the proportions of sample {sample!r} sum to {high:g}",
                expected="shares of one",
                do="divide percentages by 100; give reads as counts",
            )

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each sample."""
        return {sample: row for row, sample in enumerate(self.sample_ids)}

    @cached_property
    def totals(self) -> np.ndarray:
        """Sum of each sample, shape (samples,): its depth in reads where these are counts."""
        return np.asarray(self.values.sum(axis=1), dtype=float).ravel()

    @cached_property
    def presence(self) -> Matrix:
        """One where the taxon was seen in the sample; integers, shape (samples, taxa)."""
        seen = self.values.astype(np.int64)
        seen.data[:] = 1
        return seen

    @cached_property
    def proportions(self) -> Matrix:
        """Each sample scaled to sum to one; a sample without reads stays empty."""
        scale = np.divide(1.0, self.totals, out=np.zeros_like(self.totals), where=self.totals > 0)
        scaled = self.values.astype(float)
        scaled.data *= np.repeat(scale, np.diff(scaled.indptr))
        return scaled

    def select(self, sample_ids: Sequence[str]) -> Abundance:
        """The samples named, in that order. InputError where one is unknown."""
        if unknown := [s for s in sample_ids if s not in self.rows]:
            raise InputError(
                f"sample {unknown[0]!r} has no abundances", expected=nearest(unknown[0], self.sample_ids)
            )
        values = self.values[[self.rows[s] for s in sample_ids]]
        return replace(self, values=values, sample_ids=tuple(sample_ids))


def abundance_of(study: Study, *, samples: Collection[str] | None = None) -> Abundance:
    """Return the study's abundances, or those of some samples; samples and taxa in the order of their ids.

    A study without abundances gives an Abundance without rows. Refuses (InputError) counts mixed with
    proportions, a row that has neither, and a taxon given twice for one sample.
    """
    rows = _rows(study, samples)
    is_counts = rows["proportion"].null_count() == rows.height
    if not is_counts and rows["count"].null_count() < rows.height:
        raise InputError(
            "abundances mix counts and proportions",
            expected="one or the other in all rows",
            do="import the two as two studies, or turn the counts into proportions first",
        )
    values = rows["count" if is_counts else "proportion"]
    if values.null_count():
        raise InputError(f"{values.null_count()} abundances have no value", expected="a value in each row")
    sample, sample_ids = _index(rows["sample_id"])
    taxon, taxon_ids = _index(rows["taxon_id"])
    shape = (len(sample_ids), len(taxon_ids))
    matrix = sparse.csr_array((values.to_numpy().astype(float), (sample, taxon)), shape=shape)
    if matrix.nnz < rows.height:
        raise InputError("a taxon is given twice for one sample", expected="one row for each pair")
    return Abundance(matrix, sample_ids, taxon_ids, is_counts)


def _rows(study: Study, samples: Collection[str] | None) -> pl.DataFrame:
    columns = ["sample_id", "taxon_id", "count", "proportion"]
    if samples is None:
        return study.read("abundances", columns=columns)
    if not samples:
        return INPUTS["abundances"].empty().select(columns)
    chosen = study.frame("abundances").select(columns).filter(nw.col("sample_id").is_in(sorted(samples)))
    return chosen.collect(backend="polars").to_native()


def _index(ids: pl.Series) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the position of each id among the sorted distinct ids, and these."""
    names = ids.unique().sort()
    codes = ids.cast(pl.Enum(names)) if len(names) else ids
    return codes.to_physical().to_numpy() if len(names) else np.zeros(0, dtype=int), tuple(names)


def aggregate(abundance: Abundance, taxa: pl.DataFrame, *, rank: str) -> Abundance:
    """Return abundances summed to a rank.

    ``taxa`` is the study's table of taxa. A taxon without a name at the rank is summed under its nearest
    named ancestor (``unnamed genus of Lachnospiraceae``): it is neither dropped nor joined with strangers.
    A name that stands in two lineages (two families each with a genus "Incertae") stays two taxa; both then
    carry their whole lineage. Refuses (InputError) a rank the study's tables do not know.
    """
    named = RANKS[:7]
    if rank not in named:
        raise InputError(f"{rank!r} is no rank", expected=nearest(rank, named))
    chain = named[: named.index(rank) + 1]
    lineages = {row["taxon_id"]: _lineage(row, chain) for row in taxa.iter_rows(named=True)}
    keys = [lineages.get(t, ("",) * len(chain)) for t in abundance.taxon_ids]
    labels = _labels(set(keys), rank)
    target, names = _index(pl.Series([labels[key] for key in keys], dtype=pl.String))
    shape = (len(keys), len(names))
    grouping = sparse.csr_array((np.ones(len(keys)), (np.arange(len(keys)), target)), shape=shape)
    return replace(abundance, values=sparse.csr_array(abundance.values @ grouping), taxon_ids=names)


def _lineage(row: Mapping[str, str | None], chain: Sequence[str]) -> tuple[str, ...]:
    return tuple(row.get(rank) or "" for rank in chain)


def _labels(lineages: Iterable[tuple[str, ...]], rank: str) -> dict[tuple[str, ...], str]:
    short = {lineage: _label(lineage, rank) for lineage in lineages}
    times = pl.Series(list(short.values()), dtype=pl.String).value_counts()
    shared = set(times.filter(pl.col("count") > 1)[times.columns[0]])
    return {key: ";".join(key) if label in shared else label for key, label in short.items()}


def _label(lineage: tuple[str, ...], rank: str) -> str:
    if lineage[-1]:
        return lineage[-1]
    ancestor = next((name for name in reversed(lineage) if name), "unknown lineage")
    return f"unnamed {rank} of {ancestor}"


def rarefy(abundance: Abundance, *, depth: int, seed: int) -> Abundance:
    """Return each sample drawn down to ``depth`` reads without replacement; shallower samples are left out.

    Each sample has a generator of its own, from ``seed`` and its id, and its taxa are drawn in the order of
    their ids: what is drawn for one sample does not depend on which others are there, nor on the order of
    samples and taxa. Refuses (RefusedError) proportions: they have no reads; samples of 10⁹ reads and more.
    """
    if not abundance.is_counts:
        raise RefusedError("proportions cannot be rarefied", expected="read counts")
    if depth < 1:
        raise InputError(f"a depth of {depth} reads", expected="at least 1")
    if abundance.totals.max(initial=0.0) >= MAX_READS_DRAWN_FROM:
        sample = abundance.sample_ids[int(abundance.totals.argmax())]
        raise RefusedError(f"sample {sample!r} has 10⁹ reads or more", expected="fewer, to draw from")
    kept = [s for s, total in zip(abundance.sample_ids, abundance.totals, strict=True) if total >= depth]
    deep = in_order(abundance.select(kept))
    drawn = deep.values
    counts = drawn.data.astype(np.int64)
    for row, sample in enumerate(kept):
        span = slice(drawn.indptr[row], drawn.indptr[row + 1])
        generator = np.random.default_rng([seed, *sample.encode()])
        drawn.data[span] = generator.multivariate_hypergeometric(counts[span], depth)
    drawn.eliminate_zeros()
    return replace(deep, values=drawn)


def in_order(abundance: Abundance) -> Abundance:
    """Return a copy with the taxa in the order of their ids, each row's entries too.

    What is drawn or summed along a row then does not depend on the order in which taxa came.
    """
    order = sorted(range(len(abundance.taxon_ids)), key=abundance.taxon_ids.__getitem__)
    place = np.empty(len(order), dtype=abundance.values.indices.dtype)
    place[order] = np.arange(len(order))
    values = abundance.values.copy()
    values.indices = place[values.indices]
    values.has_sorted_indices = False
    values.sort_indices()
    return replace(abundance, values=values, taxon_ids=tuple(abundance.taxon_ids[i] for i in order))


def unclassified(abundance: Abundance) -> dict[str, str]:
    """Return, for each sample whose proportions do not add up to one, how much of it they leave out.

    A measure of such a sample is of its classified part. Counts have no such note: nobody knows the rest.
    """
    if abundance.is_counts:
        return {}
    return {
        sample: f"only {total:.0%} of the sample is in the table: measures are of that part"
        for sample, total in totals_by_sample(abundance).items()
        if 0 < total < 1 - SUM_TOLERANCE
    }


def depths(abundance: Abundance, samples: pl.DataFrame) -> dict[str, float]:
    """Return how deeply each sample was read: its counts' sum, else the reads its record states.

    ``samples`` is the study's table of samples. Where neither is known the sample is not in the result.
    """
    if abundance.is_counts:
        return totals_by_sample(abundance)
    stated = samples.filter(pl.col("n_reads").is_not_null())
    reads = dict(zip(stated["sample_id"], stated["n_reads"].cast(pl.Float64), strict=True))
    return {s: reads[s] for s in abundance.sample_ids if s in reads}


def totals_by_sample(abundance: Abundance) -> dict[str, float]:
    """Return each sample's sum: reads where these are counts, else close to one for all."""
    return dict(zip(abundance.sample_ids, abundance.totals.tolist(), strict=True))


def deepest(sample_ids: Iterable[str], *, depth: Mapping[str, float]) -> str | None:
    """Return the sample read most deeply (the first by id among equals); None where there is none."""
    return min(sample_ids, key=lambda s: (-depth.get(s, -1.0), s), default=None)
