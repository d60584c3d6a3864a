"""Who is in the study: summary, flow diagram, standing of each indication, baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from commensal.report import digits, words
from commensal.report.views import Box, Section, TableView

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]

PURPOSE = (
    "Research and decision support. This report describes a programme of fecal microbiota transplantation "
    "(FMT). It orders no treatment, promises no relief, and is no reason to stop any other treatment."
)


def summary(tables: Tables) -> Section:
    """The head of the page: what was studied, and the counts of the main line of the flow."""
    facts = dict(tables["provenance"].select("item", "value").iter_rows())
    line, _ = _split(_patients(tables["flow"]).filter(pl.col("reason").is_null()).to_dicts())
    tiles = tuple((digits.whole(step["n"]), step["label"]) for step in line)
    notes = tuple(value for item, value in facts.items() if item.startswith("note_") and value)
    return Section("top", _title(tables, facts.get("origin")), PURPOSE, cautions=notes, tiles=tiles)


def _title(tables: Tables, origin: str | None) -> str:
    """Return what the page is about: a study, or what was made for one recipient."""
    if origin:
        return f"Study report: {origin}"
    kinds = {"match_runs": "Match run", "care_plans": "Care plan", "replans": "Options after follow-up"}
    made = next((words for name, words in kinds.items() if not tables[name].is_empty()), None)
    return made or "Results"


def flow(tables: Tables) -> Section | None:
    """The flow diagram: a line of boxes, those who left beside each, and the landmarks as branches."""
    rows = _patients(tables["flow"])
    if rows.is_empty():
        return None
    line, branches = _split(rows.filter(pl.col("reason").is_null()).to_dicts())
    return Section(
        "flow",
        "Who was studied",
        boxes=tuple(_box(rows, step) for step in line),
        branches=tuple(_box(rows, step) for step in branches),
        tables=_rules(rows),
    )


def donor_flow(tables: Tables) -> Section | None:
    """The flow of donors: screened, accepted, used."""
    rows = tables["flow"].filter(_IS_DONOR).sort("position")
    if rows.is_empty():
        return None
    line = rows.filter(pl.col("reason").is_null()).to_dicts()
    boxes = tuple(_box(rows, step) for step in line)
    return Section("donor-flow", "Whose stool was given", boxes=boxes)


_IS_DONOR = pl.col("step_id").str.starts_with("donors")
# A rule's own box: how many do not meet it, or cannot be judged by it.
_IS_RULE = pl.col("step_id").str.contains(":(INC|EXC)")


def _patients(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(~_IS_DONOR).sort("position")


def _rules(rows: pl.DataFrame) -> tuple[TableView, ...]:
    kept = rows.filter(_IS_RULE)
    if kept.is_empty():
        return ()
    cells = []
    for r in kept.iter_rows(named=True):
        rule_id, _, verdict = r["step_id"].split(":")[1].partition("_")
        cells.append((words.rule(rule_id), words.VERDICTS[verdict], digits.whole(r["n"])))
    head = ("Rule", "Verdict", "Patients")
    caption = "Rules of the study: not met, or not judged for want of an answer (nobody is left out)"
    return (TableView(caption, head, tuple(cells), frozenset({2}), is_folded=True),)


def _split(main: list[Row]) -> tuple[list[Row], list[Row]]:
    """Steps that have the step before as parent are the line; those that share a parent are branches."""
    shared = [s for s in main if sum(s["parent_id"] == other["parent_id"] for other in main) > 1]
    return [s for s in main if s not in shared], shared


def _box(rows: pl.DataFrame, step: Row) -> Box:
    beside = pl.col("reason").is_not_null() & (pl.col("parent_id") == step["step_id"])
    side = rows.filter(beside & ~_IS_RULE)
    left = tuple((r["label"], digits.whole(r["n"])) for r in side.iter_rows(named=True))
    return Box(step["label"], digits.whole(step["n"]), left)


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
    observed = rows.filter(version="observed")
    views = tuple(
        _baseline_table(observed.filter(pl.col("group_variable") == variable), variable)
        for variable in observed["group_variable"].unique(maintain_order=True)
    )
    views += tuple(
        _version(rows.filter(version=version), caption)
        for version, caption in VERSIONS.items()
        if version in set(rows["version"])
    )
    return Section(
        "baseline",
        "The patients at baseline",
        "Continuous characteristics: median (quartiles). Others: count (share of those known).",
        tables=views,
    )


VERSIONS = {
    "weighted": "Baseline with overlap weights: the groups made alike",
    "imputed": "Baseline with missing values imputed",
}


def _version(rows: pl.DataFrame, caption: str) -> TableView:
    """Weighted or imputed means and shares, a column for each group, and how far the groups differ."""
    groups = rows["group_level"].unique(maintain_order=True).to_list()
    cells = []
    for name, level in rows.select("variable", "level").unique(maintain_order=True).iter_rows():
        picked = rows.filter((pl.col("variable") == name) & pl.col("level").eq_missing(pl.lit(level)))
        by_group = {r["group_level"]: r for r in picked.iter_rows(named=True)}
        apart = next((r["standardised_difference"] for r in by_group.values()), None)
        shown = (_mean(by_group.get(g)) for g in groups)
        cells.append((_line_name(name, level, picked), *shown, digits.number(apart, digits=2)))
    head = ("", *(words.plain(g) for g in groups), "Standardised difference")
    notes = tuple(dict.fromkeys(rows["reason"].drop_nulls()))
    return TableView(caption, head, tuple(cells), frozenset(range(1, len(head))), is_folded=True, notes=notes)


def _mean(r: Row | None) -> str:
    if r is None:
        return digits.DASH
    if r["level"] is not None:
        return digits.percent(r["proportion"])
    return f"{digits.number(r['mean'])} ({digits.number(r['standard_deviation'])})"


def _baseline_table(rows: pl.DataFrame, variable: str) -> TableView:
    groups = rows["group_level"].unique(maintain_order=True).to_list()
    empty = pl.col("level").is_null() & pl.col("median").is_null()
    never = [
        v
        for v, known in rows.group_by("variable", maintain_order=True).agg((~empty).any()).iter_rows()
        if not known
    ]
    lines = (
        rows.filter(~pl.col("variable").is_in(never)).select("variable", "level").unique(maintain_order=True)
    )
    cells = []
    for name, level in lines.iter_rows():
        picked = rows.filter((pl.col("variable") == name) & pl.col("level").eq_missing(pl.lit(level)))
        by_group = {r["group_level"]: r for r in picked.iter_rows(named=True)}
        cells.append((_line_name(name, level, picked), *(_cell(by_group.get(g)) for g in groups)))
    if never:
        told = ", ".join(words.plain(name) for name in never)
        cells.append((f"Not recorded for anyone: {told}", *("" for _ in groups)))
    sizes = {r["group_level"]: r["n"] for r in rows.iter_rows(named=True)}
    head = ("", *(f"{words.level(variable, g)} (n = {digits.whole(sizes[g])})" for g in groups))
    name = "all patients" if variable == "all" else words.plain(variable).lower()
    return TableView(
        f"Baseline: {name}", head, tuple(cells), frozenset(range(1, len(head))), variable != "all"
    )


def _line_name(name: str, level: str | None, picked: pl.DataFrame) -> str:
    unit = next((u for u in picked["unit"] if u), None)
    label = words.plain(name) + (f", {unit}" if unit and level is None else "")
    return f"{label}: {words.level(name, level)}" if level is not None else label


def _cell(row: Row | None) -> str:
    """One cell: count and share of a level, or median and quartiles with the number they rest on."""
    if row is None or (row["level"] is not None and row["count"] is None):
        return digits.DASH
    if row["level"] is not None:
        return f"{digits.whole(row['count'])} ({digits.percent(row['proportion'], digits=0)})"
    if row["median"] is None:
        return digits.DASH
    known = f"; known in {digits.whole(row['n'] - row['n_missing'])}" if row["n_missing"] else ""
    quartiles = f"{digits.number(row['lower_quartile'])}–{digits.number(row['upper_quartile'])}"
    return f"{digits.number(row['median'])} ({quartiles}){known}"
