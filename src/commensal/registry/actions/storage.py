"""Changes to where material stands and how cold it was: places, positions, readings, excursions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db.models import Q

from commensal.bank.boxes import Position, first_free
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.custody import append
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS
from commensal.registry.scope import within
from commensal.vocabulary.materials import products

KEPT_IN = {"frozen": "freezer", "refrigerated": "refrigerator"}
COLD = ("freezer", "refrigerator")
IN_STOCK = ("processed", "stored", "released", "reserved", "expired")


@action("lab", "quality")
def add_places(
    desk: Desk,
    *,
    equipment: str,
    kind: str,
    names: Iterable[str],
    parent: str | None = None,
    n_rows: int | None = None,
    n_columns: int | None = None,
) -> list[Any]:
    """Add shelves, racks or boxes of one size to a freezer, each by its name."""
    freezer = desk.one("equipment", equipment)
    if freezer.kind not in COLD:
        raise InputError(f"{freezer.name} is a {freezer.kind.replace('_', ' ')}", expected="a freezer")
    if kind == "box" and not (n_rows and n_columns):
        raise InputError("the box has no size", expected="rows and columns, such as 9 and 9")
    stands_in = desk.one("places", parent) if parent else None
    if stands_in is not None and (stands_in.equipment_id != freezer.pk or stands_in.kind == "box"):
        raise InputError(f"{stands_in.name} is no shelf or rack of {freezer.name}")
    grid = {"n_rows": n_rows, "n_columns": n_columns} if kind == "box" else {}
    wanted = [name.strip() for name in names if name.strip()]
    if not wanted:
        raise InputError("no name given", expected="one name on each line")
    place = {"equipment_id": freezer.pk, "parent_id": parent or None, "kind": kind, **grid}
    return [desk.add("places", name=name, **place) for name in wanted]


@action("lab", "quality")
def place(
    desk: Desk, *, box: str, code: str, at: datetime, on: date, position: Position | None = None
) -> Any:
    """Put a unit or a retention sample at a position of a box, the first free one where none is named.

    For a unit this is a custody event. Refuses (RefusedError) an occupied position, a place too warm for the
    product and a freezer whose excursion lasts.
    """
    row = desk.one("places", box, is_locked=True)
    where = position or first_free(row.n_rows or 0, row.n_columns or 0, taken=_taken(row))
    _demand_position(row, where)
    found = {"box_id": row.pk, "box_row": where.row, "box_column": where.column, "since_at": at}
    unit = within("units", sites=desk.sites).filter(pk=code).first()
    if unit is not None:
        return _place_unit(desk, desk.one("units", code, is_locked=True), row, found, on=on)
    sample = within("retention_samples", sites=desk.sites).filter(pk=code).first()
    if sample is None:
        raise InputError(f"{code!r} is neither a unit nor a retention sample of your centres")
    if sample.gone_on:
        raise RefusedError(f"sample {code} is gone since {sample.gone_on}")
    _end_stays(desk, {"sample": sample}, at=at, ended_by=None)
    return desk.add("placements", sample_id=sample.pk, **found)


def _place_unit(desk: Desk, unit: Any, box: Any, found: dict[str, Any], *, on: date) -> Any:
    if unit.site_id != box.equipment.site_id:
        raise RefusedError(f"unit {unit.pk} belongs to {unit.site_id}", do="ship it there and receive it")
    _demand_cold_enough(unit, box.equipment)
    event = append(desk, unit, "stored", on=on, at=found["since_at"])
    _end_stays(desk, {"unit": unit}, at=found["since_at"], ended_by=event.pk)
    made = desk.add("placements", unit_id=unit.pk, **found)
    desk.change(unit, freezer_position=path_of(box, Position(made.box_row, made.box_column)))
    return made


def _end_stays(desk: Desk, of: dict[str, Any], *, at: datetime, ended_by: str | None) -> None:
    for stay in MODELS["placements"].objects.filter(**of, until_at__isnull=True):
        desk.change(stay, until_at=max(stay.since_at, at), ended_by=ended_by)


def _taken(box: Any) -> set[Position]:
    stays = MODELS["placements"].objects.filter(box=box, until_at__isnull=True)
    return {Position(row, column) for row, column in stays.values_list("box_row", "box_column")}


def _demand_position(box: Any, where: Position | None) -> None:
    if box.kind != "box":
        raise InputError(f"{box.name} is a {box.kind}", expected="a box")
    if where is None:
        raise RefusedError(f"box {box.name} is full", do="choose another box")
    if not (1 <= where.row <= box.n_rows and 1 <= where.column <= box.n_columns):
        raise InputError(
            f"position {where} of box {box.name}",
            expected=f"A1 to {Position(box.n_rows, box.n_columns)}",
        )
    if where in _taken(box):
        raise RefusedError(f"position {where} of box {box.name} is occupied", do="choose a free position")


def _demand_cold_enough(unit: Any, equipment: Any) -> None:
    """Refuse (RefusedError) a place that does not keep the product as it must be kept."""
    if equipment.retired_on:
        raise RefusedError(f"{equipment.name} is out of use since {equipment.retired_on}")
    storage = products().get(unit.product).storage if unit.product in products().codes else None
    wanted = KEPT_IN.get(storage or "")
    if wanted and equipment.kind != wanted:
        raise RefusedError(
            f"{unit.product.replace('_', ' ')} is kept in a {wanted}; {equipment.name} is a {equipment.kind}"
        )
    lasting = MODELS["excursions"].objects.filter(equipment=equipment, ended_at__isnull=True)
    if lasting.exists():
        raise RefusedError(f"{equipment.name} is too warm at present", do="choose another freezer")


def path_of(box: Any, position: Position) -> str:
    """Return where a position is, in words: freezer, shelf, rack, box, position."""
    names, inner = [f"{box.name} {position}"], box
    while inner.parent_id:
        inner = inner.parent
        names.append(inner.name)
    return " / ".join([box.equipment.name, *reversed(names)])


@action("lab", "quality")
def record_temperature(desk: Desk, *, equipment: str, celsius: float, at: datetime, on: date) -> Any:
    """Record a reading; return the excursion it opens, lengthens or ends, null where it means none.

    A reading above the limit opens an excursion that began, at the earliest, after the last good reading.
    """
    freezer = desk.one("equipment", equipment, is_locked=True)
    earlier = MODELS["temperatures"].objects.filter(equipment=freezer, read_at__lte=at)
    limit = freezer.warmest_celsius
    good = earlier if limit is None else earlier.filter(celsius__lte=limit)
    last_good = good.order_by("-read_at").first()
    desk.add("temperatures", equipment_id=freezer.pk, celsius=celsius, read_at=at, read_by=desk.name)
    if limit is None:
        return None
    lasting = MODELS["excursions"].objects.filter(equipment=freezer, ended_at__isnull=True).first()
    if celsius <= limit:
        return desk.change(lasting, ended_at=at) if lasting and lasting.began_at <= at else None
    if lasting is not None:
        return desk.change(lasting, peak_celsius=max(celsius, lasting.peak_celsius or celsius))
    return excursion(
        desk,
        freezer,
        began_at=last_good.read_at if last_good else at,
        ended_at=None,
        peak_celsius=celsius,
        account=f"A reading of {celsius:g} °C, above {limit:g} °C.",
        at=at,
        on=on,
    )


@action("lab", "quality")
def record_excursion(
    desk: Desk,
    *,
    equipment: str,
    began_at: datetime,
    at: datetime,
    on: date,
    ended_at: datetime | None = None,
    peak_celsius: float | None = None,
    account: str | None = None,
    is_unplaced_held: bool = False,
) -> Any:
    """Record that a freezer was too warm, and hold every unit that was in it then.

    ``is_unplaced_held`` also holds the centre's frozen stock whose position nobody recorded.
    """
    freezer = desk.one("equipment", equipment, is_locked=True)
    return excursion(
        desk,
        freezer,
        began_at=began_at,
        ended_at=ended_at,
        peak_celsius=peak_celsius,
        account=account,
        at=at,
        on=on,
        is_unplaced_held=is_unplaced_held,
    )


def excursion(
    desk: Desk,
    equipment: Any,
    *,
    began_at: datetime,
    ended_at: datetime | None,
    peak_celsius: float | None,
    account: str | None,
    at: datetime,
    on: date,
    is_unplaced_held: bool = False,
) -> Any:
    """Insert an excursion and hold what it may have warmed, units since given among them."""
    if equipment.kind not in COLD:
        raise InputError(f"{equipment.name} is a {equipment.kind.replace('_', ' ')}", expected="a freezer")
    made = desk.add(
        "excursions",
        equipment_id=equipment.pk,
        began_at=began_at,
        ended_at=ended_at,
        peak_celsius=peak_celsius,
        account=account,
        recorded_by=desk.name,
    )
    units = list(units_inside(equipment, began_at=began_at, ended_at=ended_at))
    if is_unplaced_held:
        units += list(unplaced_units(equipment.site_id))
    for unit in units:
        hold = desk.add(
            "holds",
            kind="quarantine",
            unit_id=unit.pk,
            placed_on=on,
            placed_at=at,
            placed_by=desk.name,
            reason=f"Temperature excursion {made.pk} of {equipment.name}.",
        )
        desk.add("excursion_units", excursion_id=made.pk, unit_id=unit.pk, hold_id=hold.pk)
        desk.change(unit, is_cold_chain_unbroken=None)
    return made


def units_inside(equipment: Any, *, began_at: datetime, ended_at: datetime | None) -> Any:
    """Return the units that stood in a freezer at any time from one moment to another."""
    stays = MODELS["placements"].objects.filter(box__equipment=equipment, unit__isnull=False)
    stays = stays.filter(Q(until_at__isnull=True) | Q(until_at__gte=began_at))
    if ended_at is not None:
        stays = stays.filter(since_at__lte=ended_at)
    return MODELS["units"].objects.filter(pk__in=stays.values("unit")).order_by("pk")


def unplaced_units(site: str) -> Any:
    """Return the units in stock at a centre that stand at no recorded position: they may stand anywhere."""
    placed = MODELS["placements"].objects.filter(unit__isnull=False, until_at__isnull=True).values("unit")
    in_stock = MODELS["units"].objects.filter(site=site, custody_state__in=IN_STOCK)
    return in_stock.exclude(pk__in=placed).order_by("pk")


@action("lab", "quality")
def end_excursion(
    desk: Desk, *, excursion: str, ended_at: datetime, peak_celsius: float | None = None
) -> Any:
    """Record when an excursion ended, and the warmest temperature known."""
    row = desk.one("excursions", excursion, is_locked=True)
    if row.ended_at:
        raise RefusedError(f"excursion {excursion} ended at {row.ended_at:%Y-%m-%d %H:%M} UTC")
    return desk.change(row, ended_at=ended_at, peak_celsius=peak_celsius or row.peak_celsius)


@action("quality", needs_reason=True)
def decide_excursion(
    desk: Desk,
    *,
    excursion: str,
    units: Iterable[str],
    disposition: str,
    rationale: str,
    at: datetime,
    on: date,
) -> int:
    """Decide on units of an excursion: usable lifts their hold, discard keeps it. Return how many.

    Refuses (RefusedError) while the excursion lasts, and a unit that was decided on.
    """
    row = desk.one("excursions", excursion, is_locked=True)
    if row.ended_at is None and disposition == "usable":
        raise RefusedError(f"excursion {excursion} still lasts", do="record its end first")
    chosen = list(units)
    warmed = MODELS["excursion_units"].objects.filter(excursion=row, unit__in=chosen)
    if not chosen or len(warmed) != len(set(chosen)):
        raise InputError("no unit chosen" if not chosen else "a unit is not of this excursion")
    for entry in warmed:
        if entry.disposition:
            raise RefusedError(f"unit {entry.unit_id} was decided on: {entry.disposition}")
        decided = {"decided_on": on, "decided_by": desk.name, "rationale": rationale}
        desk.change(entry, disposition=disposition, **decided)
        _settle(desk, entry, is_usable=disposition == "usable", at=at, on=on)
    return len(chosen)


def _settle(desk: Desk, entry: Any, *, is_usable: bool, at: datetime, on: date) -> None:
    """Lift the hold of a usable unit; its cold chain is whole where no other excursion says otherwise."""
    unit = desk.one("units", entry.unit_id, is_locked=True)
    if not is_usable:
        desk.change(unit, is_cold_chain_unbroken=False)
        return
    if entry.hold.lifted_on is None:
        desk.change(entry.hold, lifted_on=on, lifted_at=at, lifted_by=desk.name)
    others = MODELS["excursion_units"].objects.filter(unit=unit).exclude(pk=entry.pk)
    if not others.exclude(disposition="usable").exists():
        desk.change(unit, is_cold_chain_unbroken=True)
