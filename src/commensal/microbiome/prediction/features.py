"""What the prediction of a taxon's presence rests on: counts over training recipients, and each pair's own.

Order of the axes everywhere: recipients, taxa, features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commensal.errors import RefusedError
from commensal.microbiome.comparability import refusal
from commensal.microbiome.prediction.triads import Triads

FEATURES = (
    "after_prevalence",
    "donor_prevalence",
    "baseline_prevalence",
    "parent_prevalence",
    "alike",
    "is_in_donor",
    "is_in_baseline",
    "is_in_both",
    "donor_abundance",
    "baseline_abundance",
    "donor_abundance_where_present",
    "baseline_abundance_where_present",
)
OFFERED = FEATURES.index("donor_abundance"), FEATURES.index("donor_abundance_where_present")

# Shrinkage, in recipients: a taxon's rate towards its parent's, a parent's towards all taxa's. Design
# choice, made before the fits and not tuned.
TAXON_WEIGHT = 2.0
PARENT_WEIGHT = 5.0

# Below this share of common taxa two studies hardly name the same things.
LEAST_COMMON = 0.2


@dataclass(frozen=True, eq=False)
class Pool:
    """Triads of several studies on one axis of taxa; ``study`` has the study's position for each recipient.

    ``donor``, ``baseline``, ``after``: reads, shape (recipients, taxa).
    """

    studies: tuple[str, ...]
    study: np.ndarray
    taxon_ids: tuple[str, ...]
    parents: tuple[str, ...]
    donor: np.ndarray
    baseline: np.ndarray
    after: np.ndarray
    routes: tuple[str | None, ...]
    preparations: tuple[str | None, ...]

    @property
    def present(self) -> np.ndarray:
        """True where the taxon was found after FMT."""
        return self.after > 0

    def of(self, rows: np.ndarray) -> Pool:
        """The recipients at some rows."""
        return Pool(
            self.studies,
            self.study[rows],
            self.taxon_ids,
            self.parents,
            self.donor[rows],
            self.baseline[rows],
            self.after[rows],
            tuple(self.routes[r] for r in rows),
            tuple(self.preparations[r] for r in rows),
        )


def pooled(found: Sequence[Triads]) -> Pool:
    """Return the triads of several studies on every taxon that any sample of any of them has.

    A taxon that a study does not list was not seen in it. Refuses (RefusedError) studies read in settings
    that cannot be compared, and studies with hardly a taxon in common (another taxonomy).
    """
    for one in found:
        for other in found:
            _demand_comparable(one, other)
    parents = {t: p for one in reversed(found) for t, p in zip(one.taxon_ids, one.parents, strict=True)}
    taxa = tuple(sorted(parents))
    stacks = [np.concatenate([_on(one, taxa, part) for one in found]) for part in _PARTS]
    return Pool(
        studies=tuple(one.study for one in found),
        study=np.repeat(np.arange(len(found)), [len(one.subject_ids) for one in found]),
        taxon_ids=taxa,
        parents=tuple(parents[t] for t in taxa),
        donor=stacks[0],
        baseline=stacks[1],
        after=stacks[2],
        routes=tuple(r for one in found for r in one.routes),
        preparations=tuple(p for one in found for p in one.preparations),
    )


_PARTS = ("donor", "baseline", "after")


def _seen(one: Triads) -> set[str]:
    any_read = (one.donor.sum(axis=0) + one.baseline.sum(axis=0) + one.after.sum(axis=0)) > 0
    return {t for t, is_seen in zip(one.taxon_ids, any_read, strict=True) if is_seen}


def _on(one: Triads, taxa: Sequence[str], part: str) -> np.ndarray:
    return aligned(getattr(one, part), one.taxon_ids, taxa)


def aligned(reads: np.ndarray, taxon_ids: Sequence[str], taxa: Sequence[str]) -> np.ndarray:
    """Return reads (rows, taxon_ids) on another axis of taxa; a taxon not listed has none.

    A taxon with reads that is not among ``taxa`` would be lost: callers pass an axis that has it.
    """
    column = {t: i for i, t in enumerate(taxa)}
    pairs = [(column[t], i) for i, t in enumerate(taxon_ids) if t in column]
    out = np.zeros((reads.shape[0], len(taxa)))
    to, back = np.array(pairs, dtype=int).reshape(-1, 2).T
    out[:, to] = reads[:, back]
    return out


def _demand_comparable(one: Triads, other: Triads) -> None:
    if word := refusal(one.setting, other.setting):
        raise RefusedError(f"{one.study} and {other.study} cannot be pooled: {word}", expected="one setting")
    mine, theirs = _seen(one), _seen(other)
    common = len(mine & theirs) / max(1, min(len(mine), len(theirs)))
    if mine and theirs and common < LEAST_COMMON:
        raise RefusedError(
            f"{one.study} and {other.study} share {len(mine & theirs)} of {min(len(mine), len(theirs))} taxa",
            expected=f"at least {LEAST_COMMON:.0%}, as under one taxonomy",
            do="name the taxa of both against one reference database, or predict at a higher rank",
        )


@dataclass(frozen=True, eq=False)
class Tally:
    """How often each taxon was found after FMT in training, by whether donor and baseline had it.

    ``n`` and ``n_present`` have the shape (4, taxa): recipients, and of them those with the taxon after
    FMT. Row 0: neither had it; 1: the baseline alone; 2: the donor alone; 3: both.
    """

    n: np.ndarray
    n_present: np.ndarray

    @property
    def n_recipients(self) -> int:
        """Recipients counted; the same for each taxon."""
        return int(self.n[:, 0].sum()) if self.n.shape[1] else 0


def tally(pool: Pool) -> Tally:
    """Return the counts over all recipients of the pool."""
    cell = 2 * (pool.donor > 0) + (pool.baseline > 0)
    masks = [cell == which for which in range(4)]
    return Tally(
        n=np.stack([m.sum(axis=0) for m in masks]),
        n_present=np.stack([(m & pool.present).sum(axis=0) for m in masks]),
    )


@dataclass(frozen=True, eq=False)
class Rates:
    """Shrunk rates of each taxon in training, shape (taxa,); ``by_cell`` (4, taxa) as in ``Tally``."""

    after: np.ndarray
    donor: np.ndarray
    baseline: np.ndarray
    parent: np.ndarray
    by_cell: np.ndarray


def rates(counts: Tally, parents: Sequence[str]) -> Rates:
    """Return each taxon's rates, shrunk towards those of its parent, and these towards those of all taxa.

    Only taxa seen in training speak for their parent, so the rates of one taxon do not depend on which
    unseen taxa are asked for beside it.

    Notes: with x of n recipients and a parent's rate f, (x + 2 f) / (n + 2); a parent's rate from the sums
    over its taxa, X of N, and the rate g over all taxa, (X + 5 g) / (N + 5).
    """
    m = counts.n_recipients
    group = np.unique(np.array(parents, dtype=str), return_inverse=True)[1]
    seen = (counts.n[1:].sum(axis=0) + counts.n_present[0]) > 0
    parent = _parent_rate(counts.n_present.sum(axis=0), np.full(len(seen), m), group, seen)
    after = _shrunk(counts.n_present.sum(axis=0), m, parent)
    by_cell = [
        _shrunk(x, n, _parent_rate(x, n, group, seen))
        for x, n in zip(counts.n_present, counts.n, strict=True)
    ]
    donor = _shrunk(counts.n[2] + counts.n[3], m, after)
    baseline = _shrunk(counts.n[1] + counts.n[3], m, after)
    return Rates(after, donor, baseline, parent, np.stack(by_cell))


def _shrunk(x: np.ndarray, n: np.ndarray | int, towards: np.ndarray) -> np.ndarray:
    return (x + TAXON_WEIGHT * towards) / (n + TAXON_WEIGHT)


def _parent_rate(x: np.ndarray, n: np.ndarray, group: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return the rate of each taxon's parent; half a taxon is added so that no rate is 0 or 1."""
    overall = (x[seen].sum() + 0.5) / (n[seen].sum() + 1.0)
    size = int(group.max(initial=-1)) + 1
    top = np.bincount(group, np.where(seen, x, 0), size)
    bottom = np.bincount(group, np.where(seen, n, 0), size)
    return ((top + PARENT_WEIGHT * overall) / (bottom + PARENT_WEIGHT))[group]


