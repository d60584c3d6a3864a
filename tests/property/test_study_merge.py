"""Merging is a union: it forgets nothing, invents nothing, and does not care which study comes first."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.errors import OutputExistsError, ProblemsFoundError
from commensal.study import INPUTS, Manifest, Study, StudyWriter, merge, write_study

VALUES = {
    "sex": ["female", "male", None],
    "arm_as_recorded": ["A", None],
    "born_day": [-100, None],
}


def study(folder: Path, frames: dict[str, pl.DataFrame], **manifest) -> Study:
    sources = manifest.pop("sources", None)
    return write_study(frames, folder, manifest=Manifest(**({"origin": "test"} | manifest)), sources=sources)


def patients(**columns) -> pl.DataFrame:
    return pl.DataFrame(columns, schema_overrides={"patient_id": pl.String, "sex": pl.String})


@st.composite
def halves(draw):
    """One study's patients and unit donors, split into two that agree wherever both know something."""
    ids = draw(st.lists(st.sampled_from("pqrst"), unique=True, min_size=1))
    whole = [{"patient_id": i} | {c: draw(st.sampled_from(v)) for c, v in VALUES.items()} for i in ids]
    parts = []
    for _ in range(2):
        kept = [row for row in whole if draw(st.booleans())]
        parts.append(
            [
                {k: v if k == "patient_id" or draw(st.booleans()) else None for k, v in row.items()}
                for row in kept
            ]
        )
    return parts


def frame_of(rows: list[dict]) -> dict[str, pl.DataFrame]:
    schema = {name: INPUTS["patients"].schema[name] for name in ("patient_id", *VALUES)}
    units = pl.DataFrame(
        {
            "unit_id": [r["patient_id"] for r in rows],
            "donor_id": ["d"] * len(rows),
            "donation_id": pl.Series([None] * len(rows), dtype=pl.String),
        },
        schema_overrides={"unit_id": pl.String},
    )
    return {"patients": pl.DataFrame(rows, schema=schema), "unit_donors": units}


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(halves())
def test_merge_is_commutative_idempotent_and_keeps_every_value(parts):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        a, b = (study(root / name, frame_of(rows)) for name, rows in zip("ab", parts, strict=True))
        ab, ba = merge(a, b, root / "ab"), merge(b, a, root / "ba")
        assert ab.manifest == ba.manifest
        for name in ("patients", "unit_donors"):
            assert ab.read(name).equals(ba.read(name))
            assert merge(a, a, root / f"aa-{name}").read(name).equals(a.read(name))
        merged = {row["patient_id"]: row for row in ab.read("patients").iter_rows(named=True)}
        known = [
            (r["patient_id"], c, r[c]) for rows in parts for r in rows for c in VALUES if r[c] is not None
        ]
        assert all(merged[i][c] == value for i, c, value in known)
        n_known = sum(row[c] is not None for row in merged.values() for c in VALUES)
        assert n_known == len(set(known))


def test_all_conflicts_are_told_at_once_and_nothing_is_written(tmp_path):
    a = study(tmp_path / "a", {"patients": patients(patient_id=["p", "q"], sex=["male", "male"])})
    b = study(tmp_path / "b", {"patients": patients(patient_id=["q", "p"], sex=["female", "female"])})
    with pytest.raises(ProblemsFoundError) as caught:
        merge(a, b, tmp_path / "c")
    assert [(p.table, p.row, p.column, p.value) for p in caught.value.problems] == [
        ("patients", 1, "sex", "male | female"),
        ("patients", 2, "sex", "male | female"),
    ]
    assert "disagree on p" in caught.value.problems[0].message
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b"]


def test_different_clocks_and_measures_are_refused_together(tmp_path):
    pair = {"sample_id": ["m"], "taxon_id": ["t"]}
    a = study(tmp_path / "a", {"abundances": pl.DataFrame(pair | {"count": [4]})})
    b = study(tmp_path / "b", {"abundances": pl.DataFrame(pair | {"proportion": [0.4]})}, clock="patient")
    with pytest.raises(ProblemsFoundError) as caught:
        merge(a, b, tmp_path / "c")
    assert [p.rule for p in caught.value.problems] == ["clocks", "mixed_measures"]


def test_a_key_that_stands_twice_is_refused(tmp_path):
    a = study(tmp_path / "a", {"patients": patients(patient_id=["p", "p"], sex=["male", "female"])})
    b = study(tmp_path / "b", {"patients": patients(patient_id=["p"], sex=["male"])})
    with pytest.raises(ProblemsFoundError, match="study a"):
        merge(a, b, tmp_path / "c")


def test_sources_of_both_are_kept_even_under_one_name(tmp_path):
    a = study(tmp_path / "a", {}, sources={"same": b"s", "notes.tsv": b"1", "only-a": b"a"})
    b = study(tmp_path / "b", {}, sources={"same": b"s", "notes.tsv": b"2"})
    kept = {n: p.read_bytes() for n, p in merge(a, b, tmp_path / "c").kept("sources").items()}
    assert sorted(kept.values()) == [b"1", b"2", b"a", b"s"]
    assert kept.keys() == merge(b, a, tmp_path / "d").kept("sources").keys()
    assert {"same", "only-a"} < kept.keys()


@pytest.mark.parametrize(("cuts", "merged"), [((10, 20), 10), ((10, None), None), ((None, None), None)])
def test_the_earlier_data_cut_counts_and_an_unknown_one_stays_unknown(tmp_path, cuts, merged):
    a, b = (study(tmp_path / n, {}, data_cut_day=cut) for n, cut in zip("ab", cuts, strict=True))
    manifest = merge(a, b, tmp_path / "c").manifest
    assert manifest.data_cut_day == merged
    assert len(manifest.notes) == 2 - (cuts[0] == cuts[1])


def with_truth(folder: Path, value: int) -> Study:
    with StudyWriter(folder, manifest=Manifest(origin="simulate")) as writer:
        writer.append_truth("remission", pl.DataFrame({"x": [value]}))
    from commensal.study import open_study

    return open_study(folder)


def test_truth_is_kept_where_there_is_one(tmp_path):
    a, b, c = with_truth(tmp_path / "a", 1), with_truth(tmp_path / "b", 2), study(tmp_path / "c", {})
    assert merge(a, c, tmp_path / "ac").truth("remission")["x"].to_list() == [1]
    assert merge(a, a, tmp_path / "aa").truth("remission")["x"].to_list() == [1]
    merged = merge(a, b, tmp_path / "ab")
    assert merged.kept("truth") == {}
    assert any("truth/" in note for note in merged.manifest.notes)


def test_an_existing_folder_is_refused(tmp_path):
    a = study(tmp_path / "a", {})
    with pytest.raises(OutputExistsError):
        merge(a, a, tmp_path / "a")
