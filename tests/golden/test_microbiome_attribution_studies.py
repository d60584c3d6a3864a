"""Source attribution of published studies: every sample has its rows; before FMT nothing came from donors."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.formats import import_study
from commensal.microbiome.attribution.attribute import attribute

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]

# Patients, samples attributed, and the reasons among the others.
STUDIES = {
    "kump2017_uc_16s": (23, 89, "comparator"),
    "jacob2017_uc_16s": (20, 58, None),
    "nusbaum2018_ped_uc_16s": (7, 14, None),
    "crothers2021_uc_longitudinal_16s": (12, 0, "donor unknown"),
}


@pytest.mark.parametrize("name", STUDIES)
def test_every_sample_has_its_rows(name: str, tmp_path: Path) -> None:
    study = import_study("tidy", Path(os.environ["COMMENSAL_DATA"]) / name, tmp_path / "study")
    patients, attributed, reason = STUDIES[name]
    table = attribute(study)
    assert table["subject_id"].n_unique() == patients
    samples = study.read("samples").filter(pl.col("patient_id").is_not_null())
    assert set(samples["sample_id"]) == set(table["sink_id"])
    shares = table.filter(pl.col("proportion").is_not_null())
    assert shares["sink_id"].n_unique() == attributed
    sums = shares.group_by("sink_id").agg(pl.col("proportion").sum())["proportion"]
    assert ((sums - 1).abs() < 1e-9).all()
    refused = table.filter(pl.col("proportion").is_null())
    assert refused["reason"].null_count() == 0
    if reason:
        assert refused["reason"].str.contains(reason).any()
    donors = shares.filter(pl.col("source_role") == "donor")
    is_before = pl.col("reason").fill_null("").str.contains("before the first")
    if attributed:
        assert donors.filter(is_before)["proportion"].median() < 0.02
        assert donors.filter(~is_before)["proportion"].median() > 0.3
