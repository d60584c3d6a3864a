"""Taxon fates: whence each taxon of a sample after transplant can have come, and what became of the rest.

By presence in baseline, donor and sample: gained_from_donor (donor and sample, not baseline),
shared_before (all three), persisted (baseline and sample), novel (sample alone), lost (baseline, not
sample), donor_not_engrafted (donor alone). At the level of taxa "gained from the donor" says that the donor
is where it can have come from; that it did, and whether a shared taxon's strain was replaced (takeover) or
joined (coexistence), only strains can tell.

References: the outcomes of Schmidt 2022, doi:10.1038/s41591-022-01913-0, as far as species show them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

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
# Samples listed at once: a bound on memory, not on the answer.
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Summary:
    """Taxa of each fate in each sample, and the share of the sample in the four fates it has."""

    taxa: Mapping[str, np.ndarray]
    shares: Mapping[str, np.ndarray]


def summary_of(samples: Matrix, donors: Matrix, baselines: Matrix) -> Summary:
    """Return counts and abundance shares of the fates, for row i of each (proportions, samples × taxa).

    The shares of a sample that has reads sum to one over ``IN_SAMPLE``.
    """
    counts, sums = _sums(samples, donors, baselines)
    return Summary(
        {fate: counts[:, _codes(fate)].sum(axis=1) for fate in FATES},
        {fate: sums[:, _codes(fate)].sum(axis=1) for fate in IN_SAMPLE},
    )


def _sums(samples: Matrix, donors: Matrix, baselines: Matrix) -> tuple[np.ndarray, np.ndarray]:
    """Return taxa and shares of each row by the sum of who had the taxon, both (rows, 8)."""
    from commensal.microbiome.engraftment._fate_kernels import fate_sums

    return fate_sums(
        *(samples.data, samples.indices, samples.indptr),
        *(donors.indices, donors.indptr),
        *(baselines.indices, baselines.indptr),
        samples.shape[1],
    )


def _codes(fate: str) -> list[int]:
    return [code for code, name in FATE_OF.items() if name == fate]


def taxon_fates(
    samples: Profiles, donors: Profiles, baselines: Profiles, *, named: pl.DataFrame, taxon_ids: Sequence[str]
) -> pl.DataFrame:
    """Return the declared ``taxon_fates`` rows; ``named`` holds sample_id, subject_id and day of each row."""
    schema = RESULTS["taxon_fates"].schema
    taxa = pl.Series("taxon_id", taxon_ids, dtype=pl.String)
    fates = pl.Series("fate", [FATE_OF.get(code) for code in range(8)], dtype=pl.String)
    frames = [pl.DataFrame(schema=schema)]
    for block in _blocks(named.height):
        parts = [p[block].proportions for p in (samples, donors, baselines)]
        row, taxon, code, values = _entries(*parts)
        # A pool's mean of proportions may pass one by a rounding.
        shares = [pl.Series(np.minimum(column, 1.0)) for column in values]
        columns = named[block][row].with_columns(
            taxa.gather(taxon),
            fates.gather(code),
            **dict(zip(("proportion", "donor_proportion", "baseline_proportion"), shares, strict=True)),
        )
        frames.append(columns.select(pl.col(n).cast(t) for n, t in schema.items()))
    return pl.concat(frames)


def _blocks(n: int) -> Iterator[np.ndarray]:
    for start in range(0, n, BLOCK):
        yield np.arange(start, min(start + BLOCK, n))


def _entries(
    samples: Matrix, donors: Matrix, baselines: Matrix
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return row, taxon, who had it (the sum), and its proportions in sample, donor and baseline."""
    from commensal.microbiome.engraftment._fate_kernels import fate_entries

    sizes = _sums(samples, donors, baselines)[0].sum(axis=1)
    own, given, before = ((m.data, m.indices, m.indptr) for m in (samples, donors, baselines))
    taxon, code, values = fate_entries(np.cumsum(sizes), *own, *given, *before, samples.shape[1])
    return np.repeat(np.arange(samples.shape[0]), sizes), taxon, code, values


def n_fates(samples: Profiles, donors: Profiles, baselines: Profiles) -> int:
    """Return how many rows ``taxon_fates`` would have."""
    return int(_sums(samples.proportions, donors.proportions, baselines.proportions)[0].sum())
