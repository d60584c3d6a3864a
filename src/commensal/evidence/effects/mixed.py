"""Mixed models with crossed random effects: linear by REML, logistic by Laplace's approximation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln
from scipy.stats import norm

from commensal.errors import InputError, RefusedError
from commensal.evidence.effects.blocks import (
    Blocks,
    Mode,
    cross_products,
    factorised,
    logistic_mode,
)
from commensal.evidence.logistic import logistic

Array = np.ndarray

FAMILIES = ("linear", "logistic")
# Relative standard deviations below this are zero: the fit is at the boundary.
SINGULAR = 1e-4
STEP = 1e-4
MOST_DENSE = 3000


@dataclass(frozen=True, eq=False)
class Membership:
    """Rows that belong to several levels of a factor at once: ``shares`` (n, levels), rows summing to 1."""

    levels: tuple[str, ...]
    shares: Array

    def __post_init__(self) -> None:
        shares = np.asarray(self.shares, dtype=float)
        is_right = shares.ndim == 2 and shares.shape[1] == len(self.levels) and np.isfinite(shares).all()
        if not is_right or (shares < 0).any() or not np.allclose(shares.sum(axis=1), 1):
            raise InputError(
                f"shares of shape {shares.shape} for {len(self.levels)} levels are no membership",
                expected="one column a level, shares of zero or more, summing to 1 in each row",
            )


@dataclass(frozen=True, eq=False)
class MixedFit:
    """A fitted mixed model.

    ``coefficients`` (p,) with ``covariance`` (p, p) and limits; ``variances`` by factor (and ``residual`` in
    a linear model); ``slope_variance`` and ``slope_covariance`` where there is a random slope. ``effects``
    are the predicted effects of each factor's levels (conditional modes), as level → effect, and ``slopes``
    those of the random slope. ``is_singular``: some variance was estimated as zero.
    """

    names: tuple[str, ...]
    coefficients: Array
    covariance: Array
    lower: Array
    upper: Array
    variances: Mapping[str, float]
    residual: float | None
    slope_variance: float | None
    slope_covariance: float | None
    effects: Mapping[str, Mapping[str, float]]
    slopes: Mapping[str, float]
    log_likelihood: float
    is_singular: bool
    n: int
    n_levels: Mapping[str, int]
    level: float
    method: str

    @property
    def se(self) -> Array:
        """Standard errors of the coefficients, (p,)."""
        return np.sqrt(np.diag(self.covariance))


@dataclass(frozen=True, eq=False)
class _Factor:
    name: str
    levels: tuple[str, ...]
    codes: Array | None
    shares: Array


@dataclass(frozen=True, eq=False)
class _Model:
    """The data of one model; the first factor is the eliminated one where rows have one level of it."""

    y: Array
    trials: Array
    x: Array
    factors: tuple[_Factor, ...]
    slope: Array | None

    @property
    def n_theta(self) -> int:
        return len(self.factors) + (2 if self.slope is not None else 0)

    @property
    def eliminates(self) -> bool:
        return self.factors[0].codes is not None

    def root(self, theta: Array) -> Array:
        """The relative Cholesky factor of the eliminated factor's effects, (k, k)."""
        if self.slope is None:
            return np.array([[theta[0]]])
        return np.array([[theta[0], 0.0], [theta[-2], theta[-1]]])

    def own(self) -> Array:
        n = len(self.y)
        if not self.eliminates:
            return np.zeros((n, 0))
        return np.ones((n, 1)) if self.slope is None else np.column_stack([np.ones(n), self.slope])

    def dense(self) -> Array:
        rest = self.factors[1:] if self.eliminates else self.factors
        return np.hstack([f.shares for f in rest]) if rest else np.zeros((len(self.y), 0))

    def scales(self, theta: Array) -> Array:
        """Relative standard deviation of each dense column, (q,)."""
        first = 1 if self.eliminates else 0
        rest = self.factors[first:]
        return np.concatenate(
            [np.full(len(f.levels), t) for f, t in zip(rest, theta[first:], strict=False)] or [[]]
        )

    def groups(self) -> tuple[Array, int]:
        if self.eliminates:
            return self.factors[0].codes, len(self.factors[0].levels)  # pyright: ignore[reportReturnType]
        return np.zeros(len(self.y), dtype=int), 0


