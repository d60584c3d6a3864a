"""Grouped counts against the same counted patient by patient: follow-up, curves, and parts of a study."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from commensal.evidence import counts
from commensal.evidence.cohort import cohort_of
from commensal.evidence.counts import cohort_counts
from commensal.evidence.ground import Ground, ground_of
from commensal.evidence.landmarks import windows_of
from commensal.evidence.survival import aalen_johansen, kaplan_meier
from commensal.simulate import simulate
from commensal.study import Study, open_study

AT = ["W8", "M3", "Y1"]
NAIVE = [*(f"n_{state}" for state in counts.STATES), "potential_days", "observed_days"]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("counts") / "study"
    simulate(folder, n_patients=150, seed=3)
    return open_study(folder)


@pytest.mark.slow
def test_the_same_counted_patient_by_patient(study):
    ground = ground_of(study, landmarks=AT)
    patients = ground.cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    grouped = cohort_counts(
        study, windows=windows_of(), at=AT, by=["indication", "arm", "is_treated"], with_days=True
    ).filter(pl.col("is_treated") & (pl.col("arm") == "fmt"))
    naive = _naive(patients, ground)
    for landmark in AT:
        mine = grouped.group_by("indication").agg(pl.col(f"{n}_{landmark}").sum().alias(n) for n in NAIVE)
        twin = naive.filter(pl.col("landmark") == landmark).select("indication", *NAIVE)
        assert_frame_equal(mine.sort("indication"), twin.sort("indication"), check_dtypes=False)
    assert grouped["n"].sum() == patients.height
    assert grouped["n_seen_W8"].sum() > 0
    assert grouped["n_lost_Y1"].sum() > 0
    assert grouped["observed_days"].sum() == patients["end_day"].sum()


def _naive(patients: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    """One patient and one landmark at a time, in plain Python, from the rows other analyses rest on."""
    visits = dict(ground.records.visits.group_by("patient_id").agg("day").iter_rows())
    cohort = {row["patient_id"]: row for row in patients.to_dicts()}
    found: dict[tuple[str, str], dict[str, int]] = {}
    for due in ground.records.due.filter(pl.col("patient_id").is_in(list(cohort))).to_dicts():
        row = cohort[due["patient_id"]]
        cell = found.setdefault((row["indication"], due["landmark"]), dict.fromkeys(NAIVE, 0))
        left = {"dead": "death", "withdrawn": "withdrawal", "lost": "loss"}
        ways = [way for way, end in left.items() if _by(row[f"days_to_{end}"], due["close"])]
        if due["is_due"]:
            cell["n_due"] += 1
            seen = any(due["open"] <= day <= due["close"] for day in visits.get(due["patient_id"], []))
            if seen or ways:
                cell["n_seen" if seen else f"n_{ways[0]}"] += 1
        stops = [due["target"], row["cut_day"], row["days_to_death"]]
        potential = max(0, min(day for day in stops if day is not None))
        cell["potential_days"] += potential
        cell["observed_days"] += min(row["end_day"] or 0, potential)
    return pl.DataFrame([{"indication": code, "landmark": at, **cell} for (code, at), cell in found.items()])


def _by(day: int | None, close: int) -> bool:
    return day is not None and day <= close


@pytest.mark.slow
def test_curves_of_grouped_counts_are_those_of_patient_rows(study):
    cohort = cohort_of(study).filter(pl.col("end_day").is_not_null())
    died = (cohort["days_to_death"] <= cohort["end_day"]).fill_null(False)
    grouped = cohort_counts(study, windows=windows_of(), at=AT).filter(pl.col("time").is_not_null())
    assert grouped["n"].sum() == cohort.height
    assert grouped.filter(pl.col("event") == 1)["n"].sum() == died.sum()
    for estimate in (kaplan_meier, aalen_johansen):
        rows = estimate(
            cohort["end_day"].to_numpy().astype(float),
            died.to_numpy().astype(np.int64),
            stratum=cohort["indication"],
        )
        summed = estimate(
            grouped["time"].to_numpy().astype(float),
            grouped["event"].to_numpy().astype(np.int64),
            n=grouped["n"].to_numpy(),
            stratum=grouped["indication"],
        )
        assert_frame_equal(summed, rows, abs_tol=1e-12, rel_tol=1e-12)


@pytest.mark.slow
def test_the_answer_does_not_depend_on_the_parts(study, monkeypatch):
    whole = cohort_counts(study, windows=windows_of(), at=AT)
    monkeypatch.setattr(counts, "PART", 40)
    monkeypatch.setattr(counts, "SAMPLED", 7)
    assert len(counts._parts_of(study)) > 3
    assert cohort_counts(study, windows=windows_of(), at=AT).equals(whole)
