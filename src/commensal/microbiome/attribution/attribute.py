"""Source attribution of a study: what each recipient's community is made of, as one long table.

What is estimated: the share of the reads of a sample that came from the donor's stool (any stool of that
donor, not only the one sequenced), from the recipient as before treatment, and from elsewhere. Reads are
shares of the sequenced DNA, not of cells, and a source is a likeness of communities, not of strains.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import polars as pl
from scipy import sparse

from commensal.microbiome.abundance import Abundance, Matrix, abundance_of, depths
from commensal.microbiome.attribution.model import Shares, attribute_counts
from commensal.microbiome.comparability import Setting, caution, refusal, settings_of
from commensal.microbiome.comparisons import Comparison, comparisons
from commensal.study import RESULTS, Study

METHOD = (
    "mixture of drifting sources and an unknown; interval: reads, within-donor variation and the fit, "
    "learnt on mixtures of published stools"
)
OTHER_DONORS, UNKNOWN = "other_donors", "unknown"

# Design choice: below this the shares are mostly noise; the model was tried down to 1,000.
FEWEST_READS, FEW_READS = 200, 1000

NO_PROFILE = "no abundance profile of this sample"
NO_DEPTH = "proportions without a number of reads: their precision is unknown"
BEFORE = "before the first transplant: a control, resemblance and not attribution"
WHEN_UNKNOWN = "before or after the transplant is unknown"


@dataclass(frozen=True)
class Source:
    """One source of one sink, or why it is none."""

    source_id: str
    role: str
    sample_id: str | None = None
    reason: str | None = None
    caution: str | None = None


@dataclass(frozen=True)
class Sink:
    """One sample with its sources; ``reason`` where it cannot be attributed at all."""

    comparison: Comparison
    sources: tuple[Source, ...] = ()
    reason: str | None = None
    notes: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class _Known:
    """What the study knows of its samples."""

    abundance: Abundance
    depth: Mapping[str, float]
    settings: Mapping[str, Setting]
    person: Mapping[str, str]
    stools: Mapping[str, Sequence[str]]
    donors: frozenset[str]
    makers: Mapping[str, frozenset[str]]

    @cached_property
    def pools(self) -> Mapping[str, set[str]]:
        """The batches that each donor has a part in."""
        found = defaultdict(set)
        for batch, makers in self.makers.items():
            for donor in makers:
                found[donor].add(batch)
        return found


def attribute(study: Study, *, level: float = 0.95, other_donors: bool = False) -> pl.DataFrame:
    """Return the shares of every recipient's sample by source, in the declared ``attributions`` table.

    Sources are each donor's or batch's sample, the recipient's own baseline, with ``other_donors`` the mean
    of the study's other donors, and the unknown; the proportions of a sink sum to one. Proportions are read
    as counts by the number of reads the sample's record states. What cannot be attributed is a row with its
    reason. Nothing is drawn: the same study gives the same table. ``level`` is that of the intervals.

    Refuses: InputError for abundances that are not as declared.
    """
    abundance = abundance_of(study)
    depth = depths(abundance, study.read("samples", columns=["sample_id", "n_reads"]))
    found = comparisons(study, depth=depth, profiled=abundance.sample_ids)
    known = _known(study, abundance, depth, found)
    sinks = [_sink(c, known, other_donors=other_donors) for c in found]
    fitted = [s for s in sinks if s.reason is None]
    rows = [_refused(s) for s in sinks if s.reason is not None]
    if fitted:
        shares = _fit(fitted, known, level=level)
        rows += [row for i, s in enumerate(fitted) for row in _rows(s, i, shares, level=level)]
    role = pl.col("source_role").cast(pl.Enum(("donor", "baseline", "other_donor", "unknown")))
    order = ("subject_id", "day", "sink_id", role, "source_id")
    return pl.DataFrame(rows, schema=RESULTS["attributions"].schema).sort(*order, nulls_last=True)


def _known(
    study: Study, abundance: Abundance, depth: Mapping[str, float], found: Iterable[Comparison]
) -> _Known:
    """Return the samples by person; of a patient the stools before transplant alone."""
    columns = ["sample_id", "patient_id", "donor_id", "batch_id"]
    samples = study.read("samples", columns=[*columns, "control"]).filter(pl.col("control").is_null())
    before = {c.sample_id for c in found if c.is_before}
    person, donors, stools = {}, set(), defaultdict(list)
    for sample, patient, donor, batch in samples.select(columns).sort("sample_id").iter_rows():
        name = patient or donor or batch
        if name is None:
            continue
        person[sample] = name
        if patient is None:
            donors.add(name)
        is_deep = sample in abundance.rows and depth.get(sample, 0.0) >= FEWEST_READS
        if is_deep and (patient is None or sample in before):
            stools[name].append(sample)
    donors &= stools.keys()
    makers = _makers(study)
    return _Known(abundance, depth, settings_of(study), person, stools, frozenset(donors), makers)


def _makers(study: Study) -> Mapping[str, frozenset[str]]:
    """Return the donors of each batch: two pools with a donor in common are not strangers."""
    units = study.read("units", columns=["unit_id", "batch_id"]).drop_nulls()
    given = study.read("unit_donors", columns=["unit_id", "donor_id"]).join(units, on="unit_id")
    pairs = given.group_by("batch_id").agg(pl.col("donor_id").unique())
    return {batch: frozenset(donors) for batch, donors in pairs.iter_rows()}


def _sink(comparison: Comparison, known: _Known, *, other_donors: bool) -> Sink:
    """Return the sample with the sources it can be attributed to."""
    sample, donor = comparison.sample_id, comparison.donor
    reason = donor.reason or _unreadable(sample, known)
    if sample is None or reason:
        return Sink(comparison, reason=reason)
    sources = [_source(sample, s, "donor", known.person.get(s, s), known) for s in donor.sample_ids]
    if broken := [s.reason for s in sources if s.reason]:
        return Sink(comparison, reason="; ".join(dict.fromkeys(broken)))
    own = {known.person.get(s, s) for s in donor.sample_ids} | {comparison.subject_id}
    own |= set((donor.label or "").split(";"))
    own |= set().union(*(known.makers.get(name, frozenset()) for name in own))
    own |= set().union(*(known.pools.get(name, ()) for name in own))
    baseline = _baseline(comparison, known)
    notes = [n for n in (donor.caution, _when(comparison), _shallow(sample, known)) if n]
    if baseline.reason:
        notes.append("without a baseline: what the recipient had before counts as donor or unknown")
    extra = [Source(OTHER_DONORS, "other_donor")] if other_donors and known.donors - own else []
    return Sink(comparison, (*sources, baseline, *extra), None, tuple(notes), frozenset(own))


def _unreadable(sample: str | None, known: _Known) -> str | None:
    """Return why a sample cannot be read as counts; None where it can."""
    if sample is None or sample not in known.abundance.rows:
        return NO_PROFILE
    if sample not in known.depth:
        return NO_DEPTH
    if known.depth[sample] < FEWEST_READS:
        return f"only {known.depth[sample]:,.0f} reads: fewer than {FEWEST_READS}"
    return None


def _source(sink: str | None, sample: str, role: str, name: str, known: _Known) -> Source:
    """Return one sample as a source of a sink, with why it is none."""
    unknown = Setting()
    settings = (known.settings.get(sink or "", unknown), known.settings.get(sample, unknown))
    reason = refusal(*settings) or _unreadable(sample, known)
    return Source(name, role, sample, f"{role}: {reason}" if reason else None, caution(*settings))


def _baseline(comparison: Comparison, known: _Known) -> Source:
    reference = comparison.baseline
    if reference.reason:
        return Source("baseline", "baseline", None, reference.reason)
    sample = reference.sample_ids[0]
    return _source(comparison.sample_id, sample, "baseline", sample, known)


def _when(comparison: Comparison) -> str | None:
    return {True: BEFORE, None: WHEN_UNKNOWN, False: None}[comparison.is_before]


def _shallow(sample: str, known: _Known) -> str | None:
    reads = known.depth[sample]
    return f"only {reads:,.0f} reads: features are missed" if reads < FEW_READS else None


def _fit(sinks: Sequence[Sink], known: _Known, *, level: float) -> Shares:
    """Return the shares of all sinks by their usable sources, in the order these have in the sink."""
    owners, people = _people(known)
    rows: dict[object, int] = {}
    profiles, members = [], []
    for sink in sinks:
        mine = []
        for source in _usable(sink):
            key = source.sample_id or (OTHER_DONORS, sink.own)
            if key not in rows:
                rows[key] = len(profiles)
                profiles.append(_profile(source, sink, known))
            mine.append(rows[key])
        members.append(mine)
    return attribute_counts(
        sparse.vstack([_reads(s.comparison.sample_id or "", known) for s in sinks]),
        sparse.vstack(profiles),
        members=_padded(members),
        people=people,
        left_out=_padded(_left_out(sinks, owners, known)),
        level=level,
    )


def _usable(sink: Sink) -> list[Source]:
    return [s for s in sink.sources if s.reason is None]


def _profile(source: Source, sink: Sink, known: _Known) -> Matrix:
    """Return the reads of a source as one row: its sample's, or the mean of the other donors'."""
    if source.sample_id:
        return _reads(source.sample_id, known)
    others = sorted(known.donors - sink.own)
    mean = sum(_mean(known.stools[d], known) for d in others) / len(others)
    return mean * sum(known.depth.get(s, 0.0) for d in others for s in known.stools[d])


def _reads(sample: str, known: _Known) -> Matrix:
    """Return one sample's reads, (1, taxa); proportions times the reads its record states."""
    row = known.abundance.rows[sample]
    if known.abundance.is_counts:
        return known.abundance.values[[row]]
    return known.abundance.proportions[[row]] * known.depth[sample]


