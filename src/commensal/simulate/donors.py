"""Donors, when they give, and their screening in the windows that release asks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.simulate.draws import Flags, Floats, Ints, names, one_true, within_groups
from commensal.simulate.people import YEAR, Patients, day_of
from commensal.simulate.scenario import Scenario
from commensal.vocabulary.sources import read_table

ACTIVE, EXCLUDED, DEFERRED, PENDING = 0, 1, 2, 3
SCREEN_EVERY = 56  # full screen; the gap between two stool screens may be 60 days at most
BLOOD_EVERY = 28  # so that every donation has a closing serology 56 to 84 days later
CLOSING_DAYS = 84
DONATION_GRID = 7  # a donor gives on one weekday
FOODS = ("milk;egg", "peanut", "shellfish;fish", "wheat;soy", "egg")


@dataclass(frozen=True)
class Donors:
    """One entry a donor. ``begin`` to ``end`` are the days (since 1970-01-01) between which the donor gives.

    ``fate`` is ACTIVE for those who ever give. ``for_patient`` is the patient row of a directed donor, else
    -1. ``log_odds`` is the planted effect on response: exactly 0 for every donor but a planted bad one.
    """

    donor_id: np.ndarray
    fate: Ints
    begin: Ints
    end: Ints
    born_day: Ints
    is_female: Flags
    bmi: Floats
    has_cmv: Flags
    has_ebv: Flags
    foods: Ints
    for_patient: Ints
    log_odds: Floats

    def __len__(self) -> int:
        return len(self.fate)


def draw_donors(
    scenario: Scenario, patients: Patients, *, prefix: str, plants: bool, rng: np.random.Generator
) -> Donors:
    """Draw the donors of a centre; ``plants`` makes one of those who give a bad one."""
    bank = scenario.bank
    n = max(12, round(bank.donors_per_4000_patients * len(patients) / 4000))
    n_directed = max(1, round(bank.directed_share * n))
    fate = _fates(scenario, n - n_directed)
    begin, end = _periods(scenario, fate, rng)
    directed = _directed(patients, n_directed, rng)
    index = patients.index_day[directed]
    fate = np.r_[fate, np.full(len(directed), ACTIVE)]
    begin, end = np.r_[begin, index - bank.max_lag_days - 40], np.r_[end, index + 200]
    n = len(fate)
    age = np.where(rng.random(n) < 0.8, rng.uniform(18.5, 27.0, n), rng.uniform(27.0, 45.0, n))
    return Donors(
        donor_id=names(f"{prefix}D", np.arange(1, n + 1), width=4),
        fate=fate,
        begin=begin,
        end=end,
        born_day=np.floor(begin - 30 - age * YEAR).astype(np.int64),
        is_female=rng.random(n) < 0.5,
        bmi=np.round(rng.uniform(18.6, 23.8, n), 1),
        has_cmv=rng.random(n) < bank.cmv_positive_share,
        has_ebv=rng.random(n) < bank.ebv_positive_share,
        foods=np.where(rng.random(n) < 0.3, rng.integers(0, len(FOODS), n), -1),
        for_patient=np.r_[np.full(n - len(directed), -1), directed],
        log_odds=_bad_donor(scenario, fate, n - len(directed), plants, rng),
    )


def give_window(scenario: Scenario) -> tuple[int, int]:
    """First and last day on which donations are needed."""
    calendar = scenario.calendar
    return day_of(calendar.programme_start) - scenario.bank.max_lag_days - 10, day_of(calendar.data_cut)


def assign_donors(
    donors: Donors, donation_day: Ints, *, usual: Ints | None = None, rng: np.random.Generator
) -> Ints:
    """Return a donor for each donation day: the ``usual`` one three times in four where that donor gives,
    else any universal donor who gives then, each with the same chance."""
    universal = (donors.fate == ACTIVE) & (donors.for_patient < 0)
    allowed = universal & gives_on(donors, donation_day)
    donor = one_true(rng, allowed)
    if usual is not None:
        known = np.maximum(usual, 0)
        again = (usual >= 0) & allowed[np.arange(len(donor)), known] & (rng.random(len(donor)) < 0.75)
        donor = np.where(again, usual, donor)
    return donor


def gives_on(donors: Donors, day: Ints) -> Flags:
    """Return (days × donors) whether each donor's period of giving holds the day."""
    return (donors.begin <= day[:, None]) & (day[:, None] <= donors.end)


