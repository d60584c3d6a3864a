"""Changes at the bench: batches, what they were made of and with, samples kept, consumables, equipment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.db.models import ExpressionWrapper, F, FloatField, Sum

from commensal.bank.pooling import Part, demand_enough, shares
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.custody import append, end_of
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS

MOST_UNITS = 200


@action("lab")
def make_batch(
    desk: Desk,
    *,
    site_id: str,
    donations: Mapping[str, float | None],
    n_units: int,
    batch: Mapping[str, Any],
    unit: Mapping[str, Any],
    processing: Mapping[str, Any] | None = None,
    lots: Iterable[str] = (),
    equipment: Iterable[str] = (),
    is_frozen: bool = True,
) -> Any:
    """Make one batch of one or several donations (donation → grams), its units and its processing record.

    Refuses what ``commensal.bank.shares`` refuses, units of more stool than went in, and a consumable past
    its last day (RefusedError).
    """
    units = prepared(
        desk,
        site_id=site_id,
        donations=donations,
        n_units=n_units,
        batch=batch,
        unit=unit,
        processing=processing,
        is_frozen=is_frozen,
    )
    made = MODELS["batches"].objects.get(pk=units[0].batch_id)
    for lot in lots:
        _use_lot(desk, made, lot)
    for piece in equipment:
        _use_equipment(desk, made, piece)
    return made


def prepared(
    desk: Desk,
    *,
    site_id: str,
    donations: Mapping[str, float | None],
    n_units: int,
    batch: Mapping[str, Any],
    unit: Mapping[str, Any],
    processing: Mapping[str, Any] | None = None,
    is_frozen: bool = True,
) -> list[Any]:
    """Insert a batch with its parts, its record and its units; return the units."""
    if not 1 <= n_units <= MOST_UNITS:
        raise InputError(f"{n_units} units", expected=f"1 to {MOST_UNITS}")
    sources = {pk: desk.one("donations", pk, is_locked=True) for pk in donations}
    left = left_of(sources.values())
    parts = shares(_part(source, donations[pk], left[pk]) for pk, source in sources.items())
    demand_enough(donations, n_units=n_units, dose_grams=unit.get("dose_grams"))
    made = desk.add("batches", operator=desk.name, **batch)
    units = desk.add_all("units", [{"batch_id": made.pk, "site_id": site_id, **unit} for _ in range(n_units)])
    _record(desk, made, site_id=site_id, donations=donations, processing=processing or {})
    given_on = max((s.donated_on for s in sources.values() if s.donated_on), default=None)
    for row in units:
        for pk, source in sources.items():
            link = {"unit_id": row.pk, "donor_id": source.donor_id, "donation_id": pk}
            desk.add("unit_donors", **link, share=parts[pk])
        append(desk, row, "collected", on=given_on)
        append(desk, row, "accepted", on=given_on)
        append(desk, row, "processed", on=row.produced_on)
        append(desk, row, "frozen" if is_frozen else "stored", on=row.produced_on)
    return units


def left_of(donations: Iterable[Any]) -> dict[str, float | None]:
    """Return the grams of donations that no batch has used; null where a mass is not known.

    Batches that were recorded without weights count by what their units stand for.
    """
    found = list(donations)
    weighed = _sums(MODELS["batch_donations"], found, Sum("mass_grams"))
    stands_for = ExpressionWrapper(F("unit__dose_grams") * F("share"), output_field=FloatField())
    in_units = _sums(MODELS["unit_donors"], found, Sum(stands_for))
    return {
        d.pk: None
        if d.stool_mass_grams is None
        else max(0.0, d.stool_mass_grams - max(weighed.get(d.pk) or 0.0, in_units.get(d.pk) or 0.0))
        for d in found
    }


def _sums(model: Any, donations: list[Any], total: Sum) -> dict[str, float | None]:
    rows = model.objects.filter(donation__in=[d.pk for d in donations])
    return dict(rows.order_by().values_list("donation").annotate(grams=total))


def _part(donation: Any, grams: float | None, left: float | None) -> Part:
    donor = donation.donor
    return Part(donation.pk, donor.pk, donor.kind, donation.is_accepted, mass_grams=grams, left_grams=left)


def _record(
    desk: Desk,
    made: Any,
    *,
    site_id: str,
    donations: Mapping[str, float | None],
    processing: Mapping[str, Any],
) -> None:
    desk.add_all(
        "batch_donations",
        [
            {"batch_id": made.pk, "donation_id": donation, "mass_grams": grams}
            for donation, grams in donations.items()
        ],
    )
    desk.add(
        "processings",
        batch_id=made.pk,
        site_id=site_id,
        n_donations=len(donations),
        recorded_by=desk.name,
        **processing,
    )


def _use_lot(desk: Desk, batch: Any, lot: str) -> None:
    """Record a consumable's lot in a batch. Refuses (RefusedError) one that was not good on that day."""
    row, on = desk.one("consumable_lots", lot), batch.produced_on
    if on is None:
        raise InputError("the day of production is missing", do="enter it: a consumable is judged by it")
    reason = (
        f"could be used until {row.expires_on}"
        if row.expires_on < on
        else f"arrived on {row.received_on}"
        if row.received_on and row.received_on > on
        else f"was used up on {row.used_up_on}"
        if row.used_up_on and row.used_up_on < on
        else ""
    )
    if reason:
        raise RefusedError(
            f"lot {row.lot} ({row.item}) {reason}; the batch was made on {on}",
            expected="a lot in date on the day of production",
            do="choose another lot; where this one was used all the same, report a deviation",
        )
    desk.add("batch_lots", batch_id=batch.pk, lot_id=row.pk)


