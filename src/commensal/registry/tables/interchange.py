"""Files that came in, how their columns are read, and which row each of their rows became."""

from __future__ import annotations

from django.db.models import UniqueConstraint

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

FORMATS = ("table", "redcap", "fhir", "odm")
STAGES = ("laid_before", "imported", "discarded")

MAPPINGS = Owned(
    Table(
        "mappings",
        "one saved mapping: which column of a file is which column of which table",
        ("mapping_id",),
        (
            identifier("mapping_id", "The mapping.", is_required=True),
            identifier("site_id", "Centre that uses it.", references="sites", is_required=True),
            word("name", "What it is called."),
            word("content", "The mapping file, TOML."),
            text("saved_by", "Who saved it, as a pseudonym.", privacy=Privacy.PSEUDONYM),
            instant("saved_at", "When."),
        ),
    ),
    sites=("site",),
    constraints=(UniqueConstraint(fields=["site", "name"], name="mappings_once_for_a_centre"),),
)

UPLOADS = Owned(
    Table(
        "uploads",
        "one file laid before the registry, to be looked at and then imported or discarded",
        ("upload_id",),
        (
            identifier("upload_id", "The file.", is_required=True),
            identifier("site_id", "Centre its rows are for.", references="sites", is_required=True),
            word("source", "Name of the source: rows are told again by their keys within it."),
            word("file_name", "Name of the file."),
            code("format", FORMATS, "What kind of file it is.", is_required=True, privacy=Privacy.NONE),
            flag("has_registry_ids", "People are named by this registry's ids, not by the file's own."),
            word("sha256", "SHA-256 of the content."),
            integer("n_bytes", "Length of the content.", unit="bytes", minimum=1, privacy=Privacy.NONE),
            word("mapping", "The mapping file it is read by, TOML."),
            code("stage", STAGES, "What became of it.", is_required=True, privacy=Privacy.NONE),
            text("uploaded_by", "Who brought it in, as a pseudonym.", privacy=Privacy.PSEUDONYM),
            instant("uploaded_at", "When."),
            instant("closed_at", "When it was imported or discarded."),
            integer("n_added", "Rows added.", minimum=0, privacy=Privacy.NONE),
            integer("n_changed", "Rows changed.", minimum=0, privacy=Privacy.NONE),
            integer("n_same", "Rows that were there already.", minimum=0, privacy=Privacy.NONE),
        ),
    ),
    sites=("site",),
)

ORIGINS = Owned(
    Table(
        "origins",
        "one row of a source and the row of the registry it became",
        ("origin_id",),
        (
            identifier("origin_id", "The entry.", is_required=True),
            identifier("site_id", "Centre of the source.", references="sites", is_required=True),
            word("source", "Name of the source."),
            word("of_table", "Table the row is of."),
            word("source_mark", "Keyed digest of the row's key in the source, which may name a person."),
            identifier("row_key", "Key of the row in the registry."),
            identifier("upload_id", "File it came with.", references="uploads"),
        ),
    ),
    sites=("site",),
    is_append_only=True,
    constraints=(
        UniqueConstraint(fields=["site", "source", "of_table", "source_mark"], name="origins_once"),
    ),
)

TOKENS = Owned(
    Table(
        "tokens",
        "one personal token for the programming interface, of one person at one centre",
        ("token_id",),
        (
            identifier("token_id", "The token.", is_required=True),
            identifier("site_id", "Centre whose rows it may read.", references="sites", is_required=True),
            text("username", "Account it speaks for, as a pseudonym.", privacy=Privacy.PSEUDONYM),
            word("name", "What it is for."),
            word("digest", "SHA-256 of the token; the token itself is shown once and kept nowhere."),
            instant("made_at", "When it was made."),
            date("expires_on", "Last day it may be used.", is_required=True),
            instant("revoked_at", "When it was taken back."),
        ),
    ),
    sites=("site",),
    constraints=(UniqueConstraint(fields=["digest"], name="tokens_once"),),
)

OWNED = (MAPPINGS, UPLOADS, ORIGINS, TOKENS)
