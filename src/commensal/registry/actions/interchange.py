"""Changes that come from files: laid before the registry, looked at, then all of it or nothing."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction

from commensal.errors import CommensalError, Problem, RefusedError
from commensal.formats.doors import parse_mapping
from commensal.formats.imported import Draft
from commensal.formats.mapping import read_plan
from commensal.formats.sheets import Sheet
from commensal.registry import staged
from commensal.registry.actions.desk import Desk, action, checked_values
from commensal.registry.actions.known import known_of, origin_mark
from commensal.registry.actions.people import the_vault
from commensal.registry.comparing import ADD, CHANGE, IMPORTED, Comparison, Known, Step, compare
from commensal.registry.fields import attribute_name
from commensal.registry.models import MODELS
from commensal.registry.scope import within
from commensal.study.inputs import INPUTS

KEPT_DAYS = 7
CHUNK = 500


@action("data_manager")
def lay_before(
    desk: Desk,
    *,
    site: str,
    content: bytes,
    file_name: str,
    format_name: str,
    source: str,
    has_registry_ids: bool,
    mapping: str | None = None,
) -> Any:
    """Keep a file to be looked at. Refuses (InputError) one that is too large or of no known kind."""
    centre = desk.one("sites", site)
    name = Path(file_name.replace("\\", "/")).name[-120:] or "file"
    staged.demand_bounded(content, name=name)
    _forget_old(desk)
    row = desk.add(
        "uploads",
        site_id=centre.pk,
        source=source.strip(),
        file_name=name,
        format=format_name,
        has_registry_ids=has_registry_ids,
        sha256=hashlib.sha256(content).hexdigest(),
        n_bytes=len(content),
        mapping=mapping or None,
        stage="laid_before",
        uploaded_by=desk.name,
        uploaded_at=_now(),
    )
    staged.keep(content, name=row.pk, folder=settings.FOLDER, vault=the_vault())
    return row


def _now() -> datetime:
    return datetime.now(UTC)


def _forget_old(desk: Desk) -> None:
    """Discard files that nobody decided on: they may name people."""
    old = within("uploads", sites=desk.sites).filter(
        stage="laid_before", uploaded_at__lt=_now() - timedelta(days=KEPT_DAYS)
    )
    for row in old:
        _close(desk, row, "discarded")


def _close(desk: Desk, row: Any, stage: str, **counts: int) -> None:
    desk.change(row, stage=stage, closed_at=_now(), **counts)
    pk = row.pk
    transaction.on_commit(lambda: staged.drop(pk, folder=settings.FOLDER))


@action("data_manager")
def discard_upload(desk: Desk, *, upload: str) -> Any:
    """Discard a file that was laid before the registry."""
    row = _open_upload(desk, upload)
    _close(desk, row, "discarded")
    return row


def _open_upload(desk: Desk, upload: str) -> Any:
    row = desk.one("uploads", upload, is_locked=True)
    if row.stage != "laid_before":
        raise RefusedError(f"this file was {row.stage} already", do="bring it in again")
    return row


@action("data_manager")
def map_upload(desk: Desk, *, upload: str, mapping: str) -> Any:
    """Say how the columns of a file are read. Refuses (InputError) a mapping with faults."""
    read_plan(parse_mapping(mapping, name="the mapping"))
    return desk.change(_open_upload(desk, upload), mapping=mapping)


@action("data_manager")
def save_mapping(desk: Desk, *, site: str, name: str, content: str) -> Any:
    """Save a mapping under a name, for the next file like this one; one of that name is replaced."""
    read_plan(parse_mapping(content, name="the mapping"))
    said = {"content": content, "saved_by": desk.name, "saved_at": _now()}
    before = within("mappings", sites=desk.sites).filter(site=site, name=name.strip()).first()
    if before is not None:
        return desk.change(before, **said)
    return desk.add("mappings", site_id=desk.one("sites", site).pk, name=name.strip(), **said)


def opened(row: Any) -> AbstractContextManager[Path]:
    """Give the file of an upload in clear, under its own name."""
    return staged.opened(row.pk, as_name=row.file_name, folder=settings.FOLDER, vault=the_vault())


def read_upload(row: Any) -> Draft:
    """Read the file of an upload by its mapping, with its faults."""
    with opened(row) as path:
        return staged.read_draft(path, format_name=row.format, mapping=row.mapping)


def dry_run(*, by: Any, upload: str) -> Comparison:
    """Return what an import would do, tried on the database and taken back.

    What the database itself would refuse is among the problems. Refuses (CommensalError) a file that cannot
    be read at all.
    """
    found: list[Comparison] = []
    try:
        _try(by=by, upload=upload, found=found)
    except _TakenBackError:
        pass
    except (IntegrityError, DataError) as error:
        found[0] = _with_refusal(found[0], str(error))
    except CommensalError as error:
        if not found:
            raise
        found[0] = _with_refusal(found[0], str(error))
    return found[0]


class _TakenBackError(Exception):
    """Ends a trial: whatever it wrote is taken back with its transaction."""


def _with_refusal(comparison: Comparison, why: str) -> Comparison:
    fault = Problem("registry", 0, "", "", "database", why.strip())
    return Comparison(comparison.steps, (*comparison.problems, fault))


@action("data_manager")
def _try(desk: Desk, *, upload: str, found: list[Comparison]) -> None:
    row = _open_upload(desk, upload)
    found.append(_compared(row))
    if found[0].may_go:
        _write(desk, row, found[0])
        connection.check_constraints()
    raise _TakenBackError


@action("data_manager", needs_reason=True)
def apply_upload(desk: Desk, *, upload: str, digest: str) -> Any:
    """Import a file that was looked at: every row of it, or none.

    ``digest`` is what the dry run showed; where file or registry has changed since, nothing is imported.
    """
    row = _open_upload(desk, upload)
    comparison = _compared(row)
    if comparison.digest != digest:
        raise RefusedError("the registry has changed since you looked", do="look at the file again")
    if not comparison.may_go:
        raise RefusedError(
            f"{comparison.n_refused} rows or cells are refused, or nothing is new", do="correct the file"
        )
    _write(desk, row, comparison)
    verdicts = [step.verdict for step in comparison.steps]
    _close(
        desk,
        row,
        "imported",
        n_added=verdicts.count(ADD),
        n_changed=verdicts.count(CHANGE),
        n_same=len(verdicts) - verdicts.count(ADD) - verdicts.count(CHANGE),
    )
    return row


def _compared(row: Any) -> Comparison:
    draft = read_upload(row)
    known = known_of(row, draft.frames, vault=the_vault())
    problems = [*draft.problems, *_doubts(row, known)]
    return compare(draft.frames, places=draft.places, known=known, problems=problems)


def _doubts(row: Any, known: Known) -> Iterable[Problem]:
    """Say when a source that was imported before is told again by none of its rows."""
    n_before = MODELS["origins"].objects.filter(site=row.site_id, source=row.source).count()
    if n_before and not known.origins:
        why = (
            f"{n_before} rows came from this source before, and none is in this file: is it the same source?"
        )
        yield Problem(row.file_name, 0, "", row.source, "source_unknown", why, severity="warning")


def _written_values(step: Step) -> dict[str, Any]:
    table = INPUTS[step.table]
    values = dict(step.values)
    if len(table.key) == 1 and step.verdict == ADD:
        values[table.key[0]] = step.row_key
    return checked_values(step.table, values, is_partial=step.verdict == CHANGE)


def _write(desk: Desk, upload: Any, comparison: Comparison) -> None:
    """Write what was compared: parents first, every row checked again and remembered by its key."""
    steps = [s for s in comparison.steps if s.verdict in (ADD, CHANGE)]
    order = {table: i for i, table in enumerate(IMPORTED)}
    by_table: dict[str, list[Step]] = {}
    for step in sorted(steps, key=lambda s: order[s.table]):
        by_table.setdefault(step.table, []).append(step)
    for table, found in by_table.items():
        _add(table, [s for s in found if s.verdict == ADD], upload.site_id)
        for step in (s for s in found if s.verdict == CHANGE):
            row = within(table, sites=[upload.site_id]).get(pk=step.row_key)
            desk.change(row, **_written_values(step))
    _remember(upload, [s for s in steps if s.verdict == ADD and len(INPUTS[s.table].key) == 1])


def _add(table: str, steps: list[Step], site: str) -> None:
    declared, model = INPUTS[table], MODELS[table]
    made = [
        model(**{attribute_name(declared[n]): v for n, v in _written_values(step).items()}) for step in steps
    ]
    rows = model.objects.bulk_create(made, batch_size=CHUNK)
    n_seen = sum(
        within(table, sites=[site]).filter(pk__in=[r.pk for r in rows[i : i + CHUNK]]).count()
        for i in range(0, len(rows), CHUNK)
    )
    if n_seen != len(rows):
        raise RefusedError(f"{len(rows) - n_seen} rows of {table} would belong to another centre")


def _remember(upload: Any, steps: list[Step]) -> None:
    vault, model = the_vault(), MODELS["origins"]
    model.objects.bulk_create(
        [
            model(
                origin_id=uuid.uuid4().hex,
                site_id=upload.site_id,
                source=upload.source,
                of_table=step.table,
                source_mark=origin_mark(vault, upload, step.table, step.source_key),
                row_key=step.row_key,
                upload_id=upload.pk,
            )
            for step in steps
        ],
        batch_size=CHUNK,
    )


def peek_upload(row: Any) -> Sheet:
    """Return the columns of an upload's file with their cells, as they stand."""
    with opened(row) as path:
        return staged.peek(path, format_name=row.format, mapping=row.mapping)
