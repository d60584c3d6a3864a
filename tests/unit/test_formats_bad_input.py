"""Bad files: each a clear message, all problems at once, nothing half-written."""

import zipfile

import pytest

from commensal.errors import InputError, OutputExistsError, ProblemsFoundError
from commensal.formats import import_study

ABUNDANCE = "feature_id\ts1\ts2\ts3\nf1\t3\t5\t9\nf2\t7\t0\t4\n"
METADATA = (
    "sample_id\tsubject_id\trole\tday\tdonor_id\tarm\tdisease\toutcome\n"
    "s1\tp1\trecipient\t-7\td1\tFMT\tulcerative colitis\tremission\n"
    "s2\tp1\trecipient\t28\td1\tFMT\tulcerative colitis\tremission\n"
    "s3\td1\tdonor\t\td1\t\thealthy donor\t\n"
)
TAXONOMY = "feature_id\ttaxonomy\nf1\td__Bacteria;g__Blautia\nf2\td__Bacteria;g__Dorea\n"


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name, text in (("abundance", ABUNDANCE), ("metadata", METADATA), ("taxonomy", TAXONOMY)):
        (source / f"{name}.tsv").write_text(text, encoding="utf-8")
    return source


def change(folder, name: str, old: str, new: str) -> None:
    path = folder / f"{name}.tsv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def faults(folder) -> list:
    study = folder.parent / "study"
    with pytest.raises(ProblemsFoundError) as caught:
        import_study("tidy", folder, study)
    assert sorted(p.name for p in folder.parent.iterdir()) == ["source"], "nothing is half-written"
    return list(caught.value.problems)


def rules(folder) -> set[str]:
    return {p.rule for p in faults(folder)}


def test_the_sound_folder_is_imported(folder):
    study = import_study("tidy", folder, folder.parent / "study")
    assert study.read("abundances")["count"].sum() == 28
    assert study.read("abundances").height == 5
    assert study.read("samples")["collected_day"].to_list() == [-7, 28, None]


@pytest.mark.parametrize(
    ("name", "old", "new", "rule"),
    [
        ("abundance", "\t9\n", "\t-9\n", "abundance_not_a_number"),
        ("abundance", "\t9\n", "\tnine\n", "abundance_not_a_number"),
        ("abundance", "\t9\n", "\t\n", "abundance_not_a_number"),
        ("abundance", "\t9\n", "\tNaN\n", "abundance_not_a_number"),
        ("abundance", "\t9\n", "\tinf\n", "abundance_not_a_number"),
        ("abundance", "\t9\n", "\t9,5\n", "abundance_not_a_number"),
        ("abundance", "\t9\n", "\t9.5\n", "neither_counts_nor_proportions"),
        ("abundance", "\t9\n", "\n", "ragged_row"),
        ("abundance", "\t9\n", "\t9\t9\n", "ragged_row"),
        ("abundance", "f2\t", "f1\t", "feature_twice"),
        ("abundance", "f2\t", "\t", "feature_unnamed"),
        ("abundance", "\ts3", "\ts2", "sample_twice"),
        ("abundance", "\ts3", "\ts4", "sample_unmatched"),
        ("abundance", "f2\t", "f9\t", "no_lineage"),
        ("metadata", "s3\t", "s4\t", "sample_unmatched"),
        ("metadata", "s3\t", "s2\t", "sample_twice"),
        ("metadata", "s3\t", "\t", "sample_missing"),
        ("metadata", "subject_id", "whose", "column_missing"),
        ("metadata", "\tdonor\t", "\tdonner\t", "role_unknown"),
        ("metadata", "\t28\t", "\tweek 4\t", "not_a_whole_number"),
        ("metadata", "\t28\t", "\t28.5\t", "not_a_whole_number"),
        ("metadata", "\t28\t", "\t99999\t", "not_a_whole_number"),
        ("metadata", "\tFMT\tulcerative colitis\tremission\ns3", "\tplacebo\t\t\ns3", "subject_contradicts"),
        ("metadata", "\tFMT\t", "\tbanana\t", "arm_unknown"),
        ("metadata", "ulcerative colitis", "bad mood", "indication_unknown"),
        ("metadata", "remission", "splendid", "outcome_unknown"),
        ("metadata", "\td1\tFMT", "\tp1\tFMT", "donor_is_recipient"),
        ("metadata", "s3\td1\tdonor\t\td1", "s3\tp1\tdonor\t\tp1", "donor_is_recipient"),
        ("metadata", "\td1\tFMT", "\tControl\tFMT", "donor_missing"),
        ("metadata", "\tFMT\t", "\tantibiotics only\t", "comparator_has_donor"),
        ("metadata", "s3\td1\tdonor\t\td1\t\thealthy donor\t\n", "s3\td1\tdonor\n", "ragged_row"),
        ("taxonomy", "taxonomy", "tax", "unreadable"),
    ],
)
def test_one_fault_is_named(folder, name, old, new, rule):
    change(folder, name, old, new)
    assert rule in rules(folder)


