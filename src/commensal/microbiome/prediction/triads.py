"""Triads: what a recipient had before, what the donor had, and what was found after FMT."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from commensal.errors import RefusedError
from commensal.microbiome.abundance import Abundance, abundance_of, aggregate, deepest, depths
from commensal.microbiome.comparability import Setting, refusal, settings_of
from commensal.microbiome.comparisons import IS_BASELINE, Comparison, comparisons
from commensal.study import Study
from commensal.study.inputs.samples import RANKS

# Design choice: below this many reads a genus at 0.05 % is missed in one sample of twelve (exp(-2.5)).
MIN_READS = 5_000
# Week 4, where most published studies have a sample.
ON_DAY = 28

NO_AFTER = "no sample after FMT with a profile"
NO_DEPTH = "reads of a sample unknown: absence cannot be told from shallowness"


@dataclass(frozen=True, eq=False)
class Triads:
    """Donor, baseline and one sample after FMT of each recipient of one study.

    ``donor``, ``baseline`` and ``after`` have the shape (recipients, taxa) and hold reads (proportions
    times the sample's reads where the study has proportions; the mean of the proportions times all reads
    where a pool is read by several donors). Zero: not seen in so many reads. ``parents`` names for each
    taxon the group above it. ``days`` are relative to index, None where unknown. ``left_out`` has a reason
    for each recipient without a triad.
    """

    study: str
    subject_ids: tuple[str, ...]
    donor_ids: tuple[str, ...]
    days: tuple[int | None, ...]
    routes: tuple[str | None, ...]
    preparations: tuple[str | None, ...]
    taxon_ids: tuple[str, ...]
    parents: tuple[str, ...]
    donor: np.ndarray
    baseline: np.ndarray
    after: np.ndarray
    left_out: Mapping[str, str]
    setting: Setting


@dataclass(frozen=True, eq=False)
class Ranked:
    """A study's profiles at one rank, with the reads of each sample and the group above each taxon."""

    study: Study
    abundance: Abundance
    depth: Mapping[str, float]
    parent_of: Mapping[str, str]
    settings: Mapping[str, Setting]

    def reads(self, samples: Sequence[str]) -> np.ndarray:
        """Return reads of several samples taken as one community, shape (taxa,)."""
        shares = self.abundance.select(list(samples)).proportions.toarray().mean(axis=0)
        return shares * sum(self.depth[s] for s in samples)

    def unusable(self, samples: Sequence[str], *, min_reads: int) -> str | None:
        """Return why samples cannot stand for a community; None where they can."""
        for sample in samples:
            if sample not in self.depth:
                return NO_DEPTH
            if self.depth[sample] < min_reads:
                return f"sample {sample} has {self.depth[sample]:,.0f} reads, fewer than {min_reads:,}"
            if word := refusal(self.settings[samples[0]], self.settings[sample]):
                return word
        return None


def ranked(study: Study, *, rank: str) -> Ranked:
    """Return the study's profiles summed to a rank. Refuses (RefusedError) a study without profiles."""
    found = abundance_of(study)
    if not found.sample_ids:
        raise RefusedError("the study has no abundances", expected="profiles of donors and recipients")
    taxa = study.read("taxa")
    return Ranked(
        study=study,
        abundance=aggregate(found, taxa, rank=rank),
        depth=depths(found, study.read("samples", columns=["sample_id", "n_reads"])),
        parent_of=_parents(found, taxa, rank=rank),
        settings=settings_of(study),
    )


def _parents(found: Abundance, taxa: pl.DataFrame, *, rank: str) -> dict[str, str]:
    """Return the nearest named group above each taxon of the rank; '' where none is named."""
    above = RANKS[: RANKS.index(rank)][::-1]
    lineage = {row["taxon_id"]: row for row in taxa.iter_rows(named=True)}
    # One pseudo-sample for each feature: its only taxon at the rank is the one the feature is summed under.
    each = Abundance(sparse.eye_array(len(found.taxon_ids)).tocsr(), found.taxon_ids, found.taxon_ids, True)
    summed = aggregate(each, taxa, rank=rank)
    parents: dict[str, str] = {}
    for feature, column in zip(summed.sample_ids, summed.values.indices, strict=True):
        row = lineage.get(feature, {})
        parents[summed.taxon_ids[column]] = next((row[r] for r in above if row.get(r)), "")
    return parents


def triads(
    study: Study, *, name: str, rank: str = "genus", on_day: int = ON_DAY, min_reads: int = MIN_READS
) -> Triads:
    """Return one triad for each recipient who has one, and for every other recipient the reason.

    The sample after FMT is the one nearest to ``on_day`` (days from index; the earlier of two equally
    near), among those with at least ``min_reads`` reads whose donor and baseline are known and deep enough.
    A sample of unknown day is used where the recipient has no other (the deepest of them). Controls and
    recipients of unknown donors have no triad.
    """
    profiles = ranked(study, rank=rank)
    found = comparisons(study, depth=profiles.depth, profiled=profiles.abundance.sample_ids)
    by_subject: dict[str, list[Comparison]] = defaultdict(list)
    for comparison in found:
        by_subject[comparison.subject_id].append(comparison)
    chosen: dict[str, Comparison] = {}
    left_out: dict[str, str] = {}
    for subject, rows in by_subject.items():
        usable = [c for c in rows if _why_not(c, profiles, min_reads=min_reads) is None]
        if usable:
            chosen[subject] = min(usable, key=lambda c: _distance(c, profiles.depth, on_day=on_day))
        else:
            left_out[subject] = _reason(rows, profiles, min_reads=min_reads)
    return _triads(name, profiles, list(chosen.values()), left_out)


