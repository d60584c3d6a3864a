"""A reference cohort: the healthy people a community is read against, named and versioned.

The reference is a study: the stool of its donors and healthy reference subjects, several samples a subject
or one. A subject, not a sample, is what is counted. A pool is nobody's stool and never part of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from scipy import sparse

from commensal.errors import InputError, RefusedError, nearest
from commensal.microbiome.abundance import Abundance, Matrix, abundance_of, aggregate
from commensal.microbiome.comparability import Setting, settings_of
from commensal.microbiome.reference.members import NAMED_RANKS, lineages_of, names_at
from commensal.study import Study

# A centile needs a count: below this nothing can lie beyond the 90th centile of the others.
LEAST_SUBJECTS = 10
# The 5th centile of fewer is the lowest of them.
SUBJECTS_FOR_TAILS = 20
# A distance to fewer people than this is a distance to these people.
LEAST_FOR_DISTANCE = 3
# What a table is compared at where its taxa carry no names.
AS_THEY_ARE = "feature"
# Before the ids of another study, so that they never meet ids of this one.
REFERENCE = "reference:"


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference cohort.

    ``abundance`` holds the cohort's samples × taxa as the study has them, ``taxa`` the study's table of
    taxa, ``subjects`` and ``settings`` belong to its rows. ``name`` is the study's origin, ``version`` the
    first eight digits of the SHA-256 of the samples, their subjects and abundances.

    Refuses
        ``InputError`` when subjects or settings do not fit the samples.
    """

    name: str
    version: str
    abundance: Abundance
    taxa: pl.DataFrame
    subjects: tuple[str, ...]
    settings: tuple[Setting, ...]

    def __post_init__(self) -> None:
        n = len(self.abundance.sample_ids)
        if len(self.subjects) != n or len(self.settings) != n:
            raise InputError(
                f"{n} reference samples have {len(self.subjects)} subjects and {len(self.settings)} settings",
                expected="one of each for every sample",
            )

    @property
    def n_subjects(self) -> int:
        """People in the cohort."""
        return len(set(self.subjects))

    @property
    def label(self) -> str:
        """Name and version, as printed beside a figure."""
        return f"{self.name} @{self.version}"

    @cached_property
    def rank(self) -> str:
        """The finest rank the cohort's taxa can be compared at."""
        return comparison_rank(self.taxa, self.abundance.taxon_ids)

    @cached_property
    def prevalence(self) -> np.ndarray:
        """Share of subjects with each taxon (each subject's share of samples with it), shape (taxa,)."""
        return np.asarray(subject_means(self.subjects) @ self.abundance.presence.toarray()).mean(axis=0)

    def prevalence_of(self, taxon_ids: Sequence[str]) -> np.ndarray:
        """Return the prevalence of the taxa named, shape (taxa,); a taxon the cohort does not have has 0."""
        known = dict(zip(self.abundance.taxon_ids, self.prevalence.tolist(), strict=True))
        return np.array([known.get(taxon, 0.0) for taxon in taxon_ids])

    def at(self, rank: str) -> Reference:
        """Return the cohort summed to a rank; :data:`AS_THEY_ARE` leaves the taxa as they are."""
        if rank == AS_THEY_ARE:
            return self
        return replace(self, abundance=aggregate(self.abundance, self.taxa, rank=rank))


def reference_of(study: Study, *, samples: Sequence[str] | None = None) -> Reference:
    """Return the study's donors and healthy reference subjects as a reference cohort.

    ``samples`` names those to take; by default every profiled sample of a donor who is not autologous (an
    autologous donor is a patient). A sample without reads is left out.

    Refuses
        ``RefusedError`` when no such sample is left; ``InputError`` for a sample named that is not a
        donor's, or has no profile.
    """
    of_donor = donors_of_samples(study)
    abundance = abundance_of(study, samples=sorted(of_donor))
    read = {s for s, total in zip(abundance.sample_ids, abundance.totals, strict=True) if total > 0}
    if samples is not None and (wrong := [s for s in samples if s not in read]):
        raise InputError(
            f"sample {wrong[0]!r} cannot be part of a reference",
            expected="a donor's sample with a profile; " + nearest(wrong[0], read),
        )
    chosen = sorted(read if samples is None else set(samples))
    if not chosen:
        raise RefusedError(
            "the study holds no donor or healthy subject with a profile",
            expected=f"at least {LEAST_SUBJECTS} subjects for a reference",
            do="give another study as reference",
        )
    settings = settings_of(study)
    cohort = abundance.select(chosen)
    subjects = tuple(of_donor[s] for s in chosen)
    return Reference(
        name=study.manifest.origin,
        version=_version(cohort, subjects),
        abundance=cohort,
        taxa=study.read("taxa"),
        subjects=subjects,
        settings=tuple(settings[s] for s in chosen),
    )


