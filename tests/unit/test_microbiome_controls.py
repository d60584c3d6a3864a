"""Controls and microbial load: who is suspected, and what cannot be told."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import fisher_exact

from commensal.errors import InputError, RefusedError
from commensal.microbiome import controls
from commensal.microbiome.abundance import abundance_of
from commensal.microbiome.controls import absolute, contaminants, positive_controls, resembling_controls
from commensal.study import Manifest, Study, study_of

PEOPLE = {f"s{i}": {"gut": 80 + i, "common": 20} for i in range(9)}
BLANKS = {f"n{i}": {"kit": 9, "common": 1} for i in range(3)}


def study(
    profiles: dict[str, dict[str, int]], *, control: dict[str, str] | None = None, runs: dict | None = None
) -> Study:
    kinds = control or {}
    rows = [(s, t, n) for s, taxa in profiles.items() for t, n in taxa.items()]
    samples = [(s, kinds.get(s), (runs or {}).get(s, "r1")) for s in profiles]
    return study_of(
        {
            "sequencing_runs": pl.DataFrame({"run_id": ["r1", "r2"], "region": ["V4", "V3"]}),
            "samples": pl.DataFrame(
                samples, schema=dict.fromkeys(("sample_id", "control", "run_id"), pl.String), orient="row"
            ),
            "abundances": pl.DataFrame(rows, schema=["sample_id", "taxon_id", "count"], orient="row"),
        },
        manifest=Manifest(origin="test"),
    )


NEGATIVE = dict.fromkeys(BLANKS, "negative")


def test_a_taxon_of_the_kit_is_suspected_and_one_that_all_have_is_not() -> None:
    table = contaminants(study(PEOPLE | BLANKS | {"s9": {"kit": 1, "gut": 50}}, control=NEGATIVE))
    assert table["taxon_id"].to_list() == ["kit", "common"]
    assert table["is_suspected"].to_list() == [True, False]
    expected = [
        fisher_exact([[3, 0], [1, 9]], alternative="greater").pvalue,
        fisher_exact([[3, 0], [9, 1]], alternative="greater").pvalue,
    ]
    assert table["p"].to_list() == pytest.approx(expected)
    assert table["reason"][0] == "only 3 negative controls: a contaminant may be missed"


@pytest.mark.slow
def test_controls_of_another_setting_do_not_speak_for_a_sample() -> None:
    runs = {"s0": "r2", "s1": "r2"}
    table = contaminants(study(PEOPLE | BLANKS, control=NEGATIVE, runs=runs))
    other = table.filter(pl.col("setting") == "V3").row(0, named=True)
    assert (other["taxon_id"], other["p"], other["reason"]) == (None, None, controls.NO_CONTROL)
    near = resembling_controls(study(PEOPLE | BLANKS, control=NEGATIVE, runs=runs))
    assert near.height == len(PEOPLE)
    unknown = near.filter(pl.col("is_suspected").is_null())
    assert unknown["sample_id"].to_list() == ["s0", "s1"]
    assert set(unknown["reason"]) == {controls.NO_CONTROL}


@pytest.mark.slow
def test_a_sample_that_is_mostly_kit_resembles_a_control() -> None:
    profiles = PEOPLE | BLANKS | {"s9": {"kit": 30, "gut": 2}, "x": {"alone": 4}, "p": {"kit": 9}}
    table = resembling_controls(study(profiles, control=NEGATIVE | {"p": "positive"}))
    assert table["sample_id"].to_list() == [*PEOPLE, "s9", "x"]
    assert table.filter("is_suspected")["sample_id"].to_list() == ["s9"]
    row = table.filter(pl.col("sample_id") == "s9").row(0, named=True)
    assert row["nearest_control_id"] == "n0"
    assert row["distance_to_control"] < row["distance_to_sample"]


def test_without_controls_nothing_is_told() -> None:
    for function in (contaminants, resembling_controls):
        with pytest.raises(RefusedError, match="no negative control"):
            function(study(PEOPLE))
    with pytest.raises(InputError, match="threshold"):
        contaminants(study(PEOPLE | BLANKS, control=NEGATIVE), threshold=5)


def test_positive_controls_against_what_they_should_hold() -> None:
    profiles = PEOPLE | {"p1": {"gut": 50, "kit": 10, "other": 40}}
    made = study(profiles, control={"p1": "positive"})
    expected = {"gut": 0.5, "absent": 0.5}
    row = positive_controls(made, expected=expected).row(0, named=True)
    assert (row["sample_id"], row["n_expected"], row["n_found"]) == ("p1", 2, 1)
    assert row["unexpected_proportion"] == pytest.approx(0.5)
    assert row["distance_to_expected"] == pytest.approx(0.5)
    assert positive_controls(made)["reason"].to_list() == [controls.NOT_EXPECTED]
    assert positive_controls(study(PEOPLE)).height == 0
    with pytest.raises(InputError, match="sum to 50"):
        positive_controls(made, expected={"gut": 50})


def test_load_is_measured_or_refused() -> None:
    abundance = abundance_of(study({"a": {"gut": 3, "kit": 1}, "b": {"gut": 1}, "c": {"gut": 1}}))
    samples = pl.DataFrame({"sample_id": ["a", "b", "c"], "cells_per_gram": [8e10, None, 0.0]})
    load = absolute(abundance, samples)
    assert load.sample_ids == ("a",)
    assert load.values.toarray().tolist() == [[6e10, 2e10]]
    assert load.refused["b"] == "microbial load not measured"
    assert "0 cells a gram" in load.refused["c"]
    assert np.array_equal(abundance.proportions.toarray()[0], [0.75, 0.25])
    with pytest.raises(RefusedError, match="none of 3 samples"):
        absolute(abundance, samples.with_columns(cells_per_gram=pl.lit(None, dtype=pl.Float64)))
