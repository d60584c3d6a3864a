"""How far communities lie from a named reference, measure by measure, and what they lack."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.gut_sections import labelled, timed, without_value
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
MOST_FEATURES = 14


def dysbiosis(tables: Tables) -> Section | None:
    """Several measures side by side, each with its reference."""
    rows = tables["dysbiosis"].filter(pl.col("subject_id").is_not_null())
    if rows.is_empty():
        return None
    known = rows.filter(pl.col("value").is_not_null())
    figures = ()
    if not known.is_empty():
        present = known["measure"].unique(maintain_order=True).to_list()
        chart = charts.measures_over_time(timed(known), titles={m: words.axis(m) for m in present})
        caption = (
            "Recipients' samples, with intervals where they are few; broken lines are the thresholds of the "
            "reference, where it has one."
        )
        figures = (Figure(chart, caption),)
    return Section(
        "dysbiosis",
        "Against a reference",
        "Several measures, each with the reference it is read against; they need not agree, and none of them "
        "alone is “balance” or “dysbiosis”.",
        figures=figures,
        tables=(
            *_references(rows),
            *_values(known),
            *without_value(rows, "measure", caption="Measures without a value, and why"),
        ),
    )


def _references(rows: pl.DataFrame) -> list[TableView]:
    kinds = rows.group_by("measure", "reference", maintain_order=True).agg(
        pl.col("n_reference").max(),
        pl.col("threshold").max(),
        pl.col("value").count().alias("n"),
        pl.col("is_beyond").sum().alias("beyond"),
        pl.col("is_beyond").count().alias("judged"),
        pl.col("method").drop_nulls().first(),
    )
    cells = tuple(
        (
            words.measure(r["measure"]),
            r["reference"] or digits.DASH,
            digits.whole(r["n_reference"]),
            digits.number(r["threshold"], digits=3),
            digits.whole(r["n"]),
            digits.fraction(r["beyond"], r["judged"]) if r["judged"] else digits.DASH,
            r["method"] or "",
        )
        for r in kinds.iter_rows(named=True)
    )
    head = ("Measure", "Reference", "n", "Threshold", "Samples", "Beyond it", "Method")
    is_empty = not kinds["n"].sum()
    return [TableView("Measures and their references", head, cells, frozenset({2, 3, 4, 5}), is_empty)]


def _values(known: pl.DataFrame) -> list[TableView]:
    if not 0 < known.height <= 150:
        return []
    cells = tuple(
        (
            r["label"],
            words.measure(r["measure"]),
            digits.number(r["value"], digits=3),
            digits.span(r["lower"], r["upper"]),
            digits.percent(r["reference_share"], digits=0),
            r["reason"] or "",
        )
        for r in labelled(known).iter_rows(named=True)
    )
    head = ("Sample", "Measure", "Value", "Interval", "Reference at least as extreme", "Caution")
    return [TableView("Sample by sample", head, cells, frozenset({2, 3, 4}), is_folded=True)]


def deficits(tables: Tables) -> Section | None:
    """What a recipient's last sample lacks or has in excess; over a study, how often each is lacking."""
    rows = tables["deficits"].filter(pl.col("subject_id").is_not_null() & pl.col("direction").is_not_null())
    if rows.is_empty():
        return None
    if rows["subject_id"].n_unique() == 1:
        return _of_one(rows, tables)
    return _of_many(rows)


def _of_one(rows: pl.DataFrame, tables: Tables) -> Section:
    days = tables["dysbiosis"].select("sample_id", "day").unique()
    last = rows.join(days, on="sample_id", how="left").sort("day", "sample_id", nulls_last=False)
    sample = last["sample_id"][-1]
    chosen = rows.filter(sample_id=sample)
    unusual = chosen.filter((pl.col("kind") == "function") | (pl.col("direction") != "within"))
    shown = unusual.sort(
        pl.col("kind") == "taxon", -pl.col("reference_prevalence").fill_null(0), "feature"
    ).head(2 * MOST_FEATURES)
    counts = dict(chosen.filter(kind="taxon")["direction"].value_counts().iter_rows())
    chart = charts.against_reference(shown.with_columns(label=_feature()))
    caption = (
        f"Sample {sample}: shares (points) over the reference's 5th to 95th centile (bars), functions first."
    )
    return Section(
        "deficits",
        "What is lacking, what is in excess",
        f"Of the reference's taxa {digits.whole(counts.get('deficit', 0))} lie below its 5th centile and "
        f"{digits.whole(counts.get('excess', 0))} above its 95th. Lacking is not ill: no threshold has been "
        "validated against outcome.",
        figures=(Figure(chart, caption),),
    )


def _of_many(rows: pl.DataFrame) -> Section:
    # Only taxa outside the reference's range have rows: every sample was looked at.
    looked_at = rows["sample_id"].n_unique()
    counted = (
        rows.group_by("kind", "feature")
        .agg(
            n=pl.when(pl.col("kind").first() == "taxon")
            .then(pl.lit(looked_at))
            .otherwise(pl.col("sample_id").n_unique()),
            deficit=(pl.col("direction") == "deficit").sum(),
            excess=(pl.col("direction") == "excess").sum(),
            prevalence=pl.col("reference_prevalence").max(),
        )
        .sort("kind", "deficit", "feature", descending=[False, True, False])
    )
    shown = pl.concat(
        counted.filter(kind=kind).head(most) for kind, most in (("function", 40), ("taxon", MOST_FEATURES))
    )
    cells = tuple(
        (
            words.plain(r["feature"]) if r["kind"] == "function" else r["feature"],
            words.plain(r["kind"]),
            digits.percent(r["prevalence"], digits=0),
            digits.fraction(r["deficit"], r["n"]),
            digits.fraction(r["excess"], r["n"]),
        )
        for r in shown.iter_rows(named=True)
    )
    head = ("Feature", "Kind", "In the reference", "Samples in deficit", "Samples in excess")
    return Section(
        "deficits",
        "What is lacking, what is in excess",
        "Below the 5th centile of the reference, or above its 95th. No threshold has been validated against "
        "outcome.",
        tables=(TableView("Functions, and the taxa most often lacking", head, cells, frozenset({2, 3, 4})),),
    )


def _feature() -> pl.Expr:
    is_function = pl.col("kind") == "function"
    plain = pl.col("feature").map_elements(words.plain, return_dtype=pl.String)
    return pl.when(is_function).then(plain).otherwise("feature")
