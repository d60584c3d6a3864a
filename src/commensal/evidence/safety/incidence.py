"""Adverse events: per procedure, per patient and per 100 person-years, over those ascertained."""

from __future__ import annotations

import polars as pl

from commensal.evidence.rows import reason_row, rows_of
from commensal.evidence.safety.person_time import rates
from commensal.evidence.safety.published import with_published
from commensal.evidence.safety.records import (
    GROUPS,
    RESTS_ON,
    SafetyRecords,
    Window,
    cautions,
    kinds_of_event,
)
from commensal.evidence.safety.shares import share_of_patients, share_of_procedures

NOT_RECORDED = "the study records no adverse events: that is no evidence that there were none"
NOBODY_TREATED = "nobody received a transplant"


def refusal(treated: pl.DataFrame, *, window: Window, level: float) -> pl.DataFrame:
    """The row that says why there are no figures: nothing recorded, or nobody treated."""
    return reason_row(
        "estimates",
        endpoint="adverse_event",
        population=window.per_patient,
        group_variable="all",
        group_level="all",
        n=0,
        n_due=treated.height,
        n_missing=treated.height,
        level=level,
        unit="per_patient",
        reason=NOT_RECORDED if treated.height else NOBODY_TREATED,
    )


def incidence(records: SafetyRecords, *, level: float) -> pl.DataFrame:
    """Every kind of event in every unit, over all, by route and by cohort."""
    parts = [part for endpoint in kinds_of_event() for part in _of_kind(endpoint, records, level=level)]
    return with_published(rows_of("estimates", [pl.concat(parts, how="diagonal_relaxed")]))


def _of_kind(endpoint: str, records: SafetyRecords, *, level: float) -> list[pl.DataFrame]:
    condition = kinds_of_event()[endpoint]
    kind = records.used.filter(condition)
    rests_on = RESTS_ON.get(endpoint, ())
    # An event whose kind is not recorded may be one of these: its faults and its silence are both told.
    unsure = records.events.filter(condition.fill_null(True))
    made = [share_of_procedures(kind, records, by=by, level=level) for by in GROUPS]
    made += [share_of_patients(kind, records, by=by, level=level) for by in GROUPS]
    made += [rates(kind, records.patients, by=by, level=level) for by in GROUPS]
    said = cautions(unsure, rests_on=rests_on)
    return [with_caution(part, said).with_columns(endpoint=pl.lit(endpoint)) for part in made]


def with_caution(rows: pl.DataFrame, said: str | None) -> pl.DataFrame:
    """Add words to the reason of every row."""
    both = pl.concat_str([pl.col("reason"), pl.lit(said)], separator="; ", ignore_nulls=True)
    return rows.with_columns(reason=both.replace("", None))
