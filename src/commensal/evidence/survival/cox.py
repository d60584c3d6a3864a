"""Cox's proportional-hazards model: Efron and Breslow ties, late entry, strata, weights, clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from commensal.errors import InputError, RefusedError
from commensal.evidence.survival.limits import quantile_of
from commensal.evidence.survival.moments import EventRows, death_sums, event_rows, moments, tied_rows
from commensal.evidence.survival.risk_sets import Array, coded, observed

MOST_STEPS = 40
CLOSE = 1e-11
# At the maximum a further step is nothing; where there is no maximum every step goes on (in SD of a column).
STILL_MOVING = 1e-3


@dataclass(frozen=True)
class CoxFit:
    """A fitted hazard model.

    ``coefficients`` (p,) are log hazard ratios per unit of a column, ``covariance`` (p, p) that of the
    inverse information, ``robust_covariance`` the sandwich over clusters (None where not asked for);
    ``likelihood_ratio``, ``wald`` and ``score`` test all coefficients at once on ``df`` degrees.
    ``baseline_*`` are the distinct event times with their stratum and hazard increment at the mean
    covariates ``means``.
    """

    names: tuple[str, ...]
    coefficients: Array
    covariance: Array
    robust_covariance: Array | None
    log_likelihood: float
    log_likelihood_null: float
    score: float
    n: int
    n_events: int
    ties: str
    means: Array
    baseline_stratum: tuple[Any, ...]
    baseline_time: Array
    baseline_hazard: Array

    @property
    def se(self) -> Array:
        """Standard errors: robust where there is a robust covariance."""
        used = self.covariance if self.robust_covariance is None else self.robust_covariance
        return np.sqrt(np.diag(used))

    @property
    def model_se(self) -> Array:
        """Standard errors of the inverse information, whatever the clusters."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_values(self) -> Array:
        """Two-sided p value of each coefficient (Wald)."""
        return 2 * ndtr(-np.abs(self.coefficients / self.se))

    @property
    def df(self) -> int:
        """Number of coefficients."""
        return len(self.coefficients)

    @property
    def likelihood_ratio(self) -> float:
        """Twice the gain in log partial likelihood over no covariates."""
        return 2 * (self.log_likelihood - self.log_likelihood_null)

    @property
    def wald(self) -> float:
        """βᵀ V⁻¹ β, with the robust covariance where there is one."""
        used = self.covariance if self.robust_covariance is None else self.robust_covariance
        return float(self.coefficients @ np.linalg.solve(used, self.coefficients))

    def limits(self, level: float = 0.95) -> tuple[Array, Array]:
        """Lower and upper limits of the coefficients."""
        width = quantile_of(level) * self.se
        return self.coefficients - width, self.coefficients + width

    def survival(self, covariates: Any, *, at: float, stratum: Any = None) -> Array:
        """Predicted probability (m,) of no event by ``at`` for rows of covariates (m, p).

        ``stratum`` names the baseline (needed where the model has several).
        """
        levels = sorted(set(self.baseline_stratum), key=str)
        if stratum is None and len(levels) > 1:
            raise InputError("the model has several baselines", expected="a stratum", do="name one")
        wanted = np.array([stratum is None or s == stratum for s in self.baseline_stratum], dtype=bool)
        hazard = self.baseline_hazard[wanted & (self.baseline_time <= at)].sum()
        relative = np.exp((np.asarray(covariates, dtype=float) - self.means) @ self.coefficients)
        return np.exp(-hazard * relative)


@dataclass(frozen=True)
class Prepared:
    """Checked and scaled data of a hazard model: x (n, p) centred and in SD units, w (n,), event rows."""

    x: Array
    w: Array
    rows: EventRows
    ties: str
    means: Array
    scale: Array
    strata: tuple[Any, ...]


