"""Exit codes, and what is on the disk afterwards."""

import pytest

from commensal.cli import app as commands
from commensal.errors import RefusedError


def test_a_sound_study_is_imported_and_checked(commensal, tidy, tmp_path):
    said = commensal("import", "tidy", tidy, "--out", tmp_path / "study")
    assert (said.code, said.err) == (0, "")
    assert "abundances" in said.out
    assert "Wrote " in said.out
    said = commensal("check", tmp_path / "study")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("0 errors, 0 warnings\n")


def test_no_study_is_2(refused, tmp_path):
    for command in (
        ("check",),
        ("run", "--out", tmp_path / "r"),
        ("engraft", "--out", tmp_path / "e"),
        ("trace", "--unit", "u"),
        ("attribute", "--out", tmp_path / "a"),
        ("dysbiosis", "--out", tmp_path / "d"),
        ("identify", "--out", tmp_path / "i"),
        ("match", "--recipient", "p", "--out", tmp_path / "m"),
        ("plan", "--recipient", "p", "--out", tmp_path / "p"),
    ):
        assert "nowhere" in refused(*command, tmp_path / "nowhere", code=2)
    assert "commensal run" in refused("report", tmp_path / "nowhere", "--out", tmp_path / "r.html", code=2)


def test_no_source_and_no_format_are_2(refused, tidy, tmp_path):
    out = ("--out", tmp_path / "study")
    assert "does not exist" in refused("import", "tidy", tmp_path / "nowhere", *out, code=2)
    assert "metaphlan" in refused("import", "metaphlam", tidy, *out, code=2)
    assert "mapping" in refused("import", "table", tidy / "metadata.tsv", *out, code=2)


def test_an_engine_that_does_not_exist_is_2(refused, study, tmp_path):
    message = refused("run", study, "--out", tmp_path / "r", "--engine", "hadoop", code=2)
    assert "'hadoop'" in message
    assert "duckdb, spark" in message


def test_a_fault_in_the_analysis_file_is_2_before_anything_is_run(refused, study, tmp_path):
    (tmp_path / "analysis.toml").write_text('levle = 0.9\nlandmarks = ["W8"]\n')
    message = refused("run", study, "--out", tmp_path / "r", "--analysis", tmp_path / "analysis.toml", code=2)
    assert "levle" in message
    assert "level" in message.split("Expected", 1)[1]


def test_a_study_damaged_on_the_disk_is_2(refused, study, tmp_path):
    path = study / "patients.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    refused("run", study, "--out", tmp_path / "r", code=2)


def test_check_lists_the_problems_of_a_damaged_study(commensal, study):
    path = study / "patients.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    said = commensal("check", study)
    assert said.code == 2
    assert "Traceback" not in said.err
    assert "patients" in said.out + said.err


def test_an_output_that_exists_is_5_and_stays_as_it_is(refused, tidy, study, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "note.txt").write_text("mine")
    kept = ("--out", tmp_path / "kept")
    for command in (
        ("import", "tidy", tidy),
        ("run", study),
        ("engraft", study),
        ("attribute", study),
        ("dysbiosis", study),
        ("identify", study),
        ("match", study, "--recipient", "p1"),
        ("plan", study, "--recipient", "p1"),
        ("merge", study, study),
        ("simulate",),
        ("demo",),
    ):
        message = refused(*command, *kept, code=5)
        assert "exists already" in message
        assert "What to do" in message


def test_a_question_these_data_cannot_answer_is_4(refused, study, tmp_path):
    out = ("--out", tmp_path / "m")
    assert "calendar" in refused("match", study, "--recipient", "p1", "--on", "2026-01-31", *out, code=4)


def test_a_day_that_is_none_is_2(refused, study, tmp_path):
    message = refused(
        "match", study, "--recipient", "p1", "--on", "31.01.2026", "--out", tmp_path / "m", code=2
    )
    assert "YYYY-MM-DD" in message


def test_a_trace_starts_at_exactly_one_thing(refused, study):
    assert "exactly one" in refused("trace", study, code=2)
    assert "exactly one" in refused("trace", study, "--unit", "u", "--donor", "d1", code=2)
    assert "'D1'" in refused("trace", study, "--donor", "D1", code=2)


def test_a_name_no_disk_takes_is_said_in_one_line(refused, study, tmp_path):
    assert "name too long" in refused("engraft", study, "--out", tmp_path / ("x" * 300), code=2).lower()


def test_a_parent_that_is_a_file_is_2(refused, study, tmp_path):
    (tmp_path / "file").write_text("")
    refused("engraft", study, "--out", tmp_path / "file" / "e", code=2)


@pytest.mark.slow
def test_a_refusal_late_in_a_run_leaves_nothing(refused, study, tmp_path, monkeypatch):
    def too_few(*_given, **_named):
        raise RefusedError("3 patients", expected="5 or more")

    monkeypatch.setattr("commensal.report.render", too_few)
    assert "5 or more" in refused("run", study, "--out", tmp_path / "r", code=4)


def test_a_defect_of_ours_is_not_passed_off_as_the_users(study, monkeypatch, capsys):
    def broken(*_given, **_named):
        raise KeyError("defect")

    monkeypatch.setattr("commensal.study.check", broken)
    with pytest.raises(KeyError, match="defect"):
        commands.app(args=["check", str(study)], prog_name="commensal")


def test_the_registry_refuses_in_words_where_it_is_not_installed(refused, study, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "commensal[site]" in refused("load", study, code=2)


@pytest.mark.slow
def test_the_installed_program_leaves_with_the_same_codes(process, tidy, tmp_path):
    said = process("import", "tidy", tidy, "--out", "study", cwd=tmp_path)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("Wrote study\n")
    said = process("import", "tidy", tidy, "--out", "study", cwd=tmp_path)
    assert said.code == 5
    assert said.out == ""
    assert said.err.startswith("commensal: ")
    assert "Traceback" not in said.err
    assert process("check", "nowhere", cwd=tmp_path).code == 2
    path = tidy / "metadata.tsv"
    path.write_text(path.read_text().replace("colonoscopy", "i.v. infusion"))
    said = process("import", "tidy", tidy, "--out", "second", cwd=tmp_path)
    assert said.code == 3
    assert "row 1" in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source", "study"]
