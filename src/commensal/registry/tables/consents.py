"""What was agreed to in writing: the texts, what each signature covers, and the scans."""

from __future__ import annotations

from django.db.models import CheckConstraint, Q, UniqueConstraint

from commensal.registry.fields import no_later
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
    text,
    word,
)
from commensal.study.inputs import INPUTS

CONSENT_TYPES = INPUTS["consents"]["type"].codes
SCOPES = (
    "treatment",
    "prospective_study",
    "retrospective_study",
    "donation",
    "biobank",
    "data_sharing",
    "contact_again",
)
ATTACHMENT_KINDS = ("consent_text", "signed_consent", "laboratory_report", "letter", "certificate", "other")
MEDIA_TYPES = ("application/pdf", "image/png", "image/jpeg")

ATTACHMENTS = Owned(
    Table(
        "attachments",
        "one file kept beside the database: a consent scan, a laboratory report",
        ("attachment_id",),
        (
            identifier("attachment_id", "The file.", is_required=True),
            word("sha256", "SHA-256 of the content."),
            code("kind", ATTACHMENT_KINDS, "What it is.", is_required=True, privacy=Privacy.NONE),
            code("media_type", MEDIA_TYPES, "Type of the content.", is_required=True, privacy=Privacy.NONE),
            integer("n_bytes", "Length of the content.", unit="bytes", minimum=1, privacy=Privacy.NONE),
            text("title", "What it shows, in words without a name."),
            identifier("patient_id", "Patient it belongs to.", references="patients"),
            identifier("donor_id", "Donor it belongs to.", references="donors"),
            identifier("site_id", "Centre it belongs to, where it is nobody's own.", references="sites"),
            identifier("consent_id", "Consent it shows.", references="consents"),
            instant("uploaded_at", "When it was brought in."),
            text("uploaded_by", "Who brought it in, as a pseudonym.", privacy=Privacy.PSEUDONYM),
        ),
    ),
    sites=("patient__site", "donor__site", "site"),
    is_append_only=True,
    constraints=(
        CheckConstraint(
            name="attachments_of_one_owner",
            condition=Q(patient__isnull=False, donor__isnull=True, site__isnull=True)
            | Q(patient__isnull=True, donor__isnull=False, site__isnull=True)
            | Q(patient__isnull=True, donor__isnull=True, site__isnull=False),
        ),
    ),
)

CONSENT_TEXTS = Owned(
    Table(
        "consent_texts",
        "one version of a consent text in one language at one centre",
        ("consent_text_id",),
        (
            identifier("consent_text_id", "The text.", is_required=True),
            identifier("site_id", "Centre that uses it.", references="sites", is_required=True),
            code("type", CONSENT_TYPES, "Kind of consent.", is_required=True, privacy=Privacy.NONE),
            word("version", "Version of the text."),
            word("language", "Language of the text, BCP 47."),
            date("valid_from_on", "First day it may be signed.", is_required=True),
            date("valid_until_on", "Last day it may be signed; null while it is in use."),
            flag("asks_again", "Who signed an earlier version is asked again."),
            identifier("attachment_id", "The text itself.", references="attachments"),
        ),
    ),
    sites=("site",),
    constraints=(
        UniqueConstraint(
            fields=["site", "type", "version", "language"], name="consent_texts_once_for_a_centre"
        ),
        CheckConstraint(
            name="consent_texts_are_named", condition=Q(version__isnull=False, language__isnull=False)
        ),
        no_later("consent_texts", "valid_from_on", "valid_until_on"),
    ),
)

CONSENT_SCOPES = Owned(
    Table(
        "consent_scopes",
        "one thing that one signature allows or refuses",
        ("consent_scope_id",),
        (
            identifier("consent_scope_id", "The entry.", is_required=True),
            identifier("consent_id", "The consent.", references="consents", is_required=True),
            code("scope", SCOPES, "What is asked.", is_required=True, privacy=Privacy.NONE),
            flag("is_granted", "Allowed; no where the person refused it."),
        ),
    ),
    sites=("consent__patient__site", "consent__donor__site"),
    is_append_only=True,
    constraints=(UniqueConstraint(fields=["consent", "scope"], name="consent_scopes_once"),),
)

OWNED = (ATTACHMENTS, CONSENT_TEXTS, CONSENT_SCOPES)
