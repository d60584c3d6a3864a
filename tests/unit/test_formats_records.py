"""Clinical records by a mapping file: every bad cell named, nothing guessed, nothing lost."""

import datetime as dt

import openpyxl
import pytest

from commensal.errors import InputError, ProblemsFoundError
from commensal.formats import import_study, read

SHEET = """id,sex,first_fmt,crp,unit,pain_m3,remitted,donorA,donorB,remark
P1,F,03.02.2024,"12,5",mg/L,4,yes,1,0,calm
P2,M,28.02.2024,"0,4",mg/dL,,no,1,1,
P3,F,29.02.2024,,,7,,0,1,"said ""better"", twice"
"""
MAPPING = """
clock = "calendar"
data_cut = 2026-01-31
[[tables]]
table = "patients"
[tables.columns]
patient_id = "id"
sex = { column = "sex", values = { F = "female", M = "male" } }
arm = { constant = "fmt" }
index_on = { column = "first_fmt", date_format = "%d.%m.%Y" }
[[tables]]
table = "lab_results"
when = { column = "crp" }
[tables.columns]
lab_result_id = { template = "{id}-crp" }
patient_id = "id"
analyte = { constant = "crp" }
value = { column = "crp", decimal = ",", unit_column = "unit" }
[[tables]]
table = "sessions"
[tables.columns]
session_id = { template = "{id}-1" }
patient_id = "id"
number = { constant = 1 }
administered_on = { column = "first_fmt", date_format = "%d.%m.%Y" }
route = { constant = "colonoscopy" }
[[tables]]
table = "donors"
distinct = true
each = { columns = "donor*", is = ["1"] }
columns = { donor_id = "@name" }
[[tables]]
table = "units"
columns = { unit_id = { template = "{id}-u" }, release_pathway = { constant = "historical" } }
[[tables]]
table = "unit_donors"
each = { columns = "donor*", is = ["1"] }
columns = { unit_id = { template = "{id}-u" }, donor_id = "@name" }
"""


def files(tmp_path, sheet: str | bytes = SHEET, mapping: str = MAPPING, *, name: str = "records.csv"):
    source, plan = tmp_path / name, tmp_path / "mapping.toml"
    source.write_bytes(sheet.encode() if isinstance(sheet, str) else sheet)
    plan.write_text(mapping, encoding="utf-8")
    return source, plan


def faults(tmp_path, sheet=SHEET, mapping=MAPPING) -> list:
    source, plan = files(tmp_path, sheet, mapping)
    with pytest.raises(ProblemsFoundError) as caught:
        import_study("table", source, tmp_path / "study", mapping=plan)
    assert not (tmp_path / "study").exists()
    return list(caught.value.problems)


def test_one_sheet_fills_many_tables(tmp_path):
    source, plan = files(tmp_path)
    study = import_study("table", source, tmp_path / "study", mapping=plan)
    patients = study.read("patients")
    assert patients["index_on"].to_list() == [dt.date(2024, 2, d) for d in (3, 28, 29)]
    assert patients["index_day"][0] == (dt.date(2024, 2, 3) - dt.date(1970, 1, 1)).days
    assert patients["sex"].to_list() == ["female", "male", "female"]
    assert set(study.read("unit_donors").select("unit_id", "donor_id").iter_rows()) == {
        ("P1-u", "donorA"),
        ("P2-u", "donorA"),
        ("P2-u", "donorB"),
        ("P3-u", "donorB"),
    }
    assert study.read("donors").height == 2
    assert set(study.read("sessions")["route_as_recorded"]) == {"colonoscopy"}
    assert study.manifest.data_cut_day == (dt.date(2026, 1, 31) - dt.date(1970, 1, 1)).days


def test_laboratory_values_are_kept_in_one_unit_and_blanks_are_no_zeros(tmp_path):
    source, plan = files(tmp_path)
    labs = read("table", source, mapping=plan).frames["lab_results"]
    assert dict(labs.select("patient_id", "value").iter_rows()) == pytest.approx({"P1": 12.5, "P2": 4.0})
    assert set(labs["unit"]) == {"mg/L"}


def test_what_no_table_takes_is_kept_to_the_byte(tmp_path):
    source, plan = files(tmp_path)
    study = import_study("table", source, tmp_path / "study", mapping=plan)
    assert (study.folder / "sources" / "records.csv").read_bytes() == source.read_bytes()
    assert (study.folder / "sources" / "mapping.toml").read_bytes() == plan.read_bytes()
    note = next(n for n in study.manifest.notes if n.startswith("columns kept"))
    assert "remark" in note
    assert "crp" not in note


