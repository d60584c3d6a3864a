"""Changes to recalls: opened with their holds, followed to the last unit and patient, closed by quality.

A recall reaches over centres: each centre gets a recall of its own, with its own units and patients, in the
same transaction, and closes it itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection

from commensal.bank.recall import GONE, Reach, fates, open_points, reach
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.custody import day_of
from commensal.registry.actions.desk import Desk, action, checked_values, next_id
from commensal.registry.models import MODELS
from commensal.registry.reached import reached_from
from commensal.registry.scope import Person
from commensal.registry.tables.recall import STARTS
from commensal.study import Study

TABLE_OF = {"unit": "units", "batch": "batches", "donor": "donors", "donation": "donations"}
DRILL = "drill"


@dataclass(frozen=True)
class _Found:
    """What a recall reaches now, and of which centre each unit and patient is."""

    reach: Reach
    study: Study
    site_of_unit: Mapping[str, str]
    site_of_patient: Mapping[str, str]


@action("quality", "physician", "lab")
def open_recall(
    desk: Desk,
    *,
    start: str,
    pk: str,
    kind: str,
    severity: str,
    account: str,
    detected_at: datetime,
    at: datetime,
    on: date,
    mode: str = "recall",
    adverse_event: str | None = None,
) -> Any:
    """Open a recall from a unit, batch, donor or donation, and hold everything it reaches, at once.

    In a drill nothing is held; the time to list and the share of units accounted for are stored.
    """
    if start not in STARTS:
        raise InputError(f"a recall from {start!r}", expected=", ".join(STARTS))
    row = desk.one(TABLE_OF[start], pk)
    if adverse_event:
        desk.one("adverse_events", adverse_event)
    if detected_at > at:
        raise InputError("detected after it was opened", do="correct when it was first known")
    began = time.perf_counter()
    found = _found({f"{start}_id": pk}, kind=kind, on=on)
    first = desk.add(
        "recalls",
        site_id=_site_of(desk, start, row),
        kind=kind,
        severity=severity,
        mode=mode,
        account=account,
        detected_at=detected_at,
        opened_at=at,
        opened_by=desk.name,
        adverse_event_id=adverse_event,
        **{f"{start}_id": pk},
    )
    family = _spread(first, found, at=at)
    if mode != DRILL:
        _hold(desk, first, found.reach, at=at, on=on)
        found = _found({f"{start}_id": pk}, kind=kind, on=on)  # the fates now, with the holds in place
    for recall in family:
        _count(desk, recall, found, began=began, at=at, on=on)
    return first


@action("quality", "physician", "lab", "coordinator")
def look_again(desk: Desk, *, recall: str, at: datetime, on: date) -> int:
    """Reach again from where a recall began, list and hold what is new; return how many rows are new."""
    return _again(desk, _open(desk, recall), at=at, on=on)


@action("coordinator", "physician")
def record_contact(desk: Desk, *, recall_patient: str, contacted_at: datetime, **values: Any) -> Any:
    """Record one attempt to reach a patient, and what came of it."""
    row = desk.one("recall_patients", recall_patient)
    recall = _open(desk, row.recall_id)
    if recall.mode == DRILL:
        raise RefusedError("in a drill nobody is contacted")
    if contacted_at < recall.detected_at:
        raise InputError("the contact lies before the recall was detected", do="correct the moment")
    return desk.add(
        "recall_contacts",
        recall_patient_id=row.pk,
        contacted_at=contacted_at,
        contacted_by=desk.name,
        **values,
    )


@action("quality")
def state_fate(desk: Desk, *, recall_unit: str, fate: str, note: str, at: datetime) -> Any:
    """State what became of a unit where custody cannot tell; custody, once it tells, counts before it."""
    row = desk.one("recall_units", recall_unit, is_locked=True)
    _open(desk, row.recall_id)
    if not note.strip():
        raise InputError("no note on how that is known", do="say how the fate is known")
    return desk.change(row, stated_fate=fate, note=note, stated_by=desk.name, stated_at=at)


@action("quality")
def close_recall(desk: Desk, *, recall: str, signer: Person, finding: str, at: datetime, on: date) -> Any:
    """Close a recall at one centre, signed by a person of quality who has just typed the own password.

    Refuses (RefusedError) while a unit's fate is open, a patient was not contacted to an end, or the reach
    has grown since it was last looked at. Its holds stand until quality lifts them.
    """
    row = _open(desk, recall)
    if signer.pk != desk.by.pk:
        raise RefusedError("a recall is signed by who closes it")
    if n_new := _again(desk, row, at=at, on=on):
        raise RefusedError(
            f"the recall reaches {n_new} more units or patients than were listed",
            do="look again, then follow them",
        )
    if points := open_points(fates_of(row, on=on), patients=last_outcomes(row), is_drill=row.mode == DRILL):
        raise RefusedError(
            f"recall {recall} is not closed: {len(points)} open",
            expected="every unit of known fate and every patient contacted to an end",
            do=" · ".join(points[:5]),
        )
    return desk.change(row, finding=finding, closed_at=at, closed_by=desk.name)


@action("physician", "quality", needs_reason=True)
def rule_no_recall(desk: Desk, *, adverse_event: str, note: str, at: datetime) -> Any:
    """Decide, with a reason, that an adverse event asks for no recall."""
    row = desk.one("adverse_events", adverse_event)
    return desk.add("lookback_rulings", adverse_event_id=row.pk, ruled_at=at, ruled_by=desk.name, reason=note)


def fates_of(recall: Any, *, on: date) -> list[Any]:
    """Return what became of every unit that a recall has listed."""
    rows = MODELS["recall_units"].objects.filter(recall=recall).values_list("unit_id", "stated_fate")
    stated = {unit: fate for unit, fate in rows if fate}
    units = [unit for unit, _ in rows]
    study = reached_from(on_day=day_of(on), sites=None, units=units, is_wide=False).study
    return fates(study, units=units, on_day=day_of(on), stated=stated, is_drill=recall.mode == DRILL)


def last_outcomes(recall: Any) -> dict[str, str | None]:
    """Return patient → outcome of the last contact; null where nobody tried."""
    listed = MODELS["recall_patients"].objects.filter(recall=recall).values_list("patient_id", flat=True)
    tried = MODELS["recall_contacts"].objects.filter(recall_patient__recall=recall)
    ordered = tried.order_by("contacted_at", "pk").values_list("recall_patient__patient_id", "outcome")
    return dict.fromkeys(listed) | dict(ordered)


def _found(started: Mapping[str, str | None], *, kind: str, on: date) -> _Found:
    """What the recall reaches, its units locked before they are read: nobody issues one meanwhile."""
    start, pk = next((name.removesuffix("_id"), value) for name, value in started.items() if value)
    for is_locked in (False, True):
        begin = _beginning(start, pk)
        study = reached_from(on_day=day_of(on), sites=None, **begin).study
        found = reach(study, kind=kind, **{start: pk})
        if is_locked or not connection.features.has_select_for_update:
            break
        list(MODELS["units"].objects.filter(pk__in=found.units).select_for_update().order_by("pk"))
    patients = MODELS["patients"].objects.filter(pk__in=found.patients)
    return _Found(
        reach=found,
        study=study,
        site_of_unit=dict(study.read("units").select("unit_id", "site_id").iter_rows()),
        site_of_patient=dict(patients.values_list("pk", "site_id")),
    )


def _beginning(start: str, pk: str) -> dict[str, list[str]]:
    """The units and donors a walk begins with."""
    if start in ("unit", "donor"):
        return {f"{start}s": [pk]}
    if start == "batch":
        return {"units": list(MODELS["units"].objects.filter(batch=pk).values_list("pk", flat=True))}
    return {"donors": [MODELS["donations"].objects.get(pk=pk).donor_id]}


def _site_of(desk: Desk, start: str, row: Any) -> str:
    """The centre a recall is opened at: of the donor or unit, else the person's own."""
    owner = row.donor if start == "donation" else row
    site = getattr(owner, "site_id", None)
    if start == "batch":
        made = (
            MODELS["units"].objects.filter(batch=row, site__in=desk.sites).values_list("site_id", flat=True)
        )
        site = made.first()
    return site if site in desk.sites else desk.sites[0]


