"""Published incidence to set beside the study's, with what it was counted over."""

from __future__ import annotations

import polars as pl

from commensal.vocabulary.adverse_events import published_incidence


def with_published(rows: pl.DataFrame) -> pl.DataFrame:
    """Set ``reference`` of ``estimates`` rows over all patients to the published figures of the same kind.

    Figures counted over procedures stand beside shares of procedures only, those over patients beside shares
    of patients: the two are not comparable.
    """
    figures = pl.DataFrame(
        [
            {"endpoint": p.endpoint, "term": p.term, "unit": p.unit, "published": f"{p.label} ({p.source})"}
            for p in published_incidence()
        ],
        schema=dict.fromkeys(("endpoint", "term", "unit", "published"), pl.String),
    )
    joined = figures.group_by("endpoint", "term", "unit", maintain_order=True).agg(
        pl.col("published").str.join("; ")
    )
    term = (
        pl.when(pl.col("group_variable") == "term")
        .then("group_level")
        .when(pl.col("group_variable") == "all")
        .then(pl.lit(""))
    )
    return (
        rows.with_columns(_term=term)
        .join(
            joined,
            left_on=["endpoint", "_term", "unit"],
            right_on=["endpoint", "term", "unit"],
            how="left",
            maintain_order="left",
        )
        .with_columns(reference=pl.coalesce("reference", "published"))
        .drop("_term", "published")
    )
