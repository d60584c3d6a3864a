"""Strains: which of a recipient's strains are the donor's, which were there before, which are neither.

A species compared between two samples is **shared** (one strain), **other**, or **not analysable**: too few
positions or no call. Not analysable is neither shared nor other, and leaves every denominator. A call comes
from SameStr's similarity and overlap, or from a normalised phylogenetic distance and the threshold of its
species, as StrainPhlAn users draw them. Strain engraftment subtracts the baseline: a strain that the
recipient had before does not count as brought by the donor.

References: Podlesny 2022, doi:10.1186/s40168-022-01251-w (SameStr); Ianiro 2022,
doi:10.1038/s41591-022-01964-3, Valles-Colomer 2023, doi:10.1038/s41586-022-05620-1 (thresholds by species).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.microbiome.comparability import Setting, caution, refusal, settings_of
from commensal.microbiome.comparisons import Comparison, Reference, comparisons
from commensal.microbiome.engraftment.overlap import Share, wilson
from commensal.study import RESULTS, Study

# SameStr's defaults; the overlap must be larger, the similarity at least as large.
SHARED_SIMILARITY = 0.999
LEAST_OVERLAP = 5000

SHARED, OTHER, NOT_ANALYSABLE = "shared_strain", "other_strain", "not_analysable"
CONTRADICTORY = "contradictory"

TO_DONOR = ("strain_sharing_donor", "species_sharing_donor")
TO_BASELINE = ("strain_sharing_baseline", "species_sharing_baseline")
TO_BOTH = (
    *("strain_engraftment", "strain_engraftment_strict"),
    *("strains_donor_only", "strains_baseline_only", "strains_both", "strains_neither"),
)
MEASURES = (*TO_DONOR, *TO_BASELINE, *TO_BOTH)

WILSON = "Wilson score interval over species, which are not independent: a floor on the uncertainty"
NO_COMPARISON = "no strain comparison of this sample"
BEFORE = "before the first transplant: resemblance, not engraftment"


def call(
    similarity: float | None,
    n_overlap: int | None,
    *,
    shared_similarity: float = SHARED_SIMILARITY,
    least_overlap: int = LEAST_OVERLAP,
) -> str:
    """Return the call of one species between two samples.

    ``similarity`` is the maximum variant similarity (0 to 1), ``n_overlap`` the positions covered in both.
    Unknown, or an overlap not above ``least_overlap``: not analysable. Refuses (InputError) a similarity
    outside 0 to 1 and a negative overlap.

    >>> call(0.999694, 127283), call(0.998995, 25876), call(1.0, 3729), call(None, None)
    ('shared_strain', 'other_strain', 'not_analysable', 'not_analysable')
    """
    if similarity is not None and not 0 <= similarity <= 1:
        raise InputError(f"a similarity of {similarity}", expected="0 to 1")
    if n_overlap is not None and n_overlap < 0:
        raise InputError(f"an overlap of {n_overlap} positions", expected="0 or more")
    if similarity is None or n_overlap is None or n_overlap <= least_overlap:
        return NOT_ANALYSABLE
    return SHARED if similarity >= shared_similarity else OTHER


def call_by_distance(distance: float | None, *, threshold: float | None) -> str:
    """Return the call from a normalised phylogenetic distance and the species' own threshold.

    Shared where the distance is at most the threshold. A pair without a distance and a species without a
    threshold are not analysable. Refuses (InputError) what is negative or not a number.

    >>> call_by_distance(0.002, threshold=0.005), call_by_distance(0.2, threshold=None)
    ('shared_strain', 'not_analysable')
    """
    for name, value in (("distance", distance), ("threshold", threshold)):
        if value is not None and not value >= 0:
            raise InputError(f"a {name} of {value}", expected="0 or more")
    if distance is None or threshold is None:
        return NOT_ANALYSABLE
    return SHARED if distance <= threshold else OTHER


@dataclass(frozen=True)
class Calls:
    """The calls between pairs of samples, by clade: (sample, sample) in order of id → clade → call.

    ``in_common`` are the clades found in both samples of a pair, as far as the overlap tells.
    """

    by_pair: Mapping[tuple[str, str], Mapping[str, str]]
    in_common: Mapping[tuple[str, str], frozenset[str]]
    n_by_sample: Mapping[str, int]

    def between(self, sample_id: str, others: Sequence[str]) -> dict[str, str]:
        """Return a call a clade against several samples of one source: shared where any of them shares it."""
        found: dict[str, set[str]] = defaultdict(set)
        for other in others:
            for clade, said in self.by_pair.get(_pair(sample_id, other), {}).items():
                found[clade].add(said)
        return {clade: _joined(said) for clade, said in found.items()}

    def common(self, sample_id: str, others: Sequence[str]) -> frozenset[str]:
        """Return the clades found in the sample and in any of the others."""
        return frozenset[str]().union(*(self.in_common.get(_pair(sample_id, o), frozenset()) for o in others))

    def clades_of(self, sample_ids: Sequence[str]) -> frozenset[str]:
        """Return the clades that samples are known to have: found in common with any sample."""
        wanted = set(sample_ids)
        found = [clades for pair, clades in self.in_common.items() if wanted & set(pair)]
        return frozenset[str]().union(*found)


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


def _joined(said: set[str]) -> str:
    """Return one call for several stools of a source; a contradiction within a pair stays one."""
    return next((c for c in (CONTRADICTORY, SHARED, OTHER) if c in said), NOT_ANALYSABLE)


def calls_of(study: Study) -> Calls:
    """Return the strain calls of a study: as recorded, else from similarity and overlap.

    A pair whose rows (either way round) give one clade two calls is contradictory: it counts for nothing and
    is said beside the figures.
    """
    by_pair: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    common: dict[tuple[str, str], set[str]] = defaultdict(set)
    seen: dict[str, int] = defaultdict(int)
    for row in study.read("strains").iter_rows(named=True):
        pair, clade = _pair(row["sample_id"], row["other_sample_id"]), row["clade"]
        said = row["call"] or call(row["similarity"], row["n_overlap"])
        before = by_pair[pair].setdefault(clade, said)
        if before != said:
            by_pair[pair][clade] = CONTRADICTORY
        if (row["n_overlap"] or 0) > 0 or said in (SHARED, OTHER):
            common[pair].add(clade)
        for sample in pair:
            seen[sample] += 1
    return Calls(dict(by_pair), {p: frozenset(c) for p, c in common.items()}, dict(seen))


def strain_engraftment(study: Study, *, level: float = 0.95) -> pl.DataFrame:
    """Return the strain measures of each recipient's sample, in the declared ``engraftment`` table.

    Shares of species, each with a Wilson interval at ``level``:

    - ``strain_sharing_donor``, ``strain_sharing_baseline``: shared / analysable against that source;
    - ``strain_engraftment``: shared with the donor and not with the baseline / analysable against the
      donor; a species that cannot be compared with the baseline counts as not shared with it, and how many
      there are is said beside the value;
    - ``strain_engraftment_strict``: the same among species analysable against both;
    - ``strains_donor_only``, ``_baseline_only``, ``_both``, ``_neither``: the four that make up the species
      analysable against either;
    - ``species_sharing_donor``, ``species_sharing_baseline``: species of that source found in the sample,
      among species the strain table knows: the species-level figure to hold the strain's against.

    A study without strain comparisons gives no rows. Samples and patients that cannot be measured are rows
    with their reason.

    Refuses: InputError for a level outside 0 to 1.
    """
    calls = calls_of(study)
    if not calls.by_pair:
        return RESULTS["engraftment"].empty()
    depth = {sample: float(n) for sample, n in calls.n_by_sample.items()}
    found = comparisons(study, depth=depth, profiled=calls.n_by_sample)
    settings = settings_of(study)
    rows = [row for c in found for row in _measured(c, calls, settings, level=level)]
    table = pl.DataFrame(rows, schema=RESULTS["engraftment"].schema)
    order = pl.col("measure").cast(pl.Enum(MEASURES))
    return table.sort("subject_id", "day", "sample_id", order, nulls_last=True)


@dataclass(frozen=True)
class _Source:
    """One source of a sample: its reference, calls by clade, clades in common and clades it has."""

    reference: Reference
    calls: Mapping[str, str]
    common: frozenset[str]
    clades: frozenset[str]
    reason: str | None
    cautions: tuple[str, ...]

    def clades_called(self, *said: str) -> frozenset[str]:
        return frozenset(c for c, call_ in self.calls.items() if call_ in said)


def _source(
    sample_id: str, reference: Reference, calls: Calls, settings: Mapping[str, Setting], words: str
) -> _Source:
    """Return what is known between a sample and one source, or the reason why nothing is."""
    mine = settings.get(sample_id, Setting())
    theirs = [settings.get(s, Setting()) for s in reference.sample_ids]
    refused = [r for r in (refusal(mine, other) for other in theirs) if r]
    said = calls.between(sample_id, reference.sample_ids)
    reason = reference.reason or next(iter(refused), None)
    if reason is None and not said:
        reason = f"no strain comparison with the {words}"
    notes = [reference.caution, *(caution(mine, other) for other in theirs)]
    n_torn = sum(s == CONTRADICTORY for s in said.values())
    notes.append(f"{n_torn} species with two different calls left out ({words})" if n_torn else None)
    return _Source(
        reference,
        said if reason is None else {},
        calls.common(sample_id, reference.sample_ids),
        calls.clades_of(reference.sample_ids),
        reason,
        tuple(dict.fromkeys(n for n in notes if n)),
    )


def _measured(
    comparison: Comparison, calls: Calls, settings: Mapping[str, Setting], *, level: float
) -> list[dict[str, object]]:
    """Return the rows of one sample; of a patient or sample without comparisons one row with the reason."""
    sample = comparison.sample_id
    if sample is None or sample not in calls.n_by_sample:
        reason = comparison.donor.reason if sample is None else NO_COMPARISON
        return [_row(comparison, "strain_sharing_donor", comparison.donor, None, [reason], level=level)]
    donor = _source(sample, comparison.donor, calls, settings, "donor")
    baseline = _source(sample, comparison.baseline, calls, settings, "baseline")
    rows = []
    for measure in MEASURES:
        used = [s for s, names in ((donor, TO_DONOR), (baseline, TO_BASELINE)) if measure in names]
        used = used or [donor, baseline]
        reasons = [s.reason for s in used if s.reason]
        share = None if reasons else _share(measure, donor, baseline)
        notes = reasons or [
            *(n for s in used for n in s.cautions),
            *_notes(comparison, measure, donor, baseline),
        ]
        if share is not None and share[1] == 0:
            share, notes = None, ["no species can be analysed", *notes]
        samples = [i for s in used for i in s.reference.sample_ids]
        label = donor.reference.label if donor in used else None
        reference = Reference(label=label, sample_ids=tuple(samples))
        rows.append(_row(comparison, measure, reference, share, notes, level=level))
    return rows


def _share(measure: str, donor: _Source, baseline: _Source) -> tuple[int, int]:
    """Return numerator and denominator, in species."""
    from_donor, from_before = donor.clades_called(SHARED), baseline.clades_called(SHARED)
    to_donor, to_before = (s.clades_called(SHARED, OTHER) for s in (donor, baseline))
    either = (
        (to_donor | to_before) - donor.clades_called(CONTRADICTORY) - baseline.clades_called(CONTRADICTORY)
    )
    new = (from_donor - from_before) & either
    parts = {
        "strain_sharing_donor": (from_donor, to_donor),
        "strain_sharing_baseline": (from_before, to_before),
        "strain_engraftment": (new, to_donor & either),
        "strain_engraftment_strict": (new & to_before, to_donor & to_before),
        "strains_donor_only": (new, either),
        "strains_baseline_only": ((from_before - from_donor) & either, either),
        "strains_both": (from_donor & from_before, either),
        "strains_neither": (either - from_donor - from_before, either),
        "species_sharing_donor": (donor.common, donor.clades),
        "species_sharing_baseline": (baseline.common, baseline.clades),
    }
    events, of = parts[measure]
    return len(events), len(of)


def _notes(comparison: Comparison, measure: str, donor: _Source, baseline: _Source) -> list[str]:
    notes = []
    if measure not in TO_BASELINE and comparison.is_before:
        notes.append(BEFORE)
    if measure == "strain_engraftment":
        to_donor, to_before = (s.clades_called(SHARED, OTHER) for s in (donor, baseline))
        n = len(to_donor - to_before - baseline.clades_called(CONTRADICTORY))
        notes += [f"{n} of the species cannot be compared with the baseline"] if n else []
    return notes


def _row(
    comparison: Comparison,
    measure: str,
    reference: Reference,
    share: tuple[int, int] | None,
    notes: Sequence[str | None],
    *,
    level: float,
) -> dict[str, object]:
    row: dict[str, object] = {
        **dict.fromkeys(RESULTS["engraftment"].schema),
        "sample_id": comparison.sample_id,
        "subject_id": comparison.subject_id,
        "donor_id": reference.label if measure not in TO_BASELINE else None,
        "reference_sample_id": ";".join(reference.sample_ids) or None,
        "day": comparison.day,
        "timepoint": comparison.timepoint,
        "measure": measure,
        "reason": "; ".join(dict.fromkeys(n for n in notes if n)) or None,
    }
    if share is None:
        return row
    events, n = share
    lower, upper = wilson(Share(np.array([events]), np.array([n])), level=level)
    return row | {
        "value": events / n,
        "lower": float(lower[0]),
        "upper": float(upper[0]),
        "level": level,
        "n": n,
        "n_events": events,
        "method": WILSON,
    }
