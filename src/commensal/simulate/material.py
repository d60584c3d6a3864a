"""The bank's tables: donations, batches, units, their donors, custody, holds, and the units of sessions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from commensal.simulate.donors import Donors
from commensal.simulate.draws import Ints, within_groups
from commensal.simulate.people import Patients
from commensal.simulate.regimen import Sessions
from commensal.simulate.scenario import Scenario
from commensal.simulate.stock import (
    ADMINISTERED,
    DESTROYED,
    EXPIRED,
    HISTORICAL,
    RELEASED,
    STORED,
    WASTED,
    Stock,
)

HOUR = 3_600_000_000
DAY = 24 * HOUR

# Event, hour of its day, whose day it is.
_MADE = (
    ("collected", 8, "made"),
    ("accepted", 9, "made"),
    ("processed", 11, "made"),
    ("frozen", 12, "made"),
    ("stored", 13, "made"),
)
_RELEASED = (*_MADE, ("released", 10, "release"))
HISTORIES = {
    ADMINISTERED: (
        *_RELEASED,
        ("reserved", 14, "reserve"),
        ("thawed", 8, "fate"),
        ("issued", 9, "fate"),
        ("administered", 10, "fate"),
    ),
    STORED: _MADE,
    RELEASED: _RELEASED,
    EXPIRED: (*_RELEASED, ("expired", 8, "fate"), ("destroyed", 9, "fate")),
    WASTED: (*_RELEASED, ("wasted", 9, "fate")),
    HISTORICAL: (("administered", 10, "fate"),),
    DESTROYED: (*_RELEASED, ("destroyed", 16, "fate")),
}


@dataclass(frozen=True)
class Recall:
    """The one contaminated lot: its batch, when it was recalled, and the recipients who fell ill."""

    batch: int
    day: int
    ill_row: Ints
    ill_session: Ints
    ill_day: Ints


def dates(days: Ints | pl.Expr) -> pl.Expr:
    """Return days since 1970-01-01 as dates; null stays null."""
    days = days if isinstance(days, pl.Expr) else pl.lit(pl.Series(days))
    return days.cast(pl.Int32).cast(pl.Date)


def instants(day: pl.Expr, hour: pl.Expr | float) -> pl.Expr:
    """Return the moment ``hour`` hours into a day, in UTC."""
    hour = pl.lit(hour) if isinstance(hour, (int, float)) else hour
    return (day.cast(pl.Int64) * DAY + (hour * HOUR).cast(pl.Int64)).cast(pl.Datetime("us", "UTC"))


def strings(values: np.ndarray) -> pl.Series:
    """Return identifiers as a Polars column."""
    return pl.Series(values=values.tolist(), dtype=pl.String)


def picked(values: np.ndarray, rows: Ints) -> pl.Series:
    """Return ``values[rows]`` as a column; null where the row is -1."""
    index = pl.Series(values=rows).replace(-1, None) if (rows < 0).any() else pl.Series(values=rows)
    return strings(values).gather(index)


def material_tables(
    scenario: Scenario,
    patients: Patients,
    donors: Donors,
    sessions: Sessions,
    session_id: np.ndarray,
    stock: Stock,
    recall: Recall | None,
    *,
    site_id: str,
    rng: np.random.Generator,
) -> dict[str, pl.DataFrame]:
    """Return donations, batches, units, unit_donors, custody, holds and session_units."""
    stock_recalled = stock if recall is None else _destroyed(stock, recall)
    product = _products(scenario, patients, sessions, stock)
    return {
        "donations": _donations(donors, stock, rng),
        "batches": _batches(stock, product, rng),
        "units": _units(scenario, patients, sessions, stock, product, site_id),
        "unit_donors": _unit_donors(donors, stock),
        "custody": _custody(patients, sessions, session_id, stock_recalled),
        "holds": _holds(scenario, stock, recall, site_id, rng),
        "session_units": _session_units(session_id, stock),
    }


def dose_grams(patients: Patients, rows: Ints) -> np.ndarray:
    """Return grams of stool for each session: 50 g, in children about 1 g per kilogram of body weight."""
    kilograms = 8 + 3 * patients.age_years[rows]
    return np.where(patients.age_years[rows] < 14, np.round(kilograms), 50.0)


def _destroyed(stock: Stock, recall: Recall) -> Stock:
    """What was left of a recalled batch is destroyed the day after the recall."""
    left = (stock.batch == recall.batch) & np.isin(stock.fate, (STORED, RELEASED, EXPIRED, WASTED))
    left &= (stock.fate_day > recall.day) & (stock.release_day <= recall.day)
    fate, day = stock.fate.copy(), stock.fate_day.copy()
    fate[left], day[left] = DESTROYED, recall.day + 1
    return replace(stock, fate=fate, fate_day=day)


def _products(scenario: Scenario, patients: Patients, sessions: Sessions, stock: Stock) -> np.ndarray:
    """A capsule for capsule routes, a frozen suspension else; a spare unit is a suspension."""
    codes = list(scenario.routes)
    by_route = np.array(
        [
            "lyophilised_capsule"
            if "lyophilised" in c
            else "frozen_capsule"
            if "capsule" in c
            else "frozen_suspension"
            for c in codes
        ]
    )
    row = sessions.row[np.maximum(stock.session, 0)] if len(sessions) else stock.session
    return np.where(stock.session >= 0, by_route[patients.route[row]], "frozen_suspension")


def _donations(donors: Donors, stock: Stock, rng: np.random.Generator) -> pl.DataFrame:
    n = len(stock.donation_day)
    frame = pl.DataFrame({"day": stock.donation_day, "hour": rng.integers(6, 8, n) + rng.random(n).round(2)})
    return frame.select(
        donation_id=strings(stock.donation_id),
        donor_id=picked(donors.donor_id, stock.donation_donor),
        donated_on=dates(pl.col("day")),
        passed_at=instants(pl.col("day"), pl.col("hour")),
        received_at=instants(pl.col("day"), pl.col("hour") + 1),
        stool_mass_grams=pl.lit(pl.Series(np.maximum(stock.mass_grams, 105.0))),
        bristol_type=pl.lit(pl.Series(rng.integers(3, 5, n))),
        is_questionnaire_clean=pl.lit(True),
        is_accepted=pl.lit(True),
    )


def donation_answers(donors: Donors, stock: Stock) -> pl.DataFrame:
    """Return the answers given on the day of each donation, as screening results: the same-day questionnaire
    was clean, and a female donor was not menstruating."""
    female = np.flatnonzero(donors.is_female[stock.donation_donor])
    everyone = np.arange(len(stock.donation_donor))
    parts = (("same_day_questionnaire", everyone, "positive"), ("menstruation", female, "negative"))
    frames = [
        pl.DataFrame({"donation": rows}).with_columns(analyte=pl.lit(analyte), result=pl.lit(result))
        for analyte, rows, result in parts
    ]
    rows = pl.concat(frames).sort("donation", "analyte", descending=[False, True])
    at = rows["donation"].to_numpy()
    day = pl.Series(stock.donation_day[at])
    return rows.select(
        result_id=picked(stock.donation_id, at) + "-Q" + pl.Series(within_groups(at) + 1).cast(pl.String),
        donor_id=picked(donors.donor_id, stock.donation_donor[at]),
        donation_id=picked(stock.donation_id, at),
        analyte="analyte",
        specimen=pl.lit("same_day_questionnaire"),
        result="result",
        collected_on=dates(pl.lit(day)),
        reported_on=dates(pl.lit(day)),
        verified_by=pl.lit("staff-laboratory-1"),
    )


def _batches(stock: Stock, product: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    """One row per batch; one that made units of several products names none."""
    n = len(stock.batch_id)
    made = (
        pl.DataFrame({"batch": stock.donation, "product": product.astype(str)})
        .group_by("batch")
        .agg(product=pl.when(pl.col("product").n_unique() == 1).then(pl.col("product").first()))
    )
    batches = pl.DataFrame({"batch": np.arange(n)}).join(
        made.with_columns(pl.col("batch").cast(pl.Int64)), on="batch", how="left", maintain_order="left"
    )
    frame = batches.with_columns(day=pl.Series(stock.donation_day[:n]))
    return frame.select(
        batch_id=strings(stock.batch_id),
        product="product",
        produced_on=dates(pl.col("day")),
        processed_at=instants(pl.col("day"), 11),
        frozen_at=instants(pl.col("day"), 12),
        diluent=pl.lit("NaCl 0.9 %"),
        glycerol_percent=pl.lit(10.0),
        atmosphere=pl.lit("anaerobic"),
        cfu_per_unit=pl.lit(pl.Series(np.round(np.exp(rng.normal(29.0, 0.25, n)), -9).clip(2.5e12, None))),
        is_quality_passed=pl.lit(True),
        operator=pl.lit("staff-laboratory-1"),
    )


def _units(
    scenario: Scenario,
    patients: Patients,
    sessions: Sessions,
    stock: Stock,
    product: np.ndarray,
    site_id: str,
) -> pl.DataFrame:
    is_banked = stock.fate != HISTORICAL
    row = sessions.row[np.maximum(stock.session, 0)] if len(sessions) else stock.session
    grams = np.where(stock.session >= 0, dose_grams(patients, row), 50.0)
    is_capsule = np.char.endswith(product.astype(str), "capsule")
    frame = pl.DataFrame({"day": stock.made_day, "banked": is_banked, "capsule": is_capsule})
    banked = pl.col("banked")
    yes = pl.when(banked).then(pl.lit(True))
    return frame.select(
        unit_id=strings(stock.unit_id),
        batch_id=picked(stock.batch_id, stock.batch),
        site_id=pl.lit(site_id),
        product=strings(product),
        release_pathway=pl.when(banked).then(pl.lit("bookend")).otherwise(pl.lit("historical")),
        dose_grams=pl.lit(pl.Series(grams)),
        volume_millilitres=pl.when(~pl.col("capsule")).then(pl.lit(pl.Series(grams * 4))),
        n_capsules=pl.when("capsule").then(pl.lit(30)),
        produced_on=pl.when(banked).then(dates(pl.col("day"))),
        expires_on=pl.when(banked).then(dates(pl.col("day") + scenario.bank.shelf_life_days)),
        has_retention_sample=yes,
        is_cold_chain_unbroken=yes,
        is_label_verified=yes,
    )


def _unit_donors(donors: Donors, stock: Stock) -> pl.DataFrame:
    pooled = np.flatnonzero(stock.second_donation >= 0)
    unit = np.r_[np.arange(len(stock)), pooled]
    donation = np.r_[stock.donation, stock.second_donation[pooled]]
    donor = np.r_[stock.donor, stock.donation_donor[stock.second_donation[pooled]]]
    share = np.where(np.isin(unit, pooled), 0.5, 1.0)
    return pl.DataFrame(
        {
            "unit_id": picked(stock.unit_id, unit),
            "donor_id": picked(donors.donor_id, donor),
            "donation_id": picked(stock.donation_id, donation),
            "share": share,
        }
    ).sort("unit_id", "donor_id")


def _custody(patients: Patients, sessions: Sessions, session_id: np.ndarray, stock: Stock) -> pl.DataFrame:
    steps = pl.DataFrame(
        [
            {"fate": fate, "sequence": i, "event": event, "hour": hour, "when": when}
            for fate, history in HISTORIES.items()
            for i, (event, hour, when) in enumerate(history, start=1)
        ]
    )
    row = np.where(
        stock.session >= 0, sessions.row[np.maximum(stock.session, 0)] if len(sessions) else -1, -1
    )
    units = pl.DataFrame(
        {
            "unit": np.arange(len(stock)),
            "unit_id": strings(stock.unit_id),
            "patient": picked(patients.patient_id, row),
            "session": picked(session_id, stock.session),
            "fate": stock.fate,
            "made": stock.made_day,
            "release": stock.release_day,
            "fate_day": stock.fate_day,
        }
    )
    rows = units.join(steps, on="fate", how="inner").sort("unit", "sequence")
    day = (
        pl.when(pl.col("when") == "made")
        .then("made")
        .when(pl.col("when") == "release")
        .then("release")
        .when(pl.col("when") == "reserve")
        .then(pl.max_horizontal("release", pl.col("fate_day") - 2))
        .otherwise("fate_day")
    )
    given = pl.col("event") == "administered"
    of_patient = given | pl.col("event").is_in(["reserved", "thawed", "issued"])
    released = pl.col("event") == "released"
    staff = pl.when(of_patient).then(pl.lit("staff-nurse-1")).otherwise(pl.lit("staff-laboratory-1"))
    return rows.select(
        event_id=pl.col("unit_id") + "-" + pl.col("sequence").cast(pl.String).str.zfill(2),
        unit_id="unit_id",
        sequence="sequence",
        event="event",
        occurred_on=dates(day),
        occurred_at=instants(day, pl.col("hour")),
        session_id=pl.when(given).then("session"),
        patient_id=pl.when(of_patient).then("patient"),
        fraction=pl.when(given).then(1.0),
        recorded_by=pl.when(released).then(pl.lit("staff-quality-1")).otherwise(staff),
        signed_by=pl.when(released).then(pl.lit("staff-quality-2")),
    )


def _holds(
    scenario: Scenario, stock: Stock, recall: Recall | None, site_id: str, rng: np.random.Generator
) -> pl.DataFrame:
    """Some batches were held in quarantine while they waited for release, and cleared; one was recalled."""
    n = len(stock.batch_id)
    held = np.flatnonzero(rng.random(n) < scenario.bank.hold_share)
    placed = stock.donation_day[held] + rng.integers(2, 20, len(held))
    lifted = placed + rng.integers(5, 40, len(held))
    rows = [
        {
            "kind": "quarantine",
            "batch": int(b),
            "placed": int(p),
            "lifted": int(u),
            "reason": "freezer alarm, log reviewed",
        }
        for b, p, u in zip(held, placed, lifted, strict=True)
    ]
    if recall is not None:
        rows.append(
            {
                "kind": "recall",
                "batch": recall.batch,
                "placed": recall.day,
                "lifted": None,
                "reason": "infections in recipients of this lot",
            }
        )
    schema = {
        "kind": pl.String,
        "batch": pl.Int64,
        "placed": pl.Int64,
        "lifted": pl.Int64,
        "reason": pl.String,
    }
    frame = pl.DataFrame(rows, schema=schema).sort("placed", "batch").with_row_index("n", offset=1)
    return frame.select(
        hold_id=pl.lit(f"{site_id}-H") + pl.col("n").cast(pl.String).str.zfill(4),
        kind="kind",
        batch_id=strings(stock.batch_id).gather(frame["batch"]) if len(frame) else pl.lit(None, pl.String),
        placed_on=dates(pl.col("placed")),
        placed_at=instants(pl.col("placed"), 9),
        lifted_on=dates(pl.col("lifted")),
        lifted_at=instants(pl.col("lifted"), 9),
        placed_by=pl.lit("staff-quality-1"),
        lifted_by=pl.when(pl.col("lifted").is_not_null()).then(pl.lit("staff-quality-2")),
        reason="reason",
    )


def _session_units(session_id: np.ndarray, stock: Stock) -> pl.DataFrame:
    used = np.flatnonzero(stock.session >= 0)
    return pl.DataFrame(
        {
            "session_id": picked(session_id, stock.session[used]),
            "unit_id": picked(stock.unit_id, used),
            "fraction": np.ones(len(used)),
        }
    ).sort("session_id", "unit_id")
