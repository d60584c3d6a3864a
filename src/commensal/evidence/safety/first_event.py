"""Time to the first serious event and to death, and stays in hospital."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.evidence.rows import reason_row, rows_of
from commensal.evidence.safety.incidence import with_caution
from commensal.evidence.safety.person_time import rates
from commensal.evidence.safety.records import SafetyRecords, cautions
from commensal.evidence.survival import aalen_johansen, at_times
from commensal.study import Study

DEATH = "ae22"
CURVE = "cumulative_incidence_of_serious_adverse_event"
METHOD = "Aalen–Johansen, log(−log) limits; death without a serious event before it competes"
AT_RISK_DAYS = (0, 91, 183, 365, 730, 1096, 1461, 1826)
FIRST_SERIOUS = "first_serious_adverse_event"
TOO_FEW = 5
NO_HOSPITALISATIONS = "the study records no stays in hospital: that is no evidence that there were none"
POPULATION = "treated patients with follow-up"


def first_serious(records: SafetyRecords) -> pl.DataFrame:
    """Return [patient_id, entry, time, event] from index: 1 first serious event, 2 death, 0 censored.

    Death itself is no first serious event. A patient counts from index, or from a later
    consent that required being alive; one with a serious event before that is not at risk. Days begin at 1,
    so that an event on the day of index counts.
    """
    serious = records.used.filter(pl.col("is_serious") & (pl.col("term").fill_null("") != DEATH))
    first = serious.filter(pl.col("day") >= 0).group_by("patient_id").agg(first_day=pl.col("day").min())
    return _times(records.patients.join(first, on="patient_id", how="left"))


def _times(patients: pl.DataFrame) -> pl.DataFrame:
    """The first of event, death and end of person-time, one day later than recorded: days begin at 1."""
    known = patients.filter(pl.col("end_day").is_not_null())
    has_event = (pl.col("first_day") <= pl.col("end_day")).fill_null(False)
    has_died = (pl.col("days_to_death") <= pl.col("end_day")).fill_null(False)
    return (
        known.with_columns(
            time=pl.when(has_event).then("first_day").otherwise("end_day") + 1,
            event=pl.when(has_event).then(1).when(has_died).then(2).otherwise(0),
            entry=pl.col("entry_day"),
        )
        .filter(pl.col("time") > pl.col("entry"))
        .select("patient_id", *(pl.col(c).cast(pl.Int64) for c in ("entry", "time", "event")))
        .sort("patient_id")
    )


def serious_over_time(
    records: SafetyRecords, *, targets: Mapping[str, int], level: float
) -> dict[str, pl.DataFrame]:
    """Return ``curves``, ``numbers_at_risk`` and ``estimates`` of the first serious event and of death."""
    times = first_serious(records)
    n_left = records.patients.height - times.height
    said = cautions(records.events.filter(pl.col("is_serious").fill_null(True)), rests_on=("is_serious",))
    if times.height < TOO_FEW:
        reason = f"{times.height} patients under observation: fewer than {TOO_FEW}, no curve is drawn"
        cells = {"group_variable": "all", "group_level": "all", "method": METHOD, "reason": reason}
        return {"curves": reason_row("curves", curve=CURVE, n_at_risk=times.height, **cells)}
    steps = aalen_johansen(
        times["time"], times["event"], causes=(1, 2), entry=times["entry"], level=level
    ).with_columns(pl.col("time") - 1)
    # Death at any time, whether or not a serious event came first.
    alive = records.patients.with_columns(first_day=pl.lit(None, dtype=pl.Int64))
    deaths = _times(alive).with_columns(event=pl.col("event") // 2)
    died = aalen_johansen(
        deaths["time"], deaths["event"], causes=(1,), entry=deaths["entry"], level=level
    ).with_columns(pl.col("time") - 1)
    return {
        "curves": rows_of("curves", [with_caution(_curve(steps), said)]),
        "numbers_at_risk": rows_of("numbers_at_risk", [_at_risk(steps)]),
        "estimates": rows_of(
            "estimates",
            [
                _read(
                    steps.filter(pl.col("event") == 1), "first_serious_adverse_event", targets, times.height
                )
                .with_columns(method=pl.lit(METHOD), n_missing=pl.lit(n_left), level=pl.lit(level))
                .pipe(with_caution, said),
                _read(died, "death", targets, deaths.height).with_columns(
                    method=pl.lit("one minus Kaplan–Meier, log(−log) limits"),
                    n_missing=pl.lit(records.patients.height - deaths.height),
                    level=pl.lit(level),
                ),
            ],
        ),
    }


def _curve(steps: pl.DataFrame) -> pl.DataFrame:
    last = pl.col("time") == pl.col("time").max()
    kept = steps.filter((pl.col("n_events") > 0) | last)
    words = pl.col("event").replace_strict({1: "serious_adverse_event", 2: "death"}, return_dtype=pl.String)
    return kept.select(
        pl.exclude("event", "time", "stratum"),
        curve=pl.lit(CURVE),
        group_variable=pl.lit("all"),
        group_level=pl.lit("all"),
        event=words,
        time_days=pl.col("time").cast(pl.Int64),
        method=pl.lit(METHOD),
        reason=pl.lit(None, dtype=pl.String),
    )


def _at_risk(steps: pl.DataFrame) -> pl.DataFrame:
    read = at_times(steps.filter(pl.col("event") == 1), AT_RISK_DAYS, start=0)
    return read.select(
        "n_at_risk",
        curve=pl.lit(CURVE),
        group_variable=pl.lit("all"),
        group_level=pl.lit("all"),
        time_days=pl.col("at").cast(pl.Int64),
    )


def _read(steps: pl.DataFrame, endpoint: str, targets: Mapping[str, int], n: int) -> pl.DataFrame:
    """The curve at each landmark's day; none after the last day to which anybody was followed."""
    read = at_times(steps, list(targets.values()), start=0)
    read = read.with_columns(landmark=pl.Series(list(targets), dtype=pl.String))
    counted = [int(steps.filter(pl.col("time") <= t)["n_events"].sum()) for t in targets.values()]
    reached = pl.col("n_at_risk") > 0
    return read.with_columns(
        *(pl.when(reached).then(c).alias(c) for c in ("estimate", "se", "lower", "upper")),
        endpoint=pl.lit(endpoint),
        population=pl.lit(POPULATION),
        estimand=pl.lit("cumulative incidence from index; observation begins at a consent given after it"),
        group_variable=pl.lit("all"),
        group_level=pl.lit("all"),
        unit=pl.lit("proportion"),
        n=pl.lit(n),
        n_events=pl.Series(counted, dtype=pl.Int64),
        reason=pl.when(reached)
        .then(pl.format("{} at risk on that day", "n_at_risk"))
        .otherwise(pl.lit("nobody was followed to this day")),
    )


