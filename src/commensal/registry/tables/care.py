"""What is proposed, checked, observed and judged at the bedside beside the study's own tables."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q, UniqueConstraint

from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import (
    Column,
    Privacy,
    Table,
    code,
    date,
    flag,
    identifier,
    instant,
    integer,
    number,
    text,
    word,
)

OF_PATIENT = ("patient__site",)
KINDS = ("match", "care_plan", "replan")
DECISIONS = ("signed", "refused")
REFUSAL_REASONS = (
    "patient_declined",
    "clinical_judgement",
    "donor_not_acceptable",
    "route_not_acceptable",
    "dose_not_acceptable",
    "information_missing",
    "material_not_available",
    "record_wrong",
    "other",
)
OUTCOMES = ("passed", "overridden", "blocked")
OVERRIDE_REASONS = (
    "benefit_outweighs_risk",
    "checked_by_other_means",
    "emergency",
    "not_applicable_here",
    "other",
)
VIEWS = ("reporter", "blinded")
JURISDICTIONS = ("any", "us_ind", "eu_ctr", "cn_gcp")


def who(name: str, meaning: str) -> Column:
    """Declare the account of a person of the staff."""
    return text(name, meaning, privacy=Privacy.PSEUDONYM)


def kept(name: str, meaning: str) -> Column:
    """Declare a text that the registry writes itself and reads back, of health data."""
    return text(name, meaning, privacy=Privacy.HEALTH)


PROPOSALS = Owned(
    Table(
        "proposals",
        "one immutable proposal for one patient: a match run, a care plan or a re-plan",
        ("proposal_id",),
        (
            identifier("proposal_id", "The proposal.", is_required=True),
            identifier("patient_id", "Patient.", references="patients", is_required=True),
            code("kind", KINDS, "What it is.", is_required=True, privacy=Privacy.NONE),
            date("made_on", "Day it is valid for.", is_required=True),
            instant("made_at", "Moment it was made."),
            who("made_by", "Who asked for it."),
            code("route", "routes", "Enteral route planned."),
            word("run", "Hash that names the run: the same inputs and versions give the same."),
            word("inputs", "SHA-256 over the inputs."),
            word("rules", "Versions of policy, profile or protocol."),
            word("software", "Version of the software."),
            kept("content", "The result, as JSON."),
            word("digest", "SHA-256 over the result: what is signed."),
        ),
    ),
    sites=OF_PATIENT,
    is_append_only=True,
)

PROPOSAL_RULINGS = Owned(
    Table(
        "proposal_rulings",
        "a physician's word on one proposal",
        ("ruling_id",),
        (
            identifier("ruling_id", "The ruling.", is_required=True),
            identifier("proposal_id", "The proposal.", references="proposals", is_required=True),
            code("decision", DECISIONS, "Signed or refused.", is_required=True, privacy=Privacy.NONE),
            code("reason_code", REFUSAL_REASONS, "Why it is refused."),
            word("choice", "Unit or option chosen."),
            text("note", "In words."),
            word("digest", "SHA-256 of the result that was signed."),
            instant("ruled_at", "When."),
            who("ruled_by", "The physician."),
        ),
    ),
    sites=("proposal__patient__site",),
    is_append_only=True,
    constraints=(
        UniqueConstraint(fields=["proposal"], name="proposal_rulings_once"),
        CheckConstraint(
            name="proposal_rulings_refused_for_a_reason",
            condition=~Q(decision="refused") | Q(reason_code__isnull=False),
        ),
    ),
)

PLANNED_SESSIONS = Owned(
    Table(
        "planned_sessions",
        "one session of a course that is planned",
        ("planned_session_id",),
        (
            identifier("planned_session_id", "The planned session.", is_required=True),
            identifier("patient_id", "Patient.", references="patients", is_required=True),
            integer("number", "Position in the course, from 1.", minimum=1, maximum=400),
            date("due_on", "Day planned.", is_required=True),
            code("route", "routes", "Enteral route planned."),
            identifier("session_id", "The session that was given.", references="sessions"),
            date("cancelled_on", "Day it was given up."),
        ),
    ),
    sites=OF_PATIENT,
    constraints=(
        CheckConstraint(
            name="planned_sessions_given_or_cancelled",
            condition=Q(session__isnull=True) | Q(cancelled_on__isnull=True),
        ),
    ),
)

CHECKLISTS = Owned(
    Table(
        "checklists",
        "one check before a procedure: every item with its verdict",
        ("checklist_id",),
        (
            identifier("checklist_id", "The check.", is_required=True),
            identifier("patient_id", "Patient.", references="patients", is_required=True),
            code("route", "routes", "Enteral route.", is_required=True),
            word("units", "Units at hand, separated by ';'."),
            date("checked_on", "Day.", is_required=True),
            instant("checked_at", "Moment."),
            who("checked_by", "Who checked."),
            code("outcome", OUTCOMES, "Whether the procedure may begin.", is_required=True),
            kept("content", "Every item with verdict and reason, as JSON."),
            code("override_code", OVERRIDE_REASONS, "Why open items do not stop the procedure."),
            text("override_reason", "The physician's reason in words."),
            who("overridden_by", "The physician."),
        ),
    ),
    sites=OF_PATIENT,
    is_append_only=True,
    constraints=(
        CheckConstraint(
            name="checklists_overridden_by_somebody_for_a_reason",
            condition=~Q(outcome="overridden")
            | Q(override_code__isnull=False, override_reason__isnull=False, overridden_by__isnull=False),
        ),
    ),
)

SESSION_CHECKS = Owned(
    Table(
        "session_checks",
        "the check under which one session was given",
        ("session_check_id",),
        (
            identifier("session_check_id", "The entry.", is_required=True),
            identifier("session_id", "Session.", references="sessions", is_required=True),
            identifier("checklist_id", "The check.", references="checklists", is_required=True),
        ),
    ),
    sites=("session__patient__site",),
    is_append_only=True,
    constraints=(
        UniqueConstraint(fields=["session"], name="session_checks_one_check_a_session"),
        UniqueConstraint(fields=["checklist"], name="session_checks_one_session_a_check"),
    ),
)

OBSERVATIONS = Owned(
    Table(
        "observations",
        "one look at a patient after a session",
        ("observation_id",),
        (
            identifier("observation_id", "The observation.", is_required=True),
            identifier("session_id", "Session.", references="sessions", is_required=True),
            instant("observed_at", "When."),
            number("temperature", "Body temperature.", unit="°C", minimum=30, maximum=45),
            integer("pulse", "Pulse.", unit="/min", minimum=20, maximum=300),
            integer("systolic", "Systolic blood pressure.", unit="mmHg", minimum=30, maximum=300),
            integer("diastolic", "Diastolic blood pressure.", unit="mmHg", minimum=10, maximum=200),
            integer("saturation", "Oxygen saturation.", unit="%", minimum=30, maximum=100),
            flag("has_complaint", "The patient has a complaint."),
            text("note", "In words."),
            who("observed_by", "Who looked."),
        ),
    ),
    sites=("session__patient__site",),
    is_append_only=True,
)

CLOSINGS = Owned(
    Table(
        "session_closings",
        "the end of the observation of one session",
        ("closing_id",),
        (
            identifier("closing_id", "The entry.", is_required=True),
            identifier("session_id", "Session.", references="sessions", is_required=True),
            integer("minutes", "Minutes the patient was observed.", unit="min", minimum=0, maximum=10080),
            flag("is_well", "The patient went home (or to the ward) well."),
            text("note", "Why earlier than planned, or with a complaint."),
            instant("closed_at", "When."),
            who("closed_by", "Who closed it."),
        ),
    ),
    sites=("session__patient__site",),
    is_append_only=True,
    constraints=(UniqueConstraint(fields=["session"], name="session_closings_once"),),
)

AE_ASSESSMENTS = Owned(
    Table(
        "ae_assessments",
        "one physician's judgement of one adverse event",
        ("ae_assessment_id",),
        (
            identifier("ae_assessment_id", "The judgement.", is_required=True),
            identifier("adverse_event_id", "Event.", references="adverse_events", is_required=True),
            code("view", VIEWS, "Of who reported it, or blinded.", is_required=True, privacy=Privacy.NONE),
            code("causality", "causalities", "WHO-UMC category for FMT."),
            code(
                "related_to",
                ("delivery", "microbiota", "disease", "concomitant", "other"),
                "Main attribution.",
            ),
            flag("is_donor_infection_suspected", "An infection from the donor's material is suspected."),
            text("note", "In words."),
            instant("judged_at", "When."),
            who("judged_by", "The physician."),
        ),
    ),
    sites=("adverse_event__patient__site",),
    is_append_only=True,
    constraints=(
        UniqueConstraint(fields=["adverse_event", "judged_by"], name="ae_assessments_once_a_person"),
    ),
)

AE_REPORTS = Owned(
    Table(
        "ae_reports",
        "one report of one adverse event that a clock asks for",
        ("ae_report_id",),
        (
            identifier("ae_report_id", "The report.", is_required=True),
            identifier("adverse_event_id", "Event.", references="adverse_events", is_required=True),
            word("duty", "The clock: jurisdiction, event and addressee."),
            instant("reported_at", "When it was sent."),
            word("reference", "Number the addressee gave."),
            who("reported_by", "Who sent it."),
        ),
    ),
    sites=("adverse_event__patient__site",),
    is_append_only=True,
    constraints=(
        UniqueConstraint(fields=["adverse_event", "duty"], name="ae_reports_once_a_duty"),
        CheckConstraint(name="ae_reports_name_a_duty", condition=Q(duty__isnull=False)),
    ),
)

SITE_JURISDICTIONS = Owned(
    Table(
        "site_jurisdictions",
        "the law whose reporting clocks a centre keeps",
        ("site_jurisdiction_id",),
        (
            identifier("site_jurisdiction_id", "The entry.", is_required=True),
            identifier("site_id", "Centre.", references="sites", is_required=True),
            code("jurisdiction", JURISDICTIONS, "Whose clocks.", is_required=True, privacy=Privacy.NONE),
            instant("set_at", "When it was set."),
            who("set_by", "Who set it."),
        ),
    ),
    sites=("site",),
    is_append_only=True,
)

OWNED = (
    PROPOSALS,
    PROPOSAL_RULINGS,
    PLANNED_SESSIONS,
    CHECKLISTS,
    SESSION_CHECKS,
    OBSERVATIONS,
    CLOSINGS,
    AE_ASSESSMENTS,
    AE_REPORTS,
    SITE_JURISDICTIONS,
)
