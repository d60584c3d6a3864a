"""Times of first remission and of relapse after it, with death and colectomy competing.

Status is known at visits only: a change is dated at the visit that found it (interval-censored data on a
right-censored time).
"""

from __future__ import annotations

import polars as pl

CAUSES = {1: "event", 2: "death", 3: "colectomy"}


def time_to_remission(status: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, time, event] from index: 1 first remission, 2 death, 3 colectomy, 0 censored.

    ``status`` has [patient_id, day, is_remission] of every evaluable visit after index; ``patients`` has
    patient_id, days_to_death and days_to_colectomy. A patient without evaluable visit or competing event
    never was under observation and is left out. Censoring is at the last evaluable visit.
    """
    seen = (
        evaluable(status)
        .group_by("patient_id")
        .agg(reached=pl.col("day").filter(pl.col("is_remission")).min(), last=pl.col("day").max())
    )
    return _first_of(patients.join(seen, on="patient_id", how="left"), origin=pl.lit(0))


def time_to_relapse(status: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, time, event] from *first* remission: 1 relapse, 2 death, 3 colectomy, 0 censored.

    Only patients who reached remission are at risk; a later visit without remission is relapse.
    """
    first = first_remissions(status)
    later = evaluable(status).join(first, on="patient_id").filter(pl.col("day") > pl.col("origin"))
    seen = later.group_by("patient_id").agg(
        reached=pl.col("day").filter(~pl.col("is_remission")).min(), last=pl.col("day").max()
    )
    at_risk = patients.join(first, on="patient_id").join(seen, on="patient_id", how="left")
    return _first_of(at_risk, origin=pl.col("origin"))


def evaluable(status: pl.DataFrame) -> pl.DataFrame:
    """The visits after index at which the status is known."""
    return status.filter((pl.col("day") > 0) & pl.col("is_remission").is_not_null())


def first_remissions(status: pl.DataFrame) -> pl.DataFrame:
    """[patient_id, origin]: the day of each patient's first remission."""
    found = evaluable(status).filter("is_remission")
    return found.group_by("patient_id").agg(origin=pl.col("day").min())


def _first_of(frame: pl.DataFrame, *, origin: pl.Expr) -> pl.DataFrame:
    """The first of: the event found at a visit, death, colectomy; else censored at the last visit."""
    competing = pl.min_horizontal("days_to_death", "days_to_colectomy")
    competing = pl.when(competing > origin).then(competing)
    found = pl.col("reached").is_not_null() & (pl.col("reached") <= competing.fill_null(pl.col("reached")))
    cause = pl.when(pl.col("days_to_death") == competing).then(2).otherwise(3)
    return (
        frame.with_columns(
            time=pl.when(found)
            .then("reached")
            .when(competing.is_not_null())
            .then(competing)
            .otherwise("last")
            - origin,
            event=pl.when(found).then(1).when(competing.is_not_null()).then(cause).otherwise(0),
        )
        .filter(pl.col("time") > 0)
        .select("patient_id", pl.col("time").cast(pl.Int64), pl.col("event").cast(pl.Int64))
        .sort("patient_id")
    )