def test_a_bad_cell_is_named_by_row_column_and_value(folder):
    change(folder, "abundance", "\t9\n", "\t-9\n")
    found = next(p for p in faults(folder) if p.rule == "abundance_not_a_number")
    assert (found.row, found.column, found.value) == (1, "s3", "-9")


def test_faults_of_all_files_come_together(folder):
    change(folder, "abundance", "\t9\n", "\t-9\n")
    change(folder, "metadata", "\t28\t", "\tlater\t")
    change(folder, "metadata", "remission", "splendid")
    (folder / "taxonomy.tsv").write_bytes(b"")
    found = rules(folder)
    assert {"abundance_not_a_number", "not_a_whole_number", "outcome_unknown", "unreadable"} <= found


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("feature_id\ts1\ts2\ts3\nf1\t30.5\t50\t90\nf2\t69.5\t50\t10\n", "percentages"),
        ("feature_id\ts1\ts2\ts3\nf1\t30\t50\t90\nf2\t70\t50\t10\n", "percentages"),
        ("feature_id\ts1\ts2\ts3\nf1\t1\t1\t1\nf2\t1\t0\t1\n", "presence"),
        ("feature_id\ts1\ts2\ts3\nf1\t0\t0\t0\nf2\t0\t0\t0\n", "no_abundance"),
        ("feature_id\ts1\ts2\ts3\nf1\t30\t0.5\t0.9\nf2\t70\t0.5\t0.1\n", "neither_counts_nor_proportions"),
    ],
)
def test_what_only_looks_like_counts_is_refused(folder, text, rule):
    (folder / "abundance.tsv").write_text(text, encoding="utf-8")
    assert rule in rules(folder)


def test_percentages_are_read_once_they_are_declared(folder):
    text = "feature_id\ts1\ts2\ts3\nf1\t30.5\t50\t90\nf2\t69.5\t50\t10\n"
    (folder / "abundance.tsv").write_text(text, encoding="utf-8")
    mapping = folder.parent / "mapping.toml"
    mapping.write_text('abundance = "percent"', encoding="utf-8")
    study = import_study("tidy", folder, folder.parent / "study", mapping=mapping)
    assert study.read("abundances")["proportion"].max() == pytest.approx(0.9)
    assert study.read("abundances")["count"].null_count() == study.read("abundances").height


def test_percentages_declared_as_counts_are_still_refused(folder):
    (folder / "abundance.tsv").write_text("feature_id\ts1\ts2\ts3\nf1\t3.5\t5\t9\n", encoding="utf-8")
    mapping = folder.parent / "mapping.toml"
    mapping.write_text('abundance = "counts"', encoding="utf-8")
    with pytest.raises(ProblemsFoundError, match="not a whole number"):
        import_study("tidy", folder, folder.parent / "study", mapping=mapping)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"PK\x03\x04rest", "a zip archive"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (METADATA.encode("utf-16"), "UTF-16"),
        (METADATA.encode("utf-16-le"), "UTF-16"),
        (METADATA.replace("remission", "缓解").encode("gb18030"), "gb18030"),
        (METADATA.replace("p1", "p\0").encode(), "NUL byte"),
        (b"sample_id\n", "single column"),
        (METADATA.replace("p1", '"p1').encode(), "quotation mark"),
        (METADATA.replace("outcome", "arm").encode(), "stands twice"),
        (METADATA.replace("\toutcome", "\t").encode(), "has no name"),
        (METADATA.splitlines(keepends=True)[0].encode(), "no rows"),
    ],
)
def test_a_file_that_is_no_table_is_named_for_what_it_is(folder, content, message):
    (folder / "metadata.tsv").write_bytes(content)
    assert any(message in p.message for p in faults(folder))


