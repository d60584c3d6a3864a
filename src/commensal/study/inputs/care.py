"""Courses, sessions, visits and what they found."""

from __future__ import annotations

from commensal.study.declaration import (
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

COURSES = Table(
    "courses",
    "one course of treatment of one patient: sessions planned together",
    ("course_id",),
    (
        identifier("course_id", "The course.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        integer("number", "Course number of the patient, from 1.", minimum=1),
        code(
            "purpose",
            ("induction", "consolidation", "maintenance", "retreatment"),
            "Why the course is given; retreatment follows a failure.",
        ),
        flag("is_planned_at_index", "Part of the plan made at index."),
        integer("n_sessions_planned", "Sessions planned.", minimum=1, maximum=400),
        date("started_on", "First session."),
        date("ended_on", "Last session."),
    ),
)


SESSIONS = Table(
    "sessions",
    "one administration of donor material into the gut; a control has none",
    ("session_id",),
    (
        identifier("session_id", "The session.", is_required=True),
        identifier("course_id", "Course.", references="courses"),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        identifier("site_id", "Centre.", references="sites"),
        integer("number", "Session number of the patient, from 1.", minimum=1),
        date("administered_on", "Date."),
        instant("administered_at", "Moment."),
        code("route", "routes", "Enteral route of administration; null where unknown or several."),
        word("route_as_recorded", "Route in the words of the source."),
        code("product", "products", "Product given."),
        number("dose_grams", "Stool given.", unit="g", minimum=0, maximum=1000),
        number("volume_millilitres", "Volume given.", unit="mL", minimum=0, maximum=5000),
        integer("n_capsules", "Capsules given.", minimum=0, maximum=500),
        text(
            "preparation",
            "Preparation items given, as vocabulary codes separated by ';'.",
            privacy=Privacy.HEALTH,
        ),
        text("operator", "Operator, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        code("tolerance", ("complete", "partial", "not_tolerated"), "How the session was tolerated."),
    ),
)


SESSION_UNITS = Table(
    "session_units",
    "one unit used in one session",
    ("session_id", "unit_id"),
    (
        identifier("session_id", "Session.", references="sessions", is_required=True),
        identifier("unit_id", "Unit.", references="units", is_required=True),
        number("fraction", "Part of the unit given.", minimum=0, maximum=1),
    ),
)


VISITS = Table(
    "visits",
    "one visit or contact of one patient, attended or known to be missed",
    ("visit_id",),
    (
        identifier("visit_id", "The visit.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("visit", "visits", "Scheduled visit it was meant as; null for an unscheduled contact."),
        date("visited_on", "Date."),
        code("status", ("attended", "missed", "cancelled"), "What became of it.", is_required=True),
        code("mode", ("in_person", "telephone", "questionnaire", "records"), "How it took place."),
        flag("is_symptom_driven", "The patient came because of symptoms."),
    ),
)


ASSESSMENTS = Table(
    "assessments",
    "one item of one instrument at one visit",
    ("visit_id", "instrument", "item", "occurrence"),
    (
        identifier("visit_id", "Visit.", references="visits", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code("instrument", "instruments", "Instrument.", is_required=True),
        word("item", "Item code of the instrument, or 'total' where only the total was recorded."),
        integer("occurrence", "Repetition within the visit, from 1.", minimum=1, is_required=True),
        number("value", "Answer or measurement in the item's unit; null is missing, never zero."),
    ),
)


DIARIES = Table(
    "diaries",
    "one diary entry of one patient on one day",
    ("patient_id", "recorded_day", "item"),
    (
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        date("recorded_on", "Day the entry is about."),
        word("item", "What was counted or rated (csbm, unformed_stools, pain …)."),
        number("value", "Count or rating."),
    ),
)


REPORTED_OUTCOMES = Table(
    "reported_outcomes",
    "one outcome label that someone else assigned (a published study, a retrospective record)",
    ("outcome_id",),
    (
        identifier("outcome_id", "The record.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        code(
            "label",
            ("remission", "response", "partial_response", "no_response", "resolved", "failed"),
            "The label, in a closed list.",
            is_required=True,
        ),
        word("label_as_recorded", "The label in the words of the source."),
        word("definition", "How the source defined it."),
        date("assessed_on", "When it was assessed; null where the source does not say."),
    ),
)


ADVERSE_EVENTS = Table(
    "adverse_events",
    "one adverse event of one patient",
    ("adverse_event_id",),
    (
        identifier("adverse_event_id", "The event.", is_required=True),
        identifier("patient_id", "Patient.", references="patients", is_required=True),
        identifier("session_id", "Session it is attributed to, where there is one.", references="sessions"),
        code("term", "adverse_event_terms", "Term of the vocabulary."),
        text("term_as_recorded", "Term in the words of the source."),
        date("began_on", "Onset."),
        date("resolved_on", "Resolution; null while it goes on."),
        integer("grade", "Highest CTCAE grade.", minimum=1, maximum=5),
        flag("is_serious", "Meets a seriousness criterion."),
        text(
            "seriousness_criteria",
            "Criteria met, as vocabulary codes separated by ';'.",
            privacy=Privacy.HEALTH,
        ),
        code("causality", "causalities", "WHO-UMC category for FMT."),
        code(
            "related_to", ("delivery", "microbiota", "disease", "concomitant", "other"), "Main attribution."
        ),
        flag("is_expected", "Expected by the reference safety information."),
        text("outcome", "Outcome."),
        instant("aware_at", "First awareness by any staff: the clocks start."),
        instant("reported_at", "Reported."),
    ),
)
