"""The move of a whole registry from SQLite to PostgreSQL: every row, the audit trail with its seals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.color import no_style
from django.db import connection, connections, transaction
from django.db.models import Model

from commensal.errors import InputError, RefusedError
from commensal.registry import audit, keeping

ROWS_AT_ONCE = 1000


def move_rows(path: Path) -> dict[str, Any]:
    """Copy every row of a SQLite registry into this empty one; see ``commensal.registry.move``.

    The triggers step aside, within the one transaction, for rows that bring their audit trail with them.
    """
    if connection.vendor != "postgresql":
        raise InputError("the registry to move into is not PostgreSQL", do="name one with DATABASE_URL")
    if not path.exists():
        raise InputError(f"there is no {path}", expected="the folder of a SQLite registry")
    filled = [m._meta.db_table for m in keeping.kept_models() if not keeping.is_empty(m)]
    if filled:
        raise RefusedError(
            f"the registry to move into has rows already: {', '.join(filled[:3])}",
            expected="an empty database",
        )
    with keeping.opened(path, alias="source") as source, transaction.atomic(using=source):
        if keeping.applied(source) != keeping.applied("default"):
            raise RefusedError(
                "the SQLite registry is of another version",
                do="start it once with this version (`commensal serve`), then move it",
            )
        audit.demand_whole(connections[source])
        head = audit.head(connection=connections[source])
        wanted = keeping.digests(using=source)
        with transaction.atomic():
            audit.remove(connection)
            for model in keeping.kept_models():
                _copy(model, source=source)
            _continue_numbers()
            audit.install(connection)
            connection.check_constraints()
            audit.verify(known=head)
            keeping.demand_equal(wanted, keeping.digests())
        audit.demand_whole(connection)
    return wanted


def _copy(model: type[Model], *, source: str) -> None:
    rows = model._default_manager.using(source).order_by("pk").iterator(chunk_size=ROWS_AT_ONCE)
    for some in _batches(rows):
        model._default_manager.bulk_create(some)


def _batches(rows: Any) -> Any:
    some: list[Any] = []
    for row in rows:
        some.append(row)
        if len(some) == ROWS_AT_ONCE:
            yield some
            some = []
    if some:
        yield some


def _continue_numbers() -> None:
    """Let numbered keys go on after the highest that came with the rows."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), keeping.kept_models()):
            cursor.execute(statement)
