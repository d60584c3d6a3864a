"""The addresses of the site."""

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import LogoutView
from django.urls import path

from commensal.registry.views import accounts, bank, care, home, look

urlpatterns = [
    path("sign-in", login_not_required(accounts.SignIn.as_view()), name="sign-in"),
    path("sign-out", LogoutView.as_view(), name="sign-out"),
    path("", home.home, name="today"),
    path("donors/", home.donors, name="donors"),
    path("donors/new", bank.add_donor, name="add-donor"),
    path("donors/<str:pk>/", bank.donor, name="donor"),
    path("donors/<str:pk>/consent", bank.add_consent, name="add-donor-consent"),
    path("donors/<str:pk>/results", bank.add_results, name="add-results"),
    path("donors/<str:pk>/answers", bank.add_answers, name="add-answers"),
    path("donors/<str:pk>/decision", bank.decide_donor, name="decide-donor"),
    path("donors/<str:pk>/donation", bank.add_donation, name="add-donation"),
    path("donors/<str:pk>/hold", bank.place_hold, {"table": "donors"}, name="hold-donor"),
    path("results/<str:pk>/clear", bank.resolve_result, name="resolve-result"),
    path("donations/<str:pk>/units", bank.make_units, name="make-units"),
    path("units/", home.units, name="units"),
    path("units/<str:pk>/", bank.unit, name="unit"),
    path("units/<str:pk>/checks", bank.verify_unit, name="verify-unit"),
    path("units/<str:pk>/release", bank.release, name="release"),
    path("units/<str:pk>/custody", bank.handle_unit, name="handle-unit"),
    path("units/<str:pk>/hold", bank.place_hold, {"table": "units"}, name="hold-unit"),
    path("holds/<str:pk>/lift", bank.lift_hold, name="lift-hold"),
    path("custody/<str:pk>/correct", bank.correct_event, name="correct-event"),
    path("patients/", home.patients, name="patients"),
    path("patients/new", care.add_patient, name="add-patient"),
    path("patients/<str:pk>/", care.patient, name="patient"),
    path("patients/<str:pk>/session", care.add_session, name="add-session"),
    path("patients/<str:pk>/visit", care.add_visit, name="add-visit"),
    path("patients/<str:pk>/add/<str:table>", care.add_record, name="add-record"),
    path("visits/<str:pk>/", care.visit, name="visit"),
    path("visits/<str:pk>/instrument", care.choose_instrument, name="choose-instrument"),
    path("visits/<str:pk>/assess/<str:code>", care.assess, name="assess"),
    path("trace", look.follow, name="trace"),
    path("history/<str:table>/<str:pk>", look.history, name="history"),
    path("people", look.people, name="people"),
    path("people/new", accounts.add_account, name="add-account"),
    path("people/close", accounts.end_account, name="end-account"),
]
