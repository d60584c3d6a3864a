"""Published indices of dysbiosis, computed from the names of taxa alone.

Estimands, with p the proportions of one sample:

- MHI-A = (Bacteroidia + Clostridia) / (Gammaproteobacteria + Bacilli);
- MD-index = log10(Σ genera increased / Σ genera decreased in Crohn's disease);
- GMHI = log10((ψ_H + 1e-5) / (ψ_N + 1e-5)), ψ = R / K · (−Σ p ln p) over the species of a list, R of them
  seen; unclassified and viral taxa removed, the rest scaled to one, shares below 1e-5 taken as none;
- GMWI2 = Σ coefficient of each clade whose share exceeds 1e-5, unclassified reads removed.

A zero below the line makes a ratio unbounded, not large: no value, and the limit that does exist. A table
that cannot name the taxa of an index has no value of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from commensal.microbiome.abundance import Abundance, Matrix
from commensal.microbiome.members import find_members, is_named, names_at
from commensal.microbiome.overlap import Share, wilson
from commensal.vocabulary.taxon_functions import DysbiosisIndex, dysbiosis_indices, names_of, plain_taxon

# Added to both sides of GMHI by its authors.
GMHI_OFFSET = 1e-5

NO_COEFFICIENTS = "the coefficients of GMWI2 were not given"
NO_INTERVAL = "no interval: proportions without reads"


@dataclass(frozen=True, eq=False)
class IndexScores:
    """One index of some samples.

    ``values``, ``lower`` and ``upper`` have shape (samples,): NaN is undefined, ±∞ unbounded; ``reason``
    says why there is none at all, ``caution`` what to bear in mind, ``method`` what the interval holds.
    """

    index: DysbiosisIndex
    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    method: str
    level: float | None = None
    reason: str | None = None
    caution: str | None = None


def index_scores(
    features: Abundance,
    lineages: pl.DataFrame,
    *,
    level: float,
    seed: int,
    draws: int,
    coefficients: Mapping[str, float] | None,
) -> list[IndexScores]:
    """Return every published index of every sample, in the order of the vocabulary.

    ``lineages`` has one row for each taxon of ``features``, in their order. ``coefficients`` maps a clade
    as MetaPhlAn writes it to its weight in GMWI2: the whole set of the model, or None.
    """
    made = []
    for index in dysbiosis_indices():
        if index.form == "coefficients":
            made.append(_weighted(index, features, lineages, coefficients))
        elif index.form == "shannon_ratio":
            made.append(_of_shannon(index, features, lineages, level=level, seed=seed, draws=draws))
        else:
            made.append(_of_sums(index, features, lineages, level=level))
    return made


def _none(index: DysbiosisIndex, features: Abundance, reason: str) -> IndexScores:
    empty = np.full(len(features.sample_ids), np.nan)
    return IndexScores(index, empty, empty, empty, method="", reason=reason)


def _of_sums(
    index: DysbiosisIndex, features: Abundance, lineages: pl.DataFrame, *, level: float
) -> IndexScores:
    """A ratio of two sums; its interval treats the reads of the two as one binomial."""
    above, below = find_members(lineages, index.numerator), find_members(lineages, index.denominator)
    ranks = [r for r in (*index.numerator, *index.denominator) if r != "unnamed_genus_of"]
    if untold := [r for r in dict.fromkeys(ranks) if not is_named(lineages, r)]:
        return _none(index, features, f"the table names no {untold[0]}: {index.label} cannot be told")
    if not above.mask.any() and not below.mask.any():
        return _none(index, features, f"the table names no taxon of {index.label}")
    first, second = (
        np.asarray(features.values[:, found.mask].sum(axis=1)).ravel() for found in (above, below)
    )
    values = _divided(first, second)
    lower, upper, method = _ratio_limits(first, second, features=features, level=level)
    if index.form == "log10_ratio":
        values, lower, upper = (_log10(x) for x in (values, lower, upper))
    cautions = [above.caution, below.caution, _moved(index, lineages)]
    return IndexScores(
        index, values, lower, upper, method, level, caution="; ".join(c for c in cautions if c) or None
    )


def _divided(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return first / second; ∞ over zero, NaN for zero over zero."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return first / second


def _log10(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log10(values)


def _ratio_limits(
    first: np.ndarray, second: np.ndarray, *, features: Abundance, level: float
) -> tuple[np.ndarray, np.ndarray, str]:
    """Return limits of first / second: Wilson's for first / (first + second), as odds."""
    if not features.is_counts:
        empty = np.full(first.shape, np.nan)
        return empty, empty, NO_INTERVAL
    lower, upper = wilson(Share(first, first + second), level=level)
    return (
        _divided(lower, 1 - lower),
        _divided(upper, np.maximum(1 - upper, 0.0)),
        "interval: reads of both sides as one binomial (Wilson)",
    )


