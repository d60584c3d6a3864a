"""Who is in the study: summary, flow diagram, standing of each indication, baseline."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import digits, words
from commensal.report.views import Box, Section, TableView

Tables = Mapping[str, pl.DataFrame]

PURPOSE = (
    "Research and decision support. This report describes a programme of fecal microbiota transplantation "
    "(FMT). It orders no treatment, promises no relief, and is no reason to stop any other treatment."
)


def summary(tables: Tables) -> Section:
    """The head of the page: what was studied, and the counts of the main line of the flow."""
    facts = dict(tables["provenance"].select("item", "value").iter_rows())
    main = tables["flow"].filter(pl.col("reason").is_null()).sort("position")
    tiles = tuple((digits.whole(r["n"]), r["label"]) for r in main.head(5).iter_rows(named=True))
    origin = facts.get("origin") or facts.get("study") or "an FMT programme"
    return Section("top", f"Study report: {origin}", PURPOSE, tiles=tiles)


def flow(tables: Tables) -> Section | None:
    """The flow diagram: the main line of boxes, and beside each who left and why."""
    rows = tables["flow"].sort("position")
    if rows.is_empty():
        return None
    main = rows.filter(pl.col("reason").is_null())
    boxes = tuple(
        Box(r["label"], digits.whole(r["n"]), _left(rows, r["step_id"])) for r in main.iter_rows(named=True)
    )
    return Section("flow", "Who was studied", boxes=boxes)


def _left(rows: pl.DataFrame, step: str) -> tuple[tuple[str, str], ...]:
    side = rows.filter(pl.col("reason").is_not_null() & (pl.col("parent_id") == step))
    return tuple((r["label"], digits.whole(r["n"])) for r in side.iter_rows(named=True))


def evidence_status(tables: Tables) -> Section | None:
    """What guidelines and trials say of FMT in each indication of the study."""
    rows = tables["evidence_status"]
    if rows.is_empty():
        return None
    cells = tuple(
        (
            r["label"] or r["indication"],
            digits.whole(r["n_patients"]),
            words.STATUS.get(r["status"], r["status"] or digits.DASH),
            r["statement"] or "",
            r["source"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    head = ("Indication", "Patients", "Standing of FMT", "What is known", "Source")
    return Section(
        "evidence-status",
        "Standing of FMT in these diseases",
        "Only recurrent C. difficile infection is supported by guidelines; elsewhere FMT belongs in trials.",
        tables=(TableView("Evidence status by indication", head, cells, frozenset({1})),),
    )


def baseline(tables: Tables) -> Section | None:
    """The baseline table: one column for each group, missing values counted."""
    rows = tables["baseline"]
    if rows.is_empty():
        return None
    views = tuple(
        _baseline_table(rows.filter(pl.col("group_variable") == variable), variable)
        for variable in rows["group_variable"].unique(maintain_order=True)
    )
    return Section(
        "baseline",
        "The patients at baseline",
        "Continuous characteristics: median (quartiles). Others: count (share of those known).",
        tables=views,
    )


def _baseline_table(rows: pl.DataFrame, variable: str) -> TableView:
    groups = rows["group_level"].unique(maintain_order=True).to_list()
    lines = rows.select("variable", "level").unique(maintain_order=True).iter_rows()
    cells = []
    for name, level in lines:
        picked = rows.filter((pl.col("variable") == name) & pl.col("level").eq_missing(pl.lit(level)))
        by_group = {r["group_level"]: r for r in picked.iter_rows(named=True)}
        cells.append((_line_name(name, level, picked), *(_cell(by_group.get(g)) for g in groups)))
    sizes = {r["group_level"]: r["n"] for r in rows.iter_rows(named=True)}
    head = ("", *(f"{words.level(variable, g)} (n = {digits.whole(sizes[g])})" for g in groups))
    numeric = frozenset(range(1, len(head)))
    name = "all patients" if variable == "all" else words.plain(variable).lower()
    return TableView(f"Baseline by {name}", head, tuple(cells), numeric, is_folded=len(groups) > 6)


def _line_name(name: str, level: str | None, picked: pl.DataFrame) -> str:
    unit = next((u for u in picked["unit"] if u), None)
    label = words.plain(name) + (f", {unit}" if unit and level is None else "")
    return f"{label}: {words.level(name, level)}" if level is not None else label


def _cell(row: dict[str, object] | None) -> str:
    if row is None:
        return digits.DASH
    missing = f"; {digits.whole(row['n_missing'])} missing" if row["n_missing"] else ""  # type: ignore[arg-type]
    if row["level"] is not None:
        share = digits.percent(row["proportion"], digits=0)  # type: ignore[arg-type]
        return f"{digits.whole(row['count'])} ({share})"  # type: ignore[arg-type]
    if row["median"] is None:
        return (str(row["reason"]) if row["reason"] else digits.DASH) + missing
    quartiles = f"{digits.number(row['lower_quartile'])}–{digits.number(row['upper_quartile'])}"  # type: ignore[arg-type]
    return f"{digits.number(row['median'])} ({quartiles}){missing}"  # type: ignore[arg-type]
