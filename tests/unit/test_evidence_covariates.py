"""What is known at index, whose stool was given, and the logistic regression under them."""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from commensal.errors import InputError, RefusedError
from commensal.evidence.assessed import assess
from commensal.evidence.cohort import cohort_of
from commensal.evidence.covariates import COVARIATES, covariates_of, known_covariates
from commensal.evidence.landmarks import attended_visits
from commensal.evidence.logistic import logistic
from commensal.evidence.material import donors_received, session_material
from commensal.simulate import simulate
from commensal.study import Manifest, study_of


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    return simulate(
        tmp_path_factory.mktemp("centre") / "study", n_patients=120, seed=3, scenario="clinical_only"
    )


def _covariates(study):
    cohort = cohort_of(study)
    return cohort, covariates_of(study, cohort, assess(study, cohort, attended_visits(study, cohort)))


@pytest.mark.slow
def test_covariates_have_one_row_a_patient_and_severity_is_standardised(centre):
    cohort, found = _covariates(centre)
    assert found["patient_id"].to_list() == cohort["patient_id"].to_list()
    assert found.columns == ["patient_id", *(c.name for c in COVARIATES)]
    severity = found["baseline_severity"].drop_nulls()
    assert severity.len() > 60
    assert abs(float(severity.mean())) < 0.2


@pytest.mark.slow
def test_shares_of_donors_sum_to_one_and_retreatments_do_not_count(centre):
    cohort, _ = _covariates(centre)
    received = donors_received(centre, cohort)
    assert received.group_by("patient_id").agg(pl.col("share").sum())["share"].is_between(0.999, 1.001).all()
    sessions = session_material(centre, cohort)
    assert sessions.group_by("session_id").agg(pl.col("share").sum())["share"].is_between(0.999, 1.001).all()
    assert sessions.filter(~pl.col("is_planned")).height > 0


def test_the_course_number_is_that_of_the_first_session_here():
    numbers = {"new": (1, 2), "moved": (2, 3), "often": (5,), "untold": (None,)}
    courses = [
        {"course_id": f"{who}{n}", "patient_id": who, "number": n} for who, ns in numbers.items() for n in ns
    ]
    sessions = [
        {"session_id": f"s-{c['course_id']}", "administered_day": 30 * (c["number"] or 0), **c}
        for c in courses
    ]
    units = [{"unit_id": f"u-{c['course_id']}", "release_pathway": "historical"} for c in courses]
    frames = {
        "patients": [
            {"patient_id": who, "arm": "fmt", "indication": "uc", "index_day": 0} for who in numbers
        ],
        "courses": courses,
        "sessions": [{k: v for k, v in s.items() if k != "number"} for s in sessions],
        "units": units,
        "session_units": [
            {"session_id": f"s-{c['course_id']}", "unit_id": f"u-{c['course_id']}"} for c in courses
        ],
        "donors": [{"donor_id": "D1"}],
        "unit_donors": [{"unit_id": u["unit_id"], "donor_id": "D1"} for u in units],
    }
    study = study_of(
        {name: pl.DataFrame(rows) for name, rows in frames.items()},
        manifest=Manifest(origin="test", clock="patient"),
    )
    cohort, found = _covariates(study)
    assert dict(found.select("patient_id", "course_number").iter_rows()) == {
        "new": "first",
        "moved": "second",
        "often": "third or later",
        "untold": None,
    }
    # Without a recorded plan the first course here counts, whatever its number; later ones do not.
    planned = session_material(study, cohort).filter("is_planned")
    assert planned["session_id"].to_list() == ["s-moved2", "s-new1", "s-often5", "s-untoldNone"]


@pytest.mark.parametrize("name", ["engraftment", "days_to_rescue", "route"])
def test_what_is_measured_after_index_is_refused_by_name(name):
    with pytest.raises(InputError, match=name):
        known_covariates([name])


def test_an_unknown_covariate_names_the_nearest():
    with pytest.raises(InputError, match="age_at_index_years"):
        known_covariates(["age_at_index"])


def _drawn(n=400, seed=1):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    return x, (rng.random(n) < 1 / (1 + np.exp(-x @ [0.3, 1.0, -0.5]))).astype(float), rng.random(n) + 0.5


def test_logistic_equals_statsmodels():
    x, y, w = _drawn()
    ours = logistic(x, y, weights=w)
    theirs = sm.GLM(y, x, family=sm.families.Binomial(), freq_weights=w).fit(tol=1e-12)
    np.testing.assert_allclose(ours.coefficients, theirs.params, rtol=1e-7)
    np.testing.assert_allclose(ours.covariance, theirs.cov_params(), rtol=1e-6)


def test_logistic_refuses_separation_constant_columns_and_no_events():
    x, y, _ = _drawn(60)
    with pytest.raises(RefusedError, match="separate"):
        logistic(np.column_stack([x, y]), y)
    with pytest.raises(RefusedError, match="constant"):
        logistic(np.column_stack([x, np.ones(60)]), y)
    with pytest.raises(RefusedError, match="0 events among 60"):
        logistic(x, np.zeros(60))
    with pytest.raises(InputError, match="missing"):
        logistic(np.where(x > 2, np.nan, x), y)
    assert np.isfinite(logistic(np.column_stack([x, y]), y, ridge=1.0).coefficients).all()
