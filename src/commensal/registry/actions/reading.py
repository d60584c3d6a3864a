"""The record of looking: who opened whose record, and what left with an export."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from commensal.errors import InputError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.audit import acting
from commensal.registry.models import MODELS
from commensal.registry.permissions import ROLES

TABLE_OF = {"patient_id": "patients", "donor_id": "donors"}


def record_reads(*, actor: str, page: str, people: Mapping[tuple[str, str], str | None]) -> None:
    """Record that somebody opened the records of people: one row for each, all in one transaction."""
    now = timezone.now()
    with acting(actor, reason="read"):
        for (column, pk), site in people.items():
            MODELS["accesses"].objects.create(
                access_id=uuid.uuid4().hex,
                seen_at=now,
                actor=actor,
                kind="page",
                page=page,
                site_id=site or _site_of(TABLE_OF[column], pk),
                **{column: pk},
            )


def _site_of(table: str, pk: str) -> str:
    return MODELS[table].objects.values_list("site_id", flat=True).get(pk=pk)


@action(*ROLES)
def record_export(desk: Desk, *, page: str, n_rows: int, purpose: str) -> list[Any]:
    """Record what is about to leave with an export, at each centre of the person, before it leaves."""
    if not purpose.strip():
        raise InputError("no purpose was stated", do="say what the export is for")
    return desk.add_all(
        "accesses",
        [
            {
                "seen_at": timezone.now(),
                "actor": desk.name,
                "kind": "export",
                "page": page,
                "site_id": site,
                "n_rows": n_rows,
                "purpose": purpose.strip(),
            }
            for site in desk.sites
        ],
    )
