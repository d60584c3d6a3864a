"""Prediction models: how well they do where it counts, and what they do not know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from commensal.report import digits, words
from commensal.report.charts.evidence import calibration, decisions
from commensal.report.views import Figure, Notes, Section, TableView

Tables = Mapping[str, pl.DataFrame]
Row = dict[str, Any]

VALIDATIONS = {
    "by_patient": "new patients",
    "by_donor": "new donors",
    "temporal": "later patients",
    "leave_site_out": "another site",
    "apparent": "the same patients",
}
MEASURES = {
    "auroc": "AUROC",
    "calibration_slope": "Slope",
    "calibration_intercept": "Intercept",
    "ici": "ICI",
    "brier": "Brier",
}
LEARNERS = ("ridge", "boosting")
STRATEGIES = {"model": "By the model", "all": "All", "none": "None"}


def models(tables: Tables) -> Section | None:
    """Every model: discrimination, calibration, net benefit, and its card."""
    rows = tables["performance"]
    if rows.is_empty():
        return None
    return Section(
        "models",
        "Prediction models",
        "Judged on patients they were not made from: other patients, other donors, later years. A model "
        "whose AUROC may be 0.5, or whose slope is far from 1, is of no use at the bedside. "
        "None of these orders a treatment.",
        figures=tuple(
            f
            for f in (
                _calibration(tables["calibration"]),
                _decisions(tables["decision_curves"]),
            )
            if f
        ),
        tables=(
            *_tables(rows.filter(group_variable="all")),
            *_fairness(rows.filter(pl.col("group_variable") != "all")),
            *_cards(tables["model_cards"].join(_judged(rows), on="model", how="semi")),
        ),
    )


def _name(model: str) -> str:
    """A model's name for a reader: of whom, when, and by which learner."""
    parts = re.sub(r"_v\d+$", "", model).split("_")
    learner = parts.pop(0) if parts[0] in LEARNERS else None
    at = words.landmark(parts.pop()) if parts[-1] in words.LANDMARKS else None
    code = "_".join(parts)
    who = "All indications" if code == "all" else words.short(code)
    return ", ".join(filter(None, (who, at, learner)))


def _calibration(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(pl.col("observed").is_not_null() & (pl.col("validation") == "by_patient"))
    if drawn.is_empty():
        return None
    frame = drawn.with_columns(panel=pl.Series([_name(m) for m in drawn["model"]]))
    caption = "Observed by predicted probability among patients the model was not made from, 95 % bands."
    return Figure(calibration(frame, panel="panel"), caption)


def _decisions(rows: pl.DataFrame) -> Figure | None:
    drawn = rows.filter(pl.col("net_benefit").is_not_null() & (pl.col("validation") == "by_patient"))
    if drawn.is_empty():
        return None
    frame = drawn.with_columns(
        panel=pl.Series([_name(m) for m in drawn["model"]]),
        strategy=pl.col("strategy").replace(STRATEGIES),
    )
    caption = "Net benefit by the threshold at which one would treat: by the model, all, none."
    return Figure(decisions(frame, panel="panel"), caption)


def _tables(rows: pl.DataFrame) -> tuple[TableView, ...]:
    """Models that could be judged by new patients; how they did otherwise; those that were refused."""
    judged = rows.join(_judged(rows), on=["model", "validation"], how="semi")
    main = judged.filter(validation="by_patient")
    parts = (
        (main, "How well they do for new patients", False),
        (judged.filter(pl.col("validation") != "by_patient"), "How well they do otherwise", True),
        (rows.join(judged, on=["model", "validation"], how="anti"), "Not judged, and why", True),
    )
    return tuple(_table(part, caption, is_folded=folded) for part, caption, folded in parts if part.height)


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """[model, validation] of which there is any figure; the cards of the others say why there is none."""
    return rows.filter(pl.col("estimate").is_not_null()).select("model", "validation").unique()


def _table(rows: pl.DataFrame, caption: str, *, is_folded: bool) -> TableView:
    notes = Notes()
    lines: dict[tuple[str, str], dict[str, Row]] = {}
    for r in rows.iter_rows(named=True):
        lines.setdefault((r["model"], r["validation"]), {})[r["measure"]] = r
    cells = tuple(
        (
            _name(model),
            VALIDATIONS.get(validation, words.plain(validation)),
            *_size(found),
            *(_estimate(found.get(measure)) for measure in MEASURES),
            notes.mark("; ".join(dict.fromkeys(r["reason"] for r in found.values() if r["reason"]))),
        )
        for (model, validation), found in lines.items()
    )
    head = ("Model", "Judged on", "Events / n", *MEASURES.values(), "Notes")
    return TableView(caption, head, cells, frozenset(range(2, 8)), is_folded, notes.texts)


def _size(found: Mapping[str, Row]) -> tuple[str]:
    first = next(iter(found.values()))
    return (digits.fraction(first["n_events"], first["n"]),)


def _estimate(r: Row | None) -> str:
    if r is None or r["estimate"] is None:
        return digits.DASH
    return f"{digits.number(r['estimate'], digits=2)}\n({digits.span(r['lower'], r['upper'], digits=2)})"


def _fairness(rows: pl.DataFrame) -> tuple[TableView, ...]:
    kept = rows.filter(pl.col("measure").is_in(["auroc", "calibration_intercept"]))
    if kept.is_empty():
        return ()
    cells = tuple(
        (
            _name(r["model"]),
            words.plain(r["group_variable"]),
            words.level(r["group_variable"], r["group_level"]),
            MEASURES.get(r["measure"], words.plain(r["measure"])),
            digits.number(r["estimate"], digits=2),
            digits.span(r["lower"], r["upper"], digits=2),
            digits.fraction(r["n_events"], r["n"]),
            r["reason"] or "",
        )
        for r in kept.iter_rows(named=True)
    )
    head = ("Model", "By", "Group", "Measure", "Estimate", "95 % interval", "Events / n", "")
    return (TableView("Subgroups", head, cells, frozenset({4, 5, 6}), is_folded=True),)


def _cards(rows: pl.DataFrame) -> tuple[TableView, ...]:
    return tuple(
        TableView(
            f"Card of {_name(model)}",
            ("Part", "Item", "Content"),
            tuple(
                (words.plain(r["section"]), words.plain(r["item"]), r["content"] or r["reason"] or "")
                for r in part.iter_rows(named=True)
            ),
            is_folded=True,
        )
        for (model,), part in rows.partition_by("model", maintain_order=True, as_dict=True).items()
    )