@pytest.mark.parametrize(
    ("old", "new", "row", "column", "message"),
    [
        ("P2,M", "P2,X", 2, "sex", "value map"),
        ("28.02.2024", "30.02.2024", 2, "first_fmt", "not a date"),
        ("28.02.2024", "2024-02-28", 2, "first_fmt", "not a date"),
        ("28.02.2024", "28.02.1024", 2, "first_fmt", "1900 to 2100"),
        ('"0,4"', "0.4", 2, "crp", "decimal comma"),
        ('"0,4"', "low", 2, "crp", "not a number"),
        ("mg/dL", "furlong", 2, "crp", "furlong"),
        ("mg/dL", "", 2, "crp", "unit"),
        ('"0,4"', '"40000"', 2, "crp", "plausible"),
        ("no,1,1", "no,2,1", 2, "donorA", "expected one of 1, 0"),
        ("P3,F", ",F", 3, "id", "required"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(tmp_path, old, new, row, column, message):
    assert SHEET.count(old) == 1
    found = faults(tmp_path, SHEET.replace(old, new))
    assert any((p.row, p.column) == (row, column) and message in p.message for p in found), found


def test_all_bad_cells_come_at_once(tmp_path):
    sheet = SHEET.replace("P2,M", "P2,X").replace("29.02.2024", "29.02.2023").replace("mg/dL", "furlong")
    assert {(p.row, p.column) for p in faults(tmp_path, sheet)} >= {(2, "sex"), (3, "first_fmt"), (2, "crp")}


def test_a_row_that_stands_twice_is_a_fault(tmp_path):
    line = SHEET.splitlines()[1]
    assert "key_twice" in {p.rule for p in faults(tmp_path, SHEET + line + "\n")}


def test_a_column_the_sheet_lacks_is_named(tmp_path):
    found = faults(tmp_path, SHEET.replace("first_fmt", "firstfmt"))
    assert any(p.rule == "column_missing" and p.column == "first_fmt" for p in found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('table = "patients"', 'table = "patient"', "patients"),
        ("sex = {", "gender = {", "there is no 'gender'"),
        ('arm = { constant = "fmt" }\n', "", "arm is required"),
        ("date_format", "format", "there is no 'format'"),
        ("%d.%m.%Y", "%d.%m.%y", "two digits"),
        (', unit_column = "unit"', "", "a unit is never guessed"),
        ('clock = "calendar"', 'clock = "wall"', "clock 'wall'"),
        ('decimal = ","', 'decimal = ";"', "decimal"),
        ('{ constant = "crp" }', "{ constant = [1] }", "constant"),
        ('{ constant = "crp" }', '{ constant = "a", column = "b" }', "one of column, template, constant"),
        ('when = { column = "crp" }', 'when = "crp"', "when is"),
        ("2026-01-31", '"soon"', "data_cut"),
    ],
)
def test_faults_of_the_mapping_are_told_before_any_row(tmp_path, old, new, message):
    assert old in MAPPING
    source, plan = files(tmp_path, mapping=MAPPING.replace(old, new))
    with pytest.raises(InputError, match="mapping file has faults") as caught:
        read("table", source, mapping=plan)
    assert message in str(caught.value)


@pytest.mark.parametrize("mapping", ["x = ", "[[tables]]", "tables = 3", ""])
def test_a_mapping_that_is_none(tmp_path, mapping):
    source, plan = files(tmp_path, mapping=mapping)
    with pytest.raises(InputError):
        read("table", source, mapping=plan)


def test_a_table_needs_its_mapping(tmp_path):
    source, _ = files(tmp_path)
    with pytest.raises(InputError, match="needs a mapping"):
        read("table", source)


def test_another_encoding_is_read_when_it_is_named(tmp_path):
    sheet = "编号,性别\nP1,女\nP2,男\n"
    mapping = """
    encoding = "gb18030"
    [[tables]]
    table = "patients"
    [tables.columns]
    patient_id = "编号"
    sex = { column = "性别", values = { "女" = "female", "男" = "male" } }
    arm = { constant = "fmt" }
    """
    source, plan = files(tmp_path, sheet.encode("gb18030"), mapping)
    assert read("table", source, mapping=plan).frames["patients"]["sex"].to_list() == ["female", "male"]
    _, plan = files(tmp_path, sheet.encode("utf-16"), mapping.replace("gb18030", "utf-16"))
    assert read("table", source, mapping=plan).frames["patients"]["sex"].to_list() == ["female", "male"]
    _, plan = files(tmp_path, sheet.encode("gb18030"), mapping.replace('encoding = "gb18030"', ""))
    with pytest.raises(InputError, match="gb18030"):
        read("table", source, mapping=plan)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_delimiters_are_recognised(tmp_path, delimiter):
    sheet = delimiter.join(["id", "sex"]) + "\n" + delimiter.join(["P1", "female"]) + "\n"
    columns = '{ patient_id = "id", sex = "sex", arm = { constant = "fmt" } }'
    mapping = f'[[tables]]\ntable = "patients"\ncolumns = {columns}'
    source, plan = files(tmp_path, sheet, mapping)
    assert read("table", source, mapping=plan).frames["patients"]["sex"].to_list() == ["female"]


def workbook(tmp_path, rows) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / "records.xlsx")


EXCEL = """
[[tables]]
table = "patients"
[tables.columns]
patient_id = "id"
arm = { constant = "fmt" }
index_on = "on"
is_mucosal_barrier_injured = "injured"
"""


def test_a_workbook_with_real_dates(tmp_path):
    rows = [("id", "on", "injured"), (1, dt.date(2024, 2, 29), True), (2, dt.datetime(2024, 3, 1), False)]  # noqa: DTZ001
    workbook(tmp_path, rows)
    (tmp_path / "mapping.toml").write_text(EXCEL, encoding="utf-8")
    imported = read("table", tmp_path / "records.xlsx", mapping=tmp_path / "mapping.toml")
    patients = imported.frames["patients"]
    assert patients["patient_id"].to_list() == ["1", "2"]
    assert patients["index_on"].to_list() == [dt.date(2024, 2, 29), dt.date(2024, 3, 1)]
    assert patients["is_mucosal_barrier_injured"].to_list() == [True, False]


def test_a_date_with_a_time_of_day_is_not_cut(tmp_path):
    workbook(tmp_path, [("id", "on", "injured"), ("a", dt.datetime(2024, 3, 1, 14, 30), None)])  # noqa: DTZ001
    (tmp_path / "mapping.toml").write_text(EXCEL, encoding="utf-8")
    with pytest.raises(ProblemsFoundError, match="not a date"):
        read("table", tmp_path / "records.xlsx", mapping=tmp_path / "mapping.toml")


@pytest.mark.slow
def test_ten_thousand_columns_give_a_clear_message(tmp_path):
    workbook(tmp_path, [[f"c{i}" for i in range(10_000)], list(range(10_000))])
    (tmp_path / "mapping.toml").write_text(EXCEL, encoding="utf-8")
    with pytest.raises(InputError, match="10,000 columns"):
        read("table", tmp_path / "records.xlsx", mapping=tmp_path / "mapping.toml")


def test_a_truncated_workbook_is_refused(tmp_path):
    workbook(tmp_path, [("id", "on", "injured"), ("a", None, None)])
    path = tmp_path / "records.xlsx"
    path.write_bytes(path.read_bytes()[:-400])
    (tmp_path / "mapping.toml").write_text(EXCEL, encoding="utf-8")
    with pytest.raises(InputError, match="zip archive"):
        read("table", path, mapping=tmp_path / "mapping.toml")


INSTANT = """
[[tables]]
table = "donations"
[tables.columns]
donation_id = "id"
donor_id = "id"
passed_at = { column = "at", timezone = "Europe/Vienna" }
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-07-01T12:00", "2024-07-01T10:00:00+00:00"),
        ("2024-01-01 12:00:30", "2024-01-01T11:00:30+00:00"),
        ("2024-01-01T12:00+08:00", "2024-01-01T04:00:00+00:00"),
        ("2024-10-27T02:30", None),
        ("2024-03-31T02:30", None),
        ("noon", None),
    ],
)
def test_moments_become_utc_and_ambiguous_ones_are_refused(tmp_path, text, expected):
    source, plan = files(tmp_path, f"id,at\nd1,{text}\n", INSTANT)
    if expected is None:
        with pytest.raises(ProblemsFoundError):
            read("table", source, mapping=plan)
        return
    value = read("table", source, mapping=plan).frames["donations"]["passed_at"].item()
    assert value.isoformat() == expected
