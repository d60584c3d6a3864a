"""What was planned for one recipient: the care plan, and the options after follow-up."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report import digits, words
from commensal.report.views import Section, TableView

Tables = Mapping[str, pl.DataFrame]


def care_plan(tables: Tables) -> Section | None:
    """The care plan, section by section; what is not met or not known stands first."""
    rows = tables["care_plans"].sort("position")
    if rows.is_empty():
        return None
    who = rows["patient_id"][0]
    unmet = rows.filter(pl.col("verdict").is_in(["not_met", "undetermined"]))
    cautions = tuple(f"{words.VERDICTS[r['verdict']]}: {r['content']}" for r in unmet.iter_rows(named=True))
    parts = rows["section"].unique(maintain_order=True).to_list()
    return Section(
        "care-plan",
        f"Care plan for {who}",
        f"From {rows['protocol'].drop_nulls().first() or 'the protocol library'}. A physician signs a plan "
        "or leaves it; it changes no other treatment.",
        cautions=cautions[:12],
        tables=tuple(view for part in parts for view in _plan_part(rows.filter(section=part), part)),
    )


def _plan_part(rows: pl.DataFrame, part: str) -> list[TableView]:
    """Return the table of one section; rules that are met stand folded below it."""
    is_met = (
        pl.col("rule_id").is_not_null() & (pl.col("verdict") == "met") & (pl.col("section") == "eligibility")
    )
    name, met = words.plain(part), rows.filter(is_met)
    views = [_items(rows.filter(~is_met.fill_null(False)), name)]
    return [*views, _items(met, f"{name}: {met.height} rules met", is_folded=True)] if met.height else views


def _items(rows: pl.DataFrame, caption: str, *, is_folded: bool = False) -> TableView:
    """Return items as a table: columns that say nothing are left out, sources stand numbered below."""
    sources = rows["source"].drop_nulls().unique(maintain_order=True).to_list()
    columns = {
        "Item": rows["item"].to_list(),
        "In words": rows["content"].to_list(),
        "When": [None if day is None else f"day {day}" for day in rows["day"]],
        "Rule": [words.VERDICTS.get(verdict) for verdict in rows["verdict"]],
        "Why": rows["reason"].to_list(),
        "Source": [None if source is None else f"{sources.index(source) + 1}" for source in rows["source"]],
    }
    told = {name: cells for name, cells in columns.items() if name == "Item" or any(cells)}
    cells = tuple(tuple(cell or "" for cell in row) for row in zip(*told.values(), strict=True))
    return TableView(caption, tuple(told), cells, is_folded=is_folded, notes=tuple(sources))


def replan(tables: Tables) -> Section | None:
    """Options after follow-up, for a clinician to sign."""
    rows = tables["replans"].sort("position")
    if rows.is_empty():
        return None
    first = rows.row(0, named=True)
    cells = tuple(
        (
            words.plain(r["option"]),
            r["content"] or "",
            r["because"] or "",
            r["evidence_grade"] or digits.DASH,
            r["source"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    tiles = (
        (words.ANSWERS[first["engrafted"]], f"engrafted: {first['engrafted_because'] or ''}"),
        (words.ANSWERS[first["responded"]], f"responded: {first['responded_because'] or ''}"),
    )
    return Section(
        "replan",
        f"Options for {first['patient_id']} at week {first['week']}",
        first["statement"] or "",
        tiles=tiles,
        tables=(
            TableView(
                "Options, in no order of preference",
                ("Option", "What", "Why", "Evidence", "Source"),
                cells,
            ),
        ),
    )