def _fates(scenario: Scenario, n: int) -> Ints:
    bank = scenario.bank
    counts = [
        max(1, round(share * n)) for share in (bank.excluded_share, bank.deferred_share, bank.pending_share)
    ]
    if sum(counts) >= n:
        raise InputError(
            f"{sum(counts)} of {n} donors never give: no donor is left",
            expected="bank.excluded_share, deferred_share and pending_share that leave some",
        )
    fates = np.repeat([EXCLUDED, DEFERRED, PENDING], counts)
    return np.r_[np.full(n - len(fates), ACTIVE), fates]


def _periods(scenario: Scenario, fate: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Spread the donors evenly, so that on every day somebody gives, however small the centre."""
    first, last = give_window(scenario)
    n = int((fate == ACTIVE).sum())
    span = max(scenario.bank.active_days_mean, 3.0 * (last - first) / n)
    spans = span * np.exp(0.25 * rng.standard_normal(len(fate))).clip(0.8, 1.6)
    spacing = (last - first + span) / n
    begin = first - span * 0.9 + (np.arange(len(fate)) + rng.uniform(0, 0.25, len(fate))) * spacing
    # Candidates who never give were met at any time; the pending ones in the last month.
    begin = np.where(fate == ACTIVE, begin, rng.uniform(first, last - 60, len(fate)))
    begin = np.where(fate == DEFERRED, last - rng.uniform(20, 50, len(fate)), begin)
    begin = np.where(fate == PENDING, last - rng.uniform(3, 20, len(fate)), begin)
    end = np.where(fate == ACTIVE, np.minimum(begin + spans, last), begin)
    return np.floor(begin).astype(np.int64), np.floor(end).astype(np.int64)


def _directed(patients: Patients, n: int, rng: np.random.Generator) -> Ints:
    able = np.flatnonzero(patients.is_treated & (patients.age_years > 4))
    return np.sort(rng.choice(able, size=min(n, len(able)), replace=False))


def _bad_donor(
    scenario: Scenario, fate: Ints, n_universal: int, plants: bool, rng: np.random.Generator
) -> Floats:
    effect = np.zeros(len(fate))
    givers = np.flatnonzero(fate[:n_universal] == ACTIVE)
    # One of the middle, so that the donor's period lies inside the programme.
    middle = givers[len(givers) // 3 : max(2 * len(givers) // 3, len(givers) // 3 + 1)]
    bad = rng.choice(middle)
    if plants:
        effect[bad] = scenario.planted.bad_donor_log_odds
    return effect


# --- screening


@cache
def _panel() -> pl.DataFrame:
    """Every analyte and question: code, specimen, whether it is asked at every blood draw, what "well" is."""
    document = read_table("screening_analytes.toml")
    rows: list[dict[str, Any]] = [
        {
            "analyte": a["code"],
            "specimen": a["specimen"],
            "is_virus": a["group"] == "blood_virus",
            "good": "negative",
        }
        for a in document["analyte"]
    ]
    rows += [
        {
            "analyte": q["code"],
            "specimen": "questionnaire",
            "is_virus": False,
            "good": None if q["kind"] == "range" else "positive" if q.get("must_be") else "negative",
        }
        for q in read_table("screening_questions.toml")["question"]
        if q["subject"] == "donor"
    ]
    return pl.DataFrame(rows, schema_overrides={"good": pl.String}).filter(
        pl.col("analyte").is_in(["age", "bmi"]) | pl.col("good").is_not_null()
    )


def draw_screenings(scenario: Scenario, donors: Donors, *, rng: np.random.Generator) -> pl.DataFrame:
    """Return the screening results of every donor up to the data cut."""
    cut = day_of(scenario.calendar.data_cut)
    begin = day_of(scenario.calendar.bank_records_begin) - SCREEN_EVERY - 4
    occasions = _occasions(donors).filter(pl.col("day").is_between(begin, cut))
    rows = occasions.join(_panel(), how="cross").filter(
        (pl.col("kind") == "full")
        | ((pl.col("kind") == "blood") & pl.col("is_virus"))
        | ((pl.col("kind") == "parasites") & (pl.col("analyte") == "ova_and_parasites"))
    )
    rows = rows.sort("donor", "day", "specimen", "analyte").with_row_index("row")
    rows = _with_findings(rows, donors, rng)
    return _screening_table(rows, donors, cut)


def _occasions(donors: Donors) -> pl.DataFrame:
    """Days of screening: everything every eight weeks (parasites on three days), blood every four."""
    gives = donors.fate == ACTIVE
    full_end = np.where(gives, donors.end + SCREEN_EVERY, donors.begin)
    blood_end = np.where(gives, donors.end + CLOSING_DAYS, donors.begin)
    donor, full = _every(donors.begin, full_end, SCREEN_EVERY)
    bled, blood = _every(donors.begin + BLOOD_EVERY, blood_end, BLOOD_EVERY)
    between = ((blood - donors.begin[bled]) % SCREEN_EVERY != 0) | (blood > full_end[bled])
    parts = (
        ("full", donor, full),
        ("blood", bled[between], blood[between]),
        ("parasites", np.r_[donor, donor], np.r_[full - 2, full - 1]),
    )
    return pl.concat(
        pl.DataFrame({"donor": who, "day": day}).with_columns(kind=pl.lit(kind)) for kind, who, day in parts
    )


def _every(begin: Ints, end: Ints, step: int) -> tuple[Ints, Ints]:
    """Return (donor, day) for every ``step`` days from ``begin`` to ``end``, both included."""
    n = np.maximum((end - begin) // step + 1, 0)
    donor = np.repeat(np.arange(len(begin)), n)
    return donor, begin[donor] + step * within_groups(donor)


def _with_findings(rows: pl.DataFrame, donors: Donors, rng: np.random.Generator) -> pl.DataFrame:
    """Results: well for those who give; a positive for the excluded, a recent event for the deferred, and
    answers still out for the pending. IgG is what the donor is."""
    fate = donors.fate[rows["donor"].to_numpy()]
    column = {
        "fate": fate,
        "cmv": donors.has_cmv[rows["donor"].to_numpy()],
        "ebv": donors.has_ebv[rows["donor"].to_numpy()],
        "age": (rows["day"].to_numpy() - donors.born_day[rows["donor"].to_numpy()]) / YEAR,
        "bmi": donors.bmi[rows["donor"].to_numpy()],
    }
    excluded = np.flatnonzero(donors.fate == EXCLUDED)
    findings = ("c_difficile", "esbl", "hbsag", "giardia", "salmonella", "epec")
    found = {int(d): findings[int(rng.integers(len(findings)))] for d in excluded}
    finding = pl.col("donor").replace_strict(found, default=None, return_dtype=pl.String)
    igg = pl.when(pl.col("analyte") == "cmv_igg").then("cmv").otherwise("ebv")
    is_out = (pl.col("fate") == PENDING) & (pl.col("specimen") == "stool")
    deferral = (pl.col("fate") == DEFERRED) & (pl.col("analyte") == "antibiotic")
    return rows.with_columns(**{k: pl.Series(v) for k, v in column.items()}).with_columns(
        result=pl.when(pl.col("analyte").is_in(["cmv_igg", "ebv_igg"]))
        .then(pl.when(igg).then(pl.lit("positive")).otherwise(pl.lit("negative")))
        .when(pl.col("analyte") == finding)
        .then(pl.lit("positive"))
        .when(is_out)
        .then(pl.lit("pending"))
        .when(deferral)
        .then(pl.lit("positive"))
        .otherwise(pl.col("good")),
        value=pl.when(pl.col("analyte") == "age")
        .then(pl.col("age").floor())
        .when(pl.col("analyte") == "bmi")
        .then(pl.col("bmi")),
        event_day=pl.when(deferral).then(pl.col("day") - 20),
    )


def _screening_table(rows: pl.DataFrame, donors: Donors, cut: int) -> pl.DataFrame:
    donor_id = pl.Series(donors.donor_id.astype(str))
    method = {"stool": "nat", "questionnaire": None, "blood": "serology"}
    reported = pl.col("day") + pl.when(pl.col("specimen") == "questionnaire").then(0).otherwise(5)
    pending = (reported > cut) & (pl.col("specimen") != "questionnaire")
    return rows.with_columns(donor_id=donor_id.gather(rows["donor"])).select(
        result_id=pl.col("donor_id")
        + "-R"
        + pl.int_range(pl.len()).over("donor").cast(pl.String).str.zfill(5),
        donor_id="donor_id",
        specimen_id=pl.when(pl.col("specimen") != "questionnaire").then(
            pl.col("donor_id") + "-" + pl.col("specimen").str.slice(0, 1) + pl.col("day").cast(pl.String)
        ),
        analyte="analyte",
        specimen="specimen",
        method=pl.when(pl.col("analyte") == "ova_and_parasites")
        .then(pl.lit("microscopy"))
        .otherwise(pl.col("specimen").replace_strict(method)),
        result=pl.when(pending).then(pl.lit("pending")).otherwise(pl.col("result")),
        value="value",
        unit=pl.when(pl.col("analyte") == "bmi")
        .then(pl.lit("kg/m2"))
        .when(pl.col("analyte") == "age")
        .then(pl.lit("years")),
        event_on=pl.col("event_day").cast(pl.Int32).cast(pl.Date),
        collected_on=pl.col("day").cast(pl.Int32).cast(pl.Date),
        reported_on=pl.when(pending | (pl.col("result") == "pending"))
        .then(None)
        .otherwise(reported)
        .cast(pl.Int32)
        .cast(pl.Date),
        verified_by=pl.when(pending).then(None).otherwise(pl.lit("staff-laboratory-2")),
    )


def donor_consents(donors: Donors) -> pl.DataFrame:
    """Return every donor's consent, signed before the first screening."""
    donor_id = pl.Series(donors.donor_id.astype(str))
    return pl.DataFrame(
        {
            "consent_id": donor_id + "-C1",
            "donor_id": donor_id,
            "type": ["donor_consent"] * len(donors),
            "version": ["1.0"] * len(donors),
            "language": ["zh-CN"] * len(donors),
            "signed_on": pl.Series(donors.begin - 10).cast(pl.Int32).cast(pl.Date),
        }
    )


def donor_table(scenario: Scenario, donors: Donors, *, site_id: str) -> pl.DataFrame:
    """Return the donors table."""
    cut = day_of(scenario.calendar.data_cut)
    status = np.select(
        [donors.fate == EXCLUDED, donors.fate == DEFERRED, donors.fate == PENDING, donors.end >= cut - 1],
        ["excluded", "deferred", "candidate", "eligible"],
        default="retired",
    )
    foods = [FOODS[f] if f >= 0 else None for f in donors.foods.tolist()]
    igg = {True: "positive", False: "negative"}
    is_known = donors.fate != PENDING
    return pl.DataFrame(
        {
            "donor_id": donors.donor_id.astype(str),
            "site_id": [site_id] * len(donors),
            "kind": np.where(donors.for_patient >= 0, "directed", "universal"),
            "sex": np.where(donors.is_female, "female", "male"),
            "born_on": donors.born_day,
            "bmi": donors.bmi,
            "status": status,
            "enrolled_on": donors.begin - 14,
            "deferred_until_on": np.where(donors.fate == DEFERRED, donors.begin + 72, 0),
            "cmv_igg": [igg[bool(v)] if k else None for v, k in zip(donors.has_cmv, is_known, strict=True)],
            "ebv_igg": [igg[bool(v)] if k else None for v, k in zip(donors.has_ebv, is_known, strict=True)],
            "recent_foods": foods,
        }
    ).with_columns(
        pl.col("born_on", "enrolled_on").cast(pl.Int32).cast(pl.Date),
        deferred_until_on=pl.when(pl.col("deferred_until_on") > 0)
        .then(pl.col("deferred_until_on"))
        .cast(pl.Int32)
        .cast(pl.Date),
    )