def mixed_model(
    outcome: Array | Sequence[float],
    *,
    fixed: Array,
    factors: Mapping[str, Sequence | Array | Membership],
    family: str = "linear",
    slope: tuple[str, Array] | None = None,
    trials: Array | Sequence[float] | None = None,
    names: Sequence[str] = (),
    level: float = 0.95,
) -> MixedFit:
    """Fit a mixed model with crossed random intercepts, and a correlated random slope for one factor.

    Parameters
    ----------
    outcome : (n,) numbers; in a logistic model 0 and 1, or successes of ``trials``.
    fixed : (n, p) design of the fixed effects, the intercept among its columns.
    factors : name → the level of each row (n labels), or a :class:`Membership` where rows belong to several
        levels by shares (pools of donors). Factors may be crossed or nested, in any order.
    family : "linear" (REML) or "logistic" (Laplace).
    slope : (factor, values (n,)): the factor's effect of the values is random too, correlated with its
        intercept.
    trials : (n,) trials of each row of a logistic model; one each by default.
    names : names of the columns of ``fixed``.

    Refuses
    -------
    InputError for shapes, missing values, an unknown family or factor. RefusedError, with the counts, for a
    factor of one level, a linear model in which a factor has a level for each row, a constant outcome, fixed
    columns that depend on each other, predictors that separate the outcomes, and factors beyond the largest
    with more than 3,000 levels together.

    Notes
    -----
    Linear: y = Xβ + Zb + e, b ~ N(0, σ²ΛΛ'), e ~ N(0, σ²); the criterion log|Z̃'Z̃ + I| + log|X'V⁻¹X| +
    (n − p) log r² is minimised over Λ, β and σ profiled out. Logistic: the integral over b is replaced by
    Laplace's approximation at its mode and maximised over Λ and β together; the covariance of β is from the
    curvature of that criterion in Λ and β. Laplace's variance is biased downward where levels have few rows.
    Limits of coefficients are normal. A variance of zero is an estimate, not a proof (``is_singular``).

    References
    ----------
    Bates et al. 2015, doi:10.18637/jss.v067.i01; Browne et al. 2001, doi:10.1177/1471082X0100100202
    (multiple membership); Patterson & Thompson 1971, doi:10.1093/biomet/58.3.545.
    """
    model = _checked(outcome, fixed, factors, family=family, slope=slope, trials=trials)
    columns = tuple(names) or tuple(f"x{i}" for i in range(model.x.shape[1]))
    if len(columns) != model.x.shape[1]:
        raise InputError(f"{len(columns)} names for {model.x.shape[1]} columns", expected="one each")
    fit = _linear if family == "linear" else _logistic
    return fit(model, columns, level=level)


def _checked(
    outcome: Array | Sequence[float],
    fixed: Array,
    factors: Mapping[str, Sequence | Array | Membership],
    *,
    family: str,
    slope: tuple[str, Array] | None,
    trials: Array | Sequence[float] | None,
) -> _Model:
    y, x = np.asarray(outcome, dtype=float), np.asarray(fixed, dtype=float)
    m = np.ones(len(y)) if trials is None else np.asarray(trials, dtype=float)
    if family not in FAMILIES:
        raise InputError(f"there is no family {family!r}", expected=", ".join(FAMILIES))
    if x.ndim != 2 or len(x) != len(y) or len(m) != len(y) or not factors:
        raise InputError(
            f"{len(y)} outcomes with a design of shape {x.shape} and {len(factors)} factors",
            expected="one row of the design for each outcome, and at least one factor",
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all() and np.isfinite(m).all()):
        raise InputError(
            "the outcome or design holds missing values",
            do="leave out or impute what is missing, and count it",
        )
    found = [_factor(name, levels, n=len(y)) for name, levels in factors.items()]
    _refuse(y, m, x, found, family=family)
    return _Model(y, m, x, *_arranged(found, slope, n=len(y)))


def _factor(name: str, given: Sequence | Array | Membership, *, n: int) -> _Factor:
    if isinstance(given, Membership):
        factor = _Factor(name, given.levels, None, np.asarray(given.shares, dtype=float))
    else:
        levels, codes = np.unique(np.asarray(given).astype(str), return_inverse=True)
        factor = _Factor(name, tuple(levels.tolist()), codes, np.zeros((len(codes), 0)))
    size = len(factor.shares) if factor.codes is None else len(factor.codes)
    if size != n:
        raise InputError(f"factor {name} has {size} rows for {n} outcomes", expected="one each")
    return factor


