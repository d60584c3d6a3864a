"""What taxa are called."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from commensal.study import RESULTS, Study
from commensal.study.inputs.samples import RANKS

NAMED = RANKS[:7]


def taxon_names(study: Study, *, taxa: Collection[str]) -> pl.DataFrame:
    """Return the name and the lineage of some taxa, in the declared ``taxon_names`` table.

    The name is that of the lowest named rank, a species with its genus before it; a taxon without any name
    carries its id.
    """
    rows = study.read("taxa", columns=["taxon_id", *NAMED]).filter(pl.col("taxon_id").is_in(list(taxa)))
    named = rows.with_columns(pl.when(pl.col(r) != "").then(r).alias(r) for r in NAMED)
    return (
        named.select(
            "taxon_id",
            name=pl.coalesce(_binomial(), *reversed(NAMED[:-1]), "taxon_id"),
            lineage=pl.concat_str(NAMED, separator=";", ignore_nulls=True),
        )
        .sort("taxon_id")
        .select(list(RESULTS["taxon_names"].schema))
    )


def _binomial() -> pl.Expr:
    """Return the species, after its genus where a source gives the epithet alone ("prausnitzii")."""
    is_alone = ~pl.col("species").str.contains(r"[ _]") & pl.col("genus").is_not_null()
    return pl.when(is_alone).then(pl.concat_str("genus", "species", separator=" ")).otherwise("species")
