"""Generalised estimating equations: averages over patients, with errors robust to their repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit
from scipy.stats import norm

from commensal.errors import InputError, RefusedError, nearest

Array = np.ndarray

LINKS = ("logit", "identity", "log")
CORRELATIONS = ("independence", "exchangeable", "autoregressive")
MOST_STEPS = 200
CLOSE = 1e-10
SEPARATED = 15.0


@dataclass(frozen=True)
class Marginal:
    """A fitted marginal model.

    ``coefficients`` (p,), their robust ``covariance`` (p, p), the ``naive`` one of the working model, the
    working ``correlation`` parameter (0 under independence), the number of subjects and rows.
    """

    link: str
    working: str
    coefficients: Array
    covariance: Array
    naive: Array
    correlation: float
    n_subjects: int
    n_rows: int
    level: float

    @property
    def se(self) -> Array:
        """Robust standard errors (p,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def p_values(self) -> Array:
        """Two-sided p values (p,) of coefficients of 0, by the normal distribution."""
        return 2 * norm.sf(np.abs(self.coefficients) / self.se)

    def mean(self, row: Sequence[float] | Array) -> tuple[float, float, float, float]:
        """Return the mean at one design row, its standard error, and limits made on the link's scale."""
        x = np.asarray(row, dtype=float)
        eta, se = float(x @ self.coefficients), float(np.sqrt(x @ self.covariance @ x))
        half = float(norm.ppf((1 + self.level) / 2)) * se
        low, mid, high = (float(_mean(np.array(v), self.link)) for v in (eta - half, eta, eta + half))
        return mid, se * float(_slope(np.array(mid), self.link)), low, high


def gee(
    outcome: Sequence[float] | Array,
    *,
    design: Sequence[Any] | Array,
    subject: Sequence[Any] | Array,
    position: Sequence[int] | Array | None = None,
    link: str = "logit",
    working: str = "exchangeable",
    scale: float | None = None,
    level: float = 0.95,
) -> Marginal:
    """Fit a marginal model to repeated outcomes.

    Parameters: ``outcome`` (n,): 0 and 1 under the logit link, counts or rates of zero or more under the log
    link, any number under the identity link. ``design`` (n, p), its intercept a column like others.
    ``subject`` (n,) labels; ``position`` (n,) the place of a row among its subject's visits, a whole number,
    needed for the autoregressive correlation alone. ``scale``: the dispersion to hold fixed; by default 1
    under the logit and log links, and estimated under the identity link.

    Refuses: InputError for shapes, missing values, an unknown link or correlation, outcomes the link does not
    admit. RefusedError for one subject, outcomes all alike, columns that are constant or depend on others,
    predictors that separate the outcomes, and a working correlation that is no correlation.

    Notes: estimating equation Σ D'V⁻¹(y − μ) = 0 with V = A½ R(α) A½; variance function μ(1 − μ), μ or 1;
    a scale other than 1 moves α alone, overdispersion is in the robust errors anyway. α by moments of Pearson
    residuals: the mean product over all pairs of a subject, or over neighbouring visits, over the scale.
    Robust (sandwich) variance without small-sample correction; it is too small for fewer than about 40
    subjects. Valid where visits are missed completely at random.
    Reference: Liang and Zeger 1986, doi:10.1093/biomet/73.1.13.
    """
    if scale is not None and not scale > 0:
        raise InputError(f"scale {scale} is no dispersion", expected="a number above 0")
    y, x, who, where = _checked(outcome, design, subject, position, link, working, level)
    _refuse_unfit(y, x, n_subjects=int(who.max()) + 1)
    beta, alpha = _begin(y, x, link), 0.0
    first, second = _pairs(who, where, working)
    for _ in range(MOST_STEPS):
        parts = _parts(y, x, beta, link)
        alpha = _correlation(parts[0], first, second, scale=_scale(parts[0], x, link, scale))
        bread, score, _ = _equation(parts, who, where, working, alpha)
        step = np.linalg.solve(bread, score)
        beta = beta + step
        _refuse_separation(x @ beta, step, y, link)
        if np.abs(step).max() < CLOSE * max(1.0, float(np.abs(beta).max())):
            break
    else:
        raise RefusedError(
            f"no solution in {MOST_STEPS} steps ({len(y)} rows of {int(who.max()) + 1} subjects)"
        )
    parts = _parts(y, x, beta, link)
    bread, _, scores = _equation(parts, who, where, working, alpha)
    inverse = np.linalg.inv(bread)
    covariance = inverse @ (scores.T @ scores) @ inverse
    naive = inverse * _scale(parts[0], x, link, scale)
    return Marginal(link, working, beta, covariance, naive, alpha, int(who.max()) + 1, len(y), level)


def _mean(eta: Array, link: str) -> Array:
    return {"logit": expit, "log": np.exp, "identity": lambda v: v}[link](eta)


def _slope(mu: Array, link: str) -> Array:
    """The derivative of the mean in the linear predictor; for these links the variance function as well."""
    return {"logit": mu * (1 - mu), "log": mu, "identity": np.ones_like(mu)}[link]


def _begin(y: Array, x: Array, link: str) -> Array:
    """Least squares on the link's scale of outcomes drawn towards their mean."""
    drawn = (y + float(y.mean())) / 2
    target = {"logit": lambda v: logit(v), "log": np.log, "identity": lambda v: v}[link](drawn)
    return np.linalg.lstsq(x, target, rcond=None)[0]


def _parts(y: Array, x: Array, beta: Array, link: str) -> tuple[Array, Array]:
    """Pearson residuals (n,) and the design in their units (n, p)."""
    mu = _mean(x @ beta, link)
    # The canonical links make the derivative the variance function, so both divide by one root.
    root = np.sqrt(_slope(mu, link))
    return (y - mu) / root, x * root[:, None]


def _scale(residual: Array, x: Array, link: str, fixed: float | None) -> float:
    if fixed is not None:
        return fixed
    return float(residual @ residual) / (len(residual) - x.shape[1]) if link == "identity" else 1.0


def _pairs(who: Array, where: Array, working: str) -> tuple[Array, Array]:
    """Rows of each pair that tells the correlation: all pairs of a subject, or neighbouring visits."""
    if working == "independence":
        return np.zeros(0, int), np.zeros(0, int)
    firsts, seconds = [], []
    for lag in range(1, int(np.bincount(who).max())):
        near = np.arange(len(who) - lag)
        kept = who[near] == who[near + lag]
        if working == "autoregressive":
            kept &= where[near + lag] - where[near] == 1
        firsts.append(near[kept])
        seconds.append(near[kept] + lag)
    none = [np.zeros(0, int)]
    return np.concatenate(firsts or none), np.concatenate(seconds or none)


def _correlation(residual: Array, first: Array, second: Array, *, scale: float) -> float:
    return float((residual[first] * residual[second]).mean()) / scale if len(first) else 0.0


def _equation(
    parts: tuple[Array, Array], who: Array, where: Array, working: str, alpha: float
) -> tuple[Array, Array, Array]:
    """Return the bread (p, p), the score (p,) and the scores of subjects (n_subjects, p)."""
    residual, x = parts
    turned = _decorrelated(np.column_stack([residual, x]), who, where, working, alpha)
    scores = _summed(x * turned[:, :1], who)
    return x.T @ turned[:, 1:], scores.sum(axis=0), scores


def _summed(rows: Array, who: Array) -> Array:
    """Sums over each subject of rows sorted by subject."""
    return np.add.reduceat(rows, np.flatnonzero(np.append(True, who[1:] != who[:-1])), axis=0)


def _decorrelated(rows: Array, who: Array, where: Array, working: str, alpha: float) -> Array:
    """Each subject's rows times the inverse of the working correlation."""
    if working == "independence":
        return rows
    sizes = np.bincount(who)
    if working == "autoregressive":
        return _neighbours(rows, who, where, alpha)
    if not -1 / max(int(sizes.max()) - 1, 1) < alpha < 1:
        raise RefusedError(
            f"the working correlation {alpha:.3f} is none for {int(sizes.max())} rows a subject"
        )
    sums = _summed(rows, who)
    shrink = alpha / (1 + (sizes - 1) * alpha)
    return (rows - (shrink[:, None] * sums)[who]) / (1 - alpha)


def _neighbours(rows: Array, who: Array, where: Array, alpha: float) -> Array:
    """The inverse of alpha^distance is a band: only neighbours in a subject enter, gaps as powers."""
    if not -1 < alpha < 1:
        raise RefusedError(f"the working correlation {alpha:.3f} is no correlation")
    same = who[1:] == who[:-1]
    power = np.where(same, alpha ** np.where(same, where[1:] - where[:-1], 1), 0.0)[:, None]
    gone = 1 - power**2
    found = rows.copy()
    found[1:] += (power**2 * rows[1:] - power * rows[:-1]) / gone
    found[:-1] += (power**2 * rows[:-1] - power * rows[1:]) / gone
    return found


def _checked(
    outcome: Any, design: Any, subject: Any, position: Any, link: str, working: str, level: float
) -> tuple[Array, Array, Array, Array]:
    """Outcome, design, subject codes and positions, sorted by subject and position."""
    for value, known, what in ((link, LINKS, "link"), (working, CORRELATIONS, "working correlation")):
        if value not in known:
            raise InputError(f"there is no {what} {value!r}", expected=nearest(value, known))
    if not 0 < level < 1:
        raise InputError(f"level {level} is no confidence level", expected="a number between 0 and 1")
    y, x = np.asarray(outcome, dtype=float), np.asarray(design, dtype=float)
    names = np.asarray(list(subject), dtype=object)
    if y.ndim != 1 or x.ndim != 2 or not len(y) == len(x) == len(names) or not len(y):
        raise InputError(
            f"outcomes of shape {y.shape}, a design of shape {x.shape} and {len(names)} subjects",
            expected="one outcome, one row of the design and one subject for each row",
        )
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise InputError(
            "the outcomes or the design hold missing values",
            expected="finite numbers",
            do="leave out the rows of missed visits, and count them",
        )
    if (link == "logit" and not np.isin(y, (0, 1)).all()) or (link == "log" and (y < 0).any()):
        raise InputError(f"outcomes outside what the {link} link admits", expected="0 and 1, or counts")
    place = {name: code for code, name in enumerate(sorted(set(names)))}
    who = np.array([place[name] for name in names])
    where = _positions(position, len(y), who, working)
    order = np.lexsort((where, who))
    return y[order], x[order], who[order], where[order]


def _positions(position: Any, n: int, who: Array, working: str) -> Array:
    if position is None:
        if working == "autoregressive":
            raise InputError(
                "an autoregressive correlation without positions", expected="position= of each row"
            )
        return np.zeros(n, int)
    where = np.asarray(position)
    if where.shape != (n,) or not np.issubdtype(where.dtype, np.integer):
        raise InputError(f"positions of shape {where.shape}", expected="a whole number for each row")
    if len(np.unique(np.column_stack([who, where]), axis=0)) < n:
        raise InputError("a subject has two rows at one position", expected="one row for each")
    return where


def _refuse_unfit(y: Array, x: Array, *, n_subjects: int) -> None:
    if n_subjects < 2:
        raise RefusedError(f"{n_subjects} subject ({len(y)} rows): no variance between subjects")
    if np.ptp(y) == 0:
        raise RefusedError(f"the outcome is {y[0]:g} in all {len(y)} rows of {n_subjects} subjects")
    if np.linalg.matrix_rank(x) < x.shape[1] or len(y) <= x.shape[1]:
        raise RefusedError(f"of {x.shape[1]} columns some are constant or depend on others ({len(y)} rows)")


def _refuse_separation(eta: Array, step: Array, y: Array, link: str) -> None:
    if link == "logit" and np.abs(eta).max() > SEPARATED and np.abs(step).max() > 0.1:
        raise RefusedError(
            f"the predictors separate the outcomes ({int(y.sum())} of {len(y)} rows are events)"
        )
