"""Rules of the abundance table, in few passes: it is the largest table of a study."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from commensal.study.check_files import Tables
from commensal.study.problems import problem, problems_at

TABLE = "abundances"
# Proportions are printed with a few digits; a sample of 1,000 taxa rounded at the sixth may be 0.0005 over.
SUM_TOLERANCE = 1e-3
# Percentages rounded to whole numbers sum to 100 give or take the rounding.
PERCENT_SUM = (98, 102)


def check_abundances(tables: Tables) -> Iterator[pl.DataFrame]:
    """Counts or proportions, not both; sums that can be; every sample with its abundances."""
    if not tables.has(TABLE):
        return
    yield from _check_measure(tables)
    yield from _check_sums(tables)
    yield from _check_samples(tables)


def _check_measure(tables: Tables) -> Iterator[pl.DataFrame]:
    frame = tables.read(TABLE, "count", "proportion")
    n_counts, n_shares = (frame.height - frame[c].null_count() for c in ("count", "proportion"))
    if n_counts and n_shares:
        message = (
            f"{n_counts} counts and {n_shares} proportions in one study; counts or proportions, never both"
        )
        yield problem(TABLE, column="count;proportion", rule="mixed_measures", message=message)
    if n_counts != frame.height or n_shares:
        broken = frame.filter(pl.col("count").is_null() == pl.col("proportion").is_null())
        message = "a row has a count or a proportion: one of them, and only one"
        yield problems_at(
            broken, TABLE, column="count;proportion", rule="count_xor_proportion", message=message
        )
    if n_shares:
        message = "a proportion of zero; a taxon that was not found has no row"
        zero = frame.filter(pl.col("proportion") == 0)
        yield problems_at(zero, TABLE, column="proportion", rule="zero_abundance", message=message)


def _check_sums(tables: Tables) -> Iterator[pl.DataFrame]:
    frame = tables.read(TABLE, "sample_id", "count", "proportion").drop("row")
    sums = frame.group_by("sample_id").agg(
        pl.col("count").sum(),
        pl.col("count").count().alias("n_counts"),
        pl.col("proportion").fill_nan(None).sum(),
    )
    counted = sums.filter(pl.col("n_counts") > 0)["count"]
    if len(counted) and (counted.is_between(*PERCENT_SUM).all() or (counted == 1).all()):
        message = f"every sample sums to about {counted[0]}: these are shares, not reads"
        yield problem(TABLE, column="count", rule="shares_as_counts", message=message)
    over = sums.filter(pl.col("proportion") > 1 + SUM_TOLERANCE)["sample_id"].implode()
    if len(over.item(0)):
        rows = tables.read("samples", "sample_id").filter(pl.col("sample_id").is_in(over))
        message = "the proportions of the sample sum to more than 1"
        yield problems_at(rows, "samples", column="sample_id", rule="proportion_sum", message=message)


def _check_samples(tables: Tables) -> Iterator[pl.DataFrame]:
    profiled = tables.read(TABLE, "sample_id")["sample_id"].unique().implode()
    bare = tables.read("samples", "sample_id").filter(~pl.col("sample_id").is_in(profiled))
    message = "the sample has no abundances"
    yield problems_at(
        bare, "samples", column="sample_id", rule="no_abundances", message=message, severity="warning"
    )
