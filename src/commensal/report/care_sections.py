"""What happened over time: curves of remission and relapse, and adverse events."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.views import Figure, Notes, Section, TableView

Tables = Mapping[str, pl.DataFrame]
# Curve → its colour, in reading order.
CURVES = {
    "cumulative_incidence_of_remission": 2,
    "cumulative_incidence_of_response": 2,
    "interval_censored_remission": 2,
    "in_remission": 0,
    "cumulative_incidence_of_relapse": 1,
    "cumulative_incidence_of_recurrence": 1,
    "overall_survival": 3,
}
LEAST_AT_RISK = 5
PER = ("per_procedure", "per_patient", "per_100_person_years", "events_per_patient", "ratio")


def time_courses(tables: Tables) -> Section | None:
    """Cumulative incidence of remission and of relapse, time in remission, survival; numbers at risk."""
    # A cumulative incidence's own event is the last word of its name; competing events stay in the table.
    own = pl.col("curve").str.split("_").list.last() == pl.col("event")
    is_incidence = pl.col("curve").str.starts_with("cumulative_incidence")
    rows = tables["curves"].filter(
        pl.col("estimate").is_not_null()
        & (own | ~is_incidence)
        & (pl.col("group_variable") == "indication")
        & pl.col("curve").is_in(list(CURVES))
    )
    if rows.is_empty():
        return None
    at_risk = tables["numbers_at_risk"].filter(pl.col("group_variable") == "indication")
    drawn = [curve for curve in CURVES if curve in set(rows["curve"])]
    return Section(
        "curves",
        "Remission and relapse over time",
        "Cumulative incidence with death and colectomy as competing events; being in remission, a state that "
        "can be left and entered again. Status is known at visits only, so steps fall on visits.",
        figures=tuple(_curve(rows.filter(curve=c), at_risk.filter(curve=c), curve=c) for c in drawn),
        tables=_restricted(tables["estimates"]),
    )


def _curve(rows: pl.DataFrame, at_risk: pl.DataFrame, *, curve: str) -> Figure:
    variable = rows["group_variable"][0]
    panels = pl.Series([words.short(code) for code in rows["group_level"]])
    kept = rows.with_columns(panel=panels).filter(
        pl.col("n_at_risk").fill_null(LEAST_AT_RISK) >= LEAST_AT_RISK
    )
    frame = kept.select("time_days", "estimate", "lower", "upper", "panel")
    chart = charts.curves(frame, panel="panel", color=CURVES[curve])
    caption = (
        f"{words.plain(curve)} with 95 % bands, by {words.plain(variable).lower()}; drawn while "
        f"{LEAST_AT_RISK} or more are at risk."
    )
    return Figure(chart, caption, _numbers_at_risk(at_risk) if at_risk.height else None)


def _restricted(estimates: pl.DataFrame) -> tuple[TableView, ...]:
    """Sustained remission and time in remission, which are other questions than remission at a day."""
    rows = estimates.filter(pl.col("endpoint").is_in(["sustained_remission", "time_in_remission"]))
    if rows.is_empty():
        return ()
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.plain(r["endpoint"]),
            words.landmark(r["landmark"]),
            digits.quantity(r["estimate"], r["unit"]),
            digits.interval(r["lower"], r["upper"], r["unit"]),
            words.UNITS.get(r["unit"] or "", r["unit"] or ""),
            digits.fraction(r["n_events"], r["n"]),
            "; ".join(filter(None, (r["estimand"], r["method"], r["reason"]))),
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("", "Measure", "Up to", "Estimate", "95 % interval", "Unit", "n", "What this is")
    caption = "Sustained remission and time in remission"
    return (TableView(caption, head, cells, frozenset({3, 4, 6}), is_folded=True),)


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
    rows = tables["estimates"].filter(pl.col("unit").is_in(PER))
    if rows.is_empty():
        return None
    every = pl.col("group_variable") == "all"
    is_main = every & pl.col("unit").is_in(["per_procedure", "per_patient"])
    main, over_time = rows.filter(is_main), rows.filter(every & ~is_main)
    others = rows.filter(~every)
    return Section(
        "safety",
        "Adverse events",
        "Among those followed through the window: no record is not zero. Grade is severity; serious is a "
        "matter of consequence.",
        figures=tuple(f for f in (_safety_figure(main),) if f),
        tables=(
            _safety_table(main, "Adverse events", is_folded=False),
            *((_safety_table(over_time, "Over time", is_folded=True),) if over_time.height else ()),
            *(
                _safety_table(part, f"By {words.plain(by).lower()}", is_folded=True)
                for (by,), part in others.partition_by(
                    "group_variable", maintain_order=True, as_dict=True
                ).items()
            ),
        ),
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
    notes = Notes()
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
            words.UNITS.get(r["unit"], words.plain(r["unit"])),
            digits.fraction(r["n"], r["n_due"]),
            digits.fraction(r["n_events"], r["n"]),
            digits.quantity(r["estimate"], r["unit"]),
            digits.interval(r["lower"], r["upper"], r["unit"]),
            notes.mark("; ".join(filter(None, (r["reason"], r["reference"])))),
        )
        for r in rows.iter_rows(named=True)
    )
    return TableView(caption, head, cells, frozenset({3, 4, 5, 6}), is_folded, notes.texts)
