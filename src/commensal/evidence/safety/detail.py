"""Adverse events in detail: every term of the list, grade, cause and criterion, and what was given.

Every word of a closed list has its row, with or without events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from commensal.evidence.material import session_material
from commensal.evidence.rows import rows_of
from commensal.evidence.safety.incidence import with_caution
from commensal.evidence.safety.person_time import first_event_rate
from commensal.evidence.safety.published import with_published
from commensal.evidence.safety.records import SafetyRecords, cautions
from commensal.evidence.safety.shares import ratios, share_of_patients, share_of_procedures
from commensal.study import Study
from commensal.vocabulary.adverse_events import adverse_events, causality_categories, seriousness_criteria

RELATED_TO = ("delivery", "microbiota", "disease", "concomitant", "other")
NOT_RECORDED = "not recorded"


def splits() -> dict[str, dict[str, pl.Expr]]:
    """Group variable → level → which events: every level of each closed list, and what is not recorded."""
    split: dict[str, dict[str, pl.Expr]] = {
        "term": {entry.code: pl.col("term") == entry.code for entry in adverse_events()},
        "grade": {str(grade): pl.col("grade") == grade for grade in range(1, 6)},
        "causality": {entry.code: pl.col("causality") == entry.code for entry in causality_categories()},
        "related_to": {word: pl.col("related_to") == word for word in RELATED_TO},
        "seriousness_criterion": {
            entry.code: pl.col("seriousness_criteria").str.split(";").list.contains(entry.code)
            for entry in seriousness_criteria()
        },
    }
    for column in ("term", "grade", "causality", "related_to"):
        split[column][NOT_RECORDED] = pl.col(column).is_null()
    split["seriousness_criterion"][NOT_RECORDED] = (
        pl.col("is_serious") & pl.col("seriousness_criteria").is_null()
    )
    return split


def details(records: SafetyRecords, *, level: float) -> pl.DataFrame:
    """Return ``estimates`` rows of adverse events by term, grade, causality, relation and criterion.

    Units as :func:`incidence.adverse_event_incidence`; terms also as first events per 100 person-years.
    """
    parts = [
        part.with_columns(
            endpoint=pl.lit("adverse_event"), group_variable=pl.lit(variable), group_level=pl.lit(word)
        )
        for variable, levels in splits().items()
        for word, condition in levels.items()
        for part in _of_level(variable, condition, records, level=level)
    ]
    return with_published(rows_of("estimates", [pl.concat(parts, how="diagonal_relaxed")]))


def _of_level(
    variable: str, condition: pl.Expr, records: SafetyRecords, *, level: float
) -> Iterator[pl.DataFrame]:
    kind = records.used.filter(condition)
    said = cautions(records.events.filter(condition))
    yield with_caution(share_of_procedures(kind, records, level=level), said)
    yield with_caution(share_of_patients(kind, records, level=level), said)
    if variable == "term":
        yield with_caution(first_event_rate(kind, records.patients, level=level), said)


# Lots and donors: which kind of event brings one a row of its own.
OWN_ROW: Mapping[str, str] = {"donor": "adverse_event", "lot": "serious_suspected_reaction"}
COLUMNS = {"donor": "donor_id", "lot": "batch_id"}


def by_material(
    study: Study, cohort: pl.DataFrame, records: SafetyRecords, *, kinds: Mapping[str, pl.Expr], level: float
) -> pl.DataFrame:
    """Return ``estimates`` rows per donor and per lot with an event, and one row for all those without.

    A session of several donors or lots counts for each. Donors have a row where any adverse event followed
    their material, lots where a serious suspected reaction did; nobody is left out: the row "without" counts
    the rest. These are counts, not risk-adjusted comparisons.
    """
    material = session_material(study, cohort).join(
        records.procedures.select("session_id", "is_ascertained"), on="session_id"
    )
    parts = [
        _of_material(variable, endpoint, records.used.filter(kinds[endpoint]), material, records, level=level)
        for variable, endpoint in OWN_ROW.items()
    ]
    return rows_of("estimates", parts)


def _of_material(
    variable: str,
    endpoint: str,
    kind: pl.DataFrame,
    material: pl.DataFrame,
    records: SafetyRecords,
    *,
    level: float,
) -> pl.DataFrame:
    hit = kind.select(session_id="after").drop_nulls().unique().with_columns(is_hit=True)
    given = (
        material.with_columns(pl.col(COLUMNS[variable]).fill_null("unknown"))
        .unique(["session_id", COLUMNS[variable]], maintain_order=True)
        .join(hit, on="session_id", how="left")
        .with_columns(pl.col("is_hit").fill_null(False))
    )
    name = pl.col(COLUMNS[variable])
    counted = pl.col("is_hit") & pl.col("is_ascertained")
    has_any = counted.any().over(name)
    n_without = given.filter(~has_any)[COLUMNS[variable]].n_unique()
    rest = pl.lit(f"the {n_without} {variable}s without such an event")
    marked = given.with_columns(group_level=pl.when(has_any).then(name).otherwise(rest)).unique(
        ["group_level", "session_id"], maintain_order=True
    )
    said = "procedures with this material; not adjusted for who received it"
    if marked.is_empty():
        return marked.select("patient_id").clear()
    return with_caution(ratios(marked, level=level), said).with_columns(
        endpoint=pl.lit(endpoint),
        unit=pl.lit("per_procedure"),
        population=pl.lit(records.window.per_procedure),
        estimand=pl.lit("at least one event within the window; every session counts"),
        group_variable=pl.lit(variable),
    )
