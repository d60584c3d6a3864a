"""Do donors differ, and by how much? Shrunken effects with "donors are equal" as a live hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import expit, logsumexp
from scipy.stats import chi2, norm

from commensal.errors import InputError, RefusedError
from commensal.evidence.effects.blocks import Blocks, Mode, logistic_mode
from commensal.evidence.effects.mixed import Membership

Array = np.ndarray

CANNOT_TELL, EQUAL, DIFFERENT = "cannot_tell", "equal", "different"
# Strata are levels of their own, held only weakly: an odds ratio of 20 between strata is no surprise.
STRATUM_SD = 1.5
SITE_SDS = (0.0, 0.25, 0.5, 1.0)
# Standard deviations on which the likelihood of the variance is looked at.
PROFILE_SDS = (0.0, 0.1, 0.2, 0.3, 0.45, 0.65, 0.9, 1.3, 2.0, 3.0)
POWER_SD = 0.5
POWER_LEVEL = 0.05


@dataclass(frozen=True)
class DonorPrior:
    """What is held possible before any outcome, and when a claim is made.

    ``prior_null`` is the probability that donors are equal: one half or more. ``effect_sds`` are the standard
    deviations of donor effects (log-odds) that the alternative holds possible, equally. Donors are called
    different, or equal, where the posterior probability of that reaches ``claim_at`` and the permutation
    within strata does not contradict. A donor is called much better (or worse) than the average where the
    posterior probability of an odds ratio beyond ``claim_odds_ratio`` reaches ``claim_at``.
    """

    prior_null: float = 0.5
    effect_sds: tuple[float, ...] = (0.25, 0.5, 1.0)
    claim_odds_ratio: float = 1.5
    claim_at: float = 0.95

    def __post_init__(self) -> None:
        _demand(0.5 <= self.prior_null < 1, "prior_null", self.prior_null, "at least .5 and below 1")
        _demand(self.claim_odds_ratio >= 1, "claim_odds_ratio", self.claim_odds_ratio, "1 or more")
        _demand(0.5 < self.claim_at < 1, "claim_at", self.claim_at, "between .5 and 1")
        sds_are_right = bool(self.effect_sds) and all(0 < s <= 2 for s in self.effect_sds)
        _demand(sds_are_right, "effect_sds", self.effect_sds, "log-odds above 0, at most 2")


def _demand(is_right: bool, name: str, value: object, expected: str) -> None:
    if not is_right:
        raise InputError(f"{name} is {value}", expected=expected, do=f"change {name} in the analysis file")


@dataclass(frozen=True, eq=False)
class DonorFit:
    """What the outcomes say of donors.

    ``p_null`` is the posterior probability that donors are equal, ``p_value`` that of the permutation within
    strata (None where no label can be exchanged), ``verdict`` cannot_tell, equal or different. Of each donor
    in ``donors``: ``effect`` the posterior mean log-odds ratio to the average of the donors, ``se`` its
    posterior standard deviation, ``lower`` and ``upper`` limits, the null included in all; ``p_better`` and
    ``p_worse`` the probabilities of an odds ratio beyond the claimed one. ``variance`` maximises the
    likelihood, with limits where it has fallen by the χ² quantile; ``site_variance`` likewise where there are
    sites. ``power`` is that of the permutation statistic where donors differ with a standard deviation of .5.
    ``n_exchangeable`` are rows in strata with more than one composition of donors.
    """

    donors: tuple[str, ...]
    p_null: float
    p_value: float | None
    verdict: str
    effect: Array
    se: Array
    lower: Array
    upper: Array
    p_better: Array
    p_worse: Array
    variance: float
    variance_lower: float
    variance_upper: float
    site_variance: float | None
    power: float
    n: int
    n_events: int
    n_strata: int
    n_exchangeable: int


@dataclass(frozen=True, eq=False)
class _Data:
    y: Array
    x: Array
    stratum: Array
    n_strata: int
    shares: Array
    sites: Array

    def fit(self, donor_sd: float, site_sd: float, start: Mode | None = None) -> tuple[Mode, float]:
        """Return the mode with donors and sites of these deviations, and its log marginal likelihood."""
        parts, precision = [self.x], [np.zeros(self.x.shape[1])]
        log_prior = 0.0
        for columns, sd in ((self.sites, site_sd), (self.shares, donor_sd)):
            if sd > 0:
                parts.append(columns)
                precision.append(np.full(columns.shape[1], sd**-2))
                log_prior -= columns.shape[1] * np.log(sd)
        dense = np.hstack(parts)
        mode = logistic_mode(
            Blocks(self.stratum, self.n_strata, np.ones((len(self.y), 1)), dense),
            self.y,
            np.ones(len(self.y)),
            offset=np.zeros(len(self.y)),
            own_precision=np.array([[STRATUM_SD**-2]]),
            dense_precision=np.diag(np.concatenate(precision)),
            start=None if start is None else _resized(start, dense.shape[1]),
        )
        return mode, mode.objective + log_prior - mode.solved.log_determinant / 2


def _resized(start: Mode, n_columns: int) -> tuple[Array, Array]:
    dense = np.zeros(n_columns)
    shared = min(n_columns, len(start.dense))
    dense[:shared] = start.dense[:shared]
    return start.own, dense


def donor_model(
    success: Array | Sequence[int],
    *,
    donors: Membership,
    strata: Sequence | Array,
    sites: Sequence | Array | None = None,
    covariates: Array | None = None,
    prior: DonorPrior | None = None,
    level: float = 0.95,
    n_permutations: int = 999,
    seed: int,
) -> DonorFit:
    """Weigh "donors are equal" against "donors differ" by the outcomes, one row a patient.

    Parameters
    ----------
    success : (n,) observed outcomes, 1 success and 0 failure. Outcomes not observed are not in it.
    donors : shares of each donor in what each patient was given; a pool counts by its members' shares.
    strata : (n,) labels within which donors are compared (indication × calendar period × route × course
        number).
    sites : (n,) labels; a random effect crossed with donors. One site is none.
    covariates : (n, p) columns to adjust for besides, without an intercept.

    Refuses
    -------
    InputError for shapes and missing values; RefusedError, with the counts, for fewer than two donors and for
    outcomes that are all alike.

    Notes
    -----
    log-odds of success of patient i = α + x_i'γ + a_stratum + s_site + Σ_d share_id u_d, with a ~ N(0, 1.5²),
    α and γ flat. Null: every u_d is exactly 0. Alternative: u_d ~ N(0, s²), s one of ``effect_sds`` with
    equal weight; sites' standard deviation one of 0, .25, .5, 1. P(null | outcomes) by the marginal
    likelihoods, by Laplace's approximation. Effects are against the average of the donors and averaged over
    null and alternatives, so that their intervals hold the doubt whether there is any effect.
    The permutation exchanges whole patients' donors within strata: Σ_d (Σ_i share_id r_i)², r the residuals
    of the null model; p = (as large + 1)/(permutations + 1).

    References
    ----------
    Olesen & Gerardin 2021, doi:10.1038/s41598-021-96680-x; Browne et al. 2001,
    doi:10.1177/1471082X0100100202; Lin 1997, doi:10.1093/biomet/84.2.309 (score statistic).
    """
    prior = prior or DonorPrior()
    data = _checked(success, donors, strata, sites, covariates)
    site_sds = SITE_SDS if data.sites.shape[1] > 1 else (0.0,)
    nulls = [data.fit(0.0, t) for t in site_sds]
    at_null = nulls[int(np.argmax([m for _, m in nulls]))][0]
    worlds = [(s, t) for s in prior.effect_sds for t in site_sds]
    fits = [data.fit(s, t, start=at_null) for s, t in worlds]
    p_null = _p_null([m for _, m in nulls], [m for _, m in fits], prior=prior)
    p_value, n_exchangeable = _permutation(data, at_null, n_permutations=n_permutations, seed=seed)
    posterior = _posterior(fits, n_donors=data.shares.shape[1], p_null=p_null, level=level, prior=prior)
    best_site = site_sds[int(np.argmax([m for _, m in nulls]))]
    variance = _profile(data, at_null, best_site, level=level)
    return DonorFit(
        donors=donors.levels,
        p_null=p_null,
        p_value=p_value,
        verdict=verdict(p_null, p_value, claim_at=prior.claim_at),
        **posterior,
        variance=variance[0],
        variance_lower=variance[1],
        variance_upper=variance[2],
        site_variance=best_site**2 if len(site_sds) > 1 else None,
        power=_power(data, at_null),
        n=len(data.y),
        n_events=int(data.y.sum()),
        n_strata=data.n_strata,
        n_exchangeable=n_exchangeable,
    )


def verdict(p_null: float, p_value: float | None, *, claim_at: float) -> str:
    """Return different, equal or cannot_tell: the posterior and the permutation must agree."""
    if p_value is None:
        return CANNOT_TELL
    if p_null <= 1 - claim_at and p_value <= 1 - claim_at:
        return DIFFERENT
    return EQUAL if p_null >= claim_at and p_value > 1 - claim_at else CANNOT_TELL


def _checked(
    success: Array | Sequence[int],
    donors: Membership,
    strata: Sequence | Array,
    sites: Sequence | Array | None,
    covariates: Array | None,
) -> _Data:
    y = np.asarray(success, dtype=float)
    n = len(y)
    x = np.ones((n, 1)) if covariates is None else np.column_stack([np.ones(n), covariates])
    if len(donors.shares) != n or len(strata) != n or (sites is not None and len(sites) != n):
        raise InputError(f"{n} outcomes with other numbers of donors, strata or sites", expected="one each")
    if not np.isin(y, (0, 1)).all() or not np.isfinite(x).all():
        raise InputError("an outcome or covariate is missing", expected="0 or 1, and finite covariates")
    if not n:
        raise RefusedError("no patient with a known donor has an observed outcome")
    n_given = int((np.asarray(donors.shares) > 0).any(axis=0).sum())
    if n_given < 2 or n_given < len(donors.levels):
        raise RefusedError(
            f"{n_given} donors of {len(donors.levels)} with an observed outcome ({n} patients)"
        )
    if np.ptp(y) == 0:
        raise RefusedError(f"{int(y.sum())} successes among {n}: all outcomes are alike")
    # Rows stand stratum by stratum, in an order that is theirs and not the caller's.
    names, codes = np.unique(np.asarray(strata).astype(str), return_inverse=True)
    site_names, site_codes = np.unique(
        np.asarray(sites if sites is not None else np.zeros(n)).astype(str), return_inverse=True
    )
    shares = np.asarray(donors.shares, dtype=float)
    order = np.lexsort((*shares.T, *x.T, y, site_codes, codes))
    one_hot = (site_codes[order][:, None] == np.arange(len(site_names))).astype(float)
    return _Data(y[order], x[order], codes[order], len(names), shares[order], one_hot)


def _p_null(null: list[float], alternative: list[float], *, prior: DonorPrior) -> float:
    log_null = logsumexp(null) - np.log(len(null))
    log_alternative = logsumexp(alternative) - np.log(len(alternative))
    return float(expit(np.log(prior.prior_null / (1 - prior.prior_null)) + log_null - log_alternative))


def _posterior(
    fits: list[tuple[Mode, float]], *, n_donors: int, p_null: float, level: float, prior: DonorPrior
) -> dict[str, Array]:
    """Mean, deviation, limits and probabilities of each donor's effect, over null and alternatives."""
    log_weights = np.array([m for _, m in fits])
    weights = (1 - p_null) * np.exp(log_weights - logsumexp(log_weights))
    centre = np.eye(n_donors) - 1 / n_donors
    means = np.array([centre @ mode.dense[-n_donors:] for mode, _ in fits])
    spreads = np.array(
        [
            np.sqrt(np.diag(centre @ mode.solved.covariance[-n_donors:, -n_donors:] @ centre).clip(1e-18))
            for mode, _ in fits
        ]
    )
    mean = weights @ means
    # The null is a point at 0: it widens nothing but draws towards 0.
    second = weights @ (means**2 + spreads**2)
    edge = np.log(prior.claim_odds_ratio)
    tail = (1 - level) / 2
    return {
        "effect": mean,
        "se": np.sqrt(np.maximum(second - mean**2, 0.0)),
        "lower": _quantile(tail, means, spreads, weights, p_null),
        "upper": _quantile(1 - tail, means, spreads, weights, p_null),
        "p_better": weights @ norm.sf((edge - means) / spreads),
        "p_worse": weights @ norm.cdf((-edge - means) / spreads),
    }


