"""Outcome labels that someone else assigned, counted by arm."""

from __future__ import annotations

import polars as pl

from commensal.evidence.proportion import with_wilson
from commensal.evidence.rows import rows_of
from commensal.study import Study

ESTIMAND = "label as the source assigned it; patients without a label are left out"
NO_LABEL = "no outcome label was reported for these patients"


def reported_outcomes(study: Study, cohort: pl.DataFrame, *, level: float = 0.95) -> pl.DataFrame:
    """Return ``estimates`` rows: the share of each label that occurs in the study, by arm.

    A patient counts once, by the latest dated label; a patient with different labels and no dates to order
    them counts as missing. ``n_due`` are the patients of the arm, ``n`` those with a label. Not pooled over
    arms. A study without labels gives no rows.
    """
    if not study.has("reported_outcomes"):
        return rows_of("estimates", [])
    labelled = cohort.select("patient_id", "arm").join(_labels(study), on="patient_id", how="left")
    labels = labelled["label"].drop_nulls().unique().sort().to_list()
    counts = (
        labelled.group_by("arm")
        .agg(
            pl.len().alias("n_due"),
            pl.col("label").count().alias("n"),
            pl.col("label").is_null().sum().alias("n_missing"),
            *[(pl.col("label") == name).sum().alias(name) for name in labels],
        )
        .unpivot(
            labels, index=["arm", "n_due", "n", "n_missing"], variable_name="label", value_name="n_events"
        )
        .sort("label", "arm")
    )
    reason = pl.when(pl.col("n") == 0).then(pl.lit(NO_LABEL))
    rows = with_wilson(counts.with_columns(reason=reason), level=level).with_columns(
        endpoint="reported_" + pl.col("label"),
        population=pl.lit("patients with a label in the source"),
        estimand=pl.lit(ESTIMAND),
        group_variable=pl.lit("arm"),
        group_level="arm",
        reason=pl.when(pl.col("n") == 0).then(pl.lit(NO_LABEL)).otherwise("reason"),
    )
    return rows_of("estimates", [rows])


def _labels(study: Study) -> pl.DataFrame:
    rows = study.read("reported_outcomes", columns=["outcome_id", "patient_id", "label", "assessed_day"])
    # Undated labels sort first, so that a dated one decides; among undated ones only agreement does.
    last = (
        rows.sort("patient_id", "assessed_day", "outcome_id", nulls_last=False)
        .group_by("patient_id")
        .agg(
            pl.col("label").last(),
            pl.col("assessed_day").last(),
            pl.col("label").n_unique().alias("n_labels"),
        )
    )
    unordered = pl.col("assessed_day").is_null() & (pl.col("n_labels") > 1)
    return last.select("patient_id", label=pl.when(~unordered).then("label"))
