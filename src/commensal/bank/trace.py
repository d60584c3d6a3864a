"""Where material went and where it came from: one walk over the same links, either way.

donor → donation → batch → unit → session → patient → adverse event, and back. Links come from what was
recorded at the session *and* from the custody events; an exposure that only one of them knows is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from commensal.bank.custody import fold
from commensal.bank.stock import events_of, picked
from commensal.errors import InputError
from commensal.study import Study

STARTS = {
    "unit": ("units", "unit_id"),
    "donor": ("donors", "donor_id"),
    "patient": ("patients", "patient_id"),
}

EXPOSURES: dict[str, pl.DataType] = {
    "unit_id": pl.String(),
    "patient_id": pl.String(),
    "session_id": pl.String(),
    "day": pl.Int32(),
    "fraction": pl.Float64(),
    "recorded_in": pl.String(),
    "is_taken_back": pl.Boolean(),
}

LINKS = ("donor_id", "donation_id", "batch_id", "unit_id", "session_id", "patient_id")


@dataclass(frozen=True)
class Trace:
    """Everything linked to one unit, donor or patient.

    ``links`` has one row per donor's part in a unit and use of it [donor_id, donation_id, batch_id, unit_id,
    session_id, patient_id, …]; a unit not yet used has null session and patient, a patient whose material is
    unknown a null unit. ``others`` holds the rows of the same donors' further units: who else was exposed.
    The remaining frames are the study's own rows of what ``links`` names; ``other_patients`` and
    ``other_units`` those of ``others``.
    """

    start: str
    id: str
    links: pl.DataFrame
    others: pl.DataFrame
    donors: pl.DataFrame
    donations: pl.DataFrame
    batches: pl.DataFrame
    units: pl.DataFrame
    sessions: pl.DataFrame
    patients: pl.DataFrame
    adverse_events: pl.DataFrame
    holds: pl.DataFrame

    @property
    def other_units(self) -> list[str]:
        """Further units of the same donors."""
        return _values(self.others, "unit_id")

    @property
    def other_patients(self) -> list[str]:
        """Patients who received further units of the same donors."""
        return [p for p in _values(self.others, "patient_id") if p not in _values(self.links, "patient_id")]


def trace(
    study: Study, *, unit: str | None = None, donor: str | None = None, patient: str | None = None
) -> Trace:
    """Return everything linked to exactly one unit, donor or patient.

    Refuses (InputError) none or several starts, and an id the study does not hold.
    """
    start, value = _start(unit=unit, donor=donor, patient=patient)
    table, key = STARTS[start]
    if picked(study, table, key=key, values=[value]).is_empty():
        raise InputError(f"no {start} {value!r} in the study", expected=f"a {key} of the table {table}")
    if start == "donor":
        units = _units_of_donors(study, [value])
        links = _links(study, units=units).filter(pl.col("donor_id") == value)
    elif start == "unit":
        links = _links(study, units=[value])
    else:
        links = _links_of_patient(study, value)
    return _filled(study, start, value, links)


def exposures(study: Study, *, units: Iterable[str] | None = None) -> pl.DataFrame:
    """Return every use of units in patients, from sessions and from custody, each once.

    [unit_id, patient_id, session_id, day, fraction, recorded_in (session, custody, both), is_taken_back].
    """
    ids = None if units is None else list(units)
    from_sessions = _session_uses(study, units=ids)
    from_custody = _custody_uses(study, units=ids)
    keys = ["unit_id", "patient_id", "session_id"]
    both = from_sessions.join(from_custody, on=keys, how="full", coalesce=True, nulls_equal=True)
    recorded = (
        pl.when(pl.col("in_session") & pl.col("in_custody"))
        .then(pl.lit("both"))
        .when(pl.col("in_session"))
        .then(pl.lit("session"))
        .otherwise(pl.lit("custody"))
    )
    return both.select(
        *keys,
        pl.coalesce("day", "custody_day").alias("day"),
        pl.coalesce("custody_fraction", "fraction").alias("fraction"),
        recorded.alias("recorded_in"),
        pl.col("is_taken_back").fill_null(value=False),
    ).sort(*keys, nulls_last=True)


def _start(**given: str | None) -> tuple[str, str]:
    named = [(start, value) for start, value in given.items() if value is not None]
    if len(named) != 1:
        raise InputError(
            f"{len(named)} starts named for a trace", expected="exactly one of unit, donor, patient"
        )
    return named[0]


def _session_uses(study: Study, *, units: list[str] | None) -> pl.DataFrame:
    used = picked(study, "session_units", key="unit_id", values=units)
    sessions = picked(study, "sessions", key="session_id", values=_values(used, "session_id"))
    return used.join(
        sessions.select("session_id", "patient_id", pl.col("administered_day").alias("day")),
        on="session_id",
        how="left",
    ).with_columns(in_session=pl.lit(value=True))


def _custody_uses(study: Study, *, units: list[str] | None) -> pl.DataFrame:
    pathways = dict(
        picked(study, "units", key="unit_id", values=units).select("unit_id", "release_pathway").iter_rows()
    )
    given = picked(study, "custody", key="unit_id", values=units)
    touched = given.filter(pl.col("event").is_in(["administered", "partly_administered"]))
    events = events_of(given.filter(pl.col("unit_id").is_in(touched["unit_id"].unique().to_list())))
    rows = [
        (unit_id, e.patient_id, e.session_id, e.day, e.fraction, "custody", e.is_taken_back)
        for unit_id, recorded in events.items()
        for e in fold(recorded, pathway=pathways.get(unit_id, "historical")).exposures
    ]
    return (
        pl.DataFrame(rows, schema=EXPOSURES, orient="row")
        .group_by("unit_id", "patient_id", "session_id")
        .agg(
            pl.col("day").min().alias("custody_day"),
            _sum_if_all_known("fraction").alias("custody_fraction"),
            pl.col("is_taken_back").all(),
        )
        .with_columns(in_custody=pl.lit(value=True))
    )


def _sum_if_all_known(column: str) -> pl.Expr:
    """A sum that is null where one of its parts is: an unknown part is not zero."""
    return pl.when(pl.col(column).is_null().any()).then(None).otherwise(pl.col(column).sum())


def _units_of_donors(study: Study, donors: list[str]) -> list[str]:
    return _values(picked(study, "unit_donors", key="donor_id", values=donors), "unit_id")


def _links(study: Study, *, units: list[str]) -> pl.DataFrame:
    """One row per (donor's part, use) of the units."""
    batches = picked(study, "units", key="unit_id", values=units).select("unit_id", "batch_id")
    parts = picked(study, "unit_donors", key="unit_id", values=units).select(
        "unit_id", "donor_id", "donation_id"
    )
    uses = exposures(study, units=units).drop("recorded_in")
    linked = batches.join(parts, on="unit_id", how="left").join(uses, on="unit_id", how="left")
    rest = ("day", "fraction", "is_taken_back")
    return linked.select(*LINKS, *rest).sort(*LINKS, nulls_last=True)


def _links_of_patient(study: Study, patient: str) -> pl.DataFrame:
    sessions = picked(study, "sessions", key="patient_id", values=[patient])
    by_session = picked(study, "session_units", key="session_id", values=_values(sessions, "session_id"))
    by_custody = picked(study, "custody", key="patient_id", values=[patient])
    units = sorted({*_values(by_session, "unit_id"), *_values(by_custody, "unit_id")})
    links = _links(study, units=units).filter(pl.col("patient_id") == patient)
    known = _values(links, "session_id")
    bare = sessions.filter(~pl.col("session_id").is_in(known)).select(
        "session_id", "patient_id", pl.col("administered_day").alias("day")
    )
    return pl.concat([links, bare], how="diagonal").sort(*LINKS, nulls_last=True)


def _filled(study: Study, start: str, value: str, links: pl.DataFrame) -> Trace:
    donors = _values(links, "donor_id") if start != "donor" else [value]
    units = _values(links, "unit_id")
    siblings = [u for u in _units_of_donors(study, donors) if u not in set(units)]
    donations = picked(study, "donations", key="donor_id", values=donors)
    if start != "donor":
        donations = donations.filter(pl.col("donation_id").is_in(_values(links, "donation_id")))
    patients = _values(links, "patient_id") if start != "patient" else [value]
    return Trace(
        start=start,
        id=value,
        links=links,
        others=_links(study, units=siblings).filter(pl.col("donor_id").is_in(donors)),
        donors=picked(study, "donors", key="donor_id", values=donors),
        donations=donations,
        batches=picked(study, "batches", key="batch_id", values=_values(links, "batch_id")),
        units=picked(study, "units", key="unit_id", values=units),
        sessions=picked(study, "sessions", key="session_id", values=_values(links, "session_id")),
        patients=picked(study, "patients", key="patient_id", values=patients),
        adverse_events=picked(study, "adverse_events", key="patient_id", values=patients),
        holds=_holds(study, donors=donors, units=units, batches=_values(links, "batch_id")),
    )


def _holds(study: Study, *, donors: list[str], units: list[str], batches: list[str]) -> pl.DataFrame:
    named = (
        pl.col("donor_id").is_in(donors) | pl.col("unit_id").is_in(units) | pl.col("batch_id").is_in(batches)
    )
    return study.read("holds").filter(named)


def _values(frame: pl.DataFrame, column: str) -> list[str]:
    """The distinct known values of a column, sorted."""
    return frame[column].drop_nulls().unique().sort().to_list()
