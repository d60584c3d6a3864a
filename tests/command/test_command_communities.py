"""What the commands on samples and on one recipient leave on the disk."""

import polars as pl
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("command", "table", "value"),
    [
        ("attribute", "attributions", "proportion"),
        ("dysbiosis", "dysbiosis", "value"),
        ("identify", "identity", "donor_probability"),
    ],
)
def test_each_sample_has_a_value_or_a_reason(commensal, study, tmp_path, command, table, value):
    said = commensal(command, study, "--out", tmp_path / "out")
    assert (said.code, said.err) == (0, "")
    rows = pl.read_parquet(tmp_path / "out" / f"{table}.parquet")
    assert rows.height
    assert rows.filter(pl.col(value).is_null() & pl.col("reason").is_null()).is_empty()
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_study_without_dates_is_compared_for_research_only(commensal, study, tmp_path):
    said = commensal("match", study, "--recipient", "p1", "--route", "colonoscopy", "--out", tmp_path / "m")
    assert said.code == 0, said.err
    assert "0 of 1 lots pass every gate" in said.out
    assert not pl.read_parquet(tmp_path / "m" / "rankings.parquet")["is_eligible"].any()


def test_a_date_in_a_study_without_dates_is_refused(commensal, study, tmp_path):
    said = commensal("match", study, "--recipient", "p1", "--on", "2026-01-31", "--out", tmp_path / "m")
    assert said.code == 4
    assert "no calendar" in said.err


def test_a_plan_and_its_options_after_follow_up(commensal, tmp_path):
    assert commensal("simulate", "--out", tmp_path / "s", "--patients", "60", "--seed", "3").code == 0
    patients = pl.read_parquet(tmp_path / "s" / "patients.parquet").filter(arm="fmt").sort("patient_id")
    said = commensal(
        "plan",
        tmp_path / "s",
        "--recipient",
        patients["patient_id"][0],
        "--week",
        "4",
        "--out",
        tmp_path / "p",
    )
    assert said.code == 0, said.err
    plan = pl.read_parquet(tmp_path / "p" / "care_plans.parquet")
    assert plan["verdict"][0] in ("undetermined", "not_met"), "nobody was asked anything at the bedside"
    options = pl.read_parquet(tmp_path / "p" / "replans.parquet")
    assert not options["is_signed"].any()


def test_a_plan_needs_dates(commensal, study, tmp_path):
    said = commensal("plan", study, "--recipient", "p1", "--out", tmp_path / "p")
    assert said.code == 4
    assert "no calendar" in said.err


def test_answers_are_single_values(commensal, study, tmp_path):
    (tmp_path / "answers.toml").write_text("can_be_pregnant = [1]\n")
    said = commensal(
        "plan", study, "--recipient", "p1", "--answers", tmp_path / "answers.toml", "--out", tmp_path / "p"
    )
    assert said.code == 2
    assert "can_be_pregnant" in said.err


def test_a_page_of_one_recipient(commensal, study, tmp_path):
    assert commensal("engraft", study, "--out", tmp_path / "e").code == 0
    said = commensal("report", tmp_path / "e", "--patient", "p1", "--out", tmp_path / "p1.html")
    assert said.code == 0, said.err
    assert "Recipient p1" in (tmp_path / "p1.html").read_text(encoding="utf-8")
