"""The path from donor to visit, by actions, then frozen, checked and traced."""

from datetime import timedelta

import polars as pl
import pytest
from universe import DONATED, TODAY

from commensal.bank import trace, unit_states
from commensal.errors import InputError, RefusedError, SafetyError
from commensal.registry.actions import care, custody, material
from commensal.registry.freezing import freeze_rows
from commensal.registry.models import MODELS
from commensal.study.check import check

pytestmark = pytest.mark.slow


def test_the_whole_path_is_frozen_checked_and_traced(given, tmp_path):
    universe, unit, patient, session = given
    visit = care.add_visit(
        by=universe.ann,
        patient=patient.pk,
        visit="W8",
        visited_on=TODAY + timedelta(days=56),
        status="attended",
    )
    care.assess(by=universe.ann, visit=visit.pk, code="pain_nrs", answers={"pain": 7})
    care.add_record(
        by=universe.ann,
        table="adverse_events",
        patient=patient.pk,
        values={"term": "ae01", "began_on": TODAY, "grade": 1},
    )
    study = freeze_rows(tmp_path / "study", on=TODAY + timedelta(days=60))
    problems = check(study)
    assert problems.filter(pl.col("severity") != "warning").is_empty(), problems
    found = trace(study, patient=patient.pk)
    assert found.links["unit_id"].to_list() == [unit.pk]
    assert found.donors.height == 1
    assert trace(study, donor=found.links["donor_id"][0]).adverse_events.height == 1
    assert study.read("patients")["index_on"].to_list() == [TODAY]
    assert study.read("sessions")["session_id"].to_list() == [session.pk]
    assert "audit trail" in study.manifest.notes[0]


def test_the_projection_is_the_fold(given):
    for unit in MODELS["units"].objects.all():
        state = custody.state_of(unit)
        assert (unit.custody_state, unit.is_released, unit.fraction_left, unit.reserved_for) == (
            state.custody,
            state.is_released,
            state.fraction_left,
            state.reserved_for,
        )
        assert state.faults == ()


def test_a_frozen_unit_stands_as_the_registry_says(given, tmp_path):
    _, unit, _, _ = given
    study = freeze_rows(tmp_path / "study", on=TODAY)
    row = unit_states(study, on_day=custody.day_of(TODAY)).row(0, named=True)
    unit.refresh_from_db()
    assert (row["unit_id"], row["custody"]) == (unit.pk, unit.custody_state)


def test_a_unit_is_given_once(given):
    universe, unit, _, _ = given
    with pytest.raises(RefusedError, match="administered"):
        universe.session(universe.patient(), unit)
    assert MODELS["sessions"].objects.count() == 1


def test_an_unreleased_unit_is_not_given(universe):
    unit = universe.unit(universe.donor())
    with pytest.raises(RefusedError, match="custody is stored"):
        universe.session(universe.patient(), unit)


def test_an_expired_unit_is_not_given(universe):
    unit = universe.released_unit()
    with pytest.raises(RefusedError, match="expired"):
        universe.session(universe.patient(), unit, on=DONATED + timedelta(days=181))


@pytest.mark.parametrize("target", ["unit", "donor", "batch"])
def test_a_held_unit_is_not_given_until_the_hold_is_lifted(universe, target):
    from datetime import UTC, datetime

    unit = universe.released_unit()
    donor = MODELS["unit_donors"].objects.get(unit=unit).donor_id
    pk = {"unit": unit.pk, "donor": donor, "batch": unit.batch_id}[target]
    at = datetime(2026, 6, 1, tzinfo=UTC)
    hold = custody.place_hold(
        by=universe.quinn, kind="recall", on=TODAY, at=at, reason="donor ill", **{target: pk}
    )
    patient = universe.patient()
    with pytest.raises(RefusedError, match="on hold: recall"):
        universe.session(patient, unit)
    custody.lift_hold(by=universe.quinn, hold=hold.pk, on=TODAY, at=at, reason="false alarm")
    universe.session(patient, unit)


def test_a_reserved_unit_goes_to_nobody_else(universe):
    unit, patient = universe.released_unit(), universe.patient()
    custody.reserve_unit(by=universe.ann, unit=unit.pk, patient=patient.pk, on=TODAY)
    with pytest.raises(RefusedError, match="reserved for"):
        universe.session(universe.patient(), unit)
    universe.session(patient, unit)


def test_a_mistaken_session_keeps_its_exposure_in_the_trace(given, tmp_path):
    universe, unit, patient, _ = given
    last = MODELS["custody"].objects.filter(unit=unit).order_by("-sequence").first()
    custody.correct_event(by=universe.quinn, event=last.pk, on=TODAY, reason="wrong patient")
    study = freeze_rows(tmp_path / "study", on=TODAY)
    links = trace(study, unit=unit.pk).links
    assert links.select("patient_id", "is_taken_back").rows() == [(patient.pk, True)]


def test_a_release_needs_another_person_of_quality_or_a_physician(universe):
    donor = universe.donor()
    universe.screen(donor)
    material.set_donor_status(by=universe.ann, donor=donor.pk, status="eligible", on=TODAY, reason="complete")
    unit = universe.unit(donor)
    for signer in (universe.ann, universe.carl, universe.otto):
        with pytest.raises(
            (RefusedError, PermissionError, Exception), match=r"not released|may not sign|works at"
        ):
            material.release_unit(by=universe.ann, unit=unit.pk, signer=signer, on=TODAY)
    assert not MODELS["units"].objects.get(pk=unit.pk).is_released
    assert material.release_unit(by=universe.ann, unit=unit.pk, signer=universe.quinn, on=TODAY).may_release


def test_a_donor_with_an_open_answer_is_not_eligible(universe):
    donor = universe.donor()
    with pytest.raises(RefusedError, match="undetermined"):
        material.set_donor_status(
            by=universe.ann, donor=donor.pk, status="eligible", on=TODAY, reason="looks healthy"
        )


@pytest.mark.parametrize("route", ["intravenous", "i.v.", "静脉", "subcutaneous"])
def test_a_parenteral_route_is_a_safety_error_and_nothing_is_written(universe, route):
    unit, patient = universe.released_unit(), universe.patient()
    with pytest.raises(SafetyError):
        universe.session(patient, unit, route=route)
    unit.refresh_from_db()
    assert unit.custody_state == "released"
    assert not MODELS["sessions"].objects.exists()


def test_an_answer_out_of_range_is_refused(universe):
    patient = universe.patient()
    visit = care.add_visit(by=universe.ann, patient=patient.pk, visited_on=TODAY, status="attended")
    with pytest.raises(InputError):
        care.assess(by=universe.ann, visit=visit.pk, code="pain_nrs", answers={"pain": 17})
    assert not MODELS["assessments"].objects.exists()
