"""Rates of adverse events by route: an association, not an effect of the route."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.covariates import Covariate, known_covariates
from commensal.evidence.designs import design_of
from commensal.evidence.rates import rate_model
from commensal.evidence.rows import rows_of
from commensal.evidence.safety.records import DAYS_PER_YEAR, SafetyRecords, kinds_of_event

ROUTE = Covariate("route", "nominal", "Route")
ENDPOINTS = ("adverse_event", "suspected_reaction", "serious_adverse_event")
METHOD = "Poisson rate model, variance clustered by patient"
ASSOCIATION = "an association: routes were chosen, not drawn by lot"
# Fewer patients of a route than this say nothing about it: they are put together.
RARE = 10


def route_comparison(
    records: SafetyRecords, covariates: pl.DataFrame, *, adjusted_for: Sequence[str], level: float
) -> pl.DataFrame:
    """Return ``effects`` rows: log rate ratio of each route against the most frequent, crude and adjusted.

    ``route_events_per_procedure``: events within the window over procedures followed through it, by the route
    of the procedure; ``route_events_over_time``: all events over person-time, by the route of the patient.
    """
    parts = []
    for endpoint in ENDPOINTS:
        kind = records.used.filter(kinds_of_event()[endpoint])
        for model, frame in (
            ("route_events_per_procedure", _per_procedure(kind, records)),
            ("route_events_over_time", _over_time(kind, records)),
        ):
            rows = frame.join(covariates.drop("indication"), on="patient_id", how="left")
            crude = _fitted(rows, (), level=level).with_columns(model=pl.lit(model))
            adjusted = _fitted(rows, tuple(adjusted_for), level=level)
            both = [crude, adjusted.with_columns(model=pl.lit(model + "_adjusted"))]
            parts += [part.with_columns(endpoint=pl.lit(endpoint)) for part in both]
    return rows_of("effects", [pl.concat(parts, how="diagonal_relaxed")])


def _per_procedure(kind: pl.DataFrame, records: SafetyRecords) -> pl.DataFrame:
    """Events and procedures of each patient and route."""
    counted = kind.group_by(session_id="after").agg(n_own=pl.len())
    ascertained = records.procedures.filter("is_ascertained").join(counted, on="session_id", how="left")
    summed = ascertained.group_by("patient_id", "route", "indication").agg(
        n_own=pl.col("n_own").sum(), exposure=pl.len().cast(pl.Float64)
    )
    return summed.with_columns(population=pl.lit(records.window.per_procedure)).sort("patient_id", "route")


def _over_time(kind: pl.DataFrame, records: SafetyRecords) -> pl.DataFrame:
    """Events and person-years of each patient."""
    counted = kind.filter(pl.col("day").is_between(0, pl.col("end_day"))).group_by("patient_id")
    followed = records.patients.filter(pl.col("end_day") > 0)
    return followed.join(counted.agg(n_own=pl.len()), on="patient_id", how="left").select(
        "patient_id",
        "route",
        "indication",
        n_own=pl.col("n_own").fill_null(0),
        exposure=pl.col("end_day") / DAYS_PER_YEAR,
        population=pl.lit("treated patients with follow-up"),
    )


def _fitted(rows: pl.DataFrame, adjusted_for: tuple[str, ...], *, level: float) -> pl.DataFrame:
    complete = rows.filter(pl.col("route") != "unknown").drop_nulls(list(adjusted_for))
    n_missing = rows.height - complete.height
    shared = {
        "population": rows["population"][0] if rows.height else "nobody",
        "term": "route",
        "unit": "log_rate_ratio",
        "level": level,
        "n": complete["patient_id"].n_unique(),
        "n_events": int(complete["n_own"].sum()),
        "n_missing": n_missing,
        "adjusted_for": ", ".join(adjusted_for) or None,
        "method": METHOD,
    }
    try:
        return pl.DataFrame(_contrasts(complete, adjusted_for, shared, level=level))
    except RefusedError as error:
        reason = str(error.what)
        return pl.DataFrame([shared | {"contrast": "every route", "reason": reason}])


def _contrasts(
    rows: pl.DataFrame, adjusted_for: tuple[str, ...], shared: dict[str, object], *, level: float
) -> list[dict[str, object]]:
    kept, said = rows, []
    for name in ("route", *(c.name for c in known_covariates(adjusted_for) if c.kind != "continuous")):
        kept, silent = _with_events(kept, name)
        said += silent
    if kept["route"].n_unique() < 2:
        raise RefusedError(f"{kept['route'].n_unique()} routes with events: nothing to compare")
    design = design_of(kept, [ROUTE, *adjusted_for], at_least=RARE)
    fit = rate_model(
        kept["n_own"], kept["exposure"], design.matrix, cluster=kept["patient_id"].to_numpy(), level=level
    )
    return [
        shared
        | {
            "contrast": contrast,
            "estimate": float(fit.coefficients[i]),
            "se": float(fit.se[i]),
            "lower": float(fit.lower[i]),
            "upper": float(fit.upper[i]),
            "statistic": float(fit.coefficients[i] / fit.se[i]) if fit.se[i] > 0 else None,
            "p_value": float(fit.p_value[i]),
            "reason": "; ".join([ASSOCIATION, *said]),
        }
        for i, (term, contrast) in enumerate(zip(design.terms, design.contrasts, strict=True))
        if term == "route"
    ]


def _with_events(rows: pl.DataFrame, name: str) -> tuple[pl.DataFrame, list[str]]:
    """The rows of levels with events, and words on the others.

    A level without events has no finite ratio; at the maximum its rows add nothing to any other coefficient.
    """
    counts = rows.group_by(name).agg(pl.col("n_own").sum(), pl.col("patient_id").n_unique().alias("n"))
    silent = counts.filter(pl.col("n_own") == 0).sort(name)
    said = [
        f"no event in {n} patients with {name} {level}: no finite ratio" for level, _, n in silent.iter_rows()
    ]
    return rows.join(silent, on=name, how="anti", nulls_equal=True), said
