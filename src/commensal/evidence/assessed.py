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

    ``visits`` has one row per patient and attended visit: patient_id, visit_id, day (since index), score and
    one column per criterion of the instrument. ``baseline`` has the one row per patient that is closest to
    index within the cohort's baseline window, with the same columns.
    """

    instrument: str
    visits: pl.DataFrame
    baseline: pl.DataFrame


def assess(study: Study, cohort: pl.DataFrame, visits: pl.DataFrame) -> dict[str, Assessed]:
    """Score every instrument the study holds. A repeated assessment of one visit counts by its last."""
    long = study.read(
        "assessments", columns=["visit_id", "patient_id", "instrument", "item", "occurrence", "value"]
    )
    long = long.join(visits.select("visit_id", "day"), on="visit_id")
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
    criteria = [criterion.code for criterion in instrument(code).criteria]
    visits = (
        scored.select("patient_id", "visit_id", "score", *criteria)
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
