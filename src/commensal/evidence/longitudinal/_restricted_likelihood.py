"""Restricted maximum likelihood of repeated measures with an unstructured covariance: arrays in, arrays out.

Patients with the same visits form one pattern, and a pattern enters the likelihood through its moments alone,
sum over patients of z_a z_b' for each pair of visits a, b, where z = (design row, outcome). One evaluation
therefore costs the same for 40 patients and for 40,000.

The covariance S of the visits is found by Fisher scoring, with the expected information of
the maximum likelihood; where a step leaves the positive definite matrices or loses likelihood even when
halved, a step of the EM algorithm takes its place, which can do neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commensal.errors import RefusedError

Array = np.ndarray

MOST_STEPS = 500
MOST_HALVINGS = 8
# The score in units of its standard error, squared: at 1e-14 estimates stand to seven digits of their error.
CLOSE = 1e-14
# Where rounding keeps the score from falling further, this is still six digits.
CLOSE_ENOUGH = 1e-12
# Step of the central differences, as a share of the covariance: the cube root of the rounding error.
STEP = 1e-5
LOG_TWO_PI = float(np.log(2 * np.pi))


@dataclass(frozen=True, eq=False)
class Patterns:
    """Patients grouped by the visits they were seen at.

    ``seen`` (K, V): the visits of each pattern; ``n`` (K,): its patients; ``moments`` (K V², (p + 1)²): one
    row for each pattern and pair of visits, 0 where the pattern lacks one of them.
    """

    seen: Array
    n: Array
    moments: Array

    @property
    def n_rows(self) -> int:
        """Rows, one for each patient and visit."""
        return int((self.seen.sum(axis=1) * self.n).sum())


@dataclass(frozen=True, eq=False)
class Point:
    """The likelihood at one covariance of the visits.

    Its value, its gradient (V, V) in that covariance, the estimates (p,) and their covariance (p, p), and the
    patterns' inverse covariances (K, V, V), 0 at visits that are not theirs.
    """

    log_likelihood: float
    gradient: Array
    beta: Array
    beta_covariance: Array
    inverses: Array


def patterns_of(rows: Array, *, subject: Array, visit: Array, n_visits: int) -> Patterns:
    """Group ``rows`` (n, p + 1), design and outcome, of ``subject`` and ``visit`` codes from 0."""
    n_subjects, width = int(subject.max()) + 1, rows.shape[1]
    dense = np.zeros((n_subjects, n_visits * width))
    dense.reshape(n_subjects, n_visits, width)[subject, visit] = rows
    seen = np.zeros((n_subjects, n_visits), dtype=bool)
    seen[subject, visit] = True
    keys, member, n = np.unique(seen @ (1 << np.arange(n_visits)), return_inverse=True, return_counts=True)
    moments = np.empty((len(keys), n_visits, n_visits, width, width))
    for code in range(len(keys)):
        mine = dense[member == code]
        products = (mine.T @ mine).reshape(n_visits, width, n_visits, width)
        moments[code] = products.transpose(0, 2, 1, 3)
    held = (keys[:, None] >> np.arange(n_visits)) & 1 == 1
    return Patterns(held, n, moments.reshape(-1, width * width))


def point(sigma: Array, patterns: Patterns) -> Point | None:
    """The restricted likelihood at ``sigma`` (V, V); None where it is not positive definite."""
    found = _inverses(sigma, patterns.seen)
    if found is None:
        return None
    inverses, log_volumes = found
    total = inverses.ravel() @ patterns.moments
    width = round(len(total) ** 0.5)
    total, p = total.reshape(width, width), width - 1
    information = total[:p, :p]
    sign, log_information = np.linalg.slogdet(information)
    if sign <= 0:
        return None
    covariance = np.linalg.inv(information)
    beta = covariance @ total[:p, p]
    residual = np.append(-beta, 1.0)
    spread = np.outer(residual, residual)
    quadratic = float((spread * total).sum())
    spread[:p, :p] += covariance
    scatter = (patterns.moments @ spread.ravel()).reshape(inverses.shape)
    pull = inverses @ scatter @ inverses - patterns.n[:, None, None] * inverses
    log_volume = float(patterns.n @ log_volumes)
    value = -0.5 * ((patterns.n_rows - p) * LOG_TWO_PI + log_volume + log_information + quadratic)
    return Point(value, 0.5 * pull.sum(axis=0), beta, covariance, inverses)


def _inverses(sigma: Array, seen: Array) -> tuple[Array, Array] | None:
    """Inverse (K, V, V) of each pattern's part of ``sigma``, 0 outside it, and its log determinant (K,)."""
    inside = seen[:, :, None] & seen[:, None, :]
    # Ones on the diagonal of the visits not seen leave determinant and inverse of the rest as they are.
    parts = np.where(inside, sigma, np.eye(len(sigma)))
    try:
        np.linalg.cholesky(sigma)
        factors = np.linalg.cholesky(parts)
    except np.linalg.LinAlgError:
        return None
    roots = np.linalg.inv(factors)
    inverses = np.where(inside, roots.transpose(0, 2, 1) @ roots, 0.0)
    return inverses, 2 * np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)


