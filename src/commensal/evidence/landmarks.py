"""Landmarks: whose window has closed, and which visits lie in it.

Due depends on the index day, the close of the window and the data cut, and on nothing else. No outcome, no
visit and no death enters this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import narwhals as nw
import polars as pl

from commensal.errors import InputError, nearest
from commensal.study import Study
from commensal.study.facts_tools import since_index
from commensal.vocabulary.windows import COHORTS, landmarks, visits, window_table

UNKNOWN_COHORT = "retrospective"


def windows_of(overrides: Mapping[str, Mapping[str, Sequence[int]]] | None = None) -> pl.DataFrame:
    """Return [cohort, landmark, target, open, close] in days since index, with the analysis file's changes.

    ``overrides`` maps a cohort to visit → (first day, last day). Refuses (InputError) an unknown cohort or
    visit, a window that misses its target and windows of one cohort that overlap.
    """
    table = pl.DataFrame(window_table()).rename({"visit": "landmark"}).drop("is_landmark")
    for cohort, changes in (overrides or {}).items():
        _known(cohort, COHORTS, "cohort")
        for visit, (opens, closes) in changes.items():
            _known(visit, visits(), "visit")
            here = (pl.col("cohort") == cohort) & (pl.col("landmark") == visit)
            table = table.with_columns(
                open=pl.when(here).then(int(opens)).otherwise("open"),
                close=pl.when(here).then(int(closes)).otherwise("close"),
            )
    _check(table)
    return table


def _known(name: str, valid: Sequence[str] | Mapping[str, str], kind: str) -> None:
    if name not in valid:
        raise InputError(f"there is no {kind} {name!r}", expected=nearest(name, valid))


def _check(table: pl.DataFrame) -> None:
    ordered = table.sort("cohort", "target").with_columns(before=pl.col("close").shift(1).over("cohort"))
    astray = ordered.filter((pl.col("open") > pl.col("target")) | (pl.col("close") < pl.col("target")))
    overlapping = ordered.filter(pl.col("open") <= pl.col("before"))
    for rows, fault in ((astray, "misses its target day"), (overlapping, "overlaps the one before")):
        if rows.height:
            r = rows.row(0, named=True)
            raise InputError(
                f"window {r['landmark']} of {r['cohort']}, days {r['open']} to {r['close']}, {fault}",
                expected=f"a window around day {r['target']} that begins after the one before has closed",
            )


def due_at(cohort: pl.DataFrame, *, windows: pl.DataFrame, at: Sequence[str]) -> pl.DataFrame:
    """Return one row per patient and landmark: [patient_id, landmark, target, open, close, is_due].

    ``is_due`` is null where the index day or the data cut is unknown: nobody can say who is due. A patient
    whose cohort is unknown gets the (wider) retrospective windows.
    """
    for name in at:
        _known(name, landmarks(), "landmark")
    patients = cohort.select("patient_id", "cut_day", cohort=pl.col("cohort").fill_null(UNKNOWN_COHORT))
    return (
        patients.join(windows.filter(pl.col("landmark").is_in(list(at))), on="cohort")
        .with_columns(is_due=pl.col("close") <= pl.col("cut_day"))
        .select("patient_id", "landmark", "target", "open", "close", "is_due")
        .sort("patient_id", "target")
    )


def attended_visits(study: Study, cohort: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, visit_id, day] of every attended visit, day counted from index, sorted."""
    index = study.frame("patients").select("patient_id", "index_day")
    attended = study.frame("visits").filter(nw.col("status") == "attended")
    dated = attended.join(index, on="patient_id", how="inner").select(
        "patient_id", "visit_id", since_index("visited_day").alias("day")
    )
    rows = dated.collect("polars").to_native()
    return rows.join(cohort, on="patient_id", how="semi").sort("patient_id", "day", "visit_id")


def closest(rows: pl.DataFrame, due: pl.DataFrame, *, value: str) -> pl.DataFrame:
    """Return, for each patient and landmark, the row with a known ``value`` closest to the target day.

    A tie goes to the earlier day. Rows outside the window are never moved into it.
    """
    known = rows.filter(pl.col(value).is_not_null() & pl.col("day").is_not_null())
    inside = due.join(known, on="patient_id").filter(pl.col("day").is_between("open", "close"))
    away = (pl.col("day") - pl.col("target")).abs()
    return inside.sort("patient_id", "landmark", away, "day").unique(
        ["patient_id", "landmark"], keep="first", maintain_order=True
    )
