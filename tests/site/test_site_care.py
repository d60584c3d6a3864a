"""Procedure and safety: checks that block, sessions of several units, observation, events, clocks."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from universe import READY, TODAY

from commensal.errors import InputError, RefusedError, SafetyError
from commensal.registry.actions import custody, material, procedure, safety
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow
AT = datetime(TODAY.year, TODAY.month, TODAY.day, 9, tzinfo=UTC)


def checked(universe, patient, units, *, by=None, **more):
    known = {"route": "colonoscopy", "on": TODAY, "at": AT, "is_identity_confirmed": True, "answers": READY}
    return procedure.check_procedure(
        by=by or universe.ann, patient=patient.pk, units=[u.pk for u in units], **{**known, **more}
    )


def codes(check):
    return {item["code"] for item in json.loads(check.content)["items"]}


@pytest.fixture
def ready(universe):
    return universe, universe.released_unit(), universe.eligible_patient()


def test_a_passed_check_lets_a_session_begin_and_only_once(ready):
    universe, unit, patient = ready
    procedure.plan_sessions(
        by=universe.ann, patient=patient.pk, first_on=TODAY, route="colonoscopy", n_sessions=2, every_days=28
    )
    check = checked(universe, patient, [unit])
    assert (check.outcome, codes(check)) == ("passed", set())
    session = procedure.give_units(
        by=universe.ann, checklist=check.pk, parts={unit.pk: 0.5}, at=AT, tolerance="complete"
    )
    unit.refresh_from_db()
    assert (unit.custody_state, unit.fraction_left, session.dose_grams) == ("partly_administered", 0.5, 25.0)
    planned = MODELS["planned_sessions"].objects.order_by("number")
    assert [p.session_id for p in planned] == [session.pk, None]
    with pytest.raises(RefusedError, match="already"):
        procedure.give_units(by=universe.ann, checklist=check.pk, parts={unit.pk: None}, at=AT)


def test_what_is_left_of_a_unit_is_not_looked_at_by_the_gates_and_so_blocked(ready):
    """It fails closed: a match run takes a unit of an earlier session for used."""
    universe, unit, patient = ready
    check = checked(universe, patient, [unit])
    procedure.give_units(by=universe.ann, checklist=check.pk, parts={unit.pk: 0.5}, at=AT)
    rest = checked(universe, patient, [unit])
    assert (rest.outcome, codes(rest)) == ("blocked", {"unseen"})


def test_several_units_in_one_session(universe):
    donor = universe.donor()
    universe.screen(donor)
    universe.decide(donor)
    universe.unit(donor, n=2)
    units = list(MODELS["units"].objects.order_by("pk"))
    for unit in units[1:]:
        checks = ("is_label_verified", "is_cold_chain_unbroken", "has_retention_sample")
        material.verify_unit(by=universe.ann, unit=unit.pk, **dict.fromkeys(checks, True))
    for unit in units:
        material.release_unit(by=universe.ann, unit=unit.pk, signer=universe.quinn, on=TODAY)
    patient = universe.eligible_patient()
    check = checked(universe, patient, units)
    assert check.outcome == "passed", check.content
    session = procedure.give_units(
        by=universe.ann, checklist=check.pk, parts={units[0].pk: None, units[1].pk: 0.2}, at=AT
    )
    assert session.dose_grams == pytest.approx(60.0)
    assert MODELS["session_units"].objects.filter(session=session).count() == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_identity_confirmed": None}, "identity"),
        ({"is_identity_confirmed": False}, "identity"),
        ({"answers": {**READY, "is_bowel_prepared": None}}, "RTE10"),
    ],
)
def test_what_keeps_a_patient_safe_is_never_overridden(ready, change, code):
    universe, unit, patient = ready
    override = {"override_code": "emergency", "override_reason": "no time"}
    check = checked(universe, patient, [unit], **override, **change)
    assert check.outcome == "blocked"
    assert code in codes(check)
    assert check.override_reason is None
    with pytest.raises(RefusedError, match="blocks"):
        procedure.give_units(by=universe.ann, checklist=check.pk, parts={unit.pk: None}, at=AT)


def test_an_open_review_is_overridden_by_a_physician_with_a_reason_alone(ready):
    universe, unit, patient = ready
    late = {"answers": {**READY, "hours_since_antibiotic": 10.0}}
    assert checked(universe, patient, [unit], **late).outcome == "blocked"
    override = {"override_code": "benefit_outweighs_risk", "override_reason": "fulminant course"}
    with pytest.raises(RefusedError, match="only a physician"):
        checked(universe, patient, [unit], by=universe.carl, **late, **override)
    with pytest.raises(InputError, match="reason in words"):
        checked(universe, patient, [unit], **late, override_code="emergency")
    check = checked(universe, patient, [unit], **late, **override)
    assert (check.outcome, check.overridden_by, codes(check)) == ("overridden", "ann", {"PRE01"})


def test_a_held_unit_blocks_and_so_does_a_hold_after_the_check(ready):
    universe, unit, patient = ready
    check = checked(universe, patient, [unit])
    custody.place_hold(by=universe.ann, kind="quarantine", at=AT, on=TODAY, unit=unit.pk, reason="fever")
    with pytest.raises(RefusedError, match="hold"):
        procedure.give_units(by=universe.ann, checklist=check.pk, parts={unit.pk: None}, at=AT)
    assert "custody" in codes(checked(universe, patient, [unit]))


def test_a_thawed_unit_is_given_within_its_clock(ready):
    universe, unit, patient = ready
    custody.reserve_unit(by=universe.ann, unit=unit.pk, patient=patient.pk, on=TODAY)
    custody.thaw_unit(by=universe.ann, unit=unit.pk, at=AT, on=TODAY)
    assert checked(universe, patient, [unit], at=AT + timedelta(hours=1)).outcome == "passed"
    late = checked(universe, patient, [unit], at=AT + timedelta(hours=12))
    assert (late.outcome, "custody" in codes(late)) == ("blocked", True)


def test_a_check_of_another_day_or_a_parenteral_route_is_refused(ready):
    universe, unit, patient = ready
    check = checked(universe, patient, [unit])
    with pytest.raises(RefusedError, match="check is of"):
        procedure.give_units(
            by=universe.ann, checklist=check.pk, parts={unit.pk: None}, at=AT + timedelta(days=1)
        )
    with pytest.raises(SafetyError):
        checked(universe, patient, [unit], route="intravenous")


def test_an_observation_comes_before_the_session_is_closed(given):
    universe, _, _, session = given
    by = {"by": universe.ann, "session": session.pk}
    with pytest.raises(RefusedError, match="not observed"):
        procedure.close_session(**by, minutes=300, is_well=True)
    with pytest.raises(InputError, match="nothing was observed"):
        procedure.observe(**by, observed_at=AT)
    procedure.observe(**by, observed_at=AT, temperature=36.8, pulse=72)
    with pytest.raises(InputError, match="240 minutes"):
        procedure.close_session(**by, minutes=30, is_well=True)
    procedure.close_session(**by, minutes=30, is_well=True, note="capsules, left on own wish")
    with pytest.raises(RefusedError, match="closed"):
        procedure.observe(**by, observed_at=AT, pulse=80)


# --- safety


@pytest.fixture
def event(given):
    universe, _, patient, session = given
    row = safety.report_event(
        by=universe.carl,
        patient=patient.pk,
        session_id=session.pk,
        began_on=TODAY,
        aware_at=AT,
        term="ae15",
        grade=4,
        criteria=["life_threatening"],
        causality="probable",
        related_to="microbiota",
        is_donor_infection_suspected=True,
    )
    return universe, row


def test_seriousness_and_expectedness_follow_and_the_clocks_start(event):
    _, row = event
    assert (row.is_serious, row.is_expected) == (True, False)
    due = {d.code: d for d in safety.duties_of([row.pk])}
    assert due["site:sae:sponsor or principal investigator"].due_at == AT + timedelta(hours=24)
    fatal = due["us_ind:fatal_or_life_threatening_susar:FDA"]
    assert (fatal.due_at, fatal.open) == (AT + timedelta(days=7), ())
    assert not any(code.startswith("us_ind:susar") for code in due)


def test_a_centre_keeps_its_own_law_and_records_what_it_sent(event):
    universe, row = event
    safety.set_jurisdiction(by=universe.quinn, site="S1", jurisdiction="us_ind", reason="IND holder")
    due = safety.duties_of([row.pk])
    assert {d.clock.jurisdiction for d in due} == {"site", "us_ind"}
    with pytest.raises(RefusedError, match="no clock"):
        safety.record_report(by=universe.ann, event=row.pk, duty="eu_ctr:susar:x", reported_at=AT)
    safety.record_report(by=universe.ann, event=row.pk, duty=due[0].code, reported_at=AT + timedelta(hours=2))
    assert [d.is_reported for d in safety.duties_of([row.pk])].count(True) == 1


def test_two_physicians_judge_and_a_third_where_they_differ(event):
    universe, row = event
    dora, emil, fred = (universe.person(n, "S1", "physician") for n in ("dora", "emil", "fred"))
    safety.judge_event(by=dora, event=row.pk, causality="probable", related_to="microbiota")
    with pytest.raises(RefusedError, match="already"):
        safety.judge_event(by=dora, event=row.pk, causality="unlikely", related_to="disease")
    safety.judge_event(by=emil, event=row.pk, causality="unlikely", related_to="disease")
    safety.judge_event(by=fred, event=row.pk, causality="possible", related_to="microbiota")
    with pytest.raises(RefusedError, match="adjudicated"):
        safety.judge_event(by=universe.ann, event=row.pk, causality="possible", related_to="microbiota")
    with pytest.raises(PermissionDenied):
        safety.judge_event(by=universe.carl, event=row.pk, causality="possible", related_to="microbiota")


def test_an_event_follows_its_course(event):
    universe, row = event
    safety.follow_event(by=universe.ann, event=row.pk, grade=5, outcome="fatal", reason="died")
    row.refresh_from_db()
    assert (row.grade, row.is_serious, row.is_expected) == (5, True, False)


def test_an_unanswered_seriousness_stays_unknown(given):
    universe, _, patient, _ = given
    row = safety.report_event(
        by=universe.ann, patient=patient.pk, began_on=TODAY, aware_at=AT, term="ae01", grade=1
    )
    assert (row.is_serious, row.is_expected) == (None, True)
    assert safety.duties_of([row.pk])[0].open == ("is it serious",)


# --- pages


def test_the_pages_of_care_open_and_a_blind_judge_sees_no_causality(event, client):
    universe, row = event
    dora = universe.person("dora", "S1", "physician")
    client.force_login(dora)
    patient, session = row.patient_id, row.session_id
    for name in ("new-check", "plan-sessions", "new-match", "new-plan", "report-event", "patient-proposals"):
        assert client.get(reverse(name, args=[patient])).status_code == 200, name
    for name in ("session", "observe", "close-session"):
        assert client.get(reverse(name, args=[session])).status_code == 200, name
    for name in ("event", "follow-event", "judge-event", "record-report", "printed-event"):
        page = client.get(reverse(name, args=[row.pk]))
        assert page.status_code == 200, name
        assert name == "judge-event" or "probable" not in page.content.decode(), name
    shown = client.get(reverse("event", args=[row.pk])).content.decode()
    assert "Hidden until you have judged" in shown
    assert "probable" not in shown
    assert "probable" not in client.get(reverse("patient", args=[patient])).content.decode()
    said = {"causality": "unlikely", "related_to": "disease"}
    assert client.post(reverse("judge-event", args=[row.pk]), said).status_code == 302
    assert "probable" in client.get(reverse("event", args=[row.pk])).content.decode()
    assert client.get(reverse("events")).status_code == 200
