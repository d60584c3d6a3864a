"""Drugs spared: who was on a drug at index and is free of it at a landmark, and the dose of steroids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from commensal.evidence.ground import Ground
from commensal.evidence.landmarks import closest
from commensal.evidence.longitudinal.equivalents import prednisolone_milligrams
from commensal.evidence.longitudinal.settings import Settings
from commensal.evidence.longitudinal.tally import mean_with_limits, why_no_limits
from commensal.evidence.longitudinal.words import NOBODY_DUE, UNCONTROLLED, counted, joined
from commensal.evidence.proportion import with_wilson
from commensal.evidence.remission import DUE_UNKNOWN, REGRESSION
from commensal.evidence.rows import reason_row

STEROID = "steroid"
INDEX = "index"
READ = ["patient_id", "exposure", "agent", "dose", "dose_unit", "doses_per_day", "started_day", "stopped_day"]
FREE = "no period of it recorded as running on the day of the visit; whatever else was given"
DOSE = "dose recorded as running on the day; free of steroids is 0"
NO_PERIODS = "no drugs are recorded: what was spared cannot be told"


def sparing_rows(ground: Ground, *, settings: Settings, level: float) -> list[pl.DataFrame]:
    """Return ``estimates`` cells: shares free of each drug among those on it at index, and steroid doses.

    A patient's state at a landmark is read on the day of the attended visit closest to it: whoever was not
    seen has none. A drug nobody was on at index gives one row with that reason.
    """
    if not ground.study.has("exposures"):
        cells = {"endpoint": f"free_of_{STEROID}", "group_variable": "all", "group_level": "all"}
        return [reason_row("estimates", reason=NO_PERIODS, **cells)]
    states = _states(ground, _days(ground), drugs=settings.drugs)
    parts = [_free(states.filter(pl.col("exposure") == drug), drug, level=level) for drug in settings.drugs]
    if STEROID in settings.drugs:
        parts.append(_doses(states.filter(pl.col("exposure") == STEROID), level=level))
    return [part for part in parts if part.height]


def _days(ground: Ground) -> pl.DataFrame:
    """[patient_id, indication, landmark, is_due, day]: the day each treated patient's drugs are read on."""
    who = ground.treated.filter(pl.col("indication").is_not_null()).select("patient_id", "indication")
    due = ground.records.due.join(who, on="patient_id")
    seen = closest(ground.records.visits, due, value="visit_id").select("patient_id", "landmark", "day")
    at = due.join(seen, on=["patient_id", "landmark"], how="left")
    columns = ["patient_id", "indication", "landmark", "is_due", "day"]
    start = who.with_columns(landmark=pl.lit(INDEX), is_due=pl.lit(True), day=pl.lit(0, dtype=pl.Int64))
    return pl.concat([start.select(columns), at.select(columns)])


def _states(ground: Ground, days: pl.DataFrame, *, drugs: Sequence[str]) -> pl.DataFrame:
    """One row per patient on a drug at index and landmark: whether it runs, and its dose if known."""
    periods = ground.study.read("exposures", columns=READ).filter(pl.col("exposure").is_in(list(drugs)))
    index = ground.cohort.select("patient_id", "index_day")
    since = periods.join(index, on="patient_id").select(
        "patient_id",
        "exposure",
        is_open=pl.col("started_day").is_null(),
        first=(pl.col("started_day") - pl.col("index_day")).cast(pl.Int64),
        last=(pl.col("stopped_day") - pl.col("index_day")).cast(pl.Int64),
        is_dated=pl.col("index_day").is_not_null(),
        milligrams=prednisolone_milligrams(),
    )
    # A period that began before index may lack its first day; one without an index day is on no axis.
    runs = pl.col("is_dated") & (pl.col("is_open") | (pl.col("first") <= pl.col("day")))
    runs &= pl.col("last").is_null() | (pl.col("last") >= pl.col("day"))
    running = days.join(since, on="patient_id").filter(runs)
    found = running.group_by("patient_id", "landmark", "exposure").agg(
        n_running=pl.len(),
        n_unreadable=(pl.col("milligrams").is_null() | pl.col("is_open")).sum(),
        milligrams=pl.col("milligrams").sort().sum(),
    )
    treated = found.filter(pl.col("landmark") == INDEX).select(
        "patient_id", "exposure", index_dose=_known_dose()
    )
    base = days.join(treated, on="patient_id")
    return (
        base.join(found, on=["patient_id", "landmark", "exposure"], how="left")
        .with_columns(pl.col("n_running", "n_unreadable").fill_null(0), pl.col("milligrams").fill_null(0.0))
        .with_columns(dose=_known_dose(), is_seen=pl.col("is_due") & pl.col("day").is_not_null())
        .sort("indication", "exposure", "landmark", "patient_id")
    )


