"""Changes at the bank desk: donations, units and their release."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from commensal.bank import ReleaseDecision, release_decision
from commensal.errors import RefusedError
from commensal.registry.actions import bench
from commensal.registry.actions.custody import append, day_of
from commensal.registry.actions.desk import Desk, action
from commensal.registry.actions.screening import (
    add_donor,
    add_donor_consent,
    donor_screen,
    profile_on,
    record_results,
    resolve_result,
    set_donor_status,
)
from commensal.registry.rows import unit_study
from commensal.registry.scope import Person, sites_of

__all__ = [
    "add_donation",
    "add_donor",
    "add_donor_consent",
    "decision_on",
    "donor_screen",
    "make_units",
    "profile_on",
    "record_results",
    "release_unit",
    "resolve_result",
    "set_donor_status",
    "verify_unit",
]


@action("lab", "coordinator")
def add_donation(desk: Desk, *, donor: str, menstruating: bool | None = None, **values: Any) -> Any:
    """Record one stool donation of a donor, and the answer on menstruation where it was asked."""
    made = desk.add("donations", donor_id=desk.one("donors", donor).pk, **values)
    if menstruating is not None:
        desk.add(
            "screenings",
            donor_id=donor,
            donation_id=made.pk,
            analyte="menstruation",
            specimen="same_day_questionnaire",
            result="positive" if menstruating else "negative",
            collected_on=made.donated_on,
            verified_by=desk.name,
        )
    return made


@action("lab")
def make_units(
    desk: Desk,
    *,
    donation: str,
    site_id: str,
    n_units: int,
    batch: Mapping[str, Any],
    unit: Mapping[str, Any],
    is_frozen: bool = True,
) -> list[Any]:
    """Make units from one donation: the batch, the units, their donor and their first custody events.

    Refuses (RefusedError) a donation that was not accepted, (InputError) no unit or more than 200.
    """
    source = desk.one("donations", donation)
    return bench.prepared(
        desk,
        site_id=site_id,
        donations=bench.left_of([source]),
        n_units=n_units,
        batch=batch,
        unit=unit,
        is_frozen=is_frozen,
    )


@action("lab", "quality")
def verify_unit(desk: Desk, *, unit: str, **values: Any) -> Any:
    """Record the checks of one unit: label, cold chain, retention sample, supplier's certificate."""
    return desk.change(desk.one("units", unit), **values)


def decision_on(unit: str, *, on: date, released_by: str | None, signed_by: str | None) -> ReleaseDecision:
    """Return the decision on one unit with every criterion, from the registry's rows."""
    return release_decision(
        unit_study(unit, on_day=day_of(on)),
        unit=unit,
        profile=profile_on(on),
        on=on,
        released_by=released_by,
        signed_by=signed_by,
    )


@action("lab", "physician")
def release_unit(desk: Desk, *, unit: str, signer: Person, on: date) -> ReleaseDecision:
    """Release a unit, signed by a second person who has just proven who they are.

    Refuses (RefusedError) while a criterion is not met, and a signer who is neither of quality nor a
    physician at the unit's centre.
    """
    row = desk.one("units", unit, is_locked=True)
    if row.site_id not in sites_of(signer, roles=("quality", "physician")):
        raise RefusedError(f"{signer.get_username()} may not sign releases at {row.site_id}")
    decision = decision_on(unit, on=on, released_by=desk.name, signed_by=signer.get_username())
    if not decision.may_release:
        raise RefusedError(
            f"unit {unit} is not released; criteria not met: {len(decision.open)}",
            expected="every criterion met",
            do=" · ".join(criterion.sentence for criterion in decision.open[:3]),
        )
    append(desk, row, "released", on=on, signed_by=signer.get_username())
    return decision
