"""Identities of pooling, weights and tipping points, and naive twins of what is compiled."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from commensal.evidence.missing import censoring_weights, impute
from commensal.evidence.missing._conditional import SLOPE_SD, matched
from commensal.evidence.missing._kernels import multinomial_mode, ordered_score
from commensal.evidence.missing.tipping import departed
from commensal.evidence.missing.weighting import _limits
from commensal.evidence.pooling import pool, pool_proportions
from commensal.evidence.proportion import wilson

seeds = st.integers(0, 10_000)


@given(st.floats(-5, 5), st.floats(0.01, 9), st.integers(2, 30), st.floats(1, 500))
@settings(deadline=None, max_examples=50)
def test_identical_imputations_are_complete_data(q: float, u: float, m: int, df: float) -> None:
    found = pool([q] * m, [u] * m, df_complete=df)
    assert found.between == pytest.approx(0, abs=1e-12)
    assert found.variance == pytest.approx(u)
    assert found.df == pytest.approx(df, rel=1e-6)


@given(seeds)
@settings(deadline=None, max_examples=50)
def test_kaplan_meier_weights_give_back_the_curve(seed: int) -> None:
    rng = np.random.default_rng(seed)
    time, event = rng.integers(1, 12, 60).astype(float), rng.random(60) < 0.5
    found = censoring_weights(time, event, at=8) if ((time >= 8) | event).any() else None
    if found is None:
        return
    survival = 1.0
    for s in range(1, 9):
        survival *= 1 - (event & (time == s)).sum() / max((time >= s).sum(), 1)
    assert (found.weights * (event & (time <= 8))).mean() == pytest.approx(1 - survival, abs=1e-12)


def test_the_naive_tie_rule_would_be_wrong() -> None:
    time, event = np.array([1.0, 1, 2, 2, 3]), np.array([True, False, True, False, True])
    found = censoring_weights(time, event, at=2)
    # At day 2 the risk set of leaving is {censored at 2, event at 3}, not those with the event.
    assert found.stayed[2] == pytest.approx(3 / 4)


@pytest.mark.slow
@given(seeds)
@settings(deadline=None, max_examples=20)
def test_weights_do_not_depend_on_the_order_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k = 80, 4
    time, event = rng.integers(1, 9, n).astype(float), rng.random(n) < 0.4
    history, edges = rng.standard_normal((n, k, 2)), np.array([0.0, 2, 4, 6, 8])
    order = rng.permutation(n)
    first = censoring_weights(time, event, at=8, edges=edges, history=history).weights
    other = censoring_weights(time[order], event[order], at=8, edges=edges, history=history[order]).weights
    np.testing.assert_allclose(first[order], other, rtol=1e-8)


def naive_mode(a: np.ndarray, y: np.ndarray, w: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """The same posterior mode by a general optimiser on the written-out log posterior."""
    p, n_levels = len(a), len(anchor)
    average = (a * w).sum(axis=1) / w.sum()

    def loss(flat: np.ndarray) -> float:
        beta = np.vstack([np.zeros(p), flat.reshape(n_levels - 1, p)])
        eta, middle = beta @ a, beta @ average
        log = eta - np.log(np.exp(eta).sum(axis=0))
        pseudo = (anchor * (middle - np.log(np.exp(middle).sum()))).sum()
        prior = 0.5 * (beta[:, 1:] ** 2).sum() / SLOPE_SD**2
        return -(w * log[y, np.arange(len(y))]).sum() - pseudo + prior

    return minimize(loss, np.zeros((n_levels - 1) * p), method="BFGS", options={"gtol": 1e-7}).x


@pytest.mark.slow
@given(seeds, st.integers(2, 4))
@settings(deadline=None, max_examples=10)
def test_compiled_multinomial_equals_a_general_optimiser(seed: int, n_levels: int) -> None:
    rng = np.random.default_rng(seed)
    a = np.vstack([np.ones(60), rng.standard_normal((2, 60))])
    y, w = rng.integers(0, n_levels, 60), rng.uniform(0.3, 1, 60)
    precision = np.r_[1e-10, np.full(2, SLOPE_SD**-2)]
    anchor = rng.uniform(0.1, 0.5, n_levels)
    start, wanted = np.zeros((n_levels - 1, 3)), naive_mode(a, y, w, anchor)
    beta, factor = multinomial_mode(a, y, w, anchor, start, np.empty((0, 0)), precision, 1e-12, 50, 4.0)
    np.testing.assert_allclose(beta.ravel(), wanted, atol=2e-4)
    # A factor of another problem sets another way to the same end.
    other = rng.permutation(w)
    moved, _ = multinomial_mode(a, y, other, anchor, start, factor, precision, 1e-12, 100, 4.0)
    np.testing.assert_allclose(moved.ravel(), naive_mode(a, y, other, anchor), atol=2e-4)


@given(seeds)
@settings(deadline=None, max_examples=20)
def test_score_of_proportional_odds_is_the_slope_of_its_likelihood(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, level, beta = rng.standard_normal((2, 40)), rng.integers(0, 3, 40), np.array([-0.5, 0.8, 0.3, -0.4])

    def likelihood(b: np.ndarray) -> float:
        below = 1 / (1 + np.exp(-(b[:2, None] - b[2:] @ x)))
        chance = np.diff(np.vstack([np.zeros(40), below, np.ones(40)]), axis=0)
        return float(np.log(chance[level, np.arange(40)]).sum())

    steps = 1e-6 * np.eye(4)
    slope = [(likelihood(beta + s) - likelihood(beta - s)) / 2e-6 for s in steps]
    np.testing.assert_allclose(ordered_score(x, level, beta, 3)[0], slope, atol=1e-4)


@given(seeds, st.integers(1, 7))
@settings(deadline=None, max_examples=50)
def test_matched_donors_are_among_the_nearest(seed: int, donors: int) -> None:
    rng = np.random.default_rng(seed)
    offered, asked = rng.integers(0, 12, 20).astype(float), rng.standard_normal(15) * 8
    chosen = matched(offered, asked, donors=donors, rng=rng)
    for prediction, place in zip(asked, chosen, strict=True):
        distance = np.abs(offered - prediction)
        assert distance[place] <= np.sort(distance)[donors - 1]


@given(seeds)
@settings(deadline=None, max_examples=20)
def test_departures_move_one_way_and_none_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    completed = (rng.random((5, 40)) < 0.4).astype(float)
    observed = np.where(rng.random(40) < 0.5, completed[0], np.nan)
    completed = np.where(np.isnan(observed), completed, observed)
    before = rng.integers(0, 3, (5, 40)).astype(float)
    deltas = (-2.0, -0.5, 0.0, 0.5, 2.0)
    moved = departed(completed, observed, before=before, deltas=deltas, rng=rng)
    np.testing.assert_array_equal(moved[2], completed)
    assert (np.diff(moved, axis=0) >= 0).all()
    seen = ~np.isnan(observed)
    assert (moved[:, :, seen] == observed[seen]).all()


@given(st.integers(0, 30), st.integers(1, 30))
@settings(deadline=None, max_examples=50)
def test_proportions_without_missing_are_those_of_wilson_or_logit(hits: int, n: int) -> None:
    hits = min(hits, n)
    found = pool_proportions(np.full((4, 1), hits / n), n=np.array([n]))
    if hits in (0, n):
        exact = wilson(hits, n=n)
        assert found.lower[0] == pytest.approx(exact.lower, abs=1e-9)
        assert found.upper[0] == pytest.approx(exact.upper, abs=1e-9)
    assert 0 <= found.lower[0] <= found.estimate[0] <= found.upper[0] <= 1


def test_limits_of_a_weighted_share_at_nothing_are_wilsons() -> None:
    lower, upper = _limits(0.0, 0.0, effective=20.0, level=0.95)
    assert (lower, upper) == pytest.approx((wilson(0, n=20).lower, wilson(0, n=20).upper))


@pytest.mark.slow
@given(seeds)
@settings(deadline=None, max_examples=5)
def test_imputation_is_the_same_again_and_keeps_what_was_seen(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "age": rng.standard_normal(40),
            "well": rng.random(40) < 0.5,
            "grade": rng.integers(0, 3, 40),
            "route": rng.choice(["a", "b", "c"], 40),
        }
    ).with_columns(
        pl.when(pl.Series(rng.random(40) < 0.7)).then(pl.col(c)).alias(c) for c in ("well", "grade", "route")
    )
    kinds = {"age": "continuous", "well": "binary", "grade": "ordered", "route": "nominal"}
    first, again = (impute(frame, kinds=kinds, m=2, iterations=3, seed=seed).completed(1) for _ in range(2))
    assert first.equals(again)
    for name in frame.columns:
        seen = frame[name].is_not_null()
        assert first[name].null_count() == 0
        assert first[name].filter(seen).equals(frame[name].filter(seen))
