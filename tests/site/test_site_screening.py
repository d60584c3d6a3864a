"""Donor screening and the patient's record: worklists, decisions, the questions of the day, eligibility."""

from datetime import date, timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone
from universe import DONATED, TODAY

from commensal.errors import InputError, RefusedError
from commensal.registry import donor_lists
from commensal.registry.actions import care, material, records, screening
from commensal.registry.models import MODELS

pytestmark = pytest.mark.slow
DAY = timedelta(days=1)
OF_OURS = ["S1"]


def lab_result(universe, donor, outcome, *, on=TODAY, analyte="hiv", by=None):
    (row,) = screening.record_results(
        by=by or universe.ann,
        donor=donor.pk,
        collected_on=on,
        results=[{"analyte": analyte, "specimen": "blood", "result": outcome, "method": "serology"}],
    )
    return row


# --- results that wait


def test_pending_results_wait_until_they_are_followed_and_stay_visible(universe):
    donor = universe.donor()
    pending = lab_result(universe, donor, "pending")
    antibody = lab_result(universe, donor, "positive", analyte="cmv_igg")
    assert list(donor_lists.open_results(OF_OURS, on=TODAY)) == [pending]
    assert antibody.result == "positive"
    follow = screening.follow_result(
        by=universe.ann, result=pending.pk, outcome="negative", reported_on=TODAY
    )
    assert (follow.supersedes_id, follow.collected_on, follow.analyte) == (pending.pk, TODAY, "hiv")
    assert not donor_lists.open_results(OF_OURS, on=TODAY)
    assert MODELS["screenings"].objects.filter(pk=pending.pk, result="pending").exists()
    with pytest.raises(RefusedError, match="followed by another already"):
        screening.follow_result(by=universe.ann, result=pending.pk, outcome="negative")


def test_nothing_replaces_a_positive_and_a_later_negative_does_not_hide_it(universe):
    donor = universe.donor()
    found = lab_result(universe, donor, "positive", on=TODAY - DAY)
    with pytest.raises(RefusedError, match="not followed by another"):
        screening.follow_result(by=universe.ann, result=found.pk, outcome="negative")
    lab_result(universe, donor, "negative")
    assert list(donor_lists.open_results(OF_OURS, on=TODAY)) == [found]
    laboratory, _ = screening.donor_screen(donor, on=TODAY)
    assert {a.analyte: a.outcome for a in laboratory.analytes}["hiv"] == "not_met"


def test_a_new_specimen_is_not_taken_before_the_old_one(universe):
    pending = lab_result(universe, universe.donor(), "invalid")
    with pytest.raises(InputError, match="taken on"):
        screening.follow_result(
            by=universe.ann, result=pending.pk, outcome="negative", collected_on=TODAY - DAY
        )


# --- what must be done


def eligible(universe):
    donor = universe.donor()
    universe.screen(donor)
    screening.set_donor_status(
        by=universe.ann,
        donor=donor.pk,
        status="eligible",
        on=TODAY,
        reason="complete",
        reason_code="screening_complete",
        note="complete",
    )
    return donor


def test_screens_are_due_three_weeks_before_they_run_out(universe):
    donor = eligible(universe)
    last = DONATED + 57 * DAY
    assert donor_lists.screens_running_out(OF_OURS, on=TODAY) == []
    soon = donor_lists.screens_running_out(OF_OURS, on=TODAY + 39 * DAY)
    assert {d.donor_id for d in soon} == {donor.pk}
    assert not any(d.is_overdue for d in soon)
    assert min(d.until for d in soon) == last + 58 * DAY  # the first of three separate days of parasites
    late = donor_lists.screens_running_out(OF_OURS, on=TODAY + 100 * DAY)
    assert any(d.is_overdue for d in late)
    assert donor_lists.screens_running_out(["S2"], on=TODAY + 100 * DAY) == []


def test_a_donation_wants_its_closing_screens_until_they_are_taken(universe):
    donor = universe.donor()
    results = universe.screen
    unit = universe.unit(donor)
    (cannot,) = {c.state for c in donor_lists.closing_screens(OF_OURS, on=TODAY)}
    assert cannot == "cannot close"
    results(donor)
    assert donor_lists.closing_screens(OF_OURS, on=TODAY) == []
    assert unit.custody_state == "frozen" or not unit.is_released


def test_the_window_of_a_closing_screen_opens_and_is_missed(universe):
    donor = universe.donor()
    universe.unit(donor)
    lab_result(universe, donor, "negative", on=DONATED - DAY)

    def blood(on):
        return {
            (c.state, c.from_on, c.to_on)
            for c in donor_lists.closing_screens(OF_OURS, on=on)
            if any("HIV" in label for label in c.labels)
        }

    window = (DONATED + 56 * DAY, DONATED + 84 * DAY)
    assert blood(DONATED + 55 * DAY) == {("not yet", *window)}
    assert blood(DONATED + 56 * DAY) == {("open", *window)}
    assert blood(DONATED + 84 * DAY) == {("open", *window)}
    assert blood(DONATED + 85 * DAY) == {("missed", *window)}


