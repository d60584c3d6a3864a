"""The study folder: whole or not at all, the same bytes for the same data, any name."""

import datetime as dt
import json

import polars as pl
import pytest

from commensal.errors import InputError, OutputExistsError
from commensal.study import Manifest, StudyWriter, open_study, study_of, write_results, write_study

MANIFEST = Manifest(origin="test")
UNZONED = dt.datetime.fromisoformat("2024-01-01T05:00")


def patients(*ids: str) -> pl.DataFrame:
    return pl.DataFrame({"patient_id": list(ids), "arm": ["fmt"] * len(ids)})


def write_and_then(folder, act):
    with StudyWriter(folder, manifest=MANIFEST) as writer:
        writer.append("patients", patients("a"))
        act()


def interrupt():
    raise KeyboardInterrupt


def test_rows_come_back_with_every_declared_column_sorted_by_key(tmp_path):
    study = write_study({"patients": patients("b", "a")}, tmp_path / "s", manifest=MANIFEST)
    assert study.read("patients", columns=["patient_id"])["patient_id"].to_list() == ["a", "b"]
    assert study.read("patients")["index_day"].dtype == pl.Int32
    assert study.manifest.tables["patients"]["rows"] == 2


def test_a_date_gets_its_integer_day(tmp_path):
    frame = patients("a").with_columns(index_on=pl.lit(dt.date(2024, 2, 29)))
    study = write_study({"patients": frame}, tmp_path / "s", manifest=MANIFEST)
    assert study.read("patients")["index_day"][0] == (dt.date(2024, 2, 29) - dt.date(1970, 1, 1)).days


def test_an_exception_while_writing_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        write_and_then(tmp_path / "s", interrupt)
    assert list(tmp_path.iterdir()) == []


def test_a_frame_that_does_not_fit_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="no column 'patient'"):
        write_study(
            {"sites": pl.DataFrame({"site_id": ["x"]}), "patients": pl.DataFrame({"patient": ["a"]})},
            tmp_path / "s",
            manifest=MANIFEST,
        )
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_refused_and_untouched(tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("keep")
    with pytest.raises(OutputExistsError, match="exists already"):
        write_study({"patients": patients("a")}, tmp_path / "s", manifest=MANIFEST)
    assert [p.name for p in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s" / "mine.txt").read_text() == "keep"


def test_a_folder_that_appears_while_writing_is_not_replaced(tmp_path):
    with pytest.raises(OutputExistsError):
        write_and_then(tmp_path / "s", (tmp_path / "s").mkdir)
    assert list((tmp_path / "s").iterdir()) == []


def test_the_same_input_gives_the_same_bytes(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, order in zip(folders, (("a", "b"), ("b", "a")), strict=True):
        write_study({"patients": patients(*order)}, folder, manifest=MANIFEST, sources={"raw.tsv": b"x\ty\n"})
    first, second = ({p.name: p.read_bytes() for p in f.rglob("*") if p.is_file()} for f in folders)
    assert first == second
    assert set(first) == {"patients.parquet", "manifest.json", "raw.tsv"}


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a[1]", "a*b?", "a {x,y}", "粪菌 ü", "a%20b", ";drop"])
def test_unusual_folder_names_read_only_their_own_files(tmp_path, name):
    write_study({"patients": patients("other")}, tmp_path / "a1", manifest=MANIFEST)
    study = write_study({"patients": patients("p")}, tmp_path / name, manifest=MANIFEST)
    assert study.read("patients")["patient_id"].to_list() == ["p"]
    lazy = study.frame("patients").select("patient_id").collect("polars").to_native()
    assert lazy["patient_id"].to_list() == ["p"]


def test_an_absent_table_is_empty_and_joins_with_those_present(tmp_path):
    study = write_study({"patients": patients("p")}, tmp_path / "s", manifest=MANIFEST)
    assert not study.has("sessions")
    joined = study.frame("patients").join(study.frame("sessions"), on="patient_id", how="left")
    assert joined.select("patient_id", "session_id").collect("polars").to_native().rows() == [("p", None)]


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" + b"\0" * 60 + b"PAR1"])
def test_a_corrupt_file_is_the_users_problem_not_a_traceback(tmp_path, content):
    study = write_study({"patients": patients("p")}, tmp_path / "s", manifest=MANIFEST)
    (tmp_path / "s" / "patients.parquet").write_bytes(content)
    for read in (study.read, study.has, study.frame):
        with pytest.raises(InputError, match="cannot be read as Parquet"):
            read("patients")


def test_a_truncated_file_is_refused(tmp_path):
    study = write_study({"patients": patients("p")}, tmp_path / "s", manifest=MANIFEST)
    path = tmp_path / "s" / "patients.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot be read"):
        study.read("patients")


def test_a_newer_format_is_refused_by_its_version(tmp_path):
    write_study({"patients": patients("p")}, tmp_path / "s", manifest=MANIFEST)
    path = tmp_path / "s" / "manifest.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(fields | {"format_version": 99, "field_of_the_future": 1}))
    with pytest.raises(InputError, match="format version 99"):
        open_study(tmp_path / "s")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format_version": 1}'])
def test_a_broken_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        open_study(tmp_path)


def test_a_manifest_that_lists_a_strange_table_is_refused(tmp_path):
    write_study({"patients": patients("p")}, tmp_path / "s", manifest=MANIFEST)
    path = tmp_path / "s" / "manifest.json"
    path.write_text(path.read_text().replace('"patients"', '"../patients"'))
    with pytest.raises(InputError, match="no table"):
        open_study(tmp_path / "s")


def test_a_folder_without_a_manifest_is_no_study(tmp_path):
    with pytest.raises(InputError, match=r"no manifest\.json"):
        open_study(tmp_path)


def test_a_missing_table_file_is_named(tmp_path):
    write_study({"patients": patients("p")}, tmp_path / "s", manifest=MANIFEST)
    (tmp_path / "s" / "patients.parquet").unlink()
    with pytest.raises(InputError, match=r"patients\.parquet"):
        open_study(tmp_path / "s")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "", "a/../../x"])
