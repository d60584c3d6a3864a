"""BIOM, QIIME 2 archives, MetaPhlAn and SameStr: small files made here, read without the tools."""

import io
import json
import zipfile

import biom
import h5py
import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, ProblemsFoundError
from commensal.formats import import_study, read
from commensal.formats.lineages import parse_lineage
from commensal.formats.samestr import call

METADATA = (
    "sample-id\tsubject_id\trole\tarm\n#q2:types\tcategorical\tcategorical\tcategorical\n"
    "s1\tp1\trecipient\tFMT\ns2\td1\tdonor\t\n"
)
LINEAGES = [
    "k__Bacteria; p__Firmicutes; g__Blautia; s__",
    "k__Bacteria; p__Firmicutes; g__Dorea; s__longicatena",
]


def table(values=((3.0, 0.0), (7.0, 2.0)), *, metadata=None) -> biom.Table:
    taxonomy = [{"taxonomy": lineage.split("; ")} for lineage in LINEAGES]
    return biom.Table(np.array(values), ["f1", "f2"], ["s1", "s2"], taxonomy, metadata)


def as_hdf5(source: biom.Table) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        source.to_hdf5(file, "tests")
    return buffer.getvalue()


def as_json(source: biom.Table) -> bytes:
    return source.to_json("tests").encode()


def archive(path, *, kind: str, inner: str, payload: bytes, root: str = "0b3f"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{root}/VERSION", "QIIME 2\narchive: 5\n")
        file.writestr(f"{root}/metadata.yaml", f"uuid: {root}\ntype: {kind}\nformat: null\n")
        file.writestr(f"{root}/data/{inner}", payload)
    return path


def stored(study) -> set:
    return set(study.read("abundances").select("sample_id", "taxon_id", "count").iter_rows())


EXPECTED = {("s1", "f1", 3), ("s1", "f2", 7), ("s2", "f2", 2)}


@pytest.mark.parametrize("write", [as_json, as_hdf5], ids=["1.0", "2.1"])
def test_both_biom_versions_say_the_same(tmp_path, write):
    (tmp_path / "table.biom").write_bytes(write(table()))
    (tmp_path / "metadata.tsv").write_text(METADATA, encoding="utf-8")
    study = import_study("biom", tmp_path / "table.biom", tmp_path / "study")
    assert stored(study) == EXPECTED
    assert study.read("taxa").filter(pl.col("taxon_id") == "f2")["species"].item() == "longicatena"
    assert study.read("patients")["patient_id"].to_list() == ["p1"]
    assert study.read("donors")["donor_id"].to_list() == ["d1"]


def test_metadata_inside_the_table_is_read(tmp_path):
    facts = [
        {"subject_id": "p1", "role": "recipient", "arm": "FMT", "route": "enema"},
        {"subject_id": "d1", "role": "donor", "arm": "", "route": ""},
    ]
    (tmp_path / "table.biom").write_bytes(as_json(table(metadata=facts)))
    study = import_study("biom", tmp_path / "table.biom", tmp_path / "study")
    assert study.read("sessions")["route"].to_list() == ["retention_enema"]
    facts[0]["route"] = "iv"
    (tmp_path / "table.biom").write_bytes(as_json(table(metadata=facts)))
    with pytest.raises(ProblemsFoundError) as caught:
        import_study("biom", tmp_path / "table.biom", tmp_path / "again")
    assert caught.value.exit_code == 3


def test_a_table_without_metadata_says_that_nobody_knows_whose_samples_these_are(tmp_path):
    (tmp_path / "table.biom").write_bytes(as_json(table()))
    study = import_study("biom", tmp_path / "table.biom", tmp_path / "study")
    assert study.read("samples")["patient_id"].null_count() == 2
    assert any("unknown" in note for note in study.manifest.notes)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (((3.0, -1.0), (7.0, 2.0)), "abundance_not_a_number"),
        (((3.5, 1.0), (7.0, 2.0)), "neither_counts_nor_proportions"),
        (((30.0, 50.0), (70.0, 50.0)), "percentages"),
    ],
)
def test_bad_values_in_biom(tmp_path, values, rule):
    (tmp_path / "table.biom").write_bytes(as_json(table(values)))
    with pytest.raises(ProblemsFoundError) as caught:
        read("biom", tmp_path / "table.biom")
    assert rule in {p.rule for p in caught.value.problems}