def _refuse(y: Array, m: Array, x: Array, factors: Sequence[_Factor], *, family: str) -> None:
    for factor in factors:
        if len(factor.levels) < 2:
            raise RefusedError(f"factor {factor.name} has {len(factor.levels)} level among {len(y)} rows")
        if family == "linear" and factor.codes is not None and len(factor.levels) == len(y):
            raise RefusedError(
                f"factor {factor.name} has a level for each of {len(y)} rows: no residual is left"
            )
    if family == "linear":
        if np.ptp(y) == 0:
            raise RefusedError(f"all {len(y)} outcomes are {y[0]:g}")
        if np.linalg.matrix_rank(x) < x.shape[1] or len(y) <= x.shape[1]:
            raise RefusedError(
                f"of {x.shape[1]} columns some are constant or depend on others ({len(y)} rows)"
            )
        return
    if (y < 0).any() or (y > m).any() or (y != np.round(y)).any():
        raise InputError(
            "an outcome is no count of successes", expected="0 ≤ successes ≤ trials, whole numbers"
        )
    # Constant outcomes, dependent columns and separation are refused there, with their counts.
    both = np.concatenate([np.ones(len(y)), np.zeros(len(y))])
    logistic(np.vstack([x, x]), both, weights=np.concatenate([y, m - y]))


def _arranged(
    factors: list[_Factor], slope: tuple[str, Array] | None, *, n: int
) -> tuple[tuple[_Factor, ...], Array | None]:
    """Put the factor to eliminate first: the one with the slope, else the largest of single membership."""
    single = [f for f in factors if f.codes is not None]
    values = None
    if slope is not None:
        chosen = [f for f in single if f.name == slope[0]]
        if not chosen:
            raise InputError(
                f"there is no factor {slope[0]!r} of single membership for the slope",
                expected=", ".join(f.name for f in single),
            )
        values = np.asarray(slope[1], dtype=float)
        if values.shape != (n,) or not np.isfinite(values).all() or np.ptp(values) == 0:
            raise InputError(
                "the values of the slope are missing or constant", expected=f"{n} finite numbers"
            )
    else:
        chosen = sorted(single, key=lambda f: (-len(f.levels), f.name))[:1]
    rest = [_dense(f) for f in factors if f not in chosen]
    n_dense = sum(len(f.levels) for f in rest)
    if n_dense > MOST_DENSE:
        raise RefusedError(f"{n_dense} levels beside the largest factor: more than {MOST_DENSE}")
    return (*chosen, *rest), values


def _dense(factor: _Factor) -> _Factor:
    if factor.codes is None:
        return factor
    shares = (factor.codes[:, None] == np.arange(len(factor.levels))).astype(float)
    return _Factor(factor.name, factor.levels, None, shares)


def _start(model: _Model) -> tuple[Array, list[tuple[float | None, float | None]]]:
    start = np.ones(model.n_theta)
    bounds: list[tuple[float | None, float | None]] = [(0.0, None)] * model.n_theta
    if model.slope is not None:
        start[-2], bounds[-2] = 0.0, (None, None)
        start[-1] = 1 / max(1.0, float(np.std(model.slope)))
    return start, bounds


