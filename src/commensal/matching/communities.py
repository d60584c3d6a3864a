"""What the lots of a stock hold, worked out ahead of any recipient: one community a material.

A material is a donor, or a pool: the samples that show what a lot of it holds. A pool is read by its own
samples, else as the union of its donors' deepest. Everything here is the same for every recipient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy import sparse

from commensal.matching.columns import Column, column_of
from commensal.matching.lots import Lot, sources_of
from commensal.microbiome.abundance import (
    Abundance,
    Matrix,
    abundance_of,
    deepest,
    depths,
    totals_by_sample,
)
from commensal.microbiome.comparability import Setting, caution, refusal, settings_of
from commensal.microbiome.reference.members import find_members, is_named, lineages_of
from commensal.study import Study
from commensal.vocabulary.taxon_functions import taxon_functions

if TYPE_CHECKING:
    from commensal.microbiome.prediction.donors import DonorTerms
    from commensal.microbiome.prediction.model import CommunityModel

Source = tuple[tuple[str, ...], ...]
NO_MATERIAL = -1
PATHOBIONTS = "pathobionts"


@dataclass(frozen=True, eq=False)
class Offers:
    """What a trained model needs of the materials: their terms, and which have none, with the reason."""

    model: CommunityModel
    terms: DonorTerms
    reads_of: Mapping[str, np.ndarray]
    reasons: tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class Communities:
    """Communities of a stock.

    ``stools`` are proportions, CSR (stools, taxa), a row for each sample of each material (one row for a
    pool read by several donors); ``of_stool`` is the material of each row, ``of_lot`` that of each lot, -1
    where a part of the lot has no sample with a profile. ``in_cohort`` marks rows of donors who make up the
    cohort against which taxa are called common: everybody but autologous donors. ``pathobionts`` is the
    share of each row, or the reason why it cannot be told.
    """

    abundance: Abundance
    settings: Mapping[str, Setting]
    materials: tuple[Source, ...]
    of_lot: np.ndarray
    stools: Matrix
    of_stool: np.ndarray
    reads: np.ndarray
    in_cohort: np.ndarray
    pathobionts: np.ndarray | str
    offers: Offers | None = None

    @cached_property
    def n_stools(self) -> np.ndarray:
        """Rows of each material, shape (materials,)."""
        return np.bincount(self.of_stool, minlength=len(self.materials))

    @cached_property
    def mean(self) -> Matrix:
        """CSR (materials, stools) that takes the mean over a material's rows."""
        weights = 1.0 / self.n_stools[self.of_stool]
        shape = (len(self.materials), self.of_stool.size)
        return sparse.csr_array((weights, (self.of_stool, np.arange(self.of_stool.size))), shape=shape)

    @cached_property
    def presence(self) -> Matrix:
        """One where a row holds a taxon, CSR (stools, taxa)."""
        seen = self.stools.copy()
        seen.data = np.ones_like(seen.data)
        return seen

    @cached_property
    def held(self) -> Matrix:
        """Share of a material's rows that hold a taxon, CSR (materials, taxa)."""
        return _ordered(self.mean @ self.presence)

    @cached_property
    def profile(self) -> Matrix:
        """Mean proportions of each material, CSR (materials, taxa)."""
        return _ordered(self.mean @ self.stools)

    @cached_property
    def likeness(self) -> tuple[np.ndarray, np.ndarray]:
        """How alike the stools of each material are, and the variance of that; NaN where it has one.

        The mean of one minus Bray–Curtis over the pairs of its rows. The variance of a pair is pooled over
        materials with three rows or more; where there are none it is that of a number nobody knows.
        """
        pairs = [self._pairs(m) for m in range(len(self.materials))]
        value = np.array([p.mean() if p.size else np.nan for p in pairs])
        many = [p for p in pairs if p.size > 2]
        freedom = sum(p.size - 1 for p in many)
        spread = sum(((p - p.mean()) ** 2).sum() for p in many) / freedom if freedom else 1 / 12
        return value, spread / np.maximum(self.n_stools, 1)

    def _pairs(self, material: int) -> np.ndarray:
        rows = self._rows_of[material]
        if rows.size < 2:
            return np.zeros(0)
        whole = self.stools[rows].toarray()
        # Only taxa that are there: others on the axis would change the rounding of the sum.
        dense = np.ascontiguousarray(whole[:, (whole > 0).any(axis=0)])
        first, second = np.triu_indices(rows.size, k=1)
        return np.minimum(dense[first], dense[second]).sum(axis=1)

    @cached_property
    def _rows_of(self) -> list[np.ndarray]:
        order = np.argsort(self.of_stool, kind="stable")
        return np.split(order, np.cumsum(self.n_stools)[:-1])

    @cached_property
    def setting_of(self) -> Column:
        """The setting each material was read in: that of its first sample."""
        return column_of([self.settings.get(source[0][0], Setting()) for source in self.materials])

    def against(self, sample: str) -> tuple[Column, Column]:
        """Return for each material why it cannot be compared with a sample, and what to bear in mind."""
        own = self.settings.get(sample, Setting())
        return self.setting_of.map(lambda s: refusal(own, s)), self.setting_of.map(lambda s: caution(own, s))


