"""Published studies have no calendar: each recipient gets a comparison of donors, and no lot is eligible."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.formats import import_study
from commensal.matching import match, prepare_stock
from commensal.microbiome import train

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]

STUDIES = ("kump2017_uc_16s", "jacob2017_uc_16s", "nusbaum2018_ped_uc_16s")


@pytest.mark.parametrize("name", STUDIES)
def test_a_comparison_for_each_recipient_over_the_donors(name: str, tmp_path: Path) -> None:
    study = import_study("tidy", Path(os.environ["COMMENSAL_DATA"]) / name, tmp_path / "study")
    ready = prepare_stock(study, on_day=0)
    patients = study.read("patients").filter(pl.col("arm") == "fmt")["patient_id"].sort()
    n_scored = 0
    for patient in patients:
        run = match(study, recipient=patient, on_day=0, stock=ready)
        rankings = run.rankings
        assert run.match_run["n_eligible"][0] == 0
        assert rankings.height == run.match_run["n_candidates"][0] > 0
        assert rankings["rank"].null_count() == rankings.height
        assert "Comparison for research" in run.match_run["statement"][0]
        refused = run.tables["refusals"]
        dated = refused.filter(pl.col("rule_id").is_in(["GATE03", "GATE04"]))
        assert set(dated["verdict"]) == {"undetermined"}
        scored = rankings.drop_nulls("score")
        assert all("comparison for research" in reason for reason in scored["reason"])
        parts = run.tables["score_parts"]
        own = parts.filter((pl.col("part") == "complementarity") & pl.col("value").is_not_null())
        n_scored += own.height > 0
    assert n_scored > 0.5 * len(patients)


def test_a_trained_model_says_what_may_settle(tmp_path: Path) -> None:
    folder = Path(os.environ["COMMENSAL_DATA"])
    kump, jacob = (import_study("tidy", folder / name, tmp_path / name) for name in STUDIES[:2])
    model = train({"kump": kump})
    ready = prepare_stock(jacob, on_day=0, model=model)
    patients = jacob.read("patients").filter(pl.col("arm") == "fmt")["patient_id"].sort()
    run = match(jacob, recipient=patients[1], on_day=0, stock=ready, model=model)
    parts = run.tables["score_parts"].filter(part="predicted_engraftment")
    known = parts.drop_nulls("value")
    assert known.height > 0
    assert known.height + parts.drop_nulls("reason").height >= parts.height
    assert known["value"].is_between(0, 1).all()
    alone = match(jacob, recipient=patients[1], on_day=0, model=model)
    assert alone.match_run_id == run.match_run_id
    assert alone.tables["score_parts"].equals(run.tables["score_parts"])