def test_a_source_cannot_leave_its_folder(tmp_path, name):
    with pytest.raises(InputError, match="cannot be kept"):
        write_study({}, tmp_path / "s", manifest=MANIFEST, sources={name: b"x"})
    assert list(tmp_path.iterdir()) == []


def test_sources_keep_their_folders_and_are_hashed(tmp_path):
    study = write_study({}, tmp_path / "s", manifest=MANIFEST, sources={"a/x": b"1", "b/x": b"2"})
    assert {k: p.read_bytes() for k, p in study.kept("sources").items()} == {"a/x": b"1", "b/x": b"2"}
    assert set(study.manifest.files) == {"sources/a/x", "sources/b/x"}


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("n_reads", [1.5], "whole numbers"),
        ("n_reads", [float("nan")], "whole numbers"),
        ("n_reads", ["12"], "holds String"),
        ("is_on_antibiotics", [2], "holds Int64"),
        ("collected_on", [UNZONED], "holds Datetime"),
        ("sample_id", [1.0], "holds Float64"),
    ],
)
def test_a_cast_that_loses_something_is_refused(column, values, complaint):
    frame = pl.DataFrame({"sample_id": ["s"]}).with_columns(pl.Series(column, values))
    with pytest.raises(InputError, match=complaint):
        study_of({"samples": frame}, manifest=MANIFEST)


def test_an_instant_needs_its_zone():
    frame = pl.DataFrame({"donation_id": ["d"], "donor_id": ["x"], "passed_at": [UNZONED]})
    with pytest.raises(InputError, match="no time zone"):
        study_of({"donations": frame}, manifest=MANIFEST)
    zoned = frame.with_columns(pl.col("passed_at").dt.replace_time_zone("Asia/Shanghai"))
    study = study_of({"donations": zoned}, manifest=MANIFEST)
    assert study.read("donations")["passed_at"][0] == dt.datetime(2023, 12, 31, 21, tzinfo=dt.UTC)


def test_a_day_that_contradicts_its_date_is_refused():
    frame = patients("p").with_columns(index_on=pl.lit(dt.date(2024, 1, 1)), index_day=pl.lit(0))
    with pytest.raises(InputError, match="index_day is 0"):
        study_of({"patients": frame}, manifest=MANIFEST)


def test_unknown_names_are_answered_with_the_nearest(tmp_path):
    study = write_study({"patients": patients("p")}, tmp_path / "s", manifest=MANIFEST)
    with pytest.raises(InputError, match="patients"):
        study.read("patient")
    with pytest.raises(InputError, match="patient_id"):
        study.read("patients", columns=["patient_ids"])
    with pytest.raises(InputError, match="duckdb"):
        open_study(tmp_path / "s", engine="ducks")


def test_results_are_whole_or_not_at_all(tmp_path):
    with pytest.raises(InputError, match="no result table"):
        write_results({"flow": pl.DataFrame({"step_id": ["a"]}), "flows": pl.DataFrame()}, tmp_path / "r")
    assert list(tmp_path.iterdir()) == []
