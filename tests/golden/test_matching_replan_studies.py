"""Plans and re-plans of whole studies: nobody is dropped, every answer says what it rests on."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.errors import RefusedError
from commensal.formats import import_study
from commensal.matching import plan, replan
from commensal.microbiome import engraft
from commensal.simulate import simulate
from commensal.study import Study, open_study
from commensal.vocabulary.protocols import SECTIONS
from commensal.vocabulary.replanning import ANSWERS


@pytest.mark.data
@pytest.mark.slow
def test_every_treated_patient_of_a_published_study_has_a_replan(tmp_path: Path):
    """Jacob et al. 2017, ulcerative colitis, week 4: 20 patients, no scores in the deposit."""
    source = Path(os.environ["COMMENSAL_DATA"]) / "jacob2017_uc_16s"
    import_study("tidy", source, tmp_path / "study")
    study = open_study(tmp_path / "study")
    panel = engraft(study)["engraftment"]
    treated = study.read("patients").filter(pl.col("arm") == "fmt")["patient_id"].sort()
    assert len(treated) == 20
    for patient in treated:
        found = replan(study, recipient=patient, on_day=35, engraftment=panel)
        assert found.engrafted.verdict in ANSWERS
        assert found.responded.verdict == "undetermined"
        assert "was not recorded from day 21 to 45" in found.responded.because
        assert "no study id is recorded" in found.replan["statement"][0] or not found.withheld


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("centre") / "study"
    simulate(folder, n_patients=50, seed=5)
    return open_study(folder)


@pytest.mark.slow
def test_a_patient_of_every_disease_has_a_whole_plan_and_a_replan(centre: Study):
    panel = engraft(centre)["engraftment"]
    one_of_each = centre.read("patients").sort("patient_id").unique(["arm", "indication"], keep="first")
    for patient in one_of_each.sort("patient_id").iter_rows(named=True):
        who, index = patient["patient_id"], patient["index_day"]
        if patient["arm"] != "fmt":
            with pytest.raises(RefusedError):
                plan(centre, recipient=who, on_day=index)
            continue
        made = plan(centre, recipient=who, on_day=index - 7)
        assert list(dict.fromkeys(made.care_plan["section"]))[1:] == [
            s for s in SECTIONS if s != "eligibility"
        ]
        assert made.verdict != "met", "a centre's tables answer no bedside question"
        assert replan(centre, recipient=who, on_day=index + 35, engraftment=panel).replan.height >= 1
