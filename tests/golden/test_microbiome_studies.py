"""Engraftment of published studies: figures of q2-fmt's code, and no patient lost, whatever is missing.

PEDS of Kump 2017 (doi:10.1111/apt.14387) was computed with q2-fmt 9a27849 on the same counts, the deepest
sample of each donor as reference and no rarefaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from commensal.formats import import_study
from commensal.microbiome import engraft, taxon_engraftment
from commensal.study import Study

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]

PATIENTS = {
    "kump2017_uc_16s": 23,
    "jacob2017_uc_16s": 20,
    "nusbaum2018_ped_uc_16s": 7,
    "crothers2021_uc_longitudinal_16s": 12,
    "china_ibd_fmt_16s_SRP128892": 73,
    "samestr_rcdi_strain": 24,
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Study]:
    made: dict[str, Study] = {}

    def study(name: str) -> Study:
        if name not in made:
            source = Path(os.environ["COMMENSAL_DATA"]) / name
            made[name] = import_study("tidy", source, tmp_path_factory.mktemp("studies") / name)
        return made[name]

    return study


def panel(given: Study) -> pl.DataFrame:
    """The table of measures."""
    return engraft(given)["engraftment"]


def peds_of(study: Study) -> pl.DataFrame:
    return panel(study).filter(pl.col("measure") == "peds")


def test_kump_agrees_with_q2fmt(imported: Callable[[str], Study]) -> None:
    found = peds_of(imported("kump2017_uc_16s"))
    shares = {row["sample_id"]: (row["n_events"], row["n"]) for row in found.iter_rows(named=True)}
    assert shares["ERS1625866"] == (22, 66)
    assert shares["ERS1625875"] == (65, 110)
    assert shares["ERS1625909"] == (80, 132)
    assert shares["ERS1625872"] == (46, 110)
    before = found.filter(pl.col("sample_id") == "ERS1625872")
    assert "resemblance" in before["reason"][0]


def test_kump_has_thirteen_with_a_donor_and_ten_without(imported: Callable[[str], Study]) -> None:
    found = peds_of(imported("kump2017_uc_16s"))
    with_donor = found.filter(pl.col("value").is_not_null())
    assert with_donor["subject_id"].n_unique() == 13
    assert with_donor["donor_id"].n_unique() == 12
    assert "Control" not in set(found["donor_id"])
    without = found.filter(pl.col("value").is_null())
    assert without["subject_id"].n_unique() == 10
    assert set(without["reason"]) == {"no donor: comparator patient"}


@pytest.mark.parametrize("name", PATIENTS)
def test_every_patient_and_sample_has_its_rows(name: str, imported: Callable[[str], Study]) -> None:
    study = imported(name)
    table = panel(study)
    assert table["subject_id"].n_unique() == PATIENTS[name]
    samples = study.read("samples").filter(pl.col("patient_id").is_not_null())
    assert set(samples["sample_id"]) <= set(table["sample_id"])
    assert table.filter(pl.col("value").is_null() & pl.col("reason").is_null()).is_empty()
    assert not table["value"].is_nan().any()
    assert taxon_engraftment(study).height > 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crothers2021_uc_longitudinal_16s", "no donor: comparator patient"),
        ("crothers2021_uc_longitudinal_16s", "donor unknown: a session up to this day has no donor recorded"),
        ("china_ibd_fmt_16s_SRP128892", "donor unknown: a session up to this day has no donor recorded"),
        ("samestr_rcdi_strain", "no abundance profile of this sample"),
    ],
)
def test_why_there_is_no_peds(name: str, reason: str, imported: Callable[[str], Study]) -> None:
    found = peds_of(imported(name))
    assert found["value"].null_count() == found.height
    assert reason in set(found["reason"])


def test_jacobs_pools_are_read_by_the_pool_each_patient_received(imported: Callable[[str], Study]) -> None:
    found = peds_of(imported("jacob2017_uc_16s"))
    known = found.filter(pl.col("value").is_not_null())
    assert (known.height, known["subject_id"].n_unique()) == (58, 20)
    assert known["donor_id"].n_unique() == 20
    assert known["reference_sample_id"].n_unique() == 20


def test_nusbaums_days_are_unknown_and_its_words_are_read(imported: Callable[[str], Study]) -> None:
    found = peds_of(imported("nusbaum2018_ped_uc_16s"))
    assert found["day"].null_count() == found.height
    before = found.filter(pl.col("reason").is_not_null())
    assert set(before["timepoint"]) == {"Baseline"}
    assert before.height == 7


def verdict(table: pl.DataFrame, measure: str, timepoint: str = "all") -> dict[str, Any]:
    chosen = (pl.col("measure") == measure) & (pl.col("timepoint") == timepoint)
    return table.row(by_predicate=chosen, named=True)


def test_kumps_recipients_stand_out_from_donors_they_never_had(imported: Callable[[str], Study]) -> None:
    tables = engraft(imported("kump2017_uc_16s"))
    after = tables["engraftment"].filter(pl.col("timepoint") == "postFMT")
    peds, gained = (after.filter(pl.col("measure") == m) for m in ("peds", "peds_gained"))
    for rows, n_first in ((peds, 35), (gained, 43)):
        known = rows.filter(pl.col("p").is_not_null())
        assert (known.height, set(known["n_null"])) == (69, {11})
        assert known.filter(pl.col("value") > pl.col("null_mean")).height == 67
        # Of 12 donors the own one first: p = 1/12, the least there can be.
        assert known.filter(pl.col("p") < 1 / 12 + 1e-9).height == n_first
    found = verdict(tables["engraftment_tests"], "peds_gained")
    assert (found["n"], found["p"]) == (13, 1 / 2000)
    assert [found[k] for k in ("estimate", "lower", "upper")] == pytest.approx(
        [0.154, 0.086, 0.221], abs=5e-4
    )
    before = verdict(tables["engraftment_tests"], "peds", "postABX")
    assert before["p"] > 0.5
    assert before["lower"] < 0 < before["upper"]
    arms = verdict(tables["engraftment_tests"], "peds_to_all_donors")
    assert (arms["n"], arms["p"]) == (22, 1 / 2000)


def test_jacobs_pools_and_nusbaums_triads_stand_out_too(imported: Callable[[str], Study]) -> None:
    jacob = engraft(imported("jacob2017_uc_16s"))["engraftment_tests"]
    assert verdict(jacob, "peds")["n"] == 20
    assert verdict(jacob, "peds")["p"] == 1 / 2000
    assert verdict(jacob, "peds", "baseline")["p"] > 0.1
    nusbaum = engraft(imported("nusbaum2018_ped_uc_16s"))["engraftment_tests"]
    assert verdict(nusbaum, "peds_gained")["p"] == pytest.approx(1 / 5040)


def test_crothers_cannot_tell_recipients_from_placebo(imported: Callable[[str], Study]) -> None:
    table = engraft(imported("crothers2021_uc_longitudinal_16s"))["engraftment_tests"]
    arms = verdict(table, "peds_to_all_donors")
    assert (arms["n"], arms["n_null"]) == (12, 924)
    assert arms["p"] == pytest.approx(97 / 924)
    assert "0 subject(s)" in verdict(table, "peds")["reason"]
