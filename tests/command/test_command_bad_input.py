"""Bad files at the command line: each a clear message, all problems at once, nothing half-written."""

import zipfile

import pytest

PARENTERAL = (
    "intravenous", "Intravenous infusion", "IV", "i.v.", "I V", "venous", "injection", "peripheral vein",
    "subcutaneous", "s.c.", "intraperitoneal", "静脉", "静脉注射", "colonoscopy, then IV", "ＩＶ",
)  # fmt: skip
SHEET = "id,sex,first,route,crp,unit\nP1,F,2024-02-03,colonoscopy,12.5,mg/L\nP2,M,2024-02-28,enema,4,mg/L\n"
MAPPING = """
clock = "calendar"
data_cut = 2026-01-31
[[tables]]
table = "patients"
[tables.columns]
patient_id = "id"
sex = { column = "sex", values = { F = "female", M = "male" } }
arm = { constant = "fmt" }
index_on = "first"
[[tables]]
table = "lab_results"
[tables.columns]
lab_result_id = { template = "{id}-crp" }
patient_id = "id"
analyte = { constant = "crp" }
value = { column = "crp", unit_column = "unit" }
[[tables]]
table = "sessions"
[tables.columns]
session_id = { template = "{id}-1" }
patient_id = "id"
number = { constant = 1 }
administered_on = "first"
route = "route"
"""


def change(path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def import_tidy(refused, tidy, tmp_path):
    def call(*, code: int = 2) -> str:
        return refused("import", "tidy", tidy, "--out", tmp_path / "study", code=code)

    return call


@pytest.fixture
def import_table(refused, tmp_path):
    def call(
        sheet: str | bytes = SHEET, mapping: str = MAPPING, *, code: int = 2, name: str = "records.csv"
    ) -> str:
        source = tmp_path / name
        source.write_bytes(sheet if isinstance(sheet, bytes) else sheet.encode())
        (tmp_path / "mapping.toml").write_text(mapping, encoding="utf-8")
        plan = ("--mapping", tmp_path / "mapping.toml")
        return refused("import", "table", source, "--out", tmp_path / "study", *plan, code=code)

    return call


# --- a route outside the gut: exit code 3, with row and value, whatever the option


@pytest.mark.parametrize("route", PARENTERAL)
def test_a_parenteral_route_stops_a_tidy_study(import_tidy, tidy, route):
    change(tidy / "metadata.tsv", "s2\tp1\trecipient\t28\td1\tFMT\tulcerative colitis\tcolonoscopy",
           f"s2\tp1\trecipient\t28\td1\tFMT\tulcerative colitis\t{route}")  # fmt: skip
    message = import_tidy(code=3)
    assert "safety: metadata.tsv, row 2, route" in message
    assert repr(route) in message


@pytest.mark.parametrize("route", PARENTERAL)
def test_a_parenteral_route_stops_a_sheet(import_table, route):
    cell = f'"{route}"'
    message = import_table(SHEET.replace("enema", cell), code=3)
    assert "safety: " in message
    assert "row 2" in message
    assert repr(route) in message


@pytest.mark.parametrize(
    "mapping",
    [
        MAPPING.replace('route = "route"', 'route = { column = "route", values = { IV = "colonoscopy" } }'),
        MAPPING.replace('route = "route"', 'route = { constant = "colonoscopy" }'),
        MAPPING.replace('route = "route"\n', ""),
        MAPPING.replace('"sessions"\n', '"sessions"\nwhen = { column = "id", is = ["P1"] }\n'),
        MAPPING.replace('clock = "calendar"', 'clock = "calendar"\nmissing = ["", "IV"]'),
    ],
    ids=["mapped away", "overwritten", "left out", "filtered out", "called missing"],
)
def test_no_mapping_lets_a_parenteral_route_through(import_table, mapping):
    import_table(SHEET.replace("enema", "IV"), mapping, code=3)


def test_a_safety_error_outranks_the_others_and_hides_none(import_tidy, tidy):
    change(tidy / "metadata.tsv", "colonoscopy", "IV")
    change(tidy / "abundance.tsv", "\t9\n", "\t-9\n")
    message = import_tidy(code=3)
    assert "safety: metadata.tsv, row 1, route" in message
    assert "safety: metadata.tsv, row 2, route" in message
    assert "value '-9'" in message


# --- tidy folders


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("abundance", "\t9\n", "\t-9\n", ["row 1", "s3", "'-9'"]),
        ("abundance", "\t9\n", "\tmany\n", ["row 1", "s3", "'many'"]),
        ("abundance", "\t9\n", "\tNaN\n", ["row 1", "s3", "'NaN'"]),
        ("abundance", "\t9\n", "\t1e400\n", ["row 1", "s3", "'1e400'"]),
        ("abundance", "\t9\n", "\t\n", ["row 1", "s3"]),
        ("abundance", "f2\t", "f1\t", ["f1", "2 times"]),
        ("abundance", "\ts3", "\ts2", ["s2", "2 times"]),
        ("abundance", "\ts3", "\ts9", ["s9", "s3"]),
        ("abundance", "\t11\n", "", ["row 3"]),
        ("metadata", "s3\t", "s2\t", ["row 3", "s2"]),
        ("metadata", "\t28\t", "\t28 Feb\t", ["row 2", "day", "'28 Feb'"]),
        ("metadata", "\tsubject_id\t", "\twho\t", ["subject_id"]),
        ("metadata", "\tcolonoscopy\t", "\tby post\t", ["row 1", "route", "by post"]),
        ("metadata", "ulcerative colitis", "melancholy", ["row 1", "disease", "melancholy"]),
        ("metadata", "\td1\tFMT", "\tp1\tFMT", ["donor", "recipient", "p1"]),
    ],
)  # fmt: skip
def test_a_fault_is_named_by_row_column_and_value(import_tidy, tidy, name, old, new, told):
    change(tidy / f"{name}.tsv", old, new)
    message = import_tidy()
    assert f"{name}.tsv" in message
    missing = [word for word in told if word not in message]
    assert not missing, message


