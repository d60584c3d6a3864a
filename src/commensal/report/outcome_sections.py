"""What became of the disease: remission at landmarks, and labels that others assigned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commensal.report import charts, digits, words
from commensal.report.views import Figure, Section, TableView
from commensal.vocabulary.endpoints import endpoints

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]

HANDLINGS = {
    "observed cases": "Observed cases",
    "unobserved count as failures": "Unobserved count as failures",
    "unobserved, death, colectomy, rescue and retreatment count as failures": "… and events as failures",
}
DRAWN = tuple(HANDLINGS.values())[:2]
MAINTENANCE = "maintenance"


def remission(tables: Tables) -> Section | None:
    """Remission (or what stands for it) at each landmark, by indication, with every denominator."""
    rows = tables["estimates"].filter(pl.col("landmark").is_not_null())
    if rows.is_empty():
        return None
    rows = rows.with_columns(
        handling=pl.col("estimand").str.split(";").list.first().replace_strict(HANDLINGS, default=None),
        is_primary=pl.struct("group_variable", "group_level", "landmark", "endpoint").map_elements(
            _is_primary, return_dtype=pl.Boolean
        ),
    )
    handled = rows.filter(pl.col("handling").is_not_null())
    by_indication = handled.filter(pl.col("group_variable") == "indication")
    active = ~pl.col("population").str.contains(MAINTENANCE)
    main = by_indication.filter(pl.col("is_primary") & active)
    return Section(
        "remission",
        "Remission at each landmark",
        "Each disease by its own definition, among patients with active disease at baseline who were due. "
        "Observed cases leave out the unseen; counting the unseen as failures is the other extreme.",
        figures=tuple(f for f in (_figure(main),) if f),
        tables=tuple(
            t
            for t in (
                _table(main, "Primary endpoint by indication", is_folded=False),
                _undefined(rows),
                _table(
                    by_indication.filter(~pl.col("is_primary") | ~active), "Further endpoints by indication"
                ),
                *(
                    _table(handled.filter(pl.col("group_variable") == v), f"Primary endpoints by {v}")
                    for v in ("route", "cohort", "arm")
                ),
                _missing(tables["missingness"]),
            )
            if t
        ),
    )


_PRIMARY = frozenset((e.indication, e.landmark, e.code) for e in endpoints() if e.is_primary)

_UNDEFINED = frozenset(e.code for e in endpoints() if e.measure is None)


def _is_primary(row: Row) -> bool:
    key = (row["group_level"], row["landmark"], row["endpoint"])
    return row["group_variable"] == "indication" and key in _PRIMARY


def _figure(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(pl.col("estimate").is_not_null() & pl.col("handling").is_in(DRAWN))
    if drawn.is_empty():
        return None
    names = [f"{words.short(r['group_level'])}{_star(r)}" for r in drawn.iter_rows(named=True)]
    frame = drawn.select(
        "estimate",
        "lower",
        "upper",
        "handling",
        landmark=pl.col("landmark").replace(words.LANDMARKS),
        disease=pl.Series(names),
    ).sort("disease", pl.col("handling").replace_strict({h: i for i, h in enumerate(DRAWN)}))
    shown = [name for name in words.LANDMARKS.values() if name in set(frame["landmark"])]
    chart = charts.intervals(
        frame, y="disease", series="handling", panel="landmark", panels=shown, x_title=""
    )
    caption = "Share in remission with 95 % intervals (* response, where that is the primary endpoint)."
    return Figure(chart, f"{caption} The numbers with their denominators are in the table below.")


def _star(row: Row) -> str:
    return " *" if row["endpoint"].endswith(("_response", "_neda3")) else ""


def _table(rows: pl.DataFrame, caption: str, *, is_folded: bool = True) -> TableView | None:
    if rows.is_empty():
        return None
    lines: dict[tuple[Any, ...], dict[str, Row]] = {}
    for r in rows.iter_rows(named=True):
        steroid_free = "free of steroids" in r["estimand"]
        key = (
            r["group_variable"],
            r["group_level"],
            r["endpoint"],
            steroid_free,
            r["population"],
            r["landmark"],
        )
        lines.setdefault(key, {})[r["handling"]] = r
    order = {code: i for i, code in enumerate(words.LANDMARKS)}
    keys = sorted(lines, key=lambda k: (*k[:-1], order.get(k[-1], 9)))
    head = ("", "Endpoint", "Landmark", "Due", "Missing", *HANDLINGS.values(), "Notes")
    references = dict.fromkeys(r["reference"] for key in keys for r in lines[key].values() if r["reference"])
    number = {text: str(i) for i, text in enumerate(references, start=1)}
    cells = tuple((*_line(key, lines[key]), _note(lines[key], number)) for key in keys)
    return TableView(caption, head, cells, frozenset(range(3, 8)), is_folded, notes=tuple(references))


def _note(by_handling: dict[str, Row], number: dict[str, str]) -> str:
    first = next(iter(by_handling.values()))
    beside = f"note {number[first['reference']]}" if first["reference"] else None
    return "; ".join(filter(None, (first["reason"], beside)))


def _line(key: tuple[Any, ...], by_handling: dict[str, Row]) -> tuple[str, ...]:
    variable, level, endpoint, steroid_free, population, landmark = key
    first = next(iter(by_handling.values()))
    name = words.endpoint(endpoint) + (", without steroids" if steroid_free else "")
    who = f" ({population})" if MAINTENANCE in population else ""
    return (
        words.short(level) if variable == "indication" else words.level(variable, level),
        name + who,
        words.landmark(landmark),
        digits.whole(first["n_due"]),
        digits.whole(first["n_missing"]),
        *(_estimate(by_handling.get(h)) for h in HANDLINGS.values()),
    )


def _estimate(row: Row | None) -> str:
    if row is None or row["estimate"] is None:
        return digits.DASH
    limits = digits.interval(row["lower"], row["upper"], row["unit"])
    return f"{digits.fraction(row['n_events'], row['n'])}: {digits.percent(row['estimate'])}\n({limits})"


def _undefined(rows: pl.DataFrame) -> TableView | None:
    kept = pl.col("endpoint").is_in(["on_treatment", *_UNDEFINED])
    rows = rows.filter(kept & (pl.col("group_variable") == "indication"))
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.endpoint(r["endpoint"]),
            words.landmark(r["landmark"]),
            digits.whole(r["n_due"]),
            digits.quantity(r["estimate"], r["unit"]),
            digits.fraction(r["n_events"], r["n"]),
            r["reason"] or r["estimand"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("", "Endpoint", "Landmark", "Due", "Share", "n", "What this is")
    return TableView("Not defined, and still on treatment", head, cells, frozenset({3, 4, 5}), is_folded=True)


def _missing(rows: pl.DataFrame) -> TableView | None:
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.level(r["group_variable"], r["group_level"]),
            words.endpoint(r["endpoint"]),
            words.landmark(r["landmark"]),
            words.REASONS.get(r["reason"]) or words.plain(r["reason"]),
            digits.whole(r["n"]),
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("", "Endpoint", "Landmark", "Why not observed", "Patients")
    return TableView("Why outcomes are missing", head, cells, frozenset({4}), is_folded=True)


def reported(tables: Tables) -> Section | None:
    """Outcome labels that the source of the data assigned."""
    rows = tables["estimates"].filter(pl.col("endpoint").str.starts_with("reported_"))
    if rows.is_empty():
        return None
    cells = tuple(
        (
            words.level("arm", r["group_level"]),
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
    head = ("Arm", "Label", "Patients", "Without label", "With this label", "Share", "95 % interval", "")
    return Section(
        "reported",
        "Outcomes as the source reported them",
        "Labels that the authors of the data assigned, by their own definition and at their own time.",
        tables=(TableView("Reported outcomes by arm", head, cells, frozenset({2, 3, 4, 5, 6})),),
    )
