"""Rows of remission as a state: being in it, time spent in it, keeping it, and when it is first reached."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commensal.evidence.proportion import with_wilson
from commensal.evidence.rows import reason_row, rows_of
from commensal.evidence.survival.courses import Course, visits_of
from commensal.evidence.survival.curve_rows import AT_RISK_DAYS, Rows, joined
from commensal.evidence.survival.states import Occupation, state_occupation
from commensal.evidence.survival.turnbull import turnbull
from commensal.vocabulary.windows import window_of

STATES = ("not in remission", "in remission", "death", "colectomy")
OCCUPATION = (
    "Aalen–Johansen occupation of states (remission is left and entered again; death and colectomy are "
    "final), infinitesimal jackknife over patients, log(−log) limits; status known at visits only, a "
    "change is dated at the visit that found it"
)
INTERVAL_CENSORED = (
    "Turnbull: first remission lies between the last visit without and the first with it "
    "(interval-censored); drawn at the end of each interval; death and colectomy censor at the last "
    "visit; no limits"
)
SUSTAINED = "remission at M3, at {horizon} and at every visit between; both landmarks observed"
TIME = "restricted mean time in remission from index to day {days}: remission left and entered again counts"


def remission_rows(courses: Sequence[Course]) -> list[Course]:
    """The courses of first remission."""
    return [c for c in courses if c.event == "remission"]


def in_remission(
    courses: Sequence[Course], *, horizons: Sequence[str], least: int, level: float
) -> tuple[Rows, pl.DataFrame]:
    """Curve "in_remission" of each indication, and ``estimates`` rows of the mean time in remission."""
    parts: list[Rows] = []
    estimates: list[pl.DataFrame] = []
    days = [window_of(h, cohort="prospective").target for h in horizons]
    for course in remission_rows(courses):
        states = _states(course)
        n = states["patient_id"].n_unique()
        keys = {"group_variable": "indication", "group_level": course.indication}
        if n < least:
            why = f"{n} patients with an evaluable visit: fewer than {least}"
            parts.append(_refused("in_remission", why, n, method=OCCUPATION, **keys))
            estimates += [_no_time(course, h, d, n, why, level=level) for h, d in _pairs(horizons, days)]
            continue
        found = state_occupation(
            states["patient_id"],
            states["day"],
            states["state"],
            states=STATES,
            absorbing=STATES[2:],
            horizons=days,
            level=level,
        )
        parts.append(_occupation_rows(found, course))
        estimates += [_time_row(found, course, h, d, level=level) for h, d in _pairs(horizons, days)]
    return joined(parts), rows_of("estimates", estimates)


def _pairs(horizons: Sequence[str], days: Sequence[int]) -> list[tuple[str, int]]:
    return list(zip(horizons, days, strict=True))


def _states(course: Course) -> pl.DataFrame:
    """[patient_id, day, state] from index until last seen, of patients ever seen or known to have an end."""
    competing = pl.min_horizontal("days_to_death", "days_to_colectomy")
    ends = course.patients.select(
        "patient_id",
        day=pl.when(competing > 0).then(competing).cast(pl.Int64),
        state=pl.when(pl.col("days_to_death") == competing)
        .then(pl.lit(STATES[2]))
        .otherwise(pl.lit(STATES[3])),
    ).drop_nulls("day")
    seen = visits_of(course).join(ends.select("patient_id", last="day"), on="patient_id", how="left")
    state = pl.when("is_remission").then(pl.lit(STATES[1])).otherwise(pl.lit(STATES[0]))
    visited = seen.filter((pl.col("day") < pl.col("last")).fill_null(True))
    rows = pl.concat([visited.select("patient_id", "day", state=state), ends])
    # Relapse and remission are told apart from the start: everybody here was not in remission at index.
    start = (
        rows.select("patient_id")
        .unique()
        .with_columns(day=pl.lit(0, dtype=pl.Int64), state=pl.lit(STATES[0]))
    )
    return pl.concat([start, rows]).sort("patient_id", "day")


def _occupation_rows(found: Occupation, course: Course) -> Rows:
    names = {
        "curve": pl.lit("in_remission"),
        "group_variable": pl.lit("indication"),
        "group_level": pl.lit(course.indication),
    }
    mine = found.curve.filter(pl.col("state") == STATES[1])
    made = mine.with_columns(
        **names,
        event=pl.lit("remission"),
        time_days=pl.col("time").cast(pl.Int64),
        n_events="n_entered",
        method=pl.lit(OCCUPATION),
        reason=pl.lit(course.reason, dtype=pl.String),
    )
    if made.is_empty():
        return _refused(
            "in_remission",
            f"none of {found.n} changed state",
            found.n,
            method=OCCUPATION,
            group_variable="indication",
            group_level=course.indication,
        )
    return rows_of("curves", [made]), _under_observation(course, names)


def _under_observation(course: Course, names: dict[str, pl.Expr]) -> pl.DataFrame:
    """How many are followed at the printed times, in whatever state they are still at risk of changing."""
    last = _states(course).group_by("patient_id").agg(pl.col("day").max())["day"].to_numpy()
    counts = [int((last >= day).sum()) for day in AT_RISK_DAYS]
    made = pl.DataFrame({"time_days": list(AT_RISK_DAYS), "n_at_risk": counts}).with_columns(**names)
    return rows_of("numbers_at_risk", [made])


def _time_row(found: Occupation, course: Course, horizon: str, days: int, *, level: float) -> pl.DataFrame:
    row = found.mean_times.filter((pl.col("until") == days) & (pl.col("state") == STATES[1])).row(
        0, named=True
    )
    if row["estimate"] is None:
        why = f"nobody of {found.n} was under observation until day {days}"
        return _no_time(course, horizon, days, found.n, why, level=level)
    cells = {name: row[name] for name in ("estimate", "se", "lower", "upper")}
    return rows_of(
        "estimates",
        [pl.DataFrame([{**_time_cells(course, horizon, days, found.n, level), **cells}], strict=False)],
    )


def _no_time(course: Course, horizon: str, days: int, n: int, why: str, *, level: float) -> pl.DataFrame:
    cells = _time_cells(course, horizon, days, n, level)
    return reason_row("estimates", **{**cells, "reason": f"{why}; no mean time"})


def _time_cells(course: Course, horizon: str, days: int, n: int, level: float) -> dict[str, object]:
    return {
        "endpoint": "time_in_remission",
        "landmark": horizon,
        "population": course.population,
        "estimand": TIME.format(days=days),
        "group_variable": "indication",
        "group_level": course.indication,
        "level": level,
        "unit": "days",
        "n": n,
        "n_missing": course.patients.height - n,
        "method": OCCUPATION,
        "reason": course.reason,
    }


def first_remission_between_visits(courses: Sequence[Course], *, least: int) -> Rows:
    """Curve "interval_censored_remission" of each indication (Turnbull)."""
    parts = []
    for course in remission_rows(courses):
        spans = _spans(course)
        keys = {"group_variable": "indication", "group_level": course.indication}
        if spans.height < least:
            why = f"{spans.height} patients with an evaluable visit: fewer than {least}"
            parts.append(
                _refused("interval_censored_remission", why, spans.height, method=INTERVAL_CENSORED, **keys)
            )
            continue
        found = turnbull(spans["left"], spans["right"], n=spans["n"])
        made = found.intervals.filter(pl.col("until").is_not_null()).with_columns(
            **{name: pl.lit(value) for name, value in keys.items()},
            curve=pl.lit("interval_censored_remission"),
            event=pl.lit("remission"),
            time_days=pl.col("until").cast(pl.Int64),
            method=pl.lit(INTERVAL_CENSORED),
            reason=pl.lit(course.reason, dtype=pl.String),
        )
        if made.is_empty():
            why = f"no remission was found among {found.n} patients"
            parts.append(
                _refused("interval_censored_remission", why, found.n, method=INTERVAL_CENSORED, **keys)
            )
        else:
            parts.append((rows_of("curves", [made]), rows_of("numbers_at_risk", [])))
    return joined(parts)


def _spans(course: Course) -> pl.DataFrame:
    """[left, right, n]: last day known free of remission, first day found in it (null: never)."""
    visits = visits_of(course)
    first = visits.filter("is_remission").group_by("patient_id").agg(right=pl.col("day").min())
    before = visits.join(first, on="patient_id", how="left").filter(
        pl.col("right").is_null() | (pl.col("day") < pl.col("right"))
    )
    free = before.group_by("patient_id").agg(left=pl.col("day").max())
    both = first.join(free, on="patient_id", how="full", coalesce=True)
    spans = both.with_columns(pl.col("left").fill_null(0), pl.col("right").cast(pl.Float64))
    return spans.group_by("left", "right").len("n").sort("left", "right", nulls_last=True)


def sustained(
    outcomes: pl.DataFrame, courses: Sequence[Course], *, horizons: Sequence[str], level: float
) -> pl.DataFrame:
    """``estimates`` rows: the share in remission at M3, at the horizon and at every visit between.

    Of the primary endpoint of each indication with remission, among those due at the horizon; a patient
    counts only where both landmarks were observed, for an early failure alone would count failures more
    readily than successes.
    """
    primary = outcomes.filter(
        pl.col("is_primary") & ~pl.col("is_comparator") & (pl.col("kind") == "remission")
    )
    at_m3 = primary.filter(pl.col("landmark") == "M3")
    parts = []
    for course in remission_rows(courses):
        mine = primary.filter((pl.col("indication") == course.indication) & pl.col("is_active"))
        start = at_m3.select("patient_id", m3="success", m3_day="day")
        for horizon in horizons:
            rows = mine.filter((pl.col("landmark") == horizon) & pl.col("is_due"))
            if horizon != "M3" and mine.height:
                parts.append(_sustained(rows.join(start, on="patient_id", how="left"), course, horizon))
    return rows_of("estimates", [with_wilson(pl.concat(parts), level=level)] if parts else [])


def _sustained(rows: pl.DataFrame, course: Course, horizon: str) -> pl.DataFrame:
    visits = visits_of(course).rename({"day": "seen_day"})
    spans = rows.select("patient_id", "m3_day", "day").drop_nulls()
    failed = visits.join(spans, on="patient_id").filter(
        pl.col("seen_day").is_between("m3_day", "day") & ~pl.col("is_remission")
    )
    lost = failed.select("patient_id").unique().with_columns(is_lost=pl.lit(True))
    found = rows.join(lost, on="patient_id", how="left")
    known = found.filter(pl.col("m3").is_not_null() & pl.col("success").is_not_null())
    kept = known.filter(pl.col("m3") & pl.col("success") & pl.col("is_lost").is_null())
    why = "nobody is due yet" if not rows.height else None if known.height else "no outcome was observed"
    return pl.DataFrame(
        [
            {
                "endpoint": "sustained_remission",
                "landmark": horizon,
                "population": course.population,
                "estimand": SUSTAINED.format(horizon=horizon),
                "group_variable": "indication",
                "group_level": course.indication,
                "n": known.height,
                "n_events": kept.height,
                "n_due": rows.height,
                "n_missing": rows.height - known.height,
                "reason": "; ".join(filter(None, (why, course.reason))) or None,
            }
        ],
        schema_overrides={"reason": pl.String},
    )


def _refused(curve: str, why: str, n: int, **cells: object) -> Rows:
    row = reason_row("curves", reason=f"{why}; no curve is drawn", curve=curve, n_at_risk=n, **cells)
    return row, rows_of("numbers_at_risk", [])
