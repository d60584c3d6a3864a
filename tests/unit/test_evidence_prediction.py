"""Prediction models: leakage refused, nulls found to be nulls, refusals with counts, tables as declared."""

from __future__ import annotations

import os
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.evidence.covariates import AFTER_INDEX, Covariate
from commensal.evidence.ground import ground_of
from commensal.evidence.prediction import (
    Settings,
    auroc,
    brier,
    calibration,
    conformal,
    decision_curve,
    prediction_models,
    sample_size,
)
from commensal.evidence.prediction.folds import by_donor, by_patient, temporal
from commensal.evidence.prediction.held_out import Patients, held_out
from commensal.evidence.prediction.preparation import Predictor, apply, learn, predictors_of
from commensal.formats import import_study
from commensal.simulate import simulate
from commensal.study import open_study

DATA = os.environ.get("COMMENSAL_DATA")
FEW = Settings(
    landmarks=("M3",),
    predictors=("baseline_severity", "age_at_index_years", "sex"),
    bootstraps=50,
    scopes=("all",),
    share_of_r_squared=0.5,
)


@pytest.mark.parametrize("name", AFTER_INDEX)
def test_a_predictor_measured_after_index_is_refused_by_name(name):
    with pytest.raises(InputError, match=f"{name}.*after index"):
        Settings(predictors=("sex", name))


@pytest.mark.parametrize(
    "wrong",
    [
        {"folds": 2},
        {"learners": ["forest"]},
        {"landmarks": ["M4"]},
        {"conformal_level": 1},
        {"bootstraps": True},
        {"largest_weight": 1},
        {"predictors": ["sex", "sex"]},
        {"fewest_predictors": 30},
        {"scopes": []},
    ],
)
def test_settings_refuse_by_field_and_value(wrong):
    with pytest.raises(InputError, match=f"prediction.{next(iter(wrong))}"):
        Settings(**wrong)


def test_lists_of_an_analysis_file_become_tuples():
    assert Settings(landmarks=["M3"]).landmarks == ("M3",)  # type: ignore[arg-type]


def test_measures_refuse_what_they_cannot_tell():
    with pytest.raises(InputError):
        brier([0, 1], [0.5, np.nan])
    with pytest.raises(InputError):
        decision_curve([0, 1], [0.5, 1.5])
    with pytest.raises(InputError):
        decision_curve([0, 1], [0.5, 0.6], thresholds=[1.0])
    with pytest.raises(RefusedError, match="alike"):
        calibration([1] * 30, np.linspace(0.1, 0.9, 30))
    with pytest.raises(RefusedError):
        calibration([0, 1] * 15, np.full(30, 0.5))
    with pytest.raises(RefusedError, match="separate"):
        calibration([0] * 15 + [1] * 15, np.linspace(0.1, 0.9, 30))
    with pytest.raises(RefusedError):
        auroc([0, 0, 0, 1], [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(RefusedError, match="never ruled out"):
        conformal([0] * 30 + [1] * 5, np.linspace(0, 1, 35), [0.5])
    with pytest.raises(InputError):
        sample_size(5, prevalence=0.3, r_squared=0.99)


def drawn(n: int, seed: int, *, slope: float) -> Patients:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, n))
    predictors = tuple(Predictor(Covariate(f"x{i}", "continuous", f"x{i}"), v) for i, v in enumerate(x))
    y = (rng.random(n) < 1 / (1 + np.exp(-slope * x[0]))).astype(float)
    return Patients(predictors, y, np.ones(n), 10)


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["ridge", "boosting"])
def test_a_permuted_outcome_is_not_predicted(learner):
    areas = []
    for seed in range(6 if learner == "ridge" else 2):
        patients = drawn(250, seed, slope=0.0)
        folds = np.arange(250) % 5
        found = held_out(patients, folds, learner=learner, level=0.9)
        areas.append(auroc(patients.outcome, found.probability).estimate)
    # Held-out predictions of a null lie a little below one half: each fold's mean is what the others left.
    assert 0.38 < np.mean(areas) < 0.55


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["ridge", "boosting"])
def test_what_is_there_is_predicted_and_calibrated(learner):
    patients = drawn(800, 1, slope=1.2)
    found = held_out(patients, np.arange(800) % 5, learner=learner, level=0.9)
    judged = calibration(patients.outcome, found.probability)
    assert auroc(patients.outcome, found.probability).estimate > 0.72
    assert abs(judged.slope - 1) < 3 * judged.slope_se
    for c, p in ((1, found.p_success), (0, found.p_failure)):
        assert 0.86 < np.mean(p[patients.outcome == c] > 0.1) < 0.95


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["ridge", "boosting"])
def test_a_held_out_patient_leaves_no_trace_in_the_others(learner):
    """Neither the predictors nor the outcome of a fold reach what is said of that fold."""
    patients = drawn(200, 2, slope=1.0)
    folds = np.arange(200) % 4
    before = held_out(patients, folds, learner=learner, level=0.9)
    here = folds == 0
    x = patients.predictors[0].values.copy()
    x[np.flatnonzero(here)[0]] = 1e6
    y = np.where(here, 1 - patients.outcome, patients.outcome)
    spoilt = (Predictor(patients.predictors[0].covariate, x), patients.predictors[1])
    after = held_out(Patients(spoilt, y, patients.weights, 10), folds, learner=learner, level=0.9)
    untouched = np.flatnonzero(here)[1:]
    assert np.array_equal(before.probability[untouched], after.probability[untouched])
    assert np.array_equal(before.p_success[untouched], after.p_success[untouched])
    assert after.is_outside[np.flatnonzero(here)[0]]
    assert not np.array_equal(before.probability[~here], after.probability[~here])


