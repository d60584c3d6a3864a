"""From a declared column of a study to a field of the database: one declaration, one field.

Every field carries the column's privacy class, and its limits become named database constraints.
"""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import CheckConstraint, F, Q

from commensal.study.declaration import Column, Kind, Table
from commensal.vocabulary.routes import Route

CLOSED_IN_THE_DATABASE = {"routes": tuple(route.value for route in Route)}
"""Vocabulary lists whose codes the database itself insists on. A parenteral route cannot be stored."""

ID_LENGTH, CODE_LENGTH = 64, 80


def model_name(table: str) -> str:
    """Name of the model class of a table (unit_donors → UnitDonors)."""
    return "".join(part.capitalize() for part in table.split("_"))


def field_name(column: Column) -> str:
    """Name of the model field of a column: a reference drops its _id."""
    return column.name.removesuffix("_id") if column.references else column.name


def attribute_name(column: Column) -> str:
    """Name of the attribute that holds a column's value: a reference's key, never the row it points to."""
    return f"{field_name(column)}_id" if column.references else column.name


def make_field(column: Column, table: Table) -> models.Field:
    """Return the database field of a column. A missing value is null, never blank text."""
    is_key = table.key == (column.name,)
    field = _make(column, is_key=is_key, is_needed=column.is_required)
    field.privacy = column.privacy
    return field


def _make(column: Column, *, is_key: bool, is_needed: bool) -> models.Field:
    options: dict[str, Any] = {"null": not is_needed, "blank": not is_needed}
    if column.references:
        return models.ForeignKey(
            f"registry.{model_name(column.references)}",
            on_delete=models.PROTECT,
            db_column=column.name,
            related_name="+",
            **options,
        )
    match column.kind:
        case Kind.ID:
            if is_key:
                return models.CharField(max_length=ID_LENGTH, primary_key=True)
            return models.CharField(max_length=ID_LENGTH, **options)
        case Kind.CODE:
            return models.CharField(max_length=CODE_LENGTH, **options)
        case Kind.TEXT:
            return models.TextField(**options)
        case Kind.DATE:
            return models.DateField(**options)
        case Kind.INSTANT:
            return models.DateTimeField(**options)
        case Kind.INTEGER | Kind.DAY:
            return models.BigIntegerField(**options)
        case Kind.NUMBER:
            return models.FloatField(**options)
        case Kind.FLAG:
            return models.BooleanField(**options)


def constraints_of(table: Table) -> list[models.BaseConstraint]:
    """Return the named constraints a table's declaration implies: key, closed lists, limits."""
    found: list[models.BaseConstraint] = []
    if len(table.key) > 1:
        found += _keys([table[_dated(name, table)] for name in table.key], table.name)
    for column in table.declared:
        found += _column_constraints(column, table.name)
    return found


def _dated(name: str, table: Table) -> str:
    """The stored column behind a key column: the registry keeps dates, not their integer-day twins."""
    on = name.removesuffix("_day") + "_on"
    return on if on in table.names else name


def _keys(columns: list[Column], table: str) -> list[models.BaseConstraint]:
    """A key of several columns; where one may be missing, the rest are the key of the rows without it."""
    found: list[models.BaseConstraint] = [
        models.UniqueConstraint(fields=[field_name(c) for c in columns], name=f"{table}_key")
    ]
    for missing in (c for c in columns if not c.is_required):
        rest = [field_name(c) for c in columns if c is not missing]
        is_missing = Q(**{f"{field_name(missing)}__isnull": True})
        found.append(
            models.UniqueConstraint(
                fields=rest, condition=is_missing, name=f"{table}_key_without_{missing.name}"
            )
        )
    return found


def _column_constraints(column: Column, table: str) -> list[models.BaseConstraint]:
    codes = CLOSED_IN_THE_DATABASE.get(column.codes) if isinstance(column.codes, str) else column.codes
    found: list[models.BaseConstraint] = []
    if codes:
        found.append(_check(f"{table}_{column.name}_is_listed", Q(**{f"{column.name}__in": list(codes)})))
    if column.minimum is not None:
        found.append(_check(f"{table}_{column.name}_minimum", Q(**{f"{column.name}__gte": column.minimum})))
    if column.maximum is not None:
        found.append(_check(f"{table}_{column.name}_maximum", Q(**{f"{column.name}__lte": column.maximum})))
    return found


def _check(name: str, holds: Q) -> CheckConstraint:
    return CheckConstraint(condition=holds, name=name)


def no_later(table: str, first: str, second: str) -> CheckConstraint:
    """Return the constraint that one date does not lie after another (either may be unknown)."""
    holds = (
        Q(**{f"{first}__lte": F(second)}) | Q(**{f"{first}__isnull": True}) | Q(**{f"{second}__isnull": True})
    )
    return _check(f"{table}_{first}_not_after_{second}", holds)
