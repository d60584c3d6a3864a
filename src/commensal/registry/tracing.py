"""What the page of a trace shows: who was exposed first, then what lies in stock, some rows at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from commensal.bank import Trace, unit_states
from commensal.registry.reached import Reached
from commensal.registry.words import label_of
from commensal.study import Study

ROWS = 100
"""Rows of one list on a page; the counts above the lists are of all rows."""


@dataclass(frozen=True)
class Part:
    """Some rows of a list, and where the parts before and after it start (null where there is none)."""

    rows: list[dict[str, Any]]
    n: int
    first: int
    before: int | None
    after: int | None

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return self.first + len(self.rows)


def shown_trace(
    found: Trace, reached: Reached, *, first: int, first_other: int, on_day: int
) -> dict[str, Any]:
    """Return everything the page of a trace shows; states are those of the rows shown alone."""
    links, others = _part(found.links, first), _part(found.others, first_other)
    units = {row["unit_id"] for row in (*links.rows, *others.rows) if row["unit_id"]}
    events = found.adverse_events.sort("is_serious", "began_on", descending=True, nulls_last=True)
    return {
        "start": found.start,
        "id": found.id,
        "links": links,
        "others": others,
        "states": states_by_unit(reached.study, units, on_day=on_day),
        "other_patients": found.other_patients,
        "elsewhere": reached.elsewhere,
        "events": [{**row, "words": words_of(row)} for row in events.head(ROWS).rows(named=True)],
        "n_events": events.height,
        "n_donors": found.donors.height,
        "n_units": found.units.height,
        "n_patients": found.patients.height,
    }


def states_by_unit(study: Study, units: set[str], *, on_day: int) -> dict[str, dict[str, Any]]:
    """Return custody, hold and expiry of some units by unit."""
    states = unit_states(study, on_day=on_day, units=units)
    return {row["unit_id"]: row for row in states.rows(named=True)}


def _part(links: pl.DataFrame, first: int) -> Part:
    """The rows from one on, those of patients on top: the last exposure first."""
    by = [pl.col("patient_id").is_null(), pl.col("day")]
    ordered = links.sort(*by, descending=[False, True], nulls_last=True, maintain_order=True)
    first = first if first < ordered.height else 0
    after = first + ROWS
    return Part(
        rows=ordered.slice(first, ROWS).rows(named=True),
        n=ordered.height,
        first=first,
        before=max(0, first - ROWS) if first else None,
        after=after if after < ordered.height else None,
    )


def words_of(event: dict[str, Any]) -> str:
    """Return the term of an adverse event in words."""
    if event["term"]:
        return label_of("adverse_event_terms", event["term"])
    return event["term_as_recorded"] or "term not recorded"
