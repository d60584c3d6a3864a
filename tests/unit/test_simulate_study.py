"""The folder that simulate writes: sound, the same bytes for the same seed, refused where it cannot be."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from commensal.errors import InputError, OutputExistsError
from commensal.simulate import simulate
from commensal.study import Study, patient_facts
from commensal.study.check import check
from commensal.study.facts import recipient_facts
from commensal.vocabulary.eligibility import rule_set
from commensal.vocabulary.rules import judge

pytestmark = pytest.mark.slow

AGES = ((0, 6), (7, 11), (12, 17), (18, 120))
SMALL = "[people]\ncentre_size = {}\n[microbiome]\nsampled_fraction = 0.0\n"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return simulate(tmp_path_factory.mktemp("simulate") / "study", n_patients=300, seed=5)


def test_check_finds_nothing(study: Study) -> None:
    assert check(study).rows() == []


def test_same_seed_same_bytes_and_another_seed_others(study: Study, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", n_patients=300, seed=5)
    other = simulate(tmp_path / "other", n_patients=300, seed=6)
    assert again.manifest.data_hash == study.manifest.data_hash
    assert other.manifest.data_hash != study.manifest.data_hash
    assert study.folder is not None
    for path in (study.folder / "truth").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "truth" / path.name).read_bytes()


def test_a_centre_does_not_depend_on_how_many_follow(tmp_path: Path) -> None:
    overlay = tmp_path / "small.toml"
    overlay.write_text(
        "[people]\ncentre_size = 150\n[microbiome]\nsampled_fraction = 0.0\n", encoding="utf-8"
    )
    one = simulate(tmp_path / "one", n_patients=150, seed=5, scenario=overlay)
    three = simulate(tmp_path / "three", n_patients=450, seed=5, scenario=overlay)
    assert three.read("sites").height == 3
    assert check(three).rows() == []
    for table in ("patients", "assessments", "custody", "adverse_events"):
        first = three.read(table).head(one.read(table).height)
        assert first.equals(one.read(table)), table


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    overlay = tmp_path / "small.toml"
    overlay.write_text(SMALL.format(60), encoding="utf-8")
    simulate(
        tmp_path / "study",
        n_patients=120,
        scenario=overlay,
        on_progress=lambda done, whole: told.append((done, whole)),
    )
    assert told == [(60, 120), (120, 120)]
    assert (tmp_path / "study" / "sources" / "scenario.toml").read_bytes() == overlay.read_bytes()


def test_totals_only_where_items_are_not_recorded(tmp_path: Path) -> None:
    study = simulate(tmp_path / "study", n_patients=300, scenario="clinical_only")
    assert check(study).rows() == []
    assert not study.has("samples")
    items = study.read("assessments").group_by("instrument").agg(pl.col("item").unique())
    recorded = {row[0]: set(row[1]) for row in items.iter_rows()}
    assert recorded["mayo"] == {"total", "partial"}
    assert recorded["ibs_sss"] == {"total"}
    assert recorded["das28"] == {"das28_esr"}


def test_cohorts_follow_the_calendar(study: Study) -> None:
    patients = study.read("patients")
    consents = study.read("consents").filter(pl.col("type") == "informed_signed")
    signed = patients.join(consents, on="patient_id", how="left")
    prospective = signed.filter(pl.col("cohort") == "prospective")
    ambispective = signed.filter(pl.col("cohort") == "ambispective")
    assert prospective.filter(pl.col("signed_day") >= pl.col("index_day")).is_empty()
    assert ambispective.filter(pl.col("signed_day") <= pl.col("index_day")).is_empty()
    assert prospective.height > 10
    assert ambispective.height > 0


def test_a_patient_who_consented_to_the_study_is_treated_inside_it_and_no_other(study: Study) -> None:
    rule = next(rule for rule in rule_set("recipient") if rule.id == "REC19")
    told: dict[str, set[str]] = {"prospective": set(), "retrospective": set()}
    who = study.read("patients").filter(pl.col("cohort").is_in(list(told))).select("patient_id", "cohort")
    last = int(str(study.read("patients")["index_day"].max()))
    facts = recipient_facts(study, on_day=last).collect("polars").to_native().join(who, on="patient_id")
    for row in facts.iter_rows(named=True):
        if row["evidence_status"] != "guideline_supported":
            told[row["cohort"]].add(f"{row['has_informed_consent']} {judge(row, rule=rule).outcome}")
    assert "True met" in told["prospective"]
    assert told["prospective"] <= {"True met", "False not_met", "None not_met"}
    assert told["retrospective"] == {"None not_met"}


def test_most_are_weighed_and_measured_and_children_grow(study: Study) -> None:
    facts = patient_facts(study).collect("polars").to_native()
    age, mass = pl.col("age_at_index_years"), pl.col("body_mass_kilograms")
    assert 0.8 < facts["body_mass_kilograms"].is_not_null().mean() < 1
    assert facts.filter(mass.is_null() != pl.col("body_height_metres").is_null()).is_empty()
    known = facts.filter(mass.is_not_null())
    ages = [known.filter(age.is_between(low, high))["body_mass_kilograms"] for low, high in AGES]
    medians = [float(str(masses.median())) for masses in ages]
    assert medians == sorted(medians)
    assert 15 < medians[0] < 25
    assert 55 < medians[-1] < 75
    of_child = study.read("lab_results").filter(pl.col("analyte") == "body_height")
    children = of_child.join(known.filter(age < 13).select("patient_id"), on="patient_id", how="semi")
    grown = (
        children.sort("collected_day")
        .group_by("patient_id")
        .agg(
            (pl.col("value").last() - pl.col("value").first()).alias("metres"),
            (pl.col("collected_day").last() - pl.col("collected_day").first()).alias("days"),
        )
    )
    assert grown.filter((pl.col("days") > 300) & ~pl.col("metres").is_between(0.03, 0.12)).is_empty()
    assert grown.filter(pl.col("days") > 300).height > 0


def test_body_measures_do_not_move_other_numbers(study: Study, tmp_path: Path) -> None:
    overlay = tmp_path / "nobody.toml"
    overlay.write_text("[body]\nunmeasured_share = 1.0\n", encoding="utf-8")
    bare = simulate(tmp_path / "study", n_patients=300, seed=5, scenario=overlay)
    labs = study.read("lab_results")
    of_body = pl.col("analyte").is_in(["body_mass", "body_height"])
    assert labs.filter(~of_body).equals(bare.read("lab_results"))
    assert labs.filter(of_body).height > 0
    for table in ("patients", "assessments", "visits", "units", "samples"):
        assert study.read(table).equals(bare.read(table)), table


def test_steroids_are_off_in_responders_at_month_3(study: Study) -> None:
    steroids = study.read("exposures").filter(pl.col("exposure") == "steroid")
    truth = study.truth("patients").filter("is_responding_M3")
    on_day = steroids.join(study.read("patients"), on="patient_id").join(truth, on="patient_id", how="semi")
    still = on_day.filter(
        pl.col("stopped_day").is_null() | (pl.col("stopped_day") > pl.col("index_day") + 78)
    )
    assert on_day.height > 0
    assert still.is_empty()


def test_a_recurrence_of_cdi_is_recorded_where_the_patient_was_still_followed(study: Study) -> None:
    onset = pl.col("first_change_day")
    stays = (pl.col("leaving_day") > onset).fill_null(True) & pl.col("death_day").is_null()
    told = study.read("adverse_events").filter(pl.col("term") == "ae18")
    truth = study.truth("patients").filter(pl.col("indication") == "rcdi", onset.is_not_null(), stays)
    followed = truth.join(study.read("patients"), on="patient_id")
    cut = study.manifest.data_cut_day
    followed = followed.filter(pl.col("index_day") + pl.col("first_change_day") < cut)
    assert followed.height > 0
    joined = followed.join(told, on="patient_id", how="left")
    assert joined.filter(pl.col("began_day") != pl.col("index_day") + pl.col("first_change_day")).is_empty()
    assert joined["began_day"].null_count() == 0


@pytest.mark.parametrize("n_patients", [0, 49, 10_000_000])
def test_too_few_and_too_many_are_refused(tmp_path: Path, n_patients: int) -> None:
    with pytest.raises(InputError, match="from 50 to"):
        simulate(tmp_path / "study", n_patients=n_patients)
    assert not (tmp_path / "study").exists()


def test_an_existing_folder_is_refused(study: Study) -> None:
    assert study.folder is not None
    with pytest.raises(OutputExistsError):
        simulate(study.folder, n_patients=100)


def test_a_bank_whose_donors_never_give_is_refused(tmp_path: Path) -> None:
    overlay = tmp_path / "few.toml"
    overlay.write_text("[bank]\nexcluded_share = 0.5\ndeferred_share = 0.4\n", encoding="utf-8")
    with pytest.raises(InputError, match="no donor is left"):
        simulate(tmp_path / "study", n_patients=300, scenario=overlay)
    assert not (tmp_path / "study").exists()