def _linear(model: _Model, names: tuple[str, ...], *, level: float) -> MixedFit:
    group, n_groups = model.groups()
    blocks = Blocks(group, n_groups, model.own(), np.hstack([model.dense(), model.x]))
    products = cross_products(blocks, np.ones(len(model.y)))
    moments = blocks.moments(model.y)
    n, p = model.x.shape
    total = float(model.y @ model.y)

    def at(theta: Array):
        root = model.root(theta)
        scale = np.concatenate([model.scales(theta), np.ones(p)])
        k = products[0].shape[1]
        own = np.einsum("ji,gjk,kl->gil", root, products[0], root) + np.eye(k) if k else products[0]
        cross = np.einsum("ji,gjq->giq", root, products[1]) * scale if k else products[1]
        ridge = np.diag(np.concatenate([np.ones(len(scale) - p), np.zeros(p)]))
        solved = factorised(blocks, (own, cross, products[2] * np.outer(scale, scale) + ridge))
        right = (moments[0] @ root if k else moments[0], moments[1] * scale)
        own_effects, dense = solved.solve(*right)
        residual = total - float((own_effects * right[0]).sum()) - float(dense @ right[1])
        return solved, own_effects, dense, residual

    def criterion(theta: Array) -> float:
        solved, _, _, residual = at(theta)
        return solved.log_determinant + (n - p) * (1 + np.log(2 * np.pi * residual / (n - p)))

    theta = _minimised(criterion, *_start(model))
    solved, own_effects, dense, residual = at(theta)
    sigma2 = residual / (n - p)
    return _fit(
        model,
        names,
        theta=theta,
        coefficients=dense[-p:],
        covariance=sigma2 * solved.covariance[-p:, -p:],
        modes=(own_effects, dense[:-p]),
        sigma2=sigma2,
        log_likelihood=-criterion(theta) / 2,
        level=level,
        method="linear mixed model by REML, normal limits",
    )


def _minimised(criterion, start: Array, bounds: list) -> Array:
    """Minimise from two starts; the polish walks off plateaus that the gradient steps stop on."""
    found = [
        minimize(criterion, start * size, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12})
        for size in (1.0, 0.1)
    ]
    best = min(found, key=lambda f: f.fun)
    tight = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 400}
    polished = minimize(criterion, best.x, method="Nelder-Mead", bounds=bounds, options=tight)
    return polished.x if polished.fun < best.fun else best.x


@dataclass(eq=False)
class _Laplace:
    """Laplace's criterion of a logistic mixed model and its gradient; remembers the last mode to start at."""

    model: _Model
    last: tuple[Array, Array] | None = None

    def mode(self, theta: Array, beta: Array) -> Mode:
        model = self.model
        group, n_groups = model.groups()
        own = model.own() @ model.root(theta) if model.eliminates else model.own()
        dense = model.dense() * model.scales(theta)
        found = logistic_mode(
            Blocks(group, n_groups, own, dense),
            model.y,
            model.trials,
            offset=model.x @ beta,
            own_precision=np.eye(own.shape[1]),
            dense_precision=np.eye(dense.shape[1]),
            start=self.last,
        )
        self.last = found.own, found.dense
        return found

    def split(self, parameters: Array) -> tuple[Array, Array]:
        return parameters[: self.model.n_theta], parameters[self.model.n_theta :]

    def deviance(self, parameters: Array) -> float:
        found = self.mode(*self.split(parameters))
        return -2 * found.objective + found.solved.log_determinant

    def gradient(self, parameters: Array) -> Array:
        theta, _ = self.split(parameters)
        slopes = []
        for i in range(len(theta)):
            up, down = parameters.copy(), parameters.copy()
            up[i], down[i] = up[i] + STEP, max(down[i] - STEP, 0.0) if self.is_scale(i) else down[i] - STEP
            slopes.append((self.deviance(up) - self.deviance(down)) / (up[i] - down[i]))
        return np.concatenate([slopes, self.by_beta(self.mode(*self.split(parameters)))])

    def is_scale(self, i: int) -> bool:
        """Whether parameter i is a relative standard deviation, which cannot be negative."""
        return not (self.model.slope is not None and i == self.model.n_theta - 2)

    def by_beta(self, mode: Mode) -> Array:
        model, blocks = self.model, mode.solved.blocks
        weight = model.trials * mode.fitted * (1 - mode.fitted)
        pull = weight * (1 - 2 * mode.fitted) * mode.solved.leverage()
        # The mode moves with β: dη = dx − Z̃ A⁻¹ Z̃'W dx.
        moved = mode.solved.solve(*blocks.moments(pull))
        through = pull - weight * blocks.predicted(*moved)
        return model.x.T @ (through - 2 * (model.y - model.trials * mode.fitted))


