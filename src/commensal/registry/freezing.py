"""Freeze: the registry's rows as a study folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from django.db import connection, transaction

from commensal.registry import audit
from commensal.registry.actions.custody import day_of
from commensal.registry.rows import all_frames
from commensal.study import Manifest, Study, write_study


def freeze_rows(folder: Path | str, *, on: date) -> Study:
    """Write every row as it is in one moment. Refuses (AuditBrokenError) a trail that is not whole."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if is_outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("set transaction isolation level repeatable read, read only")
        audit.verify()
        head = audit.head()
        frames = {table: frame for table, frame in all_frames().items() if frame.height}
    manifest = Manifest(
        origin="registry",
        data_cut_day=day_of(on),
        notes=(f"audit trail: {head.seq} rows, head {head.digest}",),
    )
    return write_study(frames, folder, manifest=manifest)
