"""Late events and new-onset disease, beside what the rates of a population would lead one to expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from commensal.evidence.rates import standardised_incidence_ratio
from commensal.evidence.rows import reason_row, rows_of
from commensal.evidence.safety.incidence import with_caution
from commensal.evidence.safety.person_time import first_event_rate, rates
from commensal.evidence.safety.records import DAYS_PER_YEAR, SafetyRecords, cautions, kinds_of_event
from commensal.study import Study

NEW_ONSET = "ae20"
NO_RATES = (
    "no reference rates were given: whether this is more than in a population without transplants cannot "
    "be told"
)
SIR_POPULATION = "treated patients of known age and sex with follow-up"


def new_onset(study: Study, records: SafetyRecords) -> pl.DataFrame:
    """Return [patient_id, day, condition, term, route, end_day, fault] of every new-onset disease recorded.

    From adverse events with the term for new-onset disease and from diagnoses with that role; the same
    condition of one patient on one day counts once.
    """
    events = records.events.filter(pl.col("term") == NEW_ONSET).with_columns(
        condition=pl.col("term_as_recorded")
    )
    who = records.patients.select("patient_id", "index_day", "end_day", "days_to_death")
    diagnosed = (
        study.read("diagnoses", columns=["patient_id", "role", "condition", "diagnosed_day"])
        .filter(pl.col("role") == "new_onset")
        .join(who, on="patient_id")
        .with_columns(day=(pl.col("diagnosed_day") - pl.col("index_day")).cast(pl.Int64))
        .with_columns(fault=_fault(), term=pl.lit(NEW_ONSET))
    )
    columns = ["patient_id", "day", "condition", "term", "end_day", "fault"]
    both = pl.concat([diagnosed.select(columns), events.select(columns)], how="vertical_relaxed")
    # One disease on both forms: the diagnosis names it, the event often does not.
    named = both.sort("patient_id", "day", "condition", nulls_last=True)
    return named.unique(["patient_id", "day"], keep="first", maintain_order=True)


def _fault() -> pl.Expr:
    day = pl.col("day")
    return (
        pl.when(day > pl.col("days_to_death"))
        .then(pl.lit("dated after death"))
        .when(day.is_null())
        .then(pl.lit("without a date"))
        .when(day < 0)
        .then(pl.lit("dated before index"))
    )


def late(
    study: Study,
    records: SafetyRecords,
    *,
    late_from_day: int,
    reference_rates: Sequence[Mapping[str, Any]] = (),
    level: float,
) -> pl.DataFrame:
    """Return ``estimates`` rows: late events and new-onset disease per 100 person-years, standardised ratios.

    An event is late after ``late_from_day``; its person-time starts the day after. Observed new-onset disease
    is the first of each patient.
    """
    kinds = kinds_of_event()
    parts = []
    for endpoint in ("adverse_event", "serious_adverse_event"):
        found = rates(
            records.used.filter(kinds[endpoint]),
            records.patients,
            level=level,
            from_day=late_from_day + 1,
            estimand=f"every event after day {late_from_day}, over the time after it",
        )
        parts.append(found.with_columns(endpoint=pl.lit(f"late_{endpoint}")))
    disease = new_onset(study, records)
    used = disease.filter(pl.col("fault").is_null())
    first = with_caution(first_event_rate(used, records.patients, level=level), cautions(disease))
    parts.append(first.with_columns(endpoint=pl.lit("new_onset_disease"), group_variable=pl.lit("all")))
    parts[-1] = parts[-1].with_columns(group_level=pl.lit("all"))
    return rows_of("estimates", [*parts, *_ratios(used, records, reference_rates, level=level)])


def _ratios(
    disease: pl.DataFrame, records: SafetyRecords, rates: Sequence[Mapping[str, Any]], *, level: float
) -> list[pl.DataFrame]:
    if not rates:
        cells = {"group_variable": "condition", "group_level": "all", "level": level, "unit": "ratio"}
        counts = {"n": records.patients.height, "n_due": records.patients.height}
        return [reason_row("estimates", endpoint="new_onset_disease", reason=NO_RATES, **cells, **counts)]
    terms = sorted({str(rate["term"]) for rate in rates})
    return [
        _ratio(term, disease, records, [r for r in rates if str(r["term"]) == term], level=level)
        for term in terms
    ]


def _ratio(
    term: str,
    disease: pl.DataFrame,
    records: SafetyRecords,
    rates: Sequence[Mapping[str, Any]],
    *,
    level: float,
) -> pl.DataFrame:
    """Observed first events of one condition over those expected by age and sex."""
    same = (pl.col("term") == term) | (pl.col("condition").str.to_lowercase() == term.lower())
    of_term = disease.filter(same.fill_null(False)).group_by("patient_id")
    first = of_term.agg(first_day=pl.col("day").min())
    known = records.patients.filter(
        pl.col("age_at_index_years").is_not_null()
        & pl.col("sex").is_not_null()
        & pl.col("end_day").is_not_null()
    ).join(first, on="patient_id", how="left")
    inside = known.filter(pl.col("first_day").is_between(0, pl.col("end_day")))
    years, per_rate = person_years_in(known, rates)
    expected = float((per_rate * [r["per_100000_person_years"] for r in rates]).sum() / 1e5)
    covered = float(per_rate.sum())
    n_missing = records.patients.height - known.height
    row: dict[str, Any] = {
        "endpoint": "new_onset_disease",
        "population": SIR_POPULATION,
        "estimand": "first events observed over those expected from the reference rates by age and sex",
        "group_variable": "condition",
        "group_level": term,
        "level": level,
        "unit": "ratio",
        "n": known.height,
        "n_due": records.patients.height,
        "n_missing": n_missing,
        "n_events": inside.height,
        "reference": "; ".join(sorted({str(r["source"]) for r in rates})),
        "reason": f"{expected:.3g} expected; the rates cover {covered:.1f} of {years:.1f} person-years",
    }
    if expected > 0 and abs(covered - years) <= 1e-6 * years:
        found = standardised_incidence_ratio(inside.height, expected, level=level)
        row |= {n: getattr(found, n) for n in ("estimate", "lower", "upper", "method")}
    else:
        row["reason"] += ": they leave out or repeat ages and sexes of the patients, so there is no ratio"
    return pl.DataFrame([row])


def person_years_in(patients: pl.DataFrame, rates: Sequence[Mapping[str, Any]]) -> tuple[float, np.ndarray]:
    """All person-years until the first event, and the part of them in the age and sex of each rate.

    Age moves on during follow-up: a patient's time is split at the ages where rates begin and end.
    """
    until = patients.select(pl.min_horizontal("first_day", "end_day")).to_series().to_numpy().astype(float)
    age = patients["age_at_index_years"].to_numpy().astype(float)
    sex = patients["sex"].to_numpy()
    per_rate = np.zeros(len(rates))
    for k, rate in enumerate(rates):
        opens = (rate["age_from"] - age) * DAYS_PER_YEAR
        closes = (rate["age_to"] - age) * DAYS_PER_YEAR
        days = (np.minimum(until, closes) - np.maximum(0.0, opens)).clip(min=0)
        per_rate[k] = days[(sex == rate["sex"]) | (rate["sex"] == "all")].sum() / DAYS_PER_YEAR
    return float(until.clip(min=0).sum()) / DAYS_PER_YEAR, per_rate
