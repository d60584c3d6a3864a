"""How well each of many candidates explains which taxa a sample has, and what probability that gives each.

Arrays in, arrays out. The presence of taxon t in a sample is a coin whose log-odds are linear in how common
the taxon is, how deeply the sample was read, and what is known of each source of the candidate: the share
of its samples with the taxon, and how much of it they hold. A source with several samples thus says how
surely it has a taxon, and a rare taxon counts for more than a common one. Two candidates are told apart by
the sum over taxa of the log-likelihoods under each.

Taxa of one community come and go together, so that sum overstates what it knows. ``temper`` finds the one
factor by which scores must shrink for their softmax to be calibrated on samples whose origin is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commensal.errors import InputError

Floats = np.ndarray

# Design choices. The unit ridge matters only where a feature hardly varies; a proportion of 1e-4 is level 0.
RIDGE = 1.0
FLOOR = 1e-6
ORIGIN = 4.0
DEPTH_STEP = 0.25
# Share of recorded labels that may be wrong without bending the calibration.
WRONG_LABELS = 0.01
MOST_TO_TEMPER = 1000
LOG_FACTORS = np.linspace(-8.0, 1.0, 181)
# Where few patients speak, factors are held near those of published 16S studies, each found by itself:
# see docs/methods/identity.md. The spread is on the log scale.
USUAL_FACTOR = 0.1
USUAL_SPREAD = 1.0


@dataclass(frozen=True, eq=False)
class Source:
    """What is known of one kind of source, one row a candidate (candidates × taxa).

    ``frequency`` is the share of the source's samples with the taxon, ``level`` the log10 of its mean
    proportion there above ``10 ** -4`` (0 where it is absent); ``is_known`` (candidates,) says whether the
    source has any sample: rows without are zero throughout.
    """

    frequency: Floats
    level: Floats
    is_known: Floats

    def __post_init__(self) -> None:
        if self.frequency.shape != self.level.shape or self.is_known.shape != self.frequency.shape[:1]:
            raise InputError(
                f"a source of shapes {self.frequency.shape}, {self.level.shape}, {self.is_known.shape}",
                expected="candidates × taxa twice, and candidates",
            )

    def __getitem__(self, rows: np.ndarray) -> Source:
        return Source(self.frequency[rows], self.level[rows], self.is_known[rows])

    def taxa(self, columns: Floats) -> Source:
        """The same source with some of the taxa."""
        return Source(self.frequency[:, columns], self.level[:, columns], self.is_known)


def source_of(frequency: Floats, proportion: Floats, *, n_samples: Floats) -> Source:
    """Return a source from the mean presence and mean proportion of its samples (candidates × taxa)."""
    level, there = np.zeros_like(frequency), frequency > 0
    level[there] = np.log10(np.maximum(proportion[there], FLOOR)) + ORIGIN
    return Source(frequency, level, np.asarray(n_samples) > 0)


def commonness(frequency: Floats) -> Floats:
    """Return the centred log-odds of each taxon's prevalence; ``frequency`` is persons × taxa, one vote."""
    share = (frequency.sum(axis=0) + 0.5) / (len(frequency) + 1.0)
    odds = np.log(share / (1 - share))
    return odds - odds.mean()


def depth_of(reads: Floats) -> Floats:
    """Return log10 reads against the median, in steps of a quarter; 0 where the reads are unknown (NaN)."""
    known = np.isfinite(reads) & (reads > 0)
    logs = np.log10(np.where(known, reads, 1.0))
    middle = np.median(logs[known]) if known.any() else 0.0
    return np.where(known, np.round((logs - middle) / DEPTH_STEP) * DEPTH_STEP, 0.0)


def ground(common: Floats, depth: float) -> Floats:
    """Return the features of a taxon that no source bears on (taxa × 4)."""
    one = np.ones_like(common)
    return np.stack([one, common, depth * one, depth * common], axis=-1)


def bearing(common: Floats, sources: Sequence[Source]) -> Floats:
    """Return the features of the sources (candidates × taxa × features), zero where a source is silent.

    Four for each source: its frequency alone, with level, with commonness, and that the source is unknown.
    One more for the last two sources together: a taxon that both have.
    """
    shape = sources[0].frequency.shape
    parts = []
    for source in sources:
        unknown = np.broadcast_to(~source.is_known[:, None], shape).astype(float)
        f = source.frequency
        parts += [f, f * source.level, f * common, unknown]
    if len(sources) > 1:
        parts.append(sources[-1].frequency * sources[-2].frequency)
    return np.stack(parts, axis=-1)


