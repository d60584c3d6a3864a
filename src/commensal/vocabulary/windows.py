"""Visit windows in whole days from index, per cohort, and who is due when.

Due depends on the index day, the window's close and the data cut, and on nothing else: not on outcome, not on
visits, not on death.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

from commensal.errors import InputError, nearest
from commensal.vocabulary.sources import check_citation, read_table

COHORTS = ("prospective", "retrospective", "ambispective")


@dataclass(frozen=True)
class Window:
    """The days from index, both included, in which a visit counts for one cohort."""

    cohort: str
    visit: str
    label: str
    target: int
    open: int
    close: int
    is_landmark: bool
    purpose: str
    source: str
    confidence: str

    def __post_init__(self) -> None:
        check_citation(self.source, self.confidence)
        if not self.open <= self.target <= self.close:
            raise InputError(
                f"{self.cohort} {self.visit}: days {self.open} to {self.close} miss target {self.target}",
                expected="open <= target <= close",
            )

    def holds(self, day: int) -> bool:
        """Whether a day from index lies in the window."""
        return self.open <= day <= self.close


@dataclass(frozen=True)
class MissingReason:
    """Why an outcome is not observed. ``is_due`` False counts neither as missing nor as failure."""

    code: str
    label: str
    is_due: bool
    meaning: str


@cache
def windows(cohort: str) -> tuple[Window, ...]:
    """Return the windows of a cohort in order of time. Refuses (InputError) an unknown cohort."""
    if cohort not in COHORTS:
        raise InputError(f"unknown cohort {cohort!r}", expected=nearest(cohort, COHORTS))
    table = read_table("windows.toml")
    column = table["same_as"].get(cohort, cohort)
    found = []
    for entry in ({**table["defaults"], **visit} for visit in table["visit"]):
        opens, closes = entry[column]
        plain = {key: value for key, value in entry.items() if key not in (*COHORTS, "code")}
        found.append(Window(cohort=cohort, visit=entry["code"], open=opens, close=closes, **plain))
    return tuple(found)


def window_table() -> list[dict[str, int | str | bool]]:
    """Return every window as rows [cohort, visit, target, open, close, is_landmark], ready for a join."""
    names = ("cohort", "visit", "target", "open", "close", "is_landmark")
    return [
        {name: getattr(window, name) for name in names} for cohort in COHORTS for window in windows(cohort)
    ]


def window_of(visit: str, *, cohort: str) -> Window:
    """Return one window. Refuses (InputError) an unknown visit or cohort."""
    by_visit = {window.visit: window for window in windows(cohort)}
    if visit not in by_visit:
        raise InputError(f"unknown visit {visit!r}", expected=nearest(visit, by_visit))
    return by_visit[visit]


def visits() -> dict[str, str]:
    """Return the scheduled visits, code to label, in order of time."""
    return {window.visit: window.label for window in windows("prospective")}


def landmarks() -> tuple[str, ...]:
    """Return the visits at which endpoints are read: W8, M3, Y1, Y5."""
    return tuple(window.visit for window in windows("prospective") if window.is_landmark)


def baseline_window(cohort: str) -> tuple[int, int]:
    """Return the first and last day from index on which an assessment counts as baseline.

    The closest to index is taken. In the retrospective cohort a record of day 0 counts, made before the
    procedure.
    """
    windows(cohort)
    table = read_table("windows.toml")
    first, last = table["baseline"][table["same_as"].get(cohort, cohort)]
    return first, last


def assign_visit(day: int | None, *, cohort: str) -> str | None:
    """Return the visit whose window holds a day from index; the closest target, a tie to the earlier.

    None when the day is unknown or in no window: the record keeps its true day and serves only analyses of
    time to event.
    """
    if day is None:
        return None
    held = [window for window in windows(cohort) if window.holds(day)]
    return min(held, key=lambda window: (abs(day - window.target), window.target)).visit if held else None


def due_on(visit: str, *, index_day: int | None, cohort: str, data_cut_day: int | None) -> bool | None:
    """Return whether a patient is due at a visit: the window had closed by the data cut.

    Days are whole days of one clock. None where the index day or the data cut is unknown.
    """
    if index_day is None or data_cut_day is None:
        return None
    return index_day + window_of(visit, cohort=cohort).close <= data_cut_day


@cache
def missing_reasons() -> dict[str, MissingReason]:
    """Return the closed list of reasons for a missing outcome, by code."""
    return {entry["code"]: MissingReason(**entry) for entry in read_table("windows.toml")["reason"]}


@dataclass(frozen=True)
class ReadDate:
    """A date and whether its day of the month was imputed."""

    value: date
    is_day_imputed: bool


def read_partial_date(text: str) -> ReadDate:
    """Read ``2024-02-29``, or ``2024-02`` as the 15th with a flag.

    Refuses (InputError) a year alone: a month or a year is never made up.
    """
    parts = text.strip().split("-")
    try:
        if len(parts) == 2:
            return ReadDate(date(int(parts[0]), int(parts[1]), 15), is_day_imputed=True)
        return ReadDate(date.fromisoformat(text.strip()), is_day_imputed=False)
    except ValueError:
        raise InputError(
            f"{text!r} is no date that can be used",
            expected="a full date 2024-02-29, or year and month 2024-02",
            do="leave the cell empty if only the year is known",
        ) from None
