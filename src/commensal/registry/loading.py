"""Load a study into an empty registry: the way a centre's history, or a demonstration, gets in."""

from __future__ import annotations

import polars as pl
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from commensal.bank import fold
from commensal.bank.stock import events_of
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.custody import project
from commensal.registry.audit import acting
from commensal.registry.fields import attribute_name
from commensal.registry.models import MODELS, TABLES
from commensal.registry.site import refuse_patient_clock
from commensal.study import Study
from commensal.study.inputs import INPUTS

SELF_REFERENCES = {"screenings": "supersedes", "custody": "corrects"}
CHUNK = 500


def load_study(study: Study) -> dict[str, int]:
    """Insert every row of the tables the registry records; see ``commensal.registry.load``."""
    refuse_patient_clock(study)
    if MODELS["patients"].objects.exists() or MODELS["donors"].objects.exists():
        raise RefusedError("the registry holds patients or donors already", expected="an empty registry")
    counts = {}
    with acting("load", reason=f"load of a study from {study.manifest.origin}"):
        for table in TABLES:
            counts[table] = _insert(table, study.read(table))
        _project(study)
    return {table: n for table, n in counts.items() if n}


def _insert(table: str, frame: pl.DataFrame) -> int:
    columns = [column.name for column in INPUTS[table].declared]
    names = [attribute_name(column) for column in INPUTS[table].declared]
    frame = _parents_first(frame.select(columns), table)
    model = MODELS[table]
    try:
        for chunk in frame.iter_slices(CHUNK):
            rows = [dict(zip(names, row, strict=True)) for row in chunk.iter_rows()]
            model.objects.bulk_create([model(**row) for row in rows])
    except (IntegrityError, ValidationError, ValueError) as error:
        raise InputError(
            f"table {table} does not fit the registry: {error}",
            expected="rows that `commensal check` finds nothing against",
            do="check the study; nothing was loaded",
        ) from error
    return frame.height


def _parents_first(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Rows that refer to rows of their own table come after them."""
    if table in SELF_REFERENCES:
        return frame.sort(SELF_REFERENCES[table], nulls_last=False)
    return frame


def _project(study: Study) -> None:
    events = events_of(study.read("custody"))
    for unit in MODELS["units"].objects.filter(pk__in=events).iterator() if events else ():
        project(unit, fold(events[unit.pk], pathway=unit.release_pathway))
