"""The published studies, from their files to a report, by the commands alone."""

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.cli import main

DATA = os.environ.get("COMMENSAL_DATA")
STUDIES = {
    "kump2017_uc_16s": {"fmt": 13, "antibiotics_only": 10},
    "jacob2017_uc_16s": {"fmt": 20},
    "nusbaum2018_ped_uc_16s": {"fmt": 7},
    "crothers2021_uc_longitudinal_16s": {"fmt": 6, "placebo": 6},
    "china_ibd_fmt_16s_SRP128892": {"fmt": 73},
    "samestr_rcdi_strain": {"fmt": 24},
}

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="COMMENSAL_DATA names no folder of the real studies"),
]


def done(*arguments: object) -> None:
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    assert not left.value.code, arguments


@pytest.fixture(scope="module", params=STUDIES)
def job(request, tmp_path_factory) -> tuple[str, Path]:
    """Import, check and run one study; the folder that holds ``study`` and ``results``."""
    folder = tmp_path_factory.mktemp(request.param)
    done("import", "tidy", Path(DATA or "") / request.param, "--out", folder / "study")
    done("check", folder / "study")
    done("run", folder / "study", "--out", folder / "results")
    return request.param, folder


def test_the_study_ends_in_a_report(job):
    name, folder = job
    page = (folder / "results" / "report.html").read_text(encoding="utf-8")
    assert f"tidy folder {name}" in page
    assert "Research and decision support" in page
    assert not [p.name for p in folder.iterdir() if p.name.startswith(".")]


def test_patients_are_in_their_arms(job):
    name, folder = job
    arms = pl.read_parquet(folder / "study" / "patients.parquet")["arm"].value_counts()
    assert dict(arms.iter_rows()) == STUDIES[name]


def test_every_result_without_a_value_has_its_reason(job):
    _, folder = job
    for table, value in (
        ("estimates", "estimate"),
        ("engraftment", "value"),
        ("attributions", "proportion"),
        ("dysbiosis", "value"),
        ("ordination", "axis_1"),
    ):
        rows = pl.read_parquet(folder / "results" / f"{table}.parquet")
        assert rows.height
        assert rows.filter(pl.col(value).is_null() & pl.col("reason").is_null()).is_empty(), table
        assert not rows[value].is_nan().any()


@pytest.fixture(scope="module")
def kump(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kump")
    done("import", "tidy", Path(DATA or "") / "kump2017_uc_16s", "--out", folder / "study")
    done("run", folder / "study", "--out", folder / "results")
    done("engraft", folder / "study", "--out", folder / "engraftment")
    return folder


def test_kumps_people(kump):
    donors = pl.read_parquet(kump / "study" / "donors.parquet")["donor_id"]
    assert donors.len() == 12
    assert "Control" not in set(donors)
    flow = pl.read_parquet(kump / "results" / "flow.parquet")
    counts = dict(flow.select("step_id", "n").iter_rows())
    assert (counts["registered"], counts["treated"]) == (23, 13)
    assert counts["registered:antibiotics_only"] == 10


def test_kumps_outcomes(kump):
    rows = pl.read_parquet(kump / "results" / "estimates.parquet")
    reported = rows.filter(pl.col("endpoint").str.starts_with("reported_"), group_level="fmt")
    counts = dict(reported.select("endpoint", "n_events").iter_rows())
    assert counts == {"reported_remission": 4, "reported_partial_response": 5, "reported_no_response": 4}
    assert set(reported["n"]) == {13}
    controls = rows.filter(pl.col("endpoint").str.starts_with("reported_"), group_level="antibiotics_only")
    assert set(controls["n_missing"]) == {10}
    assert controls["estimate"].null_count() == controls.height, "no label is not 'no response'"


@pytest.mark.parametrize(
    ("sample", "n_shared", "n_donor"),
    [("ERS1625866", 22, 66), ("ERS1625875", 65, 110), ("ERS1625909", 80, 132), ("ERS1625872", 46, 110)],
)
def test_kumps_engraftment(kump, sample, n_shared, n_donor):
    rows = pl.read_parquet(kump / "engraftment" / "engraftment.parquet")
    row = rows.filter(measure="peds", sample_id=sample).row(0, named=True)
    assert (row["n_events"], row["n"]) == (n_shared, n_donor)
    assert row["value"] == n_shared / n_donor
    assert row["lower"] < row["value"] < row["upper"]


def test_engraftment_is_the_same_alone_and_in_the_run(kump):
    alone = pl.read_parquet(kump / "engraftment" / "engraftment.parquet")
    assert alone.equals(pl.read_parquet(kump / "results" / "engraftment.parquet"))
