"""Repeated measures and marginal models against naive twins that build every matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from commensal.evidence.longitudinal import gee, mmrm

N_VISITS = 3


def dense_likelihood(sigma, y, x, who, when) -> tuple[float, np.ndarray, np.ndarray]:
    """Restricted log likelihood, estimates and their covariance, patient by patient with full matrices."""
    information, right, log_volume = np.zeros((x.shape[1],) * 2), np.zeros(x.shape[1]), 0.0
    for patient in np.unique(who):
        mine = who == patient
        v = sigma[np.ix_(when[mine], when[mine])]
        w = np.linalg.inv(v)
        information += x[mine].T @ w @ x[mine]
        right += x[mine].T @ w @ y[mine]
        log_volume += np.log(np.linalg.det(v))
    beta = np.linalg.solve(information, right)
    quadratic = 0.0
    for patient in np.unique(who):
        mine = who == patient
        r = y[mine] - x[mine] @ beta
        quadratic += r @ np.linalg.inv(sigma[np.ix_(when[mine], when[mine])]) @ r
    log_information = np.log(np.linalg.det(information))
    free = len(y) - x.shape[1]
    value = -0.5 * (free * np.log(2 * np.pi) + log_volume + log_information + quadratic)
    return value, beta, np.linalg.inv(information)


def from_log_cholesky(theta: np.ndarray) -> np.ndarray:
    factor = np.zeros((N_VISITS, N_VISITS))
    factor[np.tril_indices(N_VISITS)] = theta
    factor[np.diag_indices(N_VISITS)] = np.exp(np.diag(factor))
    return factor @ factor.T


def drawn(seed: int, n: int = 25):
    rng = np.random.default_rng(seed)
    base = rng.normal(50, 10, n)
    root = np.tril(rng.normal(size=(N_VISITS, N_VISITS)), -1) * 2 + 4 * np.eye(N_VISITS)
    scores = 0.4 * base[:, None] + rng.normal(size=(n, N_VISITS)) @ root.T + np.arange(N_VISITS)
    seen = rng.random((n, N_VISITS)) < 0.75
    seen[: n // 2] = True
    who, when = np.nonzero(seen)
    return scores[who, when], who, when, base


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_mmrm_is_the_maximum_of_the_dense_restricted_likelihood(seed):
    y, who, when, base = drawn(seed)
    fit = mmrm(y, subject=who, visit=when, covariates=base[who])
    seen = np.unique(who)
    centred = base[who] - base[seen].mean()
    x = np.column_stack([(when == j) * c for c in (1.0, centred) for j in range(N_VISITS)])
    value, beta, covariance = dense_likelihood(fit.visit_covariance, y, x, who, when)
    assert fit.log_likelihood == pytest.approx(value, abs=1e-8)
    assert fit.coefficients == pytest.approx(beta, rel=1e-9, abs=1e-9)
    assert fit.covariance == pytest.approx(covariance, rel=1e-9, abs=1e-12)
    start = np.linalg.cholesky(np.eye(N_VISITS) * y.var())
    theta = start.copy()
    theta[np.diag_indices(N_VISITS)] = np.log(np.diag(start))
    best = minimize(
        lambda t: -dense_likelihood(from_log_cholesky(t), y, x, who, when)[0],
        theta[np.tril_indices(N_VISITS)],
        method="BFGS",
    )
    assert fit.log_likelihood >= -best.fun - 1e-6
    assert fit.visit_covariance == pytest.approx(from_log_cholesky(best.x), rel=2e-3, abs=1e-2)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_mmrm_does_not_depend_on_the_order_of_rows(seed):
    y, who, when, base = drawn(seed)
    order = np.random.default_rng(seed).permutation(len(y))
    first = mmrm(y, subject=who, visit=when, covariates=base[who])
    second = mmrm(y[order], subject=who[order], visit=when[order], covariates=base[who][order])
    assert (first.coefficients == second.coefficients).all()
    assert (first.covariance == second.covariance).all()
    assert first.mean(2) == second.mean(2)


@pytest.mark.slow
def test_satterthwaite_is_the_delta_method_on_the_observed_information():
    y, who, when, base = drawn(3, n=30)
    fit = mmrm(y, subject=who, visit=when, covariates=base[who])
    centred = base[who] - base[np.unique(who)].mean()
    x = np.column_stack([(when == j) * c for c in (1.0, centred) for j in range(N_VISITS)])
    rows, columns = np.tril_indices(N_VISITS)

    def at(theta: np.ndarray) -> np.ndarray:
        sigma = np.zeros((N_VISITS, N_VISITS))
        sigma[rows, columns] = sigma[columns, rows] = theta
        return sigma

    theta = fit.visit_covariance[rows, columns]
    h = 1e-3 * np.sqrt(np.outer(np.diag(fit.visit_covariance), np.diag(fit.visit_covariance)))[rows, columns]
    k = len(theta)
    value = lambda t: dense_likelihood(at(t), y, x, who, when)[0]  # noqa: E731
    steps = np.diag(h)
    hessian = np.array(
        [
            [
                value(theta + steps[i] + steps[j])
                - value(theta + steps[i] - steps[j])
                - value(theta - steps[i] + steps[j])
                + value(theta - steps[i] - steps[j])
                for j in range(k)
            ]
            for i in range(k)
        ]
    ) / (4 * np.outer(h, h))
    variance = lambda t: dense_likelihood(at(t), y, x, who, when)[2][2, 2]  # noqa: E731
    slope = np.array([(variance(theta + s) - variance(theta - s)) / 2 for s in steps]) / h
    df = 2 * variance(theta) ** 2 / (slope @ np.linalg.inv(-hessian) @ slope)
    assert fit.mean(2).df == pytest.approx(df, rel=1e-3)


def dense_gee(y, x, who, when, working):
    """Exchangeable or autoregressive logit model with full matrices, patient by patient."""
    beta, alpha = np.zeros(x.shape[1]), 0.0
    patients = np.unique(who)
    for _ in range(100):
        mu = expit(x @ beta)
        pearson = (y - mu) / np.sqrt(mu * (1 - mu))
        products = []
        for patient in patients:
            mine = np.flatnonzero(who == patient)
            pairs = [(a, b) for a in mine for b in mine if when[a] < when[b]]
            near = [(a, b) for a, b in pairs if working == "exchangeable" or when[b] - when[a] == 1]
            products += [pearson[a] * pearson[b] for a, b in near]
        alpha = float(np.mean(products))
        bread, score, meat = np.zeros((x.shape[1],) * 2), np.zeros(x.shape[1]), np.zeros((x.shape[1],) * 2)
        for patient in patients:
            mine = np.flatnonzero(who == patient)
            apart = np.abs(when[mine][:, None] - when[mine][None, :])
            r = np.where(apart == 0, 1.0, alpha if working == "exchangeable" else alpha**apart)
            root = np.sqrt(mu[mine] * (1 - mu[mine]))
            v = np.linalg.inv(r * np.outer(root, root))
            d = x[mine] * (root**2)[:, None]
            bread += d.T @ v @ d
            one = d.T @ v @ (y[mine] - mu[mine])
            score += one
            meat += np.outer(one, one)
        step = np.linalg.solve(bread, score)
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    inverse = np.linalg.inv(bread)
    return beta, inverse @ meat @ inverse, alpha


@pytest.mark.slow
@pytest.mark.parametrize("working", ["exchangeable", "autoregressive"])
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_gee_equals_the_dense_estimating_equation(working, seed):
    rng = np.random.default_rng(seed)
    n = 60
    common = rng.normal(size=n)
    seen = rng.random((n, 4)) < 0.8
    seen[:20] = True
    who, when = np.nonzero(seen)
    y = (rng.random(len(who)) < expit(common[who] + 0.3 * when - 0.5)).astype(float)
    x = np.column_stack([np.ones(len(who)), when])
    fit = gee(y, design=x, subject=who, position=when, working=working)
    beta, covariance, alpha = dense_gee(y, x, who, when, working)
    assert fit.coefficients == pytest.approx(beta, rel=1e-7, abs=1e-8)
    assert fit.covariance == pytest.approx(covariance, rel=1e-6)
    assert fit.correlation == pytest.approx(alpha, rel=1e-6, abs=1e-9)
