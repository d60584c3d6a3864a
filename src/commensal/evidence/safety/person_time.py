"""Events over person-time, and the mean number of events of a patient by each landmark."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.rates import Rate, clustered_rate, incidence_rate
from commensal.evidence.recurrent import mean_cumulative_count
from commensal.evidence.safety.records import DAYS_PER_YEAR, SafetyRecords

ALL_EVENTS = "every event from index to the last day known, death, withdrawal or data cut"
INDEPENDENT = "several events of one patient are taken as independent"
KINDS = {
    **dict.fromkeys(("estimate", "se", "lower", "upper"), pl.Float64),
    **dict.fromkeys(("method", "reason"), pl.String),
}


def rates(
    kind: pl.DataFrame,
    patients: pl.DataFrame,
    *,
    by: str = "all",
    level: float,
    from_day: int = 0,
    estimand: str = ALL_EVENTS,
) -> pl.DataFrame:
    """Events of ``kind`` per 100 person-years: exact Poisson, and clustered by patient, split by ``by``.

    Person-time runs from ``from_day`` after index to ``end_day``; events outside it are not counted.
    """
    counted = kind.filter(pl.col("day").is_between(from_day, pl.col("end_day")))
    per_patient = counted.group_by("patient_id").agg(n_own=pl.len())
    group = pl.lit("all") if by == "all" else pl.col(by)
    frame = patients.join(per_patient, on="patient_id", how="left").select(
        "patient_id",
        group_level=group,
        n_own=pl.col("n_own").fill_null(0),
        years=(pl.col("end_day") - from_day).clip(lower_bound=0) / DAYS_PER_YEAR,
        is_followed=(pl.col("end_day") >= from_day).fill_null(False),
    )
    parts = frame.sort("group_level", "patient_id").partition_by("group_level", maintain_order=True)
    rows = [row for part in parts for row in _both(part, level=level)]
    return pl.DataFrame(rows, schema_overrides=KINDS, infer_schema_length=None).with_columns(
        unit=pl.lit("per_100_person_years"),
        population=pl.lit("treated patients with follow-up"),
        estimand=pl.lit(estimand),
        group_variable=pl.lit(by),
        level=pl.lit(level),
    )


def _both(part: pl.DataFrame, *, level: float) -> list[dict[str, Any]]:
    followed = part.filter("is_followed")
    counts, years = followed["n_own"].to_numpy(), followed["years"].to_numpy()
    shared: dict[str, Any] = {
        "group_level": part["group_level"][0],
        "n": followed.height,
        "n_due": part.height,
        "n_missing": part.height - followed.height,
        "n_events": int(counts.sum()),
    }
    if not years.sum() > 0:
        return [shared | {"method": "exact Poisson", "reason": "no person-time is known"}]
    time = f"{years.sum():.1f} person-years"
    exact = incidence_rate(int(counts.sum()), float(years.sum()), level=level)
    made = [shared | _cells(exact) | {"reason": f"{time}; {INDEPENDENT}"}]
    # Without events the exact limits are all there is to say; they need no variance.
    with contextlib.suppress(RefusedError):
        made.append(shared | _cells(clustered_rate(counts, years, level=level)) | {"reason": time})
    return made


def _cells(rate: Rate) -> dict[str, Any]:
    names = ("estimate", "se", "lower", "upper", "method")
    return {name: getattr(rate, name) for name in names}


def first_event_rate(kind: pl.DataFrame, patients: pl.DataFrame, *, level: float) -> pl.DataFrame:
    """Patients with a first event per 100 person-years free of it; exact, for one patient has one."""
    first = kind.filter(pl.col("day").is_between(0, pl.col("end_day"))).group_by("patient_id")
    frame = patients.join(first.agg(first_day=pl.col("day").min()), on="patient_id", how="left").filter(
        pl.col("end_day").is_not_null()
    )
    years = float(frame.select(pl.min_horizontal("first_day", "end_day").sum()).item() or 0) / DAYS_PER_YEAR
    n_events = frame["first_day"].count()
    row: dict[str, Any] = {
        "n": frame.height,
        "n_due": patients.height,
        "n_missing": patients.height - frame.height,
        "n_events": n_events,
        "method": "exact Poisson",
        "reason": f"{years:.1f} person-years" if years else "no person-time is known",
    }
    if years:
        row |= _cells(incidence_rate(n_events, years, level=level))
    return pl.DataFrame([row], schema_overrides=KINDS).with_columns(
        unit=pl.lit("per_100_person_years"),
        population=pl.lit("treated patients with follow-up"),
        estimand=pl.lit("first event of each patient over the time until it"),
        level=pl.lit(level),
    )


MEAN_COUNT = "mean cumulative count (Ghosh–Lin: death ends the count), robust variance by patient, log limits"


def mean_counts(
    kind: pl.DataFrame, records: SafetyRecords, *, targets: Mapping[str, int], level: float
) -> pl.DataFrame:
    """Mean events per patient by each landmark's day since index; one row each, a reason past follow-up."""
    known = records.patients.filter(pl.col("end_day").is_not_null()).with_row_index("row")
    if known.is_empty() or not targets:
        return pl.DataFrame()
    counted = kind.filter(pl.col("day").is_between(0, pl.col("end_day"))).join(
        known.select("patient_id", "row"), on="patient_id"
    )
    found = mean_cumulative_count(
        counted["row"].to_numpy(),
        counted["day"].to_numpy(),
        end=known["end_day"].to_numpy(),
        is_dead=known.select((pl.col("days_to_death") <= pl.col("end_day")).fill_null(False))
        .to_series()
        .to_numpy(),
        at=list(targets.values()),
        level=level,
    )
    frame = pl.DataFrame(
        {
            "landmark": list(targets),
            **{c: np.asarray(getattr(found, c)) for c in ("estimate", "se", "lower", "upper")},
            "n": found.n_at_risk,
            "n_events": found.n_events,
        }
    ).with_columns(pl.col("estimate", "se", "lower", "upper").fill_nan(None))
    return frame.with_columns(
        se=pl.when(pl.col("estimate") > 0).then("se"),
        population=pl.lit("treated patients with follow-up"),
        estimand=pl.lit("all events of a patient from index to the day, on average; death ends the count"),
        group_variable=pl.lit("all"),
        group_level=pl.lit("all"),
        n_due=pl.lit(records.patients.height),
        n_missing=pl.lit(records.patients.height - known.height),
        level=pl.lit(level),
        unit=pl.lit("events_per_patient"),
        method=pl.lit(MEAN_COUNT),
        reason=pl.when(pl.col("estimate").is_null())
        .then(pl.lit("nobody was followed to this day"))
        .otherwise(pl.format("{} patients still under observation on that day", "n")),
    )
