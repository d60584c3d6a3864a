"""Matching on live rows: what is kept, what may be signed, and that nothing is ordered by itself."""

import json
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from universe import READY, TODAY

from commensal.errors import CommensalError, InputError, RefusedError, SafetyError
from commensal.registry.actions import care, custody, matching
from commensal.registry.models import MODELS
from commensal.registry.proposals import digest_of, tables_of

pytestmark = pytest.mark.slow


def matched(universe, patient, **more):
    values = {"route": "colonoscopy", "on": TODAY, "answers": READY, **more}
    return matching.make_match(by=universe.ann, patient=patient.pk, **values)


def test_a_released_unit_is_ranked_signed_and_reserved(universe):
    unit, patient = universe.released_unit(), universe.eligible_patient()
    made = matched(universe, patient)
    (lot,) = tables_of(made.content)["rankings"]
    assert (lot["unit_id"], lot["is_eligible"]) == (unit.pk, True), lot
    unit.refresh_from_db()
    assert (unit.custody_state, unit.reserved_for) == ("released", None)
    assert MODELS["sessions"].objects.count() == 0
    with pytest.raises(RefusedError, match="no physician"):
        matching.reserve_ranked(by=universe.ann, proposal=made.pk, unit=unit.pk, on=TODAY)
    ruling = matching.sign_proposal(by=universe.ann, proposal=made.pk, on=TODAY, choice=unit.pk)
    assert (ruling.digest, ruling.ruled_by) == (digest_of(made.content), "ann")
    matching.reserve_ranked(by=universe.ann, proposal=made.pk, unit=unit.pk, on=TODAY)
    unit.refresh_from_db()
    assert (unit.custody_state, unit.reserved_for) == ("reserved", patient.pk)
    again = matched(universe, patient)
    assert again.run != made.run, "a reservation is an input of a run"


def test_the_same_rows_give_the_same_run(universe):
    universe.released_unit()
    patient = universe.eligible_patient()
    first, second = matched(universe, patient), matched(universe, patient)
    assert (first.pk != second.pk, first.run, first.digest) == (True, second.run, second.digest)
    assert "complementarity" in {part["part"] for part in tables_of(first.content)["score_parts"]} or any(
        lot["reason"] for lot in tables_of(first.content)["rankings"]
    )


@pytest.mark.parametrize("unanswered", ["hours_since_antibiotic", "can_be_pregnant"])
def test_an_open_question_leaves_no_lot_eligible(universe, unanswered):
    unit, patient = universe.released_unit(), universe.eligible_patient()
    answers = {name: value for name, value in READY.items() if name != unanswered}
    made = matched(universe, patient, answers=answers)
    assert not any(lot["is_eligible"] for lot in tables_of(made.content)["rankings"])
    with pytest.raises(RefusedError, match="not eligible"):
        matching.sign_proposal(by=universe.ann, proposal=made.pk, on=TODAY, choice=unit.pk)


def test_an_unreleased_unit_is_shown_with_its_reason_and_never_eligible(universe):
    unit = universe.unit(universe.donor())
    made = matched(universe, universe.eligible_patient())
    (lot,) = tables_of(made.content)["rankings"]
    assert (lot["unit_id"], lot["is_eligible"]) == (unit.pk, False)
    assert "GATE01" in lot["failed_rules"]
    refusals = tables_of(made.content)["refusals"]
    assert all(r["unit_id"] == [unit.pk] and r["source"] for r in refusals)


def test_what_changed_since_is_named_and_not_signed(universe):
    unit, patient = universe.released_unit(), universe.eligible_patient()
    made = matched(universe, patient)
    assert matching.changed_since(made, on=TODAY) == []
    assert matching.changed_since(made, on=TODAY + timedelta(days=1)) == ["the day"]
    now = made.made_at
    custody.place_hold(by=universe.ann, kind="quarantine", at=now, on=TODAY, unit=unit.pk, reason="fever")
    assert "holds" in matching.changed_since(made, on=TODAY)
    with pytest.raises(RefusedError, match="no longer stands"):
        matching.sign_proposal(by=universe.ann, proposal=made.pk, on=TODAY, choice=unit.pk)


def test_a_refusal_needs_a_coded_reason_and_is_the_last_word(universe):
    universe.released_unit()
    made = matched(universe, universe.eligible_patient())
    with pytest.raises(InputError, match="no reason"):
        matching.refuse_proposal(by=universe.ann, proposal=made.pk, reason_code="")
    matching.refuse_proposal(by=universe.ann, proposal=made.pk, reason_code="patient_declined")
    with pytest.raises(RefusedError, match="ruled"):
        matching.sign_proposal(by=universe.ann, proposal=made.pk, on=TODAY, choice="U0001")
    with pytest.raises(DatabaseError), transaction.atomic():
        MODELS["proposals"].objects.filter(pk=made.pk).update(digest="0")


def test_only_a_physician_signs(universe):
    unit, patient = universe.released_unit(), universe.eligible_patient()
    made = matched(universe, patient)
    with pytest.raises(PermissionDenied):
        matching.sign_proposal(by=universe.carl, proposal=made.pk, on=TODAY, choice=unit.pk)


def test_no_run_for_a_parenteral_route_or_a_patient_elsewhere(universe):
    universe.released_unit()
    patient = universe.eligible_patient()
    with pytest.raises(SafetyError):
        matched(universe, patient, route="intravenous")
    with pytest.raises(InputError, match="at your centres"):
        matching.make_match(by=universe.otto, patient=patient.pk, route="colonoscopy", on=TODAY)
    assert MODELS["proposals"].objects.count() == 0


def test_stock_of_another_centre_is_not_offered(universe):
    donor = universe.donor(by=universe.otto, site="S2")
    universe.unit(donor, by=universe.otto, site="S2")
    made = matched(universe, universe.eligible_patient())
    assert tables_of(made.content)["rankings"] == []


def test_a_care_plan_is_signed_only_where_every_binding_rule_is_met(universe):
    patient = universe.eligible_patient()
    by = {"by": universe.ann}
    open_plan = matching.make_plan(**by, patient=patient.pk, on=TODAY, route="colonoscopy")
    with pytest.raises(RefusedError, match="open or not met"):
        matching.sign_proposal(**by, proposal=open_plan.pk, on=TODAY)
    ready = matching.make_plan(**by, patient=patient.pk, on=TODAY, route="colonoscopy", answers=READY)
    assert json.loads(ready.content)["verdict"] == "met"
    assert matching.sign_proposal(**by, proposal=ready.pk, on=TODAY).decision == "signed"


def test_a_replan_offers_options_and_keeps_the_choice(given):
    universe, _, patient, _ = given
    on = TODAY + timedelta(days=28)
    made = matching.make_replan(by=universe.ann, patient=patient.pk, on=on)
    options = [row["option"] for row in tables_of(made.content)["replans"]]
    assert options
    with pytest.raises(RefusedError, match="among the options"):
        matching.sign_proposal(by=universe.ann, proposal=made.pk, on=on, choice="amputate")
    matching.sign_proposal(by=universe.ann, proposal=made.pk, on=on, choice=options[0])


def test_a_milder_grade_on_record_than_the_facts_give_stops_the_run(universe):
    universe.released_unit()
    patient = universe.eligible_patient()
    low = {"analyte": "neutrophils", "value": 200.0, "collected_on": TODAY}
    care.add_record(by=universe.ann, table="lab_results", patient=patient.pk, values=low)
    with pytest.raises(CommensalError, match="immunocompromise"):
        matched(universe, patient)
