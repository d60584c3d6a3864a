"""Forms on paper for when the registry is down: what is recorded, drawn from the same declarations.

No unit is released on paper, and none is given without the checks that the page would make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from commensal.registry.forms import choices_of, label, meaning
from commensal.registry.tables import DECLARED
from commensal.study.declaration import Kind

MOST_BOXES = 12
"""Longer lists are written, not ticked."""


@dataclass(frozen=True)
class Paper:
    """One sheet: what it is for, what is checked before, and the columns that are written down."""

    title: Any
    checks: tuple[Any, ...]
    columns: tuple[tuple[str, tuple[str, ...]], ...]


PAPERS = {
    "donation": Paper(
        _("Donation"),
        (
            _("Donor known and not deferred; questions of the day asked, each answered."),
            _("Container labelled with the donor's pseudonym, date and time."),
        ),
        (
            ("donations", ("donor_id", "donated_on", "passed_at", "received_at", "stool_mass_grams")),
            ("donations", ("bristol_type", "is_questionnaire_clean", "is_accepted", "rejection_reason")),
        ),
    ),
    "session": Paper(
        _("Session: material given to a patient"),
        (
            _("Patient identified by two of their own data; consent signed and not withdrawn."),
            _("Unit released, in date, not on hold, thaw clock not run out: read from label and list."),
            _("Route is one of the gut. Never intravenous, never by any needle."),
            _("Antibiotics stopped, or a physician's reason written here."),
        ),
        (
            ("sessions", ("patient_id", "administered_on", "route", "dose_grams")),
            ("custody", ("unit_id", "occurred_on", "event", "fraction")),
        ),
    ),
    "visit": Paper(
        _("Visit"),
        (_("Every adverse event since the last visit on a sheet of its own."),),
        (("visits", ("patient_id", "visit", "visited_on", "status", "mode")),),
    ),
    "adverse-event": Paper(
        _("Adverse event"),
        (
            _("Serious, or infection suspected: telephone quality now, hold the unit's siblings by hand."),
            _("Blood cultures and stool taken before antibiotics, if they can be."),
        ),
        (
            ("adverse_events", ("patient_id", "term", "began_on", "resolved_on", "grade")),
            ("adverse_events", ("is_serious", "causality", "outcome")),
        ),
    ),
    "custody": Paper(
        _("Custody: units moved, thawed, issued, destroyed"),
        (_("One line a unit, at the time it happens, with initials."),),
        (("custody", ("unit_id", "event", "occurred_on", "patient_id", "fraction")),),
    ),
    "hold": Paper(
        _("Hold or recall by hand"),
        (
            _("Units taken out of the freezer's stock place and marked with red tape."),
            _("Everybody who issues units told by name: write who and when."),
        ),
        (("holds", ("unit_id", "batch_id", "donor_id", "kind", "placed_on")),),
    ),
}


def rows_of(paper: Paper) -> list[dict[str, Any]]:
    """Return the lines of a sheet: label, meaning, and boxes to tick where a list is short."""
    return [_row(DECLARED[table][name]) for table, names in paper.columns for name in names]


def _row(column: Any) -> dict[str, Any]:
    boxes: list[Any] = []
    if column.kind is Kind.FLAG:
        boxes = [_("yes"), _("no"), _("not known")]
    elif column.kind is Kind.CODE:
        found = [words for _code, words in choices_of(column)]
        # A route is ticked, never written: the list holds ways into the gut and no other.
        boxes = found if len(found) <= MOST_BOXES or column.codes == "routes" else []
    return {"label": label(column), "meaning": meaning(column), "boxes": boxes}
