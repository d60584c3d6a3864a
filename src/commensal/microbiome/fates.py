"""Taxon fates: whence each taxon of a sample after transplant can have come, and what became of the rest.

By presence in baseline, donor and sample: gained_from_donor (donor and sample, not baseline),
shared_before (all three), persisted (baseline and sample), novel (sample alone), lost (baseline, not
sample), donor_not_engrafted (donor alone). At the level of taxa "gained from the donor" says that the donor
is where it can have come from; that it did, and whether a shared taxon's strain was replaced (takeover) or
joined (coexistence), only strains can tell.

References: the outcomes of Schmidt 2022, doi:10.1038/s41591-022-01913-0, as far as species show them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from commensal.microbiome.abundance import Matrix
from commensal.microbiome.profiles import Profiles
from commensal.study import RESULTS

SAMPLE, DONOR, BASELINE = 1, 2, 4
# Fate by the sum of who had the taxon; 6 is donor and baseline, lost from the sample.
FATE_OF = {
    SAMPLE + DONOR: "gained_from_donor",
    SAMPLE + DONOR + BASELINE: "shared_before",
    SAMPLE + BASELINE: "persisted",
    SAMPLE: "novel",
    BASELINE: "lost",
    DONOR + BASELINE: "lost",
    DONOR: "donor_not_engrafted",
}
FATES = tuple(dict.fromkeys(FATE_OF.values()))
IN_SAMPLE = FATES[:4]
# Samples taken at once: a bound on memory, not on the answer.
BLOCK = 1024


@dataclass(frozen=True, eq=False)
class Fates:
    """One entry a taxon of a sample: its row, taxon and who had it, in the order of row and taxon."""

    row: np.ndarray
    taxon: np.ndarray
    held: np.ndarray


def fates_of(samples: Matrix, donors: Matrix, baselines: Matrix) -> Fates:
    """Return who had each taxon, for row i of each (presence, samples × taxa)."""
    held: Matrix = sparse.csr_array(samples * SAMPLE + donors * DONOR + baselines * BASELINE)
    held.sort_indices()
    row = np.repeat(np.arange(held.shape[0]), np.diff(held.indptr))
    return Fates(row, held.indices, held.data.astype(np.int8))


def counts_of(fates: Fates, n_samples: int, *, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return for each fate the taxa (or the sum of ``weights``) of each sample."""
    table = np.bincount(fates.row * 8 + fates.held, weights=weights, minlength=8 * n_samples)
    by_code = table.reshape(n_samples, 8)
    return {
        fate: by_code[:, [code for code, name in FATE_OF.items() if name == fate]].sum(axis=1)
        for fate in FATES
    }


@dataclass(frozen=True, eq=False)
class Summary:
    """Taxa of each fate in each sample, and the share of the sample in the four fates it has."""

    taxa: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]


def summary_of(samples: Profiles, donors: Profiles, baselines: Profiles) -> Summary:
    """Return counts and abundance shares of the fates, for row i of each; the shares of a row sum to one."""
    n = samples.presence.shape[0]
    parts = [_summarised(samples[b], donors[b], baselines[b]) for b in _blocks(n)]
    return Summary(
        {f: np.concatenate([np.zeros(0, dtype=np.int64), *(p.taxa[f] for p in parts)]) for f in FATES},
        {f: np.concatenate([np.zeros(0), *(p.shares[f] for p in parts)]) for f in IN_SAMPLE},
    )


def _summarised(samples: Profiles, donors: Profiles, baselines: Profiles) -> Summary:
    fates = fates_of(samples.presence, donors.presence, baselines.presence)
    n = samples.presence.shape[0]
    shares = counts_of(fates, n, weights=_aligned(fates, samples.proportions))
    return Summary(counts_of(fates, n), {f: shares[f] for f in IN_SAMPLE})


def _blocks(n: int) -> Iterator[np.ndarray]:
    for start in range(0, n, BLOCK):
        yield np.arange(start, min(start + BLOCK, n))


def _aligned(fates: Fates, values: Matrix) -> np.ndarray:
    """Return the values at the entries of the fates; zero where none is stored."""
    found = np.zeros(fates.row.size)
    ordered = values.tocsr()
    ordered.sort_indices()
    row = np.repeat(np.arange(values.shape[0], dtype=np.int64), np.diff(ordered.indptr))
    keys = fates.row.astype(np.int64) * values.shape[1] + fates.taxon
    found[np.searchsorted(keys, row * values.shape[1] + ordered.indices)] = ordered.data
    return found


def taxon_fates(
    samples: Profiles, donors: Profiles, baselines: Profiles, *, named: pl.DataFrame, taxon_ids: Sequence[str]
) -> pl.DataFrame:
    """Return the declared ``taxon_fates`` rows; ``named`` holds sample_id, subject_id and day of each row."""
    schema = RESULTS["taxon_fates"].schema
    taxa = pl.Series("taxon_id", taxon_ids, dtype=pl.String)
    words = pl.Series("fate", [FATE_OF.get(code) for code in range(8)], dtype=pl.String)
    frames = [pl.DataFrame(schema=schema)]
    for block in _blocks(named.height):
        parts = (samples[block], donors[block], baselines[block])
        fates = fates_of(*(p.presence for p in parts))
        own = named[block][fates.row]
        names = ("proportion", "donor_proportion", "baseline_proportion")
        values = {n: _aligned(fates, p.proportions) for n, p in zip(names, parts, strict=True)}
        columns = own.with_columns(taxa.gather(fates.taxon), words.gather(fates.held), **_series(values))
        frames.append(columns.select(pl.col(n).cast(t) for n, t in schema.items()))
    return pl.concat(frames)


def _series(values: dict[str, np.ndarray]) -> dict[str, pl.Series]:
    # A proportion is a quotient of floats: summed over a pool it may pass one by a rounding.
    return {name: pl.Series(np.minimum(column, 1.0)) for name, column in values.items()}


def n_fates(samples: Matrix, donors: Matrix, baselines: Matrix) -> int:
    """Return how many rows ``taxon_fates`` would have at most (before taxa in common are counted once)."""
    return int(samples.nnz + donors.nnz + baselines.nnz)
