"""What the registry holds of what a file speaks of, at one centre: read once, before rows are compared."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
from django.utils import timezone

from commensal.registry.actions.desk import PREFIX, next_id
from commensal.registry.comparing import IMPORTED, PEOPLE, Known, stored
from commensal.registry.models import MODELS
from commensal.registry.permitted import of_each, permitted
from commensal.registry.scope import within
from commensal.registry.vault import Vault
from commensal.study.declaration import Table
from commensal.study.inputs import INPUTS

NAMESPACE = uuid.UUID("6f1b3d5e-52b1-5c0f-9d2a-7d0f6a1c9e11")
CHUNK = 500
Frames = Mapping[str, pl.DataFrame]
Rows = dict[str, dict[str, Any]]


def origin_mark(vault: Vault, upload: Any, table: str, key: str) -> str:
    """Return the keyed digest by which a row of a source is told again."""
    return vault.mark("origin", upload.site_id, upload.source, table, key)


def known_of(upload: Any, frames: Frames, *, vault: Vault) -> Known:
    """Return everything the comparison of a file needs to know."""
    site, has_ids = upload.site_id, bool(upload.has_registry_ids)
    origins = _origins(upload, frames, vault)
    rows = {
        t: _rows(t, _keys(t, frames, origins, has_ids), site) for t in IMPORTED if len(INPUTS[t].key) == 1
    }
    natural = [t for t in frames if t in IMPORTED and len(INPUTS[t].key) > 1]
    return Known(
        site=site,
        today=timezone.localdate(),
        has_registry_ids=has_ids,
        origins=origins,
        rows=rows,
        natural={t: _natural(t, frames[t], origins, rows, site) for t in natural},
        numbers={t: (PREFIX[t], int(next_id(t).removeprefix(PREFIX[t]))) for t in IMPORTED if t in PREFIX},
        make_key=lambda table, key: uuid.uuid5(NAMESPACE, origin_mark(vault, upload, table, key)).hex,
        closed=_closed(rows["patients"]),
    )


def _named(frames: Frames) -> set[tuple[str, str]]:
    """Every (table, key) the file speaks of: its rows and what they refer to."""
    found: set[tuple[str, str]] = set()
    for name, frame in frames.items():
        table = INPUTS[name]
        if len(table.key) == 1 and table.key[0] in frame.columns:
            found |= {(name, key) for key in frame[table.key[0]].drop_nulls().to_list()}
        for column in table.declared:
            if column.references and column.name in frame.columns:
                found |= {(column.references, key) for key in frame[column.name].drop_nulls().to_list()}
    return found


def _origins(upload: Any, frames: Frames, vault: Vault) -> dict[tuple[str, str], str]:
    marks = {origin_mark(vault, upload, table, key): (table, key) for table, key in _named(frames)}
    known = MODELS["origins"].objects.filter(site=upload.site_id, source=upload.source)
    rows = known.values_list("source_mark", "row_key").iterator(chunk_size=2000)
    return {marks[mark]: row_key for mark, row_key in rows if mark in marks}


def _keys(table: str, frames: Frames, origins: Mapping[tuple[str, str], str], has_ids: bool) -> set[str]:
    keys = {row_key for (name, _), row_key in origins.items() if name == table}
    if has_ids and table in PEOPLE:
        keys |= {key for name, key in _named(frames) if name == table}
    return keys


def _rows(table: str, keys: Iterable[str], site: str) -> Rows:
    """Rows of the centre by key, as declared values."""
    names = [c.name for c in INPUTS[table].declared]
    listed, found = sorted(keys), {}
    for start in range(0, len(listed), CHUNK):
        rows = within(table, sites=[site]).filter(pk__in=listed[start : start + CHUNK]).values_list(*names)
        found |= {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    return found


def _natural(
    table: str,
    frame: pl.DataFrame,
    origins: Mapping[tuple[str, str], str],
    rows: Mapping[str, Rows],
    site: str,
) -> dict[tuple[Any, ...], tuple[Any, dict[str, Any]]]:
    """Rows that several columns tell, of the parents the file speaks of."""
    declared = INPUTS[table]
    parent = next(c for c in declared.declared if c.name in declared.key and c.references)
    given = frame[parent.name].drop_nulls().unique().to_list() if parent.name in frame.columns else []
    keys = sorted(
        {origins.get((parent.references, key), key) for key in given} & set(rows[parent.references])
    )
    names, found = [c.name for c in declared.declared], {}
    for start in range(0, len(keys), CHUNK):
        chosen = {f"{parent.name}__in": keys[start : start + CHUNK]}
        for pk, *row in within(table, sites=[site]).filter(**chosen).values_list("pk", *names):
            values = dict(zip(names, row, strict=True))
            found[_natural_key(declared, values)] = (pk, values)
    return found


def _natural_key(table: Table, values: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(values.get(stored(name, table)) for name in table.key)


def _closed(patients: Rows) -> dict[str, str]:
    """Patients about whom nothing may be taken from records any more, and why."""
    keys, found = sorted(patients), {}
    for start in range(0, len(keys), CHUNK):
        some = keys[start : start + CHUNK]
        consents = of_each(MODELS["consents"].objects.filter(patient__in=some).values())
        ends = of_each(MODELS["dispositions"].objects.filter(patient__in=some).values())
        for patient in {*consents, *ends}:
            may = permitted(consents.get(patient, ()), ends.get(patient, ()), on=timezone.localdate())
            if not may.may_extract_records:
                found[patient] = f"the patient withdrew ({may.level or 'level not recorded'})"
    return found