def _mean(samples: Sequence[str], known: _Known) -> Matrix:
    part = known.abundance.proportions[[known.abundance.rows[s] for s in samples]]
    return sparse.csr_array(part.sum(axis=0)[None, :] / len(samples))


def _people(known: _Known) -> tuple[list[tuple[str, Setting]], Matrix]:
    """Return each person's name and setting, and mean community: what an unknown source may look like.

    A patient's samples after transplant hold a donor's material and are not among them. A person whose
    samples were read in several settings stands there once for each.
    """
    samples = defaultdict(list)
    for person, stools in known.stools.items():
        for sample in stools:
            samples[person, known.settings.get(sample, Setting()).axis].append(sample)
    owners = sorted(samples, key=lambda owner: (owner[0], owner[1].label))
    means = [_mean(samples[owner], known) for owner in owners]
    empty = sparse.csr_array((0, len(known.abundance.taxon_ids)))
    return owners, sparse.vstack(means) if means else empty


def _left_out(sinks: Sequence[Sink], owners: Sequence[tuple[str, Setting]], known: _Known) -> list[list[int]]:
    """Return, for each sink, the people whose community may not stand for its unknown source."""
    places = defaultdict(set)
    for i, (name, _) in enumerate(owners):
        places[name].add(i)
    donors = set().union(*(places[name] for name in known.donors))

    @cache
    def apart(axis: Setting) -> frozenset[int]:
        return frozenset(i for i, (_, other) in enumerate(owners) if refusal(axis, other) is not None)

    found = []
    for sink in sinks:
        own = known.settings.get(sink.comparison.sample_id or "", Setting())
        out = set(apart(own.axis)).union(*(places.get(name, ()) for name in sink.own))
        is_source = any(s.role == "other_donor" for s in sink.sources)
        found.append(sorted(out | donors if is_source else out))
    return found


