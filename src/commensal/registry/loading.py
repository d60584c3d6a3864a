"""Load a study into an empty registry: the way a centre's history, or a demonstration, gets in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
from django.db import DataError, IntegrityError, connection

from commensal.bank import fold
from commensal.bank.stock import events_of
from commensal.errors import InputError, RefusedError
from commensal.registry.audit import acting
from commensal.registry.models import MODELS
from commensal.registry.tables import TABLES
from commensal.study import Study
from commensal.study.declaration import Kind
from commensal.study.inputs import INPUTS

SELF_REFERENCES = {"screenings": "supersedes", "custody": "corrects"}


def load_study(study: Study) -> dict[str, int]:
    """Insert every row of the tables the registry records; see ``commensal.registry.load``.

    The tables of the sequencer (samples, taxa, abundances …) stay in the study folder; ``merge`` joins them
    to a later freeze. Foreign keys are checked when the transaction ends.
    """
    _refuse_patient_clock(study)
    if MODELS["patients"].objects.exists() or MODELS["donors"].objects.exists():
        raise RefusedError("the registry holds patients or donors already", expected="an empty registry")
    counts = {}
    with acting("load", reason=f"load of a study from {study.manifest.origin}"):
        for table in TABLES:
            frame = study.read(table).select(column.name for column in INPUTS[table].declared)
            counts[table] = _insert(table, _projected(frame, study) if table == "units" else frame)
        with _in_words("the study"):
            connection.check_constraints()
    return {table: n for table, n in counts.items() if n}


def _refuse_patient_clock(study: Study) -> None:
    """Refuse (InputError) a study that has no calendar dates."""
    if study.manifest.clock != "calendar":
        raise InputError(
            "the study counts days from each patient's index and has no dates",
            expected="a study on a calendar clock",
            do="analyse it as a folder; the registry records dates",
        )


def _insert(table: str, frame: pl.DataFrame) -> int:
    """Insert rows as they are: through the database's own checks and triggers, without the ORM's cost."""
    kinds = {column.name: column.kind for column in INPUTS[table].declared}
    marks = ", ".join(["%s"] * frame.width)
    adapted = [_ADAPT.get(kinds.get(name, Kind.TEXT), _as_it_is) for name in frame.columns]
    rows = [
        tuple(None if value is None else adapt(value) for adapt, value in zip(adapted, row, strict=True))
        for row in _parents_first(frame, table).iter_rows()
    ]
    with _in_words(f"table {table}"), connection.cursor() as cursor:
        cursor.executemany(
            f"insert into {table} ({', '.join(frame.columns)}) values ({marks})",  # noqa: S608  own names
            rows,
        )
    return frame.height


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Turn the database's refusal into an error that a user can act on."""
    try:
        yield
    except (IntegrityError, DataError) as error:
        raise InputError(
            f"{what} does not fit the registry: {error}",
            expected="a study that `commensal check` finds nothing against",
            do="check the study; nothing was loaded",
        ) from error


def _as_it_is(value: Any) -> Any:
    return value


_ADAPT: dict[Kind, Callable[[Any], Any]] = {
    Kind.DATE: lambda value: connection.ops.adapt_datefield_value(value),
    Kind.INSTANT: lambda value: connection.ops.adapt_datetimefield_value(value),
}


def _parents_first(frame: pl.DataFrame, table: str) -> pl.DataFrame:
    """Rows that refer to rows of their own table come after them."""
    if table in SELF_REFERENCES:
        return frame.sort(SELF_REFERENCES[table], nulls_last=False)
    return frame


def _projected(units: pl.DataFrame, study: Study) -> pl.DataFrame:
    """The units with what their custody events add up to."""
    events = events_of(study.read("custody"))
    states = [
        fold(events.get(unit, []), pathway=pathway)
        for unit, pathway in units.select("unit_id", "release_pathway").iter_rows()
    ]
    return units.with_columns(
        pl.Series("custody_state", [state.custody for state in states], dtype=pl.String),
        pl.Series("is_released", [state.is_released for state in states], dtype=pl.Boolean),
        pl.Series("fraction_left", [state.fraction_left for state in states], dtype=pl.Float64),
        pl.Series("reserved_for", [state.reserved_for for state in states], dtype=pl.String),
    )
