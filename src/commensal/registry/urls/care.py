"""Care: sessions, visits, instruments."""

from django.urls import path

from commensal.registry.views import care, home, matching, procedure, safety

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
    path("patients/<str:pk>/plan-sessions", procedure.plan_sessions, name="plan-sessions"),
    path("patients/<str:pk>/cancel-planned", procedure.cancel_planned, name="cancel-planned"),
    path("patients/<str:pk>/check", procedure.new_check, name="new-check"),
    path("checklists/<str:pk>/", procedure.checklist, name="checklist"),
    path("checklists/<str:pk>/give", procedure.give_units, name="give-units"),
    path("sessions/<str:pk>/", procedure.session, name="session"),
    path("sessions/<str:pk>/observe", procedure.observe, name="observe"),
    path("sessions/<str:pk>/close", procedure.close_session, name="close-session"),
    path("patients/<str:pk>/adverse-event", safety.report_event, name="report-event"),
    path("adverse_events/", safety.events, name="events"),
    path("adverse_events/<str:pk>/", safety.event, name="event"),
    path("adverse_events/<str:pk>/follow", safety.follow_event, name="follow-event"),
    path("adverse_events/<str:pk>/judge", safety.judge_event, name="judge-event"),
    path("adverse_events/<str:pk>/sent", safety.record_report, name="record-report"),
    path("adverse_events/<str:pk>/report", safety.printed, name="printed-event"),
    path("clocks", safety.set_jurisdiction, name="set-jurisdiction"),
    path("visits/<str:pk>/", care.visit, name="visit"),
    path("visits/<str:pk>/instrument", care.choose_instrument, name="choose-instrument"),
    path("visits/<str:pk>/assess/<str:code>", care.assess, name="assess"),
]
