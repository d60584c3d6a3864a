"""Donors, patients and accounts."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import path

from commensal.registry.views import accounts, bank, care, home, look

urlpatterns = [
    path("sign-in", login_not_required(accounts.SignIn.as_view()), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("donors/", home.donors, name="donors"),
    path("donors/new", bank.add_donor, name="add-donor"),
    path("donors/<str:pk>/", bank.donor, name="donor"),
    path("donors/<str:pk>/consent", bank.add_consent, name="add-donor-consent"),
    path("donors/<str:pk>/results", bank.add_results, name="add-results"),
    path("donors/<str:pk>/answers", bank.add_answers, name="add-answers"),
    path("donors/<str:pk>/decision", bank.decide_donor, name="decide-donor"),
    path("results/<str:pk>/clear", bank.resolve_result, name="resolve-result"),
    path("patients/", home.patients, name="patients"),
    path("patients/new", care.add_patient, name="add-patient"),
    path("patients/<str:pk>/", care.patient, name="patient"),
    path("patients/<str:pk>/add/<str:table>", care.add_record, name="add-record"),
    path("people", look.people, name="people"),
    path("people/new", accounts.add_account, name="add-account"),
    path("people/close", accounts.end_account, name="end-account"),
]
