"""A trace in words for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from commensal.vocabulary import adverse_events

if TYPE_CHECKING:
    import polars as pl

    from commensal.bank import Trace

# Heading, frame of the trace, key of its rows.
PARTS = (
    ("donors", "donors", "donor_id"),
    ("donations", "donations", "donation_id"),
    ("batches", "batches", "batch_id"),
    ("units", "units", "unit_id"),
    ("sessions", "sessions", "session_id"),
    ("patients", "patients", "patient_id"),
)
EPOCH = date(1970, 1, 1)


def in_words(found: Trace, *, clock: str) -> str:
    """The trace as lines: what is linked, each use, adverse events, holds, and who else was exposed."""
    return "\n".join(
        [
            f"Trace of {found.start} {found.id}",
            *_things(found),
            *_section("uses", [_use(row, clock) for row in found.links.iter_rows(named=True)]),
            *_section("adverse events of these patients", _adverse_events(found, clock)),
            *_section("holds", [_hold(row, clock) for row in found.holds.iter_rows(named=True)]),
            *_section("other patients given material of the same donors", found.other_patients),
            *_section("other units of the same donors", found.other_units),
        ]
    )


def _things(found: Trace) -> Iterator[str]:
    for heading, frame, key in PARTS:
        rows: pl.DataFrame = getattr(found, frame)
        yield from _section(heading, sorted(rows[key].to_list()))


def _section(heading: str, lines: list[str]) -> list[str]:
    return [f"{heading} ({len(lines)})" + ("" if lines else ": none recorded"), *(f"  {x}" for x in lines)]


def _use(row: dict[str, Any], clock: str) -> str:
    way = " → ".join(
        row[key] or f"{key.removesuffix('_id')} unknown" for key in ("donor_id", "donation_id", "batch_id")
    )
    unit = row["unit_id"] or "unit unknown"
    if row["patient_id"] is None:
        return f"{way} → {unit}: not used"
    taken_back = " (recorded, then taken back)" if row["is_taken_back"] else ""
    session = row["session_id"] or "session unknown"
    return f"{way} → {unit} → {session} → {row['patient_id']} on {_day(row['day'], clock)}{taken_back}"


def _adverse_events(found: Trace, clock: str) -> list[str]:
    return [
        f"{row['patient_id']}: {_term(row)}, began {_day(row['began_day'], clock)}, {_grade(row)}"
        for row in found.adverse_events.sort("patient_id", "began_day", nulls_last=True).iter_rows(named=True)
    ]


def _term(row: dict[str, Any]) -> str:
    if row["term"] is not None:
        return adverse_events().get(row["term"]).label
    return row["term_as_recorded"] or "term not recorded"


def _grade(row: dict[str, Any]) -> str:
    grade = "grade not recorded" if row["grade"] is None else f"grade {row['grade']}"
    serious = {True: "serious", False: "not serious", None: "seriousness not recorded"}
    return f"{grade}, {serious[row['is_serious']]}"


def _hold(row: dict[str, Any], clock: str) -> str:
    what = row["unit_id"] or row["batch_id"] or row["donor_id"]
    until = "still in place" if row["lifted_day"] is None else f"lifted {_day(row['lifted_day'], clock)}"
    return f"{row['kind']} of {what}, placed {_day(row['placed_day'], clock)}, {until}"


def _day(day: int | None, clock: str) -> str:
    if day is None:
        return "day unknown"
    return (EPOCH + timedelta(days=day)).isoformat() if clock == "calendar" else f"day {day}"