def test_json_with_a_row_out_of_range_is_refused(tmp_path):
    content = json.loads(as_json(table()))
    content["data"].append([99, 0, 5.0])
    (tmp_path / "table.biom").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ProblemsFoundError, match="not a whole BIOM table"):
        read("biom", tmp_path / "table.biom")


def test_a_truncated_biom_is_refused(tmp_path):
    (tmp_path / "table.biom").write_bytes(as_hdf5(table())[:2000])
    with pytest.raises(ProblemsFoundError, match="not a whole BIOM table"):
        read("biom", tmp_path / "table.biom")


def test_hdf5_that_claims_too_much_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.biom"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", shape=(1 << 34,), dtype="u1", chunks=(1 << 20,), compression="gzip")
    with pytest.raises(ProblemsFoundError, match="would unpack"):
        read("biom", path)


def test_an_archive_with_its_taxonomy(tmp_path):
    archive(
        tmp_path / "table.qza",
        kind="FeatureTable[Frequency]",
        inner="feature-table.biom",
        payload=as_hdf5(table()),
    )
    taxonomy = "Feature ID\tTaxon\tConfidence\nf1\tk__Bacteria; g__Roseburia\t0.98\nf2\tk__Bacteria\t0.9\n"
    archive(
        tmp_path / "taxonomy.qza",
        kind="FeatureData[Taxonomy]",
        inner="taxonomy.tsv",
        payload=taxonomy.encode(),
        root="1c4e",
    )
    (tmp_path / "metadata.tsv").write_text(METADATA, encoding="utf-8")
    study = import_study("qza", tmp_path, tmp_path / "study")
    assert stored(study) == EXPECTED
    assert study.read("taxa")["genus"].to_list() == ["Roseburia", None]
    assert "0b3f" in study.manifest.origin


def test_relative_frequencies_stay_proportions(tmp_path):
    path = archive(
        tmp_path / "table.qza",
        kind="FeatureTable[RelativeFrequency]",
        inner="feature-table.biom",
        payload=as_hdf5(table(((0.3, 0.0), (0.7, 1.0)))),
    )
    imported = read("qza", path)
    assert imported.frames["abundances"]["proportion"].to_list() == pytest.approx([0.3, 0.7, 1.0])
    assert imported.frames["abundances"]["count"].null_count() == 3


def test_frequencies_that_are_no_counts_are_refused(tmp_path):
    path = archive(
        tmp_path / "table.qza",
        kind="FeatureTable[Frequency]",
        inner="feature-table.biom",
        payload=as_hdf5(table(((0.3, 0.0), (0.7, 1.0)))),
    )
    with pytest.raises(ProblemsFoundError, match="not a whole number"):
        read("qza", path)


@pytest.mark.parametrize("kind", ["Phylogeny[Rooted]", "FeatureTable[Composition]"])
def test_other_archives_are_named_for_what_they_are(tmp_path, kind):
    path = archive(tmp_path / "x.qza", kind=kind, inner="tree.nwk", payload=b"();")
    with pytest.raises(ProblemsFoundError, match="is of type"):
        read("qza", path)


SINGLE = """#mpa_vJun23_CHOCOPhlAnSGB_202403
#12 reads processed
#SampleID\tMetaphlan_Analysis
#clade_name\tclade_taxid\trelative_abundance\tcoverage\testimated_number_of_reads_from_the_clade
UNCLASSIFIED\t-1\t40.0\t-\t400
k__Bacteria\t2\t60.0\t1.0\t600
k__Bacteria|p__Firmicutes\t2|1239\t60.0\t1.0\t600
k__Bacteria|p__Firmicutes|s__A_one\t2|1239|1\t45.0\t1.0\t450
k__Bacteria|p__Firmicutes|s__A_one|t__SGB1\t2|1239|1|\t30.0\t1.0\t300
k__Bacteria|p__Firmicutes|s__A_one|t__SGB2\t2|1239|1|\t15.0\t1.0\t150
k__Bacteria|p__Firmicutes|s__B_two\t2|1239|2\t15.0\t1.0\t150
"""
MERGED = """#mpa_v30_CHOCOPhlAn_201901
clade_name\tNCBI_tax_id\ta\tb
k__Bacteria\t2\t100.0\t100.0
k__Bacteria|s__A\t2|1\t75.0\t0.0
k__Bacteria|s__B\t2|2\t25.0\t100.0
"""