def test_the_funnel_counts_donors_of_ones_own_centres(universe):
    eligible(universe)
    universe.donor()
    universe.donor(by=universe.otto, site="S2")
    found = donor_lists.funnel(OF_OURS)
    assert [s.n_reached for s in found.stages] == [2, 1, 1, 1, 0]
    assert donor_lists.funnel(["S2"]).stages[0].n_reached == 1


# --- decisions


def test_a_decision_keeps_its_coded_reason_and_the_end_of_a_deferral(universe):
    donor = universe.donor()
    decide = {"by": universe.ann, "donor": donor.pk, "on": TODAY, "reason": "trip"}
    screening.set_donor_status(
        **decide, status="deferred", deferred_until_on=TODAY + 90 * DAY, reason_code="travel_or_exposure"
    )
    assert list(donor_lists.deferrals(OF_OURS).values_list("pk", "deferred_until_on")) == [
        (donor.pk, TODAY + 90 * DAY)
    ]
    for status, until in (("deferred", TODAY - DAY), ("excluded", TODAY + DAY)):
        with pytest.raises(InputError, match="until"):
            screening.set_donor_status(**decide, status=status, deferred_until_on=until)
    screening.set_donor_status(**decide, status="retired", reason_code="moved_away")
    assert donor_lists.funnel(OF_OURS).left == (("retired", "moved_away", 1),)
    assert MODELS["donor_decisions"].objects.count() == 2


# --- the questions of the day


def donation(universe, donor):
    return material.add_donation(
        by=universe.ann, donor=donor.pk, donated_on=DONATED, stool_mass_grams=150.0, bristol_type=4
    )


def test_the_questions_of_a_day_are_clean_only_when_all_are_answered_with_no(universe):
    donor = universe.donor()
    asked = screening.same_day_questions(DONATED, sex="male")
    assert {"antibiotic", "risk_travel", "gut_symptoms", "household_infection"} <= set(asked)
    assert "menstruation" not in asked
    assert "menstruation" in screening.same_day_questions(DONATED, sex=None)
    no = dict.fromkeys(asked, ("negative", None))
    answer = screening.answer_same_day
    given = donation(universe, donor)
    assert answer(by=universe.ann, donation=given.pk, answers=no).is_questionnaire_clean is True
    with pytest.raises(RefusedError, match="already"):
        answer(by=universe.ann, donation=given.pk, answers=no)
    open_one = {**no, "antibiotic": (None, None)}
    second = donation(universe, donor)
    assert answer(by=universe.ann, donation=second.pk, answers=open_one).is_questionnaire_clean is None
    third = donation(universe, donor)
    yes = {**no, "antibiotic": ("positive", DONATED - 10 * DAY)}
    assert answer(by=universe.ann, donation=third.pk, answers=yes).is_questionnaire_clean is False


def test_a_yes_at_a_donation_defers_the_donor(universe):
    donor = eligible(universe)
    asked = screening.same_day_questions(DONATED, sex="male")
    answers = dict.fromkeys(asked, ("negative", None)) | {"antibiotic": ("positive", DONATED - 10 * DAY)}
    screening.answer_same_day(by=universe.ann, donation=donation(universe, donor).pk, answers=answers)
    _, verdicts = screening.donor_screen(donor, on=TODAY)
    (found,) = [v for v in verdicts if v.outcome == "not_met"]
    assert found.rule.id.endswith("antibiotic")
    assert found.defer_until_days == found.rule.defer_days - 68


# --- the patient's record


def test_eligibility_waits_for_answers_and_then_says_yes(universe):
    patient = universe.patient()
    found = records.eligibility_of(patient, on=TODAY)
    assert found.outcome == "undetermined"
    assert {m.where for m in found.missing} >= {"answer", "lab_results", "consent", "grade", "medication"}
    add = {"by": universe.ann, "patient": patient.pk}
    values = (("neutrophils", 4000.0), ("lymphocytes", 2000.0), ("albumin", 40.0))
    for analyte, value in (*values, ("body_mass", 70.0), ("body_height", 1.7)):
        lab = {"analyte": analyte, "value": value, "collected_on": TODAY}
        care.add_record(**add, table="lab_results", values=lab)
    signed = {"type": "informed_signed", "signed_on": TODAY}
    care.add_record(**add, table="consents", values=signed)
    records.review_medication(**add, on=TODAY, is_complete=True)
    records.grade_immunocompromise(**add, grade="none", reason="no finding")
    row = MODELS["patients"].objects.get(pk=patient.pk)
    row = _corrected(universe, row, anaphylactic_allergens="none")
    asked = [f for f in _missing(row) if f.where == "answer"]
    answers = {m.fact: 3.0 if m.fact == "n_cdi_recurrences" else False for m in asked}
    answers["enteral_calories_percent"] = 100.0
    records.answer_facts(**add, on=TODAY, answers=answers)
    found = records.eligibility_of(row, on=TODAY)
    assert found.outcome == "met", (found.missing, [v.explain() for v in found.blocking])
    assert records.eligibility_of(row, on=TODAY + 31 * DAY).outcome == "undetermined"
    care.add_record(
        **add,
        table="dispositions",
        values={"kind": "withdrawal", "occurred_on": TODAY, "withdrawal_level": "W1"},
    )
    assert records.eligibility_of(row, on=TODAY).outcome == "not_met"