def cox(
    time: Any,
    event: Any,
    covariates: Any,
    *,
    entry: Any = None,
    stratum: Any = None,
    weights: Any = None,
    cluster: Any = None,
    ties: str = "efron",
    names: Sequence[str] = (),
) -> CoxFit:
    """Fit log hazard ratios of ``covariates`` (n, p) for the event (0 censored, anything else the event).

    ``entry``, ``stratum`` (own baseline hazard each) and ``weights`` as :func:`kaplan_meier`; ``cluster``
    labels patients (or rows) that may depend on each other. With ``cluster`` or ``weights`` the standard
    errors are robust (sandwich over clusters, each row its own where no cluster is given). ``ties`` is
    "efron" or "breslow". For a cause-specific hazard give the other causes as censored.

    Refuses: InputError for shapes and values that do not fit; RefusedError, with the counts, where there is
    no event, where a column is constant or depends on others, and where the likelihood has no maximum
    (monotone: some column orders the events without exception).

    Notes
        λ(t | x) = λ₀(t) exp(xᵀβ); β maximises the partial likelihood. A hazard ratio compares those still at
        risk, and is no effect of treatment where groups were not randomised.
    References: Cox, JRSS B 1972;34:187; Efron, JASA 1977;72:557; Lin & Wei, JASA 1989;84:1074.
    """
    made = prepared(
        time, event, covariates, entry=entry, stratum=stratum, weights=weights, ties=ties, names=names
    )
    labels = column_names(names, made.x.shape[1])
    beta, steps = maximised(made, labels)
    variance = np.linalg.inv(steps[-1].information)
    start = steps[0]
    robust = None
    if cluster is not None or weights is not None:
        robust = _sandwich(score_residuals(made, beta), made.w, variance, cluster)
    hazard, _ = _hazards(made, beta)
    outer = np.outer(made.scale, made.scale)
    return CoxFit(
        names=labels,
        coefficients=beta / made.scale,
        covariance=variance / outer,
        robust_covariance=None if robust is None else robust / outer,
        log_likelihood=steps[-1].likelihood,
        log_likelihood_null=start.likelihood,
        score=float(start.gradient @ np.linalg.solve(start.information, start.gradient)),
        n=int((made.w > 0).sum()),
        n_events=len(made.rows.deaths),
        ties=ties,
        means=made.means,
        baseline_stratum=tuple(made.strata[s] for s in made.rows.stratum),
        baseline_time=made.rows.time.astype(float),
        baseline_hazard=hazard[0],
    )


def column_names(names: Sequence[str], p: int) -> tuple[str, ...]:
    """Names of the columns; x1, x2 … where none are given."""
    if names and len(names) != p:
        raise InputError(f"{len(names)} names for {p} columns", expected="one name a column")
    return tuple(names) or tuple(f"x{i + 1}" for i in range(p))


def matrix_of(covariates: Any, n: int) -> Array:
    """Covariates as a finite (n, p) matrix. Refuses (InputError) other shapes and missing values."""
    x = np.asarray(covariates, dtype=float)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) != n or not x.shape[1]:
        raise InputError(f"covariates of shape {x.shape} for {n} patients", expected="one row a patient")
    if missing := int((~np.isfinite(x)).any(axis=1).sum()):
        raise InputError(
            f"{missing} of {n} rows have a missing covariate",
            expected="finite numbers",
            do="leave these patients out or impute, and count them",
        )
    return x


def prepared(
    time: Any,
    event: Any,
    covariates: Any,
    *,
    entry: Any,
    stratum: Any,
    weights: Any,
    ties: str,
    names: Sequence[str] = (),
) -> Prepared:
    """Check the data of a Cox model; rows without weight are taken out."""
    if ties not in ("efron", "breslow"):
        raise InputError(f"ties {ties!r} are not known", expected="efron or breslow")
    data = observed(time, event, entry=entry, weights=weights, stratum=stratum)
    n = len(data.time)
    x = matrix_of(covariates, n)
    labels = column_names(names, x.shape[1])
    w = data.weights
    # A row of no weight must not count as a death in a tie.
    is_event = (data.event != 0) & (w > 0)
    refuse_unfit(x[w > 0], is_event[w > 0], labels)
    means, scale = np.average(x, axis=0, weights=w), x[w > 0].std(axis=0)
    codes = np.zeros(n, dtype=np.int64) if data.stratum is None else data.stratum
    rows = event_rows(data.time, is_event, entry=data.entry, stratum=codes)
    return Prepared((x - means) / scale, w, rows, ties, means, scale, data.strata)


