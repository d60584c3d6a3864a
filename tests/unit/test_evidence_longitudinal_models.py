"""Repeated measures and marginal models: what they equal where the answer is known, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from commensal.errors import InputError, RefusedError
from commensal.evidence.longitudinal import gee, mmrm


def complete(n: int = 20, n_visits: int = 3, seed: int = 1):
    scores = np.random.default_rng(seed).normal(5, 2, (n, 1)) + np.random.default_rng(seed + 1).normal(
        0, 1, (n, n_visits)
    )
    return scores, np.repeat(np.arange(n), n_visits), np.tile(np.arange(n_visits), n)


def test_without_missing_visits_each_mean_is_a_t_test():
    scores, who, when = complete()
    fit = mmrm(scores.ravel(), subject=who, visit=when)
    for visit in range(3):
        found, told = fit.mean(visit), stats.ttest_1samp(scores[:, visit], 0)
        limits = told.confidence_interval(0.95)
        assert found.estimate == pytest.approx(scores[:, visit].mean(), rel=1e-9)
        assert found.df == pytest.approx(19, rel=1e-5)
        assert (found.lower, found.upper) == pytest.approx((limits.low, limits.high), rel=1e-6)


def test_without_missing_visits_groups_differ_as_by_the_pooled_t_test():
    scores, who, when = complete(n=24)
    group = np.where(who < 10, "a", "b")
    fit = mmrm(scores.ravel(), subject=who, visit=when, group=group)
    for visit in range(3):
        found = fit.difference(visit, group="b", reference="a")
        told = stats.ttest_ind(scores[10:, visit], scores[:10, visit])
        assert found.df == pytest.approx(22, rel=1e-5)
        assert found.p_value == pytest.approx(told.pvalue, rel=1e-5)


def test_dropout_that_depends_on_earlier_scores_does_not_bias_the_model_but_biases_the_seen():
    rng = np.random.default_rng(7)
    n = 4000
    person = rng.normal(0, 3, n)
    scores = np.column_stack([person + rng.normal(0, 1, n) - 2 for _ in range(3)])
    leaves = scores[:, 0] > -1
    seen = np.column_stack(
        [np.ones(n, bool), ~leaves | (rng.random(n) < 0.3), ~leaves | (rng.random(n) < 0.2)]
    )
    seen[:, 2] &= seen[:, 1]
    who, when = np.nonzero(seen)
    found = mmrm(scores[who, when], subject=who, visit=when).mean(2)
    at_last = scores[seen[:, 2], 2]
    assert abs(found.estimate - -2) < 4 * found.se
    assert abs(at_last.mean() - -2) > 8 * at_last.std() / len(at_last) ** 0.5


def test_labels_may_be_words_and_visits_keep_the_order_given():
    scores, who, _ = complete()
    names = np.tile(["W8", "M3", "Y1"], 20)
    fit = mmrm(scores.ravel(), subject=who, visit=names, visits=["W8", "M3", "Y1", "Y5"])
    assert fit.visits == ("W8", "M3", "Y1")
    assert fit.names == ("W8", "M3", "Y1")
    assert fit.mean("M3").estimate == pytest.approx(scores[:, 1].mean())


def test_units_of_score_and_covariate_do_not_matter():
    scores, who, when = complete()
    base = np.random.default_rng(9).normal(60, 12, 20)[who]
    plain = mmrm(scores.ravel(), subject=who, visit=when, covariates=base).mean(1, at=[70])
    scaled = mmrm(scores.ravel() * 1000 + 5, subject=who, visit=when, covariates=base / 10).mean(1, at=[7])
    assert scaled.estimate == pytest.approx(plain.estimate * 1000 + 5, rel=1e-6)
    assert scaled.se == pytest.approx(plain.se * 1000, rel=1e-5)
    assert scaled.df == pytest.approx(plain.df, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y, s, v: (y[v == 0], s[v == 0], v[v == 0]), "one visit only"),
        (lambda y, s, v: (y * 0 + 3, s, v), "the outcome is 3"),
        (lambda y, s, v: (y[s < 5], s[s < 5], v[s < 5]), "5 subjects for 6 covariance parameters"),
        (
            lambda y, s, v: (y[(s < 10) == (v < 2)], s[(s < 10) == (v < 2)], v[(s < 10) == (v < 2)]),
            "seen at both",
        ),
        (lambda y, s, v: (y[v == 0][s], s, v), "singular"),
    ],
)
def test_mmrm_refuses_with_the_counts(change, words):
    scores, who, when = complete()
    y, s, v = change(scores.ravel(), who, when)
    with pytest.raises(RefusedError, match=words):
        mmrm(y, subject=s, visit=v)


def test_mmrm_refuses_what_is_not_one_finite_row_for_a_subject_and_visit():
    scores, who, when = complete()
    y = scores.ravel()
    with pytest.raises(InputError, match="several rows"):
        mmrm(np.append(y, 1.0), subject=np.append(who, 0), visit=np.append(when, 0))
    with pytest.raises(InputError, match="missing"):
        mmrm(np.where(when == 1, np.nan, y), subject=who, visit=when)
    with pytest.raises(InputError, match="two groups"):
        mmrm(y, subject=who, visit=when, group=when == 1)
    with pytest.raises(InputError, match="no visit"):
        mmrm(y, subject=who, visit=when).mean(9)
    with pytest.raises(RefusedError, match="constant"):
        mmrm(y, subject=who, visit=when, covariates=np.ones(len(y)))
    kept = ~((when == 2) & (who < 10))
    with pytest.raises(RefusedError, match="nobody was seen"):
        mmrm(y[kept], subject=who[kept], visit=when[kept], group=(who < 10)[kept])


def test_gee_of_one_row_a_subject_is_logistic_regression_with_the_robust_variance():
    rng = np.random.default_rng(2)
    x = np.column_stack([np.ones(300), rng.normal(size=300)])
    y = (rng.random(300) < 0.4).astype(float)
    fit = gee(y, design=x, subject=np.arange(300))
    from commensal.evidence.logistic import logistic

    assert fit.coefficients == pytest.approx(logistic(x, y).coefficients, rel=1e-6)
    assert fit.correlation == 0


def test_gee_means_are_the_shares_of_cells_under_independence():
    rng = np.random.default_rng(3)
    who, when = np.repeat(np.arange(50), 2), np.tile([0, 1], 50)
    y = (rng.random(100) < 0.3 + 0.2 * when).astype(float)
    fit = gee(y, design=np.eye(2)[when], subject=who, working="independence")
    for visit in (0, 1):
        share = y[when == visit].mean()
        mean, se, lower, upper = fit.mean(np.eye(2)[visit])
        assert mean == pytest.approx(share)
        assert se == pytest.approx((share * (1 - share) / 50) ** 0.5, rel=1e-6)
        assert 0 < lower < mean < upper < 1


def test_gee_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(4)
    who, when = np.repeat(np.arange(40), 3), np.tile([0, 1, 2], 40)
    y = (rng.random(120) < 0.5).astype(float)
    order = rng.permutation(120)
    design = np.eye(3)[when]
    first = gee(y, design=design, subject=who, position=when)
    second = gee(y[order], design=design[order], subject=who[order], position=when[order])
    assert (first.coefficients == second.coefficients).all()
    assert (first.covariance == second.covariance).all()


@pytest.mark.parametrize("link", ["identity", "log"])
def test_gee_under_other_links_gives_means_of_cells(link):
    rng = np.random.default_rng(5)
    who, when = np.repeat(np.arange(30), 2), np.tile([0, 1], 30)
    y = rng.poisson(3 + when).astype(float)
    fit = gee(y, design=np.eye(2)[when], subject=who, link=link, working="exchangeable")
    assert fit.mean([0, 1])[0] == pytest.approx(y[when == 1].mean(), rel=1e-8)


def test_gee_refuses():
    who, x = np.repeat(np.arange(10), 2), np.column_stack([np.ones(20), np.tile([0.0, 1.0], 10)])
    y = np.tile([0.0, 1.0], 10)
    with pytest.raises(RefusedError, match="separate"):
        gee(y, design=x, subject=who)
    with pytest.raises(RefusedError, match="all 20 rows"):
        gee(y * 0, design=x, subject=who)
    with pytest.raises(RefusedError, match="constant or depend"):
        gee(y, design=np.ones((20, 2)), subject=who)
    with pytest.raises(InputError, match="no link"):
        gee(y, design=x, subject=who, link="probit")
    with pytest.raises(InputError, match="positions"):
        gee(y, design=x, subject=who, working="autoregressive")
    with pytest.raises(InputError, match="logit link"):
        gee(y + 1, design=x, subject=who)