def test_a_profile_counts_nothing_twice(tmp_path):
    path = tmp_path / "p1_profile.txt"
    path.write_text(SINGLE, encoding="utf-8")
    imported = read("metaphlan", path)
    shares = dict(imported.frames["abundances"].select("taxon_id", "proportion").iter_rows())
    leaves = {t.rpartition("|")[2]: v for t, v in shares.items()}
    assert leaves == pytest.approx({"t__SGB1": 0.30, "t__SGB2": 0.15, "s__B_two": 0.15})
    assert set(imported.frames["samples"]["sample_id"]) == {"p1"}
    assert any("40 %" in note for note in imported.notes)
    assert imported.frames["sequencing_runs"]["pipeline"].item() == (
        "MetaPhlAn mpa_vJun23_CHOCOPhlAnSGB_202403"
    )


def test_a_merged_table_has_a_sample_a_column(tmp_path):
    path = tmp_path / "merged.txt"
    path.write_text(MERGED, encoding="utf-8")
    found = set(read("metaphlan", path).frames["abundances"].select("sample_id", "proportion").iter_rows())
    assert found == {("a", 0.75), ("a", 0.25), ("b", 1.0)}


def test_a_folder_of_profiles_is_one_study(tmp_path):
    for name in ("s1", "s2"):
        (tmp_path / f"{name}.txt").write_text(SINGLE, encoding="utf-8")
    (tmp_path / "metadata.tsv").write_text(METADATA, encoding="utf-8")
    study = import_study("metaphlan", tmp_path, tmp_path / "study")
    assert study.read("samples").height == 2
    assert study.read("abundances").height == 6


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("\t15.0\t1.0\t150\n", "\n", "ragged_row"),
        (
            "15.0\t1.0\t150\nk__Bacteria|p__Firmicutes|s__B",
            "115.0\t1.0\t1\nk__Bacteria|s__B",
            "not_a_percentage",
        ),
        ("s__B_two\t2|1239|2\t15.0", "s__B_two\t2|1239|2\t-1", "not_a_percentage"),
        ("s__B_two\t2|1239|2\t15.0", "s__B_two\t2|1239|2\tmany", "not_a_percentage"),
        ("s__B_two\t2|1239|2\t15.0", "s__B_two\t2|1239|2\t1.0", "profile_sum"),
        ("#clade_name", "#taxon", "unreadable"),
    ],
)
def test_a_damaged_profile_is_refused(tmp_path, old, new, rule):
    path = tmp_path / "p1.txt"
    assert old in SINGLE
    path.write_text(SINGLE.replace(old, new), encoding="utf-8")
    with pytest.raises(ProblemsFoundError) as caught:
        read("metaphlan", path)
    assert rule in {p.rule for p in caught.value.problems}


@pytest.mark.parametrize(
    ("similarity", "n_overlap", "expected"),
    [  # the published example of SameStr (danielpodlesny/samestr, example/)
        (0.996797, 9055, "other_strain"),
        (0.997318, 3729, "not_analysable"),
        (1.0, 14881, "shared_strain"),
        (0.999694, 127283, "shared_strain"),
        (0.970281, 3163, "not_analysable"),
        (0.999062, 9598, "shared_strain"),
        (0.998995, 25876, "other_strain"),
        (0.988550, 35370, "other_strain"),
        (1.0, 5000, "not_analysable"),
        (0.999, 5001, "shared_strain"),
        (None, 9000, "not_analysable"),
        (1.0, None, None),
    ],
)
def test_strain_calls(similarity, n_overlap, expected):
    assert call(similarity, n_overlap=n_overlap) == expected


def test_samestr_takes_no_mapping(tmp_path):
    (tmp_path / "m.toml").write_text("x = 1", encoding="utf-8")
    with pytest.raises(InputError, match="no mapping"):
        read("samestr", tmp_path, mapping=tmp_path / "m.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d__Bacteria;p__Firmicutes;g__;s__", {"domain": "Bacteria", "phylum": "Firmicutes"}),
        ("k__Bacteria|s__A_b|t__SGB1", {"domain": "Bacteria", "species": "A_b", "strain": "SGB1"}),
        ("Bacteria; Firmicutes; NA", {"domain": "Bacteria", "phylum": "Firmicutes"}),
        ("Blautia", {}),
    ],
)
def test_lineages(text, expected):
    assert parse_lineage(text) == expected
