"""Observed against expected of many units: exact limits of the funnel, p values, overdispersion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, poisson

from commensal.errors import InputError
from commensal.evidence.monitoring.charts import check_share, checked_outcomes, shared_errors, times_odds

Array = np.ndarray

INNER, OUTER = 0.95, 0.998
NEGLIGIBLE = 1e-20
# Odds beyond e^±20 of the expected move no count that anyone observes.
WIDEST_LOG_ODDS = 20.0


@dataclass(frozen=True, eq=False)
class Funnel:
    """Observed over expected, one entry a unit, sorted by name.

    ``ratio`` is observed / expected with the exact limits ``lower`` and ``upper`` at ``level``. ``inner`` and
    ``outer`` are [lower, upper] (u, 2): where the ratio of a unit as expected lies with probability 95 and
    99.8 % at least. ``p_value`` is exact and two-sided (twice the smaller tail), ``p_controlled`` the same
    controlled over all units (Holm). ``dispersion`` is the mean squared standardised excess, 1 by chance.
    """

    units: tuple[str, ...]
    n: Array
    observed: Array
    expected: Array
    ratio: Array
    lower: Array
    upper: Array
    inner: Array
    outer: Array
    p_value: Array
    p_controlled: Array
    dispersion: float
    level: float


def funnel(
    observed: Sequence[float] | Array,
    expected: Sequence[float] | Array,
    *,
    unit: Sequence[str] | Array | None = None,
    uncertainty: Mapping[str, float] | None = None,
    level: float = 0.95,
) -> Funnel:
    """Compare observed with expected events of several units.

    Parameters
    ----------
    observed : (n,) outcome of each course, 0 or 1, beside ``unit``; without ``unit`` (u,) counts of
        each unit.
    expected : (n,) probability of each course, or (u,) expected counts.
    unit : (n,) whom each course belongs to. None: one entry is one unit, whose count is Poisson.
    uncertainty : unit → standard deviation of the error that its expected log-odds share because they were
        estimated; a unit without one has expectations taken as known. Only beside ``unit``.

    Refuses (InputError) shapes that differ, counts below 0, expectations that are not above 0, missing
    values.

    Notes
    -----
    With courses the count of a unit is Poisson–binomial, exactly, given its expected probabilities; limits of
    the ratio multiply the odds of all its courses by one factor until the tail is (1 − level)/2, and divide
    the count expected then by that expected now. An uncertainty mixes this distribution over a normal error,
    so that a unit which is half of all data is not judged as if the other half were the truth. The limits of
    small units are as wide as whole counts make them. Overdispersion is stated, not corrected.

    References
    ----------
    Spiegelhalter, Stat Med 2005;24:1185, doi:10.1002/sim.1970. Holm, Scand J Stat 1979;6:65.
    """
    check_share(level, "level")
    if unit is None:
        names, rows = _counts(observed, expected, level)
    else:
        names, rows = _courses(observed, expected, np.asarray(unit, dtype=str), uncertainty or {}, level)
    return _assembled(names, rows, level)


def holm(p_values: Array) -> Array:
    """p values controlled over all of them (Holm's step-down), in the given order."""
    order = np.argsort(p_values, kind="stable")
    m = len(order)
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * (m - np.arange(m)))
    controlled = np.empty(m)
    controlled[order] = np.minimum(raised, 1.0)
    return controlled


def poisson_binomial(probabilities: Sequence[float] | Array) -> Array:
    """Return P(k of n events), k = 0..n, for independent events of these probabilities (n,).

    Masses below 1e-20 in the far tails are 0.
    """
    from commensal.evidence.monitoring._kernels import poisson_binomial_masses

    return poisson_binomial_masses(np.asarray(probabilities, dtype=float), NEGLIGIBLE)


@dataclass(frozen=True)
class _Row:
    n: int
    observed: float
    expected: float
    lower: float
    upper: float
    inner: tuple[float, float]
    outer: tuple[float, float]
    p_value: float
    variance: float


def _courses(
    observed: Sequence[float] | Array,
    expected: Sequence[float] | Array,
    unit: Array,
    uncertainty: Mapping[str, float],
    level: float,
) -> tuple[list[str], list[_Row]]:
    outcomes, p = checked_outcomes(observed, expected)
    if unit.shape != p.shape:
        raise InputError(f"{len(unit)} units for {len(p)} courses", expected="one unit for each course")
    names, which = np.unique(unit, return_inverse=True)
    # Sorted within the unit, so that no figure hangs on the order of the rows.
    rows = [
        _exact(int(outcomes[which == i].sum()), np.sort(p[which == i]), uncertainty.get(name, 0.0), level)
        for i, name in enumerate(names.tolist())
    ]
    return names.tolist(), rows


