"""Proportions, and the comparison of two, with intervals that hold at 0 and at n."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import beta, norm

from commensal.errors import InputError, RefusedError, nearest

NOBODY = "no patient with an observed outcome"
# No score limit of a ratio of counts lies further off than this on the log scale.
FAR = 30.0
METHODS = {"wilson": "Wilson score interval", "clopper_pearson": "Clopper–Pearson"}

Array = np.ndarray


@dataclass(frozen=True)
class Interval:
    """A confidence interval: lower and upper limit at ``level`` (0.95 is 95 %)."""

    lower: float
    upper: float
    level: float


@dataclass(frozen=True, eq=False)
class Proportion:
    """Shares with their limits: numbers where numbers were given, else arrays of one shape."""

    estimate: Any
    lower: Any
    upper: Any
    level: float
    method: str


def proportion(n_events: Any, n: Any, *, method: str = "wilson", level: float = 0.95) -> Proportion:
    """Share of ``n_events`` successes among ``n``, with Wilson or exact limits.

    Parameters
    ----------
    n_events, n : whole numbers, or arrays of them of one shape. Zero events are a finding, no n is not.
    method : "wilson" (score interval) or "clopper_pearson" (exact: covers at least at its level).

    Refuses (InputError) n < 1, n_events outside 0..n, an unknown method, a level outside 0..1.
    References: Wilson, JASA 1927;22:209; Clopper & Pearson, Biometrika 1934;26:404.

    Example
    -------
    >>> found = proportion(200, 222)
    >>> print(f"{found.estimate:.3f} ({found.lower:.3f} to {found.upper:.3f})")
    0.901 (0.855 to 0.934)
    """
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}", expected=nearest(method, METHODS))
    k, m = _counted(n_events, n, level=level)
    lower, upper = (_wilson if method == "wilson" else _exact)(k, m, level)
    return Proportion(*(as_given(v) for v in (k / m, lower, upper)), level=level, method=METHODS[method])


def as_given(values: Array) -> Any:
    """A number for an array of no dimension; else the array."""
    return float(values) if values.ndim == 0 else values


def wilson(n_events: int, *, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval of ``n_events`` successes among ``n``; refuses as :func:`proportion`."""
    found = proportion(n_events, n, level=level)
    return Interval(found.lower, found.upper, level)


def clopper_pearson(n_events: int, *, n: int, level: float = 0.95) -> Interval:
    """Exact (Clopper–Pearson) interval of ``n_events`` among ``n``; refuses as :func:`proportion`."""
    found = proportion(n_events, n, method="clopper_pearson", level=level)
    return Interval(found.lower, found.upper, level)


def _wilson(k: Array, n: Array, level: float) -> tuple[Array, Array]:
    z = float(norm.ppf((1 + level) / 2))
    share, shrink = k / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    # The limits at 0 and n are exact; rounding must not move them across the estimate.
    lower = np.where(k == 0, 0.0, np.maximum(0.0, centre - half))
    return lower, np.where(k == n, 1.0, np.minimum(1.0, centre + half))


def _exact(k: Array, n: Array, level: float) -> tuple[Array, Array]:
    tail = (1 - level) / 2
    lower = np.where(k == 0, 0.0, beta.ppf(tail, np.maximum(k, 1), n - k + 1))
    return lower, np.where(k == n, 1.0, beta.ppf(1 - tail, k + 1, np.maximum(n - k, 1)))


def at_most(n: int, *, level: float = 0.95) -> float:
    """The largest proportion that no event among ``n`` leaves possible: one-sided exact, near 3/n at 95 %.

    The rule of three; 1 − (1 − level)^(1/n). Refuses (InputError) n < 1.
    Reference: Hanley & Lippman-Hand, JAMA 1983;249:1743.
    """
    _counted(0, n, level=level)
    return 1 - (1 - level) ** (1 / n)


