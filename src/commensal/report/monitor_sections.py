"""Monitoring: alarms first, then observed against expected, then the charts of those that stand out."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import digits, words
from commensal.report.charts.evidence import funnel, paths
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]

MOST_PATHS = 8


def monitoring(tables: Tables) -> Section | None:
    """Donors, lots, operators, routes and sites against what their patients led one to expect."""
    funnels, alarms = tables["funnels"], tables["alarms"]
    if funnels.is_empty() and alarms.is_empty():
        return None
    return Section(
        "monitoring",
        "Monitoring",
        "Observed against expected, patients of the unit left out of the expectation. An alarm asks a person "
        "to look; the absence of one proves nothing where the power is low.",
        tiles=((digits.whole(alarms.height), "Alarms"),),
        figures=tuple(f for f in (_funnel(funnels), _paths(tables["monitors"])) if f),
        tables=tuple(t for t in (_alarms(alarms), _units(funnels)) if t),
    )


def _alarms(rows: pl.DataFrame) -> TableView | None:
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.plain(r["rule"]),
            words.plain(r["dimension"]),
            r["unit_id"],
            words.plain(r["outcome"]),
            digits.whole(r["day"]),
            digits.fraction(r["n_observed"], r["n"]),
            digits.number(r["n_expected"]),
            digits.percent(r["false_alarm_rate"], digits=1),
            r["because"] or "",
            r["proposed"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = (
        *("Rule", "Unit", "Which", "Outcome", "Day", "Observed", "Expected", "False alarms"),
        *("Because", "Proposed"),
    )
    return TableView("Alarms", head, cells, frozenset({4, 5, 6, 7}))


def _funnel(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(pl.col("ratio").is_not_null() & pl.col("outer_upper").is_not_null())
    if drawn.is_empty():
        return None
    panels = [
        f"{words.plain(r['dimension'])}: {words.plain(r['outcome']).lower()}"
        for r in drawn.iter_rows(named=True)
    ]
    frame = drawn.with_columns(panel=pl.Series(panels), verdict=pl.col("verdict").str.replace_all("_", " "))
    caption = "Observed over expected by size, with the limits chance keeps to 95 and 99.8 times in 100."
    return Figure(funnel(frame, panel="panel"), caption)


def _paths(rows: pl.DataFrame) -> Figure | None:
    if rows.is_empty():
        return None
    keys = ["chart", "dimension", "unit_id", "outcome"]
    nearest = (
        rows.with_columns(share=pl.col("statistic") / pl.col("limit"))
        .group_by(keys)
        .agg(pl.col("share").max())
        .sort(pl.col("share"), *keys, descending=[True, *[False] * len(keys)], nulls_last=True)
        .head(MOST_PATHS)
    )
    drawn = rows.join(nearest.select(keys), on=keys, how="semi")
    names = [
        f"{words.plain(r['dimension'])} {words.level(r['dimension'], r['unit_id'])}"
        for r in drawn.iter_rows(named=True)
    ]
    chart = paths(drawn.with_columns(panel=pl.Series(names)), panel="panel")
    return Figure(chart, f"The {nearest.height} charts that come nearest to their limit (broken line).")


def _units(rows: pl.DataFrame) -> TableView | None:
    # A lot has a handful of courses; those without a figure are counted, not listed.
    listed = rows.filter(pl.col("ratio").is_not_null() | (pl.col("dimension") != "lot"))
    if listed.is_empty():
        return None
    n_unlisted = rows.height - listed.height
    notes = (f"{n_unlisted:,} lots with too few courses for a figure are not listed.",) if n_unlisted else ()
    cells = tuple(
        (
            words.plain(r["dimension"]),
            r["unit_id"],
            words.plain(r["outcome"]),
            digits.fraction(r["n_observed"], r["n"]),
            digits.number(r["n_expected"]),
            digits.number(r["ratio"], digits=2),
            digits.span(r["lower"], r["upper"], digits=2),
            digits.percent(r["power"], digits=0),
            words.plain(r["verdict"]),
            r["reason"] or "",
        )
        for r in listed.iter_rows(named=True)
    )
    head = (
        *("Unit", "Which", "Outcome", "Observed", "Expected", "Ratio", "95 % interval", "Power"),
        *("Verdict", "Notes"),
    )
    numeric = frozenset(range(3, 8))
    return TableView("Observed against expected", head, cells, numeric, is_folded=True, notes=notes)
