"""Published studies come in with the figures their papers and repositories give."""

import os
from pathlib import Path

import polars as pl
import pytest

from commensal.errors import ProblemsFoundError
from commensal.formats import import_study
from commensal.study import open_study
from commensal.study.check import check

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("COMMENSAL_DATA" not in os.environ, reason="COMMENSAL_DATA is not set"),
]


def imported(tmp_path: Path, name: str, *, format_name: str = "tidy", mapping: str | None = None):
    path = None
    if mapping is not None:
        path = tmp_path / "mapping.toml"
        path.write_text(mapping, encoding="utf-8")
    source = Path(os.environ["COMMENSAL_DATA"]) / name
    return import_study(format_name, source, tmp_path / "study", mapping=path)


def counts(study, table: str, column: str) -> dict:
    return dict(study.read(table).group_by(column).len().iter_rows())


def test_kump_has_13_treated_patients_10_controls_and_12_donors(tmp_path):
    study = imported(tmp_path, "kump2017_uc_16s")
    assert counts(study, "patients", "arm") == {"fmt": 13, "antibiotics_only": 10}
    assert counts(study, "patients", "indication") == {"uc": 23}
    assert counts(study, "reported_outcomes", "label") == {
        "remission": 4,
        "partial_response": 5,
        "no_response": 4,
    }
    donors = study.read("donors")["donor_id"].to_list()
    assert len(donors) == 12
    assert "Control" not in donors
    assert study.read("taxa").height == 1601
    samples = study.read("samples")
    assert (samples.height, samples["patient_id"].count(), samples["donor_id"].count()) == (172, 121, 51)
    assert study.manifest.clock == "patient"
    assert check(study).is_empty()


def test_kump_links_each_patient_to_the_own_donor(tmp_path):
    study = imported(tmp_path, "kump2017_uc_16s")
    links = (
        study.read("sessions")
        .join(study.read("session_units"), on="session_id")
        .join(study.read("unit_donors"), on="unit_id")
    )
    pairs = dict(links.select("patient_id", "donor_id").iter_rows())
    assert len(pairs) == 13
    assert (pairs["PD"], pairs["PE"], pairs["PK"]) == ("DB", "DC", "DC")
    assert study.read("sessions")["route"].null_count() == 13, "two routes in one word are not one route"
    assert set(study.read("sessions")["route_as_recorded"]) == {"colonoscopy/sigmoidoscopy"}
    assert set(study.read("courses")["n_sessions_planned"]) == {5}
    assert set(study.read("units")["release_pathway"]) == {"historical"}


def test_kump_keeps_counts_to_the_read(tmp_path):
    study = imported(tmp_path, "kump2017_uc_16s")
    reads = study.read("samples").select("sample_id", "n_reads")
    sums = study.read("abundances").group_by("sample_id").agg(pl.col("count").sum())
    both = sums.join(reads, on="sample_id")
    assert both.filter(pl.col("count") != pl.col("n_reads")).is_empty()
    present = study.read("abundances").group_by("sample_id").len()
    assert present.filter(pl.col("sample_id") == "ERS1625866")["len"].item() > 0
    assert (study.folder / "sources" / "tree.nwk").is_file()


def test_jacob_has_pools_of_two_of_four_donors(tmp_path):
    study = imported(tmp_path, "jacob2017_uc_16s")
    assert study.read("patients").height == 20
    assert sorted(study.read("donors")["donor_id"]) == ["donor1", "donor2", "donor3", "donor4"]
    assert counts(study, "reported_outcomes", "label") == {"response": 7, "no_response": 13}
    assert set(study.read("unit_donors").group_by("unit_id").len()["len"]) == {2}
    samples = study.read("samples")
    assert (samples["batch_id"].count(), samples["donor_id"].count()) == (20, 0)
    unit = study.read("units").filter(pl.col("batch_id") == "POOL_for_FMT.011")["unit_id"].item()
    parts = study.read("unit_donors").filter(pl.col("unit_id") == unit)["donor_id"].to_list()
    assert parts == ["donor3", "donor4"]
    assert check(study).filter(pl.col("severity") != "warning").is_empty()


def test_nusbaum_keeps_an_impossible_score_out_and_says_so(tmp_path):
    study = imported(tmp_path, "nusbaum2018_ped_uc_16s")
    assert counts(study, "reported_outcomes", "label") == {"response": 4, "no_response": 3}
    scores = study.read("assessments").filter(pl.col("visit_id").str.contains("baseline"))
    assert scores.height == 7
    assert scores.filter(pl.col("patient_id") == "Responder_1")["value"].item() is None
    assert scores["value"].null_count() == 1
    assert any("230" in note and "pucai" in note for note in study.manifest.notes)
    assert "230.0" in (study.folder / "sources" / "metadata.tsv").read_text(encoding="utf-8")
    assert study.read("samples")["collected_day"].null_count() == 21


def test_crothers_has_a_placebo_arm_without_sessions(tmp_path):
    study = imported(tmp_path, "crothers2021_uc_longitudinal_16s")
    assert counts(study, "patients", "arm") == {"fmt": 6, "placebo": 6}
    treated = study.read("patients").filter(pl.col("arm") == "fmt")["patient_id"]
    assert sorted(study.read("sessions")["patient_id"]) == sorted(treated)
    assert not study.has("units"), "which donor a patient received is not known"
    assert study.read("donors").height == 2
    assert study.read("samples").height == 235