def _known_dose() -> pl.Expr:
    return pl.when(pl.col("n_unreadable") == 0).then(pl.col("milligrams"))


def _free(states: pl.DataFrame, drug: str, *, level: float) -> pl.DataFrame:
    cells = {
        "endpoint": f"free_of_{drug}",
        "population": f"on {drug} at index",
        "group_variable": "indication",
    }
    if states.is_empty():
        reason = f"nobody with a known index day was on {drug} at index"
        return reason_row(
            "estimates", **cells | {"group_variable": "all", "group_level": "all"}, reason=reason
        )
    counts = (
        states.filter(pl.col("landmark") != INDEX)
        .group_by("indication", "landmark")
        .agg(
            n_due=pl.col("is_due").sum(),
            n_untold=pl.col("is_due").null_count(),
            n=pl.col("is_seen").sum(),
            n_events=(pl.col("is_seen") & (pl.col("n_running") == 0)).sum(),
        )
        .sort("indication", "landmark")
    )
    frame = with_wilson(counts.with_columns(reason=_why()), level=level)
    return frame.with_columns(
        **{name: pl.lit(text) for name, text in cells.items()},
        estimand=pl.lit(FREE),
        group_level=pl.col("indication"),
        n_missing=pl.col("n_due") - pl.col("n"),
        reference=pl.lit(UNCONTROLLED),
    )


def _why() -> pl.Expr:
    nobody = pl.format("nobody was seen among {} due", "n_due")
    return (
        pl.when((pl.col("n_due") == 0) & (pl.col("n_untold") > 0))
        .then(pl.lit(DUE_UNKNOWN))
        .when(pl.col("n_due") == 0)
        .then(pl.lit(NOBODY_DUE))
        .when(pl.col("n") == 0)
        .then(nobody)
    )


def _doses(states: pl.DataFrame, *, level: float) -> pl.DataFrame:
    keys = ["indication", "landmark"]
    rows = [
        _dose_row(str(indication), str(landmark), part, level=level)
        for (indication, landmark), part in sorted(states.partition_by(keys, as_dict=True).items())
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def _dose_row(indication: str, landmark: str, rows: pl.DataFrame, *, level: float) -> dict[str, Any]:
    """The mean dose at index, or the mean change since then at a landmark."""
    due, seen = rows.filter(pl.col("is_due")), rows.filter(pl.col("is_seen"))
    is_index = landmark == INDEX
    moved = pl.col("dose") if is_index else pl.col("dose") - pl.col("index_dose")
    values = tuple(seen.select(moved.drop_nulls().sort()).to_series().to_list())
    untold = DUE_UNKNOWN if rows["is_due"].null_count() else NOBODY_DUE
    return {
        "endpoint": "prednisolone_equivalents" if is_index else "change_in_prednisolone_equivalents",
        "landmark": None if is_index else landmark,
        "population": f"on {STEROID} at index",
        "estimand": DOSE,
        "group_variable": "indication",
        "group_level": indication,
        **mean_with_limits(values, level=level),
        "level": level,
        "unit": "mg/day",
        "n": len(values),
        "n_due": due.height,
        "n_missing": due.height - len(values),
        "method": "mean, t limits" if is_index else "mean of each patient's change, t limits",
        "reason": joined(
            why_no_limits(values),
            untold if not due.height else None if values else f"no dose is known among {due.height} due",
            counted(seen.height - len(values), "seen whose agent, unit or dose has no equivalent"),
            None if is_index or not values else UNCONTROLLED,
        ),
        "reference": None if is_index else REGRESSION,
    }
