"""What patients report: the links, and the pages behind them."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path

from commensal.registry.views import answers, reported

urlpatterns = [
    path("patients/<str:pk>/links", reported.links, name="patient-links"),
    path("patients/<str:pk>/links/new", reported.new_link, name="new-link"),
    path("report-links/<str:pk>/revoke", reported.revoke_link, name="revoke-link"),
    path("answers/<str:token>", login_not_required(answers.answers), name="answers"),
]
