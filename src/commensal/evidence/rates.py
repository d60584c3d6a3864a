"""Rates of events over person-time: exact, clustered by patient, standardised, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2, norm

from commensal.errors import InputError, RefusedError
from commensal.evidence.proportion import as_given, check_level

Array = np.ndarray

MOST_STEPS = 50
CLOSE = 1e-10
# A log rate ratio this large says that some level has no events: there is no maximum.
DIVERGED = 15.0


@dataclass(frozen=True, eq=False)
class Rate:
    """Rates per ``per`` units of person-time: numbers where numbers were given, else arrays of one shape.

    ``se`` is None where the limits are exact.
    """

    estimate: Any
    lower: Any
    upper: Any
    level: float
    method: str
    se: Any = None


def incidence_rate(n_events: Any, person_time: Any, *, per: float = 100, level: float = 0.95) -> Rate:
    """Events per ``per`` units of person-time with exact Poisson limits.

    Parameters
    ----------
    n_events, person_time : numbers, or arrays of one shape; person-time in the unit of ``per`` (years).
        Zero events have the lower limit 0 and a positive upper limit.

    Refuses (InputError) person-time that is not positive, counts that are negative or no whole numbers.

    Notes
    -----
    x events in T: limits χ²(α/2; 2x)/(2T) and χ²(1−α/2; 2x+2)/(2T). Events of one person count as
    independent: for recurrent events use :func:`clustered_rate`.
    Reference: Garwood, Biometrika 1936;28:437.

    Example
    -------
    >>> found = incidence_rate(21, 280)
    >>> print(f"{found.estimate:.2f} ({found.lower:.2f} to {found.upper:.2f})")
    7.50 (4.64 to 11.46)
    """
    check_level(level)
    x, years = np.broadcast_arrays(np.asarray(n_events, dtype=float), np.asarray(person_time, dtype=float))
    if not ((years > 0) & np.isfinite(years) & (x >= 0) & (x == np.floor(x))).all():
        raise InputError(
            f"{n_events} events in {person_time} of person-time give no rate",
            expected="person-time above 0 and a count of events",
        )
    lower, upper = _garwood(x, level)
    scale = per / years
    cells = (as_given(value * scale) for value in (x, lower, upper))
    return Rate(*cells, level=level, method="exact Poisson")


def _garwood(x: Array, level: float) -> tuple[Array, Array]:
    tail = (1 - level) / 2
    lower = np.where(x == 0, 0.0, chi2.ppf(tail, 2 * np.maximum(x, 1)) / 2)
    return lower, chi2.ppf(1 - tail, 2 * x + 2) / 2


def standardised_incidence_ratio(observed: Any, expected: Any, *, level: float = 0.95) -> Rate:
    """Observed over expected events with exact Poisson limits; the expected count is taken as known.

    Refuses (InputError) an expected count that is not positive. Reference: Ulm, Am J Epidemiol 1990;131:373.
    """
    found = incidence_rate(observed, expected, per=1, level=level)
    method = "observed over expected, exact Poisson; expected count taken as known"
    return Rate(found.estimate, found.lower, found.upper, level, method)


def clustered_rate(n_events: Any, person_time: Any, *, per: float = 100, level: float = 0.95) -> Rate:
    """Rate of recurrent events, the variance clustered by person, limits on the log scale.

    Parameters
    ----------
    n_events, person_time : (n,) all events and all person-time of each person; zero events count.

    Refuses: InputError for shapes, negative counts or no person-time; RefusedError with fewer than two
    persons or without events (use :func:`incidence_rate`: zero needs no cluster).

    Notes
    -----
    λ = Σyᵢ/Σtᵢ, Var = n/(n−1) Σ(yᵢ − λtᵢ)²/(Σt)²: the Poisson model with an intercept and a sandwich
    variance, the constant-rate case of the model of Lin, Wei, Yang and Ying (J R Stat Soc B 2000;62:711).
    """
    y, t = _persons(n_events, person_time, level=level)
    if len(y) < 2 or not y.sum():
        raise RefusedError(f"{int(y.sum())} events of {len(y)} persons: no variance between persons")
    rate = y.sum() / t.sum()
    se = float(np.sqrt(((y - rate * t) ** 2).sum() * len(y) / (len(y) - 1)) / t.sum())
    half = float(norm.ppf((1 + level) / 2)) * se / rate
    lower, upper = rate * np.exp(-half), rate * np.exp(half)
    cells = (float(value * per) for value in (rate, lower, upper))
    return Rate(*cells, level=level, method="rate, variance clustered by patient, log limits", se=se * per)


def _persons(n_events: Any, person_time: Any, *, level: float) -> tuple[Array, Array]:
    check_level(level)
    y, t = np.asarray(n_events, dtype=float), np.asarray(person_time, dtype=float)
    if y.ndim != 1 or y.shape != t.shape:
        raise InputError(f"counts of shape {y.shape}, person-time of shape {t.shape}", expected="one each")
    if not (np.isfinite(y).all() and np.isfinite(t).all() and (y >= 0).all() and (t >= 0).all()):
        raise InputError("counts or person-time are missing or negative", expected="numbers of zero or more")
    if not t.sum() > 0:
        raise InputError("there is no person-time", expected="person-time above 0 in sum")
    return y, t


@dataclass(frozen=True, eq=False)
class RateFit:
    """A fitted rate model: log rate ratios (p,), their covariance (p, p) clustered by person, limits."""

    coefficients: Array
    covariance: Array
    se: Array
    lower: Array
    upper: Array
    p_value: Array
    n_clusters: int
    level: float


def rate_model(
    n_events: Any, exposure: Any, design: Any, *, cluster: Any = None, level: float = 0.95
) -> RateFit:
    """Fit log rates of recurrent events, the variance clustered by person.

    Parameters
    ----------
    n_events, exposure : (n,) events and person-time (or procedures) of each row; exposure above 0.
    design : (n, p) columns, the intercept among them.
    cluster : (n,) the person of each row; None: every row is a person of its own.

    Refuses: InputError for shapes or values; RefusedError without events, with dependent columns, where a
    level has no events (there is no finite ratio), or with no more clusters than columns.

    Notes
    -----
    log E(yᵢ) = log(exposureᵢ) + xᵢβ by Poisson maximum likelihood, which is consistent whatever the
    distribution of y; covariance H⁻¹ (Σ_g s_g s_gᵀ) H⁻¹ · G/(G−1) over G persons. Limits are normal.
    References: Zou, Am J Epidemiol 2004;159:702; Lin et al., J R Stat Soc B 2000;62:711.
    """
    check_level(level)
    y, t, x, group, n_clusters = _rows(n_events, exposure, design, cluster)
    beta = _maximum(y, t, x)
    mu = t * np.exp(x @ beta)
    bread = np.linalg.inv((x * mu[:, None]).T @ x)
    scores = np.zeros((n_clusters, x.shape[1]))
    np.add.at(scores, group, x * (y - mu)[:, None])
    covariance = bread @ (scores.T @ scores) @ bread * n_clusters / (n_clusters - 1)
    se = np.sqrt(np.diag(covariance))
    half = norm.ppf((1 + level) / 2) * se
    p_value = 2 * norm.sf(np.abs(np.divide(beta, se, out=np.zeros_like(beta), where=se > 0)))
    return RateFit(beta, covariance, se, beta - half, beta + half, p_value, n_clusters, level)


def _rows(n_events: Any, exposure: Any, design: Any, cluster: Any) -> tuple[Array, Array, Array, Array, int]:
    y, t, x = (np.asarray(v, dtype=float) for v in (n_events, exposure, design))
    names = np.arange(len(y)) if cluster is None else np.asarray(cluster)
    if x.ndim != 2 or not len(y) == len(t) == len(x) == len(names):
        raise InputError("events, exposure, design and cluster differ in length", expected="one row each")
    if not (np.isfinite(x).all() and np.isfinite(t).all() and (t > 0).all() and (y >= 0).all()):
        raise InputError(
            "events, exposure or design hold missing or impossible values",
            expected="counts of zero or more, exposure above 0, finite columns",
            do="leave these rows out, and count them",
        )
    _, group = np.unique(names, return_inverse=True)
    n_clusters = int(group.max()) + 1 if len(group) else 0
    if not y.sum():
        raise RefusedError(f"no events in {len(y)} rows: rates cannot be compared")
    if n_clusters <= x.shape[1] or np.linalg.matrix_rank(x) < x.shape[1]:
        raise RefusedError(
            f"{n_clusters} persons, {x.shape[1]} columns: too few, or columns that depend on each other"
        )
    return y, t, x, group, n_clusters


def _maximum(y: Array, t: Array, x: Array) -> Array:
    beta, *_ = np.linalg.lstsq(x, np.full(len(y), np.log(y.sum() / t.sum())), rcond=None)
    for _ in range(MOST_STEPS):
        mu = t * np.exp(x @ beta)
        step = np.linalg.solve((x * mu[:, None]).T @ x, x.T @ (y - mu))
        # A long first step overshoots the exponential; the likelihood is concave, so shorter ones arrive.
        beta = beta + step * min(1.0, 2.0 / max(np.abs(x @ step).max(), 1e-300))
        if np.abs(beta[1:]).max(initial=0.0) > DIVERGED:
            break
        if np.abs(step).max() < CLOSE:
            return beta
    raise RefusedError(f"a level has none of the {int(y.sum())} events: its ratio has no finite value")