def _samples(comparison: Comparison) -> list[tuple[str, ...]]:
    own = (comparison.sample_id,) if comparison.sample_id is not None else ()
    return [comparison.donor.sample_ids, comparison.baseline.sample_ids, own]


def _why_not(comparison: Comparison, profiles: Ranked, *, min_reads: int) -> str | None:
    """Return why a comparison is no triad; None where it is one."""
    if comparison.is_before is not False or comparison.sample_id not in profiles.abundance.rows:
        return NO_AFTER
    if not comparison.donor.sample_ids:
        return comparison.donor.reason or "no donor's sample"
    if not comparison.baseline.sample_ids:
        return comparison.baseline.reason or "no baseline sample"
    return profiles.unusable([s for group in _samples(comparison) for s in group], min_reads=min_reads)


def _reason(rows: Sequence[Comparison], profiles: Ranked, *, min_reads: int) -> str:
    """Return why a recipient has no triad: what is wrong with the samples after FMT, where there are any."""
    reasons = [_why_not(c, profiles, min_reads=min_reads) or "" for c in rows]
    return "; ".join(dict.fromkeys(r for r in reasons if r != NO_AFTER)) or NO_AFTER


def _distance(
    comparison: Comparison, depth: Mapping[str, float], *, on_day: int
) -> tuple[bool, int, int, float, str]:
    day, sample = comparison.day, comparison.sample_id or ""
    return day is None, abs((day or 0) - on_day), day or 0, -depth[sample], sample


def _triads(name: str, profiles: Ranked, chosen: Sequence[Comparison], left_out: Mapping[str, str]) -> Triads:
    taxa = profiles.abundance.taxon_ids
    empty = np.zeros((0, len(taxa)))
    stacks = [
        np.stack([profiles.reads(_samples(c)[part]) for c in chosen]) if chosen else empty
        for part in range(3)
    ]
    given = _given(profiles.study)
    settings = [profiles.settings[c.sample_id] for c in chosen if c.sample_id is not None]
    return Triads(
        study=name,
        subject_ids=tuple(c.subject_id for c in chosen),
        donor_ids=tuple(c.donor.label or "" for c in chosen),
        days=tuple(c.day for c in chosen),
        routes=tuple(given.get(c.subject_id, (None, None))[0] for c in chosen),
        preparations=tuple(given.get(c.subject_id, (None, None))[1] for c in chosen),
        taxon_ids=taxa,
        parents=tuple(profiles.parent_of[t] for t in taxa),
        donor=stacks[0],
        baseline=stacks[1],
        after=stacks[2],
        left_out=dict(left_out),
        setting=settings[0] if settings else Setting(),
    )


def _given(study: Study) -> dict[str, tuple[str | None, str | None]]:
    """Return route and preparation of each patient's sessions; None where unknown or not the same in all."""
    table = study.read("sessions", columns=["patient_id", "route", "preparation"])
    one = [
        pl.when(pl.col(c).n_unique() == 1).then(pl.col(c).first()).alias(c) for c in ("route", "preparation")
    ]
    return {
        p: (route, preparation) for p, route, preparation in table.group_by("patient_id").agg(one).iter_rows()
    }


def baseline_reads(profiles: Ranked, recipient: str, *, min_reads: int) -> np.ndarray:
    """Return the reads of a recipient's baseline, shape (taxa,). Refuses (RefusedError) without one."""
    found = comparisons(profiles.study, depth=profiles.depth, profiled=profiles.abundance.sample_ids)
    own = [c for c in found if c.subject_id == recipient]
    samples = next((c.baseline.sample_ids for c in own if c.baseline.sample_ids), ())
    if not samples:
        samples = tuple(c.sample_id for c in own if c.baseline.reason == IS_BASELINE and c.sample_id)
    reason = (
        profiles.unusable(samples, min_reads=min_reads) if samples else "no baseline sample with a profile"
    )
    if reason:
        raise RefusedError(f"no prediction for {recipient}: {reason}", expected="a sample before treatment")
    return profiles.reads(samples)


def donor_reads(profiles: Ranked, donors: Sequence[str] | None, *, min_reads: int) -> dict[str, np.ndarray]:
    """Return the reads of each donor's deepest sample, shape (taxa,); by default of all who have one.

    A batch or pool with a sample of its own counts as a donor, under the batch's id. Refuses (RefusedError)
    a donor named who has no sample deep enough.
    """
    samples = profiles.study.read(
        "samples", columns=["sample_id", "patient_id", "donor_id", "batch_id", "control"]
    )
    source = pl.coalesce("donor_id", "batch_id").alias("source")
    samples = samples.filter(
        source.is_not_null() & pl.col("patient_id").is_null() & pl.col("control").is_null()
    )
    own: dict[str, list[str]] = defaultdict(list)
    for sample, donor in samples.select("sample_id", source).iter_rows():
        if profiles.unusable([sample], min_reads=min_reads) is None and sample in profiles.abundance.rows:
            own[donor].append(sample)
    if missing := [d for d in donors or () if d not in own]:
        raise RefusedError(
            f"donor {missing[0]} has no profile of {min_reads:,} reads or more", expected="a sequenced stool"
        )
    names = sorted(own) if donors is None else list(dict.fromkeys(donors))
    best = {name: deepest(own[name], depth=profiles.depth) for name in names}
    return {name: profiles.reads([sample]) for name, sample in best.items() if sample is not None}