def _logistic(model: _Model, names: tuple[str, ...], *, level: float) -> MixedFit:
    laplace = _Laplace(model)
    both = np.concatenate([np.ones(len(model.y)), np.zeros(len(model.y))])
    plain = logistic(
        np.vstack([model.x, model.x]), both, weights=np.concatenate([model.y, model.trials - model.y])
    )
    theta, bounds = _start(model)
    start = np.concatenate([theta * 0.5, plain.coefficients])
    limits = [*bounds, *[(None, None)] * model.x.shape[1]]
    options = {"ftol": 1e-13, "gtol": 1e-7, "maxiter": 500}
    found = minimize(
        laplace.deviance, start, jac=laplace.gradient, method="L-BFGS-B", bounds=limits, options=options
    )
    theta, beta = laplace.split(found.x)
    mode = laplace.mode(theta, beta)
    return _fit(
        model,
        names,
        theta=theta,
        coefficients=beta,
        covariance=_curvature_covariance(laplace, found.x),
        modes=(mode.own, mode.dense),
        sigma2=None,
        log_likelihood=-laplace.deviance(found.x) / 2 + _choices(model),
        level=level,
        method="logistic mixed model, Laplace's approximation, covariance from the full curvature",
    )


def _choices(model: _Model) -> float:
    """The log binomial coefficients: they make likelihoods of grouped counts comparable with other tools."""
    y, m = model.y, model.trials
    return float((gammaln(m + 1) - gammaln(y + 1) - gammaln(m - y + 1)).sum())


def _curvature_covariance(laplace: _Laplace, at: Array) -> Array:
    n_theta = laplace.model.n_theta
    # A variance at zero has no curvature: it is held fixed.
    free = [i for i in range(len(at)) if i >= n_theta or not laplace.is_scale(i) or at[i] > 10 * STEP]
    hessian = np.zeros((len(free), len(free)))
    for row, i in enumerate(free):
        up, down = at.copy(), at.copy()
        up[i], down[i] = up[i] + STEP, down[i] - STEP
        hessian[row] = ((laplace.gradient(up) - laplace.gradient(down)) / (2 * STEP))[free]
    n_beta = len(at) - n_theta
    whole = (hessian + hessian.T) / 2
    inverse = 2 * np.linalg.inv(whole)[-n_beta:, -n_beta:]
    if (np.diag(inverse) > 0).all():
        return inverse
    return 2 * np.linalg.inv(whole[-n_beta:, -n_beta:])


def _fit(
    model: _Model,
    names: tuple[str, ...],
    *,
    theta: Array,
    coefficients: Array,
    covariance: Array,
    modes: tuple[Array, Array],
    sigma2: float | None,
    log_likelihood: float,
    level: float,
    method: str,
) -> MixedFit:
    scale2 = 1.0 if sigma2 is None else sigma2
    variances = {f.name: float(scale2 * t**2) for f, t in zip(model.factors, theta, strict=False)}
    slope_variance = slope_covariance = None
    if model.slope is not None:
        root = model.root(theta)
        whole = scale2 * root @ root.T
        slope_variance, slope_covariance = float(whole[1, 1]), float(whole[1, 0])
    z = norm.ppf((1 + level) / 2) * np.sqrt(np.diag(covariance))
    effects, slopes = _effects(model, theta, modes)
    return MixedFit(
        names=names,
        coefficients=coefficients,
        covariance=covariance,
        lower=coefficients - z,
        upper=coefficients + z,
        variances=variances,
        residual=sigma2,
        slope_variance=slope_variance,
        slope_covariance=slope_covariance,
        effects=effects,
        slopes=slopes,
        log_likelihood=float(log_likelihood),
        is_singular=bool((theta[: len(model.factors)] < SINGULAR).any()),
        n=len(model.y),
        n_levels={f.name: len(f.levels) for f in model.factors},
        level=level,
        method=method,
    )


def _effects(
    model: _Model, theta: Array, modes: tuple[Array, Array]
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    out, slopes = {}, {}
    dense = modes[1] * model.scales(theta)
    rest = model.factors
    if model.eliminates:
        own = modes[0] @ model.root(theta).T
        first, rest = rest[0], rest[1:]
        out[first.name] = dict(zip(first.levels, own[:, 0].tolist(), strict=True))
        if model.slope is not None:
            slopes = dict(zip(first.levels, own[:, 1].tolist(), strict=True))
    at = 0
    for factor in rest:
        out[factor.name] = dict(zip(factor.levels, dense[at : at + len(factor.levels)].tolist(), strict=True))
        at += len(factor.levels)
    return out, slopes