def _padded(lists: Sequence[Sequence[int]]) -> np.ndarray:
    """Return lists of rows as one array, -1 where a list has ended."""
    width = max(1, *(len(rows) for rows in lists))
    return np.array([[*rows, *[-1] * (width - len(rows))] for rows in lists], dtype=np.int64)


def _refused(sink: Sink) -> dict[str, object]:
    label = sink.comparison.donor.label or "donor"
    return _row(sink, Source(label, "donor", None, sink.reason))


def _rows(sink: Sink, index: int, shares: Shares, *, level: float) -> Iterable[dict[str, object]]:
    """Yield a row for each source of a fitted sink and one for the unknown."""
    columns = {source.source_id: k for k, source in enumerate(_usable(sink))}
    for source in (*sink.sources, Source(UNKNOWN, "unknown")):
        at = columns.get(source.source_id, -1)
        if source.reason is not None:
            yield _row(sink, source)
            continue
        yield _row(sink, source) | {
            "proportion": float(shares.proportion[index, at]),
            "lower": float(shares.lower[index, at]),
            "upper": float(shares.upper[index, at]),
            "level": level,
            "method": METHOD,
        }


def _row(sink: Sink, source: Source) -> dict[str, object]:
    comparison = sink.comparison
    notes = (
        (source.reason,) if source.reason else (*sink.notes, *((source.caution,) if source.caution else ()))
    )
    return {
        "sink_id": comparison.sample_id,
        "source_id": source.source_id,
        "source_role": source.role,
        "subject_id": comparison.subject_id,
        "day": comparison.day,
        "timepoint": comparison.timepoint,
        "is_before": comparison.is_before,
        "reason": "; ".join(notes) or None,
    }