def test_a_byte_order_mark_is_no_fault(folder):
    (folder / "metadata.tsv").write_bytes(b"\xef\xbb\xbf" + METADATA.replace("\n", "\r\n").encode())
    study = import_study("tidy", folder, folder.parent / "study")
    assert study.read("patients")["patient_id"].to_list() == ["p1"]


def test_a_missing_file_is_named(folder):
    (folder / "metadata.tsv").unlink()
    assert any("metadata.tsv" in p.message for p in faults(folder))


def test_ten_thousand_columns_are_too_many_for_metadata(folder):
    header = "\t".join(["sample_id", *(f"c{i}" for i in range(9_999))])
    (folder / "metadata.tsv").write_text(header + "\n", encoding="utf-8")
    assert any("10,000 columns" in p.message for p in faults(folder))


def test_an_own_donor_is_legal_when_autologous(folder):
    change(folder, "metadata", "\td1\tFMT", "\tp1\tautologous FMT")
    study = import_study("tidy", folder, folder.parent / "study")
    donors = {r["donor_id"]: r["kind"] for r in study.read("donors").iter_rows(named=True)}
    assert donors == {"p1": "autologous", "d1": None}


def test_unknown_columns_are_noted_and_kept(folder):
    change(folder, "metadata", "\toutcome\n", "\tmood\n")
    study = import_study("tidy", folder, folder.parent / "study")
    assert any("mood" in note for note in study.manifest.notes)
    assert "mood" in (study.folder / "sources" / "metadata.tsv").read_text(encoding="utf-8")


def test_the_plain_name_of_a_column_wins_over_another_word_for_it(folder):
    change(folder, "metadata", "\toutcome\n", "\tdiagnosis\n")
    study = import_study("tidy", folder, folder.parent / "study")
    assert study.read("patients")["indication"].to_list() == ["uc"]
    assert any("diagnosis" in note for note in study.manifest.notes)


def test_two_words_for_one_column_are_a_fault(folder):
    change(folder, "metadata", "\tdisease\toutcome\n", "\tdiagnosis\tindication\n")
    assert "column_twice" in rules(folder)


def test_more_counts_than_reads_is_a_warning(folder):
    change(folder, "metadata", "\tdisease\t", "\tn_reads\t")
    change(folder, "metadata", "\tulcerative colitis\t", "\t9\t")
    change(folder, "metadata", "\thealthy donor\t", "\t13\t")
    study = import_study("tidy", folder, folder.parent / "study")
    notes = [n for n in study.manifest.notes if "more than its reads" in n]
    assert len(notes) == 1
    assert "row 1" in notes[0]


def test_what_exists_is_not_overwritten(folder):
    with pytest.raises(OutputExistsError):
        import_study("tidy", folder, folder)


@pytest.mark.parametrize(
    ("format_name", "expected"), [("tydi", "tidy"), ("excel", "one of")], ids=["near", "far"]
)
def test_an_unknown_format_names_the_known(folder, format_name, expected):
    with pytest.raises(InputError, match=expected):
        import_study(format_name, folder, folder.parent / "study")


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        import_study("tidy", tmp_path / "nowhere", tmp_path / "study")


def test_an_archive_that_would_explode_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "bomb.qza"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("u/metadata.yaml", "type: FeatureTable[Frequency]\n")
        archive.writestr("u/data/feature-table.biom", b"\0" * 5_000_000)
    monkeypatch.setattr("commensal.formats.files.MAX_UNPACKED_BYTES", 1_000_000)
    with pytest.raises(ProblemsFoundError, match="would unpack to 5,000"):
        import_study("qza", path, tmp_path / "study")