def _moved(index: DysbiosisIndex, lineages: pl.DataFrame) -> str | None:
    """Return a caution where the table's taxonomy holds orders in a class that the index's did not."""
    classes, orders = names_at(lineages, "class"), names_at(lineages, "order")
    held = [
        f"{order} in {name}"
        for name, listed in index.moved.items()
        for order in listed
        if ((classes == plain_taxon(name)) & (orders == plain_taxon(order))).any()
    ]
    return f"another taxonomy than the index was made on ({', '.join(held)})" if held else None


def _of_shannon(
    index: DysbiosisIndex, features: Abundance, lineages: pl.DataFrame, *, level: float, seed: int, draws: int
) -> IndexScores:
    species = names_at(lineages, "species")
    if not (species != "").any():
        return _none(index, features, f"the table names no species: {index.label} cannot be told")
    members = [*index.numerator["species"], *index.denominator["species"]]
    grouping = _grouping(species, members)
    n_named = int((np.asarray(grouping.sum(axis=0)).ravel() > 0).sum())
    if not n_named:
        return _none(index, features, f"the table names none of the {len(members)} species of {index.label}")
    kept = features.values[:, _is_classified(lineages, species)]
    totals = np.asarray(kept.sum(axis=1), dtype=float).ravel()
    sums = np.asarray((features.values @ grouping).todense(), dtype=float)
    scale = np.divide(1.0, totals, out=np.full(totals.shape, np.nan), where=totals > 0)
    n_healthy = len(index.numerator["species"])
    values = gmhi(sums * scale[:, None], n_healthy=n_healthy, index=index)
    caution = f"{n_named} of {len(members)} species of the index are named in the table"
    lower, upper, method = np.full(values.shape, np.nan), np.full(values.shape, np.nan), NO_INTERVAL
    if features.is_counts:
        drawn = _resampled(sums, totals, features.sample_ids, seed=seed, draws=draws)
        lower, upper = _limits(gmhi(drawn, n_healthy=n_healthy, index=index), values, level=level)
        method = f"interval: reads resampled {draws} times, seed {seed}"
    return IndexScores(
        index, values, lower, upper, method, level, caution=caution if n_named < len(members) else None
    )


def gmhi(proportions: np.ndarray, *, n_healthy: int, index: DysbiosisIndex | None = None) -> np.ndarray:
    """Return GMHI of samples, shape (..., samples).

    ``proportions`` has shape (..., samples, species): shares of the classified, non-viral reads, the first
    ``n_healthy`` species those that prevail in health, the rest those that do not. A NaN row gives NaN; a
    sample with no species of either list has 0, as its authors compute it.

    References: Gupta et al. 2020, doi:10.1038/s41467-020-18476-8.
    """
    index = index or dysbiosis_indices().get("gmhi")
    seen = np.where(proportions < index.least_proportion, 0.0, proportions)
    sides = seen[..., :n_healthy], seen[..., n_healthy:]
    ks = index.richness_numerator, index.richness_denominator
    healthy, not_healthy = (_psi(side, k) for side, k in zip(sides, ks, strict=True))
    return np.log10((healthy + GMHI_OFFSET) / (not_healthy + GMHI_OFFSET))


def _psi(proportions: np.ndarray, k: int) -> np.ndarray:
    logs = np.log(np.where(proportions > 0, proportions, 1.0))
    return (proportions > 0).sum(axis=-1) / k * -(proportions * logs).sum(axis=-1)


