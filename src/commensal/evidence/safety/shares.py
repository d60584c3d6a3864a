"""Shares of procedures and of patients with an event, group by group, over those ascertained."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.evidence.proportion import at_most, clopper_pearson, clustered_proportion
from commensal.evidence.safety.records import SafetyRecords, level_of

NOBODY = "nobody was followed through the window"
CELLS = ("estimate", "se", "lower", "upper")
KINDS = {**dict.fromkeys(CELLS, pl.Float64), "reason": pl.String, "method": pl.String}


def share_of_procedures(
    kind: pl.DataFrame, records: SafetyRecords, *, by: str = "all", level: float
) -> pl.DataFrame:
    """Procedures followed by at least one event of ``kind``, clustered by patient, split by ``by``."""
    hit = records.procedures.join(
        kind.select(session_id="after").drop_nulls().unique(), on="session_id", how="semi"
    )
    keys = ["group_level", "patient_id"]
    found = hit.with_columns(group_level=level_of(by)).group_by(keys).agg(_HITS)
    clusters = records.clusters[by].join(found, on=keys, how="left", maintain_order="left")
    return _ratios(clusters, level=level).with_columns(
        unit=pl.lit("per_procedure"),
        population=pl.lit(records.window.per_procedure),
        estimand=pl.lit("at least one event within the window; every session counts"),
        group_variable=pl.lit(by),
    )


_HITS = (
    pl.col("is_ascertained").sum().alias("n_events"),
    (~pl.col("is_ascertained")).sum().alias("n_outside"),
)


def ratios(marked: pl.DataFrame, *, level: float) -> pl.DataFrame:
    """One row per ``group_level``: units with ``is_hit`` over those with ``is_ascertained``."""
    keys = ["group_level", "patient_id"]
    sizes = marked.group_by(keys).agg(n_due=pl.len(), n=pl.col("is_ascertained").sum()).sort(keys)
    found = marked.filter("is_hit").group_by(keys).agg(_HITS)
    return _ratios(sizes.join(found, on=keys, how="left", maintain_order="left"), level=level)


def _ratios(clusters: pl.DataFrame, *, level: float) -> pl.DataFrame:
    filled = clusters.with_columns(pl.col("n_events", "n_outside").fill_null(0))
    parts = filled.partition_by("group_level", maintain_order=True)
    rows = [_ratio(part, level=level) for part in parts]
    return pl.DataFrame(rows, schema_overrides=KINDS, infer_schema_length=None).with_columns(
        level=pl.lit(level)
    )


def _ratio(clusters: pl.DataFrame, *, level: float) -> dict[str, object]:
    hits, sizes = (clusters[c].cast(pl.Float64).to_numpy() for c in ("n_events", "n"))
    n, n_due, n_events = int(sizes.sum()), int(clusters["n_due"].sum()), int(hits.sum())
    found = clustered_proportion(hits, sizes=sizes, level=level) if n else None
    outside = int(clusters["n_outside"].sum())
    return {
        **{cell: getattr(found, cell, None) for cell in CELLS},
        "group_level": clusters["group_level"][0],
        "n": n,
        "n_events": n_events,
        "n_due": n_due,
        "n_missing": n_due - n,
        "method": getattr(found, "method", None),
        "reason": _words(n_events, int((sizes > 0).sum()), n, outside, "procedures", level),
    }


def _words(n_events: int, n_patients: int, n: int, outside: int, units: str, level: float) -> str | None:
    if not n:
        return NOBODY
    said = []
    if not n_events:
        most = f"{100 * at_most(n_patients, level=level):.2g} %"
        said.append(f"no event: among {n_patients} patients at most {most} (rule of three)")
    if outside:
        said.append(f"{outside} {units} with an event were not followed through the window")
    return "; ".join(said) or None


def share_of_patients(
    kind: pl.DataFrame, records: SafetyRecords, *, by: str = "all", level: float
) -> pl.DataFrame:
    """Patients with at least one event of ``kind`` in the patient window, exact limits, split by ``by``."""
    inside = kind.filter(pl.col("day").is_between(0, records.window.patient_days))
    hit = records.patients.join(inside.select("patient_id").unique(), on="patient_id", how="semi")
    found = hit.group_by(level_of(by).alias("group_level")).agg(_HITS)
    counts = (
        records.patient_counts[by]
        .join(found, on="group_level", how="left", maintain_order="left")
        .with_columns(pl.col("n_events", "n_outside").fill_null(0))
    )
    rows = [_exact(row, level=level) for row in counts.to_dicts()]
    return pl.DataFrame(rows, schema_overrides=KINDS, infer_schema_length=None).with_columns(
        unit=pl.lit("per_patient"),
        population=pl.lit(records.window.per_patient),
        estimand=pl.lit("at least one event within the window"),
        group_variable=pl.lit(by),
        level=pl.lit(level),
    )


def _exact(counts: Mapping[str, int], *, level: float) -> dict[str, object]:
    n, n_events = counts["n"], counts["n_events"]
    exact = clopper_pearson(n_events, n=n, level=level) if n else None
    return {
        **counts,
        "estimate": n_events / n if n else None,
        "lower": exact.lower if exact else None,
        "upper": exact.upper if exact else None,
        "se": None,
        "n_missing": counts["n_due"] - n,
        "method": "Clopper–Pearson",
        "reason": _words(n_events, n, n, counts["n_outside"], "patients", level),
    }
