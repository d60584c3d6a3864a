"""What became of the patients: remission, labels others assigned, curves over time, adverse events."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.views import Figure, Section, TableView

Tables = Mapping[str, pl.DataFrame]
OUTCOMES = ("cure", "remission", "response")


def remission(tables: Tables) -> Section | None:
    """Remission (or what stands for it) at each landmark, by indication, with every denominator."""
    rows = tables["estimates"].filter(pl.col("landmark").is_not_null())
    by_indication = rows.filter(pl.col("group_variable") == "indication")
    if rows.is_empty():
        return None
    others = [v for v in rows["group_variable"].unique(maintain_order=True) if v != "indication"]
    folded = tuple(
        _outcome_table(rows.filter(pl.col("group_variable") == v), v, is_folded=True) for v in others
    )
    return Section(
        "remission",
        "Remission at each landmark",
        "Among patients with active disease at baseline who were due. Observed cases stand beside the "
        "count in which everyone unseen is a failure; both are wrong in known directions.",
        figures=tuple(f for f in (_outcome_figure(by_indication),) if f),
        tables=(
            _outcome_table(by_indication, "indication", is_folded=False),
            *folded,
            *_missing_table(tables["missingness"]),
        ),
    )


def _outcome_figure(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(pl.col("estimate").is_not_null())
    if drawn.is_empty():
        return None
    frame = drawn.select(
        "estimate",
        "lower",
        "upper",
        indication=_words_of(drawn, "indication"),
        handling=pl.col("method"),
        landmark=pl.col("landmark").replace(words.LANDMARKS),
    )
    svg = charts.intervals(
        frame,
        y="indication",
        series="handling",
        panel="landmark",
        panels=list(words.LANDMARKS.values()),
        x_title="Share in remission, 95 % interval",
    )
    caption = "Remission by indication and landmark. The same numbers, with their denominators, are below."
    return Figure(svg, caption, caption)


def _words_of(rows: pl.DataFrame, variable: str) -> pl.Series:
    return pl.Series([words.level(variable, code) for code in rows["group_level"]])


def _outcome_table(rows: pl.DataFrame, variable: str, *, is_folded: bool) -> TableView:
    head = (
        words.plain(variable),
        "Endpoint",
        "Landmark",
        "How the unseen count",
        "Due",
        "Missing",
        "Events / n",
        "Estimate",
        "95 % interval",
        "Beside it",
    )
    cells = tuple(
        (
            words.level(variable, r["group_level"]),
            words.plain(r["endpoint"]),
            words.landmark(r["landmark"]),
            r["method"] or "",
            digits.whole(r["n_due"]),
            digits.whole(r["n_missing"]),
            digits.fraction(r["n_events"], r["n"]),
            digits.quantity(r["estimate"], r["unit"]),
            digits.interval(r["lower"], r["upper"], r["unit"]),
            "; ".join(filter(None, (r["reason"], r["reference"]))),
        )
        for r in rows.iter_rows(named=True)
    )
    caption = f"Outcomes by {words.plain(variable).lower()}"
    return TableView(caption, head, cells, frozenset({4, 5, 6, 7, 8}), is_folded)


def _missing_table(rows: pl.DataFrame) -> tuple[TableView, ...]:
    if rows.is_empty():
        return ()
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.plain(r["endpoint"]),
            words.landmark(r["landmark"]),
            words.REASONS.get(r["reason"]) or words.plain(r["reason"]),
            digits.whole(r["n"]),
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Group", "Endpoint", "Landmark", "Why not observed", "Patients")
    return (TableView("Why outcomes are missing", head, cells, frozenset({4}), is_folded=True),)


def reported(tables: Tables) -> Section | None:
    """Outcome labels that the source of the data assigned."""
    rows = tables["estimates"].filter(pl.col("endpoint").str.starts_with("reported_"))
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.plain(r["group_level"]),
            words.plain(r["endpoint"].removeprefix("reported_")),
            digits.whole(r["n_due"]),
            digits.whole(r["n_missing"]),
            digits.fraction(r["n_events"], r["n"]),
            digits.quantity(r["estimate"], r["unit"]),
            digits.interval(r["lower"], r["upper"], r["unit"]),
            r["reason"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Arm", "Label", "Patients", "Without label", "With label", "Share", "95 % interval", "")
    return Section(
        "reported",
        "Outcomes as the source reported them",
        "Labels that the authors of the data assigned, by their own definition and at their own time.",
        tables=(TableView("Reported outcomes by arm", head, cells, frozenset({2, 3, 4, 5, 6})),),
    )


def time_courses(tables: Tables) -> Section | None:
    """Cumulative incidence of remission and of relapse, with the numbers at risk."""
    rows = tables["curves"].filter(pl.col("estimate").is_not_null())
    if rows.is_empty():
        return None
    figures = tuple(
        _curve_figure(rows.filter(pl.col("curve") == c), c) for c in rows["curve"].unique(maintain_order=True)
    )
    return Section(
        "curves",
        "Remission and relapse over time",
        "Cumulative incidence with death and colectomy as competing events. Status is known at visits only, "
        "so steps fall on visits.",
        figures=figures,
        tables=_risk_tables(tables["numbers_at_risk"]),
    )


def _curve_figure(rows: pl.DataFrame, curve: str) -> Figure:
    variable = rows["group_variable"][0]
    frame = rows.select(
        "time_days",
        "estimate",
        "lower",
        "upper",
        panel=_words_of(rows, variable),
        event=pl.Series([words.plain(e) for e in rows["event"]]),
    )
    caption = (
        f"{words.plain(curve)}: cumulative incidence with 95 % bands, by {words.plain(variable).lower()}."
    )
    return Figure(charts.curves(frame, panel="panel", series="event"), caption, caption)


def _risk_tables(rows: pl.DataFrame) -> tuple[TableView, ...]:
    views = []
    for curve in rows["curve"].unique(maintain_order=True):
        part = rows.filter(pl.col("curve") == curve)
        times = sorted(part["time_days"].unique())
        by_group: dict[tuple[str, str], dict[int, int]] = {}
        for r in part.iter_rows(named=True):
            by_group.setdefault((r["group_variable"], r["group_level"]), {})[r["time_days"]] = r["n_at_risk"]
        cells = tuple(
            (words.level(*group), *(digits.whole(counts.get(t)) for t in times))
            for group, counts in by_group.items()
        )
        head = ("At risk on day", *(digits.whole(t) for t in times))
        caption = f"Numbers at risk: {words.plain(curve).lower()}"
        views.append(TableView(caption, head, cells, frozenset(range(1, len(head)))))
    return tuple(views)


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
    svg = charts.intervals(
        frame,
        y="kind",
        series="unit",
        panel=None,
        x_title="Procedures with at least one event, per 100",
        percent=False,
    )
    caption = "Procedures followed by at least one adverse event, clustered by patient, 95 % intervals."
    return Figure(svg, caption, caption)


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
