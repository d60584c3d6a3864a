"""Local quadratic smoothing of outcomes over predictions: the curve behind calibration plots.

The computation is loess with degree 2: tricube weights of the nearest share of the data, fitted with value
and slope at the vertices of a median-split tree, cubic blending in between. A smoother is made once for the
predictions; weights (of a bootstrap, say) then cost matrix products alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commensal.errors import RefusedError

Array = np.ndarray

MARGIN = 0.005
CELL = 0.2
FEWEST = 20


@dataclass(frozen=True, eq=False)
class Smoother:
    """A local quadratic smoother of predictions (n,).

    ``vertices`` (g,); ``moments`` (n, 5 g) are tricube weight × offset^j, j = 0…4, offsets in units of
    ``bandwidths`` (g,). Neighbourhoods are those of the whole sample whatever weights it is given.
    """

    vertices: Array
    bandwidths: Array
    moments: Array

    def fits(self, outcome: Array, weights: Array) -> tuple[Array, Array]:
        """Return value and slope at each vertex, (b, g) each, for each row of ``weights`` (b, n)."""
        g, b = len(self.vertices), len(weights)
        s = (weights @ self.moments).reshape(b, 5, g)
        t = ((weights * outcome) @ self.moments[:, : 3 * g]).reshape(b, 3, g)
        gram = np.stack([np.stack([s[:, i + j] for j in range(3)], axis=-1) for i in range(3)], axis=-2)
        found = _solved(gram, np.moveaxis(t, 1, -1)[..., None])
        return found[..., 0, 0], found[..., 1, 0] / self.bandwidths

    def basis(self, points: Array) -> tuple[Array, Array]:
        """Return what each vertex's value and slope count for at ``points``, (g, p) each."""
        v = self.vertices
        i = np.clip(np.searchsorted(v, points, side="right") - 1, 0, len(v) - 2)
        width = v[i + 1] - v[i]
        t = (points - v[i]) / width
        value, slope = np.zeros((2, len(v), len(points)))
        column = np.arange(len(points))
        value[i, column], value[i + 1, column] = (1 + 2 * t) * (1 - t) ** 2, t * t * (3 - 2 * t)
        slope[i, column], slope[i + 1, column] = t * (1 - t) ** 2 * width, t * t * (t - 1) * width
        return value, slope

    def curves(self, outcome: Array, weights: Array, points: Array) -> Array:
        """Return the smoothed outcome at ``points`` for each row of ``weights``: (b, p), not clipped."""
        values, slopes = self.fits(outcome, weights)
        value, slope = self.basis(points)
        return values @ value + slopes @ slope

    def operator(self, weights: Array, points: Array) -> Array:
        """Return the linear operator (p, n) that makes the curve at ``points`` of outcomes, weights (n,)."""
        g, n = len(self.vertices), len(weights)
        s = (weights @ self.moments).reshape(5, g)
        gram = np.stack([np.stack([s[i + j] for j in range(3)], axis=-1) for i in range(3)], axis=-2)
        inverse = np.linalg.pinv(gram, rcond=1e-12, hermitian=True)
        powers = self.moments[:, : 3 * g].reshape(n, 3, g)
        rows = np.einsum("gjk,nkg->jgn", inverse[:, :2], powers) * weights
        value, slope = self.basis(points)
        return value.T @ rows[0] + slope.T @ (rows[1] / self.bandwidths[:, None])


def _solved(gram: Array, right: Array) -> Array:
    """Solve the normal equations of all vertices; by pseudo-inverse where one of them is singular."""
    try:
        found = np.linalg.solve(gram, right)
    except np.linalg.LinAlgError:
        found = np.full(right.shape, np.nan)
    if np.isfinite(found).all():
        return found
    return np.linalg.pinv(gram, rcond=1e-12, hermitian=True) @ right


def smoother(predicted: Array, *, span: float = 0.75) -> Smoother:
    """Make the smoother of predictions (n,); ``span`` is the share of them in each neighbourhood.

    Refuses (RefusedError) fewer than 20 predictions and predictions that are nearly all alike.
    """
    x = np.asarray(predicted, dtype=float)
    if len(x) < FEWEST or len(np.unique(x)) < 5:
        raise RefusedError(
            f"a smooth curve through {len(x)} predictions, {len(np.unique(x))} of them different",
            expected=f"at least {FEWEST} predictions, 5 of them different",
        )
    nearest = int(np.floor(len(x) * span + 1e-5))
    vertices = _vertices(np.sort(x), most=int(np.floor(len(x) * span * CELL)))
    away = x[:, None] - vertices
    bandwidths = np.partition(np.abs(away), nearest - 1, axis=0)[nearest - 1]
    if (bandwidths <= 0).any():
        raise RefusedError(f"more than {span:.0%} of the predictions are one and the same value")
    scaled = away / bandwidths
    kernel = np.clip(1 - np.abs(scaled) ** 3, 0, 1) ** 3
    moments = np.concatenate([kernel * scaled**power for power in range(5)], axis=1)
    return Smoother(vertices, bandwidths, moments)


def _vertices(ordered: Array, *, most: int) -> Array:
    """Ends of the range with a margin, and medians of cells until none holds more than ``most``."""
    lowest, highest = ordered[0], ordered[-1]
    margin = MARGIN * (highest - lowest)
    found = [lowest - margin, highest + margin]
    cells = [(0, len(ordered) - 1)]
    while cells:
        first, last = cells.pop()
        if last - first + 1 <= max(most, 1):
            continue
        middle = _between_values(ordered, first, last)
        if middle is not None:
            found.append(ordered[middle])
            cells += [(first, middle), (middle + 1, last)]
    return np.unique(found)


def _between_values(ordered: Array, first: int, last: int) -> int | None:
    """The position nearest the cell's middle whose value differs from the next; ties stay together."""
    middle = (first + last) // 2
    changes = first + np.flatnonzero(np.diff(ordered[first : last + 1]))
    return int(changes[np.argmin(np.abs(changes - middle))]) if changes.size else None
