"""Recalls: what was reached, whom it was told to, what became of each unit, and how it ended."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q, UniqueConstraint

from commensal.bank.recall import KINDS, OUTCOMES, SEVERITIES, STATED
from commensal.registry.tables.bank import centre, who
from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import (
    Privacy,
    Table,
    code,
    identifier,
    instant,
    integer,
    number,
    text,
)

WAYS = ("telephone", "visit", "letter", "message", "through_physician")
STARTS = ("unit", "batch", "donor", "donation")


def _starts_at_one() -> Q:
    """One thing named, and nothing more; the recall of a further centre names the first one instead."""
    named = Q()
    for start in STARTS:
        others = {f"{other}__isnull": True for other in STARTS if other != start}
        named |= Q(**{f"{start}__isnull": False}, **others)
    return named | Q(origin__isnull=False)


RECALLS = Owned(
    Table(
        "recalls",
        "one recall at one centre, or one drill",
        ("recall_id",),
        (
            identifier("recall_id", "The recall.", is_required=True),
            centre(),
            identifier("origin_id", "The recall of another centre that reached here.", references="recalls"),
            code("kind", tuple(KINDS), "Why it was opened.", is_required=True, privacy=Privacy.NONE),
            code(
                "severity",
                SEVERITIES,
                "How grave it is: sets the clocks.",
                is_required=True,
                privacy=Privacy.NONE,
            ),
            code(
                "mode",
                ("recall", "drill"),
                "A recall, or a drill: nothing is held and nobody contacted.",
                is_required=True,
                privacy=Privacy.NONE,
            ),
            text("account", "What is known and what was decided."),
            identifier("unit_id", "Unit it starts from.", references="units"),
            identifier("batch_id", "Batch it starts from.", references="batches"),
            identifier("donor_id", "Donor it starts from.", references="donors"),
            identifier("donation_id", "Donation it starts from.", references="donations"),
            identifier("adverse_event_id", "Adverse event that asked for it.", references="adverse_events"),
            instant("detected_at", "When somebody first knew: the clocks start."),
            instant("opened_at", "When it was opened."),
            who("opened_by", "Who opened it."),
            instant("held_at", "When its holds were placed; null for a drill."),
            number("seconds_to_list", "Seconds it took to list units and patients.", minimum=0),
            integer("n_units", "Units reached when it was opened.", minimum=0, privacy=Privacy.NONE),
            integer(
                "n_accounted", "Units of known fate when it was opened.", minimum=0, privacy=Privacy.NONE
            ),
            integer("n_patients", "Patients reached when it was opened.", minimum=0, privacy=Privacy.NONE),
            text("finding", "What was found, and what follows from it."),
            instant("closed_at", "When quality signed its end."),
            who("closed_by", "Who of quality signed."),
        ),
    ),
    sites=("site",),
    constraints=(
        CheckConstraint(name="recalls_start_at_one_thing", condition=_starts_at_one()),
        CheckConstraint(
            name="recalls_say_what_is_known",
            condition=Q(account__isnull=False, detected_at__isnull=False),
        ),
        CheckConstraint(
            name="recalls_closed_with_a_finding",
            condition=Q(closed_at__isnull=True) | Q(finding__isnull=False, closed_by__isnull=False),
        ),
        UniqueConstraint(
            fields=["origin", "site"], condition=Q(origin__isnull=False), name="recalls_once_for_a_centre"
        ),
    ),
)

RECALL_UNITS = Owned(
    Table(
        "recall_units",
        "one unit that a recall reached",
        ("recall_unit_id",),
        (
            identifier("recall_unit_id", "The entry.", is_required=True),
            identifier("recall_id", "The recall.", references="recalls", is_required=True),
            identifier("unit_id", "The unit.", references="units", is_required=True),
            instant("listed_at", "When it was listed."),
            code(
                "stated_fate", STATED, "What became of it, where custody cannot tell.", privacy=Privacy.NONE
            ),
            who("stated_by", "Who stated it."),
            instant("stated_at", "When it was stated."),
            text("note", "How that is known."),
        ),
    ),
    sites=("recall__site",),
    constraints=(
        UniqueConstraint(fields=["recall", "unit"], name="recall_units_once"),
        CheckConstraint(
            name="recall_units_stated_with_a_note",
            condition=Q(stated_fate__isnull=True) | Q(note__isnull=False, stated_by__isnull=False),
        ),
    ),
)

RECALL_PATIENTS = Owned(
    Table(
        "recall_patients",
        "one patient whom a recall reached",
        ("recall_patient_id",),
        (
            identifier("recall_patient_id", "The entry.", is_required=True),
            identifier("recall_id", "The recall.", references="recalls", is_required=True),
            identifier("patient_id", "The patient.", references="patients", is_required=True),
            instant("listed_at", "When the patient was listed."),
        ),
    ),
    sites=("recall__site",),
    is_append_only=True,
    constraints=(UniqueConstraint(fields=["recall", "patient"], name="recall_patients_once"),),
)

RECALL_CONTACTS = Owned(
    Table(
        "recall_contacts",
        "one attempt to reach a patient in a recall",
        ("contact_id",),
        (
            identifier("contact_id", "The attempt.", is_required=True),
            identifier(
                "recall_patient_id",
                "The patient in the recall.",
                references="recall_patients",
                is_required=True,
            ),
            instant("contacted_at", "When."),
            who("contacted_by", "Who tried."),
            code("way", WAYS, "How.", is_required=True, privacy=Privacy.NONE),
            code("outcome", OUTCOMES, "What came of it.", is_required=True, privacy=Privacy.HEALTH),
            text("note", "What was said and agreed; no name, no number."),
        ),
    ),
    sites=("recall_patient__recall__site",),
    is_append_only=True,
    constraints=(CheckConstraint(name="recall_contacts_are_dated", condition=Q(contacted_at__isnull=False)),),
)

LOOKBACK_RULINGS = Owned(
    Table(
        "lookback_rulings",
        "one decision that an adverse event asks for no recall",
        ("ruling_id",),
        (
            identifier("ruling_id", "The decision.", is_required=True),
            identifier("adverse_event_id", "The event.", references="adverse_events", is_required=True),
            instant("ruled_at", "When."),
            who("ruled_by", "Who decided."),
            text("reason", "Why."),
        ),
    ),
    sites=("adverse_event__patient__site",),
    is_append_only=True,
)

OWNED = (RECALLS, RECALL_UNITS, RECALL_PATIENTS, RECALL_CONTACTS, LOOKBACK_RULINGS)
