"""Documents made from the result tables: PDF, checklists, the summary for patients, tables with R scripts."""

import re
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest

from commensal.errors import InputError, OutputExistsError
from commensal.report.checklists import BLANK, CHECKLISTS, checklist, checklist_section, filled
from commensal.report.documents import (
    patients_sections,
    pdf_of,
    render_patients,
    render_pdf,
    write_tables,
)
from commensal.report.documents.fonts import chosen
from commensal.report.documents.pdf import content
from commensal.report.documents.widths import LETTERS, PADDING, widths
from commensal.report.views import Box, Section, TableView
from commensal.study import RESULTS, write_results


def estimates() -> pl.DataFrame:
    uc = {"endpoint": "uc_clinical_remission", "landmark": "M3", "group_variable": "indication"}
    uc |= {"group_level": "uc", "population": "active at baseline", "unit": "proportion", "level": 0.95}
    uc |= {"method": "Wilson score interval", "n_due": 200}
    seen = {
        "n": 150,
        "n_events": 42,
        "n_missing": 50,
        "estimate": 0.28,
        "lower": 0.2143304,
        "upper": 0.3566565,
    }
    worst = {"n": 200, "n_events": 42, "n_missing": 0, "estimate": 0.21, "lower": 0.16, "upper": 0.27}
    few = {"n": 7, "n_events": 3, "n_missing": 90, "estimate": 3 / 7, "lower": 0.16, "upper": 0.75}
    serious = {"endpoint": "serious_adverse_event", "group_variable": "all", "group_level": "all"}
    serious |= {"unit": "per_patient", "estimand": "at least one event", "method": "Clopper–Pearson"}
    harm = {"n": 900, "n_events": 0, "estimate": 0.0, "lower": 0.0, "upper": 0.0041}
    return pl.DataFrame(
        [
            {**uc, **seen, "estimand": "observed cases"},
            {**uc, **worst, "estimand": "unobserved count as failures", "method": "one extreme"},
            {**uc, **few, "estimand": "observed cases", "landmark": "Y1", "method": "one extreme"},
            {**serious, **harm},
        ],
        infer_schema_length=None,
    )


def tables() -> dict[str, pl.DataFrame]:
    status = {"indication": ["uc"], "label": ["ulcerative colitis"], "status": ["trial_only"]}
    provenance = {"item": ["origin", "analysis_hash"], "value": ["a test", "abcdef"]}
    made = {"estimates": estimates(), "evidence_status": pl.DataFrame(status)}
    made["provenance"] = pl.DataFrame(provenance)
    return {name: table.empty() for name, table in RESULTS.items()} | made


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return write_results({n: t for n, t in tables().items() if t.height}, tmp_path / "results")


SECTION = Section(
    "top",
    "Report of <#strong> *things* $x$",
    "A lead with #emph[markup] that is text.",
    boxes=(Box("Registered", "23", (("left", "3"),)),),
    tiles=(("4,000", "Patients"),),
    tables=(
        TableView("T", ("A", "B"), (("a", "1"),), frozenset({1})),
        TableView("F", ("A",), (("x",),), is_folded=True),
    ),
)


@pytest.mark.slow
def test_the_pdf_is_the_same_each_time_and_text_is_never_markup():
    first = pdf_of([SECTION])
    assert first.startswith(b"%PDF")
    assert first == pdf_of([SECTION])
    assert pdf_of([SECTION], with_further_tables=True) != first


def test_folded_tables_are_listed_with_their_rows_or_printed():
    listed = content([SECTION], lang="en", fonts=["F"])
    assert listed["listed"]["rows"] == (("F", "1"),)
    assert [t["caption"] for t in listed["sections"][0]["tables"]] == ["T"]
    printed = content([SECTION], lang="en", fonts=["F"], with_further_tables=True)
    assert (printed["listed"], [t["caption"] for t in printed["printed"]]) == (None, ["F"])


@pytest.mark.slow
def test_the_pdf_of_a_results_folder_is_a_new_file(results: Path, tmp_path: Path):
    path = render_pdf(results, tmp_path / "report.pdf")
    assert path.read_bytes().startswith(b"%PDF")
    with pytest.raises(OutputExistsError):
        render_pdf(results, path)
    with pytest.raises(InputError, match="language"):
        pdf_of([SECTION], lang="fr")


def test_chinese_is_refused_without_letters_and_names_what_to_install():
    with pytest.raises(InputError, match="fonts-noto-cjk"):
        chosen(["DejaVu Sans", "Libertinus Serif"])
    assert chosen(["WenQuanYi Zen Hei", "Noto Sans CJK SC"]) == "Noto Sans CJK SC"


def test_columns_fill_the_line_and_no_number_is_broken():
    view = TableView(
        "T", ("Name", "Share"), (("a rather long name " * 20, "1,234/5,678: 21.7 %"),), frozenset({1})
    )
    text, number = widths(view)
    assert number == len("1,234/5,678: 21.7 %") + PADDING
    assert text + number == pytest.approx(LETTERS[False])