@dataclass(frozen=True)
class Contrast:
    """First against second: estimate and limits; ``p_value`` two-sided, None where the method gives none."""

    estimate: float
    lower: float
    upper: float
    level: float
    p_value: float | None
    method: str


def risk_difference(first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95) -> Contrast:
    """Difference of two proportions, first less second, each (events, n); Newcombe's hybrid score limits.

    Notes: limits d ∓ √((p₁ − l₁)² + (u₂ − p₂)²) and mirror, l and u the Wilson limits of each.
    Refuses as :func:`proportion`. Reference: Newcombe, Stat Med 1998;17:873, method 10.
    """
    a, b = (proportion(*pair, level=level) for pair in (first, second))
    gap = a.estimate - b.estimate
    below = np.hypot(a.estimate - a.lower, b.upper - b.estimate)
    above = np.hypot(a.upper - a.estimate, b.estimate - b.lower)
    return Contrast(gap, gap - below, gap + above, level, None, "Newcombe hybrid score interval")


def log_risk_ratio(first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95) -> Contrast:
    """Logarithm of the ratio of two proportions, first over second, each (events, n); score limits.

    Notes: the limits are the ratios φ at which the score test of p₁ = φp₂ just rejects; unlike the limits of
    the logarithm's normal approximation they do not shrink to a point where everybody has the event.
    Refuses as :func:`proportion`; RefusedError where a group has no event: the logarithm is not finite.
    Reference: Koopman, Biometrics 1984;40:513.
    """
    (x, n), (y, m) = first, second
    _counted([x, y], [n, m], level=level)
    if not (x and y):
        raise RefusedError(f"{x} of {n} against {y} of {m} events: the ratio has no finite logarithm")
    from scipy.optimize import root_scalar

    ratio = float(np.log(x / n) - np.log(y / m))
    z = float(norm.ppf((1 + level) / 2))
    lower, upper = (
        root_scalar(
            lambda t, s=side: _ratio_score(t, x, n, y, m) + s * z, bracket=(ratio, ratio + side * FAR)
        )
        for side in (-1, 1)
    )
    p_value = float(2 * norm.sf(abs(_ratio_score(0.0, x, n, y, m))))
    return Contrast(ratio, lower.root, upper.root, level, p_value, "Koopman score interval of the ratio")


def _ratio_score(log_ratio: float, x: int, n: int, y: int, m: int) -> float:
    """The score statistic of p₁ = φp₂, by the most likely proportions under it."""
    phi = float(np.exp(log_ratio))
    a, b, c = (n + m) * phi, -(n * phi + x + m + y * phi), x + y
    second = (-b - np.sqrt(max(b * b - 4 * a * c, 0.0))) / (2 * a)
    variance = phi * second * (1 - phi * second) / n + phi**2 * second * (1 - second) / m
    gap = x / n - phi * y / m
    return 0.0 if gap == 0 else float(gap / np.sqrt(max(variance, 1e-300)))


def fisher_exact(first: tuple[int, int], second: tuple[int, int], *, level: float = 0.95) -> Contrast:
    """Conditional odds ratio of two proportions, each (events, n), with exact limits and Fisher's p value.

    The odds ratio is the conditional maximum-likelihood estimate, not the cross product; it is 0 or infinite
    where a cell is empty. Refuses as :func:`proportion`. Reference: Fisher, J R Stat Soc 1935;98:39.
    """
    from scipy.stats import contingency
    from scipy.stats import fisher_exact as fisher_test

    (x, n), (y, m) = first, second
    _counted([x, y], [n, m], level=level)
    table = [[x, n - x], [y, m - y]]
    found = contingency.odds_ratio(table, kind="conditional")
    limits = found.confidence_interval(level)
    p_value = float(fisher_test(table).pvalue)  # type: ignore[attr-defined]
    return Contrast(found.statistic, limits.low, limits.high, level, p_value, "Fisher's exact test")


@dataclass(frozen=True)
class ClusteredProportion:
    """A proportion of units that come in clusters; ``se`` is None where only exact limits are given."""

    estimate: float
    se: float | None
    lower: float
    upper: float
    method: str