def deaths(records: SafetyRecords, *, level: float) -> pl.DataFrame:
    """``estimates`` rows of deaths per 100 person-years; follow-up before a consent after index is left out.

    To have consented a patient had to be alive, so the time before it could hold no death.
    """
    patients = records.patients
    n_late = patients.filter(pl.col("entry_day") > 0).height
    at_risk = patients.with_columns(end_day=pl.col("end_day") - pl.col("entry_day"))
    died = patients.filter(
        (pl.col("days_to_death") <= pl.col("end_day")) & (pl.col("days_to_death") > pl.col("entry_day"))
    ).select("patient_id", day=pl.lit(0), end_day=pl.col("end_day") - pl.col("entry_day"))
    said = f"{n_late} patients are observed from a consent after index" if n_late else None
    rows = rates(died, at_risk, level=level, estimand="death from any cause").with_columns(
        endpoint=pl.lit("death")
    )
    exact = rows.filter(pl.col("method") == "exact Poisson")
    return rows_of("estimates", [with_caution(exact, said)])


def hospitalisations(study: Study, records: SafetyRecords, *, level: float) -> pl.DataFrame:
    """``estimates`` rows of stays in hospital after index: per 100 person-years, exact and clustered."""
    if not study.has("hospitalisations"):
        return reason_row(
            "estimates",
            endpoint="hospitalisation",
            group_variable="all",
            group_level="all",
            n_due=records.patients.height,
            unit="per_100_person_years",
            reason=NO_HOSPITALISATIONS,
        )
    who = records.patients.select("patient_id", "index_day", "end_day", "days_to_death")
    stays = (
        study.read("hospitalisations", columns=["patient_id", "admitted_day"])
        .join(who, on="patient_id")
        .with_columns(day=(pl.col("admitted_day") - pl.col("index_day")).cast(pl.Int64))
    )
    n_undated = stays["day"].null_count()
    n_after = stays.filter(pl.col("day") > pl.col("days_to_death")).height
    told = [f"{n} stays {w}" for n, w in ((n_undated, "without a date"), (n_after, "after death")) if n]
    rows = rates(stays, records.patients, level=level, estimand="every admission from index on")
    said = "; ".join([*told, "not used"]) if told else None
    return rows_of("estimates", [with_caution(rows.with_columns(endpoint=pl.lit("hospitalisation")), said)])
