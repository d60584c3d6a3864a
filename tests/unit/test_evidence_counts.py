"""Grouped counts against the same counted patient by patient: follow-up, curves, and parts of a study."""

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from commensal.evidence import counts
from commensal.evidence.cohort import cohort_of
from commensal.evidence.counts import cohort_counts
from commensal.evidence.follow_up import follow_up
from commensal.evidence.ground import ground_of
from commensal.evidence.landmarks import windows_of
from commensal.evidence.survival import aalen_johansen, kaplan_meier
from commensal.simulate import simulate
from commensal.study import Study, open_study

AT = ["W8", "M3", "Y1"]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("counts") / "study"
    simulate(folder, n_patients=150, seed=3)
    return open_study(folder)


@pytest.mark.slow
def test_follow_up_counts_the_same(study):
    ground = ground_of(study, landmarks=AT)
    treated = ground.cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))["patient_id"]
    frames = {
        name: _of_patients(study.read(name), set(treated))
        for name in ("patients", "visits", "dispositions", "sessions", "adverse_events", "samples")
    }
    grouped = cohort_counts(
        Study(manifest=study.manifest, frames=frames), windows=windows_of(), at=AT, by=["indication"]
    )
    table = follow_up(ground).filter(pl.col("group_variable") == "indication")
    for landmark in AT:
        rows = table.filter(pl.col("landmark") == landmark).sort("group_level")
        for state in counts.STATES:
            mine = (
                grouped.group_by("indication")
                .agg(pl.col(f"n_{state}_{landmark}").sum().alias("n"))
                .sort("indication")
            )
            assert mine["indication"].to_list() == rows["group_level"].to_list()
            assert mine["n"].to_list() == rows[f"n_{state}"].to_list(), (landmark, state)
    assert grouped["n_seen_W8"].sum() > 0
    assert grouped["n_lost_Y1"].sum() > 0


def _of_patients(frame: pl.DataFrame, kept: set[str]) -> pl.DataFrame:
    return frame.filter(pl.col("patient_id").is_in(list(kept)))


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