def refuse_unfit(x: Array, is_event: Array, names: Sequence[str]) -> None:
    """Refuse (RefusedError) no events, constant and dependent columns, and levels without any event."""
    n, events = len(x), int(is_event.sum())
    counts = f"{events} events among {n} patients"
    if not events:
        raise RefusedError(f"{counts}: no hazard can be modelled", do="wait for events, or describe")
    for column, name in zip(x.T, names, strict=True):
        if column.min() == column.max():
            raise RefusedError(f"column {name} is constant ({counts})", do="leave it out")
    if np.linalg.matrix_rank((x - x.mean(axis=0)) / x.std(axis=0)) < x.shape[1]:
        raise RefusedError(f"of {x.shape[1]} columns some depend on others ({counts})", do="leave some out")
    for column, name in zip(x.T, names, strict=True):
        levels = np.unique(column)
        if len(levels) == 2 and len(set(column[is_event])) == 1:
            without = levels[levels != column[is_event][0]][0]
            raise RefusedError(
                f"column {name}: no event among the {int((column == without).sum())} patients with "
                f"{without:g} ({counts}): its hazard ratio has no finite estimate",
                do="merge levels or leave it out",
            )


@dataclass(frozen=True)
class Step:
    """Log likelihood, gradient (p,) and information (p, p) at one β."""

    likelihood: float
    gradient: Array
    information: Array


def maximised(made: Prepared, names: Sequence[str]) -> tuple[Array, list[Step]]:
    """Newton–Raphson from zero with step halving; refuses where no maximum is found."""
    beta = np.zeros(made.x.shape[1])
    steps = [likelihood_at(made, beta)]
    move = np.zeros_like(beta)
    for _ in range(MOST_STEPS):
        move = _newton(steps[-1], made)
        current = likelihood_at(made, beta + move)
        halvings = 0
        while not current.likelihood >= steps[-1].likelihood - 1e-12 * abs(steps[-1].likelihood):
            move, halvings = move / 2, halvings + 1
            if halvings > 30:
                break
            current = likelihood_at(made, beta + move)
        beta = beta + move
        gain = current.likelihood - steps[-1].likelihood
        steps.append(current)
        if abs(gain) <= CLOSE * (abs(current.likelihood) + CLOSE):
            break
    if np.abs(_newton(steps[-1], made)).max() > STILL_MOVING or np.abs(beta).max() > 40:
        worst = names[int(np.abs(beta).argmax())]
        raise RefusedError(
            f"the likelihood has no maximum ({len(made.rows.deaths)} events among {len(made.x)} patients): "
            f"{worst} orders the events without exception, no finite hazard ratio fits",
            do="leave columns out, or merge levels",
        )
    return beta, steps


def _newton(step: Step, made: Prepared) -> Array:
    try:
        return np.linalg.solve(step.information, step.gradient)
    except np.linalg.LinAlgError:
        raise RefusedError(
            f"the risk sets hold no information on the columns ({len(made.rows.deaths)} events among "
            f"{len(made.x)} patients)"
        ) from None


