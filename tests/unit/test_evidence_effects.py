"""Mixed models, overlap weights, E-values, donors: what they refuse, find and leave unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from commensal.errors import InputError, RefusedError
from commensal.evidence.effects import (
    DonorPrior,
    Membership,
    Settings,
    donor_model,
    e_value,
    mixed_model,
    overlap_weights,
    random_effects,
    standardised_difference,
    weighted_risks,
)
from commensal.evidence.effects.donors import CANNOT_TELL, DIFFERENT, EQUAL, verdict


def crossed(n: int = 240, *, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(12, size=n), rng.integers(5, size=n)
    x = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = x @ [1.0, 0.5] + rng.normal(0, 1, 12)[a] + rng.normal(0, 0.7, 5)[b] + rng.normal(0, 1, n)
    return y, x, a, b


def naive_reml(y, x, zs, variances, residual) -> float:
    """The restricted log-likelihood with the whole covariance written out."""
    v = residual * np.eye(len(y)) + sum(s * z @ z.T for s, z in zip(variances, zs, strict=True))
    inverse = np.linalg.inv(v)
    beta = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
    r = y - x @ beta
    logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(x.T @ inverse @ x)[1]
    return float(-0.5 * (logs + r @ inverse @ r + (len(y) - x.shape[1]) * np.log(2 * np.pi)))


def test_restricted_likelihood_equals_the_naive_twin_and_is_a_maximum():
    y, x, a, b = crossed()
    fit = mixed_model(y, fixed=x, factors={"a": a, "b": b})
    zs = [(a[:, None] == np.arange(12)).astype(float), (b[:, None] == np.arange(5)).astype(float)]
    at = [fit.variances["a"], fit.variances["b"]]
    best = naive_reml(y, x, zs, at, fit.residual)
    assert fit.log_likelihood == pytest.approx(best, abs=1e-8)
    for other in ([at[0] * 1.1, at[1]], [at[0], at[1] * 0.9]):
        assert naive_reml(y, x, zs, other, fit.residual) < best


def test_row_order_changes_nothing():
    y, x, a, b = crossed()
    order = np.random.default_rng(2).permutation(len(y))
    one = mixed_model(y, fixed=x, factors={"a": a, "b": b})
    two = mixed_model(y[order], fixed=x[order], factors={"b": b[order], "a": a[order]})
    assert two.coefficients == pytest.approx(one.coefficients, abs=1e-6)
    assert two.variances["a"] == pytest.approx(one.variances["a"], rel=1e-4)


def test_membership_of_whole_shares_is_the_factor_itself():
    y, x, a, b = crossed()
    shares = (b[:, None] == np.arange(5)).astype(float)
    one = mixed_model(y, fixed=x, factors={"a": a, "b": b})
    two = mixed_model(y, fixed=x, factors={"a": a, "b": Membership(tuple("01234"), shares)})
    assert two.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)


def test_logistic_gradient_is_that_of_the_criterion():
    from commensal.evidence.effects import mixed

    y, x, a, b = crossed(120)
    model = mixed._checked(
        (y > 1).astype(float), x, {"a": a, "b": b}, family="logistic", slope=None, trials=None
    )
    laplace = mixed._Laplace(model)
    at = np.array([0.7, 0.5, 0.2, 0.3])
    found = laplace.gradient(at)
    for i in range(4):
        step = np.eye(4)[i] * 1e-5
        slope = (laplace.deviance(at + step) - laplace.deviance(at - step)) / 2e-5
        assert found[i] == pytest.approx(slope, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"factors": {"a": np.zeros(240)}}, "factor a has 1 level among 240 rows"),
        ({"factors": {"a": np.arange(240)}}, "a level for each of 240 rows"),
        ({"outcome": np.ones(240)}, "all 240 outcomes are 1"),
        ({"fixed": np.ones((240, 2))}, "constant or depend on others"),
    ],
)
def test_mixed_models_refuse_with_counts(change, said):
    y, x, a, b = crossed()
    given = {"outcome": y, "fixed": x, "factors": {"a": a, "b": b}} | change
    with pytest.raises(RefusedError, match=said):
        mixed_model(given["outcome"], fixed=given["fixed"], factors=given["factors"])


def test_logistic_mixed_models_refuse_separation_and_constant_outcomes():
    _, x, a, _ = crossed()
    with pytest.raises(RefusedError, match="separate the outcomes perfectly"):
        mixed_model((x[:, 1] > 0).astype(float), fixed=x, factors={"a": a}, family="logistic")
    with pytest.raises(RefusedError, match="0 events among 240"):
        mixed_model(np.zeros(240), fixed=x, factors={"a": a}, family="logistic")


def test_overlap_weights_balance_every_covariate_exactly():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(200, 4))
    z = (rng.random(200) < expit(x @ [0.8, -0.5, 0.2, 0.0])).astype(int)
    found = overlap_weights(z, covariates=x)
    gaps = found.balance["weighted_standardised_difference"].to_numpy()
    assert np.abs(gaps).max() < 1e-9
    assert found.effective[0] <= found.counts[0]


def test_disjoint_groups_are_refused_with_counts():
    z = np.repeat([0, 1], 20)
    x = np.column_stack([z + np.random.default_rng(1).normal(0, 0.1, 40)])
    with pytest.raises(RefusedError, match="groups of 20 and 20 cannot be weighed"):
        overlap_weights(z, covariates=x)


def test_a_disjoint_covariate_has_no_standardised_difference():
    assert standardised_difference(np.repeat([0.0, 1.0], 5), is_second=np.repeat([0, 1], 5)) is None
    assert standardised_difference(np.ones(10), is_second=np.repeat([0, 1], 5)) == 0.0


@pytest.mark.slow
def test_weighted_risks_cover_their_truth():
    rng, inside = np.random.default_rng(8), []
    for _ in range(300):
        x = rng.normal(size=(400, 1))
        z = (rng.random(400) < expit(x[:, 0])).astype(int)
        y = (rng.random(400) < expit(x[:, 0] - 0.5)).astype(int)
        c = weighted_risks(y, weights=overlap_weights(z, covariates=x)).risk_difference
        inside.append(c.lower <= 0 <= c.upper)
    assert 0.91 <= np.mean(inside) <= 0.985


def test_an_interval_across_no_association_has_the_e_value_one():
    assert e_value(1.2, lower=0.9, upper=1.6).limit == 1.0
    assert e_value(0.8, lower=0.6, upper=1.1).limit == 1.0
    assert e_value(1.0).estimate == 1.0


def test_e_values_of_a_ratio_and_its_inverse_agree():
    assert e_value(0.5, lower=0.4, upper=0.8).limit == pytest.approx(
        e_value(2.0, lower=1.25, upper=2.5).limit
    )


@pytest.mark.parametrize("given", [(-1.0, None, None), (2.0, 2.5, 3.0), (float("nan"), None, None)])
def test_e_values_refuse_what_is_no_ratio(given):
    with pytest.raises(InputError):
        e_value(given[0], lower=given[1], upper=given[2])


def donors_of(effects: list[float], *, n: int = 400, seed: int = 3):
    rng = np.random.default_rng(seed)
    donor, strata = rng.integers(len(effects), size=n), rng.integers(4, size=n)
    y = (rng.random(n) < expit(-0.3 + 0.4 * strata + np.array(effects)[donor])).astype(int)
    shares = (donor[:, None] == np.arange(len(effects))).astype(float)
    return y, Membership(tuple(f"D{i}" for i in range(len(effects))), shares), strata


def test_donors_far_apart_are_different():
    y, donors, strata = donors_of([-1.5, -1.0, 0.0, 1.0, 1.5])
    fit = donor_model(y, donors=donors, strata=strata, seed=1)
    assert fit.verdict == DIFFERENT
    assert fit.p_value == 0.001
    assert fit.effect.argmin() == 0
    assert fit.p_worse[0] > 0.95
    assert fit.effect.sum() == pytest.approx(0, abs=1e-9)


def test_few_patients_cannot_tell_and_effects_are_shrunken():
    y, donors, strata = donors_of([-0.5, 0.5, 0.0], n=40)
    fit = donor_model(y, donors=donors, strata=strata, seed=1)
    assert fit.verdict == CANNOT_TELL
    assert np.abs(fit.effect).max() < 0.6
    assert (fit.lower <= fit.effect).all()
    assert (fit.effect <= fit.upper).all()


def test_donors_are_the_same_in_any_order_of_rows():
    y, donors, strata = donors_of([-0.5, 0.5, 0.0, 0.2])
    order = np.random.default_rng(4).permutation(len(y))
    turned = Membership(donors.levels, donors.shares[order])
    one = donor_model(y, donors=donors, strata=strata, seed=1)
    two = donor_model(y[order], donors=turned, strata=strata[order], seed=1)
    assert two.p_value == one.p_value
    assert two.effect == pytest.approx(one.effect, abs=1e-9)


def test_donors_that_fill_their_strata_cannot_be_exchanged():
    y, donors, _ = donors_of([-1.5, 1.5])
    fit = donor_model(y, donors=donors, strata=donors.shares.argmax(axis=1), seed=1)
    assert fit.p_value is None
    assert fit.verdict == CANNOT_TELL


@pytest.mark.parametrize(
    ("p_null", "p_value", "wanted"),
    [(0.01, 0.01, DIFFERENT), (0.01, 0.4, CANNOT_TELL), (0.97, 0.5, EQUAL), (0.97, 0.01, CANNOT_TELL)],
)
def test_posterior_and_permutation_must_agree(p_null, p_value, wanted):
    assert verdict(p_null, p_value, claim_at=0.95) == wanted


def test_one_donor_and_outcomes_alike_are_refused_with_counts():
    y, donors, strata = donors_of([0.0, 0.0])
    with pytest.raises(RefusedError, match="1 donors of 1"):
        donor_model(y, donors=Membership(("D0",), np.ones((len(y), 1))), strata=strata, seed=1)
    with pytest.raises(RefusedError, match="0 successes among 400"):
        donor_model(np.zeros(400), donors=donors, strata=strata, seed=1)


def test_the_null_agrees_with_the_allocation_of_donors():
    import polars as pl

    from commensal.matching.allocation import TrialProtocol, allocate

    y, donors, _ = donors_of([-0.6, 0.6, 0.0, 0.3])
    which = donors.shares.argmax(axis=1)
    counts = pl.DataFrame({"donor_id": [donors.levels[i] for i in which], "success": y})
    table = counts.group_by("donor_id").agg(n=pl.len(), n_success=pl.col("success").sum())
    table = table.with_columns(indication=pl.lit("uc"))
    other = allocate(table, donors=donors.levels, protocol=TrialProtocol("S", cap=1.0))
    fit = donor_model(y, donors=donors, strata=np.zeros(len(y)), seed=1)
    # The two hold the common level differently (flat here, within .5 of the pooled rate there).
    assert fit.p_null == pytest.approx(other.p_null, abs=0.05)
    effects = [b.effect for b in other.beliefs]
    assert fit.effect == pytest.approx(effects, abs=0.05)


def test_random_effects_of_alike_studies_have_no_variance_between():
    found = random_effects([0.2, 0.2, 0.2], [0.1, 0.2, 0.3])
    assert found.variance == 0
    assert found.estimate == pytest.approx(0.2)


def test_random_effects_solve_paule_and_mandels_equation():
    y, v = np.array([-1.0, 0.5, 2.0, 0.1]), np.array([0.05, 0.1, 0.08, 0.2])
    found = random_effects(y, v)
    w = 1 / (v + found.variance)
    assert (w * (y - (w * y).sum() / w.sum()) ** 2).sum() == pytest.approx(3)


@pytest.mark.parametrize(
    "change",
    [
        {"covariates": ("n_sessions",)},
        {"prior_null": 0.2},
        {"donor_landmark": "M99"},
        {"comparisons": ({"name": "a", "first": ["colonoscopy"], "second": ["iv"]},)},
        {"n_imputations": 1},
        {"n_permutations": 99},
    ],
)
def test_settings_are_checked_at_birth(change):
    with pytest.raises(InputError):
        Settings(**change)


def test_prior_demands_a_live_null():
    with pytest.raises(InputError, match="prior_null"):
        DonorPrior(prior_null=0.1)
