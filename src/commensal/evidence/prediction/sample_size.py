"""How many patients a prediction model needs before it is worth fitting."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, log

from commensal.errors import InputError


@dataclass(frozen=True)
class SampleSize:
    """Patients needed by each criterion; ``required`` is the greatest, ``n_events`` expected among them."""

    for_shrinkage: int
    for_optimism: int
    for_overall_risk: int
    required: int
    n_events: float


def sample_size(
    n_parameters: int,
    *,
    prevalence: float,
    r_squared: float | None = None,
    nagelkerke: float = 0.15,
    shrinkage: float = 0.9,
    optimism: float = 0.05,
    margin: float = 0.05,
) -> SampleSize:
    """Patients needed to develop a model of a binary outcome with ``n_parameters`` candidate parameters.

    ``prevalence`` is the expected share with the outcome. ``r_squared`` is the Cox–Snell R² one expects;
    without it, ``nagelkerke`` of the greatest possible one.

    Refuses (InputError) fewer than one parameter, a prevalence that is not between 0 and 1 or an R² that the
    prevalence does not allow.

    Notes
    -----
    n = p / ((S − 1) ln(1 − R² / S)) for expected shrinkage S ≥ ``shrinkage``; the same with
    S = R² / (R² + ``optimism`` · max R²) for a difference between apparent and adjusted Nagelkerke R² of at
    most ``optimism``; (1.96 / ``margin``)² φ (1 − φ) for the overall risk φ within ± ``margin``.
    max R² = 1 − exp(2 (φ ln φ + (1 − φ) ln(1 − φ))).

    References
    ----------
    Riley et al. 2019, doi:10.1002/sim.7992. Riley et al. 2020, doi:10.1136/bmj.m441.

    Example
    -------
    >>> sample_size(24, prevalence=0.174, r_squared=0.288).required
    662
    """
    if n_parameters < 1 or not 0 < prevalence < 1:
        raise InputError(
            f"{n_parameters} parameters and a prevalence of {prevalence}",
            expected="at least one parameter and a prevalence between 0 and 1",
        )
    greatest = 1 - exp(2 * (prevalence * log(prevalence) + (1 - prevalence) * log(1 - prevalence)))
    r2 = nagelkerke * greatest if r_squared is None else r_squared
    if not 0 < r2 < greatest:
        raise InputError(
            f"an R² of {r2:.3f}", expected=f"above 0 and below {greatest:.3f} at this prevalence"
        )
    needed = [
        ceil(n_parameters / ((s - 1) * log(1 - r2 / s)))
        for s in (max(shrinkage, r2 + 1e-9), r2 / (r2 + optimism * greatest))
    ]
    risk = ceil((1.96 / margin) ** 2 * prevalence * (1 - prevalence))
    required = max(*needed, risk)
    return SampleSize(needed[0], needed[1], risk, required, required * prevalence)