def _spread(first: Any, found: _Found, *, at: datetime) -> list[Any]:
    """List what was found, each unit and patient in the recall of its centre; return the recalls."""
    family = {row.site_id: row for row in MODELS["recalls"].objects.filter(origin=first)}
    family[first.site_id] = first
    sites = {*found.site_of_unit.values(), *found.site_of_patient.values()}
    reached = {found.site_of_unit.get(u) for u in found.reach.units}
    reached |= {found.site_of_patient.get(p) for p in found.reach.patients}
    for site in sorted(s for s in sites & reached if s and s not in family):
        family[site] = _sister(first, site)
    for table, keys, site_of in (
        ("unit", found.reach.units, found.site_of_unit),
        ("patient", found.reach.patients, found.site_of_patient),
    ):
        known = set(
            MODELS[f"recall_{table}s"]
            .objects.filter(recall__in=list(family.values()))
            .values_list(f"{table}_id", flat=True)
        )
        _insert(
            f"recall_{table}s",
            (
                {
                    "recall_id": family.get(site_of.get(key) or "", first).pk,
                    f"{table}_id": key,
                    "listed_at": at,
                }
                for key in keys
                if key not in known
            ),
        )
    return list(family.values())


def _sister(first: Any, site: str) -> Any:
    """The recall of a further centre: what is known, but not the material of the first one."""
    kept = ("kind", "severity", "mode", "account", "detected_at", "opened_at", "opened_by", "held_at")
    values = {name: getattr(first, name) for name in kept}
    return _insert("recalls", [{**values, "site_id": site, "origin_id": first.pk}])[0]


