"""Work done apart from pages: what is due, who asked for it, and how it ended."""

from __future__ import annotations

from django.db.models import UniqueConstraint

from commensal.registry.tables.declaration import Owned
from commensal.study.declaration import Privacy, Table, identifier, instant, integer, text, word

JOBS = Owned(
    Table(
        "jobs",
        "one piece of work for the worker",
        ("job_id",),
        (
            identifier("job_id", "The job; asked for twice under one name it is one job.", is_required=True),
            word("kind", "What is done."),
            text("inputs", "What it is done with, as JSON.", privacy=Privacy.NONE),
            word("requested_by", "Account that asked for it."),
            instant("due_at", "When it may begin."),
            instant("claimed_at", "When a worker last took it."),
            integer("attempts", "How often a worker took it.", minimum=0, privacy=Privacy.NONE),
            instant("done_at", "When it was done."),
            text("result", "What came of it.", privacy=Privacy.NONE),
            text("error", "Why the last attempt failed."),
        ),
    ),
    sites=(),
    # Keys are unique alone: this one is the index by which workers look for what is due.
    constraints=(UniqueConstraint(fields=["done_at", "due_at", "job_id"], name="jobs_in_order"),),
)

OWNED = (JOBS,)
