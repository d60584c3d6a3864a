"""Donors and patients: who they are, what they agreed to, what is known of them."""

from django.urls import path

from commensal.registry.views import care, consents, donors, home, people, records

PATIENT, DONOR = {"table": "patients"}, {"table": "donors"}

urlpatterns = [
    path("donors/", home.donors, name="donors"),
    path("donors/new", donors.add_donor, name="add-donor"),
    path("donors/funnel", donors.funnel, name="donor-funnel"),
    path("donors/work", donors.work, name="donor-work"),
    path("donors/<str:pk>/", donors.donor, name="donor"),
    path("donors/<str:pk>/consents", consents.consents_of, DONOR, name="donor-consents"),
    path("donors/<str:pk>/consent", consents.sign, DONOR, name="sign-donor-consent"),
    path("donors/<str:pk>/withdrawal", consents.withdraw, DONOR, name="withdraw-donor"),
    path("donors/<str:pk>/file", consents.attach, DONOR, name="attach-donor"),
    path("donors/<str:pk>/identity", people.identity, DONOR, name="donor-identity"),
    path("donors/<str:pk>/identity/enter", people.enter_identity, DONOR, name="enter-donor-identity"),
    path("donors/<str:pk>/correction", people.correct, DONOR, name="correct-donor"),
    path("donors/<str:pk>/results", donors.add_results, name="add-results"),
    path("donors/<str:pk>/answers", donors.add_answers, name="add-answers"),
    path("donors/<str:pk>/decision", donors.decide_donor, name="decide-donor"),
    path("results/<str:pk>/clear", donors.resolve_result, name="resolve-result"),
    path("results/<str:pk>/follow", donors.follow_result, name="follow-result"),
    path("donations/<str:pk>/questions", donors.same_day, name="same-day"),
    path("patients/", home.patients, name="patients"),
    path("patients/new", care.add_patient, name="add-patient"),
    path("patients/<str:pk>/", care.patient, name="patient"),
    path("patients/<str:pk>/add/<str:table>", care.add_record, name="add-record"),
    path("patients/<str:pk>/consents", consents.consents_of, PATIENT, name="patient-consents"),
    path("patients/<str:pk>/consent", consents.sign, PATIENT, name="sign-patient-consent"),
    path("patients/<str:pk>/withdrawal", consents.withdraw, PATIENT, name="withdraw-patient"),
    path("patients/<str:pk>/file", consents.attach, PATIENT, name="attach-patient"),
    path("patients/<str:pk>/identity", people.identity, PATIENT, name="patient-identity"),
    path("patients/<str:pk>/identity/enter", people.enter_identity, PATIENT, name="enter-patient-identity"),
    path("patients/<str:pk>/correction", people.correct, PATIENT, name="correct-patient"),
    path("patients/<str:pk>/eligibility", records.eligibility, name="eligibility"),
    path("patients/<str:pk>/questions", records.answer_facts, name="answer-facts"),
    path("patients/<str:pk>/immunocompromise", records.grade, name="grade-immunocompromise"),
    path("patients/<str:pk>/medication", records.medication, name="medication"),
    path("pairs", people.pairs, name="pairs"),
    path("identities/<str:pk>/pair", people.rule_pair, name="rule-pair"),
    path("consents/", consents.due, name="consents-due"),
    path("consent-texts/", consents.texts, name="consent-texts"),
    path("consent-texts/new", consents.add_text, name="add-consent-text"),
    path("consent-texts/<str:pk>/end", consents.end_text, name="end-consent-text"),
    path("attachments/<str:pk>", consents.attachment, name="attachment"),
]
