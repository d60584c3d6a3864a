"""The links by which patients answer from their own telephone."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q, UniqueConstraint

from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import Privacy, Table, code, identifier, instant, text, word

REPORT_LINKS = Owned(
    Table(
        "report_links",
        "one link by which one patient answers the questionnaires of one visit",
        ("link_id",),
        (
            identifier("link_id", "The link; not what stands in its address.", is_required=True),
            identifier("patient_id", "Patient.", references="patients", is_required=True),
            code("due", "visits", "Scheduled visit that the answers are meant as; null where none."),
            identifier(
                "visit_id",
                "Visit to which the answers belong; one of its own is recorded when they are sent.",
                references="visits",
            ),
            word("instruments", "Codes of the questionnaires, in order, separated by ';'."),
            word("digest", "SHA-256 of the link's 128 random bits."),
            text("draft", "Answers kept and not yet sent, as JSON.", privacy=Privacy.HEALTH),
            instant("made_at", "When it was made."),
            text("made_by", "Who made it.", privacy=Privacy.PSEUDONYM),
            instant("expires_at", "Until when it may be used."),
            instant("sent_at", "When the answers were sent; the link is then closed for ever."),
            instant("revoked_at", "When it was taken back."),
            text("revoked_by", "Who took it back.", privacy=Privacy.PSEUDONYM),
        ),
    ),
    sites=("patient__site",),
    constraints=(
        UniqueConstraint(fields=["digest"], name="report_links_once"),
        CheckConstraint(
            name="report_links_sent_or_revoked",
            condition=Q(sent_at__isnull=True) | Q(revoked_at__isnull=True),
        ),
        CheckConstraint(
            name="report_links_keep_no_draft_when_closed",
            condition=Q(draft__isnull=True) | Q(sent_at__isnull=True, revoked_at__isnull=True),
        ),
        CheckConstraint(
            name="report_links_sent_to_a_visit",
            condition=Q(sent_at__isnull=True) | Q(visit__isnull=False),
        ),
    ),
)

OWNED = (REPORT_LINKS,)