def test_checklists_have_all_their_items():
    assert [len(checklist(code).items) for code in CHECKLISTS] == [22, 13, 27]


def test_an_item_is_filled_from_the_tables_or_left_to_the_authors():
    items = {r["item"]: r for r in filled(tables(), "strobe").iter_rows(named=True)}
    assert items["16"]["answer"].startswith("4 estimates with intervals")
    assert items["16"]["status"] == "filled"
    assert items["3"]["answer"].endswith("The rest is to be written by the authors.")
    assert (items["22"]["answer"], items["22"]["status"]) == (BLANK, "authors")


def test_an_empty_run_fills_nothing_but_what_the_software_holds():
    empty = {name: table.empty() for name, table in RESULTS.items()}
    for code in CHECKLISTS:
        told = filled(empty, code).filter(pl.col("status") != "authors")
        assert told["item"].to_list() == (["7.1"] if code == "record" else [])


def test_models_have_their_checklist_only_where_there_is_a_model():
    assert [t.caption for t in checklist_section(tables()).tables] == ["STROBE", "RECORD"]
    model = {"model": ["m"], "validation": ["temporal"], "group_variable": ["all"], "measure": ["auroc"]}
    model |= {"estimate": [0.71], "lower": [0.66], "upper": [0.76], "group_level": ["all"]}
    performance = RESULTS["performance"].empty().match_to_schema(RESULTS["performance"].empty().schema)
    told = pl.concat([performance, pl.DataFrame(model)], how="diagonal")
    assert "TRIPOD+AI" in [t.caption for t in checklist_section(tables() | {"performance": told}).tables]
    answer = filled(tables() | {"performance": told}, "tripod_ai").filter(item="23")["answer"][0]
    assert "m, temporal: auroc 0.71 (0.66 to 0.76)" in answer


def words_of_patients() -> list[str]:
    told = []
    for s in patients_sections(tables()):
        told += [s.title, s.lead, *s.cautions, *(c for t in s.tables for row in t.rows for c in row)]
    return [text for text in told if text]


def test_patients_read_natural_frequencies_and_what_the_unseen_could_change():
    told = words_of_patients()
    sentence = "About 28 had few or no signs of disease. The true number may be between 21 and 36."
    assert f"{sentence} If nobody who was not seen did: about 21." in told
    assert "Too few people were seen to say." in told
    assert "About 0 had one. The true number may be between 0 and 5." in told
    assert any("5 to 9 of 100 people reached the goal of the trial" in text for text in told)


def test_patients_read_no_advice_and_no_promise():
    told = " ".join(words_of_patients())
    assert "gives no advice" in told
    for word in ("should", "recommend", "effective", "safe", "cures", "will help", "works", "must"):
        assert not re.search(rf"\b{word}\b", told), word


def test_patients_read_short_sentences():
    for text in words_of_patients():
        for sentence in re.split(r"(?<=[.:])\s", text):
            assert len(sentence.split()) <= 22, sentence


@pytest.mark.slow
def test_the_summary_is_drawn_in_both_languages(results: Path, tmp_path: Path):
    english = render_patients(results, tmp_path / "en.html").read_text(encoding="utf-8")
    chinese = render_patients(results, tmp_path / "zh.html", lang="zh").read_text(encoding="utf-8")
    assert "About 28 had few or no signs" in english
    assert "约 28 人基本没有疾病表现" in chinese
    assert '<html lang="zh-Hans">' in chinese


def test_every_table_is_written_with_a_script_that_declares_its_types(results: Path, tmp_path: Path):
    folder = write_tables(results, tmp_path / "tables")
    script = (folder / "read_tables.R").read_text(encoding="utf-8")
    back = pl.read_csv(folder / "estimates.csv")
    assert back.columns == list(RESULTS["estimates"].names)
    assert back["estimate"].to_list() == estimates()["estimate"].to_list()
    for column in RESULTS["estimates"]:
        assert f'{column.name} = "' in script
    assert script.count("(") == script.count(")")
    assert "n_due" in (folder / "README.md").read_text(encoding="utf-8")
    assert (folder / "checklist_strobe.csv").is_file()


def test_the_script_works_the_estimates_out_again(results: Path, tmp_path: Path):
    folder = write_tables(results, tmp_path / "tables")
    script = (folder / "recompute.R").read_text(encoding="utf-8")
    assert script.count("(") == script.count(")")
    assert script.count("{") == script.count("}")
    used = set(re.findall(r"(?:\be|rows|now|curves)\$(\w+)", script))
    assert used <= {*RESULTS["estimates"].names, *RESULTS["curves"].names}
    if shutil.which("Rscript"):  # where R is installed, it must agree
        done = subprocess.run(
            ["Rscript", folder / "recompute.R"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_column_without_a_word_has_a_width():
    assert len(widths(TableView("t", ("", "n"), (("", "1"), ("", "2")), frozenset({1})))) == 2
