"""Shares of known sources and an unknown one in counted communities, on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from commensal.errors import InputError
from commensal.microbiome.attribution.within_donor import ShareMap, interval, published_map

if TYPE_CHECKING:
    from commensal.microbiome.abundance import Matrix

# Sinks whose features are in memory at once; the result does not depend on it.
SINKS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of each sink: ``proportion``, ``lower`` and ``upper`` (sinks, K+1), the unknown last.

    A column for which the sink has no source is zero. ``drift`` (sinks, K): how far each source seems to
    have changed between the stool shown and the one given, as variance relative to two stools of a donor
    (0.001: the same stool; 1: another stool; at most 3).
    """

    proportion: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    drift: np.ndarray


def attribute_counts(
    sinks: Matrix,
    sources: Matrix,
    *,
    members: np.ndarray,
    people: Matrix | None = None,
    left_out: np.ndarray | None = None,
    level: float = 0.95,
    model: ShareMap | None = None,
) -> Shares:
    """Return how much of each sink came from each of its sources, and from none of them.

    Parameters
    ----------
    sinks, sources: read counts, (sinks, taxa) and (sources, taxa), dense or sparse; zero is not seen.
    members: (sinks, K) rows of ``sources``; -1, only at the end of a row, for none.
    people: proportions of the communities of other people, one row a person; the background of the unknown.
    left_out: (sinks, E) rows of ``people`` to leave out of a sink's background (-1 none): its own sources.
    level: of the intervals.

    Refuses: InputError for other shapes, rows that do not exist, a sink without sources, and a sink or
    source without reads, or counts that are negative or not finite.

    Notes: each source is fitted as the stool shown, as another stool of the same person, and with a drift
    learnt from the sink; a fixed map weighs the fits. Nothing is drawn; each sink is worked alone.
    """
    fits = fits_of(sinks, sources, members=members, people=people, left_out=left_out)
    if not 0.0 < level < 1.0:
        raise InputError(f"a level of {level}", expected="between 0 and 1")
    model = model or published_map()
    n, k = fits.members.shape
    shape = (n, k + 1)
    found = Shares(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros((n, k)))
    for first in range(0, n, SINKS_AT_ONCE):
        part = slice(first, min(first + SINKS_AT_ONCE, n))
        is_source = fits.is_source[part]
        features, found.drift[part] = fits.features(part)
        share, concentration = model.shares(features, is_source=is_source)
        lower, upper = interval(share, concentration, level=level, stretch=model.stretch)
        for target, value in ((found.proportion, share), (found.lower, lower), (found.upper, upper)):
            # The unknown stands after the last source of its row; it is moved to the last column.
            target[part] = _unknown_last(np.where(is_source, value, 0.0), is_source)
    return found


@dataclass(frozen=True, eq=False)
class Fits:
    """Checked sinks, sources and people, ready to be fitted: ``attribute_counts`` says their shapes."""

    sinks: Matrix
    profiles: Matrix
    depths: np.ndarray
    communities: Matrix
    members: np.ndarray
    left_out: np.ndarray

    @property
    def is_source(self) -> np.ndarray:
        """(sinks, K+1), True for the sources of a sink and the unknown that follows them."""
        used = (self.members >= 0).sum(axis=1)
        return np.arange(self.members.shape[1] + 1)[None, :] <= used[:, None]

    def features(self, part: slice = slice(None)) -> tuple[np.ndarray, np.ndarray]:
        """Return what the fits say of each source, (sinks, K+1, F), and the drift of each, (sinks, K)."""
        import commensal.microbiome.attribution._kernels as kernels  # numba: imported late

        rows, members, people = _csr(self.sinks[part]), self.members[part], self.communities
        sums = [np.asarray(m.sum(axis=0), dtype=float).ravel() for m in (people, people > 0)]
        n, k = members.shape
        features, drift = np.zeros((n, k + 1, kernels.N_FEATURES)), np.zeros((n, k))
        kernels.fit_all(
            *(rows.indptr, rows.indices, rows.data),
            *(self.profiles.indptr, self.profiles.indices, self.profiles.data),
            *(kernels.variation(self.profiles.data), self.depths),
            *(people.indptr, people.indices, people.data),
            *(sums[0], sums[1]),
            *(members, self.left_out[part], features, drift),
        )
        return features, drift


def fits_of(
    sinks: Matrix,
    sources: Matrix,
    *,
    members: np.ndarray,
    people: Matrix | None = None,
    left_out: np.ndarray | None = None,
) -> Fits:
    """Return sinks and sources as ``attribute_counts`` takes them, checked; refuses what that refuses."""
    read, shown = _counts(sinks, "sink"), _counts(sources, "source")
    members, left_out, communities = _checked(read, shown, members, people, left_out)
    depths = np.asarray(shown.sum(axis=1), dtype=float).ravel()
    profiles = _csr(shown / depths[:, None] if shown.shape[0] else shown)
    return Fits(read, profiles, depths, communities, members, left_out)


def _csr(matrix: Any) -> Matrix:
    rows: Any = sparse.csr_array(matrix, dtype=float)
    rows.indptr, rows.indices = rows.indptr.astype(np.int64), rows.indices.astype(np.int64)
    return rows


def _counts(matrix: Any, name: str) -> Matrix:
    rows = _csr(matrix)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    if not np.isfinite(rows.data).all() or (rows.data < 0).any():
        raise InputError(f"a {name} has a count that is negative or not a number", expected="read counts")
    empty = np.flatnonzero(np.asarray(rows.sum(axis=1)).ravel() == 0)
    if empty.size:
        raise InputError(f"{name} {empty[0]} has no reads", expected="at least one read")
    return rows


def _checked(
    sinks: Matrix, sources: Matrix, members: Any, people: Any, left_out: Any
) -> tuple[np.ndarray, np.ndarray, Matrix]:
    """Return members, those left out and the people, each in its shape, or refuse."""
    n, n_taxa = sinks.shape
    communities = _csr(sparse.csr_array((0, n_taxa)) if people is None else people)
    members = np.asarray(members, dtype=np.int64)
    left_out = np.full((n, 1), -1) if left_out is None else np.asarray(left_out, dtype=np.int64)
    if sources.shape[1] != n_taxa or communities.shape[1] != n_taxa:
        raise InputError("sinks, sources and people differ in taxa", expected=f"{n_taxa} columns in each")
    for name, rows, limit in (("members", members, sources), ("left_out", left_out, communities)):
        if rows.ndim != 2 or len(rows) != n:
            raise InputError(f"{name} has the shape {rows.shape}", expected=f"one row for each of {n} sinks")
        if rows.size and (rows.min() < -1 or rows.max() >= limit.shape[0]):
            raise InputError(f"{name} names a row that does not exist", expected="rows that exist, or -1")
    absent = members < 0
    if members.shape[1] == 0 or absent[:, 0].any():
        raise InputError("a sink has no source", expected="at least one source")
    if (absent[:, :-1] & ~absent[:, 1:]).any():
        raise InputError("members has a gap", expected="-1 only at the end of a row")
    return members, left_out, communities


def _unknown_last(values: np.ndarray, is_source: np.ndarray) -> np.ndarray:
    at = is_source.sum(axis=1) - 1
    rows, moved = np.arange(len(values)), values.copy()
    unknown = values[rows, at]
    moved[rows, at] = 0.0
    moved[:, -1] = unknown
    return moved