def test_unknown_is_a_level_of_its_own_and_never_no():
    frame = pl.DataFrame({"flag": [True, None, None, False], "x": [1.0, None, 3.0, 5.0]})
    covariates = [Covariate("flag", "binary", "flag"), Covariate("x", "continuous", "x")]
    predictors = predictors_of(frame, covariates)
    made = learn(predictors, np.arange(4), at_least=1)
    assert "flag: false against not recorded" in made.names
    assert "x: not recorded" in made.names
    design, outside = apply(made, predictors, np.arange(4))
    assert np.isfinite(design).all()
    assert not outside.any()


def test_a_level_or_number_never_seen_is_outside():
    frame = pl.DataFrame({"sex": ["female", "male", "female", "other"], "x": [1.0, 2.0, 3.0, 9.0]})
    covariates = [Covariate("sex", "nominal", "Sex"), Covariate("x", "continuous", "x")]
    predictors = predictors_of(frame, covariates)
    made = learn(predictors, np.arange(3), at_least=1)
    assert apply(made, predictors, np.arange(4))[1].tolist() == [False, False, False, True]


def donors(pairs: list[tuple[str, str, float]]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema=["patient_id", "donor_id", "share"], orient="row")


def test_no_donor_is_on_both_sides():
    pairs = [(f"P{i}", f"D{i // 2 % 6}", 1.0) for i in range(60)]
    rows = pl.DataFrame(
        {
            "patient_id": [p for p, _, _ in pairs],
            "main_donor": [d for _, d, _ in pairs],
            "success": [True] * 60,
        }
    )
    split = by_donor(rows, donors(pairs), folds=3, generator=np.random.default_rng(1))
    assert split.caution is None
    for donor in rows["main_donor"].unique():
        assert len(set(split.folds[(rows["main_donor"] == donor).to_numpy()])) == 1


def test_a_chain_of_pools_is_told_with_its_size():
    pairs = [(f"P{i}", f"D{i % 6}", 0.6) for i in range(60)] + [
        (f"P{i}", f"D{(i + 1) % 6}", 0.4) for i in range(60)
    ]
    rows = pl.DataFrame(
        {
            "patient_id": [f"P{i}" for i in range(60)],
            "main_donor": [f"D{i % 6}" for i in range(60)],
            "success": [True] * 60,
        }
    )
    split = by_donor(rows, donors(pairs), folds=3, generator=np.random.default_rng(1))
    assert "60 of 60" in str(split.caution)
    with pytest.raises(RefusedError, match="donor"):
        by_donor(
            rows.with_columns(main_donor=pl.lit("D1")),
            donors(pairs),
            folds=3,
            generator=np.random.default_rng(1),
        )


def test_nobody_due_in_the_later_cohort_is_refused_with_counts():
    rows = pl.DataFrame(
        {"cohort": ["prospective", "retrospective"], "is_due": [False, True], "success": [None, True]}
    )
    with pytest.raises(RefusedError, match="1 prospective patients, 0 due"):
        temporal(rows, folds=3, generator=np.random.default_rng(1))


def test_folds_hold_successes_and_failures_alike():
    success = pl.Series([True] * 10 + [False] * 20 + [None] * 5)
    split = by_patient(success, folds=5, generator=np.random.default_rng(1))
    assert np.bincount(split.folds[:10]).tolist() == [2] * 5
    assert np.bincount(split.folds[10:30]).tolist() == [4] * 5


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prediction") / "study"
    simulate(folder, n_patients=900, seed=11, scenario="clinical_only")
    return ground_of(open_study(folder), landmarks=["M3", "Y5"])


