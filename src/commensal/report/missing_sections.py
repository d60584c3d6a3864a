"""Who was followed for how long, and what the outcomes nobody observed could change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.charts.evidence import tipping
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]

# First words of an estimand → the words of a reader, in the order drawn.
HANDLINGS = {
    "observed cases": "Observed cases",
    "multiple imputation": "Multiple imputation",
    "inverse-probability-of-censoring weights": "Censoring weights",
    "worst case: unobserved count as failures": "Worst case",
    "best case: unobserved count as successes": "Best case",
}
POPULATIONS = ("active at baseline", "everyone, whatever the baseline")
TIPPED_AT = "Y1"


def follow_up(tables: Tables) -> Section | None:
    """How complete follow-up is at each landmark, and over all."""
    rows = tables["follow_up"]
    if rows.is_empty():
        return None
    over_all = rows.filter(pl.col("group_variable") == "all")
    return Section(
        "follow-up",
        "How complete follow-up is",
        "Who is due depends on the index day and the data cut alone. Completeness is person-time "
        "observed over what could have been observed (Clark's C).",
        tables=tuple(
            _follow_up_table(part, caption, is_folded=folded)
            for part, caption, folded in (
                (over_all, "All treated", False),
                (rows.filter(pl.col("group_variable") != "all"), "By indication and cohort", True),
            )
            if part.height
        ),
    )


def _follow_up_table(rows: pl.DataFrame, caption: str, *, is_folded: bool) -> TableView:
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.landmark(r["landmark"]) or "Whole follow-up",
            *(
                digits.whole(r[n])
                for n in (
                    *("n_due", "n_not_due", "n_seen", "n_missed", "n_lost", "n_withdrawn", "n_dead"),
                    "person_years",
                )
            ),
            digits.percent(r["completeness"]),
            digits.number(r["median_years"]),
            r["reason"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = (
        *("", "Landmark", "Due", "Not yet due", "Seen", "Missed", "Lost", "Withdrew", "Died"),
        *("Person-years", "Completeness", "Median years", "Notes"),
    )
    return TableView(caption, head, cells, frozenset(range(2, 12)), is_folded)


def missing_data(tables: Tables) -> Section | None:
    """Remission by every handling of unobserved outcomes, and how far the unobserved would have to differ."""
    rows = _handled(tables["estimates"])
    if rows.filter(pl.col("handling") == HANDLINGS["multiple imputation"]).is_empty():
        return None
    primary = rows.filter(
        pl.col("population").is_in(POPULATIONS) & (pl.col("group_variable") == "indication")
    )
    return Section(
        "missing-data",
        "What unobserved outcomes could change",
        "Weighting and imputation are right if leaving depends on what was recorded before. Nothing in "
        "the data can prove that. The worst and the best case need no assumption; the tipping point says how "
        "much worse the unobserved would have to fare to change what one concludes.",
        figures=tuple(f for f in (_figure(primary), _tipping(tables["tipping_points"])) if f),
        tables=tuple(
            t
            for t in (
                _table(rows),
                _weights(tables["weight_summaries"]),
                _imputations(tables["imputations"]),
            )
            if t
        ),
    )


def _handled(estimates: pl.DataFrame) -> pl.DataFrame:
    first = pl.col("estimand").str.split(";").list.first()
    known = estimates.filter(pl.col("landmark").is_not_null()).with_columns(
        handling=first.replace_strict(HANDLINGS, default=None)
    )
    return known.filter(pl.col("handling").is_not_null())


def _figure(rows: pl.DataFrame) -> Figure | None:
    imputed = rows.filter(pl.col("handling") == HANDLINGS["multiple imputation"])
    keys = ["endpoint", "landmark", "group_level"]
    drawn = rows.filter(pl.col("lower").is_not_null()).join(imputed.select(keys), on=keys, how="semi")
    if drawn.is_empty():
        return None
    order = {name: i for i, name in enumerate(HANDLINGS.values())}
    frame = drawn.select(
        "estimate",
        "lower",
        "upper",
        "handling",
        landmark=pl.col("landmark").replace(words.LANDMARKS),
        disease=pl.Series([words.short(code) for code in drawn["group_level"]]),
    ).sort("disease", pl.col("handling").replace_strict(order))
    shown = [name for name in words.LANDMARKS.values() if name in set(frame["landmark"])]
    chart = charts.intervals(
        frame, y="disease", series="handling", panel="landmark", panels=shown, x_title=""
    )
    caption = (
        "The primary endpoint by handling of the unobserved, with 95 % intervals. Observed cases leave out "
        "those who died; the others count death as the analysis file says."
    )
    return Figure(chart, caption)


def _tipping(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(
        (pl.col("landmark") == TIPPED_AT)
        & (pl.col("group_variable") == "indication")
        & (pl.col("unit") == "log-odds")
        & pl.col("population").is_in(POPULATIONS)
        & pl.col("estimate").is_not_null()
    )
    if drawn.is_empty():
        return None
    panels = pl.Series([words.short(code) for code in drawn["group_level"]])
    chart = tipping(drawn.with_columns(panel=panels), panel="panel")
    caption = (
        f"The primary endpoint at {words.landmark(TIPPED_AT).lower()} if the unobserved fared worse (left) "
        "or better (right) than their records suggest; broken line: the figure it is held against."
    )
    return Figure(chart, caption, _verdicts(drawn))


def _verdicts(rows: pl.DataFrame) -> TableView:
    last = rows.unique(["endpoint", "group_level"], keep="last", maintain_order=True)
    cells = tuple(
        (
            words.short(r["group_level"]),
            digits.percent(r["reference"]),
            digits.fraction(r["n_missing"], r["n_due"]),
            r["verdict"] or r["reason"] or "",
        )
        for r in last.iter_rows(named=True)
    )
    head = ("", "Held against", "Unobserved of due", "What it would take")
    return TableView("Tipping points", head, cells, frozenset({1, 2}), is_folded=True)


def _table(rows: pl.DataFrame) -> TableView | None:
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.endpoint(r["endpoint"]),
            words.landmark(r["landmark"]),
            r["population"] or "",
            r["handling"],
            digits.percent(r["estimate"]),
            digits.interval(r["lower"], r["upper"], "proportion"),
            digits.fraction(r["n_missing"], r["n_due"]),
            r["reason"] or "",
        )
        for r in rows.filter(pl.col("handling") != HANDLINGS["observed cases"]).iter_rows(named=True)
    )
    head = (
        *("", "Endpoint", "Landmark", "Among", "Handling", "Estimate", "95 % interval"),
        *("Unobserved of due", "Notes"),
    )
    return TableView("Every handling", head, cells, frozenset({5, 6, 7}), is_folded=True)


def _weights(rows: pl.DataFrame) -> TableView | None:
    kept = rows.filter(pl.col("analysis") != "overlap_weights")
    if kept.is_empty():
        return None
    cells = tuple(
        (
            words.plain(r["analysis"]),
            words.short(r["group_level"] or ""),
            words.landmark(r["landmark"]),
            digits.whole(r["n"]),
            digits.number(r["smallest"], digits=2),
            digits.number(r["largest"], digits=2),
            digits.whole(r["effective_n"]),
            r["reason"] or r["rests_on"] or "",
        )
        for r in kept.iter_rows(named=True)
    )
    head = ("Weights", "", "Landmark", "n", "Smallest", "Largest", "Effective n", "Rests on")
    return TableView("Weights", head, cells, frozenset({3, 4, 5, 6}), is_folded=True)


def _imputations(rows: pl.DataFrame) -> TableView | None:
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.plain(r["model"]),
            words.plain(r["variable"]),
            r["level"] or "",
            digits.fraction(r["n_missing"], (r["n_missing"] or 0) + (r["n_observed"] or 0)),
            digits.number(r["observed"], digits=2),
            digits.number(r["imputed"], digits=2),
            digits.number(r["convergence"], digits=2),
            r["reason"] or r["method"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Model", "Variable", "Level", "Missing", "Observed", "Imputed", "Convergence", "Method")
    return TableView("What was imputed", head, cells, frozenset({3, 4, 5, 6}), is_folded=True)
