"""The measures of the engraftment panel, each for all samples at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commensal.microbiome import diversity
from commensal.microbiome.abundance import Abundance, Matrix
from commensal.microbiome.colonisers import c2r
from commensal.microbiome.comparisons import ONE_COURSE, Comparison, Reference
from commensal.microbiome.depth import expected_presence, peds_at_depth, union_presence
from commensal.microbiome.fates import FATES, IN_SAMPLE, summary_of
from commensal.microbiome.overlap import Share, peds, peds_gained, wilson
from commensal.microbiome.panel_rows import Measured
from commensal.microbiome.profiles import Profiles, composite, memberships, profiles_of
from commensal.microbiome.projection import engraftment_index

WILSON = "Wilson score interval over features, which are not independent: a floor on the uncertainty"
NO_READS = "proportions have no reads: depth cannot be modelled"
SAME = "donor and baseline are the same community"
NOTHING_TO_GAIN = "the donor had no feature the baseline lacked"
ONE_SIDED = "the sample has no taxon the donor had more of, or none the baseline had more of"


@dataclass(frozen=True, eq=False)
class Communities:
    """Samples of recipients that have a profile, with what they are compared with.

    ``donor_of``, ``baseline_of`` and ``latest_of`` give the row of each sample's reference among the
    distinct ``references``; −1 where there is none. ``chances`` are of all references and samples alike
    (presence at a common depth), None without read counts.
    """

    found: tuple[Comparison, ...]
    own: Profiles
    references: Profiles
    keys: Mapping[tuple[str, ...], int]
    donor_of: np.ndarray
    baseline_of: np.ndarray
    latest_of: np.ndarray
    chances: tuple[Matrix, Matrix] | None

    def among(self, rows: np.ndarray) -> tuple[Profiles, Profiles, Profiles]:
        """Return samples, donors and baselines of rows that have both."""
        return self.own[rows], self.references[self.donor_of[rows]], self.references[self.baseline_of[rows]]

    @property
    def with_both(self) -> np.ndarray:
        """Rows with a donor and a baseline."""
        return np.flatnonzero((self.donor_of >= 0) & (self.baseline_of >= 0))


def communities(
    found: Sequence[Comparison], abundance: Abundance, *, others: Sequence[Reference], depth: int
) -> Communities:
    """Gather the samples and their references; ``others`` are further references to be held against."""
    whole = profiles_of(abundance)
    used = (r for c in found for r in (c.donor, c.baseline, c.latest_course))
    wanted = dict.fromkeys(r.sample_ids for r in (*used, *others) if r.sample_ids)
    keys = {key: i for i, key in enumerate(sorted(wanted))}
    own = np.array([abundance.rows[c.sample_id] for c in found if c.sample_id], dtype=int)

    def places(references: Sequence[Reference]) -> np.ndarray:
        return np.array([keys.get(r.sample_ids, -1) for r in references], dtype=int)

    return Communities(
        found=tuple(found),
        own=whole[own],
        references=composite(list(keys), whole, rows=abundance.rows),
        keys=keys,
        donor_of=places([c.donor for c in found]),
        baseline_of=places([c.baseline for c in found]),
        latest_of=places([c.latest_course for c in found]),
        chances=_chances(abundance, own, list(keys), depth=depth),
    )


def _chances(
    abundance: Abundance, own: np.ndarray, groups: list[tuple[str, ...]], *, depth: int
) -> tuple[Matrix, Matrix] | None:
    """Return chances of presence of samples and references; no entries where one has too few reads."""
    if not abundance.is_counts:
        return None
    chances = expected_presence(abundance, depth=depth)
    joining = memberships(groups, rows=abundance.rows)
    is_shallow = (joining @ (abundance.totals < depth)).astype(bool)
    union = union_presence(joining, chances)
    union.data[np.repeat(is_shallow, np.diff(union.indptr))] = 0
    union.eliminate_zeros()
    return chances[own], union


def panel(given: Communities, *, level: float, depth: int) -> Iterator[tuple[str, Measured]]:
    """Yield every measure of every sample."""
    yield from _alpha(given)
    yield from _to_donor(given, level=level, depth=depth)
    yield from _to_baseline(given, level=level)
    yield from _to_both(given, level=level)
    yield "gained_still_there", _retention(given, level=level)
    yield from _since_latest_course(given, level=level)


def _alpha(given: Communities) -> Iterator[tuple[str, Measured]]:
    yield "richness", Measured("nothing", diversity.richness(given.own.presence))
    yield "shannon", Measured("nothing", diversity.shannon(given.own.proportions))
    yield "simpson", Measured("nothing", diversity.simpson(given.own.proportions))


_PairMeasure = Callable[[Profiles, Profiles], np.ndarray]
_TO_DONOR: Mapping[str, _PairMeasure] = {
    "bray_curtis_to_donor": lambda a, b: diversity.bray_curtis(a.proportions, b.proportions),
    "richness_minus_donor": lambda a, b: diversity.richness(a.presence) - diversity.richness(b.presence),
    "shannon_minus_donor": lambda a, b: diversity.shannon(a.proportions) - diversity.shannon(b.proportions),
}
_TO_BASELINE: Mapping[str, _PairMeasure] = {
    "bray_curtis_to_baseline": _TO_DONOR["bray_curtis_to_donor"],
}


_CHANGES: Mapping[str, _PairMeasure] = {
    "bray_curtis_to_donor": _TO_DONOR["bray_curtis_to_donor"],
    "jaccard_to_donor": lambda a, b: _jaccard(a, peds(a.presence, b.presence)),
}


def _jaccard(samples: Profiles, share: Share) -> np.ndarray:
    """Return the Jaccard distance from the taxa shared, already counted; two empty samples give 0."""
    union = diversity.richness(samples.presence) + share.n - share.n_events
    return np.divide(union - share.n_events, union, out=np.zeros_like(union), where=union > 0)


def _to_donor(given: Communities, *, level: float, depth: int) -> Iterator[tuple[str, Measured]]:
    rows = np.flatnonzero(given.donor_of >= 0)
    own, donors = given.own[rows], given.references[given.donor_of[rows]]
    share = peds(own.presence, donors.presence)
    yield "peds", _share(given, "donor", rows, share, level=level)
    yield "jaccard_to_donor", Measured("donor", _spread(given, rows, _jaccard(own, share)))
    for measure, function in _TO_DONOR.items():
        yield measure, Measured("donor", _spread(given, rows, function(own, donors)))
    yield "peds_at_depth", _at_depth(given, rows, depth=depth)


def _to_baseline(given: Communities, *, level: float) -> Iterator[tuple[str, Measured]]:
    rows = np.flatnonzero(given.baseline_of >= 0)
    own, baselines = given.own[rows], given.references[given.baseline_of[rows]]
    share = peds(own.presence, baselines.presence)
    yield "pprs", _share(given, "baseline", rows, share, level=level)
    yield "jaccard_to_baseline", Measured("baseline", _spread(given, rows, _jaccard(own, share)))
    for measure, function in _TO_BASELINE.items():
        yield measure, Measured("baseline", _spread(given, rows, function(own, baselines)))


def _to_both(given: Communities, *, level: float) -> Iterator[tuple[str, Measured]]:
    rows = given.with_both
    own, donors, before = given.among(rows)
    share = peds_gained(own.presence, donors.presence, before.presence)
    yield "peds_gained", _share(given, "both", rows, share, level=level, undefined=NOTHING_TO_GAIN)
    moved = engraftment_index(own.proportions, before.proportions, donors.proportions)
    yield "engraftment_index", Measured("both", _spread(given, rows, moved.along), undefined=SAME)
    yield "engraftment_index_remainder", Measured("both", _spread(given, rows, moved.off), undefined=SAME)
    index = c2r(own.proportions, before.proportions, donors.proportions)
    yield "c2r", Measured("both", _spread(given, rows, index), undefined=ONE_SIDED)
    for measure, function in _CHANGES.items():
        change = function(own, donors) - function(before, donors)
        yield f"{measure}_change", Measured("both", _spread(given, rows, change))
    yield from _fates(given, rows)


def _fates(given: Communities, rows: np.ndarray) -> Iterator[tuple[str, Measured]]:
    own, donors, before = given.among(rows)
    summary = summary_of(own.proportions, donors.proportions, before.proportions)
    has_reads = np.diff(own.presence.indptr) > 0
    for fate in FATES:
        yield f"taxa_{fate}", Measured("both", _spread(given, rows, summary.taxa[fate]))
    for fate in IN_SAMPLE:
        shares = np.where(has_reads, summary.shares[fate], np.nan)
        undefined = NOTHING_TO_GAIN if fate == "gained_from_donor" else "the sample is empty"
        if fate == "gained_from_donor":
            shares = np.where(summary.taxa[fate] + summary.taxa["donor_not_engrafted"] > 0, shares, np.nan)
        yield f"share_{fate}", Measured("both", _spread(given, rows, shares), undefined=undefined)


def _at_depth(given: Communities, rows: np.ndarray, *, depth: int) -> Measured:
    if given.chances is None:
        return Measured("donor", np.full(len(given.found), np.nan), undefined=NO_READS)
    own, references = given.chances
    samples, donors = own[rows], references[given.donor_of[rows]]
    values = peds_at_depth(samples, donors)
    values[np.diff(samples.indptr) == 0] = np.nan
    shallow = f"fewer than {depth:,} reads in the sample or its reference"
    words = f"expected presence at {depth:,} reads"
    return Measured("donor", _spread(given, rows, values), undefined=shallow, interval=words)


def _retention(given: Communities, *, level: float) -> Measured:
    """Return, for each later sample, the share still there of what the first sample after had gained."""
    rows, firsts, why = _after_first(given)
    own, first = given.own[rows], given.own[firsts]
    donors, before = given.references[given.donor_of[firsts]], given.references[given.baseline_of[firsts]]
    gained = first.presence.multiply(donors.presence)
    gained = (gained - gained.multiply(before.presence)).tocsr()
    share = peds(own.presence, gained)
    undefined = "the first sample after the transplant had gained nothing"
    return _share(given, "both", rows, share, level=level, undefined=undefined, why=why)


def _after_first(given: Communities) -> tuple[np.ndarray, np.ndarray, list[str | None]]:
    """Return rows of later samples, the row of the first after of each, and the words for the others."""
    why: list[str | None] = ["not after the transplant"] * len(given.found)
    by_subject: dict[str, list[int]] = {}
    for row in given.with_both:
        if given.found[row].is_before is False:
            by_subject.setdefault(given.found[row].subject_id, []).append(int(row))
    rows, firsts = [], []
    for members in by_subject.values():
        dated = sorted((given.found[r].day or 0, r) for r in members if given.found[r].day is not None)
        for row in members:
            why[row] = "day unknown: what came first cannot be told" if len(members) > 1 else None
        for _, row in dated[1:]:
            rows.append(row)
            firsts.append(dated[0][1])
        if dated:
            why[dated[0][1]] = None
        if dated or len(members) == 1:
            why[dated[0][1] if dated else members[0]] = "the first sample after the transplant"
    return np.array(rows, dtype=int), np.array(firsts, dtype=int), why


def _since_latest_course(given: Communities, *, level: float) -> Iterator[tuple[str, Measured]]:
    """Yield measures against the last sample before the latest course, where a second course was given."""
    if all(c.latest_course.reason == ONE_COURSE for c in given.found):
        return
    rows = np.flatnonzero((given.donor_of >= 0) & (given.latest_of >= 0))
    own, donors = given.own[rows], given.references[given.donor_of[rows]]
    share = peds_gained(own.presence, donors.presence, given.references[given.latest_of[rows]].presence)
    name = "peds_gained_latest_course"
    yield name, _share(given, "latest_course", rows, share, level=level, undefined=NOTHING_TO_GAIN)
    rows = np.flatnonzero(given.latest_of >= 0)
    share = peds(given.own[rows].presence, given.references[given.latest_of[rows]].presence)
    yield "pprs_latest_course", _share(given, "own_latest_course", rows, share, level=level)


def _share(
    given: Communities,
    against: str,
    rows: np.ndarray,
    share: Share,
    *,
    level: float,
    undefined: str = "the reference holds no feature",
    why: Sequence[str | None] | None = None,
) -> Measured:
    lower, upper = wilson(share, level=level)
    arrays = {"lower": lower, "upper": upper, "n": share.n, "n_events": share.n_events}
    columns = {name: _spread(given, rows, array) for name, array in arrays.items()}
    columns["level"] = np.where(np.isfinite(columns["lower"]), level, np.nan)
    values = _spread(given, rows, share.value)
    return Measured(against, values, undefined=undefined, why=why, columns=columns, interval=WILSON)


def _spread(given: Communities, rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    full = np.full(len(given.found), np.nan)
    full[rows] = values
    return full
