"""Material: donations, units, custody, holds."""

from django.urls import path

from commensal.registry.views import bank, home

urlpatterns = [
    path("donors/<str:pk>/donation", bank.add_donation, name="add-donation"),
    path("donors/<str:pk>/hold", bank.place_hold, {"table": "donors"}, name="hold-donor"),
    path("donations/<str:pk>/units", bank.make_units, name="make-units"),
    path("units/", home.units, name="units"),
    path("units/<str:pk>/", bank.unit, name="unit"),
    path("units/<str:pk>/checks", bank.verify_unit, name="verify-unit"),
    path("units/<str:pk>/release", bank.release, name="release"),
    path("units/<str:pk>/custody", bank.handle_unit, name="handle-unit"),
    path("units/<str:pk>/hold", bank.place_hold, {"table": "units"}, name="hold-unit"),
    path("holds/<str:pk>/lift", bank.lift_hold, name="lift-hold"),
    path("custody/<str:pk>/correct", bank.correct_event, name="correct-event"),
]
