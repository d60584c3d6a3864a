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
        tables=tuple(_plan_part(rows.filter(section=part), part) for part in parts),
    )


def _plan_part(rows: pl.DataFrame, part: str) -> TableView:
    cells = tuple(
        (
            r["item"] or "",
            r["content"] or "",
            "" if r["day"] is None else f"day {r['day']}",
            words.VERDICTS.get(r["verdict"], ""),
            r["reason"] or "",
            r["source"] or "",
        )
        for r in rows.iter_rows(named=True)
    )
    return TableView(words.plain(part), ("Item", "In words", "When", "Rule", "Why", "Source"), cells)


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