def directions(sigma: Array) -> Array:
    """The ways (K, V, V) in which ``sigma`` can move: L U L' for each free element U of a symmetric matrix.

    L is its Cholesky factor, so that a step of a given size means as much near a singular matrix as not.
    """
    n_visits = len(sigma)
    rows, columns = np.tril_indices(n_visits)
    units = np.zeros((len(rows), n_visits, n_visits))
    each = np.arange(len(rows))
    units[each, rows, columns] = 1.0
    units[each, columns, rows] = 1.0
    factor = np.linalg.cholesky(sigma)
    return factor @ units @ factor.T


def _information(inverses: Array, n: Array, units: Array) -> Array:
    """Expected information (K, K) of the elements, that of the maximum likelihood."""
    turned = inverses[:, None] @ units
    flat = turned.reshape(len(n), len(units), -1)
    flipped = turned.transpose(0, 1, 3, 2).reshape(flat.shape)
    return 0.5 * np.tensordot(flat * n[:, None, None], flipped, axes=([0, 2], [0, 2]))


def _slope(gradient: Array, units: Array) -> Array:
    return np.tensordot(units, gradient, 2)


def maximise(start: Array, patterns: Patterns) -> tuple[Array, Point]:
    """Return the covariance of greatest restricted likelihood, and the likelihood there.

    Refuses (RefusedError) where it lies on the edge, a covariance that is singular, or is not found.
    """
    sigma = start
    here = point(sigma, patterns)
    if here is None:
        raise RefusedError("the visits' starting covariance is singular: some visits repeat others")
    n_patients = int(patterns.n.sum())
    for _ in range(MOST_STEPS):
        units = directions(sigma)
        slope = _slope(here.gradient, units)
        step = np.linalg.solve(_information(here.inverses, patterns.n, units), slope)
        if slope @ step < CLOSE:
            return sigma, here
        moved = _scored(sigma, np.tensordot(step, units, 1), here, patterns)
        if moved is None:
            if slope @ step < CLOSE_ENOUGH:
                return sigma, here
            moved = _expected(sigma, here, patterns, n_patients)
        sigma, here = moved
        _refuse_edge(sigma)
    raise RefusedError(
        f"the covariance of {len(start)} visits in {n_patients} patients is not found in {MOST_STEPS} steps"
    )


def _scored(sigma: Array, change: Array, here: Point, patterns: Patterns) -> tuple[Array, Point] | None:
    for _ in range(MOST_HALVINGS):
        there = point(sigma + change, patterns)
        if there is not None and there.log_likelihood > here.log_likelihood:
            return sigma + change, there
        change = change / 2
    return None


def _expected(sigma: Array, here: Point, patterns: Patterns, n: int) -> tuple[Array, Point]:
    moved = sigma + (2 / n) * sigma @ here.gradient @ sigma
    there = point(moved, patterns)
    if there is None:
        raise RefusedError("the covariance of the visits is singular: some visits repeat others")
    return moved, there


def _refuse_edge(sigma: Array) -> None:
    deviations = np.sqrt(np.diag(sigma))
    if np.linalg.eigvalsh(sigma / np.outer(deviations, deviations))[0] < 1e-9:
        raise RefusedError(
            "the covariance of the visits is singular: some visits repeat others, or hardly vary"
        )


def direction_covariance(sigma: Array, patterns: Patterns) -> Array:
    """Covariance (K, K) of the estimate in its :func:`directions`: the inverse of the observed information.

    The observed information is the central difference of the analytic gradient.
    Refuses (RefusedError) where the data do not tell the elements apart.
    """
    units = directions(sigma)
    found = np.empty((len(units), len(units)))
    for row, unit in enumerate(units):
        up, down = point(sigma + STEP * unit, patterns), point(sigma - STEP * unit, patterns)
        if up is None or down is None:
            raise RefusedError("the covariance of the visits is close to singular: no degrees of freedom")
        found[row] = _slope(down.gradient - up.gradient, units) / (2 * STEP)
    found = (found + found.T) / 2
    if np.linalg.eigvalsh(found)[0] <= 0:
        raise RefusedError("the data do not tell the covariances of the visits apart")
    return np.linalg.inv(found)


def sensitivity(sigma: Array, patterns: Patterns, covariance: Array) -> Array:
    """Derivative (K, p, p) of the estimates' ``covariance`` in each of the :func:`directions`."""
    found = _inverses(sigma, patterns.seen)
    assert found is not None
    inverses, units, p = found[0][:, None], directions(sigma), len(covariance)
    turned = (inverses @ units @ inverses).transpose(1, 0, 2, 3).reshape(len(units), -1)
    slopes = (turned @ patterns.moments).reshape(-1, p + 1, p + 1)[:, :p, :p]
    return covariance @ slopes @ covariance