def _exact(count: int, p: Array, uncertainty: float, level: float) -> _Row:
    masses, mean = mixed_masses(p, uncertainty), float(p.sum())
    below, above = np.cumsum(masses), np.cumsum(masses[::-1])[::-1]
    counts, tail = np.arange(len(masses)), (1 - level) / 2
    return _Row(
        n=len(p),
        observed=count,
        expected=mean,
        lower=_odds_limit(count, p, uncertainty, tail=tail, is_lower=True) / mean,
        upper=_odds_limit(count, p, uncertainty, tail=tail, is_lower=False) / mean,
        inner=_span(below, above, INNER, mean),
        outer=_span(below, above, OUTER, mean),
        p_value=float(min(1.0, 2 * min(below[count], above[count]))),
        variance=float((masses * (counts - mean) ** 2).sum()),
    )


def mixed_masses(probabilities: Array, uncertainty: float) -> Array:
    """P(k of n events), k = 0..n, over a shared normal error of the log-odds; :func:`poisson_binomial` at
    0."""
    errors, weights = shared_errors(probabilities, uncertainty)
    parts = [
        w * poisson_binomial(times_odds(probabilities, float(np.exp(e))))
        for e, w in zip(errors, weights, strict=True)
    ]
    return np.sum(parts, axis=0)


def _span(below: Array, above: Array, level: float, mean: float) -> tuple[float, float]:
    """The ratios between which a unit as expected lies: counts outside have a tail of (1 − level)/2 at
    most."""
    tail = (1 - level) / 2
    low = int(np.argmax(below > tail))
    high = len(above) - 1 - int(np.argmax(above[::-1] > tail))
    return low / mean, high / mean


def _odds_limit(count: int, p: Array, uncertainty: float, *, tail: float, is_lower: bool) -> float:
    """The expected count at which ``count`` or more (lower), or ``count`` or fewer (upper), has probability
    ``tail``."""
    if is_lower and count == 0:
        return 0.0
    if not is_lower and count == len(p):
        return float(len(p))
    from commensal.evidence.monitoring._kernels import odds_limit

    return float(odds_limit(p, count, tail, is_lower, WIDEST_LOG_ODDS, *shared_errors(p, uncertainty)))


def _counts(
    observed: Sequence[float] | Array, expected: Sequence[float] | Array, level: float
) -> tuple[list[str], list[_Row]]:
    counts, means = np.asarray(observed, dtype=float), np.asarray(expected, dtype=float)
    if counts.ndim != 1 or counts.shape != means.shape or not len(counts):
        raise InputError(
            f"{counts.size} counts beside {means.size} expectations", expected="one of each for each unit"
        )
    whole = np.isfinite(counts) & (counts >= 0) & (counts == np.round(counts))
    if not (whole.all() and (np.isfinite(means) & (means > 0)).all()):
        raise InputError(
            "counts or expectations that are missing or impossible",
            expected="whole counts of 0 or more, expected counts above 0",
        )
    rows = [_poisson(int(c), float(m), level) for c, m in zip(counts, means, strict=True)]
    return [str(i) for i in range(len(counts))], rows


def _poisson(count: int, mean: float, level: float) -> _Row:
    tail = (1 - level) / 2
    lower = chi2.ppf(tail, 2 * count) / 2 if count else 0.0
    spans = [
        (float(poisson.ppf((1 - at) / 2, mean)) / mean, float(poisson.isf((1 - at) / 2, mean)) / mean)
        for at in (INNER, OUTER)
    ]
    return _Row(
        n=0,
        observed=count,
        expected=mean,
        lower=float(lower) / mean,
        upper=float(chi2.isf(tail, 2 * count + 2)) / 2 / mean,
        inner=spans[0],
        outer=spans[1],
        p_value=float(min(1.0, 2 * min(poisson.cdf(count, mean), poisson.sf(count - 1, mean)))),
        variance=mean,
    )


def _assembled(names: list[str], rows: list[_Row], level: float) -> Funnel:
    columns = {
        name: np.array([getattr(row, name) for row in rows])
        for name in ("n", "observed", "expected", "lower", "upper", "inner", "outer", "p_value", "variance")
    }
    excess = columns["observed"] - columns["expected"]
    variance = columns.pop("variance")
    return Funnel(
        units=tuple(names),
        ratio=columns["observed"] / columns["expected"],
        p_controlled=holm(columns["p_value"]),
        dispersion=float((excess**2 / variance).mean()),
        level=level,
        **columns,
    )
