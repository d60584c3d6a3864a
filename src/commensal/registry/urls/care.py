"""Care: sessions, visits, instruments."""

from django.urls import path

from commensal.registry.views import care, home, matching

urlpatterns = [
    path("", home.home, name="today"),
    path("patients/<str:pk>/session", care.add_session, name="add-session"),
    path("patients/<str:pk>/visit", care.add_visit, name="add-visit"),
    path("patients/<str:pk>/proposals", matching.proposals, name="patient-proposals"),
    path("patients/<str:pk>/match", matching.new_match, name="new-match"),
    path("patients/<str:pk>/plan", matching.new_plan, name="new-plan"),
    path("patients/<str:pk>/replan", matching.new_replan, name="new-replan"),
    path("proposals/<str:pk>/", matching.proposal, name="proposal"),
    path("proposals/<str:pk>/sign", matching.sign_proposal, name="sign-proposal"),
    path("proposals/<str:pk>/refuse", matching.refuse_proposal, name="refuse-proposal"),
    path("proposals/<str:pk>/reserve", matching.reserve_ranked, name="reserve-ranked"),
    path("visits/<str:pk>/", care.visit, name="visit"),
    path("visits/<str:pk>/instrument", care.choose_instrument, name="choose-instrument"),
    path("visits/<str:pk>/assess/<str:code>", care.assess, name="assess"),
]
