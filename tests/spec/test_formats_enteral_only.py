"""No door lets a parenteral route of administration in: no format, no mapping, no filter."""

import pytest

from commensal.errors import ProblemsFoundError
from commensal.formats import import_study

PARENTERAL = (
    "intravenous",
    "IV",
    "i.v.",
    "venous",
    "injection",
    "peripheral vein",
    "subcutaneous",
    "intraperitoneal",
    "静脉",
    "colonoscopy + i.v.",
    "ＩＶ",
)
SESSIONS = """
clock = "calendar"
[[tables]]
table = "sessions"
{when}
[tables.columns]
session_id = "id"
patient_id = "id"
route = {route}
[[tables]]
table = "patients"
[tables.columns]
patient_id = "id"
arm = {{ constant = "fmt" }}
"""


def tidy(tmp_path, route: str, *, column: str = "route"):
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "abundance.tsv").write_text("feature_id\ts1\ts2\nf1\t3\t5\nf2\t7\t2\n", encoding="utf-8")
    (folder / "metadata.tsv").write_text(
        f"sample_id\tsubject_id\trole\tarm\t{column}\ns1\tp1\trecipient\tFMT\tcolonoscopy\n"
        f"s2\tp2\trecipient\tFMT\t{route}\n",
        encoding="utf-8",
    )
    return folder


def table(tmp_path, route: str, *, mapped: str, when: str = ""):
    sheet = tmp_path / "sessions.csv"
    sheet.write_text(f"id,how,route\na,colonoscopy,colonoscopy\nb,{route},{route}\n", encoding="utf-8")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(SESSIONS.format(route=mapped, when=when), encoding="utf-8")
    return sheet, mapping


def refused(call) -> ProblemsFoundError:
    with pytest.raises(ProblemsFoundError) as caught:
        call()
    assert caught.value.exit_code == 3
    return caught.value


@pytest.mark.parametrize("route", PARENTERAL)
def test_a_tidy_study_is_stopped_with_row_and_value(tmp_path, route):
    source = tidy(tmp_path, route)
    error = refused(lambda: import_study("tidy", source, tmp_path / "study"))
    found = next(p for p in error.problems if p.severity == "safety")
    assert (found.row, found.column, found.value) == (2, "route", route)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["source"], "nothing is written"


@pytest.mark.parametrize("column", ["Route of administration", "delivery", "给药途径", "how", "remarks"])
def test_whatever_the_column_is_called(tmp_path, column):
    source = tidy(tmp_path, "i.v.", column=column)
    refused(lambda: import_study("tidy", source, tmp_path / "study"))


@pytest.mark.parametrize("route", PARENTERAL)
def test_a_mapped_sheet_is_stopped(tmp_path, route):
    sheet, mapping = table(tmp_path, route, mapped='"how"')
    error = refused(lambda: import_study("table", sheet, tmp_path / "study", mapping=mapping))
    assert any(p.row == 2 and p.value == route for p in error.problems)
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("mapped", "when"),
    [
        ('{ column = "how", values = { "IV" = "colonoscopy", "colonoscopy" = "colonoscopy" } }', ""),
        ('{ constant = "i.v." }', ""),
        ('{ template = "{how} infusion" }', ""),
        ('{ constant = "colonoscopy" }', ""),
        ('"how"', 'when = { column = "id", is = ["a"] }'),
    ],
    ids=["mapped away", "constant", "template", "left unmapped", "filtered out"],
)
def test_no_option_of_a_mapping_lets_it_through(tmp_path, mapped, when):
    sheet, mapping = table(tmp_path, "IV", mapped=mapped, when=when)
    refused(lambda: import_study("table", sheet, tmp_path / "study", mapping=mapping))


def test_a_column_that_is_not_called_a_route_is_read_where_it_names_one(tmp_path):
    sheet = tmp_path / "sessions.csv"
    sheet.write_text("id,how\na,colonoscopy\nb,peripheral vein\n", encoding="utf-8")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(SESSIONS.format(route='{ constant = "colonoscopy" }', when=""), encoding="utf-8")
    error = refused(lambda: import_study("table", sheet, tmp_path / "study", mapping=mapping))
    assert [(p.row, p.column) for p in error.problems if p.severity == "safety"] == [(2, "how")]


def test_a_drug_may_be_given_by_vein(tmp_path):
    sheet = tmp_path / "drugs.csv"
    sheet.write_text("id,drug,route\na,infliximab,intravenous\n", encoding="utf-8")
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        """
        [[tables]]
        table = "patients"
        columns = { patient_id = "id", arm = { constant = "fmt" } }
        [[tables]]
        table = "exposures"
        [tables.columns]
        exposure_id = { template = "{id}-{@row}" }
        patient_id = "id"
        exposure = { constant = "biologic" }
        agent = "drug"
        route_of_drug = "route"
        """,
        encoding="utf-8",
    )
    study = import_study("table", sheet, tmp_path / "study", mapping=mapping)
    assert study.read("exposures")["route_of_drug"].to_list() == ["intravenous"]


def test_a_sham_is_no_route_and_no_session(tmp_path):
    source = tidy(tmp_path, "sham")
    text = (source / "metadata.tsv").read_text(encoding="utf-8")
    (source / "metadata.tsv").write_text(text.replace("FMT\tsham", "placebo\tsham"), encoding="utf-8")
    study = import_study("tidy", source, tmp_path / "study")
    assert study.read("sessions")["patient_id"].to_list() == ["p1"]