def likelihood_at(made: Prepared, beta: Array) -> Step:
    """Log partial likelihood at β with its derivatives."""
    x, rows = made.x, made.rows
    eta = x @ beta
    shift = eta.max()
    r = made.w * np.exp(eta - shift)
    risk, dead = moments(rows, x, r, of="risk"), moments(rows, x, r, of="deaths")
    share = death_sums(rows, made.w) / rows.n_deaths
    weight = made.w[rows.deaths]
    total = float((weight * (eta[rows.deaths] - shift)).sum())
    gradient = weight @ x[rows.deaths]
    information = np.zeros((x.shape[1], x.shape[1]))
    for part in tied_rows(rows, ties=made.ties):
        k, f = part.k, part.fraction
        zero = risk.zero[k] - f * dead.zero[k]
        mean = (risk.one[k] - f[:, None] * dead.one[k]) / zero[:, None]
        total -= float((share[k] * np.log(zero)).sum())
        gradient = gradient - share[k] @ mean
        information += weighted_sum(rows, risk.two, dead.two, k, f, share[k] / zero)
        information -= (mean * share[k][:, None]).T @ mean
    return Step(total, gradient, information)


def weighted_sum(rows: EventRows, risk: Array, dead: Array, k: Array, f: Array, weight: Array) -> Array:
    """Σ weight (risk[k] − f dead[k]) over the terms, summed to event rows first: (p, p)."""
    whole = np.bincount(k, weights=weight, minlength=rows.n)
    taken = np.bincount(k, weights=weight * f, minlength=rows.n)
    p = risk.shape[1]
    summed = whole @ risk.reshape(-1, p * p) - taken @ dead.reshape(-1, p * p)
    return summed.reshape(p, p)


def _hazards(made: Prepared, beta: Array) -> tuple[tuple[Array, Array], tuple[Array, Array, Array]]:
    """Hazard increments Σ_l and Σ_l x̄ per event row; the same as the deaths there see them; mean x̄."""
    x, rows = made.x, made.rows
    p = x.shape[1]
    r = made.w * np.exp(x @ beta)
    risk = moments(rows, x, r, of="risk", second=False)
    dead = moments(rows, x, r, of="deaths", second=False)
    share = death_sums(rows, made.w) / rows.n_deaths
    hazard, own, sums = np.zeros(rows.n), np.zeros(rows.n), np.zeros((3, rows.n, p))
    for part in tied_rows(rows, ties=made.ties):
        k, f = part.k, part.fraction
        zero = risk.zero[k] - f * dead.zero[k]
        mean = (risk.one[k] - f[:, None] * dead.one[k]) / zero[:, None]
        step = share[k] / zero
        hazard += np.bincount(k, weights=step, minlength=rows.n)
        own += np.bincount(k, weights=step * (1 - f), minlength=rows.n)
        for a in range(p):
            for i, factor in enumerate((step, step * (1 - f), 1 / rows.n_deaths[k])):
                sums[i, :, a] += np.bincount(k, weights=factor * mean[:, a], minlength=rows.n)
    return (hazard, sums[0]), (own, sums[1], sums[2])


def score_residuals(made: Prepared, beta: Array) -> Array:
    """Each patient's contribution (n, p) to the gradient at β, unweighted; they sum to zero (weighted)."""
    x, rows = made.x, made.rows
    (hazard, drift), (own, own_drift, mean) = _hazards(made, beta)
    relative = np.exp(x @ beta)[:, None]
    until, until_drift = _before(hazard), _before(drift)
    lived = (until[rows.last] - until[rows.first])[:, None]
    residual = -relative * (x * lived - (until_drift[rows.last] - until_drift[rows.first]))
    i, k = rows.deaths, rows.row
    less = (hazard - own)[k][:, None]
    residual[i] += x[i] - mean[k] + relative[i] * (x[i] * less - (drift - own_drift)[k])
    return residual


def _before(values: Array) -> Array:
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])


def _sandwich(residuals: Array, w: Array, variance: Array, cluster: Any) -> Array:
    influence = (w[:, None] * residuals) @ variance
    if cluster is not None:
        codes, levels = coded(cluster)
        assert codes is not None
        influence = np.column_stack([np.bincount(codes, column, len(levels)) for column in influence.T])
    return influence.T @ influence
