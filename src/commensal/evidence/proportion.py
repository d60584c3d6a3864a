"""Proportions and rates with intervals that hold at 0 and at n."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import beta, chi2, norm

from commensal.errors import InputError

NOBODY = "no patient with an observed outcome"


@dataclass(frozen=True)
class Interval:
    """A confidence interval: lower and upper limit at ``level`` (0.95 is 95 %)."""

    lower: float
    upper: float
    level: float


def wilson(n_events: int, *, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval of ``n_events`` successes among ``n``.

    Refuses (InputError) n < 1 or n_events outside 0..n. Reference: Wilson, JASA 1927;22:209.
    """
    _check(n_events, n=n, level=level)
    z = float(norm.ppf((1 + level) / 2))
    share, shrink = n_events / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))) / shrink
    # The limits at 0 and n are exact; rounding must not move them across the estimate.
    lower = 0.0 if n_events == 0 else max(0.0, centre - half)
    upper = 1.0 if n_events == n else min(1.0, centre + half)
    return Interval(lower, upper, level)


def clopper_pearson(n_events: int, *, n: int, level: float = 0.95) -> Interval:
    """Exact (Clopper–Pearson) interval of ``n_events`` successes among ``n``.

    Refuses (InputError) n < 1 or n_events outside 0..n. Reference: Clopper & Pearson, Biometrika 1934;26:404.
    """
    _check(n_events, n=n, level=level)
    tail = (1 - level) / 2
    lower = 0.0 if n_events == 0 else float(beta.ppf(tail, n_events, n - n_events + 1))
    upper = 1.0 if n_events == n else float(beta.ppf(1 - tail, n_events + 1, n - n_events))
    return Interval(lower, upper, level)


def incidence_rate(
    n_events: int, *, person_years: float, per: float = 100, level: float = 0.95
) -> tuple[float, Interval]:
    """Events per ``per`` person-years with the exact Poisson interval.

    Zero events have the lower limit 0 and a positive upper limit. Refuses (InputError) person-time that is
    not positive. Reference: Garwood, Biometrika 1936;28:437.
    """
    if not person_years > 0 or n_events < 0:
        raise InputError(
            f"{n_events} events in {person_years} person-years give no rate",
            expected="person-years above 0 and a count of events",
        )
    tail, scale = (1 - level) / 2, per / person_years
    lower = 0.0 if n_events == 0 else float(chi2.ppf(tail, 2 * n_events)) / 2
    upper = float(chi2.ppf(1 - tail, 2 * n_events + 2)) / 2
    return n_events * scale, Interval(lower * scale, upper * scale, level)


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


def _check(n_events: int, *, n: int, level: float) -> None:
    if n < 1 or not 0 <= n_events <= n:
        raise InputError(f"{n_events} of {n} is no proportion", expected="0 ≤ events ≤ n and n ≥ 1")
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
