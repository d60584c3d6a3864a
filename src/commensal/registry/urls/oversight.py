"""Looking back: the trace of material, the history of a record."""

from django.urls import path

from commensal.registry.views import look

urlpatterns = [
    path("trace", look.follow, name="trace"),
    path("history/<str:table>/<str:pk>", look.history, name="history"),
]
