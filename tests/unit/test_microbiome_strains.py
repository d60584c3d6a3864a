"""Strain calls, and strain engraftment with the baseline subtracted, on tables small enough to count."""

import polars as pl
import pytest

from commensal.errors import InputError
from commensal.microbiome.identity.strains import MEASURES, call, call_by_distance, strain_engraftment
from commensal.study import Manifest, Study, study_of

# SameStr's example (danielpodlesny/samestr, example/): similarity, overlap, call.
EXAMPLE = {
    "t__SGB4285": (0.996797, 9055, "other_strain"),
    "t__SGB15878": (0.997318, 3729, "not_analysable"),
    "t__SGB7095": (1.0, 14881, "shared_strain"),
    "t__SGB6744": (0.999694, 127283, "shared_strain"),
    "t__SGB8130": (0.970281, 3163, "not_analysable"),
    "t__SGB7298_group": (0.999062, 9598, "shared_strain"),
    "t__SGB7967": (0.998995, 25876, "other_strain"),
    "t__SGB4933": (0.988550, 35370, "other_strain"),
}


@pytest.mark.parametrize(("similarity", "overlap", "expected"), EXAMPLE.values(), ids=EXAMPLE)
def test_samestrs_example(similarity: float, overlap: int, expected: str) -> None:
    assert call(similarity, overlap) == expected


def test_limits_and_thresholds() -> None:
    assert call(0.999, 5001) == "shared_strain"
    assert call(0.999, 5000) == "not_analysable"
    assert call(None, 9000) == call(0.9, None) == "not_analysable"
    assert call(0.99, 600, shared_similarity=0.98, least_overlap=500) == "shared_strain"
    for similarity, overlap in ((1.2, 9000), (float("nan"), 9000), (0.9, -1)):
        with pytest.raises(InputError):
            call(similarity, overlap)


def test_calls_by_distance() -> None:
    assert call_by_distance(0.01, threshold=0.01) == "shared_strain"
    assert call_by_distance(0.02, threshold=0.01) == "other_strain"
    assert call_by_distance(0.02, threshold=None) == "not_analysable"
    with pytest.raises(InputError):
        call_by_distance(float("nan"), threshold=0.01)


S, O, N = "shared_strain", "other_strain", "not_analysable"  # noqa: E741
# clade: donor and post, baseline and post
CALLS = {
    "a": (S, O),
    "b": (S, N),
    "c": (S, S),
    "d": (O, S),
    "e": (O, O),
    "f": (N, S),
    "g": (O, N),
    "h": (N, N),
}


def small(extra: list[tuple[str, str, str, str]] = [], **patients: str) -> Study:  # noqa: B006
    rows = [("D1", "P1@28", clade, of_donor) for clade, (of_donor, _) in CALLS.items()]
    rows += [("P1@28", "P1@0", clade, before) for clade, (_, before) in CALLS.items()]
    strains = pl.DataFrame(
        rows + extra, schema=["sample_id", "other_sample_id", "clade", "call"], orient="row"
    )
    strains = strains.with_columns(n_overlap=pl.lit(9000), similarity=pl.lit(None, dtype=pl.Float64))
    people = {"P1": "fmt"} | patients
    return study_of(
        {
            "patients": pl.DataFrame(
                {"patient_id": list(people), "arm": list(people.values()), "index_day": 0}
            ),
            "sessions": pl.DataFrame({"session_id": ["s"], "patient_id": ["P1"], "administered_day": [0]}),
            "session_units": pl.DataFrame({"session_id": ["s"], "unit_id": ["u"]}),
            "units": pl.DataFrame({"unit_id": ["u"], "release_pathway": ["historical"]}),
            "unit_donors": pl.DataFrame({"unit_id": ["u"], "donor_id": ["D"]}),
            "donors": pl.DataFrame({"donor_id": ["D"], "kind": ["universal"]}),
            "samples": pl.DataFrame(
                [
                    ("P1@0", "P1", None, 0),
                    ("P1@28", "P1", None, 28),
                    ("P1@90", "P1", None, 90),
                    ("D1", None, "D", None),
                ],
                schema={
                    "sample_id": pl.String,
                    "patient_id": pl.String,
                    "donor_id": pl.String,
                    "collected_day": pl.Int32,
                },
                orient="row",
            ),
            "strains": strains,
        },
        manifest=Manifest(origin="test", clock="patient"),
    )


def values(table: pl.DataFrame, sample: str) -> dict[str, tuple[int, int]]:
    rows = table.filter(pl.col("sample_id") == sample)
    return {row["measure"]: (row["n_events"], row["n"]) for row in rows.iter_rows(named=True)}


def test_the_measures_count_what_they_say() -> None:
    table = strain_engraftment(small())
    assert values(table, "P1@28") == {
        "strain_sharing_donor": (3, 6),
        "species_sharing_donor": (8, 8),
        "strain_sharing_baseline": (3, 5),
        "species_sharing_baseline": (8, 8),
        "strain_engraftment": (2, 6),
        "strain_engraftment_strict": (1, 4),
        "strains_donor_only": (2, 7),
        "strains_baseline_only": (2, 7),
        "strains_both": (1, 7),
        "strains_neither": (2, 7),
    }
    row = table.filter((pl.col("sample_id") == "P1@28") & (pl.col("measure") == "strain_engraftment"))
    assert row["reason"][0] == "2 of the species cannot be compared with the baseline"
    assert 0 < row["lower"][0] < row["value"][0] < row["upper"][0] < 1


def test_nobody_is_lost_and_everything_without_a_value_has_its_reason() -> None:
    table = strain_engraftment(small(P2="fmt", P3="placebo"))
    assert set(table["subject_id"]) == {"P1", "P2", "P3"}
    reasons = dict(table.filter(pl.col("value").is_null()).select("sample_id", "reason").iter_rows())
    assert reasons["P1@90"] == "no strain comparison of this sample"
    assert table.filter(pl.col("value").is_null() & pl.col("reason").is_null()).is_empty()
    assert set(table["measure"]) == set(MEASURES)


def test_a_pair_with_two_calls_counts_for_nothing_and_is_said() -> None:
    table = strain_engraftment(small([("P1@28", "D1", "a", O)]))
    assert values(table, "P1@28")["strain_engraftment"] == (1, 5)
    said = table.filter(pl.col("measure") == "strain_engraftment")["reason"].drop_nulls().to_list()
    assert any("1 species with two different calls left out (donor)" in s for s in said)


def test_without_strains_there_are_no_rows() -> None:
    study = study_of({}, manifest=Manifest(origin="test", clock="patient"))
    assert strain_engraftment(study).is_empty()
    with pytest.raises(InputError):
        strain_engraftment(small(), level=95)
