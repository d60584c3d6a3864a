"""What happened over time: curves of remission and relapse, and adverse events."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
COLOURS = {"remission": 2, "response": 2, "relapse": 1, "recurrence": 1}  # in reading order


def time_courses(tables: Tables) -> Section | None:
    """Cumulative incidence of remission and of relapse, with the numbers at risk."""
    # The curve's own event is the last word of its name; competing events stay in the table.
    own = pl.col("curve").str.split("_").list.last() == pl.col("event")
    rows = tables["curves"].filter(pl.col("estimate").is_not_null() & own)
    if rows.is_empty():
        return None
    at_risk = tables["numbers_at_risk"]
    drawn = sorted(rows["curve"].unique(), key=lambda curve: list(COLOURS).index(curve.split("_")[-1]))
    return Section(
        "curves",
        "Remission and relapse over time",
        "Cumulative incidence with death and colectomy as competing events. Status is known at visits only, "
        "so steps fall on visits.",
        figures=tuple(_curve(rows.filter(curve=c), at_risk.filter(curve=c), curve=c) for c in drawn),
    )


def _curve(rows: pl.DataFrame, at_risk: pl.DataFrame, *, curve: str) -> Figure:
    variable = rows["group_variable"][0]
    panels = pl.Series([words.short(code) for code in rows["group_level"]])
    frame = rows.select("time_days", "estimate", "lower", "upper", panel=panels)
    chart = charts.curves(frame, panel="panel", color=COLOURS[rows["event"][0]])
    caption = f"{words.plain(curve)} with 95 % bands, by {words.plain(variable).lower()}."
    return Figure(chart, caption, _numbers_at_risk(at_risk))


def _numbers_at_risk(rows: pl.DataFrame) -> TableView:
    times = sorted(rows["time_days"].unique())
    by_group: dict[str, dict[int, int]] = {}
    for r in rows.iter_rows(named=True):
        by_group.setdefault(words.short(r["group_level"]), {})[r["time_days"]] = r["n_at_risk"]
    cells = tuple((name, *(digits.whole(n.get(t)) for t in times)) for name, n in by_group.items())
    head = ("Day", *(digits.whole(t) for t in times))
    return TableView("Numbers at risk", head, cells, frozenset(range(1, len(head))))


def safety(tables: Tables) -> Section | None:
    """Adverse events over those ascertained; zeros are shown with what they exclude."""
    rows = tables["estimates"].filter(
        pl.col("unit").is_in(["per_procedure", "per_patient", "per_100_person_years"])
    )
    if rows.is_empty():
        return None
    main = rows.filter(pl.col("group_variable") == "all")
    terms = rows.filter(pl.col("group_variable") == "term")
    others = rows.filter(~pl.col("group_variable").is_in(["all", "term"]))
    tables_ = [_safety_table(main, "Adverse events", is_folded=False)]
    tables_ += [
        _safety_table(t, n, is_folded=True) for t, n in ((terms, "By term"), (others, "By route")) if t.height
    ]
    return Section(
        "safety",
        "Adverse events",
        "Among those followed through the window: no record is not zero. Grade is severity; serious is a "
        "matter of consequence.",
        figures=tuple(f for f in (_safety_figure(main),) if f),
        tables=tuple(tables_),
    )


def _safety_figure(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter((pl.col("unit") == "per_procedure") & pl.col("estimate").is_not_null())
    if drawn.is_empty():
        return None
    frame = drawn.select(
        *((pl.col(c) * 100).alias(c) for c in ("estimate", "lower", "upper")),
        kind=pl.Series([words.plain(e) for e in drawn["endpoint"]]),
        unit=pl.lit(words.UNITS["per_procedure"]),
    )
    chart = charts.intervals(
        frame,
        y="kind",
        series="unit",
        panel=None,
        x_title="Procedures with at least one event, per 100",
        percent=False,
    )
    caption = "Procedures followed by at least one adverse event, clustered by patient, 95 % intervals."
    return Figure(chart, caption)


def _safety_table(rows: pl.DataFrame, caption: str, *, is_folded: bool) -> TableView:
    head = (
        "Events",
        "Group",
        "Unit",
        "Ascertained of all",
        "Events / n",
        "Estimate",
        "95 % interval",
        "Note",
    )
    cells = tuple(
        (
            words.plain(r["endpoint"]),
            "" if r["group_variable"] == "all" else words.level(r["group_variable"], r["group_level"]),
            words.UNITS[r["unit"]],
            digits.fraction(r["n"], r["n_due"]),
            digits.fraction(r["n_events"], r["n"]),
            digits.quantity(r["estimate"], r["unit"]),
            digits.interval(r["lower"], r["upper"], r["unit"]),
            "; ".join(filter(None, (r["reason"], r["reference"]))),
        )
        for r in rows.iter_rows(named=True)
    )
    return TableView(caption, head, cells, frozenset({3, 4, 5, 6}), is_folded)
