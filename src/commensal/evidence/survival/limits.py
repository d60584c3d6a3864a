"""Confidence limits of a probability from its standard error, on the scale asked for."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from commensal.errors import InputError, nearest

Array = np.ndarray
# A sum that should be 1 may fall short of it by rounding; the log(−log) transform has no value there.
AT_THE_EDGE = 1e-12


def log_log_limits(estimate: Array, se: Array, *, level: float) -> tuple[Array, Array]:
    """Limits of a probability by the log(−log) transform; NaN where the estimate is 0 or 1."""
    inside = (estimate > AT_THE_EDGE) & (estimate < 1 - AT_THE_EDGE)
    safe = np.where(inside, estimate, 0.5)
    width = quantile_of(level) * se / (safe * np.abs(np.log(safe)))
    centre = np.log(-np.log(safe))
    lower, upper = np.exp(-np.exp(centre + width)), np.exp(-np.exp(centre - width))
    return np.where(inside, lower, np.nan), np.where(inside, upper, np.nan)


def log_limits(estimate: Array, se: Array, *, level: float) -> tuple[Array, Array]:
    """Limits on the log scale, cut at 1; NaN where the estimate is 0."""
    inside = estimate > AT_THE_EDGE
    safe = np.where(inside, estimate, 0.5)
    factor = np.exp(quantile_of(level) * se / safe)
    lower, upper = safe / factor, np.minimum(safe * factor, 1.0)
    return np.where(inside, lower, np.nan), np.where(inside, upper, np.nan)


def plain_limits(estimate: Array, se: Array, *, level: float) -> tuple[Array, Array]:
    """Limits on the scale of the probability itself, cut at 0 and 1."""
    width = quantile_of(level) * se
    return np.maximum(estimate - width, 0.0), np.minimum(estimate + width, 1.0)


LIMITS = {"log-log": log_log_limits, "log": log_limits, "plain": plain_limits}


def limits_of(estimate: Array, se: Array, *, level: float, limits: str) -> tuple[Array, Array]:
    """Limits by the named transform. Refuses (InputError) an unknown one and a level outside 0 to 1."""
    if limits not in LIMITS:
        raise InputError(f"limits {limits!r} are not known", expected=nearest(limits, LIMITS))
    return LIMITS[limits](estimate, se, level=level)


def quantile_of(level: float) -> float:
    """The normal quantile of a two-sided interval at this confidence level."""
    if not 0 < level < 1:
        raise InputError(f"confidence level {level}", expected="a number between 0 and 1, as 0.95")
    return float(ndtri((1 + level) / 2))
