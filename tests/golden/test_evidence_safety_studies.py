"""Published studies have patient clocks, few patients and no adverse events: rows with reasons."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.evidence.ground import ground_of
from commensal.evidence.participants import participants
from commensal.evidence.safety import safety
from commensal.formats import import_study
from commensal.study.results import RESULTS

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]


@pytest.mark.parametrize("name", ["kump2017_uc_16s", "nusbaum2018_ped_uc_16s"])
def test_a_published_study_ends_in_rows_with_reasons(name: str, tmp_path: Path):
    study = import_study("tidy", Path(os.environ["COMMENSAL_DATA"]) / name, tmp_path / "study")
    ground = ground_of(study, landmarks=["W8", "M3", "Y1"])
    for tables in (safety(ground, level=0.95, seed=1), participants(ground, level=0.95, seed=1)):
        for table, rows in tables.items():
            assert not rows.select(list(RESULTS[table].key)).is_duplicated().any(), table
            if "estimate" in rows.columns:
                assert rows.filter(pl.col("estimate").is_null() & pl.col("reason").is_null()).is_empty()
