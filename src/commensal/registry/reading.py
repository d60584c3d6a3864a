"""Whose record a page opens: remembered on the request while the page is made, recorded when it goes out."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

OWNERS = {"patients": "patient_id", "donors": "donor_id"}


def opened(request: HttpRequest, table: str, row: Any) -> None:
    """Remember that a row was opened, if it is of a patient or a donor."""
    people = request.__dict__.setdefault("_opened", {})
    if table in OWNERS:
        people[OWNERS[table], row.pk] = row.site_id
        return
    for owner in OWNERS.values():
        if (pk := getattr(row, owner, None)) is not None:
            people.setdefault((owner, pk), None)


def opened_by(request: HttpRequest) -> dict[tuple[str, str], str | None]:
    """Return whose records were opened: (column, key) → centre, where it is known already."""
    return request.__dict__.get("_opened", {})
