"""Rubin's rules: one estimate out of those of several completed data sets, with Barnard and Rubin's df."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from commensal.errors import InputError

Array = np.ndarray

ROUNDING = 1e-12


@dataclass(frozen=True)
class Pooled:
    """Pooled estimates: every field a float, or an array (k,) where k parameters were given.

    ``variance`` is total: ``within`` plus (1 + 1/m) times ``between``. ``relative_increase`` is the increase
    of variance due to what is missing, over ``within``; ``fraction_missing`` the fraction of information
    missing. ``df`` is infinite where nothing varies between imputations and no ``df_complete`` was given.
    """

    estimate: Array | float
    variance: Array | float
    within: Array | float
    between: Array | float
    df: Array | float
    relative_increase: Array | float
    fraction_missing: Array | float
    lower: Array | float
    upper: Array | float
    p_value: Array | float

    @property
    def se(self) -> Array | float:
        """Standard error: the root of the total variance."""
        return np.sqrt(self.variance)


def pool(
    estimates: Array | Sequence[float],
    variances: Array | Sequence[float],
    *,
    df_complete: Array | float | None = None,
    level: float = 0.95,
) -> Pooled:
    """Pool the estimates of m completed data sets by Rubin's rules.

    Parameters: ``estimates`` and ``variances`` (squared standard errors) of shape (m,) or (m, k), on a scale
    where they are about normal (pool log odds, not proportions); ``df_complete`` the degrees of freedom had
    nothing been missing (n less the number of coefficients; one for all, or one a parameter), None for a
    large sample (Rubin 1987).

    Returns limits and the two-sided p value against 0 by Student's t. Where every variance and every
    difference is 0 the limits are the estimate, and the p value is 1 at an estimate of 0, else 0.

    Refuses (InputError) fewer than two imputations, shapes that differ, values that are missing or infinite
    and variances below 0.

    Notes: T = Ū + (1 + 1/m) B; λ = (1 + 1/m) B / T; ν = (m − 1)/λ²; Barnard–Rubin: ν' = 1/(1/ν + 1/ν₀),
    ν₀ = (ν_c + 1)/(ν_c + 3) · ν_c (1 − λ).

    References: Rubin, Multiple Imputation for Nonresponse in Surveys, 1987; Barnard & Rubin, Biometrika
    1999;86:948 (doi:10.1093/biomet/86.4.948).
    """
    q, u = _checked(estimates, variances, df_complete=df_complete, level=level)
    m = len(q)
    estimate, within, between = q.mean(axis=0), u.mean(axis=0), q.var(axis=0, ddof=1)
    # Equal estimates differ by rounding alone: that is no variance.
    between = np.where(np.ptp(q, axis=0) <= ROUNDING * np.abs(estimate), 0.0, between)
    extra = (1 + 1 / m) * between
    variance = within + extra
    share = _ratio(extra, variance)
    df = _degrees(share, m=m, df_complete=df_complete)
    increase = _ratio(extra, within)
    half = stats.t.ppf((1 + level) / 2, df) * np.sqrt(variance)
    fields = (
        *(estimate, variance, within, between, df, increase, _fraction_missing(increase, df)),
        *(estimate - half, estimate + half, _p_values(estimate, variance, df)),
    )
    return Pooled(*(f if np.ndim(f) else float(f) for f in fields))


def _checked(
    estimates: Array | Sequence[float],
    variances: Array | Sequence[float],
    *,
    df_complete: Array | float | None,
    level: float,
) -> tuple[Array, Array]:
    q, u = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    if q.shape != u.shape or q.ndim not in (1, 2) or len(q) < 2:
        raise InputError(
            f"estimates of shape {q.shape} with variances of shape {u.shape}",
            expected="both of shape (m,) or (m, k), with at least two imputations",
        )
    if not (np.isfinite(q).all() and np.isfinite(u).all() and (u >= 0).all()):
        raise InputError(
            "estimates or variances are missing, infinite or below zero",
            expected="an estimate and a variance of every imputation",
            do="leave out the parameter that one of the imputations could not estimate, and say so",
        )
    if df_complete is not None and not (np.asarray(df_complete) > 0).all():
        raise InputError(f"{df_complete} degrees of freedom", expected="a number above 0, or none")
    if not 0 < level < 1:
        raise InputError(f"level {level} is no confidence level", expected="a number between 0 and 1")
    return q, u


def _ratio(part: Array, whole: Array) -> Array:
    """``part / whole``; 0 where nothing varies, infinite where only ``whole`` is 0."""
    none = np.where(part > 0, np.inf, 0.0)
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), none)


def _degrees(share: Array, *, m: int, df_complete: Array | float | None) -> Array:
    old = np.where(share > 0, (m - 1) / np.where(share > 0, share, 1.0) ** 2, np.inf)
    if df_complete is None or np.isinf(df_complete).all():
        return old
    observed = (df_complete + 1) / (df_complete + 3) * df_complete * (1 - share)
    # Where nothing varies between imputations these are the degrees of complete data themselves.
    return np.where(share > 0, 1 / (1 / old + 1 / np.maximum(observed, 1e-12)), df_complete)


def _fraction_missing(increase: Array, df: Array) -> Array:
    finite = np.isfinite(increase)
    r = np.where(finite, increase, 0.0)
    small = np.where(np.isinf(df), 0.0, 2 / (np.where(np.isinf(df), 1.0, df) + 3))
    return np.where(finite, np.where(r > 0, (r + small) / (r + 1), 0.0), 1.0)


def _p_values(estimate: Array, variance: Array, df: Array) -> Array:
    moves = variance > 0
    t = np.abs(estimate) / np.sqrt(np.where(moves, variance, 1.0))
    return np.where(moves, 2 * stats.t.sf(t, df), np.where(estimate == 0, 1.0, 0.0))


@dataclass(frozen=True, eq=False)
class PooledProportions:
    """k pooled proportions, each (k,); ``se`` on the scale of the proportion, ``is_wilson`` where the logit
    scale failed because some completed data set had no or only successes."""

    estimate: Array
    se: Array
    lower: Array
    upper: Array
    fraction_missing: Array
    is_wilson: Array


def pool_proportions(shares: Array, *, n: Array, level: float = 0.95) -> PooledProportions:
    """Pool the proportions (m, k) of m completed data sets among ``n`` (k,) patients each.

    On the logit scale by :func:`pool`, the estimate being the mean of the proportions; where some of the m
    are 0 or 1, Wilson's interval adapted to multiple imputation.

    Refuses (InputError) as :func:`pool`, and groups without patients.

    References: Lott & Reiter, Am Stat 2020;74:109 (doi:10.1080/00031305.2018.1473796).
    """
    p, size = np.asarray(shares, dtype=float), np.asarray(n, dtype=float)
    if not (size > 0).all():
        raise InputError("a proportion among no patients", expected="one patient or more in each group")
    pooled = pool(p, p * (1 - p) / size, level=level)
    mean, within, between = p.mean(axis=0), np.asarray(pooled.within), np.asarray(pooled.between)
    extreme = np.asarray(((p <= 0) | (p >= 1)).any(axis=0))
    safe = np.where(extreme, 0.5, p)
    logit = pool(
        np.log(safe / (1 - safe)),
        1 / (size * safe * (1 - safe)),
        df_complete=np.maximum(size - 1, 1),
        level=level,
    )
    # The mean of proportions stands inside limits whose middle is the mean of logits, all but equal to it.
    low, high = (1 / (1 + np.exp(-np.asarray(v))) for v in (logit.lower, logit.upper))
    wilson = _wilson(mean, within, between, m=len(p), n=size, level=level)
    return PooledProportions(
        estimate=mean,
        se=np.sqrt(np.asarray(pooled.variance)),
        lower=np.where(extreme, wilson[0], np.minimum(low, mean)),
        upper=np.where(extreme, wilson[1], np.maximum(high, mean)),
        fraction_missing=np.asarray(pooled.fraction_missing),
        is_wilson=extreme,
    )


def _wilson(
    mean: Array, within: Array, between: Array, *, m: int, n: Array, level: float
) -> tuple[Array, Array]:
    """Lott and Reiter's limits: r is the relative increase of variance through what is missing."""
    r = _ratio((1 + 1 / m) * between, within)
    r = np.where(np.isfinite(r), r, 0.0)
    df = np.where(r > 0, (m - 1) * (1 + 1 / np.where(r > 0, r, 1.0)) ** 2, np.inf)
    t2 = stats.t.ppf((1 + level) / 2, df) ** 2
    wide = t2 / n * (1 + r)
    centre = (2 * mean + wide) / (2 * (1 + wide))
    half = np.sqrt(np.maximum(centre**2 - mean**2 / (1 + wide), 0.0))
    return np.clip(centre - half, 0.0, mean), np.clip(centre + half, mean, 1.0)
