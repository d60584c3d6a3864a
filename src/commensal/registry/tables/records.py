"""What is asked about patients and decided about donors beside the study's own tables."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q

from commensal.registry.tables.declaration import Owned
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
from commensal.study.inputs import INPUTS

ASKED_OF = ("patient", "carer", "hospital_record", "general_practitioner", "pharmacy")
DONOR_STATUSES = INPUTS["donors"]["status"].codes
DONOR_REASONS = (
    "screening_complete",
    "questionnaire_finding",
    "test_finding",
    "illness_or_drug",
    "travel_or_exposure",
    "material_unsuitable",
    "moved_away",
    "no_answer",
    "own_wish",
    "programme_full",
    "other",
)

FINDINGS = Owned(
    Table(
        "findings",
        "one answer of a clinician to one question of the eligibility rules",
        ("finding_id",),
        (
            identifier("finding_id", "The answer.", is_required=True),
            identifier("patient_id", "Patient.", references="patients", is_required=True),
            word("fact", "The question, as a fact of the vocabulary."),
            flag("is_so", "The answer, where yes or no is asked."),
            number("value", "The answer, where a number is asked."),
            date("found_on", "Day the answer is of.", is_required=True),
            instant("answered_at", "Moment it was entered; of two answers of one day the later counts."),
            text("found_by", "Who answered, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        ),
    ),
    sites=("patient__site",),
    is_append_only=True,
    constraints=(
        CheckConstraint(
            name="findings_answer_one_question",
            condition=Q(fact__isnull=False)
            & (Q(is_so__isnull=False, value__isnull=True) | Q(is_so__isnull=True, value__isnull=False)),
        ),
    ),
)

MEDICATION_REVIEWS = Owned(
    Table(
        "medication_reviews",
        "one look through everything a patient takes",
        ("review_id",),
        (
            identifier("review_id", "The review.", is_required=True),
            identifier("patient_id", "Patient.", references="patients", is_required=True),
            identifier("visit_id", "Visit at which it was made.", references="visits"),
            date("reviewed_on", "Day of the review.", is_required=True),
            code("asked_of", ASKED_OF, "Who or what was asked."),
            flag("is_complete", "The list then held everything the patient took."),
            integer("n_taken", "Entries that were still taken.", minimum=0, privacy=Privacy.HEALTH),
            text("reviewed_by", "Who reviewed, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        ),
    ),
    sites=("patient__site",),
    is_append_only=True,
)

DONOR_DECISIONS = Owned(
    Table(
        "donor_decisions",
        "one decision on one donor, with its coded reason",
        ("decision_id",),
        (
            identifier("decision_id", "The decision.", is_required=True),
            identifier("donor_id", "Donor.", references="donors", is_required=True),
            date("decided_on", "Day it holds from.", is_required=True),
            instant("decided_at", "When it was recorded; of two decisions the later counts."),
            code("status", DONOR_STATUSES, "Status from then on.", is_required=True),
            code("reason_code", DONOR_REASONS, "Why, in a closed list."),
            date("deferred_until_on", "End of a deferral."),
            text("reason", "Why, in words."),
            text("decided_by", "Who decided, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        ),
    ),
    sites=("donor__site",),
    is_append_only=True,
)

OWNED = (FINDINGS, MEDICATION_REVIEWS, DONOR_DECISIONS)
