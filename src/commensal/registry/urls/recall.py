"""Recalls."""

from django.urls import path

from commensal.registry.views import recall

urlpatterns = [
    path("recalls/", recall.recalls, name="recalls"),
    path("recalls/new", recall.open_recall, name="open-recall"),
    path("recalls/<str:pk>/", recall.recall, name="recall"),
    path("recalls/<str:pk>/again", recall.look_again, name="look-again"),
    path("recalls/<str:pk>/close", recall.close_recall, name="close-recall"),
    path("recall_patients/<str:pk>/contact", recall.contact, name="recall-contact"),
    path("recall_units/<str:pk>/fate", recall.state_fate, name="state-fate"),
    path("adverse_events/<str:pk>/no-recall", recall.rule_no_recall, name="rule-no-recall"),
]
