"""Changes to where units come from and go to: deliveries, shipments, units known from history alone."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from commensal.errors import InputError, RefusedError
from commensal.registry.actions.custody import append, hold_of
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS


@action("lab", "quality")
def receive_delivery(
    desk: Desk,
    *,
    site_id: str,
    product: str,
    n_units: int,
    received_on: date,
    expires_on: date,
    produced_on: date | None = None,
    dose_grams: float | None = None,
    volume_millilitres: float | None = None,
    n_capsules: int | None = None,
    **values: Any,
) -> Any:
    """Take in a supplier's product: the delivery and its units, which wait for release by their certificate.

    A delivery that is not accepted is recorded without units. Refuses (RefusedError) one past its last day.
    """
    made = desk.add(
        "receipts",
        site_id=site_id,
        product=product,
        n_units=n_units,
        received_on=received_on,
        received_by=desk.name,
        **values,
    )
    if not made.is_accepted:
        return made
    if expires_on < received_on:
        raise RefusedError(f"the product could be used until {expires_on}", do="record it as not accepted")
    unit = {
        "site_id": site_id,
        "product": product,
        "release_pathway": "external_product",
        "supplier_lot": made.supplier_lot,
        "has_supplier_certificate": True if made.certificate else None,
        "dose_grams": dose_grams,
        "volume_millilitres": volume_millilitres,
        "n_capsules": n_capsules,
        "produced_on": produced_on,
        "expires_on": expires_on,
    }
    for row in desk.add_all("units", [unit] * n_units):
        append(desk, row, "received", on=received_on)
    return made


@action("lab")
def ship_unit(
    desk: Desk,
    *,
    unit: str,
    at: datetime,
    on: date,
    to_site_id: str | None = None,
    to_place: str | None = None,
    carrier: str | None = None,
) -> Any:
    """Send a unit to another centre, or to a hospital outside the registry.

    Refuses (RefusedError) a unit on hold, and one past its last day.
    """
    row = desk.one("units", unit, is_locked=True)
    if (hold := hold_of(row, on=on)) != "none":
        raise RefusedError(f"unit {unit} is on hold: {hold}", do="have quality lift the hold first")
    if row.expires_on is None or row.expires_on < on:
        raise RefusedError(f"unit {unit} may be used until {row.expires_on or 'a day not known'}")
    if bool(to_site_id) == bool(to_place):
        raise InputError("where to is not clear", expected="a centre of the registry, or another place")
    if to_place and not row.is_released:
        raise RefusedError(f"unit {unit} is not released", expected="a released unit for another hospital")
    if to_site_id == row.site_id:
        raise InputError(f"unit {unit} is at {to_site_id} already")
    append(desk, row, "shipped", on=on, at=at)
    return desk.add(
        "shipments",
        unit_id=unit,
        from_site_id=row.site_id,
        to_site_id=to_site_id or None,
        to_place=to_place or None,
        shipped_at=at,
        shipped_by=desk.name,
        carrier=carrier,
    )


@action("lab")
def receive_shipment(
    desk: Desk,
    *,
    shipment: str,
    at: datetime,
    on: date,
    arrival_celsius: float | None = None,
    is_cold_chain_unbroken: bool | None = None,
) -> Any:
    """Take a shipped unit in at the centre it was sent to; from then on it belongs there.

    A unit whose temperature was not kept, or nobody knows, is put on hold at once.
    """
    row = desk.one("shipments", shipment, is_locked=True)
    if row.received_at:
        raise RefusedError(f"shipment {shipment} was received at {row.received_at:%Y-%m-%d %H:%M} UTC")
    if row.to_site_id not in desk.sites:
        raise RefusedError(f"shipment {shipment} goes to {row.to_site_id or row.to_place}")
    unit = MODELS["units"].objects.select_for_update().get(pk=row.unit_id)  # seen through its shipment
    desk.change(unit, site_id=row.to_site_id, freezer_position=None)
    append(desk, unit, "received", on=on, at=at)
    if not is_cold_chain_unbroken:
        desk.change(unit, is_cold_chain_unbroken=is_cold_chain_unbroken)
        desk.add(
            "holds",
            kind="quarantine",
            unit_id=unit.pk,
            placed_on=on,
            placed_at=at,
            placed_by=desk.name,
            reason="The temperature was not kept, or is not known, on the way.",
        )
    return desk.change(
        row,
        received_at=at,
        received_by=desk.name,
        arrival_celsius=arrival_celsius,
        is_cold_chain_unbroken=is_cold_chain_unbroken,
    )


@action("data_manager", "coordinator", "lab")
def add_historical_unit(
    desk: Desk, *, site_id: str, patient: str, on: date, donor: str | None = None, **values: Any
) -> Any:
    """Record material that old records say a patient was given: for the trace, never to be issued."""
    person = desk.one("patients", patient)
    row = desk.add("units", site_id=site_id, release_pathway="historical", **values)
    if donor:
        desk.add("unit_donors", unit_id=row.pk, donor_id=desk.one("donors", donor).pk, share=None)
    append(desk, row, "administered", on=on, patient_id=person.pk)
    return row
