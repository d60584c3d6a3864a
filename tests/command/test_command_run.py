"""From files to a report by the commands alone; quiet where nobody is watching."""

import polars as pl
import pytest

pytestmark = pytest.mark.slow


def test_the_readme_path(commensal, study, tmp_path):
    results = tmp_path / "results"
    said = commensal("run", study, "--out", results)
    assert (said.code, said.err) == (0, ""), "no progress bar where there is no terminal"
    assert "(default, sha256 " in said.out
    assert (results / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert commensal("report", results, "--out", tmp_path / "again.html").code == 0
    assert (tmp_path / "again.html").read_bytes() == (results / "report.html").read_bytes()


def test_what_the_analysis_changes_is_said(commensal, study, tmp_path):
    (tmp_path / "mine.toml").write_text('title = "Ours"\nlevel = 0.9\n')
    said = commensal("run", study, "--out", tmp_path / "r", "--analysis", tmp_path / "mine.toml")
    assert said.code == 0
    assert "Ours (mine.toml, sha256 " in said.out
    assert "differs from the default: level = 0.9 (was 0.95)" in said.out


def test_engraftment_is_written_for_every_sample(commensal, study, tmp_path):
    assert commensal("engraft", study, "--out", tmp_path / "e").code == 0
    rows = pl.read_parquet(tmp_path / "e" / "engraftment.parquet")
    peds = rows.filter(measure="peds", sample_id="s2").row(0, named=True)
    assert (peds["n_events"], peds["n"]) == (2, 3)
    assert rows.filter(pl.col("value").is_null() & pl.col("reason").is_null()).is_empty()


def test_two_halves_of_a_study_meet(commensal, study, tidy, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in tidy.iterdir():
        text = path.read_text(encoding="utf-8")
        for old, new in (("s1", "t1"), ("s2", "t2"), ("s3", "t3"), ("p1", "p2"), ("d1", "d2")):
            text = text.replace(old, new)
        (other / path.name).write_text(text, encoding="utf-8")
    assert commensal("import", "tidy", other, "--out", tmp_path / "second").code == 0
    said = commensal("merge", study, tmp_path / "second", "--out", tmp_path / "both")
    assert said.code == 0, said.err
    assert pl.read_parquet(tmp_path / "both" / "patients.parquet")["patient_id"].to_list() == ["p1", "p2"]


@pytest.fixture(scope="module")
def centre(tmp_path_factory):
    """A small synthetic centre, made once."""
    from commensal.cli import main

    folder = tmp_path_factory.mktemp("centre") / "study"
    with pytest.raises(SystemExit) as left:
        main(["simulate", "--out", str(folder), "--patients", "60", "--seed", "3"])
    assert not left.value.code
    return folder


def test_the_same_seed_gives_the_same_bytes(commensal, centre, tmp_path):
    commensal("simulate", "--out", tmp_path / "again", "--patients", 60, "--seed", 3)
    files = sorted(p.relative_to(centre) for p in centre.rglob("*") if p.is_file())
    assert files
    assert all((tmp_path / "again" / f).read_bytes() == (centre / f).read_bytes() for f in files)


def test_a_match_says_its_limits_and_counts_every_lot(commensal, centre, tmp_path):
    patient = pl.read_parquet(centre / "patients.parquet")["patient_id"][0]
    ask = ("match", centre, "--recipient", patient)
    said = commensal(*ask, "--out", tmp_path / "m")
    assert (said.code, said.err) == (0, "")
    assert "does not order treatment" in said.out.replace("\n", " ")
    run = pl.read_parquet(tmp_path / "m" / "match_runs.parquet").row(0, named=True)
    rows = pl.read_parquet(tmp_path / "m" / "rankings.parquet")
    assert f"{run['n_eligible']} of {run['n_candidates']} lots" in said.out
    assert rows.height == run["n_candidates"] > 0
    assert commensal(*ask, "--out", tmp_path / "m2").code == 0
    again = pl.read_parquet(tmp_path / "m2" / "match_runs.parquet")
    assert again["match_run_id"].to_list() == [run["match_run_id"]]


def test_a_match_by_vein_is_a_safety_error(refused, centre, tmp_path):
    patient = pl.read_parquet(centre / "patients.parquet")["patient_id"][0]
    refused("match", centre, "--recipient", patient, "--route", "静脉", "--out", tmp_path / "m", code=3)


def test_a_trace_finds_the_same_link_from_either_end(commensal, centre):
    uses = pl.read_parquet(centre / "session_units.parquet")
    sessions = pl.read_parquet(centre / "sessions.parquet")
    used = uses.join(sessions, on="session_id").row(0, named=True)
    unit, patient = used["unit_id"], used["patient_id"]
    from_unit = commensal("trace", centre, "--unit", unit).out
    from_patient = commensal("trace", centre, "--patient", patient).out
    line = next(x for x in from_unit.splitlines() if f"→ {unit} →" in x and f"→ {patient} on 20" in x)
    assert line in from_patient.splitlines()
    donor = line.split(" → ")[0].strip()
    assert line in commensal("trace", centre, "--donor", donor).out.splitlines()
    assert all(part in from_unit for part in ("donors (", "batches (", "adverse events", "holds ("))


def test_the_demo_is_one_folder_with_everything(commensal, tmp_path):
    said = commensal("demo", "--out", tmp_path / "demo", "--patients", 50, "--seed", 5)
    assert said.code == 0, said.err
    assert {p.name for p in (tmp_path / "demo").iterdir()} == {
        "study",
        "results",
        "report.html",
        "report.pdf",
        "patients.html",
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo"]
    assert "report.html" in said.out
