"""Fine and Gray's model of the subdistribution hazard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from commensal.errors import RefusedError
from commensal.evidence.survival.cox import MOST_STEPS, STILL_MOVING, column_names, matrix_of, refuse_unfit
from commensal.evidence.survival.limits import quantile_of
from commensal.evidence.survival.risk_sets import Array, observed

CLOSE = 1e-12
CONVENTION = (
    "weights G(t−)/G(T−) of the censoring curve with all who leave at a time at risk at it, Breslow ties, "
    "variance with the estimated censoring curve (as cmprsk's crr)"
)


@dataclass(frozen=True)
class FineGrayFit:
    """Log subdistribution hazard ratios (p,) with their covariance (p, p) and counts."""

    names: tuple[str, ...]
    coefficients: Array
    covariance: Array
    log_likelihood: float
    log_likelihood_null: float
    n: int
    n_events: int
    n_competing: int

    @property
    def se(self) -> Array:
        """Standard errors."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_values(self) -> Array:
        """Two-sided p value of each coefficient (Wald)."""
        return 2 * ndtr(-np.abs(self.coefficients / self.se))

    def limits(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper limits of the coefficients."""
        width = quantile_of(level) * self.se
        return self.coefficients - width, self.coefficients + width


@dataclass(frozen=True)
class _Data:
    """Event times (K,) of the cause; each patient's place among them; censoring curve at both."""

    x: Array
    is_own: Array
    is_other: Array
    until: Array
    deaths: Array
    g_at: Array
    g_own: Array


def fine_gray(
    time: Any, event: Any, covariates: Any, *, cause: int = 1, names: Sequence[str] = ()
) -> FineGrayFit:
    """Fit log subdistribution hazard ratios of ``covariates`` (n, p) for ``cause``, others competing.

    ``event`` 0 is censored, ``cause`` the event of interest, anything else competes. Late entry, strata and
    weights are not offered: the weights of the method rest on one censoring curve from the origin.

    Refuses: InputError for shapes and values that do not fit; RefusedError, with the counts, where no event
    of the cause occurs, where a column is constant or depends on others, and where there is no maximum.

    Notes
        1 − F(t | x) = (1 − F₀(t))^exp(xᵀβ): a coefficient tells the direction in which the cumulative
        incidence moves; it is no cause-specific hazard ratio and no effect of treatment. A patient with a
        competing event stays in the risk set with weight G(t−)/G(T−), G the Kaplan–Meier curve of censoring.
        Convention of cmprsk's crr: G counts all who leave at a time as at risk at it; ties by Breslow; the
        sandwich variance includes the estimation of G.
    References: Fine & Gray, JASA 1999;94:496.
    """
    data = observed(time, event)
    x = matrix_of(covariates, len(data.time))
    labels = column_names(names, x.shape[1])
    is_own = data.event == cause
    refuse_unfit(x, is_own, labels)
    means, scale = x.mean(axis=0), x.std(axis=0)
    made = _data(data.time, is_own, (data.event != 0) & ~is_own, (x - means) / scale)
    beta, first, last = _maximised(made, labels)
    variance = _variance(made, data.time, beta, last[2]) / np.outer(scale, scale)
    return FineGrayFit(
        names=labels,
        coefficients=beta / scale,
        covariance=variance,
        log_likelihood=last[0],
        log_likelihood_null=first[0],
        n=len(x),
        n_events=int(is_own.sum()),
        n_competing=int(made.is_other.sum()),
    )


def _data(time: Array, is_own: Array, is_other: Array, x: Array) -> _Data:
    grid = np.unique(time[is_own])
    until = np.searchsorted(grid, time, side="right")
    is_censored = ~is_own & ~is_other
    return _Data(
        x=x,
        is_own=is_own,
        is_other=is_other,
        until=until,
        deaths=np.bincount(until[is_own] - 1, minlength=len(grid)),
        g_at=_censoring_before(time, is_censored, grid),
        g_own=_censoring_before(time, is_censored, time),
    )


def _censoring_before(time: Array, is_censored: Array, at: Array) -> Array:
    """G(t−): the curve of not being censored before ``at``; all who leave at a time are at risk at it."""
    grid, place = np.unique(time, return_inverse=True)
    censored = np.bincount(place[is_censored], minlength=len(grid))
    at_risk = np.cumsum(np.bincount(place, minlength=len(grid))[::-1])[::-1]
    curve = np.concatenate([[1.0], np.cumprod(1 - censored / at_risk)])
    return curve[np.searchsorted(grid, at, side="left")]


def _sums(made: _Data, values: Array) -> Array:
    """Σ of ``values`` (n,) over the weighted risk set at each event time (K,)."""
    k = len(made.deaths)
    present = np.cumsum(np.bincount(made.until, weights=values, minlength=k + 1)[::-1])[::-1][1:]
    kept = np.where(made.is_other, values / made.g_own, 0.0)
    gone = np.cumsum(np.bincount(made.until, weights=kept, minlength=k + 1))[:-1]
    return present + made.g_at * gone


def _step(made: _Data, beta: Array) -> tuple[float, Array, Array]:
    """Log pseudo-likelihood, gradient and information at β."""
    x, d = made.x, made.deaths
    eta = x @ beta
    shift = eta.max()
    r = np.exp(eta - shift)
    zero = _sums(made, r)
    p = x.shape[1]
    mean = np.column_stack([_sums(made, r * x[:, a]) for a in range(p)]) / zero[:, None]
    total = float((eta[made.is_own] - shift).sum() - (d * np.log(zero)).sum())
    gradient = x[made.is_own].sum(axis=0) - d @ mean
    information = -(mean * d[:, None]).T @ mean
    for a in range(p):
        for b in range(a, p):
            value = float((d * _sums(made, r * x[:, a] * x[:, b]) / zero).sum())
            information[a, b] += value
            information[b, a] = information[a, b]
    return total, gradient, information


def _maximised(
    made: _Data, names: Sequence[str]
) -> tuple[Array, tuple[float, Array, Array], tuple[float, Array, Array]]:
    beta = np.zeros(made.x.shape[1])
    first = last = _step(made, beta)
    for _ in range(MOST_STEPS):
        move = _newton(last, made)
        current = _step(made, beta + move)
        for _ in range(30):
            if current[0] >= last[0] - 1e-12 * abs(last[0]):
                break
            move = move / 2
            current = _step(made, beta + move)
        beta, gain, last = beta + move, current[0] - last[0], current
        if abs(gain) <= CLOSE * (abs(last[0]) + CLOSE):
            break
    if np.abs(_newton(last, made)).max() > STILL_MOVING or np.abs(beta).max() > 40:
        raise RefusedError(
            f"the likelihood has no maximum ({int(made.is_own.sum())} events among {len(made.x)} patients): "
            f"{names[int(np.abs(beta).argmax())]} orders the events without exception",
            do="leave columns out, or merge levels",
        )
    return beta, first, last


def _newton(step: tuple[float, Array, Array], made: _Data) -> Array:
    try:
        return np.linalg.solve(step[2], step[1])
    except np.linalg.LinAlgError:
        raise RefusedError(
            f"the risk sets hold no information on the columns ({int(made.is_own.sum())} events among "
            f"{len(made.x)} patients)"
        ) from None


def _variance(made: _Data, time: Array, beta: Array, information: Array) -> Array:
    """Sandwich over patients: each one's score residual, and its part in the estimated censoring curve."""
    x = made.x
    r = np.exp(x @ beta)
    zero = _sums(made, r)
    mean = np.column_stack([_sums(made, r * x[:, a]) for a in range(x.shape[1])]) / zero[:, None]
    step = made.deaths / zero
    h, hx = _before(step), _before(step[:, None] * mean)
    w, wx = _before(made.g_at * step), _before((made.g_at * step)[:, None] * mean)
    u = made.until
    eta = -r[:, None] * (x * h[u][:, None] - hx[u])
    eta[made.is_own] += x[made.is_own] - mean[u[made.is_own] - 1]
    kept = np.where(made.is_other, r / made.g_own, 0.0)[:, None]
    eta -= kept * (x * (w[-1] - w[u])[:, None] - (wx[-1] - wx[u]))
    eta += _censoring_part(made, time, kept, w, wx)
    influence = eta @ np.linalg.inv(information)
    return influence.T @ influence


def _censoring_part(made: _Data, time: Array, kept: Array, w: Array, wx: Array) -> Array:
    """∫ q(u)/Y(u) dMᶜᵢ(u): what a patient's censoring, or staying, does to the weights of the others.

    q(u) = Σ over patients with a competing event before u of their weighted residual from u on.
    """
    grid, place = np.unique(time, return_inverse=True)
    own_times = np.unique(time[made.is_own])
    from_here = np.searchsorted(own_times, grid, side="left")
    ahead, ahead_x = w[-1] - w[from_here], wx[-1] - wx[from_here]
    gone = _before(np.bincount(place, weights=kept[:, 0], minlength=len(grid)))[:-1]
    gone_x = np.column_stack(
        [
            _before(np.bincount(place, weights=kept[:, 0] * column, minlength=len(grid)))[:-1]
            for column in made.x.T
        ]
    )
    q = gone_x * ahead[:, None] - gone[:, None] * ahead_x
    is_censored = ~made.is_own & ~made.is_other
    censored = np.bincount(place[is_censored], minlength=len(grid))
    at_risk = np.cumsum(np.bincount(place, minlength=len(grid))[::-1])[::-1]
    per_one = q / at_risk[:, None]
    compensator = np.cumsum(per_one * (censored / at_risk)[:, None], axis=0)
    return np.where(is_censored[:, None], per_one[place], 0.0) - compensator[place]


def _before(values: Array) -> Array:
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
