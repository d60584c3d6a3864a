"""The audit trail: written by the database itself, never by the application.

Each insert, update and delete of an audited table leaves one row with time, actor, reason, the old and the
new values, and a digest that seals it to the row before. The same holds on SQLite and PostgreSQL. A
connection that names no actor cannot write. What nobody can promise from inside a database: that its owner
does not rewrite the whole chain. The last digest is therefore given out (``head``) and written into every
freeze.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import connection as default_connection
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from commensal.errors import CommensalError
from commensal.registry import triggers

_ACTOR: ContextVar[tuple[str, str] | None] = ContextVar("actor", default=None)
COLUMNS = ("seq", "at", "actor", "reason", "tbl", "pk_value", "op", "old", "new", "previous", "digest")


class AuditBrokenError(CommensalError):
    """The audit trail is not whole: a trigger is missing or a seal does not fit."""


@dataclass(frozen=True)
class Head:
    """The last row of the trail: keep it outside the database and a cut tail shows."""

    seq: int
    digest: str


def prepare(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Give a new SQLite connection the functions its triggers call."""
    if connection.vendor != "sqlite":
        return
    raw = connection.connection
    raw.create_function("app_actor", 0, lambda: _acting()[0])
    raw.create_function("app_reason", 0, lambda: _acting()[1])
    raw.create_function("app_sha256", 1, _sha256, deterministic=True)


def _acting() -> tuple[str, str]:
    acting = _ACTOR.get()
    if acting is None:
        raise PermissionError("a change was tried without naming who makes it")
    return acting


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def acting(actor: str, *, reason: str) -> Iterator[None]:
    """Run one transaction in the name of an actor, for a reason. Without it nothing can be written."""
    token = _ACTOR.set((actor, reason))
    try:
        with transaction.atomic():
            _tell_postgresql(actor, reason)
            yield
            _tell_postgresql("", "")
    finally:
        _ACTOR.reset(token)


def _tell_postgresql(actor: str, reason: str) -> None:
    """Name the actor for the rest of the transaction; SQLite asks ``_acting`` itself."""
    if default_connection.vendor == "postgresql":
        with default_connection.cursor() as cursor:
            cursor.execute(
                "select set_config('app.actor', %s, true), set_config('app.reason', %s, true)",
                [actor, reason],
            )


def install(connection: BaseDatabaseWrapper) -> None:
    """Put every trigger in place, dropping older ones of the same name."""
    tables = _present(connection)
    with connection.cursor() as cursor:
        for statement in triggers.drop_statements(connection.vendor, tables):
            cursor.execute(statement)
        for statement in triggers.create_statements(connection.vendor, tables):
            cursor.execute(statement)


def missing(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the triggers that should be there and are not, or differ from what they should be."""
    wanted = triggers.expected(connection.vendor, _present(connection))
    with connection.cursor() as cursor:
        cursor.execute(triggers.LISTED[connection.vendor])
        found = dict(cursor.fetchall())
    absent = set(triggers.names()) - set(wanted)
    changed = {
        name for name, text in wanted.items() if triggers.plain(found.get(name, "")) != triggers.plain(text)
    }
    return sorted(absent | changed)


def demand_whole(connection: BaseDatabaseWrapper) -> None:
    """Refuse (AuditBrokenError) to work on a database without its audit triggers."""
    if lacking := missing(connection):
        raise AuditBrokenError(
            f"{len(lacking)} audit triggers are missing or changed: {', '.join(lacking[:5])}",
            expected="every audited table with its triggers",
            do="find out who removed them and compare with a backup; then put them back with "
            "`python -m django migrate --settings commensal.registry.settings`",
        )


def head() -> Head:
    """Return the last sealed row; seq 0 where nothing was recorded yet."""
    with default_connection.cursor() as cursor:
        cursor.execute("select seq, digest from audit order by seq desc limit 1")
        row = cursor.fetchone()
    return Head(*row) if row else Head(0, triggers.GENESIS)


def verify(*, known: Head | None = None) -> int:
    """Recompute every seal and return the number of rows.

    Refuses (AuditBrokenError) a row that was changed, left out or added, and, given a ``known`` head from an
    earlier day, a trail whose end was cut off or rewritten.
    """
    previous, seq, is_known_seen = triggers.GENESIS, 0, known is None or known.seq == 0
    with default_connection.cursor() as cursor:
        cursor.execute(f"select {', '.join(COLUMNS)} from audit order by seq")  # noqa: S608  own names
        for row in _chunks(cursor):
            entry = dict(zip(COLUMNS, row, strict=True))
            seq += 1
            if entry["seq"] != seq or entry["previous"] != previous or entry["digest"] != seal(entry):
                raise AuditBrokenError(
                    f"the audit trail does not fit at row {seq}",
                    expected="an unbroken chain of seals",
                    do="keep this database as it is and compare it with a backup",
                )
            previous = entry["digest"]
            is_known_seen |= known is not None and (known.seq, known.digest) == (seq, previous)
    if not is_known_seen:
        raise AuditBrokenError(
            f"the audit trail has no row with the seal known from row {known.seq if known else 0}",
            expected="the head given out earlier",
            do="the end of the trail was cut off or rewritten: compare with a backup",
        )
    return seq


def seal(entry: dict[str, Any]) -> str:
    """Return the digest an audit row should have: over the previous digest and all its values."""
    values = ("previous", "seq", "at", "actor", "reason", "tbl", "pk_value", "op", "old", "new")
    return _sha256(triggers.SEPARATOR.join(_text(entry[name]) for name in values))


def _text(value: Any) -> str:
    return triggers.NOTHING if value is None else str(value)


def _chunks(cursor: Any, *, size: int = 2000) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(size):
        yield from rows


def _present(connection: BaseDatabaseWrapper) -> dict[str, list[str]]:
    """Audited tables that exist, each with its columns as they are now."""
    with connection.cursor() as cursor:
        have = set(connection.introspection.table_names(cursor))
        tables = [t for t in triggers.AUDITED if t in have and triggers.TRAIL in have]
        return {table: _columns(cursor, table) for table in tables}


def _columns(cursor: Any, table: str) -> list[str]:
    cursor.execute(f"select * from {table} limit 0")  # noqa: S608  own names
    return sorted(column[0] for column in cursor.description if column[0] not in triggers.SECRET)


def history(table: str, pk: str) -> list[dict[str, Any]]:
    """Return what happened to one row, first change first: seq, at, actor, reason, op, changes.

    ``changes`` lists (column, old, new) of the columns that differ.
    """
    with default_connection.cursor() as cursor:
        cursor.execute(
            "select seq, at, actor, reason, op, old, new from audit "
            "where tbl = %s and pk_value = %s order by seq",
            [table, pk],
        )
        rows = cursor.fetchall()
    return [
        {
            **dict(zip(("seq", "at", "actor", "reason", "op"), row, strict=False)),
            "changes": _changes(*row[5:]),
        }
        for row in rows
    ]


def _changes(old: str | None, new: str | None) -> list[tuple[str, Any, Any]]:
    before, after = json.loads(old or "{}"), json.loads(new or "{}")
    names = sorted({*before, *after})
    return [(n, before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)]
