"""Baseline, flow and labels: counts that add up, missing values counted, nothing infinite in a cell."""

import polars as pl
import pytest

from commensal.evidence.baseline import DISJOINT, describe
from commensal.evidence.cohort import cohort_of
from commensal.evidence.flow import flow
from commensal.evidence.remission import OUTCOMES
from commensal.evidence.reported import reported_outcomes
from commensal.evidence.rows import rows_of
from commensal.study import Manifest, study_of

PEOPLE = pl.DataFrame(
    {
        "patient_id": list("abcdef"),
        "arm": ["fmt"] * 3 + ["placebo"] * 3,
        "age": [20.0, 30.0, None, 40.0, 50.0, 60.0],
        "sex": ["female", "male", None, "female", "female", "female"],
        "site": ["x", "x", "x", "y", "y", "y"],
    }
)


def cells(table, variable, level=None):
    picked = table.filter((pl.col("variable") == variable) & pl.col("level").eq_missing(pl.lit(level)))
    return {r["group_level"]: r for r in picked.to_dicts()}


def test_missing_values_are_counted_and_left_out_of_the_mean():
    table = describe(PEOPLE, by="arm", continuous={"age": "years"}, categorical=["sex"])
    age, female = cells(table, "age"), cells(table, "sex", "female")
    assert (age["fmt"]["n"], age["fmt"]["n_missing"], age["fmt"]["mean"]) == (3, 1, 25.0)
    assert (female["fmt"]["count"], female["fmt"]["proportion"]) == (1, 0.5)


def test_an_absent_level_is_a_count_of_zero():
    table = describe(PEOPLE, by="arm", continuous={}, categorical=["sex"])
    assert cells(table, "sex", "male")["placebo"]["count"] == 0


def test_groups_without_a_common_level_are_said_to_be_infinitely_apart():
    table = describe(PEOPLE, by="arm", continuous={}, categorical=["site"])
    row = cells(table, "site", "x")["fmt"]
    assert (row["standardised_difference"], row["reason"]) == (None, DISJOINT)


def test_a_standardised_difference_needs_exactly_two_groups():
    three = PEOPLE.with_columns(arm=pl.Series(["a", "a", "b", "b", "c", "c"]))
    table = describe(three, by="arm", continuous={"age": "years"}, categorical=["sex"])
    assert table["standardised_difference"].null_count() == table.height


def test_a_characteristic_nobody_has_is_a_row_with_a_reason():
    table = describe(PEOPLE.with_columns(bmi=None), by="all", continuous={"bmi": "kg/m2"}, categorical=[])
    assert table["reason"].to_list() == ["not recorded for any patient"]


def small_study(**tables):
    frames = {
        "patients": pl.DataFrame(
            {
                "patient_id": list("abcde"),
                "arm": ["fmt", "fmt", "fmt", "antibiotics_only", "antibiotics_only"],
                "indication": ["uc"] * 5,
                "index_day": [0] * 5,
            }
        ),
        "sessions": pl.DataFrame(
            {"session_id": ["1", "2"], "patient_id": ["a", "b"], "administered_day": [0, 0]}
        ),
    }
    return study_of(frames | tables, manifest=Manifest(origin="test", clock="patient"))


def test_the_flow_adds_up_from_the_study_to_the_safety_set():
    cohort = cohort_of(small_study())
    rows = flow(cohort, pl.DataFrame(schema=OUTCOMES), landmarks={"M3": "3 months"})
    steps = {r["step_id"]: r["n"] for r in rows.to_dicts()}
    assert steps["registered"] == 5
    left = rows.filter((pl.col("parent_id") == "registered") & pl.col("reason").is_not_null())["n"].sum()
    assert steps["treated"] == 2 == steps["registered"] - left
    assert steps["registered:no_session"] == 1
    assert steps["registered:antibiotics_only"] == 2
    assert rows["position"].to_list() == list(range(1, rows.height + 1))


LABELS = pl.DataFrame(
    {
        "outcome_id": ["1", "2", "3", "4", "5"],
        "patient_id": ["a", "a", "b", "c", "c"],
        "label": ["no_response", "remission", "remission", "remission", "no_response"],
        "assessed_day": [10, 90, None, None, None],
    }
)


def test_the_latest_label_counts_and_labels_without_order_do_not():
    made = small_study(reported_outcomes=LABELS)
    rows = {(r["endpoint"], r["group_level"]): r for r in reported_outcomes(made, cohort_of(made)).to_dicts()}
    remission = rows["reported_remission", "fmt"]
    assert (remission["n_events"], remission["n"], remission["n_due"], remission["n_missing"]) == (2, 2, 3, 1)
    control = rows["reported_remission", "antibiotics_only"]
    assert (control["n"], control["estimate"]) == (0, None)
    assert "no outcome label" in control["reason"]


def test_a_study_without_labels_has_no_rows():
    made = small_study()
    assert reported_outcomes(made, cohort_of(made)).is_empty()


@pytest.mark.parametrize("arm", ["fmt", "antibiotics_only"])
def test_labels_are_not_pooled_over_arms(arm):
    made = small_study(reported_outcomes=LABELS)
    assert arm in reported_outcomes(made, cohort_of(made))["group_level"].to_list()


def test_a_part_without_rows_adds_none():
    assert rows_of("estimates", [pl.DataFrame([])]).is_empty()
    assert rows_of("estimates", [pl.DataFrame([]), pl.DataFrame({"endpoint": ["x"]})]).height == 1
