"""One treated patient as known on one day: the rows up to then, counted in days from index."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from commensal.bank.stock import picked
from commensal.errors import RefusedError
from commensal.study import Study, patient_facts
from commensal.vocabulary import causality_categories
from commensal.vocabulary.windows import windows

UNKNOWN_COHORT = "retrospective"
"""Windows of a patient whose cohort is not recorded: the wider ones."""

SEVERE_FROM_GRADE = 3
"""A suspected adverse event from this grade on, or a serious one, stops (design choice)."""

RECURRENCE = "ae18"

DATED = {
    "visits": "visited_day",
    "sessions": "administered_day",
    "courses": "started_day",
    "adverse_events": "began_day",
    "dispositions": "occurred_day",
    "exposures": "started_day",
    "procedures": "performed_day",
    "lab_results": "collected_day",
    "consents": "signed_day",
    "diagnoses": "diagnosed_day",
    "diaries": "recorded_day",
}
"""Tables of a patient that are cut at the day; a row without a day stays."""


@dataclass(frozen=True)
class Case:
    """One patient on one day.

    ``today`` is the day from index; ``first`` to ``last`` are the days from index in which a visit or sample
    counts for the week asked. ``facts`` are the patient's facts as of the day.
    """

    patient: Mapping[str, Any]
    alone: Study
    facts: Mapping[str, Any]
    index_day: int
    today: int
    target: int
    first: int
    last: int

    @property
    def is_early(self) -> bool:
        """Whether the week has not begun."""
        return self.today < self.first

    @property
    def cohort(self) -> str:
        """The cohort whose windows hold."""
        return self.patient["cohort"] or UNKNOWN_COHORT

    @property
    def donors(self) -> tuple[str, ...]:
        """Donors of the material given so far; empty where the record does not say."""
        return tuple(self.alone.read("unit_donors")["donor_id"].drop_nulls().unique().sort())

    @property
    def has_withdrawn(self) -> bool:
        """Whether the patient withdrew, at any level: every level stops treatment."""
        return bool((self.alone.read("dispositions")["kind"] == "withdrawal").any())

    def days(self, table: str) -> pl.DataFrame:
        """Return the patient's rows of a table with ``day`` since index; null where it has none."""
        rows = self.alone.read(table)
        return rows.with_columns(day=(pl.col(DATED[table]) - self.index_day).cast(pl.Int64))


def case_of(study: Study, patient: Mapping[str, Any], *, on_day: int, week: int, around: int) -> Case:
    """Gather one patient's records up to a day. Refuses (RefusedError) who has no index or no session yet."""
    index_day = patient["index_day"]
    if index_day is None:
        raise RefusedError(
            f"the index day of {patient['patient_id']} is not recorded",
            expected="a first session with a day, from which weeks are counted",
        )
    alone = _alone(study, patient["patient_id"], on_day=on_day)
    _refuse_untreated(alone, patient)
    facts = patient_facts(alone).collect("polars").to_native().row(0, named=True)
    first, last = _window(patient["cohort"] or UNKNOWN_COHORT, week=week, around=around)
    return Case(
        patient=patient,
        alone=alone,
        facts=facts,
        index_day=index_day,
        today=on_day - index_day,
        target=7 * week,
        first=first,
        last=last,
    )


def _alone(study: Study, patient_id: str, *, on_day: int) -> Study:
    """Return the study of one patient with nothing recorded after the day."""
    frames = {}
    for name in (*DATED, "patients", "assessments"):
        rows = picked(study, name, key="patient_id", values=[patient_id])
        if name in DATED:
            rows = rows.filter(pl.col(DATED[name]).is_null() | (pl.col(DATED[name]) <= on_day))
        frames[name] = rows
    later = pl.col("withdrawn_day") > on_day
    frames["consents"] = frames["consents"].with_columns(
        pl.when(~later.fill_null(value=False)).then(name).alias(name)
        for name in ("withdrawn_on", "withdrawn_day", "withdrawal_level")
    )
    frames["assessments"] = frames["assessments"].join(frames["visits"], on="visit_id", how="semi")
    sessions = frames["sessions"]["session_id"]
    frames["session_units"] = picked(study, "session_units", key="session_id", values=sessions)
    units = frames["session_units"]["unit_id"]
    frames["unit_donors"] = picked(study, "unit_donors", key="unit_id", values=units)
    return Study(manifest=study.manifest, frames=frames)


def _refuse_untreated(alone: Study, patient: Mapping[str, Any]) -> None:
    name = patient["patient_id"]
    if patient["arm"] != "fmt" or alone.read("sessions").is_empty():
        raise RefusedError(
            f"{name} has received no donor material by this day", expected="a patient after a first FMT"
        )
    if (alone.read("dispositions")["kind"] == "death").any():
        raise RefusedError(f"{name} has died", expected="a living patient")


def _window(cohort: str, *, week: int, around: int) -> tuple[int, int]:
    """Return the days from index in which a visit counts for a week: the schedule's window, if it has one."""
    held = [window for window in windows(cohort) if window.target == 7 * week]
    return (held[0].open, held[0].close) if held else (7 * week - around, 7 * week + around)


def stopping_events(case: Case) -> list[str]:
    """Return the events that stop: serious or severe and suspected of FMT, or not yet judged; in words.

    A recurrence of C. difficile infection is the outcome and no stop. An event before index is none; one
    without a day counts.
    """
    events = case.days("adverse_events").sort("adverse_event_id")
    found = []
    for event in events.iter_rows(named=True):
        if event["term"] == RECURRENCE or (event["day"] is not None and event["day"] < 0):
            continue
        judged = (_is_severe(event), _is_suspected(event))
        if False not in judged:
            found.append(f"{event['adverse_event_id']} ({_described(event, judged)})")
    return found


def _is_severe(event: Mapping[str, Any]) -> bool | None:
    if event["is_serious"] or (event["grade"] or 0) >= SEVERE_FROM_GRADE:
        return True
    return False if event["is_serious"] is False or event["grade"] is not None else None


def _is_suspected(event: Mapping[str, Any]) -> bool | None:
    """Whether FMT is suspected, its delivery or its material; what cannot be assessed counts as suspected."""
    if event["related_to"] in ("disease", "concomitant", "other"):
        return False
    if event["causality"] is None:
        return None
    return causality_categories().get(event["causality"]).is_suspected


def _described(event: Mapping[str, Any], judged: tuple[bool | None, bool | None]) -> str:
    day = "day unknown" if event["day"] is None else f"day {event['day']}"
    grade = f", grade {event['grade']}" if event["grade"] is not None else ""
    open_parts = [n for n, v in zip(("severity", "causality"), judged, strict=True) if v is None]
    missing = f", {' and '.join(open_parts)} not recorded" if open_parts else ""
    return f"{day}{grade}{missing}"
