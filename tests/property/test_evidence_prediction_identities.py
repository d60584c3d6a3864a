"""Identities of prediction measures, and fast versions held to naive ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from commensal.evidence.logistic import logistic
from commensal.evidence.prediction import (
    auroc,
    brier,
    calibration,
    censored_brier,
    conformal,
    cross_conformal,
    decision_curve,
)
from commensal.evidence.prediction.learners import PENALTIES, ridge_path
from commensal.evidence.prediction.resampling import Judged, drawn, measures_of
from commensal.evidence.prediction.smooth import smoother


def sample(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, predictions with ties, weights."""
    rng = np.random.default_rng(seed)
    p = np.round(rng.uniform(0.05, 0.95, n), 2)
    y = (rng.random(n) < expit(0.3 + 0.7 * logit(p))).astype(float)
    y[:2] = (0, 1)
    return y, p, rng.uniform(0.5, 2, n)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_nobody_and_everybody(seed):
    y, p, w = sample(seed)
    share = float((w * y).sum() / w.sum())
    curve = decision_curve(y, p, weights=w, thresholds=[share])
    assert curve.treat_none[0] == 0
    assert curve.treat_all[0] == pytest.approx(0, abs=1e-12)
    constant = brier(y, np.full(len(y), share), weights=w)
    assert constant.score == pytest.approx(share * (1 - share))
    assert constant.scaled == pytest.approx(0, abs=1e-12)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_maximum_likelihood_is_calibrated_on_its_own_data(seed):
    y, p, _ = sample(seed)
    fit = logistic(np.column_stack([np.ones(len(y)), logit(p)]), y)
    found = calibration(y, fit.fitted)
    assert found.slope == pytest.approx(1, abs=1e-6)
    assert found.intercept == pytest.approx(0, abs=1e-6)
    assert found.observed_to_expected == pytest.approx(1, abs=1e-8)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=20)
def test_concordance_is_the_share_of_pairs(seed):
    y, p, w = sample(seed, n=40)
    above = ties = total = 0.0
    for i in np.flatnonzero(y == 1):
        for j in np.flatnonzero(y == 0):
            total += w[i] * w[j]
            above += w[i] * w[j] * (p[i] > p[j])
            ties += w[i] * w[j] * (p[i] == p[j])
    assert auroc(y, p, weights=w).estimate == pytest.approx((above + ties / 2) / total)


@pytest.mark.slow
@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=10)
def test_bootstrap_measures_equal_those_of_the_repeated_sample(seed):
    y, p, w = sample(seed)
    weights = drawn(w, n_samples=5, generator=np.random.default_rng(seed))
    found = measures_of(Judged(y, p, weights))
    for b in range(6):
        mine = weights[b]
        plain = calibration(y, p, weights=mine)
        assert found["auroc"][b] == pytest.approx(auroc(y, p, weights=mine).estimate)
        assert found["brier"][b] == pytest.approx(brier(y, p, weights=mine).score)
        assert found["calibration_slope"][b] == pytest.approx(plain.slope, abs=1e-5)
        assert found["calibration_intercept"][b] == pytest.approx(plain.intercept, abs=1e-5)
        assert found["ici"][b] == pytest.approx(plain.ici, abs=1e-9)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=10)
@example(65)  # a last step that rounding once halved in one order of the patients alone
@example(73)
def test_order_of_patients_does_not_matter(seed):
    y, p, w = sample(seed)
    turned = np.random.default_rng(seed).permutation(len(y))
    one, two = calibration(y, p, weights=w), calibration(y[turned], p[turned], weights=w[turned])
    assert one.ici == pytest.approx(two.ici, rel=1e-9)
    assert one.slope == pytest.approx(two.slope, rel=1e-9)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=10)
def test_smoother_fits_least_squares_at_its_vertices(seed):
    y, p, w = sample(seed)
    made = smoother(p)
    values, _ = made.fits(y, w[None])
    nearest = int(np.floor(len(p) * 0.75 + 1e-5))
    for vertex, value in zip(made.vertices, values[0], strict=True):
        away = np.abs(p - vertex)
        kernel = np.clip(1 - (away / np.sort(away)[nearest - 1]) ** 3, 0, 1) ** 3
        root = np.sqrt(kernel * w)
        design = np.column_stack([np.ones(len(p)), p - vertex, (p - vertex) ** 2])
        naive = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        assert value == pytest.approx(naive[0], abs=1e-7)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=10)
def test_ridge_path_has_no_slope_left(seed):
    y, p, w = sample(seed)
    design = np.column_stack([np.ones(len(y)), logit(p), p**2])
    for penalty, beta in zip(PENALTIES, ridge_path(design, y, w), strict=True):
        gradient = design.T @ (w * (y - expit(design @ beta))) - penalty * np.r_[0, beta[1:]]
        assert np.abs(gradient).max() < 1e-3


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=10)
def test_p_values_are_counted(seed):
    y, p, w = sample(seed, n=60)
    rng = np.random.default_rng(seed)
    fold, new = rng.integers(0, 3, 60), rng.uniform(0, 1, (5, 3))
    found = cross_conformal(y, p, fold, new, level=0.8, weights=w)
    for i in range(5):
        alike = sum(w[r] for r in range(60) if y[r] == 1 and p[r] <= new[i, fold[r]])
        assert found.p_success[i] == pytest.approx((1 + alike) / (1 + w[y == 1].sum()))
        odd = sum(w[r] for r in range(60) if y[r] == 0 and p[r] >= new[i, fold[r]])
        assert found.p_failure[i] == pytest.approx((1 + odd) / (1 + w[y == 0].sum()))


def test_uncensored_weights_give_back_kaplan_meier():
    rng = np.random.default_rng(3)
    times, events = rng.integers(1, 30, 200), rng.random(200) < 0.6
    surviving = 1.0
    for day in range(1, 21):
        surviving *= 1 - (events & (times == day)).sum() / (times >= day).sum()
    found = censored_brier(times, events, np.full(200, surviving), horizon=20)
    assert found.score == pytest.approx(found.null)
    assert found.null == pytest.approx(surviving * (1 - surviving))


@pytest.mark.slow
def test_split_conformal_sets_cover_over_a_thousand_seeds():
    held, n = np.zeros(2), np.zeros(2)
    for seed in range(1_000):
        y, p, _ = sample(seed, n=160)
        sets = conformal(y[:80], p[:80], p[80:], level=0.9)
        for c, holds in ((0, sets.holds_failure), (1, sets.holds_success)):
            is_class = y[80:] == c
            held[c] += holds[is_class].sum()
            n[c] += is_class.sum()
    share = held / n
    # The first two outcomes of each sample are set by hand, hence a tolerance besides the Monte-Carlo error.
    assert (share > 0.9 - 0.005).all()
    assert (share < 0.94).all()