def _missing(row):
    return records.eligibility_of(row, on=TODAY).missing


def _corrected(universe, row, **values):
    from commensal.registry.actions.people import correct_patient

    return correct_patient(by=universe.ann, patient=row.pk, reason="asked", **values)


def test_only_a_physician_grades_and_answers_are_checked(universe):
    patient = universe.patient()
    with pytest.raises(PermissionDenied):
        records.grade_immunocompromise(by=universe.carl, patient=patient.pk, grade="none", reason="so")
    with pytest.raises(InputError, match="grade"):
        records.grade_immunocompromise(by=universe.ann, patient=patient.pk, grade="fine", reason="so")
    with pytest.raises(InputError, match="not asked"):
        records.answer_facts(by=universe.ann, patient=patient.pk, on=TODAY, answers={"bmi": 22.0})
    with pytest.raises(InputError, match="no question"):
        records.answer_facts(by=universe.ann, patient=patient.pk, on=TODAY, answers={"is_pregnant": None})


def test_a_review_stops_what_was_stopped_and_counts_what_is_taken(universe):
    patient, other = universe.patient(), universe.patient()
    add = {"by": universe.ann, "patient": patient.pk}
    started = {"started_on": TODAY - 30 * DAY}
    drug = care.add_record(**add, table="exposures", values={"exposure": "ppi", **started})
    care.add_record(**add, table="exposures", values={"exposure": "biologic", **started})
    review = records.review_medication(**add, on=TODAY, is_complete=True, stopped={drug.pk: TODAY - DAY})
    assert (review.n_taken, review.is_complete) == (1, True)
    drug.refresh_from_db()
    assert drug.stopped_on == TODAY - DAY
    with pytest.raises(InputError, match="was stopped on"):
        records.review_medication(**add, on=TODAY, is_complete=None, stopped={drug.pk: date(2020, 1, 1)})
    with pytest.raises(RefusedError, match="another patient"):
        records.review_medication(
            by=universe.ann, patient=other.pk, on=TODAY, is_complete=None, stopped={drug.pk: TODAY}
        )


# --- pages


def test_the_pages_open_and_say_what_is_open(universe, client, monkeypatch):
    monkeypatch.setattr(timezone, "localdate", lambda *_: TODAY)
    donor, patient = universe.donor(), universe.patient()
    given = donation(universe, donor)
    pending = lab_result(universe, donor, "pending")
    client.force_login(universe.ann)
    work = client.get(reverse("donor-work")).content.decode()
    assert reverse("follow-result", args=[pending.pk]) in work
    page = client.get(reverse("donor", args=[donor.pk])).content.decode()
    assert reverse("same-day", args=[given.pk]) in page
    answer = client.post(
        reverse("follow-result", args=[pending.pk]), {"outcome": "negative", "reported_on": TODAY}
    )
    assert answer.status_code == 302, answer.content.decode()
    assert (
        reverse("follow-result", args=[pending.pk]) not in client.get(reverse("donor-work")).content.decode()
    )
    assert (
        client.post(reverse("same-day", args=[given.pk]), {"result-antibiotic": "positive"}).status_code
        == 302
    )
    given.refresh_from_db()
    assert given.is_questionnaire_clean is False
    page = client.get(reverse("eligibility", args=[patient.pk])).content.decode()
    assert "cannot be told yet, so not eligible" in page
    assert reverse("answer-facts", args=[patient.pk]) in page
    answer = client.post(
        reverse("answer-facts", args=[patient.pk]), {"found_on": TODAY, "has_toxic_megacolon": "yes"}
    )
    assert answer.status_code == 302
    assert "not eligible" in client.get(reverse("eligibility", args=[patient.pk])).content.decode()
    for name in ("medication", "grade-immunocompromise", "answer-facts"):
        assert client.get(reverse(name, args=[patient.pk])).status_code == 200, name
    assert client.get(reverse("donor-funnel")).status_code == 200
