"""What goes with success: comparisons, predictors, donors, and how alike weighting made the groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import exp, log
from typing import Any

import polars as pl

from commensal.report import digits, words
from commensal.report.charts.evidence import forest, love
from commensal.report.views import Figure, Notes, Section, TableView
from commensal.vocabulary.indications import indications

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]

RATIOS = {
    "log_odds_ratio": "odds ratio",
    "log_hazard_ratio": "hazard ratio",
    "log_subdistribution_hazard_ratio": "subdistribution hazard ratio",
    "log_rate_ratio": "rate ratio",
    "log_risk_ratio": "risk ratio",
    "log-odds": "odds ratio",
}
MOST_DRAWN = 40
DRAWN_AT = "M3"
# Known at index in every disease, so that forests can be read across.
DRAWN_TERMS = ("age_at_index_years", "sex", "baseline_severity")
# Ratios with limits beyond these say nothing and would flatten the picture.
FURTHEST = log(50)
NOT_CAUSED = (
    "Associations among patients who were not randomised: a route, a donor or a trait that goes with success "
    "need not bring it about. E-values say how strong an unmeasured confounder would have to be."
)


def comparisons(tables: Tables) -> Section | None:
    """Routes and arms compared with overlap weights, beside how alike the weights made the groups."""
    rows = _of_models(tables["effects"], "route_", "comparator")
    if rows.is_empty():
        return None
    weighted = _of_models(rows, "route_overlap", "comparator_overlap")
    drawn = weighted.filter((pl.col("unit") == "risk_difference") & (pl.col("landmark") == DRAWN_AT))
    at = tables["balance"].filter(pl.col("comparison").str.ends_with(f", {DRAWN_AT}"))
    return Section(
        "comparisons",
        "Routes and arms compared",
        NOT_CAUSED,
        figures=(*_forests(drawn, by="endpoint"), *_balance(at)),
        tables=(
            *_effect_tables(rows, "Comparisons"),
            *_weights(tables["weight_summaries"].filter(analysis="overlap_weights")),
        ),
    )


def predictors(tables: Tables) -> Section | None:
    """What is known at index and goes with success, by endpoint."""
    rows = _of_models(tables["effects"], "predictors")
    if rows.is_empty():
        return None
    drawn = rows.filter(
        (pl.col("model") == "predictors_imputed")
        & (pl.col("landmark") == DRAWN_AT)
        & pl.col("term").is_in(DRAWN_TERMS)
    )
    return Section(
        "predictors",
        "What goes with success",
        NOT_CAUSED,
        figures=tuple(_forests(drawn, by="endpoint")),
        tables=(
            *_effect_tables(rows, "Predictors"),
            *_effect_tables(_of_models(tables["effects"], "microbiome_"), "Communities and success"),
        ),
    )


def donors(tables: Tables) -> Section | None:
    """Shrunken donor effects, and whether donors differ at all."""
    rows, parts = tables["donor_effects"], tables["variance_components"]
    if rows.is_empty() and parts.is_empty():
        return None
    return Section(
        "donors",
        "Donors",
        "Whether donors differ at all comes first: of forty equal donors the best always looks good. Effects "
        "are drawn towards the average by as much as the data leave room for chance.",
        figures=tuple(f for f in (_caterpillar(rows),) if f),
        tables=tuple(t for t in (_components(parts), _donor_table(rows)) if t),
    )


def tests(tables: Tables) -> Section | None:
    """Every test of a hypothesis, with what it rests on."""
    rows = tables["hypothesis_tests"]
    if rows.is_empty():
        return None
    notes = Notes()
    cells = tuple(
        (
            words.plain(r["test"]),
            words.endpoint(r["endpoint"] or ""),
            words.landmark(r["landmark"] or ""),
            words.plain(r["group_variable"]),
            digits.number(r["statistic"], digits=2),
            digits.whole(r["df"]),
            digits.probability(r["p_value"]),
            digits.fraction(r["n_events"], r["n"]),
            notes.mark(r["reason"] or r["method"]),
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Test", "Of", "Landmark", "Between", "Statistic", "df", "p", "Events / n", "")
    numeric = frozenset({4, 5, 6, 7})
    table = TableView("Tests", head, cells, numeric, is_folded=True, notes=notes.texts)
    lead = "Many tests stand here: of twenty true null hypotheses one falls below 0.05 by chance."
    return Section("tests", "Tests", lead, tables=(table,))


def time_models(tables: Tables) -> Section | None:
    """Models of the time to remission and to relapse."""
    rows = tables["effects"].filter(pl.col("unit").str.contains("hazard") & pl.col("landmark").is_null())
    rows = rows.filter(~_is_of(rows, "route_", "comparator"))
    if rows.is_empty():
        return None
    return Section(
        "time-models",
        "What goes with time to remission and relapse",
        NOT_CAUSED,
        figures=tuple(_forests(rows.filter(pl.col("model").str.starts_with("cox")), by="endpoint")),
        tables=_effect_tables(rows, "Models of time to event"),
    )


def _is_of(rows: pl.DataFrame, *starts: str) -> pl.Series:
    return rows.select(pl.any_horizontal(pl.col("model").str.starts_with(s) for s in starts)).to_series()


def _of_models(rows: pl.DataFrame, *starts: str) -> pl.DataFrame:
    return rows.filter(_is_of(rows, *starts))


def _forests(rows: pl.DataFrame, *, by: str) -> list[Figure]:
    """One forest for each unit, the ratios as ratios."""
    drawn = rows.filter(pl.col("estimate").is_not_null() & pl.col("lower").is_not_null())
    is_far = pl.col("unit").is_in(list(RATIOS)) & (
        pl.max_horizontal(pl.col("lower").abs(), pl.col("upper").abs()) > FURTHEST
    )
    drawn = drawn.filter(~is_far)
    made = []
    for (unit,), part in drawn.partition_by("unit", maintain_order=True, as_dict=True).items():
        shown = part.head(MOST_DRAWN)
        caption = f"{_unit(unit).capitalize()} with 95 % intervals."
        if part.height > shown.height:
            caption += f" The first {shown.height} of {part.height}; all are in the table."
        frame = pl.DataFrame([_drawn(r, by=by) for r in shown.iter_rows(named=True)])
        chart = forest(frame, series=None, x_title=_unit(unit).capitalize(), is_ratio=unit in RATIOS)
        made.append(Figure(chart, caption))
    return made


def _drawn(r: Row, *, by: str) -> Row:
    # An endpoint by its code: two diseases have endpoints of one name, and lines of one name would be one.
    asked = " ".join(filter(None, (words.plain(r[by]), words.landmark(r["landmark"] or ""))))
    name = " · ".join(filter(None, (_indication(r["population"]), f"{asked}: {_term(r)}")))
    return {"y": name, **{c: _shown(r[c], r["unit"]) for c in ("estimate", "lower", "upper")}}


def _indication(population: str | None) -> str:
    """The indication a population is of, where it is of one: rows of two would share a line without it."""
    code = re.split("[:,]", population or "")[0]
    return words.short(code) if code in indications() else ""


def _term(r: Row) -> str:
    """Term and contrast; of a compared route the contrast alone, which names the groups."""
    if r["term"].startswith(("route,", "arm")):
        return _said(r["contrast"])
    return f"{words.plain(r['term'])} {_said(r['contrast'])}".strip()


def _said(contrast: str | None) -> str:
    """A contrast with its codes in words."""
    return " ".join(words.plain(w) if "_" in w else w for w in (contrast or "").split(" "))


def _unit(unit: str | None) -> str:
    return RATIOS.get(unit or "", (unit or "").replace("_", " "))


def _shown(value: float | None, unit: str | None) -> float | None:
    """A logarithm of a ratio as the ratio."""
    return exp(value) if value is not None and unit in RATIOS and abs(value) < 50 else value


def _effect_tables(rows: pl.DataFrame, caption: str) -> tuple[TableView, ...]:
    if rows.is_empty():
        return ()
    notes = Notes()
    cells = tuple(
        (
            words.endpoint(r["endpoint"] or ""),
            words.landmark(r["landmark"] or ""),
            _term(r),
            words.plain(r["model"]),
            _unit(r["unit"]),
            digits.number(_shown(r["estimate"], r["unit"]), digits=2),
            digits.span(_shown(r["lower"], r["unit"]), _shown(r["upper"], r["unit"]), digits=2),
            digits.probability(r["p_value"]),
            digits.number(r["e_value"], digits=1),
            digits.fraction(r["n_events"], r["n"]),
            notes.mark(r["reason"]),
        )
        for r in rows.iter_rows(named=True)
    )
    head = (
        *("Endpoint", "Landmark", "Term", "Model", "As", "Estimate", "95 % interval", "p", "E-value"),
        *("Events / n", "Notes"),
    )
    numeric = frozenset(range(5, 10))
    return (TableView(caption, head, cells, numeric, is_folded=True, notes=notes.texts),)


def _balance(rows: pl.DataFrame) -> list[Figure]:
    drawn = rows.filter(pl.col("standardised_difference").is_not_null())
    made = []
    for (name,), part in drawn.partition_by("comparison", maintain_order=True, as_dict=True).items():
        frame = pl.DataFrame(
            [
                {
                    "y": f"{words.plain(r['covariate'])} {words.level(r['covariate'], r['level'])}".strip(),
                    "weighting": {"none": "As treated", "overlap": "With overlap weights"}[r["weighting"]],
                    "standardised_difference": r["standardised_difference"],
                }
                for r in part.iter_rows(named=True)
            ]
        )
        made.append(Figure(love(frame), f"How alike the groups are: {name.replace('_', ' ')}."))
    return made


def _weights(rows: pl.DataFrame) -> tuple[TableView, ...]:
    if rows.is_empty():
        return ()
    cells = tuple(
        (
            words.endpoint(r["endpoint"] or ""),
            words.landmark(r["landmark"] or ""),
            words.plain(r["group_level"]),
            digits.whole(r["n"]),
            digits.number(r["largest"], digits=2),
            digits.whole(r["effective_n"]),
            r["reason"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Of", "Landmark", "Group", "n", "Largest weight", "Effective n", "Notes")
    return (TableView("Weights", head, cells, frozenset({3, 4, 5}), is_folded=True),)


def _caterpillar(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(
        (pl.col("indication") == "all") & pl.col("effect").is_not_null() & pl.col("lower").is_not_null()
    ).sort("effect")
    if drawn.is_empty():
        return None
    shown = drawn if drawn.height <= MOST_DRAWN else pl.concat([drawn.head(20), drawn.tail(20)])
    frame = shown.select(
        y="donor_id",
        estimate=pl.col("effect").exp(),
        lower=pl.col("lower").exp(),
        upper=pl.col("upper").exp(),
    )
    chart = forest(frame, series=None, x_title="Odds ratio against the average donor", is_ratio=True)
    caption = "Shrunken donor effects with 95 % intervals, all indications."
    if shown.height < drawn.height:
        caption += f" The lowest and highest 20 of {drawn.height}."
    return Figure(chart, caption)


def _components(rows: pl.DataFrame) -> TableView | None:
    if rows.is_empty():
        return None
    notes = Notes()
    cells = tuple(
        (
            words.endpoint(r["endpoint"] or ""),
            words.landmark(r["landmark"] or ""),
            r["population"] or "",
            words.plain(r["component"]),
            digits.number(r["variance"], digits=2),
            digits.span(r["lower"], r["upper"], digits=2),
            digits.percent(r["probability_none"], digits=0),
            digits.probability(r["p_value"]),
            digits.whole(r["n_levels"]),
            digits.fraction(r["n_events"], r["n"]),
            words.plain(r["verdict"]),
            notes.mark(r["reason"]),
        )
        for r in rows.iter_rows(named=True)
    )
    head = (
        *("Endpoint", "Landmark", "Among", "Between", "Variance", "95 % interval", "Probability of none"),
        *("Permutation p", "Levels", "Events / n", "Verdict", "Notes"),
    )
    return TableView("Whether they differ", head, cells, frozenset(range(4, 10)), notes=notes.texts)


def _donor_table(rows: pl.DataFrame) -> TableView | None:
    if rows.is_empty():
        return None
    notes = Notes()
    cells = tuple(
        (
            r["donor_id"],
            words.short(r["indication"]) if r["indication"] != "all" else "All",
            words.endpoint(r["endpoint"] or ""),
            words.landmark(r["landmark"] or ""),
            digits.number(_shown(r["effect"], "log-odds"), digits=2),
            digits.span(_shown(r["lower"], "log-odds"), _shown(r["upper"], "log-odds"), digits=2),
            digits.fraction(r["n_events"], r["n"]),
            notes.mark(r["reason"]),
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Donor", "Indication", "Endpoint", "Landmark", "Odds ratio", "95 % interval", "Events / n", "")
    numeric = frozenset({4, 5, 6})
    return TableView("Donor effects", head, cells, numeric, is_folded=True, notes=notes.texts)