@pytest.mark.slow
def test_a_centre_gets_models_with_everything_declared(ground):
    found = prediction_models(ground, settings=FEW, level=0.95, seed=1)
    performance = found["performance"]
    overall = performance.filter(pl.col("group_variable") == "all")
    assert {"by_patient", "by_donor", "temporal", "leave_site_out", "apparent"} <= set(overall["validation"])
    without = performance.filter(pl.col("estimate").is_null())
    assert without["reason"].null_count() == 0
    predictions = found["predictions"]
    assert not predictions.select("model", "validation", "patient_id").is_duplicated().any()
    assert predictions["model"].n_unique() == 1
    told = predictions.filter(pl.col("is_abstained"))
    assert told["reason"].null_count() == 0
    assert predictions.filter(pl.col("conformal_set").is_in(["either", "neither"]))["is_abstained"].all()
    unobserved = predictions.filter((pl.col("validation") == "by_patient") & pl.col("success").is_null())
    assert unobserved.height > 0
    assert found["model_parameters"].filter(pl.col("term") == "intercept").height == 1
    sections = set(found["model_cards"]["section"])
    assert {
        "purpose",
        "data",
        "predictors",
        "sample_size",
        "performance",
        "fairness",
        "limits",
        "use",
    } <= sections
    for rows in found.values():
        numbers = rows.select(pl.selectors.float())
        assert not any(numbers[c].is_nan().any() for c in numbers.columns)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_rows(ground):
    plain = replace(FEW, learners=("ridge",), bootstraps=20)
    one = prediction_models(ground, settings=plain, level=0.95, seed=5)
    two = prediction_models(ground, settings=plain, level=0.95, seed=5)
    assert all(one[name].equals(two[name]) for name in one)


@pytest.mark.slow
def test_a_permuted_outcome_gives_intervals_over_the_null(ground):
    is_seen = pl.col("success").is_not_null() & pl.col("is_due") & (pl.col("landmark") == "M3")
    observed = ground.outcomes.filter(is_seen)
    rest = ground.outcomes.filter(~is_seen.fill_null(False))
    outcomes = pl.concat([observed.with_columns(pl.col("success").shuffle(seed=1)), rest])
    shuffled = types.SimpleNamespace(
        outcomes=outcomes, cohort=ground.cohort, covariates=ground.covariates, received=ground.received
    )
    few = replace(FEW, learners=("ridge",))
    found = prediction_models(shuffled, settings=few, level=0.99, seed=2)["performance"]  # type: ignore[arg-type]
    areas = found.filter(
        (pl.col("measure") == "auroc")
        & (pl.col("validation") == "by_patient")
        & (pl.col("group_variable") == "all")
        & pl.col("estimate").is_not_null()
    )
    assert areas.height > 0
    assert (areas["lower"] < 0.55).all()
    assert areas["estimate"].mean() < 0.56  # type: ignore[operator]


@pytest.mark.slow
def test_five_years_are_refused_with_the_number_needed(ground):
    settings = Settings(landmarks=("Y5",), bootstraps=20, scopes=("all",))
    found = prediction_models(ground, settings=settings, level=0.95, seed=1)
    reasons = found["performance"].select("validation", "reason").rows()
    assert any("too few patients" in (r or "") for v, r in reasons if v == "by_patient")
    assert any("0 due" in (r or "") for v, r in reasons if v == "temporal")
    assert "sample_size" in set(found["model_cards"]["section"])
    assert found["predictions"].is_empty()


def test_microbiome_columns_are_held_to_the_same_rule():
    ground = types.SimpleNamespace()
    frame = pl.DataFrame({"patient_id": ["P1"], "engraftment": [0.4]})
    with pytest.raises(InputError, match=r"engraftment.*after index"):
        prediction_models(ground, settings=FEW, level=0.95, seed=1, microbiome=frame)  # type: ignore[arg-type]


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA, reason="COMMENSAL_DATA is not set")
@pytest.mark.parametrize("name", ["kump2017_uc_16s", "jacob2017_uc_16s"])
def test_published_studies_are_too_small_and_say_so(name, tmp_path):
    source = Path(DATA or "") / name
    study = import_study("tidy", source, tmp_path / "study")
    found = prediction_models(
        ground_of(study, landmarks=["M3", "Y1", "Y5"]), settings=Settings(), level=0.95, seed=1
    )
    assert found["predictions"].is_empty()
    assert found["performance"].height > 0
    assert found["performance"]["reason"].null_count() == 0
    assert found["model_cards"].filter(pl.col("section") == "sample_size")["reason"].drop_nulls().len() > 0


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="COMMENSAL_DATA is not set")
@pytest.mark.parametrize("name", ["costello", "paramsothy", "jacob"])
def test_trials_of_donor_effects_carry_no_model(name):
    path = Path(DATA or "") / "ibd_donor_effects_clinical" / f"{name}_patients.tsv"
    n = pl.read_csv(path, separator="\t", infer_schema=False).height
    assert all(sample_size(3, prevalence=share).required > n for share in (0.1, 0.3, 0.5))
