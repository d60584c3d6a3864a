"""Imputation and weights on plain arrays: refusals, separated and constant data, any number of processes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.evidence.missing import Settings, censoring_weights, impute, visit_intensity_weights
from commensal.evidence.missing.diagnostics import potential_scale_reduction
from commensal.evidence.missing.tipping import verdict


def rows(n: int = 60, *, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    return pl.DataFrame(
        {
            "x": x,
            "y": pl.Series(
                np.where(rng.random(n) < 0.3, np.nan, x + rng.standard_normal(n)), nan_to_null=True
            ),
            "well": pl.select(
                pl.when(pl.Series(rng.random(n) < 0.7)).then(pl.Series(x + rng.standard_normal(n) > 0))
            ).to_series(),
        }
    )


KINDS = {"x": "continuous", "y": "continuous", "well": "binary"}


@pytest.mark.slow
def test_any_number_of_processes_gives_the_same() -> None:
    one = impute(rows(), kinds=KINDS, m=3, iterations=2, seed=5)
    two = impute(rows(), kinds=KINDS, m=3, iterations=2, seed=5, processes=2)
    assert all(one.completed(i).equals(two.completed(i)) for i in range(3))


def test_another_seed_draws_otherwise() -> None:
    one = impute(rows(), kinds=KINDS, m=1, iterations=2, seed=5)
    two = impute(rows(), kinds=KINDS, m=1, iterations=2, seed=6)
    assert not one.completed(0).equals(two.completed(0))


def test_continuous_draws_are_observed_values() -> None:
    frame = rows()
    made = impute(frame, kinds=KINDS, m=5, iterations=2, seed=5)
    seen = set(frame["y"].drop_nulls())
    assert all(set(made.completed(i)["y"]) <= seen for i in range(5))


@pytest.mark.slow
def test_perfectly_separated_data_are_imputed_and_not_forced() -> None:
    n = 60
    x = np.linspace(-1, 1, n)
    y = pl.select(pl.when(pl.Series(np.arange(n) % 4 > 0)).then(pl.Series(x > 0))).to_series()
    frame = pl.DataFrame({"x": x, "y": y})
    made = impute(frame, kinds={"x": "continuous", "y": "binary"}, m=20, iterations=2, seed=2)
    drawn = np.mean([made.values("y", i)[::4] for i in range(20)], axis=0)
    assert drawn[0] < 0.2
    assert drawn[-1] > 0.8


def test_constant_and_collinear_columns_do_no_harm() -> None:
    frame = rows().with_columns(constant=pl.lit(3.0), twin=2 * pl.col("x"))
    kinds = {**KINDS, "constant": "continuous", "twin": "continuous"}
    made = impute(frame, kinds=kinds, m=2, iterations=3, seed=1)
    assert made.completed(1).null_count().sum_horizontal().item() == 0


def test_a_column_never_recorded_stays_missing_with_its_reason() -> None:
    frame = rows().with_columns(never=pl.lit(None, dtype=pl.Float64))
    made = impute(frame, kinds={**KINDS, "never": "continuous"}, m=1, iterations=2, seed=1)
    assert made.completed(0)["never"].null_count() == frame.height
    assert "never recorded" in made.reasons["never"]


def test_one_level_is_that_level() -> None:
    frame = rows().with_columns(same=pl.when(pl.col("x") > 0).then(pl.lit(True)))
    made = impute(frame, kinds={**KINDS, "same": "binary"}, m=1, iterations=2, seed=1)
    assert made.completed(0)["same"].all()


@pytest.mark.slow
def test_a_column_left_out_predicts_nothing() -> None:
    frame = rows(400)
    apart = impute(frame, kinds=KINDS, predictors={"y": ["well"], "well": ["y"]}, m=1, iterations=5, seed=1)
    missing = frame["y"].is_null()
    with_x = impute(frame, kinds=KINDS, m=1, iterations=5, seed=1).completed(0).filter(missing)
    without = apart.completed(0).filter(missing)
    assert with_x.select(pl.corr("x", "y")).item() > without.select(pl.corr("x", "y")).item()


@pytest.mark.parametrize(
    ("kinds", "more", "words"),
    [
        ({"x": "ratio"}, {}, "unknown kind"),
        ({"z": "continuous"}, {}, "no column"),
        (KINDS, {"m": 0}, "imputations"),
        (KINDS, {"iterations": 0}, "iterations"),
        (KINDS, {"predictors": {"y": ["z"]}}, "no column"),
        ({"x": "binary"}, {}, "levels"),
    ],
)
def test_refusals_of_impute(kinds, more, words) -> None:
    with pytest.raises(InputError, match=words):
        impute(rows(), kinds=kinds, **{"m": 1, "seed": 1, **more})


def test_infinite_values_are_refused() -> None:
    with pytest.raises(InputError, match="infinite"):
        impute(pl.DataFrame({"x": [1.0, np.inf]}), kinds={"x": "continuous"}, m=1, seed=1)


def test_no_imputation_beyond_the_last() -> None:
    with pytest.raises(InputError, match="no imputation 2"):
        impute(rows(), kinds=KINDS, m=2, iterations=1, seed=1).completed(2)


def test_all_censored_before_the_horizon_is_refused() -> None:
    with pytest.raises(RefusedError, match="nobody"):
        censoring_weights(np.array([1.0, 2]), np.array([False, False]), at=5)


def test_weights_refuse_negative_times_and_half_a_history() -> None:
    with pytest.raises(InputError):
        censoring_weights(np.array([-1.0, 2]), np.array([True, False]), at=1)
    with pytest.raises(InputError, match="go together"):
        censoring_weights(np.array([1.0, 2]), np.array([True, False]), at=1, edges=np.array([0.0, 2]))


def test_truncation_cuts_and_says_how_many() -> None:
    time = np.r_[np.arange(1.0, 41), np.full(40, 50.0)]
    event = np.r_[np.arange(40) % 2 == 0, np.zeros(40, dtype=bool)]
    whole = censoring_weights(time, event, at=45)
    cut = censoring_weights(time, event, at=45, truncate_at=0.6)
    assert whole.n_truncated == 0
    assert cut.weights.max() < whole.weights.max() or cut.n_truncated == 0
    assert cut.effective_n >= whole.effective_n


def test_leaving_by_recorded_history_is_corrected() -> None:
    rng = np.random.default_rng(3)
    n = 4000
    ill = rng.random(n) < 0.5
    success = rng.random(n) < np.where(ill, 0.2, 0.6)
    stays = rng.random(n) < np.where(ill, 0.4, 0.8)
    time, event = np.where(stays, 2.0, 1.0), np.zeros(n, dtype=bool)
    history = np.repeat(ill[:, None, None].astype(float), 2, axis=1)
    found = censoring_weights(time, event, at=2, edges=np.array([0.0, 1, 2]), history=history)
    weighted = (found.weights * success).sum() / found.weights.sum()
    assert success[stays].mean() > 0.45
    assert weighted == pytest.approx(0.4, abs=0.03)


def test_visits_of_the_ill_weigh_less() -> None:
    rng = np.random.default_rng(4)
    ill = rng.random(3000) < 0.5
    wait = rng.exponential(np.where(ill, 30.0, 90.0))
    came, length = wait < 120, np.minimum(wait, 120)
    found = visit_intensity_weights(length, came, history=ill[:, None].astype(float))
    assert found.log_rate_ratios[0] == pytest.approx(np.log(3), abs=0.15)
    ratio = found.weights[came & ~ill].mean() / found.weights[came & ill].mean()
    assert ratio == pytest.approx(3, rel=0.15)
    assert (found.weights[~came] == 0).all()


def test_visits_refuse_intervals_of_no_length_and_no_visits() -> None:
    with pytest.raises(InputError):
        visit_intensity_weights(np.array([0.0]), np.array([True]), history=np.zeros((1, 1)))
    with pytest.raises(RefusedError):
        visit_intensity_weights(np.array([3.0]), np.array([False]), history=np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"death": "treatment_policy"}, "no outcome after death"),
        ({"rescue": "principal"}, "unknown"),
        ({"rescue": "nothing"}, "rescue"),
        ({"deltas": (-1.0, 1.0)}, "deltas"),
        ({"truncate_at": 0.2}, "truncate_at"),
        ({"imputations": 1}, "imputations"),
        ({"covariates": ("n_sessions",)}, "after index"),
    ],
)
def test_settings_refuse(given, words) -> None:
    with pytest.raises(InputError, match=words):
        Settings(**given)


def test_estimand_in_words() -> None:
    assert Settings().words == (
        "colectomy and death count as failures; retreatment and rescue do not change what counts"
    )


def test_chains_apart_are_told_from_chains_together() -> None:
    rng = np.random.default_rng(1)
    together = rng.standard_normal((10, 20, 1))
    apart = together + np.arange(10)[:, None, None]
    assert potential_scale_reduction(together)[0] < 1.2
    assert potential_scale_reduction(apart)[0] > 2
    assert np.isnan(potential_scale_reduction(together[:1])).all()


def test_verdict_names_where_it_tips() -> None:
    lower, upper = np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.4, 0.5])
    said = verdict((-1.0, 0.0, 1.0), lower, upper, reference=0.15)
    assert said[0].startswith("interval includes")
    assert "tips at a departure of -1" in said[1]
    assert "at no departure" in verdict((-1.0, 0.0, 1.0), lower, upper, reference=0.05)[0]
