"""The cohort: one row per patient, every day counted from that patient's index.

The facts come from ``study.facts``, each defined there once; here stand only what several of them make.
Nothing looks at an outcome, so nothing here can depend on one.
"""

from __future__ import annotations

import narwhals as nw
import polars as pl

from commensal.study import Study
from commensal.study.calendar import Lazy
from commensal.study.facts import patient_facts

LAST_KNOWN = (
    ("visits", "visited_day", nw.col("status") == "attended"),
    ("sessions", "administered_day", None),
    ("dispositions", "occurred_day", nw.col("kind").is_in(["last_contact", "death"])),
    ("adverse_events", "began_day", None),
    ("samples", "collected_day", ~nw.col("patient_id").is_null()),
)


def cohort_of(study: Study) -> pl.DataFrame:
    """Return one row per patient of the study, sorted by patient: :func:`cohort_frame`, in memory."""
    return cohort_frame(study).collect("polars").to_native().sort("patient_id")


def cohort_frame(study: Study) -> Lazy:
    """One row per patient on the study's engine: every fact, and beside them

    - ``is_comparator``: received no donor material by design (any arm but FMT);
    - ``route``: the one route of all sessions, "several", or null where none is known;
    - ``is_plan_known`` and ``last_planned_day``: whether what was planned at index is recorded, and the last
      session planned then (where it is not recorded, and nobody was treated again, the last session);
    - ``last_known_day``: the last day anything is known of the patient;
    - ``cut_day``: the data cut; null where it or the index day is unknown;
    - ``end_day``: end of person-time, the first of death, loss, withdrawal, data cut and the last day known.

    Days are whole days since index. Nothing is collected, and rows have no order.
    """
    facts = patient_facts(study).join(_last_known(study), on="patient_id", how="left")
    planned = nw.col("days_to_last_planned_session")
    only = nw.when(nw.col("days_to_retreatment").is_null()).then(nw.col("days_to_last_session"))
    several = nw.when(nw.col("n_routes") > 1).then(nw.lit("several"))
    index = nw.col("index_day").cast(nw.Int64)
    cut = study.manifest.data_cut_day
    return (
        facts.with_columns(
            (nw.col("arm") != "fmt").alias("is_comparator"),
            several.otherwise(nw.col("main_route")).alias("route"),
            (~planned.is_null()).alias("is_plan_known"),
            nw.coalesce(planned, only).cast(nw.Int64).alias("last_planned_day"),
            (nw.col("last_known_at").cast(nw.Int64) - index).alias("last_known_day"),
            (nw.lit(cut).cast(nw.Int64) - index).alias("cut_day"),
        )
        .drop("last_known_at")
        .with_columns(_end().alias("end_day"))
    )


def _last_known(study: Study) -> Lazy:
    parts = []
    for table, day, condition in LAST_KNOWN:
        rows = study.frame(table)
        rows = rows if condition is None else rows.filter(condition)
        parts.append(rows.select("patient_id", nw.col(day).alias("day")))
    return (
        nw.concat(parts, how="vertical")
        .group_by("patient_id")
        .agg(nw.col("day").max().alias("last_known_at"))
    )


def _end() -> nw.Expr:
    # A patient who silently stopped coming is not followed to the data cut: no record is not zero.
    ends = nw.min_horizontal(
        *(
            nw.col(name).cast(nw.Int64)
            for name in ("days_to_death", "days_to_loss", "days_to_withdrawal", "cut_day", "last_known_day")
        )
    )
    known = ~nw.col("last_known_day").is_null()
    return nw.when(known).then(nw.max_horizontal(ends, nw.lit(0).cast(nw.Int64))).cast(nw.Int64)
