"""Freeze: the registry's rows as a study folder."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path

import polars as pl
from django.db import connection, transaction

from commensal.registry import audit
from commensal.registry.actions.custody import day_of
from commensal.registry.actions.people import people_twice
from commensal.registry.rows import all_frames, live_study
from commensal.registry.withheld import withhold
from commensal.study import Manifest, Study, write_study
from commensal.study.differences import differences, in_words


def freeze_rows(folder: Path | str, *, on: date, since: Study | None = None) -> Study:
    """Write every row as it is in one moment, without what a withdrawal forbids; the notes say how much.

    ``since`` is an earlier freeze: the manifest's changes then say what came, changed and went, by table.
    Refuses (AuditBrokenError) a trail that is not whole.
    """
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
        audit.verify()
        head = audit.head()
        frames, withheld = withhold(all_frames(), on=on)
        twice = people_twice()
    frames = {table: frame for table, frame in frames.items() if frame.height}
    manifest = Manifest(
        origin="registry",
        data_cut_day=day_of(on),
        changes=() if since is None else _changes(since, frames, on=on),
        notes=(
            f"audit trail: {head.seq} rows, head {head.digest}",
            *withheld.notes,
            *(f"one person under two pseudonyms: {one}, {other}" for one, other in twice),
        ),
    )
    return write_study(frames, folder, manifest=manifest)


def _changes(since: Study, frames: Mapping[str, pl.DataFrame], *, on: date) -> tuple[str, ...]:
    now = live_study(frames, on_day=day_of(on))
    lines = in_words(differences(since, now)) or ("nothing changed",)
    return (f"since the data {since.manifest.data_hash}:", *lines)
