"""Restricted maximum likelihood of repeated measures with an unstructured covariance: arrays in, arrays out.

Patients with the same visits form one pattern, and a pattern enters the likelihood through its moments alone,
sum over patients of z_a z_b' for each pair of visits a, b, where z = (design row, outcome). One evaluation
therefore costs the same for 40 patients and for 40,000.

The covariance S of the visits is found by Fisher scoring on its elements, with the expected information of
the maximum likelihood; where a step leaves the positive definite matrices or loses likelihood even when
halved, a step of the EM algorithm takes its place, which can do neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commensal.errors import RefusedError

Array = np.ndarray

MOST_STEPS = 500
MOST_HALVINGS = 8
# The score in units of its standard error, squared: at 1e-16 estimates stand to eight digits of their error.
CLOSE = 1e-16
# Where rounding keeps the score from falling further, this is still six digits.
CLOSE_ENOUGH = 1e-12
LOG_TWO_PI = float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Pattern:
    """Patients seen at the same visits: ``visits`` (q,), their number, and ``moments`` (q², (p + 1)²), one row
    for each pair of visits."""

    visits: Array
    n: int
    moments: Array


@dataclass(frozen=True)
class Point:
    """The likelihood at one covariance: value, gradient (V, V) in the covariance, estimates (p,) and their
    covariance (p, p) given the covariance of the visits."""

    log_likelihood: float
    gradient: Array
    beta: Array
    beta_covariance: Array


def patterns_of(rows: Array, *, subject: Array, visit: Array, n_visits: int) -> list[Pattern]:
    """Group ``rows`` (n, p + 1), design and outcome, of ``subject`` and ``visit`` codes from 0."""
    n_subjects = int(subject.max()) + 1
    dense = np.zeros((n_subjects, n_visits, rows.shape[1]))
    seen = np.zeros((n_subjects, n_visits), dtype=bool)
    dense[subject, visit] = rows
    seen[subject, visit] = True
    keys, member = np.unique(seen @ (1 << np.arange(n_visits)), return_inverse=True)
    found = []
    for code, key in enumerate(keys):
        visits = np.flatnonzero((int(key) >> np.arange(n_visits)) & 1)
        mine = dense[member == code][:, visits]
        n, q, width = mine.shape
        flat = mine.reshape(n, q * width)
        moments = (flat.T @ flat).reshape(q, width, q, width).transpose(0, 2, 1, 3)
        found.append(Pattern(visits, n, moments.reshape(q * q, width * width)))
    return found


def point(sigma: Array, patterns: Sequence[Pattern]) -> Point | None:
    """The restricted likelihood at ``sigma`` (V, V); None where it is not positive definite."""
    inverses = _inverses(sigma, patterns)
    if inverses is None:
        return None
    weighted = [w.ravel() @ k.moments for k, (w, _) in zip(patterns, inverses, strict=True)]
    width = round(len(weighted[0]) ** 0.5)
    total, p = np.sum(weighted, axis=0).reshape(width, width), width - 1
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
    n_rows = sum(k.n * len(k.visits) for k in patterns)
    log_volume = sum(k.n * log for k, (_, log) in zip(patterns, inverses, strict=True))
    value = -0.5 * ((n_rows - p) * LOG_TWO_PI + log_volume + log_information + quadratic)
    return Point(value, _gradient(sigma, patterns, inverses, spread), beta, covariance)


def _inverses(sigma: Array, patterns: Sequence[Pattern]) -> list[tuple[Array, float]] | None:
    try:
        np.linalg.cholesky(sigma)
        factors = [np.linalg.cholesky(sigma[np.ix_(k.visits, k.visits)]) for k in patterns]
    except np.linalg.LinAlgError:
        return None
    roots = [np.linalg.inv(factor) for factor in factors]
    return [
        (root.T @ root, float(2 * np.log(np.diag(factor)).sum()))
        for root, factor in zip(roots, factors, strict=True)
    ]


def _gradient(
    sigma: Array, patterns: Sequence[Pattern], inverses: Sequence[tuple[Array, float]], spread: Array
) -> Array:
    gradient = np.zeros_like(sigma)
    for k, (w, _) in zip(patterns, inverses, strict=True):
        scatter = (k.moments @ spread.ravel()).reshape(w.shape)
        gradient[np.ix_(k.visits, k.visits)] += 0.5 * (w @ scatter @ w - k.n * w)
    return gradient


def elements(n_visits: int) -> tuple[Array, Array]:
    """Row and column of each free element of the covariance, in the order used everywhere here."""
    return np.tril_indices(n_visits)


def _units(n_visits: int) -> Array:
    """The derivative (K, V, V) of the covariance in each of its K free elements."""
    rows, columns = elements(n_visits)
    units = np.zeros((len(rows), n_visits, n_visits))
    each = np.arange(len(rows))
    units[each, rows, columns] = 1.0
    units[each, columns, rows] = 1.0
    return units


def _information(sigma: Array, patterns: Sequence[Pattern], units: Array) -> Array:
    """Expected information (K, K) of the elements, that of the maximum likelihood."""
    found = np.zeros((len(units), len(units)))
    for k in patterns:
        w = np.linalg.inv(sigma[np.ix_(k.visits, k.visits)])
        turned = w @ units[np.ix_(range(len(units)), k.visits, k.visits)]
        flipped = turned.transpose(0, 2, 1).reshape(len(units), -1)
        found += 0.5 * k.n * turned.reshape(len(units), -1) @ flipped.T
    return found


def _slope(gradient: Array) -> Array:
    rows, columns = elements(len(gradient))
    return np.where(rows == columns, 1.0, 2.0) * gradient[rows, columns]


def maximise(start: Array, patterns: Sequence[Pattern]) -> tuple[Array, Point]:
    """Return the covariance of greatest restricted likelihood, and the likelihood there.

    Refuses (RefusedError) where it lies on the edge, a covariance that is singular, or is not found.
    """
    sigma, units = start, _units(len(start))
    here = point(sigma, patterns)
    if here is None:
        raise RefusedError("the visits' starting covariance is singular: some visits repeat others")
    n_patients = sum(k.n for k in patterns)
    for _ in range(MOST_STEPS):
        slope = _slope(here.gradient)
        step = np.linalg.solve(_information(sigma, patterns, units), slope)
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


def _scored(
    sigma: Array, change: Array, here: Point, patterns: Sequence[Pattern]
) -> tuple[Array, Point] | None:
    for _ in range(MOST_HALVINGS):
        there = point(sigma + change, patterns)
        if there is not None and there.log_likelihood > here.log_likelihood:
            return sigma + change, there
        change = change / 2
    return None


def _expected(sigma: Array, here: Point, patterns: Sequence[Pattern], n: int) -> tuple[Array, Point]:
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


def element_covariance(sigma: Array, patterns: Sequence[Pattern]) -> Array:
    """Covariance (K, K) of the estimated elements: the inverse of the observed information.

    The observed information is the central difference of the analytic gradient.
    Refuses (RefusedError) where the data do not tell the elements apart.
    """
    units = _units(len(sigma))
    steps = 1e-5 * np.sqrt(np.outer(np.diag(sigma), np.diag(sigma)))[elements(len(sigma))]
    found = np.empty((len(units), len(units)))
    for row, (unit, step) in enumerate(zip(units, steps, strict=True)):
        up, down = point(sigma + step * unit, patterns), point(sigma - step * unit, patterns)
        if up is None or down is None:
            raise RefusedError("the covariance of the visits is close to singular: no degrees of freedom")
        found[row] = (_slope(down.gradient) - _slope(up.gradient)) / (2 * step)
    found = (found + found.T) / 2
    if np.linalg.eigvalsh(found)[0] <= 0:
        raise RefusedError("the data do not tell the covariances of the visits apart")
    return np.linalg.inv(found)


def sensitivity(sigma: Array, patterns: Sequence[Pattern], covariance: Array) -> Array:
    """Derivative (K, p, p) of the estimates' ``covariance`` in each element of the visits' covariance."""
    units, p = _units(len(sigma)), len(covariance)
    found = np.zeros((len(units), (p + 1) ** 2))
    for k in patterns:
        w = np.linalg.inv(sigma[np.ix_(k.visits, k.visits)])
        turned = w @ units[np.ix_(range(len(units)), k.visits, k.visits)] @ w
        found += turned.reshape(len(units), -1) @ k.moments
    return covariance @ found.reshape(-1, p + 1, p + 1)[:, :p, :p] @ covariance
