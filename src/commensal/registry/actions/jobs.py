"""Changes to the list of jobs: asked for, taken by one worker alone, done or to be tried again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from commensal.registry.audit import acting
from commensal.registry.models import MODELS

WORKER = "worker"
MOST_ATTEMPTS, WAIT, LOST_AFTER = 3, timedelta(minutes=5), timedelta(hours=1)
"""A job taken longer ago than LOST_AFTER and not done was lost with its worker, and is taken again."""


def ask_for(
    kind: str,
    *,
    by: str = WORKER,
    due_at: datetime | None = None,
    key: str | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> str:
    """Put a job on the list and return its key; a key that is there already is left as it is."""
    job = key or uuid.uuid4().hex
    with acting(by, reason=f"ask for {kind}"):
        MODELS["jobs"].objects.get_or_create(
            job_id=job,
            defaults={
                "kind": kind,
                "inputs": json.dumps(dict(inputs or {})),
                "requested_by": by,
                "due_at": due_at or timezone.now(),
                "attempts": 0,
            },
        )
    return job


def claim() -> Any | None:
    """Take the job that is due longest, as the only worker to have it; None where nothing is due."""
    now = timezone.now()
    lost = Q(claimed_at__isnull=True) | Q(claimed_at__lt=now - LOST_AFTER)
    due = MODELS["jobs"].objects.filter(
        lost, done_at__isnull=True, due_at__lte=now, attempts__lt=MOST_ATTEMPTS
    )
    for pk, attempts in due.order_by("due_at", "pk").values_list("pk", "attempts")[:10]:
        with acting(WORKER, reason="take job"):
            # Whoever came first has counted an attempt: the others find the row no longer as it was.
            mine = due.filter(pk=pk, attempts=attempts)
            if mine.update(claimed_at=now, attempts=F("attempts") + 1):
                return MODELS["jobs"].objects.get(pk=pk)
    return None


def finish(job: Any, *, result: str) -> None:
    """Record that a job is done."""
    _end(job, done_at=timezone.now(), result=result[:2000], error=None)


def fail(job: Any, *, error: str) -> None:
    """Record why an attempt failed; the next one waits, each time twice as long."""
    again = timezone.now() + WAIT * 2 ** (job.attempts - 1)
    _end(job, claimed_at=None, due_at=again, error=error[:2000])


def _end(job: Any, **values: Any) -> None:
    with acting(WORKER, reason=f"end {job.kind}"):
        MODELS["jobs"].objects.filter(pk=job.pk, attempts=job.attempts).update(**values)
