"""Which donor and which patient each sample resembles: scores of all candidates, from one set of samples.

The samples are of one setting (assay, region, pipeline). Everything is scored by a model that was fitted to
other patients (``identity_model``), so that no sample votes on itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from commensal.microbiome.abundance import Abundance, Matrix
from commensal.microbiome.comparisons import Comparison
from commensal.microbiome.identity.model import (
    Floats,
    Source,
    bearing,
    commonness,
    depth_of,
    fit,
    folds_of,
    ground,
    source_of,
    tempered,
)
from commensal.microbiome.identity.scores import against_all, against_donors, against_own, stacked

# Design choices. Five patients are the fewest that leave four to fit and calibrate on; observations and
# samples beyond these numbers no longer move a fit of some fifteen coefficients.
LEAST_PATIENTS = 5
N_FOLDS = 10
MOST_SAMPLES_TO_FIT = 300
MOST_PAIRS_TO_FIT = 30_000
# Candidates scored at once: what is known of them stays in the processor's cache. No result hangs on it.
BLOCK = 64

METHOD = (
    "presence of taxa given the candidate's samples, what the patient had before, prevalence and depth; "
    "fitted and calibrated on other patients; all candidates alike beforehand"
)


@dataclass(frozen=True)
class Answer:
    """The likely candidate of one sample, its probability and that of the recorded one."""

    likely: str
    probability: float
    recorded_probability: float | None
    n_candidates: int
    method: str


@dataclass(frozen=True, eq=False)
class Panel:
    """Samples of one setting: the recipients' with their comparisons, the donors' stools by donor or batch.

    ``members`` says which donors a batch or a joined label holds; ``reads`` the depth of each sample, NaN
    where unknown.
    """

    abundance: Abundance
    comparisons: tuple[Comparison, ...]
    stools: Mapping[str, tuple[str, ...]]
    members: Mapping[str, frozenset[str]]
    reads: Mapping[str, float]

    @cached_property
    def depth(self) -> Floats:
        """Depth class of each row."""
        return depth_of(np.array([self.reads.get(s, np.nan) for s in self.abundance.sample_ids]))

    @cached_property
    def subjects(self) -> tuple[str, ...]:
        """Patients with a sample, in order of their ids."""
        return tuple(sorted({c.subject_id for c in self.comparisons}))

    @cached_property
    def common(self) -> Floats:
        """How common each taxon is over patients and donors, one vote each."""
        own = [self.rows_before.get(s, ()) + self.rows_after.get(s, ()) for s in self.subjects]
        donors = [self.rows(self.stools[d]) for d in sorted(self.stools)]
        return commonness(self.mean(own + donors, self.abundance.presence))

    @cached_property
    def samples_of(self) -> Mapping[str, tuple[str, ...]]:
        """Each patient's samples."""
        found = defaultdict(list)
        for c in self.comparisons:
            found[c.subject_id].append(c.sample_id or "")
        return {subject: tuple(samples) for subject, samples in found.items()}

    @cached_property
    def rows_before(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of each patient's samples from before the first session."""
        return self._rows_of(is_before=True)

    @cached_property
    def rows_after(self) -> Mapping[str, tuple[int, ...]]:
        """Rows of each patient's samples from after it."""
        return self._rows_of(is_before=False)

    def _rows_of(self, *, is_before: bool) -> dict[str, tuple[int, ...]]:
        found = defaultdict(list)
        for c in self.comparisons:
            if c.is_before is is_before and c.sample_id is not None:
                found[c.subject_id].append(self.abundance.rows[c.sample_id])
        return {subject: tuple(rows) for subject, rows in found.items()}

    def rows(self, sample_ids: Sequence[str]) -> tuple[int, ...]:
        """Rows of samples."""
        return tuple(self.abundance.rows[s] for s in sample_ids)

    def mean(self, groups: Sequence[tuple[int, ...]], values: Matrix) -> Floats:
        """Return the mean of each group of rows (groups × taxa); zero for an empty group."""
        from commensal.microbiome.identity._kernels import sum_rows

        size = np.array([len(g) for g in groups], dtype=int)
        starts = np.concatenate([[0], np.cumsum(size)])
        member = np.array([row for g in groups for row in g], dtype=int)
        total = np.zeros((len(groups), values.shape[1]))
        sum_rows(values.indptr, values.indices, values.data, starts, member, total)
        return total / np.maximum(size, 1)[:, None]

    def source(self, groups: Sequence[tuple[int, ...]]) -> Source:
        """Return what groups of rows say, one row a group."""
        n = np.array([len(g) for g in groups], dtype=int)
        abundance = self.abundance
        return source_of(
            self.mean(groups, abundance.presence), self.mean(groups, abundance.proportions), n_samples=n
        )

    def donor_source(self, labels: Sequence[str]) -> Source:
        """Return what the stools of donors say; a label of several has a taxon where any of them has it."""
        parts = [[self.rows(self.stools[m]) for m in parts_of(label, self.stools)] for label in labels]
        owner = np.repeat(np.arange(len(labels)), np.array([len(p) for p in parts], dtype=int))
        each = [rows for p in parts for rows in p]
        frequency = self.mean(each, self.abundance.presence)
        proportion = self.mean(each, self.abundance.proportions)
        absent = np.ones((len(labels), frequency.shape[1]))
        np.multiply.at(absent, owner, 1 - frequency)
        total = np.zeros_like(absent)
        np.add.at(total, owner, proportion)
        n = np.array([len(p) for p in parts], dtype=int)
        return source_of(1 - absent, total / np.maximum(n, 1)[:, None], n_samples=n)

    def dense(self, rows: np.ndarray, columns: Floats | slice = slice(None)) -> Floats:
        """Return the presence of some rows and taxa as numbers."""
        return self.abundance.presence[list(rows)].toarray()[:, columns].astype(float)


def parts_of(label: str, stools: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the donors or batches with stools that a label names; none where one of them has no stool."""
    if label in stools:
        return (label,)
    parts = tuple(sorted(set(label.split(";"))))
    return parts if all(p in stools for p in parts) else ()


def recorded_label(comparison: Comparison, stools: Mapping[str, tuple[str, ...]]) -> str | None:
    """Return the donors recorded for a sample as one label, each named once; None without stools of all."""
    label = comparison.donor.label if comparison.donor.sample_ids else None
    return ";".join(parts_of(label, stools)) or None if label else None


def donor_answers(panel: Panel, *, seed: int) -> dict[str, Answer] | str:
    """Return, for each sample after transplant, the likely donor; or why no sample can be told.

    The candidates are the donors of the panel and every pool or series that is recorded for some patient. A
    candidate that shares a donor with the recorded one is no rival of it and is left out. What the patient
    had before is in the model, so that a taxon of the patient's own says nothing for a donor who has it too.
    """
    after = [c for c in panel.comparisons if c.is_before is False]
    labels = _labels(panel, after)
    place = {label: k for k, label in enumerate(labels)}
    recorded = [recorded_label(c, panel.stools) for c in after]
    own = np.array([-1 if label is None else place[label] for label in recorded], dtype=int)
    known = own >= 0
    patients = sorted({c.subject_id for c, k in zip(after, known, strict=True) if k})
    if len(labels) < 2:
        return "fewer than two donors with a profile to tell apart"
    if len(patients) < LEAST_PATIENTS:
        return f"{len(patients)} patients with a known donor: at least {LEAST_PATIENTS} are needed"
    fold = folds_of([c.subject_id for c in after], n_folds=N_FOLDS, seed=seed)
    # Patients with a known donor are dealt out first, so that each fold leaves some to fit.
    fold |= folds_of(patients, n_folds=N_FOLDS, seed=seed)
    places = np.array([fold[c.subject_id] for c in after])
    found = _donor_scores(panel, after, labels, own=own, places=places, seed=seed)
    found[_rivals(panel, labels)[own] & known[:, None]] = -np.inf
    weight = weights_of(after, known)
    chances = tempered(found, own, weight=weight, places=places, seed=seed)
    names = [c.sample_id or "" for c in after]
    return _answers(names, labels, chances, own, is_candidate=np.isfinite(found))


def _labels(panel: Panel, after: Sequence[Comparison]) -> list[str]:
    recorded = {recorded_label(c, panel.stools) for c in after}
    return sorted({label for label in recorded | set(panel.stools) if label})


def _rivals(panel: Panel, labels: Sequence[str]) -> np.ndarray:
    """Return (labels × labels) whether the second shares a donor with the first, and is not the same."""
    donors = [sorted(set().union(*(panel.members[p] for p in parts_of(n, panel.stools)))) for n in labels]
    size = np.array([len(d) for d in donors])
    place = {d: k for k, d in enumerate(sorted(set().union(*donors)))}
    column = [place[d] for each in donors for d in each]
    shape = (len(labels), len(place))
    holds = sparse.csr_array((np.ones(size.sum()), (np.repeat(np.arange(len(labels)), size), column)), shape)
    shared = (holds @ holds.T).toarray() > 0
    np.fill_diagonal(shared, False)
    return shared


def _donor_scores(
    panel: Panel,
    after: Sequence[Comparison],
    labels: Sequence[str],
    *,
    own: np.ndarray,
    places: np.ndarray,
    seed: int,
) -> Floats:
    donors = panel.donor_source(labels)
    rows = np.array(panel.rows([c.sample_id or "" for c in after]), dtype=int)
    patients, patient = np.unique([c.subject_id for c in after], return_inverse=True)
    groups = [panel.rows_before.get(p, ()) for p in patients.tolist()]
    weight = weights_of(after, own >= 0)
    found = np.empty((len(after), len(labels)))
    for fold in np.unique(places):
        train = np.flatnonzero((places != fold) & (own >= 0))
        chosen, columns = _subset(train, len(panel.common), seed=[seed, fold, 2])
        before = panel.source([groups[k] for k in patient[chosen]]).taxa(columns)
        given = donors[own[chosen]].taxa(columns)
        at = _fitted(panel, rows[chosen], columns, (before, given), weight=weight[chosen])
        test = np.flatnonzero(places == fold)
        theirs, among = np.unique(patient[test], return_inverse=True)
        found[test] = against_donors(
            *(panel.abundance.presence[rows[test]], panel.depth[rows[test]], among, at, panel.common),
            donors=donors,
            before=panel.source([groups[k] for k in theirs]),
        )
    return found


def subject_answers(panel: Panel, *, seed: int) -> dict[str, Answer] | str:
    """Return, for each sample whose patient has another, the patient whose other samples it resembles most.

    What a candidate's samples of the same phase (before or after transplant), those of the other phase and,
    after transplant, the stools of the donor recorded for the candidate say together. The sample itself is
    left out of its own patient's.
    """
    held = {s: len(panel.rows_before.get(s, ())) + len(panel.rows_after.get(s, ())) for s in panel.subjects}
    several = [s for s in panel.subjects if held[s] > 1]
    if len(several) < LEAST_PATIENTS:
        return f"{len(several)} patients with two samples or more: at least {LEAST_PATIENTS} are needed"
    answers = {}
    for is_before in (True, False):
        mine = [c for c in panel.comparisons if c.is_before is is_before and held[c.subject_id] > 1]
        if len({c.subject_id for c in mine}) >= LEAST_PATIENTS:
            answers |= _phase_answers(panel, mine, is_before=is_before, seed=seed)
    return answers


def _phase_answers(
    panel: Panel, mine: Sequence[Comparison], *, is_before: bool, seed: int
) -> dict[str, Answer]:
    place = {subject: k for k, subject in enumerate(panel.subjects)}
    own = np.array([place[c.subject_id] for c in mine])
    fold = folds_of([c.subject_id for c in mine], n_folds=N_FOLDS, seed=seed)
    places = np.array([fold[c.subject_id] for c in mine])
    weight = weights_of(mine, np.ones(len(mine), dtype=bool))
    found = _subject_scores(
        panel, mine, own=own, places=places, weight=weight, is_before=is_before, seed=seed
    )
    chances = tempered(found, own, weight=weight, places=places, seed=seed)
    names = [c.sample_id or "" for c in mine]
    return _answers(names, panel.subjects, chances, own, is_candidate=np.isfinite(found))


def _subject_scores(
    panel: Panel,
    mine: Sequence[Comparison],
    *,
    own: np.ndarray,
    places: np.ndarray,
    weight: Floats,
    is_before: bool,
    seed: int,
) -> Floats:
    known = _Known(panel, is_before=is_before)
    rows = np.array(panel.rows([c.sample_id or "" for c in mine]), dtype=int)
    tests = {int(fold): np.flatnonzero(places == fold) for fold in np.unique(places)}
    seen = {fold: panel.abundance.presence[rows[test]] for fold, test in tests.items()}
    fits = {}
    for fold in tests:
        train = np.flatnonzero(places != fold)
        chosen, columns = _subset(train, len(panel.common), seed=[seed, fold, int(is_before)])
        left = [s.taxa(columns) for s in known.of(own[chosen], without=rows[chosen])]
        fits[fold] = _fitted(panel, rows[chosen], columns, left, weight=weight[chosen])
    found = np.empty((len(mine), len(panel.subjects)))
    for start in range(0, len(panel.subjects), BLOCK):
        who = np.arange(start, min(start + BLOCK, len(panel.subjects)))
        sources = stacked(known.of(who))
        for fold, test in tests.items():
            found[test, start : start + BLOCK] = against_all(
                seen[fold], panel.depth[rows[test]], fits[fold], panel.common, sources
            )
    # Under the own candidate the sample itself does not count.
    for fold, test in tests.items():
        for start in range(0, len(test), BLOCK):
            some = test[start : start + BLOCK]
            sources = stacked(known.of(own[some], without=rows[some]))
            found[some, own[some]] = against_own(
                seen[fold][start : start + BLOCK], panel.depth[rows[some]], fits[fold], panel.common, sources
            )
    return found


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of patients: samples of the phase, of the other phase, after transplant the donor's."""

    panel: Panel
    is_before: bool

    @cached_property
    def _given(self) -> tuple[Source, np.ndarray]:
        """The recorded donors, and the row there of each patient's."""
        panel = self.panel
        labels = {
            c.subject_id: label
            for c in panel.comparisons
            if c.is_before is False and (label := recorded_label(c, panel.stools))
        }
        names = sorted({"", *labels.values()})
        place = {name: k for k, name in enumerate(names)}
        rows = np.array([place[labels.get(s, "")] for s in panel.subjects], dtype=int)
        return panel.donor_source(names), rows

    def of(self, who: np.ndarray, *, without: np.ndarray | None = None) -> list[Source]:
        """Return the sources of patients, by their numbers; of each without one row of the phase."""
        panel = self.panel
        subjects = [panel.subjects[k] for k in who.tolist()]
        phases = (panel.rows_before, panel.rows_after)
        phase, other = phases if self.is_before else phases[::-1]
        mine = [phase.get(s, ()) for s in subjects]
        if without is not None:
            left_out = zip(mine, without.tolist(), strict=True)
            mine = [tuple(r for r in group if r != row) for group, row in left_out]
        sources = [panel.source(mine), panel.source([other.get(s, ()) for s in subjects])]
        if not self.is_before:
            donors, place = self._given
            sources.append(donors[place[who]])
        return sources


def _subset(train: np.ndarray, n_taxa: int, *, seed: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples and taxa a model is fitted on: all of a small study, a seeded draw of a large."""
    rng = np.random.default_rng(seed)
    n = min(len(train), MOST_SAMPLES_TO_FIT)
    chosen = np.sort(rng.choice(train, n, replace=False))
    taxa = np.sort(rng.choice(n_taxa, min(n_taxa, max(MOST_PAIRS_TO_FIT // n, 1)), replace=False))
    return chosen, taxa


def _fitted(
    panel: Panel,
    rows: np.ndarray,
    columns: np.ndarray,
    sources: Sequence[Source],
    *,
    weight: Floats,
) -> Floats:
    """Return the coefficients: four of the ground, then those of the sources."""
    common = panel.common[columns]
    depth, place = np.unique(panel.depth[rows], return_inverse=True)
    grounds = np.stack([ground(common, float(d)) for d in depth])[place]
    features = np.concatenate([grounds, bearing(common, sources)], axis=-1)
    present = panel.dense(rows, columns)
    each = np.repeat(weight, len(columns))
    return fit(features.reshape(-1, features.shape[-1]), present.ravel(), weight=each)


def weights_of(found: Sequence[Comparison], counted: np.ndarray) -> Floats:
    """Return weights by which every patient counts once; 0 for samples that do not count."""
    n = defaultdict(int)
    for c, k in zip(found, counted, strict=True):
        n[c.subject_id] += int(k)
    return np.array([1 / n[c.subject_id] if k else 0.0 for c, k in zip(found, counted, strict=True)])


def _answers(
    names: Sequence[str],
    labels: Sequence[str],
    chances: Floats,
    own: np.ndarray,
    *,
    is_candidate: np.ndarray,
) -> dict[str, Answer]:
    likely = chances.argmax(axis=1).tolist()
    return {
        name: Answer(
            labels[int(likely[k])],
            float(chances[k, likely[k]]),
            float(chances[k, own[k]]) if own[k] >= 0 else None,
            int(is_candidate[k].sum()),
            METHOD,
        )
        for k, name in enumerate(names)
    }