def _grouping(names: np.ndarray, members: Sequence[str]) -> Matrix:
    """Return the matrix (taxa, members) of which taxa are which member."""
    hits = [np.flatnonzero(np.isin(names, names_of(member))) for member in members]
    columns = np.repeat(np.arange(len(members)), [len(h) for h in hits])
    rows = np.concatenate(hits)
    return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(names), len(members)))


def _is_classified(lineages: pl.DataFrame, species: np.ndarray) -> np.ndarray:
    """Return which taxa are species that are neither unclassified nor viruses."""
    domains = names_at(lineages, "domain")
    unnamed = np.char.find(species, "unclassified") >= 0
    viral = (domains == "viruses") | (np.char.find(species, "virus") >= 0)
    return (species != "") & ~unnamed & ~viral


def _resampled(
    sums: np.ndarray, totals: np.ndarray, sample_ids: Sequence[str], *, seed: int, draws: int
) -> np.ndarray:
    """Return proportions (draws, samples, species) of reads drawn anew; a generator for each sample."""
    drawn = np.full((draws, *sums.shape), np.nan)
    for row, sample in enumerate(sample_ids):
        if totals[row] > 0:
            shares = np.append(sums[row], max(totals[row] - sums[row].sum(), 0.0)) / totals[row]
            generator = np.random.default_rng([seed, *sample.encode()])
            counts = generator.multinomial(int(totals[row]), shares / shares.sum(), size=draws)
            drawn[:, row] = counts[:, :-1] / totals[row]
    return drawn


def _limits(drawn: np.ndarray, values: np.ndarray, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return percentile limits over the first axis, widened where they would not hold the value."""
    tail = (1 - level) / 2
    lower, upper = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return np.minimum(lower, values), np.maximum(upper, values)


def _weighted(
    index: DysbiosisIndex,
    features: Abundance,
    lineages: pl.DataFrame,
    coefficients: Mapping[str, float] | None,
) -> IndexScores:
    if not coefficients:
        return _none(index, features, NO_COEFFICIENTS)
    values = gmwi2(features, lineages["lineage"].to_list(), coefficients=coefficients)
    if values is None:
        return _none(index, features, f"the table names no clade of {index.label}")
    empty = np.full(values.shape, np.nan)
    return IndexScores(index, values, empty, empty, "no interval: presence of clades, no model of reads")


def gmwi2(
    features: Abundance, lineages: Sequence[str | None], *, coefficients: Mapping[str, float]
) -> np.ndarray | None:
    """Return GMWI2 of samples, shape (samples,); None where no taxon lies in any clade of the model.

    ``lineages`` are MetaPhlAn's (``k__Bacteria|p__…``), one a taxon; ``coefficients`` the whole model: clade
    → weight. A clade is present where the taxa in it exceed 1e-5 of the classified reads. A sample without
    reads is NaN.

    References: Chang et al. 2024, doi:10.1038/s41467-024-51651-9.
    """
    within = _within(lineages, list(coefficients))
    if not within.nnz:
        return None
    shares = np.asarray((features.proportions @ within).todense())
    present = shares > dysbiosis_indices().get("gmwi2").least_proportion
    values = present @ np.array(list(coefficients.values()), dtype=float)
    return np.where(features.totals > 0, values, np.nan)


def _within(lineages: Sequence[str | None], clades: Sequence[str]) -> Matrix:
    """Return the matrix (taxa, clades) of which taxa lie in which clade."""
    column = {clade: j for j, clade in enumerate(clades)}
    pairs = []
    for row, lineage in enumerate(lineages):
        parts = [p.strip() for p in (lineage or "").replace(";", "|").split("|")]
        for depth in range(1, len(parts) + 1):
            if (at := column.get("|".join(parts[:depth]))) is not None:
                pairs.append((row, at))
    rows, columns = zip(*pairs, strict=True) if pairs else ((), ())
    return sparse.csr_array((np.ones(len(pairs)), (rows, columns)), shape=(len(lineages), len(clades)))
