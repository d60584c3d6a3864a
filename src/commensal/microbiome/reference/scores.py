"""Scores of communities against a reference cohort, and where they lie among the cohort's own scores.

With the reference's samples of *other* subjects (a subject is never its own reference), on proportions:

- the distance score is the median Bray–Curtis dissimilarity to them;
- the CLOUD score is the mean dissimilarity to the k nearest, divided by the cohort's mean of the same;
- the share of a value is (subjects of the reference at least as extreme + 1) / (subjects + 1), each subject
  counting once however many samples it has, its own left out;
- the threshold is the 90th centile of the cohort's own scores, the 10th where low is unusual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from commensal.errors import InputError
from commensal.microbiome.abundance import Matrix
from commensal.microbiome.reference.cohort import LEAST_FOR_DISTANCE, LEAST_SUBJECTS

UNUSUAL = 0.9
BLOCK = 512
# Sums of shares of samples of one subject are thirds, sevenths …: compared with this much slack.
SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Basis:
    """The samples of a reference that some samples can be compared with.

    ``proportions`` (reference samples, taxa) CSR, each row summing to one; ``subjects`` their subjects;
    ``neighbours`` the k of CLOUD; ``draws`` the resamples of subjects, drawn from ``seed``.
    """

    proportions: Matrix
    subjects: tuple[str, ...]
    neighbours: int
    draws: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("neighbours", "draws"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} of {getattr(self, name)}", expected="at least 1")

    @cached_property
    def names(self) -> np.ndarray:
        """The subjects, each once, in order."""
        return np.unique(np.array(self.subjects, dtype=str))

    @cached_property
    def codes(self) -> np.ndarray:
        """The number of each sample's subject among :attr:`names`."""
        return np.searchsorted(self.names, np.array(self.subjects, dtype=str))

    @cached_property
    def weightings(self) -> np.ndarray:
        """Weights of the subjects, (1 + draws, subjects): all once, then each resample of subjects."""
        n = len(self.names)
        drawn = np.random.default_rng(self.seed).multinomial(n, np.full(n, 1 / n), size=self.draws)
        return np.vstack([np.ones(n), drawn]).astype(float)

    @cached_property
    def dense(self) -> np.ndarray:
        """Proportions of shape (taxa, reference samples)."""
        return np.ascontiguousarray(self.proportions.toarray().T)

    @cached_property
    def own_scores(self) -> tuple[np.ndarray, np.ndarray]:
        """The reference's own distance and mean distance to the k nearest, each without its own subject."""
        medians, nearest = self._walked(self.proportions, self.codes, self.weightings[:1])
        return medians[:, 0], nearest[:, 0]

    def numbers(self, subjects: Sequence[str | None]) -> np.ndarray:
        """Return the number of each subject in the reference, −1 for one that is not in it."""
        place = {str(name): i for i, name in enumerate(self.names)}
        return np.array([place.get(s, -1) if s is not None else -1 for s in subjects], dtype=np.int64)

    def scores(self, proportions: Matrix, own: np.ndarray, *, level: float) -> dict[str, np.ndarray]:
        """Return value and limits of the two distance scores of samples, each of shape (samples, 3).

        ``own`` (samples,) numbers the subject of each sample as :meth:`numbers` does. The limits hold the
        choice of reference subjects: percentiles over resamples of them, widened to hold the value.
        """
        found: dict[str, list[np.ndarray]] = {"bray_curtis_to_reference": [], "cloud": []}
        scale = weighted_mean(self.own_scores[1], self.codes)
        for start in range(0, proportions.shape[0], BLOCK):
            rows = slice(start, start + BLOCK)
            medians, nearest = self._walked(proportions[rows], own[rows], self.weightings)
            found["bray_curtis_to_reference"].append(_with_limits(medians, level=level))
            found["cloud"].append(_with_limits(nearest / scale, level=level))
        return {name: np.concatenate(parts) if parts else np.empty((0, 3)) for name, parts in found.items()}

    def _walked(
        self, proportions: Matrix, own: np.ndarray, weightings: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        # Compiled when first used: importing the room stays quick.
        from commensal.microbiome.reference._kernels import bray_curtis_to, median_and_nearest

        apart = bray_curtis_to(proportions.indptr, proportions.indices, proportions.data, self.dense)
        return median_and_nearest(apart, own, self.codes, weightings, self.neighbours)


def _with_limits(drawn: np.ndarray, *, level: float) -> np.ndarray:
    """Return value, lower and upper (rows, 3) of a value and its resamples, (rows, 1 + draws)."""
    tail = (1 - level) / 2
    values = drawn[:, 0]
    # A resample that left a subject no other person says nothing.
    lower, upper = np.nanquantile(drawn, [tail, 1 - tail], axis=1)
    return np.column_stack([values, np.minimum(lower, values), np.maximum(upper, values)])


def weighted_mean(values: np.ndarray, codes: np.ndarray) -> float:
    """Return the mean over subjects of each subject's mean, its undefined values left out."""
    known = ~np.isnan(values)
    weights = 1.0 / np.bincount(codes[known], minlength=codes.max(initial=0) + 1)[codes[known]]
    return float((values[known] * weights).sum() / weights.sum())


@dataclass(frozen=True, eq=False)
class Standing:
    """Where a reference's own values of one measure lie.

    ``values`` (reference samples,), NaN undefined, ±∞ unbounded; ``codes`` number their subjects;
    ``high_is_unusual`` says which end is looked at.
    """

    values: np.ndarray
    codes: np.ndarray
    high_is_unusual: bool

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Values turned so that high is unusual, ascending, and the weight at or above each."""
        known = ~np.isnan(self.values)
        turned, codes = self._turn(self.values[known]), self.codes[known]
        weights = 1.0 / np.bincount(codes, minlength=1)[codes]
        order = np.argsort(turned, kind="stable")
        at_or_above = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
        return turned[order], at_or_above

    def _turn(self, values: np.ndarray) -> np.ndarray:
        return values if self.high_is_unusual else -values

    @cached_property
    def n_subjects(self) -> int:
        """Subjects with a value."""
        return len(np.unique(self.codes[~np.isnan(self.values)]))

    @property
    def is_enough(self) -> bool:
        """Whether centiles can be told."""
        return self.n_subjects >= LEAST_SUBJECTS

    @cached_property
    def threshold(self) -> float:
        """The value beyond which a tenth of the subjects lie; a value of the reference, may be ±∞."""
        ascending, at_or_above = self._sorted
        # The weight at or below position i is all of it less what lies above.
        below = at_or_above[0] - at_or_above[1:]
        at = int(np.searchsorted(below, UNUSUAL * at_or_above[0] - SLACK))
        return float(self._turn(ascending[at : at + 1])[0])

    def shares(self, values: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of reference subjects at least as extreme as each value, and their number.

        ``own`` numbers the subject of each value, −1 for none; it is left out of the count. NaN gives NaN.
        """
        ascending, at_or_above = self._sorted
        extreme = at_or_above[np.searchsorted(ascending, self._turn(values), side="left")]
        counts = np.full(len(values), self.n_subjects)
        for row in np.flatnonzero(own >= 0):
            mine = self.values[(self.codes == own[row]) & ~np.isnan(self.values)]
            if mine.size:
                extreme[row] -= (self._turn(mine) >= self._turn(values[row : row + 1])).mean()
                counts[row] -= 1
        shares = (np.maximum(extreme, 0.0) + 1) / (counts + 1)
        return np.where(np.isnan(values), np.nan, np.minimum(shares, 1.0)), counts

    def is_beyond(self, values: np.ndarray, threshold: float) -> np.ndarray:
        """Return whether each value lies beyond a threshold, at the unusual end."""
        return values > threshold if self.high_is_unusual else values < threshold


@dataclass(frozen=True, eq=False)
class SubjectMedian:
    """The median over subjects of each subject's mean of one measure; ``values`` (reference samples,)."""

    values: np.ndarray
    basis: Basis

    @cached_property
    def means(self) -> np.ndarray:
        """Mean of each subject's samples, NaN where none is known."""
        known = ~np.isnan(self.values)
        n = len(self.basis.names)
        counts = np.bincount(self.basis.codes[known], minlength=n)
        sums = np.bincount(self.basis.codes[known], weights=self.values[known], minlength=n)
        return np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0)

    @property
    def is_known(self) -> bool:
        """Whether enough subjects have a value above zero for a median of the others."""
        return int((self.means > 0).sum()) >= LEAST_FOR_DISTANCE

    @cached_property
    def value(self) -> float:
        """The median."""
        return float(np.nanmedian(self.means))

    def without(self, own: np.ndarray) -> np.ndarray:
        """Return the median for each sample, its own subject (−1 for none) left out."""
        found = {-1: self.value}
        for subject in np.unique(own[own >= 0]):
            found[subject] = float(np.nanmedian(np.delete(self.means, subject)))
        return np.array([found[subject] for subject in own])

    def limits(self, *, level: float) -> tuple[float, float]:
        """Return percentile limits of the median over resamples of subjects."""
        known = ~np.isnan(self.means)
        order = np.argsort(self.means[known], kind="stable")
        passed = np.cumsum(self.basis.weightings[1:, known][:, order], axis=1)
        at = (passed >= passed[:, -1:] / 2).argmax(axis=1)
        tail = (1 - level) / 2
        lower, upper = np.quantile(self.means[known][order][at], [tail, 1 - tail])
        return float(lower), float(upper)