def donors_of_samples(study: Study) -> dict[str, str]:
    """Return sample → donor for every sample of a donor who is not autologous; controls are left out."""
    donors = study.read("donors", columns=["donor_id", "kind"])
    own = set(donors.filter(pl.col("kind") == "autologous")["donor_id"])
    samples = study.read("samples").filter(
        pl.col("donor_id").is_not_null() & pl.col("patient_id").is_null() & pl.col("control").is_null()
    )
    rows = samples.select("sample_id", "donor_id").iter_rows()
    return {sample: donor for sample, donor in rows if donor not in own}


def _version(abundance: Abundance, subjects: Sequence[str]) -> str:
    # Over taxon ids, not columns: the same cohort has the same version whatever else its study holds.
    digest = hashlib.sha256()
    for row, (sample, subject) in enumerate(zip(abundance.sample_ids, subjects, strict=True)):
        span = slice(abundance.values.indptr[row], abundance.values.indptr[row + 1])
        names = [abundance.taxon_ids[t] for t in abundance.values.indices[span]]
        entries = sorted(zip(names, abundance.values.data[span].tolist(), strict=True))
        digest.update(repr((sample, subject, entries)).encode())
    return digest.hexdigest()[:8]


def comparison_rank(taxa: pl.DataFrame, taxon_ids: Sequence[str]) -> str:
    """Return the rank a table is compared at: species, genus, or its features as they are.

    Species where most features are species or strains; genus where any feature names one (sequence
    variants of two people are seldom the same, their genera are); else :data:`AS_THEY_ARE`.
    """
    lineages = lineages_of(taxa, taxon_ids)
    is_fine = np.isin(lineages["rank"].fill_null("").to_numpy(), ["species", "strain"])
    if lineages.height and (is_fine & (names_at(lineages, "species") != "")).mean() >= 0.5:
        return "species"
    return "genus" if lineages["genus"].null_count() < lineages.height else AS_THEY_ARE


def check_rank(rank: str) -> str:
    """Return the rank if a table can be compared at it. Refuses (InputError) another word."""
    allowed = (*NAMED_RANKS[1:], AS_THEY_ARE)
    if rank not in allowed:
        raise InputError(f"{rank!r} is no rank to compare at", expected=nearest(rank, allowed))
    return rank


def subject_means(subjects: Sequence[str]) -> sparse.csr_array:
    """Return the matrix (subjects, samples) that averages each subject's samples; subjects in order of id."""
    names, codes = np.unique(np.array(subjects, dtype=str), return_inverse=True)
    share = 1.0 / np.bincount(codes)[codes]
    shape = (len(names), len(codes))
    return sparse.csr_array((share, (codes, np.arange(len(codes)))), shape=shape)


@dataclass(frozen=True, eq=False)
class Together:
    """Samples and a reference on one axis of taxa.

    ``features`` has the samples' rows first, then those of the reference (once, where the reference is the
    study's own), with ``lineages`` of its taxa; ``compared`` is ``features`` at ``rank``;
    ``reference_rows`` are the rows of the reference, in its order; ``is_own``: they are among the samples.
    """

    features: Abundance
    lineages: pl.DataFrame
    compared: Abundance
    rank: str
    reference_rows: np.ndarray
    is_own: bool
    caution: str | None


def put_together(
    abundance: Abundance, taxa: pl.DataFrame, reference: Reference, *, rank: str | None
) -> Together:
    """Return samples and reference on one axis of taxa; counts beside proportions become proportions.

    ``rank`` is the rank compared at; None takes the finest of the samples by :func:`comparison_rank`.

    Refuses
        ``RefusedError`` when the two are named at different ranks and none was given; when no taxon of the
        one has a name in the other (another taxonomy); when sequence variants of two studies would be
        compared by their ids. ``InputError`` for a rank that is none.
    """
    own = comparison_rank(taxa, abundance.taxon_ids)
    if rank is None and own != reference.rank:
        raise RefusedError(
            f"the samples are named at the rank {own}, the reference at {reference.rank}",
            expected="the same rank",
            do="give rank= a rank that both name",
        )
    rank = check_rank(rank or own)
    if is_own(abundance, reference):
        rows = np.array([abundance.rows[s] for s in reference.abundance.sample_ids])
        lineages = lineages_of(taxa, abundance.taxon_ids)
        return Together(
            abundance, lineages, _at(abundance, taxa, rank), rank, rows, is_own=True, caution=None
        )
    joined, lineages = _side_by_side(abundance, taxa, reference, rank)
    compared = _at(joined, lineages, rank)
    n = len(abundance.sample_ids)
    rows = np.arange(n, n + len(reference.subjects))
    caution = _overlap(compared, n)
    return Together(joined, lineages, compared, rank, rows, is_own=False, caution=caution)