def _ordered(matrix: Matrix) -> Matrix:
    """Return a product as CSR with each row's entries in the order of the taxa: sums then round one way."""
    rows = sparse.csr_array(matrix)
    rows.sort_indices()
    return rows


def communities_of(
    study: Study, lots: Sequence[Lot], *, own: Iterable[str], model: CommunityModel | None = None
) -> Communities:
    """Return the communities of the lots' donors and batches; ``own`` are the recipients' samples."""
    recipients = set(own)
    abundance = abundance_of(study, samples={*_of_stock(study, lots), *recipients})
    profiled = {s for s, total in totals_by_sample(abundance).items() if total > 0}
    by_lot = sources_of(study, list(lots), profiled=profiled)
    cohort = _cohort(study, by_lot, lots, profiled=profiled)
    materials = tuple(sorted({s for s in (*by_lot.values(), *cohort) if s}))
    place = {source: i for i, source in enumerate(materials)}
    stools, of_stool = _stools(materials, abundance)
    samples = study.read("samples", columns=["sample_id", "n_reads"])
    depth = depths(abundance, samples)
    reads = [sum(depth.get(s, 0.0) for s in row) for row in _rows(materials)]
    return Communities(
        abundance=abundance,
        settings=settings_of(study),
        materials=materials,
        of_lot=np.array([place.get(by_lot[lot.unit_id], NO_MATERIAL) for lot in lots], dtype=int),
        stools=stools,
        of_stool=of_stool,
        reads=np.array(reads),
        in_cohort=np.array([source in cohort for source in materials], dtype=bool)[of_stool],
        pathobionts=_pathobionts(study, abundance.taxon_ids, stools),
        offers=_offers(study, materials, recipients & profiled, model=model) if model else None,
    )


def _of_stock(study: Study, lots: Sequence[Lot]) -> list[str]:
    """Return the samples of donors and of the lots' batches; laboratory controls are nobody's."""
    batches = sorted({lot.unit["batch_id"] for lot in lots} - {None})
    columns = ["sample_id", "patient_id", "donor_id", "batch_id", "control"]
    is_stock = pl.col("donor_id").is_not_null() | pl.col("batch_id").is_in(batches)
    samples = study.read("samples", columns=columns)
    return samples.filter(is_stock & pl.col("patient_id").is_null() & pl.col("control").is_null())[
        "sample_id"
    ].to_list()


