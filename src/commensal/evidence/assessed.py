"""Instruments scored at visits, each with the baseline that its response compares with."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from commensal.evidence.landmarks import UNKNOWN_COHORT
from commensal.study import Study
from commensal.vocabulary.instruments.declaration import instrument
from commensal.vocabulary.instruments.scoring import score
from commensal.vocabulary.windows import COHORTS, baseline_window


@dataclass(frozen=True)
class Assessed:
    """One instrument over the whole study.

    ``visits`` has one row per patient and attended visit: patient_id, visit_id, day (since index), and one
    column per score and per criterion. ``baseline`` has the one row per
    patient that is closest to index within the cohort's baseline window, with the same columns.
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
    columns = [entry.code for entry in (*declared.scores, *declared.criteria)]
    visits = (
        scored.select("patient_id", "visit_id", *columns)
        .join(days, on=["patient_id", "visit_id"])
        .sort("patient_id", "day", "visit_id")
    )
    return Assessed(code, visits, visits.join(before, on=["patient_id", "visit_id"], how="semi"))


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
