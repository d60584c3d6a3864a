"""Whatever stands in a file, a user sees a message, never a traceback; and order says nothing."""

import io
import tempfile
import zipfile
from pathlib import Path

import biom
import h5py
import numpy as np
import openpyxl
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.errors import CommensalError
from commensal.formats import read

ABUNDANCE = b"feature_id\ts1\ts2\ts3\nf1\t3\t5\t9\nf2\t7\t0\t4\n"
METADATA = (
    b"sample_id\tsubject_id\trole\tday\tdonor_id\tarm\tdisease\troute\toutcome\tPUCAI_baseline\td1_in_pool\n"
    b"s1\tp1\trecipient\t-7\td1\tFMT x3\tulcerative colitis\tcolonoscopy\tremission\t35\t\n"
    b"s2\tp1\trecipient\t28\td1\tFMT x3\tulcerative colitis\tcolonoscopy\tremission\t35\t\n"
    b"s3\td1\tdonor\t1\td1\t\thealthy donor\t\t\t\t0\n"
)
TAXONOMY = b"feature_id\ttaxonomy\tsequence\nf1\td__Bacteria;g__Blautia\tACGT\nf2\td__Bacteria\tACGA\n"
PROFILE = (
    b"#mpa_vJun23\n#clade_name\tclade_taxid\trelative_abundance\nUNCLASSIFIED\t-1\t40.0\n"
    b"k__Bacteria\t2\t60.0\nk__Bacteria|s__A\t2|1\t45.0\nk__Bacteria|s__B\t2|2\t15.0\n"
)
STRAINS = (
    b"Case_Name\tDays_Since_FMT.post\tfmt_success\tspecies\tPre-FMT/Donor.mvs\tPre-FMT/Post-FMT.mvs\t"
    b"Donor/Post-FMT.mvs\tPre-FMT/Donor.overlap\tPre-FMT/Post-FMT.overlap\tDonor/Post-FMT.overlap\n"
    b"c1\t28\tTRUE\tA_one\t0.95\t1\t0.9999\t9000\t6148\t5512\n"
)
RECORDS = b'id,sex,on,crp,unit,route\nP1,F,03.02.2024,"12,5",mg/L,enema\nP2,M,28.02.2024,,,colonoscopy\n'
MAPPING = b"""
clock = "calendar"
data_cut = 2026-01-31
[[tables]]
table = "patients"
[tables.columns]
patient_id = "id"
sex = { column = "sex", values = { F = "female", M = "male" } }
arm = { constant = "fmt" }
index_on = { column = "on", date_format = "%d.%m.%Y" }
[[tables]]
table = "sessions"
columns = { session_id = { template = "{id}-1" }, patient_id = "id", route = "route" }
[[tables]]
table = "lab_results"
when = { column = "crp" }
[tables.columns]
lab_result_id = { template = "{id}-{@row}" }
patient_id = "id"
analyte = { constant = "crp" }
value = { column = "crp", decimal = ",", unit_column = "unit" }
"""


def biom_table(*, as_hdf5: bool) -> bytes:
    table = biom.Table(np.array([[3.0, 0.0], [7.0, 2.0]]), ["f1", "f2"], ["s1", "s2"])
    if not as_hdf5:
        return table.to_json("tests").encode()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        table.to_hdf5(file, "tests")
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:  # stored, so that mutations reach the payload
        file.writestr("u/metadata.yaml", "uuid: u\ntype: FeatureTable[Frequency]\n")
        file.writestr("u/data/feature-table.biom", biom_table(as_hdf5=False))
    return buffer.getvalue()


def workbook() -> bytes:
    book, buffer = openpyxl.Workbook(), io.BytesIO()
    for line in RECORDS.decode().splitlines():
        book.active.append(line.replace('"12,5"', "12.5").split(","))
    book.save(buffer)
    return buffer.getvalue()


