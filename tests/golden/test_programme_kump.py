"""A published study from files to result tables: the counts of its paper and its mapping file."""

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.formats import import_study
from commensal.programme import run
from commensal.study import read_results

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kump")
    study = import_study("tidy", Path(os.environ["COMMENSAL_DATA"]) / "kump2017_uc_16s", folder / "study")
    return read_results(run(study, folder / "results"))


def test_thirteen_transplanted_and_ten_with_antibiotics_only(results):
    steps = dict(results["flow"].select("step_id", "n").iter_rows())
    assert (steps["registered"], steps["treated"], steps["registered:antibiotics_only"]) == (23, 13, 10)


def test_labels_of_the_paper_with_wilson_intervals(results):
    rows = results["estimates"].filter(
        pl.col("endpoint").str.starts_with("reported_") & (pl.col("group_level") == "fmt")
    )
    counts = {r["endpoint"]: (r["n_events"], r["n"]) for r in rows.to_dicts()}
    assert counts == {
        "reported_remission": (4, 13),
        "reported_partial_response": (5, 13),
        "reported_no_response": (4, 13),
    }
    remission = rows.filter(pl.col("endpoint") == "reported_remission").to_dicts()[0]
    assert remission["lower"] == pytest.approx(0.126807037, rel=1e-8)
    assert remission["upper"] == pytest.approx(0.576306568, rel=1e-8)


def test_without_scores_no_remission_is_computed_and_the_rows_say_why(results):
    rows = results["estimates"].filter(pl.col("endpoint") == "uc_clinical_remission")
    assert sorted(set(rows["landmark"])) == ["M3", "W8", "Y1", "Y5"]
    assert rows["estimate"].null_count() == rows.height
    assert rows["reason"].null_count() == 0
    observed = rows.filter(pl.col("estimand") == "observed cases")
    assert observed["landmark"].to_list() == ["M3", "W8", "Y1", "Y5"]
    assert observed["reason"].str.contains("no baseline score").all()


@pytest.mark.parametrize(
    ("sample", "found", "of"),
    [("ERS1625866", 22, 66), ("ERS1625875", 65, 110), ("ERS1625909", 80, 132), ("ERS1625872", 46, 110)],
)
def test_engraftment_of_the_paper(results, sample, found, of):
    rows = results["engraftment"].filter((pl.col("sample_id") == sample) & (pl.col("measure") == "peds"))
    assert [(r["n_events"], r["n"]) for r in rows.to_dicts()] == [(found, of)]
