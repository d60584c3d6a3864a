"""Adverse events as recorded, each placed in time, and who was ascertained.

No record is not zero. A procedure or patient counts only where something is known of the patient at or
after the end of the window (or the patient died before); the rest is unascertained and said to be so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from commensal.study import Study
from commensal.vocabulary.adverse_events import causality_categories

DAYS_PER_YEAR = 365.25
# Bowel preparation belongs to the procedure and begins the day before it.
BEFORE_PROCEDURE = 1
# Consents that a person must be alive to give; a waiver asks nobody.
SIGNED = ("informed_signed", "data_use_signed")


@dataclass(frozen=True)
class Window:
    """Days after a procedure, and after index, within which an onset counts (both ends included)."""

    procedure_days: int = 7
    patient_days: int = 91

    @property
    def per_procedure(self) -> str:
        """The procedures in the denominator."""
        return f"procedures followed for {self.procedure_days} days"

    @property
    def per_patient(self) -> str:
        """The patients in the denominator."""
        return f"treated patients followed for {self.patient_days} days"


@dataclass(frozen=True)
class SafetyRecords:
    """What every row of safety is counted from.

    ``patients``: the treated of the cohort, with ``entry_day`` (the consent after index that required being
    alive; else 0), ``is_ascertained`` (through the patient window). ``procedures``: [session_id, patient_id,
    day, route, cohort, indication, is_ascertained]. ``events``: every adverse event of the treated, with
    ``day`` since index, ``after`` (the session whose window holds it), and ``fault`` (why it is not used;
    null for the rest). ``clusters`` and ``patient_counts`` hold, for each way to split, the denominators:
    procedures of each patient, and patients.
    """

    patients: pl.DataFrame
    procedures: pl.DataFrame
    events: pl.DataFrame
    window: Window
    clusters: Mapping[str, pl.DataFrame]
    patient_counts: Mapping[str, pl.DataFrame]

    @property
    def used(self) -> pl.DataFrame:
        """The events without a fault that forbids their use."""
        return self.events.filter(pl.col("fault").is_null() | (pl.col("fault") != AFTER_DEATH))


AFTER_DEATH = "dated after death"
UNDATED = "without a date"
BEFORE_INDEX = "dated before index"

FAULTS = {
    AFTER_DEATH: "not used",
    UNDATED: "counted only after a named procedure",
    BEFORE_INDEX: "counted only as preparation of a procedure",
}


def treated_of(cohort: pl.DataFrame) -> pl.DataFrame:
    """The treated of the cohort with the day from which they were under observation."""
    consent = pl.col("days_from_index_to_consent")
    alive = (consent > 0) & pl.col("consent_type").is_in(SIGNED)
    return cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator")).with_columns(
        entry_day=pl.when(alive).then(consent).otherwise(0).cast(pl.Int64),
        route=pl.col("route").fill_null("unknown"),
        cohort=pl.col("cohort").fill_null("unknown"),
        indication=pl.col("indication").fill_null("unknown"),
    )


def records_of_safety(study: Study, cohort: pl.DataFrame, *, window: Window) -> SafetyRecords:
    """Place every adverse event of the treated; none where the study records none."""
    patients = treated_of(cohort).with_columns(is_ascertained=followed_to(pl.lit(window.patient_days)))
    procedures = _procedures(study, patients, window=window)
    return SafetyRecords(
        patients=patients,
        procedures=procedures,
        events=_events(study, patients, procedures, window=window),
        window=window,
        clusters={by: _sizes(procedures, level_of(by).alias("group_level"), "patient_id") for by in GROUPS},
        patient_counts={by: _sizes(patients, level_of(by).alias("group_level")) for by in GROUPS},
    )


GROUPS = ("all", "route", "cohort")


def level_of(by: str) -> pl.Expr:
    """The level of a way to split; "all" is one level."""
    return pl.lit("all") if by == "all" else pl.col(by)


def _sizes(units: pl.DataFrame, *keys: pl.Expr | str) -> pl.DataFrame:
    counted = units.group_by(*keys).agg(n_due=pl.len(), n=pl.col("is_ascertained").sum())
    return counted.sort([c for c in counted.columns if c not in ("n_due", "n")])


def followed_to(end: pl.Expr) -> pl.Expr:
    """Whether anything is known of the patient at ``end`` or later; death before it ends the question."""
    known = (pl.col("last_known_day") >= end) | (pl.col("days_to_death") <= end)
    return known.fill_null(False)


def _procedures(study: Study, patients: pl.DataFrame, *, window: Window) -> pl.DataFrame:
    """One row per session of the treated: its day since index and whether it was followed long enough."""
    sessions = study.read("sessions", columns=["session_id", "patient_id", "administered_day", "route"])
    who = patients.select(
        "patient_id", "index_day", "last_known_day", "days_to_death", "cohort", "indication"
    )
    end = pl.col("day") + window.procedure_days
    return (
        sessions.join(who, on="patient_id")
        .with_columns(
            day=(pl.col("administered_day") - pl.col("index_day")).cast(pl.Int64),
            route=pl.col("route").fill_null("unknown"),
        )
        .with_columns(is_ascertained=followed_to(end))
        .select("session_id", "patient_id", "day", "route", "cohort", "indication", "is_ascertained")
        .sort("patient_id", "day", "session_id")
    )


def _events(
    study: Study, patients: pl.DataFrame, procedures: pl.DataFrame, *, window: Window
) -> pl.DataFrame:
    who = patients.select(
        "patient_id", "index_day", "end_day", "days_to_death", "route", "cohort", "indication"
    )
    rows = study.read("adverse_events").join(who, on="patient_id").sort("patient_id", "adverse_event_id")
    placed = rows.with_columns(
        day=(pl.col("began_day") - pl.col("index_day")).cast(pl.Int64),
        grade=pl.col("grade").cast(pl.Int64),
    )
    return _attributed(placed, procedures, window=window).with_columns(
        fault=pl.when(pl.col("day") > pl.col("days_to_death"))
        .then(pl.lit(AFTER_DEATH))
        .when(pl.col("day").is_null())
        .then(pl.lit(UNDATED))
        .when(pl.col("day") < 0)
        .then(pl.lit(BEFORE_INDEX))
    )


def _attributed(rows: pl.DataFrame, procedures: pl.DataFrame, *, window: Window) -> pl.DataFrame:
    """Add ``after``: the session named where the onset lies in its window, else the latest one before it."""
    known = procedures.filter(pl.col("day").is_not_null())
    named = procedures.select("session_id", pl.col("day").alias("named_day"))
    latest = known.select(
        "patient_id", "day", pl.col("session_id").alias("preceding"), pl.col("day").alias("preceding_day")
    )
    dated = rows.filter(pl.col("day").is_not_null()).sort("day")
    near = dated.join_asof(
        latest.sort("day"), on="day", by="patient_id", strategy="backward", check_sortedness=False
    )
    undated = rows.filter(pl.col("day").is_null())
    both = pl.concat([near, undated], how="diagonal").join(named, on="session_id", how="left")
    since_named = pl.col("day") - pl.col("named_day")
    # Where either day is unknown, the record that names the session is all there is.
    in_window = since_named.is_between(-BEFORE_PROCEDURE, window.procedure_days).fill_null(True)
    since = pl.col("day") - pl.col("preceding_day")
    return both.with_columns(
        after=pl.when(pl.col("session_id").is_not_null())
        .then(pl.when(in_window).then("session_id"))
        .when(since <= window.procedure_days)
        .then("preceding")
    ).sort("patient_id", "adverse_event_id")


def kinds_of_event() -> dict[str, pl.Expr]:
    """Endpoint → which adverse events count. What is not recorded of an event does not make it count."""
    suspected = [entry.code for entry in causality_categories() if entry.is_suspected]
    is_suspected = pl.col("causality").is_in(suspected)
    return {
        "adverse_event": pl.lit(True),
        "suspected_reaction": is_suspected,
        "delivery_related_event": pl.col("related_to") == "delivery",
        "microbiota_related_event": pl.col("related_to") == "microbiota",
        "grade_3_event": pl.col("grade") >= 3,
        "serious_adverse_event": pl.col("is_serious"),
        "serious_suspected_reaction": pl.col("is_serious") & is_suspected,
    }


RESTS_ON = {
    "suspected_reaction": ("causality",),
    "delivery_related_event": ("related_to",),
    "microbiota_related_event": ("related_to",),
    "grade_3_event": ("grade",),
    "serious_adverse_event": ("is_serious",),
    "serious_suspected_reaction": ("is_serious", "causality"),
}


def cautions(events: pl.DataFrame, *, rests_on: tuple[str, ...] = ()) -> str | None:
    """What is to be said with figures of these events: faults, and what is not recorded of them."""
    faults = dict(events.filter(pl.col("fault").is_not_null()).group_by("fault").len().iter_rows())
    said = [f"{faults[f]} events {f} ({rule})" for f, rule in FAULTS.items() if f in faults]
    said += [
        f"{n} events without a recorded {column} are not counted"
        for column in rests_on
        if (n := events[column].null_count())
    ]
    return "; ".join(said) or None