def test_all_problems_of_all_files_come_at_once(import_tidy, tidy):
    change(tidy / "abundance.tsv", "\t9\n", "\t-9\n")
    change(tidy / "abundance.tsv", "\t8\t", "\teight\t")
    change(tidy / "metadata.tsv", "\t28\t", "\tlater\t")
    change(tidy / "metadata.tsv", "remission", "splendid")
    change(tidy / "taxonomy.tsv", "f3\t", "f9\t")
    message = import_tidy()
    assert all(word in message for word in ("'-9'", "'eight'", "'later'", "'splendid'", "f3"))
    assert "nothing was written" in message


def test_more_problems_than_fit_are_counted(import_tidy, tidy):
    rows = "".join(f"g{i}\t-1\t-1\t-1\n" for i in range(50))
    change(tidy / "abundance.tsv", "f3\t", rows + "f3\t")
    assert "more" in import_tidy().splitlines()[-2]


@pytest.mark.parametrize("scale", [(30.5, 69.5), (30, 70)])
def test_percentages_are_not_taken_for_counts(import_tidy, tidy, scale):
    low, high = scale
    (tidy / "abundance.tsv").write_text(
        f"feature_id\ts1\ts2\ts3\nf1\t{low}\t50\t90\nf2\t{high}\t50\t10\n", encoding="utf-8"
    )
    (tidy / "taxonomy.tsv").unlink()
    assert "percent" in import_tidy()


BINARY = bytes(range(256)) * 8


@pytest.mark.parametrize("name", ["abundance.tsv", "metadata.tsv", "taxonomy.tsv"])
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda _: b"", ""),
        (lambda _: BINARY, ""),
        (lambda _: b"\x89PNG\r\n\x1a\n" + BINARY, ""),
        (lambda _: b"PK\x03\x04" + BINARY, "zip"),
        (lambda _: b"\x1f\x8b\x08" + BINARY, "gzip"),
        (lambda text: text.decode().encode("utf-16"), "UTF-16"),
        (lambda text: text.decode().encode("utf-16-be"), "UTF-16"),
        (lambda text: text.replace(b"f1", b"f\0").replace(b"p1", b"p\0"), "NUL"),
        (lambda text: text[: text.rindex(b"\t")], ""),
    ],
    ids=["empty", "binary", "picture", "zip", "gzip", "UTF-16", "UTF-16 unmarked", "NUL", "truncated"],
)
def test_a_file_that_is_no_table_is_refused_by_name(import_tidy, tidy, name, damage, told):
    path = tidy / name
    path.write_bytes(damage(path.read_bytes()))
    message = import_tidy()
    assert name in message
    assert told in message
    assert "\0" not in message


@pytest.mark.slow
def test_ten_thousand_columns_nobody_described_are_refused_in_a_page(import_tidy, tidy):
    names = [f"x{i}" for i in range(10_000)]
    wide = "\t".join(["feature_id", *names]) + "\n" + "\t".join(["f1", *["1"] * 10_000]) + "\n"
    (tidy / "abundance.tsv").write_text(wide, encoding="utf-8")
    message = import_tidy()
    assert "x0" in message
    assert len(message) < 20_000


def test_a_missing_file_is_named(import_tidy, tidy):
    (tidy / "metadata.tsv").unlink()
    assert "metadata.tsv" in import_tidy()


