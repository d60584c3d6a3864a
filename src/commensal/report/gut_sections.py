"""What the microbiome shows: engraftment pictures and the samples that could not be measured."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
DRAWN = ("peds", "pprs", "bray_curtis_to_donor")
MOST_LINES = 60


def engraftment(tables: Tables) -> Section | None:
    """Engraftment over time, with the reasons for samples and subjects without a value."""
    rows = tables["engraftment"]
    if rows.is_empty():
        return None
    return Section(
        "engraftment",
        "Engraftment",
        "A donor's feature found after FMT may have been there before: compare with the samples before "
        "day 0. No single number is “balance”.",
        figures=tuple(f for f in (_figure(rows, m) for m in DRAWN) if f),
        tables=_tables(rows),
    )


def _figure(rows: pl.DataFrame, measure: str) -> Figure | None:
    drawn = rows.filter(
        (pl.col("measure") == measure) & pl.col("value").is_not_null() & pl.col("day").is_not_null()
    )
    subjects = drawn["subject_id"].unique().sort()
    if drawn.is_empty():
        return None
    kept = drawn.filter(pl.col("subject_id").is_in(subjects.head(MOST_LINES).implode()))
    title = words.MEASURES[measure]
    shown = "" if subjects.len() <= MOST_LINES else f" The first {MOST_LINES} of {subjects.len():,} subjects."
    svg = charts.trajectories(
        kept.select("subject_id", "day", "value").sort("subject_id", "day"), title=words.AXES[measure]
    )
    caption = f"{title}: one line per recipient, day 0 is the first session.{shown}"
    return Figure(svg, caption, caption)


def _tables(rows: pl.DataFrame) -> tuple[TableView, ...]:
    reasons = rows.filter(pl.col("value").is_null() & pl.col("reason").is_not_null())
    views = []
    peds = rows.filter((pl.col("measure") == "peds") & pl.col("value").is_not_null()).sort(
        "subject_id", "day"
    )
    if 0 < peds.height <= 200:
        cells = tuple(
            (
                r["subject_id"] or "",
                r["sample_id"] or "",
                r["timepoint"] or "",
                digits.whole(r["day"]),
                digits.fraction(r["n_events"], r["n"]),
                digits.percent(r["value"]),
                digits.interval(r["lower"], r["upper"], "proportion"),
                r["reason"] or "",
            )
            for r in peds.iter_rows(named=True)
        )
        head = (
            "Recipient",
            "Sample",
            "Time point",
            "Day",
            "Found / donor's",
            "PEDS",
            "95 % interval",
            "Caution",
        )
        caption = "Donor's features found, sample by sample"
        views.append(TableView(caption, head, cells, frozenset({3, 4, 5, 6}), is_folded=peds.height > 12))
    if not reasons.is_empty():
        counted = reasons.group_by("measure", "reason", maintain_order=True).len()
        cells = tuple(
            (words.plain(r["measure"]), r["reason"], digits.whole(r["len"]))
            for r in counted.iter_rows(named=True)
        )
        views.append(
            TableView(
                "Measures without a value, and why",
                ("Measure", "Reason", "Rows"),
                cells,
                frozenset({2}),
                is_folded=True,
            )
        )
    return tuple(views)
