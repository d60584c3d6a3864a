"""What is made of results: a page, a PDF, CSV with R scripts, tables fit for release."""

import polars as pl
import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of a small synthetic centre, made once."""
    from commensal.programme import run
    from commensal.simulate import simulate

    folder = tmp_path_factory.mktemp("documents")
    study = simulate(folder / "study", n_patients=60, seed=4, scenario="clinical_only")
    return run(study, folder / "results")


def test_a_pdf_and_a_page_in_chinese(commensal, results, tmp_path):
    assert commensal("report", results, "--out", tmp_path / "r.pdf", "--pdf").code == 0
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert commensal("report", results, "--out", tmp_path / "r.html", "--lang", "zh").code == 0
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<html lang="zh' in page
    assert "不良事件" in page


def test_an_unknown_language_is_refused(commensal, results, tmp_path):
    said = commensal("report", results, "--out", tmp_path / "r.html", "--lang", "xx")
    assert said.code == 2
    assert not (tmp_path / "r.html").exists()


def test_tables_as_csv_with_scripts(commensal, results, tmp_path):
    assert commensal("tables", results, "--out", tmp_path / "t").code == 0
    assert {"estimates.csv", "read_tables.R", "recompute.R"} <= {p.name for p in (tmp_path / "t").iterdir()}


def test_a_release_holds_no_persons_and_no_small_counts(commensal, results, tmp_path):
    said = commensal("release", results, "--out", tmp_path / "released")
    assert said.code == 0, said.err
    assert not (tmp_path / "released" / "predictions.parquet").exists()
    rows = pl.read_parquet(tmp_path / "released" / "estimates.parquet")
    assert rows.height
    assert rows.filter(pl.col("n").is_between(1, 4)).is_empty()


def test_differences_from_the_registered_file_are_printed(commensal, study, tmp_path):
    (tmp_path / "registered.toml").write_text("level = 0.9\n")
    said = commensal(*("run", study, "--out", tmp_path / "r", "--registered", tmp_path / "registered.toml"))
    assert said.code == 0, said.err
    assert "differs from registered.toml" in said.out
    assert "level = 0.95 (was 0.9)" in said.out
