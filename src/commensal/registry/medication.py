"""What a patient takes on a day, and what a medication review lets be said of the rest; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

Row = Mapping[str, Any]

REVIEW_DAYS = 30
"""How long a review that found the list complete says that nothing else is taken (this project's choice)."""

TAKES = {
    "takes_chemotherapy": "chemotherapy",
    "takes_immunosuppressant": "immunosuppressant",
    "takes_biologic": "biologic",
    "takes_small_molecule": "small_molecule",
}


def is_taken(exposure: Row, *, on: date) -> bool:
    """Whether an entry of the list is taken on a day; one without a last day goes on."""
    started, stopped = exposure["started_on"], exposure["stopped_on"]
    return (started is None or started <= on) and (stopped is None or stopped >= on)


def taken(exposures: Iterable[Row], *, on: date) -> list[Row]:
    """Return the entries that are taken on a day."""
    return [row for row in exposures if is_taken(row, on=on)]


def is_list_complete(reviews: Iterable[Row], *, on: date) -> bool:
    """Whether the latest review by a day found the list complete, and is not too old."""
    known = [row for row in reviews if row["reviewed_on"] <= on]
    latest = max((row["reviewed_on"] for row in known), default=None)
    of_that_day = [row["is_complete"] for row in known if row["reviewed_on"] == latest]
    return latest is not None and all(of_that_day) and (on - latest).days <= REVIEW_DAYS


def drug_facts(
    exposures: Iterable[Row], reviews: Iterable[Row], *, on: date
) -> dict[str, bool | float | None]:
    """Return what the medication list says: yes where it is on the list, no where the list is complete.

    Without a recent complete review, what is not on the list is not known.
    """
    now = {row["exposure"] for row in taken(exposures, on=on)}
    otherwise = False if is_list_complete(reviews, on=on) else None
    facts: dict[str, bool | float | None] = {
        fact: True if drug in now else otherwise for fact, drug in TAKES.items()
    }
    if otherwise is False and "steroid" not in now:
        facts |= {"prednisone_milligrams_per_day": 0.0, "weeks_on_prednisone": 0.0}
    return facts
