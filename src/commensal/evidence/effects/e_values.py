"""E-values: how strong an unmeasured confounder would have to be to explain an association away."""

from __future__ import annotations

import math
from dataclasses import dataclass

from commensal.errors import InputError

SCALES = ("risk_ratio", "odds_ratio", "hazard_ratio", "mean_difference")


@dataclass(frozen=True)
class EValue:
    """The E-value of an estimate and of its limit nearest to the true value (None without limits).

    ``risk_ratio`` is the estimate on the scale of risk ratios.
    """

    estimate: float
    limit: float | None
    risk_ratio: float


def e_value(
    estimate: float,
    *,
    lower: float | None = None,
    upper: float | None = None,
    scale: str = "risk_ratio",
    is_common: bool = True,
    true_value: float | None = None,
) -> EValue:
    """Return the E-value of an association and of its confidence limit.

    Parameters
    ----------
    estimate, lower, upper : a ratio and its limits; for ``mean_difference`` the difference in standard
        deviations of the outcome and the limits of that.
    scale : risk_ratio, odds_ratio, hazard_ratio or mean_difference.
    is_common : the outcome occurs in more than 15 % by the end of follow-up; only odds and hazard ratios ask.
    true_value : the association to explain the estimate down to, on the same scale; no association by
    default.

    Refuses (InputError) an unknown scale, ratios that are not positive, and limits that do not hold the
    estimate.

    Notes
    -----
    E = r + √(r(r − 1)), r the risk ratio over the true one, inverted where below 1: the least risk ratio that
    a confounder needs with both exposure and outcome, beyond what is adjusted for. A limit beyond the true
    value gives 1. Rare outcomes: odds and hazard ratios stand for risk ratios. Common ones: √OR, and
    (1 − ½^√HR)/(1 − ½^√(1/HR)). Mean differences: exp(.91 d), limits exp(.91 d ± 1.78 SE).

    References
    ----------
    VanderWeele & Ding 2017, doi:10.7326/M16-2607; VanderWeele 2017, doi:10.1097/EDE.0000000000000766.

    Example
    -------
    >>> found = e_value(3.9, lower=1.8, upper=8.7)
    >>> round(found.estimate, 2), round(found.limit, 2)
    (7.26, 3.0)
    """
    _check(estimate, lower, upper, scale=scale, true_value=true_value)
    truth = _risk_ratio(_none(scale) if true_value is None else true_value, scale=scale, is_common=is_common)
    found = _risk_ratio(estimate, scale=scale, is_common=is_common)
    nearest = lower if found >= truth else upper
    limit = None
    if nearest is not None:
        edge = _edge(estimate, nearest, scale=scale, is_common=is_common)
        is_across = (edge <= truth) if found >= truth else (edge >= truth)
        limit = 1.0 if is_across else _e(edge, truth)
    return EValue(_e(found, truth), limit, found)


def _check(
    estimate: float, lower: float | None, upper: float | None, *, scale: str, true_value: float | None
) -> None:
    if scale not in SCALES:
        raise InputError(f"there is no scale {scale!r} of E-values", expected=", ".join(SCALES))
    given = [v for v in (estimate, lower, upper, true_value) if v is not None]
    if not all(math.isfinite(v) for v in given):
        raise InputError(
            f"an estimate of {estimate} with limits {lower} to {upper}", expected="finite numbers"
        )
    if scale != "mean_difference" and min(given) <= 0:
        raise InputError(f"a {scale} of {min(given)}", expected="a ratio above 0")
    if (lower is not None and lower > estimate) or (upper is not None and upper < estimate):
        raise InputError(
            f"limits {lower} to {upper} do not hold the estimate {estimate}",
            expected="lower ≤ estimate ≤ upper",
        )


def _none(scale: str) -> float:
    return 0.0 if scale == "mean_difference" else 1.0


def _risk_ratio(value: float, *, scale: str, is_common: bool) -> float:
    if scale == "mean_difference":
        return math.exp(0.91 * value)
    if scale == "odds_ratio" and is_common:
        return math.sqrt(value)
    if scale == "hazard_ratio" and is_common:
        return (1 - 0.5 ** math.sqrt(value)) / (1 - 0.5 ** math.sqrt(1 / value))
    return value


def _edge(estimate: float, limit: float, *, scale: str, is_common: bool) -> float:
    if scale == "mean_difference":
        # The approximation widens the interval: 1.78 standard errors on the log scale, not .91 × 1.96.
        return math.exp(0.91 * estimate + 1.78 / 1.96 * (limit - estimate))
    return _risk_ratio(limit, scale=scale, is_common=is_common)


def _e(found: float, truth: float) -> float:
    ratio = found / truth if found >= truth else truth / found
    return ratio + math.sqrt(ratio * (ratio - 1))