def _use_equipment(desk: Desk, batch: Any, piece: str) -> None:
    row = desk.one("equipment", piece)
    if row.retired_on and batch.produced_on and row.retired_on <= batch.produced_on:
        raise RefusedError(f"{row.name} was taken out of use on {row.retired_on}")
    desk.add("batch_equipment", batch_id=batch.pk, equipment_id=row.pk)


@action("lab", "quality")
def add_lot(desk: Desk, **values: Any) -> Any:
    """Take in a lot of a consumable. Refuses (RefusedError) one that arrives past its last day."""
    made = desk.add("consumable_lots", **values)
    if made.received_on and made.expires_on < made.received_on:
        raise RefusedError(
            f"lot {made.lot} could be used until {made.expires_on}, before it arrived", do="send it back"
        )
    return made


@action("lab", "quality")
def use_up_lot(desk: Desk, *, lot: str, on: date) -> Any:
    """Record that the last of a lot was used or thrown away."""
    row = desk.one("consumable_lots", lot)
    if row.used_up_on:
        raise RefusedError(f"lot {row.lot} was used up on {row.used_up_on}")
    return desk.change(row, used_up_on=on)


@action("lab", "quality")
def add_equipment(desk: Desk, **values: Any) -> Any:
    """Enter a piece of equipment."""
    return desk.add("equipment", **values)


@action("lab", "quality", needs_reason=True)
def change_equipment(desk: Desk, *, equipment: str, **values: Any) -> Any:
    """Record a calibration, another limit, or that a piece was taken out of use."""
    row = desk.one("equipment", equipment, is_locked=True)
    if values.get("retired_on") and _is_in_use(row):
        raise RefusedError(f"{row.name} still holds units or samples", do="move them first")
    return desk.change(row, **values)


def _is_in_use(equipment: Any) -> bool:
    return MODELS["placements"].objects.filter(box__equipment=equipment, until_at__isnull=True).exists()


@action("lab")
def keep_sample(desk: Desk, *, batch: str, kind: str, donation: str | None = None, **values: Any) -> Any:
    """Record a retention sample of a batch; a sample of the product answers that criterion for its units."""
    made_batch = desk.one("batches", batch)
    units = MODELS["units"].objects.filter(batch=made_batch)
    site = units.values_list("site_id", flat=True).first()
    if donation and not MODELS["unit_donors"].objects.filter(unit__in=units, donation=donation).exists():
        raise InputError(f"donation {donation} is not in batch {batch}", expected="a donation of the batch")
    values = {"keep_until_on": earliest_end(units), **{k: v for k, v in values.items() if v is not None}}
    made = desk.add(
        "retention_samples", batch_id=batch, kind=kind, donation_id=donation, site_id=site, **values
    )
    if kind == "product":
        for unit in units.exclude(has_retention_sample=True):
            desk.change(unit, has_retention_sample=True)
    return made


def earliest_end(units: Any) -> date | None:
    """Return the first day a batch's samples may be thrown away: two years after its last unit expires."""
    last = max((unit.expires_on for unit in units if unit.expires_on), default=None)
    if last is None:
        return None
    is_leap_day = (last.month, last.day) == (2, 29)
    return last.replace(year=last.year + 2, **({"month": 3, "day": 1} if is_leap_day else {}))


@action("lab", "quality", needs_reason=True)
def use_sample(desk: Desk, *, sample: str, fate: str, on: date, note: str) -> Any:
    """Record that a retention sample was used for a test, or thrown away once its time was over.

    Refuses (RefusedError) to throw away one that is to be kept longer.
    """
    row = desk.one("retention_samples", sample, is_locked=True)
    if row.gone_on:
        raise RefusedError(f"sample {sample} is gone since {row.gone_on}")
    if fate == "thrown_away" and (row.keep_until_on is None or on < row.keep_until_on):
        raise RefusedError(
            f"sample {sample} is to be kept until {row.keep_until_on or 'a day not known'}", do="keep it"
        )
    for stay in MODELS["placements"].objects.filter(sample=row, until_at__isnull=True):
        desk.change(stay, until_at=max(stay.since_at, end_of(on)))
    return desk.change(row, fate=fate, gone_on=on, gone_reason=note)