def _cohort(
    study: Study, by_lot: Mapping[str, Source], lots: Sequence[Lot], *, profiled: set[str]
) -> set[Source]:
    """Return the materials that taxa are called common among: donors, and pools read by their own samples.

    An autologous donor is a patient and no part of it.
    """
    kinds = dict(study.read("donors", columns=["donor_id", "kind"]).iter_rows())
    columns = ["sample_id", "patient_id", "donor_id", "control"]
    samples = study.read("samples", columns=columns).filter(
        pl.col("donor_id").is_not_null() & pl.col("patient_id").is_null() & pl.col("control").is_null()
    )
    of_donor: dict[str, list[str]] = {}
    for sample, donor in samples.sort("sample_id").select("sample_id", "donor_id").iter_rows():
        if sample in profiled and kinds.get(donor) != "autologous":
            of_donor.setdefault(donor, []).append(sample)
    pools = [s for lot in lots if len(s := by_lot[lot.unit_id]) == 1 and len(lot.donor_ids) != 1]
    return {*((tuple(ids),) for ids in of_donor.values()), *pools}


def _rows(materials: Sequence[Source]) -> list[tuple[str, ...]]:
    """Return the samples of each row of ``stools``: one sample, or all of a pool read by its donors."""
    rows: list[tuple[str, ...]] = []
    for source in materials:
        rows += [(s,) for s in source[0]] if len(source) == 1 else [tuple(s for part in source for s in part)]
    return rows


def _stools(materials: Sequence[Source], abundance: Abundance) -> tuple[Matrix, np.ndarray]:
    depth = totals_by_sample(abundance)
    weights, columns, at, material = [], [], [], []
    for m, source in enumerate(materials):
        if len(source) == 1:
            taken = [[abundance.rows[s]] for s in source[0]]
        else:
            taken = [[abundance.rows[deepest(part, depth=depth) or part[0]] for part in source]]
        for rows in taken:
            at += [len(material)] * len(rows)
            columns += rows
            weights += [1 / len(rows)] * len(rows)
            material.append(m)
    shape = (len(material), len(abundance.sample_ids))
    pick = sparse.csr_array((weights, (at, columns)), shape=shape)
    return _ordered(pick @ abundance.proportions), np.array(material, dtype=int)


def _pathobionts(study: Study, taxon_ids: Sequence[str], stools: Matrix) -> np.ndarray | str:
    function = taxon_functions().get(PATHOBIONTS)
    lineages = lineages_of(study.read("taxa"), taxon_ids)
    if not len(taxon_ids) or not is_named(lineages, function.told_at):
        return f"the table names no taxon at the rank of {function.told_at}"
    return np.asarray(stools @ find_members(lineages, function.members).mask.astype(float)).ravel()


def _offers(
    study: Study, materials: Sequence[Source], recipients: set[str], *, model: CommunityModel
) -> Offers | None:
    from commensal.microbiome.prediction.donors import donor_terms
    from commensal.microbiome.prediction.triads import ranked

    if not materials:
        return None
    profiles = ranked(study, rank=model.rank)
    chosen = [deepest(source[0], depth=profiles.depth) if len(source) == 1 else None for source in materials]
    reasons = tuple(
        profiles.unusable([s], min_reads=model.min_reads) if s else "a pool read by its donors"
        for s in chosen
    )
    shape = (len(materials), len(profiles.abundance.taxon_ids))
    usable = [(i, s) for i, (s, why) in enumerate(zip(chosen, reasons, strict=True)) if s and not why]
    depth = np.array([profiles.depth[s] for _, s in usable])
    pick = sparse.csr_array(
        (depth, ([i for i, _ in usable], [profiles.abundance.rows[s] for _, s in usable])),
        shape=(shape[0], len(profiles.abundance.sample_ids)),
    )
    taxa = profiles.abundance.taxon_ids
    terms = donor_terms(
        model,
        pick @ profiles.abundance.proportions,
        taxon_ids=taxa,
        parents=[profiles.parent_of[t] for t in taxa],
    )
    own = {
        s: profiles.reads([s])
        for s in sorted(recipients)
        if profiles.unusable([s], min_reads=model.min_reads) is None
    }
    return Offers(model, terms, own, reasons)
