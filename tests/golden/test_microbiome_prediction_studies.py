"""Presence after FMT in published studies left out: above the prevalence baseline, in both universes.

Figures of the commit that made them; they move when features or studies move. Reference: a random forest on
54 triads of the same kind had AUROC .940 against .921 (all genera) and .799 against .781 (genera of donor
or baseline).
"""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.formats import import_study
from commensal.microbiome.prediction.validation import LOGISTIC, PREVALENCE, validate_prediction

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]

STUDIES = (
    "kump2017_uc_16s",
    "jacob2017_uc_16s",
    "nusbaum2018_ped_uc_16s",
    "crothers2021_uc_longitudinal_16s",
)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pl.DataFrame:
    source, out = Path(os.environ["COMMENSAL_DATA"]), tmp_path_factory.mktemp("studies")
    studies = {name: import_study("tidy", source / name, out / name) for name in STUDIES}
    return validate_prediction(studies, seed=1)


@pytest.mark.parametrize(
    ("universe", "model_area", "baseline_area"),
    [("all taxa", 0.929, 0.889), ("taxa in donor or baseline", 0.805, 0.761)],
)
def test_the_model_is_above_prevalence(
    table: pl.DataFrame, universe: str, model_area: float, baseline_area: float
) -> None:
    rows = table.filter((pl.col("held_out") == "all") & (pl.col("universe") == universe))
    by_model = {row["model"]: row for row in rows.iter_rows(named=True)}
    assert by_model[LOGISTIC]["auroc"] == pytest.approx(model_area, abs=0.003)
    assert by_model[PREVALENCE]["auroc"] == pytest.approx(baseline_area, abs=0.003)
    assert by_model[LOGISTIC]["difference_lower"] > 0.02
    assert by_model[LOGISTIC]["brier"] < by_model[PREVALENCE]["brier"] - 0.02
    assert by_model[LOGISTIC]["n_recipients"] == 39


def test_a_study_of_unknown_donors_has_its_reason(table: pl.DataFrame) -> None:
    row = table.filter(pl.col("held_out") == STUDIES[-1])
    assert row["auroc"].to_list() == [None]
    assert "donor unknown" in row["reason"][0]


def test_clinical_response_sits_at_chance(table: pl.DataFrame) -> None:
    rows = table.filter(pl.col("model").str.starts_with("clinical response"))
    assert rows.height == 2
    assert rows["reason"].str.starts_with("at chance").all()
    assert (rows["lower"] < 0.5).all()
    assert (rows["upper"] > 0.5).all()
