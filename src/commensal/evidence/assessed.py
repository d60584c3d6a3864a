"""Instruments scored at visits, each with the baseline that its response compares with."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from commensal.evidence.landmarks import UNKNOWN_COHORT
from commensal.study import Study
from commensal.vocabulary.instruments.declaration import Instrument, instrument
from commensal.vocabulary.instruments.expressions import BASELINE, names
from commensal.vocabulary.instruments.scoring import score
from commensal.vocabulary.windows import COHORTS, baseline_window


@dataclass(frozen=True)
class Assessed:
    """One instrument over the whole study.

    ``visits`` has one row per patient and attended visit: patient_id, visit_id, day (since index), one column
    per score and per criterion, "baseline:…" of each score and "item:…" of items that criteria read alone.
    ``baseline`` has the one row per patient that is closest to index within the cohort's baseline window.
    """

    instrument: str
    visits: pl.DataFrame
    baseline: pl.DataFrame


def assess(study: Study, cohort: pl.DataFrame, visits: pl.DataFrame) -> dict[str, Assessed]:
    """Score every instrument the study holds, laboratory markers among them.

    A repeated assessment of one visit counts by its last.
    """
    columns = ["patient_id", "visit_id", "instrument", "item", "occurrence", "value"]
    recorded = study.read("assessments", columns=columns).join(
        visits.select("visit_id", "day"), on="visit_id"
    )
    long = pl.concat([recorded.select(*columns, "day"), _markers(study, cohort).select(*columns, "day")])
    latest = pl.col("occurrence").max().over("visit_id", "instrument")
    kept = long.filter((pl.col("occurrence") == latest) & pl.col("value").is_not_null())
    return {code: _assess(code, rows, cohort) for (code,), rows in _by_instrument(kept)}


def _by_instrument(rows: pl.DataFrame) -> list[tuple[tuple[str], pl.DataFrame]]:
    parts = rows.partition_by("instrument", as_dict=True)
    return sorted(((str(key[0]),), part) for key, part in parts.items())


def _assess(code: str, rows: pl.DataFrame, cohort: pl.DataFrame) -> Assessed:
    days = rows.select("patient_id", "visit_id", "day").unique()
    before = _baseline_visits(days, cohort)
    scored = score(code, rows, baseline_visits=before.select("patient_id", "visit_id"))
    declared = instrument(code)
    scores = [entry.code for entry in declared.scores]
    visits = (
        scored.select("patient_id", "visit_id", *scores, *(entry.code for entry in declared.criteria))
        .join(days, on=["patient_id", "visit_id"])
        .join(_items(rows, declared), on="visit_id", how="left")
        .sort("patient_id", "day", "visit_id")
    )
    baseline = visits.join(before, on=["patient_id", "visit_id"], how="semi")
    known = baseline.select("patient_id", *(pl.col(name).alias(BASELINE + name) for name in scores))
    return Assessed(code, visits.join(known, on="patient_id", how="left"), baseline)


def needed_columns(declared: Instrument, criterion: str) -> list[str]:
    """The columns of ``Assessed.visits`` that a criterion cannot do without: its scores, else its items."""
    read = sorted(names(declared.criterion(criterion).tree))
    scores = {score.code for score in declared.scores}
    return [n for n in read if n.removeprefix(BASELINE) in scores] or ["item:" + n for n in read]


def _items(rows: pl.DataFrame, declared: Instrument) -> pl.DataFrame:
    """One column for each item that some criterion reads without any score."""
    needed = {column for c in declared.criteria for column in needed_columns(declared, c.code)}
    items = sorted(column.removeprefix("item:") for column in needed if column.startswith("item:"))
    picked = [pl.col("value").filter(pl.col("item") == i).first().alias("item:" + i) for i in items]
    return rows.filter(pl.col("item").is_in(items)).group_by("visit_id").agg(picked)


def _baseline_visits(days: pl.DataFrame, cohort: pl.DataFrame) -> pl.DataFrame:
    """The visit closest to index inside the baseline window of the patient's cohort, one per patient."""
    spans = pl.DataFrame(
        [(name, *baseline_window(name)) for name in COHORTS],
        schema=["cohort", "first", "last"],
        orient="row",
    )
    named = cohort.select("patient_id", pl.col("cohort").fill_null(UNKNOWN_COHORT)).join(spans, on="cohort")
    inside = days.join(named, on="patient_id").filter(pl.col("day").is_between("first", "last"))
    return (
        inside.sort("patient_id", "day", "visit_id")
        .unique("patient_id", keep="last", maintain_order=True)
        .select("patient_id", "visit_id")
    )


MARKERS = ("calprotectin", "crp")


def _markers(study: Study, cohort: pl.DataFrame) -> pl.DataFrame:
    """Laboratory markers as one-item assessments, each sample a visit of its own."""
    rows = study.read(
        "lab_results", columns=["lab_result_id", "patient_id", "analyte", "value", "collected_day"]
    )
    marked = rows.filter(pl.col("analyte").is_in(MARKERS)).join(
        cohort.select("patient_id", "index_day"), on="patient_id"
    )
    return marked.select(
        "patient_id",
        visit_id=pl.format("laboratory {}", "lab_result_id"),
        instrument="analyte",
        item="analyte",
        occurrence=pl.lit(1, dtype=pl.Int64),
        value="value",
        day=(pl.col("collected_day") - pl.col("index_day")).cast(pl.Int64),
    )