SOURCES: dict[str, tuple[str, str, dict[str, bytes]]] = {
    "tidy": ("tidy", "", {"abundance.tsv": ABUNDANCE, "metadata.tsv": METADATA, "taxonomy.tsv": TAXONOMY}),
    "biom 1.0": ("biom", "t.biom", {"t.biom": biom_table(as_hdf5=False)}),
    "biom 2.1": ("biom", "t.biom", {"t.biom": biom_table(as_hdf5=True)}),
    "qza": ("qza", "t.qza", {"t.qza": archive()}),
    "metaphlan": ("metaphlan", "s1.txt", {"s1.txt": PROFILE}),
    "samestr": ("samestr", "t.tsv", {"t.tsv": STRAINS}),
    "table": ("table", "t.csv", {"t.csv": RECORDS, "mapping.toml": MAPPING}),
    "workbook": ("table", "t.xlsx", {"t.xlsx": workbook(), "mapping.toml": MAPPING}),
}

TOKENS = (
    *(b"\t", b"\n", b"\r", b"\x85", b",", b'"', b"\0", b"\xff", b"\xef\xbb\xbf", b"\xc2\xb2"),
    *(b"-1", b"NaN", b"inf", b"1e400", b"9" * 400, b"{", b"}", b"[", b"%", b"=", b"__", b"|", b""),
    *("缓解".encode(), "１".encode()),
)


@st.composite
def mutations(draw) -> list[tuple[float, float, bytes]]:
    """Replacements: from here (a share of the length), this many bytes, by these."""
    places = st.floats(0, 1, allow_nan=False)
    widths = st.sampled_from([0, 0, 1, 1, 2, 5, 40, 10_000])
    pieces = st.one_of(st.sampled_from(TOKENS), st.binary(max_size=6))
    return draw(st.lists(st.tuples(places, widths, pieces), min_size=1, max_size=4))


def mutated(content: bytes, changes) -> bytes:
    for place, width, piece in changes:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + width :]
    return content


def reads_or_refuses(kind: str, victim: int, changes) -> None:
    format_name, source, files = SOURCES[kind]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        target = sorted(files)[victim % len(files)]
        for file, content in files.items():
            (folder / file).write_bytes(mutated(content, changes) if file == target else content)
        mapping = folder / "mapping.toml" if "mapping.toml" in files else None
        try:
            imported = read(format_name, folder / source, mapping=mapping)
        except CommensalError:
            return
        for frame in imported.frames.values():
            floats = frame.select(pl.selectors.float())
            assert not any(floats[c].is_nan().any() or floats[c].is_infinite().any() for c in floats.columns)


@pytest.mark.parametrize("kind", SOURCES)
def test_the_sources_themselves_are_read(kind, tmp_path):
    format_name, source, files = SOURCES[kind]
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    mapping = tmp_path / "mapping.toml" if "mapping.toml" in files else None
    if kind == "workbook":
        mapping.write_bytes(MAPPING.replace(b'decimal = ",", ', b""))
    assert read(format_name, tmp_path / source, mapping=mapping).frames


@pytest.mark.slow
@pytest.mark.parametrize("kind", SOURCES)
@settings(max_examples=30, deadline=None)
@given(victim=st.integers(0, 2), changes=mutations())
def test_only_messages_escape_from_damaged_files(kind, victim, changes):
    reads_or_refuses(kind, victim, changes)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(3)), columns=st.permutations(range(11)))
def test_the_order_of_rows_and_columns_says_nothing(order, columns):
    expected = _frames(METADATA)
    lines = [line.split(b"\t") for line in METADATA.splitlines()]
    rows = [lines[0], *(lines[1 + i] for i in order)]
    text = b"\n".join(b"\t".join(row[c] for c in columns) for row in rows)
    found = _frames(text)
    assert found.keys() == expected.keys()
    for name, frame in expected.items():
        assert found[name].sort(frame.columns).equals(frame.sort(frame.columns)), name


def _frames(metadata: bytes) -> dict[str, pl.DataFrame]:
    with tempfile.TemporaryDirectory() as name:
        for file, content in (("abundance", ABUNDANCE), ("metadata", metadata), ("taxonomy", TAXONOMY)):
            (Path(name) / f"{file}.tsv").write_bytes(content)
        return dict(read("tidy", name).frames)
