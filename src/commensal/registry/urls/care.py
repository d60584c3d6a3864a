"""Care: sessions, visits, instruments."""

from django.urls import path

from commensal.registry.views import care, home

urlpatterns = [
    path("", home.home, name="today"),
    path("patients/<str:pk>/session", care.add_session, name="add-session"),
    path("patients/<str:pk>/visit", care.add_visit, name="add-visit"),
    path("visits/<str:pk>/", care.visit, name="visit"),
    path("visits/<str:pk>/instrument", care.choose_instrument, name="choose-instrument"),
    path("visits/<str:pk>/assess/<str:code>", care.assess, name="assess"),
]