def _quantile(p: float, means: Array, spreads: Array, weights: Array, p_null: float) -> Array:
    """Return the p-quantile of a point at 0 mixed with normals, by halving; (donors,)."""
    low, high = np.full(means.shape[1], -20.0), np.full(means.shape[1], 20.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = weights @ norm.cdf((middle - means) / spreads) + p_null * (middle >= 0)
        low, high = np.where(below < p, middle, low), np.where(below < p, high, middle)
    return np.where(np.abs(high) < 1e-12, 0.0, high)


def _permutation(data: _Data, at_null: Mode, *, n_permutations: int, seed: int) -> tuple[float | None, int]:
    from commensal.evidence.effects._kernels import permuted_scores

    starts = np.searchsorted(data.stratum, np.arange(data.n_strata + 1))
    n_exchangeable = sum(int(b - a) for a, b in pairwise(starts) if np.ptp(data.shares[a:b], axis=0).any())
    if not n_exchangeable:
        return None, 0
    residual = data.y - at_null.fitted
    row, donor = np.nonzero(data.shares)
    first = np.searchsorted(row, np.arange(len(data.y) + 1))
    observed = float(((data.shares.T @ residual) ** 2).sum())
    drawn = permuted_scores(
        np.random.default_rng(seed),
        residual,
        starts,
        first,
        donor,
        data.shares[row, donor],
        data.shares.shape[1],
        n_permutations,
    )
    # Equal arrangements differ by rounding; they count as equal.
    as_large = int((drawn >= observed * (1 - 1e-9)).sum())
    return (as_large + 1) / (n_permutations + 1), n_exchangeable


def _profile(data: _Data, at_null: Mode, site_sd: float, *, level: float) -> tuple[float, float, float]:
    """The variance by its integrated likelihood, and where that has fallen by half the χ² quantile."""
    sds, start = np.array(PROFILE_SDS), at_null
    logs = []
    for sd in sds:
        start, value = data.fit(float(sd), site_sd, start=start)
        logs.append(value)
    fine = np.linspace(0, sds[-1], 601)
    curve = CubicSpline(sds, logs)(fine)
    inside = fine[curve >= curve.max() - chi2.ppf(level, 1) / 2]
    return float(fine[curve.argmax()] ** 2), float(inside[0] ** 2), float(inside[-1] ** 2)


def _power(data: _Data, at_null: Mode) -> float:
    """Power of the sum of squared scores where donors differ with a standard deviation of .5.

    Scores are N(0, V) under the null and N(0, V + s²V²) otherwise, V the information on donors that the
    strata leave; both sums of squares are taken as scaled χ² with the right mean and variance.
    """
    weight = at_null.fitted * (1 - at_null.fitted)
    blocks = at_null.solved.blocks
    information = data.shares.T @ (weight[:, None] * data.shares)
    for d, column in enumerate(data.shares.T):
        explained = blocks.predicted(*at_null.solved.solve(*blocks.moments(weight * column)))
        information[d] -= data.shares.T @ (weight * explained)
    roots = np.linalg.eigvalsh((information + information.T) / 2).clip(min=0)
    other = roots + POWER_SD**2 * roots**2
    critical = _scaled_chi2(roots, None, POWER_LEVEL)
    return float(_scaled_chi2(other, critical, None))


def _scaled_chi2(roots: Array, at: float | None, tail: float | None) -> float:
    """Return the tail probability beyond ``at`` of Σ λχ², or the point with ``tail`` beyond it."""
    scale = (roots**2).sum() / roots.sum()
    df = roots.sum() / scale
    if at is None:
        return float(scale * chi2.isf(tail, df))
    return float(chi2.sf(at / scale, df))
