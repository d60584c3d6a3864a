"""Remission (or what stands for it) at each landmark, with every denominator and every reason.

Three handlings stand side by side: observed cases; everyone unobserved as a failure; and, beside these,
death, colectomy, rescue and retreatment as failures too. Nothing is pooled over diseases.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from commensal.evidence.outcomes import Records, outcomes_of, population
from commensal.evidence.proportion import with_wilson
from commensal.evidence.rows import rows_of
from commensal.vocabulary.endpoints import Endpoint, endpoints_for
from commensal.vocabulary.indications import indication, indications

OBSERVED = "observed cases"
NON_RESPONDER = "unobserved count as failures"
COMPOSITE = "unobserved, death, colectomy, rescue and retreatment count as failures"
REGRESSION = "no control arm here: part of any change since baseline is regression to the mean"
DUE_UNKNOWN = "who is due cannot be told: the index day or the end of follow-up is unknown"
KEYS = ("endpoint", "landmark", "population", "is_steroid_free", "group_variable", "group_level")


def outcome_rows(records: Records, *, landmarks: Sequence[str]) -> pl.DataFrame:
    """Return every patient's outcome by every defined endpoint: the long table that estimates are made of.

    Columns: patient_id, indication, arm, route, cohort, is_comparator, endpoint, kind, is_primary, landmark,
    population, is_steroid_free, is_due, is_active, day, success, reason, has_event.
    """
    patients = records.cohort.filter(pl.col("is_treated") | pl.col("is_comparator"))
    parts = [
        _outcomes(patients.filter(pl.col("indication") == e.indication), e, records)
        for e in studied_endpoints(patients, landmarks=landmarks)
        if e.measure is not None
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=OUTCOMES)


OUTCOMES = {
    **dict.fromkeys(("patient_id", "indication", "arm", "route", "cohort"), pl.String()),
    "is_comparator": pl.Boolean(),
    **dict.fromkeys(("endpoint", "kind"), pl.String()),
    "is_primary": pl.Boolean(),
    **dict.fromkeys(("landmark", "population"), pl.String()),
    **dict.fromkeys(("is_steroid_free", "is_due", "is_active"), pl.Boolean()),
    "day": pl.Int64(),
    "success": pl.Boolean(),
    "reason": pl.String(),
    "has_event": pl.Boolean(),
}


def studied_endpoints(patients: pl.DataFrame, *, landmarks: Sequence[str]) -> list[Endpoint]:
    """The endpoints of the indications among the patients, those not defined included."""
    present = patients["indication"].drop_nulls().unique().sort()
    known = [code for code in present if code in indications() and not indication(code).is_group]
    return [e for code in known for e in endpoints_for(code) if e.landmark in landmarks]


def _outcomes(patients: pl.DataFrame, endpoint: Endpoint, records: Records) -> pl.DataFrame:
    found = outcomes_of(patients, endpoint, records)
    words = {which: population(endpoint, which=which) for which in ("active", "maintenance")}
    who = pl.when(pl.col("is_active")).then(pl.lit(words["active"]))
    return found.with_columns(
        endpoint=pl.lit(endpoint.code),
        kind=pl.lit(endpoint.kind),
        is_primary=pl.lit(endpoint.is_primary),
        population=who.when(~pl.col("is_active")).then(pl.lit(words["maintenance"])),
        is_steroid_free=pl.lit(endpoint.is_steroid_free),
    ).select(pl.col(name).cast(kind) for name, kind in OUTCOMES.items())


def remission(outcomes: pl.DataFrame, *, level: float = 0.95) -> pl.DataFrame:
    """Return ``estimates`` rows of the outcomes: by indication, and the primary endpoint by route and cohort.

    ``n_due`` are the patients of the population whose window had closed, ``n`` the denominator of the row,
    ``n_missing`` those due without an observed outcome. Splits by route, cohort and arm take the primary
    endpoints alone. Patients whose baseline activity is unknown are in no population, and counted.
    """
    if outcomes.is_empty():
        return rows_of("estimates", [])
    treated = outcomes.filter(~pl.col("is_comparator"))
    primary = treated.filter("is_primary")
    groups = [(treated, "indication"), (primary, "route"), (primary, "cohort")]
    if outcomes["is_comparator"].any():
        groups.append((outcomes.filter("is_primary"), "arm"))
    counts = pl.concat([_counts(rows, by=by) for rows, by in groups])
    parts = [_estimates(counts, handling, level=level) for handling in (OBSERVED, NON_RESPONDER, COMPOSITE)]
    return rows_of("estimates", [*parts, _nobody(primary)]).sort(
        "group_variable", "endpoint", "landmark", "population", "group_level", "estimand"
    )


def _nobody(primary: pl.DataFrame) -> pl.DataFrame:
    """Rows for primary endpoints whose baseline is known of nobody: a sentence in place of silence."""
    keys = ["endpoint", "landmark", "indication"]
    empty = (
        primary.group_by(keys)
        .agg(n_due=pl.col("is_due").sum(), n_known=pl.col("population").count())
        .filter(pl.col("n_known") == 0)
    )
    return empty.with_columns(
        population=pl.lit("active at baseline"),
        estimand=pl.lit(OBSERVED),
        group_variable=pl.lit("indication"),
        group_level="indication",
        n=pl.lit(0),
        n_missing="n_due",
        reason=pl.lit("no baseline score of this endpoint is recorded: active disease cannot be told"),
    )


def _counts(rows: pl.DataFrame, *, by: str) -> pl.DataFrame:
    grouped = rows.with_columns(
        group_variable=pl.lit(by), group_level=pl.col(by).fill_null("unknown").cast(pl.String)
    )
    unknown = grouped.filter(pl.col("is_active").is_null() & pl.col("is_due")).group_by(
        "endpoint", "landmark", "group_variable", "group_level"
    )
    due = (
        grouped.filter(pl.col("population").is_not_null())
        .group_by(KEYS)
        .agg(
            n_due=pl.col("is_due").sum(),
            n_observed=(pl.col("is_due") & pl.col("success").is_not_null()).sum(),
            n_success=(pl.col("is_due") & pl.col("success")).sum(),
            n_clean=(pl.col("is_due") & pl.col("success") & ~pl.col("has_event")).sum(),
            n_died=(pl.col("is_due") & (pl.col("reason") == "died")).sum(),
            n_pending=(~pl.col("is_due")).sum(),
            n_untold=pl.col("is_due").is_null().sum(),
        )
    )
    keys = ["endpoint", "landmark", "group_variable", "group_level"]
    return due.join(unknown.agg(n_unknown=pl.len()), on=keys, how="left").with_columns(
        pl.col("n_unknown").fill_null(0)
    )


def _estimates(counts: pl.DataFrame, handling: str, *, level: float) -> pl.DataFrame:
    events = {OBSERVED: "n_success", NON_RESPONDER: "n_success", COMPOSITE: "n_clean"}[handling]
    free = pl.when("is_steroid_free").then(pl.lit("; free of steroids")).otherwise(pl.lit(""))
    return with_wilson(
        counts.with_columns(
            # Where nothing was observed, calling everybody a failure would look like a finding.
            n=pl.when(pl.col("n_observed") > 0)
            .then("n_observed" if handling == OBSERVED else "n_due")
            .otherwise(0),
            n_events=pl.col(events),
            n_missing=pl.col("n_due") - pl.col("n_observed"),
            estimand=pl.lit(handling) + free,
            reason=_cautions(),
            reference=_reference(),
        ),
        level=level,
    ).with_columns(
        reason=pl.when((pl.col("n_due") == 0) & (pl.col("n_untold") > 0))
        .then(pl.lit(DUE_UNKNOWN))
        .when(pl.col("n_due") == 0)
        .then(pl.lit("nobody is due yet"))
        .when(pl.col("n") == 0)
        .then(pl.concat_str(pl.lit("no outcome was observed"), "reason", separator="; ", ignore_nulls=True))
        .otherwise("reason")
    )


def _cautions() -> pl.Expr:
    def said(column: str, words: str) -> pl.Expr:
        return pl.when(pl.col(column) > 0).then(pl.format(words, column))

    return pl.concat_str(
        said("n_died", "{} due died"),
        said("n_pending", "{} not yet due"),
        said("n_untold", "of {} it is unknown whether they were due"),
        said("n_unknown", "{} due without a baseline score are in no population"),
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)


def _reference() -> pl.Expr:
    """The published control-arm response of the indication, and the line on regression to the mean."""
    known = {
        entry.code: f"{entry.control_response_text} ({entry.control_response_source}); {REGRESSION}"
        for entry in indications()
        if entry.control_response_text
    }
    of_indication = pl.col("group_level").replace_strict(known, default=REGRESSION, return_dtype=pl.String)
    by = pl.col("group_variable")
    return pl.when(by == "indication").then(of_indication).when(by != "arm").then(pl.lit(REGRESSION))


def not_defined(cohort: pl.DataFrame, due: pl.DataFrame, *, landmarks: Sequence[str]) -> pl.DataFrame:
    """Return ``estimates`` rows for what no source defines: the sentence in place of a number."""
    treated = cohort.filter(pl.col("is_treated") & ~pl.col("is_comparator"))
    counted = treated.join(due, on="patient_id").filter("is_due")
    n_due = {tuple(r[:2]): r[2] for r in counted.group_by("indication", "landmark").len().iter_rows()}
    rows = [
        {
            "endpoint": e.code,
            "landmark": e.landmark,
            "population": "everyone treated",
            "group_variable": "indication",
            "group_level": e.indication,
            "n_due": n_due.get((e.indication, e.landmark), 0),
            "reason": e.rule,
        }
        for e in studied_endpoints(treated, landmarks=landmarks)
        if e.measure is None
    ]
    return rows_of("estimates", [pl.DataFrame(rows)] if rows else [])


def missingness(outcomes: pl.DataFrame) -> pl.DataFrame:
    """Return ``missingness`` rows of the primary endpoints by indication: patients by reason."""
    missing = outcomes.filter(
        pl.col("is_primary") & ~pl.col("is_comparator") & pl.col("reason").is_not_null()
    )
    keys = ["endpoint", "landmark", "indication", "reason"]
    rows = missing.group_by(keys).len("n").rename({"indication": "group_level"})
    return rows_of("missingness", [rows.with_columns(group_variable=pl.lit("indication"))]).sort(
        "endpoint", "landmark", "group_level", "reason"
    )


def on_treatment(cohort: pl.DataFrame, due: pl.DataFrame, *, level: float = 0.95) -> pl.DataFrame:
    """Return ``estimates`` rows: the share whose planned sessions were still running at three months."""
    treated = cohort.filter(
        pl.col("is_treated") & ~pl.col("is_comparator") & pl.col("indication").is_not_null()
    )
    at = treated.join(due.filter((pl.col("landmark") == "M3") & pl.col("is_due")), on="patient_id")
    known = pl.col("is_plan_known") & pl.col("last_planned_day").is_not_null()
    counts = at.group_by("indication").agg(
        n_due=pl.len(),
        n=known.sum(),
        n_events=(known & (pl.col("last_planned_day") > pl.col("target"))).sum(),
    )
    rows = with_wilson(counts.sort("indication"), level=level).with_columns(
        endpoint=pl.lit("on_treatment"),
        landmark=pl.lit("M3"),
        population=pl.lit("everyone treated"),
        estimand=pl.lit("a session planned at index lies after day 91"),
        group_variable=pl.lit("indication"),
        group_level="indication",
        n_missing=pl.col("n_due") - pl.col("n"),
        reason=pl.when(pl.col("n") == 0).then(pl.lit("what was planned at index is not recorded")),
    )
    return rows_of("estimates", [rows])
