"""Scores and quality of life: change since baseline, who responded, drugs spared, relapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commensal.report import digits, words
from commensal.report.charts.evidence import changes
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]

LEAST_DRAWN = 10
OBSERVED, MODELLED = "Observed", "Mixed model"
STARTS = ("change_in_", "response_in_", "worsening_in_", "free_of_", "prednisolone", "relapses")


def scores(tables: Tables) -> Section | None:
    """How scores changed, by indication, as observed and by the mixed model for repeated measures."""
    estimates = tables["estimates"]
    rows = estimates.filter(pl.any_horizontal(pl.col("endpoint").str.starts_with(s) for s in STARTS))
    if rows.is_empty():
        return None
    changed = rows.filter(pl.col("endpoint").str.starts_with("change_in_"))
    others = rows.filter(~pl.col("endpoint").str.starts_with("change_in_"))
    return Section(
        "scores",
        "Scores and quality of life",
        "Change since baseline in each instrument's own points. Patients enter when they are at their worst: "
        "part of every improvement here is regression to the mean.",
        figures=tuple(f for f in (_figure(changed),) if f),
        tables=tuple(
            t
            for t in (
                _table(changed, "Change since baseline"),
                _table(others, "Responders, drugs spared, relapses"),
                _missed(tables["tipping_points"]),
            )
            if t
        ),
    )


def _figure(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(
        (pl.col("group_variable") == "indication")
        & pl.col("estimate").is_not_null()
        & pl.col("lower").is_not_null()
        & (pl.col("n") >= LEAST_DRAWN)
        & ~pl.col("endpoint").str.contains("eq_5d|prednisolone")
    ).with_columns(series=_series())
    drawn = drawn.filter(pl.col("series").is_not_null())
    if drawn.is_empty():
        return None
    panels = [f"{words.short(r['group_level'])}: {_score(r)}" for r in drawn.iter_rows(named=True)]
    frame = drawn.select(
        "estimate",
        "lower",
        "upper",
        "series",
        "landmark",
        panel=pl.Series(panels),
    ).sort("panel", "series", descending=[False, True])
    shown = [code for code in words.LANDMARKS if code in set(frame["landmark"])]
    names = ", ".join(f"{code} {words.LANDMARKS[code].lower()}" for code in shown)
    caption = (
        f"Mean change since baseline with 95 % intervals, every score on its own scale ({names}). "
        f"Drawn where {LEAST_DRAWN} patients or more were seen."
    )
    return Figure(changes(frame, panel="panel", landmarks=shown), caption)


def _series() -> pl.Expr:
    method = pl.col("method")
    return (
        pl.when(method.str.starts_with("mixed model for repeated"))
        .then(pl.lit(MODELLED))
        .when(method.str.starts_with("mean of each patient"))
        .then(pl.lit(OBSERVED))
    )


def _score(r: Row) -> str:
    return words.plain(r["endpoint"].removeprefix("change_in_"))


def _table(rows: pl.DataFrame, caption: str) -> TableView | None:
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.plain(r["endpoint"]),
            words.landmark(r["landmark"]),
            digits.quantity(r["estimate"], r["unit"]),
            digits.interval(r["lower"], r["upper"], r["unit"]),
            words.UNITS.get(r["unit"] or "", r["unit"] or ""),
            digits.fraction(r["n"], r["n_due"]),
            "; ".join(filter(None, (r["method"], r["reason"]))),
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("", "Measure", "Landmark", "Estimate", "95 % interval", "Unit", "Seen of due", "Notes")
    return TableView(caption, head, cells, frozenset({3, 4, 6}), is_folded=True)


def _missed(rows: pl.DataFrame) -> TableView | None:
    kept = rows.filter(pl.col("endpoint").str.starts_with("change_in_"))
    if kept.is_empty():
        return None
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.plain(r["endpoint"]),
            words.landmark(r["landmark"]),
            digits.number(r["delta"], digits=2),
            digits.number(r["estimate"], digits=2),
            digits.span(r["lower"], r["upper"], digits=2),
            r["verdict"] or r["reason"] or "",
        )
        for r in kept.iter_rows(named=True)
    )
    head = ("", "Measure", "Landmark", "Worse by", "Estimate", "95 % interval", "")
    return TableView(
        "If those who stopped coming were worse", head, cells, frozenset({3, 4, 5}), is_folded=True
    )