def test_a_lost_folder_is_no_study(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    refused("import", "tidy", tmp_path / "empty", "--out", tmp_path / "study", code=2)


# --- sheets of records


def test_the_sound_sheet_is_imported(commensal, tmp_path):
    (tmp_path / "records.csv").write_text(SHEET)
    (tmp_path / "mapping.toml").write_text(MAPPING)
    plan = ("--mapping", tmp_path / "mapping.toml", "--out", tmp_path / "study")
    said = commensal("import", "table", tmp_path / "records.csv", *plan)
    assert said.code == 0, said.err
    assert "lab_results" in said.out


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("2024-02-28", "30.02.2024", ["row 2", "first", "30.02.2024"]),
        ("2024-02-28", "2024-02-30", ["row 2", "first", "2024-02-30"]),
        ("2024-02-28", "02/28/24", ["row 2", "first", "02/28/24"]),
        ("4,mg/L", "4,furlong", ["row 2", "furlong", "mg"]),
        ("4,mg/L", "4,", ["row 2", "unit"]),
        ("4,mg/L", "low,mg/L", ["row 2", "crp", "low"]),
        ("4,mg/L", "-4,mg/L", ["row 2"]),
        ("P2,", "P1,", ["P1"]),
        ("P2,M", "P2,X", ["row 2", "sex", "X"]),
        ("enema", "by post", ["row 2", "route", "by post"]),
        ("id,", "ident,", ["id"]),
    ],
)
def test_a_bad_cell_of_a_sheet_is_named(import_table, old, new, told):
    message = import_table(SHEET.replace(old, new))
    missing = [word for word in told if word not in message]
    assert not missing, message


def test_all_bad_cells_of_a_sheet_come_at_once(import_table):
    bad = SHEET.replace("2024-02-28", "soon").replace("12.5", "high").replace("P2,M", "P2,X")
    message = import_table(bad)
    assert all(word in message for word in ("'soon'", "'high'", "'X'"))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"patients"', '"pateints"', ["patients"]),
        ("index_on", "index_date", ["index_date", "index_on"]),
        ('clock = "calendar"', 'clock = "wall"', ["wall", "calendar"]),
        (', unit_column = "unit"', "", ["unit"]),
        ('clock = "calendar"', "clock = calendar", ["TOML"]),
        ('patient_id = "id"', 'patient_id = "ID"', ["ID"]),
    ],
)
def test_a_fault_of_the_mapping_is_named_with_what_it_may_have_meant(import_table, old, new, told):
    message = import_table(mapping=MAPPING.replace(old, new))
    missing = [word for word in told if word not in message]
    assert not missing, message


@pytest.mark.parametrize(
    "content", [b"", BINARY, b"PK\x03\x04" + BINARY, SHEET.replace("P1", "P\0").encode()]
)
def test_a_sheet_that_is_none_is_refused(import_table, content):
    assert "records.csv" in import_table(content)


def test_a_workbook_that_is_none_is_refused(import_table):
    assert "records.xlsx" in import_table(SHEET.encode(), name="records.xlsx")


def test_a_sheet_in_utf_16_is_refused_in_words(import_table):
    assert "UTF-16" in import_table(SHEET.encode("utf-16"))


def test_a_donor_who_is_the_recipient_is_refused(import_table):
    mapping = (
        MAPPING
        + """
[[tables]]
table = "donors"
columns = { donor_id = "id" }
[[tables]]
table = "units"
columns = { unit_id = { template = "{id}-u" }, release_pathway = { constant = "historical" } }
[[tables]]
table = "unit_donors"
columns = { unit_id = { template = "{id}-u" }, donor_id = "id" }
[[tables]]
table = "session_units"
columns = { session_id = { template = "{id}-1" }, unit_id = { template = "{id}-u" } }
"""
    )
    message = import_table(mapping=mapping)
    assert "P1" in message
    assert "recipient" in message


@pytest.mark.parametrize("columns", [10_000])
def test_a_sheet_of_ten_thousand_columns_is_read_or_refused_in_a_page(commensal, tmp_path, columns):
    head, *rows = SHEET.splitlines()
    wide = [head + "".join(f",x{i}" for i in range(columns)), *(row + ",1" * columns for row in rows)]
    (tmp_path / "records.csv").write_text("\n".join(wide) + "\n")
    (tmp_path / "mapping.toml").write_text(MAPPING)
    plan = ("--mapping", tmp_path / "mapping.toml", "--out", tmp_path / "study")
    said = commensal("import", "table", tmp_path / "records.csv", *plan)
    assert said.code in (0, 2)
    assert len(said.out + said.err) < 20_000, "a page, not a flood"


# --- archives and feature tables


@pytest.mark.parametrize("name", ["biom", "qza", "metaphlan", "samestr"])
@pytest.mark.parametrize(
    "content", [b"", BINARY, b"PK\x03\x04" + BINARY, b"\x89HDF\r\n\x1a\n" + BINARY, b"{"]
)
def test_a_damaged_file_of_any_format_is_refused(refused, tmp_path, name, content):
    path = tmp_path / f"damaged.{name}"
    path.write_bytes(content)
    message = refused("import", name, path, "--out", tmp_path / "study", code=2)
    assert path.name in message


def test_an_archive_cut_short_is_refused(refused, tmp_path):
    path = tmp_path / "table.qza"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/metadata.yaml", "type: FeatureTable[Frequency]\n" * 50)
    path.write_bytes(path.read_bytes()[:-30])
    assert "table.qza" in refused("import", "qza", path, "--out", tmp_path / "study", code=2)
