"""Who is in a model: patients treated, active at baseline, due, and with an observed outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from commensal.evidence.ground import Ground

ACTIVE = "active at baseline"
POOLED = "primary_endpoint"
UNCONTROLLED = "association among the treated, no effect of treatment"
SUCCESSES = ("remission", "response", "partial_response", "resolved")
REPORTED = "reported_response"


@dataclass(frozen=True, eq=False)
class Observed:
    """The observed outcomes of one endpoint: ``rows`` have patient_id, indication, success and covariates.

    ``n_missing`` patients were due (or labelled) without an observed outcome. ``indication`` is a code, or
    "all".
    """

    indication: str
    endpoint: str
    landmark: str | None
    population: str
    rows: pl.DataFrame
    n_missing: int

    @property
    def keys(self) -> dict[str, str | None]:
        """The cells that name the outcome in a result row."""
        return {"endpoint": self.endpoint, "landmark": self.landmark, "population": self.population}


def observed_at(ground: Ground, *, landmark: str, by: Sequence[str] = ("endpoint",)) -> list[Observed]:
    """Return the primary endpoints at a landmark, one for each combination of ``by`` among the patients."""
    primary = _primary(ground, landmark)
    keys = ["endpoint", "indication"] if "indication" in by else ["endpoint"]
    parts = primary.sort("endpoint", "indication", "patient_id").partition_by(keys, maintain_order=True)
    return [
        _observed(part, part["indication"][0] if "indication" in by else "all", part["endpoint"][0], landmark)
        for part in parts
    ]


def pooled_at(ground: Ground, *, landmark: str) -> Observed:
    """Return every patient's own primary endpoint at a landmark, all indications together."""
    return _observed(_primary(ground, landmark), "all", POOLED, landmark)


def reported(ground: Ground) -> Observed | None:
    """Return the outcomes someone else assigned: any response against none; None where a study has none.

    The latest dated label of each patient decides; patients whose undated labels differ are left out.
    """
    if not ground.study.has("reported_outcomes"):
        return None
    labels = ground.study.read(
        "reported_outcomes", columns=["patient_id", "label", "assessed_day", "outcome_id"]
    )
    last = (
        labels.sort("patient_id", "assessed_day", "outcome_id", nulls_last=False)
        .group_by("patient_id", maintain_order=True)
        .agg(
            pl.col("label").last(),
            pl.col("assessed_day").last(),
            pl.col("label").is_in(SUCCESSES).n_unique().alias("n_answers"),
        )
        .filter(pl.col("assessed_day").is_not_null() | (pl.col("n_answers") == 1))
    )
    found = ground.treated.select("patient_id", "indication").join(last, on="patient_id", how="left")
    found = found.with_columns(success=pl.col("label").is_in(SUCCESSES))
    rows = _with_covariates(found, ground)
    known = rows.filter(pl.col("success").is_not_null())
    return Observed(
        "all", REPORTED, None, "patients with a label in the source", known, rows.height - known.height
    )


def _primary(ground: Ground, landmark: str) -> pl.DataFrame:
    treated = ground.outcomes.filter(
        (pl.col("landmark") == landmark) & "is_primary" & ~pl.col("is_comparator") & "is_active" & "is_due"
    )
    return _with_covariates(treated, ground)


def _with_covariates(outcomes: pl.DataFrame, ground: Ground) -> pl.DataFrame:
    wanted = [c for c in ("patient_id", "indication", "endpoint", "success") if c in outcomes.columns]
    covariates = ground.covariates.drop("indication")
    sites = ground.cohort.select("patient_id", "site_id")
    return (
        outcomes.select(wanted)
        .join(covariates, on="patient_id", how="left")
        .join(sites, on="patient_id", how="left")
        .sort("patient_id")
    )


def _observed(part: pl.DataFrame, indication: str, endpoint: str, landmark: str) -> Observed:
    known = part.filter(pl.col("success").is_not_null())
    return Observed(indication, endpoint, landmark, ACTIVE, known, part.height - known.height)


def with_absorbed(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Set a continuous covariate that an indication never records to 0 there: its term takes it up.

    C. difficile infection has no severity score, say. Only where the indication is in the model too.
    """
    if "indication" not in names:
        return rows
    continuous = [c for c in names if rows.schema.get(c) == pl.Float64]
    never = [pl.col(c).count().over("indication") == 0 for c in continuous]
    return rows.with_columns(
        pl.when(is_never & (pl.col(c).count() > 0)).then(0.0).otherwise(c).alias(c)
        for c, is_never in zip(continuous, never, strict=True)
    )


def complete(rows: pl.DataFrame, names: Sequence[str]) -> tuple[pl.DataFrame, str]:
    """Return the rows with every covariate known, and which covariates the others lack, with counts."""
    known = rows.drop_nulls(list(names))
    lacking = {name: rows[name].null_count() for name in names}
    said = ", ".join(f"{name} in {n}" for name, n in lacking.items() if n)
    return known, f"{rows.height - known.height} left out for want of {said}" if said else ""
