"""How every change is made: by a person, in a role, at a centre, for a reason, all of it or nothing."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Model

from commensal.errors import InputError, nearest
from commensal.registry.audit import acting
from commensal.registry.fields import attribute_name
from commensal.registry.models import MODELS
from commensal.registry.scope import Person, sites_of, within
from commensal.registry.tables import DECLARED
from commensal.study.declaration import Column, Kind
from commensal.study.lists import codes_of
from commensal.vocabulary.routes import refuse_parenteral

Inputs = ParamSpec("Inputs")
Made = TypeVar("Made")
PREFIX = {"patients": "P", "donors": "D", "donations": "N", "batches": "B", "units": "U"}
"""Rows that people name get a short number; all others a random key."""
KEYLESS = ("unit_donors", "session_units", "assessments", "diaries")


@dataclass(frozen=True)
class Desk:
    """The person who acts and the roles in which this action may be done."""

    by: Person
    roles: tuple[str, ...]
    sites: tuple[str, ...]

    @property
    def name(self) -> str:
        """Who acts, as recorded."""
        return self.by.get_username()

    def one(self, table: str, pk: Any, *, is_locked: bool = False) -> Any:
        """Return a row that the person may change. Refuses (InputError) one that is not in sight."""
        rows = within(table, sites=self.sites)
        if is_locked and connection.features.has_select_for_update:
            rows = rows.select_for_update()
        found = rows.filter(pk=pk).first()
        if found is None:
            raise InputError(f"no row {pk!r} in {table} at your centres", do="check the id")
        return found

    def add(self, table: str, **values: Any) -> Any:
        """Insert a checked row; a missing key is given. Refuses a row of another centre."""
        return self.add_all(table, [values])[0]

    def add_all(self, table: str, rows: Iterable[Mapping[str, Any]]) -> list[Any]:
        """Insert checked rows of one table."""
        made = [self._row(table, values) for values in rows]
        for row in made:
            row.save(force_insert=True)
        seen = within(table, sites=self.sites).filter(pk__in=[row.pk for row in made]).count()
        if table != "batches" and seen != len(made):  # a batch belongs to a centre through its units
            raise PermissionDenied(f"{self.name} may not add to {table} of that centre.")
        return made

    def _row(self, table: str, values: Mapping[str, Any]) -> Model:
        model, key = MODELS[table], DECLARED[table].key[0]
        checked = checked_values(table, values)
        if table not in KEYLESS and not checked.get(key):
            checked[key] = next_id(table)
        declared = DECLARED[table]
        return model(**{attribute_name(declared[name]): value for name, value in checked.items()})

    def change(self, row: Model, **values: Any) -> Any:
        """Change columns of a row that ``one`` returned."""
        table = row._meta.db_table
        for name, value in checked_values(table, values, is_partial=True).items():
            setattr(row, name, value)
        row.save(update_fields=list(values))
        return row


def action(
    *roles: str, needs_reason: bool = False
) -> Callable[[Callable[Concatenate[Desk, Inputs], Made]], Callable[..., Made]]:
    """Make a function an action: called with ``by=`` and ``reason=``, in one transaction, audited as such.

    Refuses (PermissionDenied) a person without one of the roles, and (InputError) a missing reason where the
    action needs one.
    """

    def decorate(function: Callable[Concatenate[Desk, Inputs], Made]) -> Callable[..., Made]:
        @functools.wraps(function)
        def run(*, by: Person, reason: str = "", **inputs: Any) -> Made:
            sites = tuple(sites_of(by, roles=roles))
            if needs_reason and not reason.strip():
                raise InputError("no reason given", expected="a reason in words", do="say why")
            why = reason.strip() or function.__name__.replace("_", " ")
            with acting(by.get_username(), reason=why):
                return function(Desk(by, roles, sites), **inputs)  # type: ignore[call-arg]

        run.roles = roles  # type: ignore[attr-defined]
        return run

    return decorate


def checked_values(table: str, values: Mapping[str, Any], *, is_partial: bool = False) -> dict[str, Any]:
    """Return the values of a row, blank text as null. Refuses (InputError) what the table does not declare.

    A parenteral route of administration is a SafetyError.
    """
    declared = {column.name: column for column in DECLARED[table].declared}
    if unknown := [name for name in values if name not in declared]:
        raise InputError(f"{table} has no column {unknown[0]!r}", expected=nearest(unknown[0], declared))
    clean = {name: _checked(declared[name], value, table) for name, value in values.items()}
    if not is_partial:
        key = DECLARED[table].key
        for column in declared.values():
            if column.is_required and clean.get(column.name) is None and (column.name,) != key:
                raise InputError(f"{column.name.replace('_', ' ')} is missing", expected=column.meaning)
    return clean


def _checked(column: Column, value: Any, table: str) -> Any:
    if value is None or value == "":
        return None
    if column.codes == "routes":
        refuse_parenteral(str(value))
    if column.kind is Kind.CODE and value not in codes_of(column):
        raise InputError(
            f"{table}.{column.name} is {value!r}", expected=nearest(str(value), codes_of(column))
        )
    for limit, is_beyond in ((column.minimum, _below), (column.maximum, _above)):
        if limit is not None and is_beyond(value, limit):
            raise InputError(
                f"{column.name.replace('_', ' ')} is {value}",
                expected=f"from {column.minimum} to {column.maximum} {column.unit}",
            )
    return value


def _below(value: float, limit: float) -> bool:
    return value < limit


def _above(value: float, limit: float) -> bool:
    return value > limit


def next_id(table: str) -> str:
    """Return a free id: letter and next number for rows that people name, a random key for others."""
    if table not in PREFIX:
        return uuid.uuid4().hex
    prefix = PREFIX[table]
    taken = MODELS[table].objects.filter(pk__regex=rf"^{prefix}[0-9]+$").values_list("pk", flat=True)
    return f"{prefix}{max((int(pk.removeprefix(prefix)) for pk in taken), default=0) + 1:04d}"