def alone(abundance: Abundance, taxa: pl.DataFrame, *, rank: str | None) -> Together:
    """Return samples without a reference, at the rank given or :func:`comparison_rank`."""
    rank = check_rank(rank or comparison_rank(taxa, abundance.taxon_ids))
    lineages = lineages_of(taxa, abundance.taxon_ids)
    nowhere = np.zeros(0, dtype=int)
    return Together(
        abundance, lineages, _at(abundance, taxa, rank), rank, nowhere, is_own=False, caution=None
    )


def is_own(abundance: Abundance, reference: Reference) -> bool:
    """Return whether the reference's samples are among the samples, with the same abundances."""
    ids = reference.abundance.sample_ids
    if not set(ids) <= set(abundance.sample_ids):
        return False
    return _version(abundance.select(ids), reference.subjects) == reference.version


def _at(abundance: Abundance, taxa: pl.DataFrame, rank: str) -> Abundance:
    return abundance if rank == AS_THEY_ARE else aggregate(abundance, taxa, rank=rank)


def _side_by_side(
    abundance: Abundance, taxa: pl.DataFrame, reference: Reference, rank: str
) -> tuple[Abundance, pl.DataFrame]:
    """Return both in one table with its lineages; names at the rank, not ids, will join the taxa.

    An id means nothing in another study (``ASV00001`` is another sequence there), unless the features are
    compared as they are.
    """
    theirs, mark = reference.abundance, "" if rank == AS_THEY_ARE else REFERENCE
    lineages = [lineages_of(taxa, abundance.taxon_ids), lineages_of(reference.taxa, theirs.taxon_ids)]
    if not mark and any((t["rank"] == "asv").any() for t in lineages):
        raise RefusedError(
            "sequence variants of two studies cannot be compared by their ids",
            expected="a rank at which both name their taxa",
            do="give rank='genus'",
        )
    lineages[1] = lineages[1].with_columns((pl.lit(mark) + pl.col("taxon_id")).alias("taxon_id"))
    taxon_ids = tuple(dict.fromkeys((*lineages[0]["taxon_id"], *lineages[1]["taxon_id"])))
    is_counts = abundance.is_counts and theirs.is_counts
    matrices = [a.values if is_counts else a.proportions for a in (abundance, theirs)]
    place = {t: i for i, t in enumerate(taxon_ids)}
    placed = [
        _moved(m, [place[t] for t in t["taxon_id"]], len(place))
        for m, t in zip(matrices, lineages, strict=True)
    ]
    ids = (*abundance.sample_ids, *(REFERENCE + s for s in theirs.sample_ids))
    joined = Abundance(sparse.csr_array(sparse.vstack(placed, format="csr")), ids, taxon_ids, is_counts)
    return joined, pl.concat(lineages).unique("taxon_id", keep="first", maintain_order=True)


def _moved(values: Matrix, columns: list[int], n_columns: int) -> Matrix:
    """Return the matrix with its columns at other places of a wider one."""
    indices = np.array(columns, dtype=values.indices.dtype)[values.indices]
    return sparse.csr_array((values.data, indices, values.indptr), shape=(values.shape[0], n_columns))


def _overlap(compared: Abundance, n: int) -> str | None:
    """Return a caution on common taxa of the reference that the samples name nowhere; refuse no overlap."""
    seen = compared.presence
    mine = np.asarray(seen[:n].sum(axis=0)).ravel() > 0
    shares = np.asarray(seen[n:].mean(axis=0)).ravel()
    if not (mine & (shares > 0)).any():
        raise RefusedError(
            "no taxon of the samples has its name in the reference",
            expected="one taxonomy for both",
            do="classify both against the same reference database",
        )
    common = shares >= 0.5
    absent = int((common & ~mine).sum())
    if not absent:
        return None
    return f"{absent} of {int(common.sum())} taxa common in the reference are found in no sample of the study"
