"""Until when a donor's screens hold, and when the screens that close a donation may be taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from commensal.vocabulary.donor_verdicts import (
    Evidence,
    donor_verdict_of,
    interval_of,
    opens_screen,
    window_verdict,
)
from commensal.vocabulary.screening import Profile


@dataclass(frozen=True)
class Standing:
    """Where one analyte of a donor stands on a day.

    ``valid_until`` is the last day on which a donation may rest on the screens on file; null where they are
    not enough, or a finding blocks.
    """

    analyte: str
    label: str
    specimen: str
    outcome: str
    reason: str
    valid_until: date | None


@dataclass(frozen=True)
class ClosingWindow:
    """When the closing screen of one analyte may be taken for one donation, and why it is still wanted.

    Days are null where the profile leaves the lag to the centre, or no opening screen can be closed.
    """

    analyte: str
    label: str
    specimen: str
    from_on: date | None
    to_on: date | None
    reason: str


def donor_standing(evidence: Iterable[Evidence], *, profile: Profile, on: date) -> tuple[Standing, ...]:
    """Return where every analyte of a profile stands for a donor, the one that runs out first on top."""
    evidence = tuple(evidence)
    verdicts = donor_verdict_of(evidence, profile=profile, on=on).analytes
    found = [
        Standing(
            known.requirement.analyte,
            known.requirement.label,
            known.requirement.specimens[0],
            verdict.outcome,
            verdict.reason,
            None if known.blocked else valid_until(known, profile=profile),
        )
        for known, verdict in zip(evidence, verdicts, strict=True)
    ]
    return tuple(sorted(found, key=lambda s: (s.outcome != "not_met", s.valid_until or date.min, s.label)))


def valid_until(evidence: Evidence, *, profile: Profile) -> date | None:
    """Return the last day on which enough negatives of an analyte are young enough, null where none is."""
    last: dict[date, date] = {}
    for result in evidence.usable:
        interval = interval_of(evidence.requirement, result, profile)
        age = interval.max_opening_age_days if interval else None
        if age is not None:
            day = result.collected_on
            last[day] = max(last.get(day, day), day + timedelta(days=age))
    ends = sorted(last.values(), reverse=True)
    needed = evidence.requirement.n_separate_days
    return ends[needed - 1] if len(ends) >= needed else None


def closing_windows(
    evidence: Iterable[Evidence], *, profile: Profile, donated_on: date
) -> tuple[ClosingWindow, ...]:
    """Return the closing screens that a donation still wants, the one whose window ends first on top."""
    evidence = tuple(evidence)
    verdicts = window_verdict(evidence, profile=profile, donated_on=donated_on).analytes
    found = [
        _window(known, verdict.reason, profile, donated_on)
        for known, verdict in zip(evidence, verdicts, strict=True)
        if verdict.outcome != "met" and known.requirement.closing
    ]
    return tuple(sorted(found, key=lambda w: (w.to_on or date.max, w.label)))


def _window(evidence: Evidence, reason: str, profile: Profile, donated_on: date) -> ClosingWindow:
    need = evidence.requirement
    opening = [r.collected_on for r in evidence.usable if opens_screen(need, r, profile, donated_on)]
    interval = profile.intervals.get(need.group)
    first = last = None
    is_opened = len(set(opening)) >= need.n_separate_days
    if interval and is_opened and interval.min_closing_lag_days and interval.max_closing_lag_days:
        first = donated_on + timedelta(days=interval.min_closing_lag_days)
        last = donated_on + timedelta(days=interval.max_closing_lag_days)
        if interval.max_gap_days is not None:
            last = min(last, max(opening) + timedelta(days=interval.max_gap_days))
    return ClosingWindow(need.analyte, need.label, need.specimens[0], first, last, reason)