def _insert(table: str, rows: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Insert checked rows of any centre: a recall is the one change that reaches beyond the person's own."""
    model, key = MODELS[table], MODELS[table]._meta.pk.attname  # type: ignore[union-attr]
    made = [model(**{key: next_id(table), **checked_values(table, row)}) for row in rows]
    return model.objects.bulk_create(made)


def _hold(desk: Desk, recall: Any, found: Reach, *, at: datetime, on: date) -> int:
    """Hold donors, whole batches and every unit that is not gone, but for what this recall holds already."""
    reason = f"recall {recall.pk}"
    standing = MODELS["holds"].objects.filter(kind="recall", lifted_on__isnull=True, reason=reason)
    held = {(u, b, d) for u, b, d in standing.values_list("unit_id", "batch_id", "donor_id")}
    gone = MODELS["units"].objects.filter(pk__in=found.units, custody_state__in=GONE)
    left = set(found.units) - set(gone.values_list("pk", flat=True))
    wanted = [(None, None, donor) for donor in found.donors]
    wanted += [(None, batch, None) for batch in found.batches]
    wanted += [(unit, None, None) for unit in sorted(left)]
    common = {"kind": "recall", "placed_on": on, "placed_at": at, "placed_by": desk.name, "reason": reason}
    rows = [
        {**common, "unit_id": u, "batch_id": b, "donor_id": d} for u, b, d in wanted if (u, b, d) not in held
    ]
    return len(_insert("holds", rows))


def _count(desk: Desk, recall: Any, found: _Found, *, began: float, at: datetime, on: date) -> None:
    """Write to a recall what it had reached when it was opened, and how long that took."""
    units = list(MODELS["recall_units"].objects.filter(recall=recall).values_list("unit_id", flat=True))
    is_drill = recall.mode == DRILL
    known = [f for f in fates(found.study, units=units, on_day=day_of(on), is_drill=is_drill) if f.is_known]
    desk.change(
        recall,
        n_units=len(units),
        n_accounted=len(known),
        n_patients=MODELS["recall_patients"].objects.filter(recall=recall).count(),
        seconds_to_list=round(time.perf_counter() - began, 3),
        held_at=None if is_drill else at,
    )


def _again(desk: Desk, row: Any, *, at: datetime, on: date) -> int:
    """List and hold what a recall reaches now and had not listed; return how many rows are new."""
    first = MODELS["recalls"].objects.get(pk=row.origin_id) if row.origin_id else row
    found = _found({f"{s}_id": getattr(first, f"{s}_id") for s in STARTS}, kind=first.kind, on=on)
    before = _n_listed(first)
    family = _spread(first, found, at=at)
    n_new = _n_listed(first) - before
    if first.mode != DRILL:
        _hold(desk, first, found.reach, at=at, on=on)
    return n_new if family else 0


def _n_listed(first: Any) -> int:
    recalls = [first.pk, *MODELS["recalls"].objects.filter(origin=first).values_list("pk", flat=True)]
    tables = ("recall_units", "recall_patients")
    return sum(MODELS[table].objects.filter(recall__in=recalls).count() for table in tables)


def _open(desk: Desk, recall: str) -> Any:
    """The recall, locked. Refuses (RefusedError) a closed one: what was signed stays as it is."""
    row = desk.one("recalls", recall, is_locked=True)
    if row.closed_at:
        raise RefusedError(
            f"recall {recall} was closed on {row.closed_at:%Y-%m-%d} by {row.closed_by}",
            do="open a new recall that refers to it",
        )
    return row
