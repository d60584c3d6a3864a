"""The baseline table weighted and imputed: exact balance, disjoint levels said, nobody dropped unsaid."""

import numpy as np
import polars as pl
import pytest

from commensal.evidence.baseline_versions import DISJOINT, _difference, imputed_baseline, weighted_baseline
from commensal.evidence.ground import ground_of
from commensal.study import Manifest, study_of


def ground(n=80, n_control=30, *, known=1.0):
    rng = np.random.default_rng(4)
    names = [f"p{i:03}" for i in range(n)]
    born = rng.integers(-70 * 365, -20 * 365, n)
    patients = pl.DataFrame(
        {
            "patient_id": names,
            "arm": ["antibiotics_only"] * n_control + ["fmt"] * (n - n_control),
            "indication": ["uc", "crohns"] * (n // 2),
            "sex": [("female" if x < 0.6 else "male") if x < known else None for x in rng.random(n)],
            "born_day": born.tolist(),
            "index_day": [0] * n,
        }
    )
    treated = names[n_control:]
    sessions = pl.DataFrame(
        {
            "session_id": [f"s{x}" for x in treated],
            "patient_id": treated,
            "administered_day": [0] * len(treated),
            "route": ["colonoscopy", "nasojejunal"] * (len(treated) // 2),
        }
    )
    manifest = Manifest(origin="test", clock="patient", data_cut_day=400)
    return ground_of(
        study_of({"patients": patients, "sessions": sessions}, manifest=manifest), landmarks=["M3"]
    )


def test_overlap_weights_make_the_weighting_covariates_equal():
    rows = weighted_baseline(ground(), weighted_by=("age_at_index_years", "sex"))
    gaps = rows.filter(pl.col("variable").is_in(["age_at_index_years", "sex"]))["standardised_difference"]
    assert gaps.len() == 6
    assert gaps.abs().max() < 1e-9
    assert set(rows["group_level"]) == {"antibiotics_only", "fmt"}
    assert not rows["reason"].str.contains("NaN").any()


def test_without_a_comparator_the_routes_are_compared():
    rows = weighted_baseline(ground(n_control=0), weighted_by=("age_at_index_years", "sex"))
    assert rows["group_variable"].unique().to_list() == ["route_reach"]
    assert set(rows["group_level"]) == {"upper", "lower"}


def test_too_few_are_a_row_with_the_counts():
    rows = weighted_baseline(ground(n=8, n_control=4), weighted_by=("age_at_index_years",))
    assert rows.height == 1
    assert "4 in antibiotics_only, 4 in fmt; 10 are needed" in rows["reason"][0]


def test_disjoint_groups_are_infinitely_apart_and_said_to_be():
    apart = _difference([(0.0, 0.0), (1.0, 0.0)], [np.zeros(5), np.ones(5)])
    assert apart == (None, DISJOINT)
    assert _difference([(1.0, 0.0), (1.0, 0.0)], [np.ones(5), np.ones(5)]) == (0.0, None)


def test_imputed_shares_add_up_and_say_how_many_were_drawn():
    found = ground(known=0.8)
    rows = imputed_baseline(found, seed=3)
    sex = rows.filter(pl.col("variable") == "sex")
    missing = found.covariates.join(found.treated.select("patient_id"), on="patient_id")["sex"].null_count()
    assert missing > 0
    assert sex["n_missing"].unique().to_list() == [missing]
    assert sex["proportion"].sum() == pytest.approx(1)
    assert "completed data sets" in sex["reason"][0]
    assert rows.equals(imputed_baseline(found, seed=3))
    assert not rows.equals(imputed_baseline(found, seed=4))
