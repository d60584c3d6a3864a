"""What a proposal keeps of a run, and how it is read again: JSON, one result one text; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from commensal.study import RESULTS

SHARED = ("rule_id", "verdict", "explanation", "source")


def content_of(tables: Mapping[str, pl.DataFrame], **more: Any) -> str:
    """Return the tables of a run and what it was asked, as JSON.

    A rule that refuses many lots for one reason is kept once, with the lots it refuses.
    """
    rows = {name: frame.rows(named=True) for name, frame in tables.items() if name != "refusals"}
    if "refusals" in tables:
        grouped = tables["refusals"].group_by(SHARED, maintain_order=True).agg(pl.col("unit_id"))
        rows["refusals"] = grouped.rows(named=True)
    return json.dumps({**more, "tables": rows}, sort_keys=True, default=_plain)


def digest_of(content: str) -> str:
    """Return SHA-256 over the content: what a physician signs."""
    return hashlib.sha256(content.encode()).hexdigest()


def kept_of(content: str) -> dict[str, Any]:
    """Return everything a proposal keeps."""
    return json.loads(content)


def tables_of(content: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of every table of a proposal."""
    return kept_of(content)["tables"]


def frames_of(content: str, names: tuple[str, ...]) -> dict[str, pl.DataFrame]:
    """Return some tables of a proposal as the declared frames, dates as dates."""
    tables = tables_of(content)
    return {
        name: pl.DataFrame([_dated(r) for r in tables[name]], schema=RESULTS[name].schema) for name in names
    }


def _dated(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: date.fromisoformat(value) if name.endswith("_on") and value else value
        for name, value in row.items()
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{value!r} is kept in no proposal")


def shown_rankings(tables: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the lots of a match run for readers: the eligible by rank, then the others."""
    parts: dict[str, list[dict[str, Any]]] = {}
    for part in tables.get("score_parts", ()):
        parts.setdefault(part["unit_id"], []).append(part)
    lots = [{**lot, "parts": parts.get(lot["unit_id"], [])} for lot in tables.get("rankings", ())]
    return sorted(lots, key=lambda lot: (not lot["is_eligible"], lot["rank"] or len(lots), lot["unit_id"]))


def sections_of(tables: Mapping[str, list[dict[str, Any]]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the items of a care plan by section, in their order."""
    sections: dict[str, list[dict[str, Any]]] = {}
    for item in tables.get("care_plans", ()):
        sections.setdefault(item["section"], []).append(item)
    return list(sections.items())
