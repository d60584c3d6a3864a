"""Cumulative incidence of remission, and of relapse after it, with death and colectomy competing.

Status is known at visits only: a change is shown at the visit that found it (interval-censored data on a
right-censored curve); each row says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commensal.evidence.rows import reason_row, rows_of
from commensal.evidence.survival import aalen_johansen, at_times

METHOD = (
    "Aalen–Johansen, log(−log) limits; status known at visits only (interval-censored), a change is shown "
    "at the visit that found it; death and colectomy compete"
)
CAUSES = {1: "event", 2: "death", 3: "colectomy"}
AT_RISK_DAYS = (0, 91, 183, 365, 730, 1096, 1461, 1826)
TOO_FEW = 5


def time_to_remission(status: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, time, event] from index: 1 first remission, 2 death, 3 colectomy, 0 censored.

    ``status`` has [patient_id, day, is_remission] of every evaluable visit after index; ``patients`` has
    patient_id, days_to_death and days_to_colectomy. A patient without evaluable visit or competing event
    never was under observation and is left out. Censoring is at the last evaluable visit.
    """
    evaluable = status.filter((pl.col("day") > 0) & pl.col("is_remission").is_not_null())
    seen = evaluable.group_by("patient_id").agg(
        reached=pl.col("day").filter(pl.col("is_remission")).min(), last=pl.col("day").max()
    )
    return _first_of(patients.join(seen, on="patient_id", how="left"), origin=pl.lit(0))


def time_to_relapse(status: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """Return [patient_id, time, event] from *first* remission: 1 relapse, 2 death, 3 colectomy, 0 censored.

    Only patients who reached remission are at risk; a later visit without remission is relapse.
    """
    evaluable = status.filter((pl.col("day") > 0) & pl.col("is_remission").is_not_null())
    first = evaluable.filter("is_remission").group_by("patient_id").agg(origin=pl.col("day").min())
    later = evaluable.join(first, on="patient_id").filter(pl.col("day") > pl.col("origin"))
    seen = later.group_by("patient_id").agg(
        reached=pl.col("day").filter(~pl.col("is_remission")).min(), last=pl.col("day").max()
    )
    at_risk = patients.join(first, on="patient_id").join(seen, on="patient_id", how="left")
    return _first_of(at_risk, origin=pl.col("origin"))


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
    )


def curves(
    times: pl.DataFrame, *, curve: str, by: str, groups: Sequence[str], level: float = 0.95
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ``curves`` and ``numbers_at_risk`` rows of [patient_id, time, event, group_level].

    ``groups`` are the levels asked for: one with fewer than 5 patients under observation gets a row with a
    reason and no curve.
    """
    counts = dict(times.group_by("group_level").len().iter_rows())
    drawn = [g for g in groups if counts.get(g, 0) >= TOO_FEW]
    refused = [_too_few(curve, by, g, counts.get(g, 0)) for g in groups if g not in drawn]
    if not drawn:
        return rows_of("curves", refused), rows_of("numbers_at_risk", [])
    rows = times.filter(pl.col("group_level").is_in(drawn)).rename({"group_level": "stratum"})
    steps = aalen_johansen(rows, causes=[1, 2, 3], level=level)
    names = {"curve": pl.lit(curve), "group_variable": pl.lit(by), "group_level": pl.col("stratum")}
    words = pl.col("event").replace_strict(CAUSES | {1: curve.removeprefix("cumulative_incidence_of_")})
    occurs = (pl.col("event") == 1) | (pl.col("n_events").sum().over("stratum", "event") > 0)
    last = pl.col("time") == pl.col("time").max().over("stratum")
    kept = steps.filter(occurs & ((pl.col("n_events") > 0) | last))
    made = kept.with_columns(
        **names, event=words, time_days=pl.col("time").cast(pl.Int64), method=pl.lit(METHOD)
    )
    return rows_of("curves", [made, *refused]), _at_risk(steps, names)


def _too_few(curve: str, by: str, group: str, n: int) -> pl.DataFrame:
    reason = f"{n} patients with an evaluable visit: fewer than {TOO_FEW}, no curve is drawn"
    return reason_row(
        "curves", reason=reason, curve=curve, group_variable=by, group_level=group, n_at_risk=n, method=METHOD
    )


def _at_risk(steps: pl.DataFrame, names: dict[str, pl.Expr]) -> pl.DataFrame:
    one = steps.filter(pl.col("event") == 1)
    read = at_times(one, AT_RISK_DAYS, start=0).with_columns(**names, time_days=pl.col("at").cast(pl.Int64))
    return rows_of("numbers_at_risk", [read])