def weighed(weights: Floats, common: Floats, sources: Sequence[Source]) -> Floats:
    """Return ``bearing @ weights`` (candidates × taxa) without holding the features."""
    total = np.zeros(sources[0].frequency.shape)
    for k, source in enumerate(sources):
        a, b, c, unknown = weights[4 * k : 4 * k + 4]
        total += source.frequency * (a + b * source.level + c * common)
        total += unknown * ~source.is_known[:, None]
    if len(sources) > 1:
        total += weights[-1] * sources[-1].frequency * sources[-2].frequency
    return total


def fit(features: Floats, present: Floats, *, weight: Floats) -> Floats:
    """Return the coefficients of a ridge logistic regression (Newton's method, halving steps that overshoot).

    ``features`` (observations × features), ``present`` 0 or 1, ``weight`` of each observation.
    """

    from commensal.microbiome.identity._kernels import logistic_terms

    n = features.shape[1]

    def terms(at: Floats) -> tuple[float, Floats, Floats]:
        slope, bend = np.empty(n), np.empty((n, n))
        loss = logistic_terms(features, present, weight, at, slope, bend)
        bend += np.tril(bend, -1).T + RIDGE * np.eye(n)
        return loss + RIDGE / 2 * float(at @ at), slope - RIDGE * at, bend

    at = np.zeros(n)
    now, slope, bend = terms(at)
    for _ in range(30):
        step = np.linalg.solve(bend, slope)
        after = terms(at + step)
        while after[0] > now + 1e-9 * abs(now) and np.abs(step).max() > 1e-10:
            step /= 2
            after = terms(at + step)
        at, (now, slope, bend) = at + step, after
        if np.abs(step).max() < 1e-5:
            break
    return at


def temper(chances: Floats, n_candidates: Floats, *, weight: Floats) -> float:
    """Return the factor that makes the softmax of ``factor × scores`` calibrated on recorded origins.

    ``chances`` (samples × factors) are the probabilities of the recorded candidate by each of the factors
    tried. It maximises the weighted log-probability of the recorded candidates, each mixed with a hundredth
    of an equal share, so that a few wrong labels do not flatten all probabilities. Where records and
    communities have nothing in common the factor is close to zero and all probabilities are equal.
    """
    floor = WRONG_LABELS / np.maximum(n_candidates, 1)
    far = (LOG_FACTORS - np.log(USUAL_FACTOR)) / USUAL_SPREAD
    values = weight @ np.log((1 - WRONG_LABELS) * chances + floor[:, None]) - far**2 / 2
    return float(np.exp(LOG_FACTORS[int(np.argmax(values))]))


def softmax(values: Floats) -> Floats:
    """Return the probabilities of each row; -inf has none. A row needs one finite value."""
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def folds_of(names: Sequence[str], *, n_folds: int, seed: int) -> dict[str, int]:
    """Return the fold of each name: a seeded shuffle of the sorted names, dealt out in turn."""
    ordered = sorted(set(names))
    shuffled = np.random.default_rng(seed).permutation(len(ordered))
    return {ordered[k]: place % n_folds for place, k in enumerate(shuffled)}


def tempered(found: Floats, own: Floats, *, weight: Floats, places: Floats, seed: int) -> Floats:
    """Return probabilities (samples × candidates): the scores of each fold, tempered by those of the others.

    ``found`` is -inf for a candidate that is none, ``own`` the recorded candidate of each sample, ``weight``
    0 where none is recorded, ``places`` the fold. Of many samples a seeded draw is enough for one factor;
    what its samples say by each factor is found once for all folds.
    """
    from commensal.microbiome.identity._kernels import own_chances

    labelled = np.flatnonzero(weight > 0)
    rng = np.random.default_rng([seed, 3])
    some = np.sort(rng.choice(labelled, min(len(labelled), MOST_TO_TEMPER), replace=False))
    said = np.empty((len(some), len(LOG_FACTORS)))
    own_chances(found[some], own[some], np.exp(LOG_FACTORS), said)
    n_candidates = np.isfinite(found[some]).sum(axis=1)
    chances = np.empty_like(found)
    for fold in np.unique(places):
        others = places[some] != fold
        factor = temper(said[others], n_candidates[others], weight=weight[some[others]])
        chances[places == fold] = softmax(found[places == fold] * factor)
    return chances
