import polars as pl
import pytest

from commensal.evidence.incidence import time_to_relapse, time_to_remission
from commensal.evidence.survival.curve_rows import curves

PATIENTS = pl.DataFrame(
    {
        "patient_id": list("abcdef"),
        "days_to_death": [None, None, 100, None, None, 400],
        "days_to_colectomy": [None, None, None, 50, None, None],
    },
    schema_overrides={"days_to_death": pl.Int64, "days_to_colectomy": pl.Int64},
)
STATUS = pl.DataFrame(
    [
        ("a", -5, True),  # before index: says nothing of the outcome
        ("a", 28, False),
        ("a", 91, True),
        ("a", 365, False),
        ("b", 28, False),
        ("b", 183, False),
        ("b", 365, None),  # attended, not evaluable
        ("c", 28, False),
        ("d", 60, True),  # after colectomy
        ("f", 91, True),
        ("f", 183, True),
    ],
    schema=["patient_id", "day", "is_remission"],
    orient="row",
)


def rows(frame):
    return {r["patient_id"]: (r["time"], r["event"]) for r in frame.to_dicts()}


def test_first_remission_death_and_colectomy_compete_and_censoring_is_at_the_last_evaluable_visit():
    assert rows(time_to_remission(STATUS, PATIENTS)) == {
        "a": (91, 1),
        "b": (183, 0),
        "c": (100, 2),
        "d": (50, 3),
        # e has no evaluable visit and no competing event: never under observation.
        "f": (91, 1),
    }


def test_relapse_starts_at_the_first_remission():
    assert rows(time_to_relapse(STATUS, PATIENTS.filter(pl.col("patient_id") != "d"))) == {
        "a": (365 - 91, 1),
        "f": (400 - 91, 2),
    }


def test_a_group_with_too_few_patients_gets_a_reason_and_no_curve():
    times = time_to_remission(STATUS, PATIENTS).with_columns(group_level=pl.lit("uc"))
    drawn, at_risk = curves(
        times, curve="cumulative_incidence_of_remission", by="indication", groups=["uc", "ra"]
    )
    refused = drawn.filter(pl.col("group_level") == "ra").to_dicts()
    assert [r["estimate"] for r in refused] == [None]
    assert "0 patients" in refused[0]["reason"]
    remission = drawn.filter((pl.col("group_level") == "uc") & (pl.col("event") == "remission"))
    # d's colectomy at 50 leaves 4 of 5 at risk at 91, where two of four are found in remission.
    assert remission.filter(pl.col("time_days") == 91)["estimate"][0] == pytest.approx(0.8 * 2 / 4)
    assert at_risk.filter(pl.col("time_days") == 0)["n_at_risk"].to_list() == [5]
    assert "interval-censored" in remission["method"][0]


def test_the_causes_of_a_curve_sum_to_at_most_one():
    times = time_to_remission(STATUS, PATIENTS).with_columns(group_level=pl.lit("uc"))
    drawn, _ = curves(times, curve="cumulative_incidence_of_remission", by="indication", groups=["uc"])
    last = drawn.group_by("event").agg(pl.col("estimate").max())
    assert set(last["event"]) == {"remission", "death", "colectomy"}
    assert last["estimate"].sum() <= 1 + 1e-12
