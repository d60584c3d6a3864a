"""Engraftment index: how far along the way from baseline to donor a community has moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commensal.microbiome.abundance import Matrix


@dataclass(frozen=True, eq=False)
class Projection:
    """Position along the axis from baseline (0) to donor (1), and the way off it in the same unit."""

    along: np.ndarray
    off: np.ndarray


def engraftment_index(samples: Matrix, baselines: Matrix, donors: Matrix) -> Projection:
    """Return the projection of each sample on the axis from its baseline to its donor.

    k = (s − b)·(d − b) / |d − b|², the remainder |s − b − k (d − b)| / |d − b|, of row i of each
    (proportions, rows that sum to one). The space is that of square-rooted proportions (Hellinger), all
    taxa: it is Euclidean, so that a projection means something, and the index of one patient does not
    change when others join, as it does in an ordination. NaN inside this room only, where baseline and
    donor are the same community.

    References: Legendre & Gallagher 2001, doi:10.1007/s004420100716 (the space).
    """
    s, b, d = samples.sqrt(), baselines.sqrt(), donors.sqrt()
    return from_products(_products(s, b), _products(s, d), _products(b, d))


def from_products(
    sample_baseline: np.ndarray, sample_donor: np.ndarray, baseline_donor: np.ndarray
) -> Projection:
    """Return the projection from the inner products of the three unit vectors.

    |s − b|² = 2 − 2 s·b and (s − b)·(d − b) = s·d − s·b − b·d + 1.
    """
    length = np.maximum(2 - 2 * baseline_donor, 0.0)
    moved = np.maximum(2 - 2 * sample_baseline, 0.0)
    # Products of equal communities miss one by rounding: under this the axis has no direction.
    is_axis = length > 1e-12
    toward = sample_donor - sample_baseline - baseline_donor + 1
    nothing = np.full(np.broadcast(toward, length).shape, np.nan)
    along = np.divide(toward, length, out=nothing.copy(), where=is_axis)
    off = np.divide(moved, length, out=nothing, where=is_axis) - along**2
    return Projection(along, np.sqrt(np.maximum(off, 0.0)))


def _products(first: Matrix, second: Matrix) -> np.ndarray:
    return np.asarray(first.multiply(second).sum(axis=1), dtype=float).ravel()