def clustered_proportion(hits: np.ndarray, *, sizes: np.ndarray, level: float = 0.95) -> ClusteredProportion:
    """Share of units hit, the units of cluster i being ``sizes[i]`` with ``hits[i]`` of them hit.

    Ratio estimate r = Σyᵢ/Σmᵢ with Var = N/(N−1) Σ(yᵢ − r mᵢ)²/(Σmᵢ)² over the N clusters with units, limits
    on the logit scale. Where none or all units are hit (or N = 1) the limits are Clopper–Pearson over the
    clusters: units of one cluster are no independent witnesses.
    Refuses (InputError) when there are no units. Reference: Cochran, Sampling Techniques 1977, chapter 6.
    """
    seen = sizes > 0
    hits, sizes, n_clusters = hits[seen], sizes[seen], int(seen.sum())
    if not n_clusters:
        raise InputError("no units to take a share of", expected="at least one cluster with units")
    ratio = float(hits.sum() / sizes.sum())
    spread = float(((hits - ratio * sizes) ** 2).sum())
    if ratio in (0.0, 1.0) or n_clusters < 2 or spread == 0:
        exact = clopper_pearson(round(ratio * n_clusters), n=n_clusters, level=level)
        lower, upper = min(exact.lower, ratio), max(exact.upper, ratio)
        return ClusteredProportion(ratio, None, lower, upper, "Clopper–Pearson over patients")
    se = (spread * n_clusters / (n_clusters - 1)) ** 0.5 / float(sizes.sum())
    half = float(norm.ppf((1 + level) / 2)) * se / (ratio * (1 - ratio))
    logit = float(np.log(ratio / (1 - ratio)))
    lower, upper = (float(1 / (1 + np.exp(-(logit + side * half)))) for side in (-1, 1))
    return ClusteredProportion(ratio, se, lower, upper, "ratio estimator clustered by patient, logit limits")


def _counted(n_events: Any, n: Any, *, level: float) -> tuple[Array, Array]:
    k, m = np.broadcast_arrays(np.asarray(n_events, dtype=float), np.asarray(n, dtype=float))
    if not ((m >= 1) & (k >= 0) & (k <= m) & (k == np.floor(k))).all():
        raise InputError(f"{n_events} of {n} is no proportion", expected="0 ≤ events ≤ n and n ≥ 1")
    check_level(level)
    return k, m


def check_level(level: float) -> None:
    """Refuse (InputError) a confidence level that is not between 0 and 1."""
    if not 0 < level < 1:
        raise InputError(f"level {level} is no confidence level", expected="a number between 0 and 1")


def with_wilson(counts: pl.DataFrame, *, level: float) -> pl.DataFrame:
    """Add estimate, lower, upper, level, unit and method to rows with ``n_events`` and ``n``.

    Where n is 0 there is no estimate but a reason; a reason already in the frame stays in front of it.
    """
    z = float(norm.ppf((1 + level) / 2))
    n = pl.when(pl.col("n") > 0).then(pl.col("n").cast(pl.Float64))
    share = pl.col("n_events") / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * (share * (1 - share) / n + z * z / (4 * n * n)).sqrt() / (1 + z * z / n)
    have = pl.col("reason") if "reason" in counts.columns else pl.lit(None, dtype=pl.String)
    nobody = pl.when(pl.col("n") == 0).then(pl.lit(NOBODY))
    return counts.with_columns(
        estimate=share,
        lower=pl.when(pl.col("n_events") == 0).then(0.0 * n).otherwise((centre - half).clip(0, 1)),
        upper=pl.when(pl.col("n_events") == pl.col("n"))
        .then(0.0 * n + 1)
        .otherwise((centre + half).clip(0, 1)),
        level=pl.lit(level),
        unit=pl.lit("proportion"),
        method=pl.lit("Wilson score interval"),
        reason=pl.coalesce(have, nobody),
    )