def test_china_is_genus_level_with_healthy_references(tmp_path):
    study = imported(tmp_path, "china_ibd_fmt_16s_SRP128892")
    assert study.read("patients").height == 73
    assert counts(study, "donors", "kind") == {"healthy_reference": 95}
    assert counts(study, "patients", "indication") == {"uc": 39, "crohns": 34}
    assert (study.read("taxa").height, study.read("samples").height) == (213, 423)
    assert "asv" not in set(study.read("taxa")["rank"])
    assert not study.has("session_units")


@pytest.mark.parametrize("format_name", ["tidy", "samestr"])
def test_samestr_gives_strains_and_no_profile(tmp_path, format_name):
    study = imported(tmp_path, "samestr_rcdi_strain", format_name=format_name)
    assert counts(study, "reported_outcomes", "label") == {"resolved": 18, "failed": 6}
    assert counts(study, "patients", "indication") == {"rcdi": 24}
    assert not study.has("abundances")
    assert any("no community profile" in note for note in study.manifest.notes)
    strains = study.read("strains")
    assert strains.height == 1089
    shared = strains.filter(pl.col("call") == "shared_strain")
    assert shared["similarity"].min() >= 0.999
    assert shared["n_overlap"].min() > 5000
    assert strains.filter(pl.col("n_overlap") == 0)["similarity"].null_count() > 0


def test_samestr_without_metadata_finds_the_same_cases(tmp_path):
    source = "samestr_rcdi_strain/strain_competition_per_species.tsv"
    study = imported(tmp_path, source, format_name="samestr")
    assert (study.read("patients").height, study.read("samples").height) == (24, 88)
    assert study.read("strains").height == 1089


def test_coverage_is_refused_until_declared(tmp_path):
    with pytest.raises(ProblemsFoundError, match="neither whole numbers nor shares") as caught:
        imported(tmp_path, "autism_mtt_virome_16s")
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "study").exists()
    study = imported(tmp_path, "autism_mtt_virome_16s", mapping='abundance = "coverage"\nassay = "virome"')
    assert counts(study, "patients", "arm") == {"fmt": 12}
    donors = study.read("unit_donors").with_columns(pl.col("unit_id").str.slice(0, 5).alias("patient"))
    assert donors.group_by("patient").agg(pl.col("donor_id").n_unique())["donor_id"].min() == 2
    sums = study.read("abundances").group_by("sample_id").agg(pl.col("proportion").sum())
    assert sums["proportion"].is_between(1 - 1e-9, 1 + 1e-9).all()


def test_a_metaphlan_profile_is_read_at_its_leaves(tmp_path):
    study = imported(tmp_path, "dysbiosis_gmhi_gmwi2/gmwi2_SRR1761667_metaphlan.txt", format_name="metaphlan")
    assert counts(study, "taxa", "rank") == {"species": 54}
    assert study.read("abundances")["proportion"].sum() == pytest.approx(1 - 0.7084224, abs=1e-6)
    assert any("70.842 %" in note for note in study.manifest.notes)
    assert study.read("samples")["sample_id"].to_list() == ["gmwi2_SRR1761667"]


MAPPINGS = Path(__file__).parents[2] / "docs" / "how-to" / "mappings"


def trial_of_donors(tmp_path: Path, name: str):
    mapping = (MAPPINGS / f"{name}.toml").read_text(encoding="utf-8")
    sheet = f"ibd_donor_effects_clinical/{name}_patients.tsv"
    return imported(tmp_path, sheet, format_name="table", mapping=mapping)


def test_costello_comes_in_by_a_mapping(tmp_path):
    study = trial_of_donors(tmp_path, "costello")
    assert counts(study, "patients", "arm") == {"fmt": 38, "autologous": 35}
    assert counts(study, "donors", "kind") == {"universal": 16, "autologous": 35}
    assert study.read("unit_donors")["donor_id"].str.contains("^(donor|own-)").all()
    assert any("pool" in note for note in study.manifest.notes)
    kept = study.folder / "sources" / "costello_patients.tsv"
    original = Path(os.environ["COMMENSAL_DATA"]) / "ibd_donor_effects_clinical" / "costello_patients.tsv"
    assert kept.read_bytes() == original.read_bytes()


def test_paramsothy_comes_in_by_a_mapping(tmp_path):
    # placebo patients who crossed over to open-label FMT are tabulated with those donors
    study = trial_of_donors(tmp_path, "paramsothy")
    assert counts(study, "patients", "arm") == {"fmt": 78, "placebo": 3}
    assert study.read("donors").height == 14


def test_jacob_patients_come_in_by_a_mapping(tmp_path):
    study = trial_of_donors(tmp_path, "jacob")
    assert counts(study, "reported_outcomes", "label") == {"response": 7, "no_response": 13}
    assert set(study.read("unit_donors").group_by("unit_id").len()["len"]) == {2}
    assert open_study(study.folder).read("donors").height == 4