def features(donor: np.ndarray, baseline: np.ndarray, known: Rates) -> np.ndarray:
    """Return the features of each pair, shape (recipients, taxa, features), named in ``FEATURES``.

    ``donor`` and ``baseline`` hold reads, shape (recipients, taxa). Rates enter as log-odds. ``alike`` is
    the rate among training recipients whose donor and baseline had the taxon or not as this pair's do. An
    abundance is log10((reads + ½) / (all reads + 1)): a taxon not seen in a shallow sample is less absent
    than one not seen in a deep one.
    """
    in_donor, in_baseline = donor > 0, baseline > 0
    rows = np.arange(donor.shape[1])
    alike = known.by_cell[2 * in_donor + in_baseline, rows]
    offered, own = log_abundance(donor), log_abundance(baseline)
    wide = [np.broadcast_to(_log_odds(r), donor.shape) for r in (known.after, known.donor, known.baseline)]
    wide += [np.broadcast_to(_log_odds(known.parent), donor.shape), _log_odds(alike)]
    wide += [in_donor, in_baseline, in_donor & in_baseline, offered, own]
    wide += [np.where(in_donor, offered + 3, 0.0), np.where(in_baseline, own + 3, 0.0)]
    return np.stack([np.asarray(w, dtype=float) for w in wide], axis=-1)


def log_abundance(reads: np.ndarray) -> np.ndarray:
    """Return log10((reads + ½) / (all reads of the row + 1)), shape as given."""
    return np.log10((reads + 0.5) / (reads.sum(axis=-1, keepdims=True) + 1.0))


def _log_odds(rate: np.ndarray) -> np.ndarray:
    return np.log(rate / (1.0 - rate))
