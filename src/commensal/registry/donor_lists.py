"""Lists of donors: the funnel, whose screens run out, closing screens to be taken, results that wait."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django.db.models import F, QuerySet

from commensal.bank.release import screening_results
from commensal.registry.actions.screening import ASKED, FOLLOWED, profile_on
from commensal.registry.funnel import Funnel, funnel_of
from commensal.registry.models import MODELS
from commensal.registry.rows import frame_of
from commensal.registry.scope import within
from commensal.study.facts_material import LABORATORY
from commensal.vocabulary.donor_verdicts import Evidence, evidence_of
from commensal.vocabulary.rescreening import ClosingWindow, Standing, closing_windows, donor_standing

AHEAD_DAYS = 21
IN_QUARANTINE = ("processed", "frozen", "stored", "collected", "accepted")
Group = dict[str, Any]


@dataclass(frozen=True)
class Due:
    """Screens of one donor that run out together: by when they must be taken anew."""

    donor_id: str
    specimen: str
    until: date | None
    labels: tuple[str, ...]
    is_overdue: bool


@dataclass(frozen=True)
class Closing:
    """Closing screens that one donation wants, to be taken in one window."""

    donor_id: str
    donation_id: str
    donated_on: date
    specimen: str
    from_on: date | None
    to_on: date | None
    labels: tuple[str, ...]
    state: str


def evidence_by_donor(donors: QuerySet, *, on: date) -> dict[str, tuple[Evidence, ...]]:
    """Return what the laboratory results of some donors say on a day, read in one query."""
    rows = MODELS["screenings"].objects.filter(donor__in=donors, specimen__in=LABORATORY)
    found = frame_of("screenings", rows).partition_by("donor_id", as_dict=True)
    profile = profile_on(on)
    return {
        donor: evidence_of(
            screening_results(found[donor,]) if (donor,) in found else [], profile=profile, on=on
        )
        for donor in donors.values_list("pk", flat=True)
    }


def screens_running_out(sites: Iterable[str], *, on: date) -> list[Due]:
    """Return the screens of eligible donors that ran out or do within three weeks, the soonest on top."""
    donors = within("donors", sites=sites).filter(status="eligible")
    profile, last = profile_on(on), on + timedelta(days=AHEAD_DAYS)
    found = []
    for donor, evidence in evidence_by_donor(donors, on=on).items():
        soon = [
            s
            for s in donor_standing(evidence, profile=profile, on=on)
            if s.outcome != "met" or (s.valid_until is not None and s.valid_until <= last)
        ]
        found += [_due(donor, key, list(group), on) for key, group in _grouped(soon)]
    return sorted(found, key=lambda due: (due.until or date.min, due.donor_id))


def _grouped(standing: list[Standing]) -> Any:
    def key(s: Standing) -> tuple[str, date]:
        return s.specimen, s.valid_until or date.min

    return groupby(sorted(standing, key=key), key=key)


def _due(donor: str, key: tuple[str, date], group: list[Standing], on: date) -> Due:
    until = None if key[1] == date.min else key[1]
    return Due(donor, key[0], until, tuple(s.label for s in group), until is None or until < on)


def closing_screens(sites: Iterable[str], *, on: date) -> list[Closing]:
    """Return the closing screens that donations with unreleased units want, the first to end on top."""
    sites = list(sites)
    waiting = within("units", sites=sites).filter(
        is_released=False, custody_state__in=IN_QUARANTINE, release_pathway="bookend"
    )
    parts = MODELS["unit_donors"].objects.filter(unit__in=waiting.values("pk"), donation__isnull=False)
    donations = MODELS["donations"].objects.filter(pk__in=parts.values("donation"), donated_on__isnull=False)
    donors = MODELS["donors"].objects.filter(pk__in=donations.values("donor"))
    evidence = evidence_by_donor(donors, on=on)
    found = []
    for row in donations:
        windows = closing_windows(evidence[row.donor_id], profile=profile_on(on), donated_on=row.donated_on)
        for _key, group in groupby(sorted(windows, key=_window_key), key=_window_key):
            found.append(_closing(row, list(group), on))
    return sorted(found, key=lambda c: (c.to_on or date.min, c.donation_id))


def _window_key(window: ClosingWindow) -> tuple[str, date, date]:
    return window.specimen, window.from_on or date.min, window.to_on or date.min


def _closing(donation: Any, windows: list[ClosingWindow], on: date) -> Closing:
    first = windows[0]
    if first.from_on is None or first.to_on is None:
        state = "cannot close"
    elif on < first.from_on:
        state = "not yet"
    else:
        state = "open" if on <= first.to_on else "missed"
    return Closing(
        donation.donor_id,
        donation.pk,
        donation.donated_on,
        first.specimen,
        first.from_on,
        first.to_on,
        tuple(w.label for w in windows),
        state,
    )


def open_results(sites: Iterable[str], *, on: date) -> QuerySet:
    """Return results that wait: pending, equivocal or invalid and not followed, positive and not cleared.

    A positive of an analyte that is only recorded (an antibody to be matched) waits for nobody.
    """
    recorded = [need.analyte for need in profile_on(on).requirements if need.if_positive == "record"]
    rows = within("screenings", sites=sites).filter(specimen__in=LABORATORY)
    followed = MODELS["screenings"].objects.filter(supersedes__isnull=False).values("supersedes")
    waiting = rows.filter(result__in=FOLLOWED).exclude(pk__in=followed)
    positive = rows.filter(result="positive").exclude(is_resolved=True).exclude(analyte__in=recorded)
    return (waiting | positive).order_by("collected_on", "pk")


def deferrals(sites: Iterable[str]) -> QuerySet:
    """Return the deferred donors, the one whose deferral ends first on top; without an end first of all."""
    rows = within("donors", sites=sites).filter(status="deferred")
    return rows.order_by(F("deferred_until_on").asc(nulls_first=True), "pk")


def funnel(sites: Iterable[str]) -> Funnel:
    """Return the funnel of the donors of some centres."""
    donors = within("donors", sites=sites)
    rows = within("screenings", sites=sites)
    sets = {
        "has_answers": set(rows.filter(specimen__in=ASKED).values_list("donor_id", flat=True)),
        "has_tests": set(rows.filter(specimen__in=LABORATORY).values_list("donor_id", flat=True)),
        "has_donated": set(within("donations", sites=sites).values_list("donor_id", flat=True)),
    }
    reasons, eligible = {}, set()
    decisions = within("donor_decisions", sites=sites).order_by("decided_at", "pk")
    for donor, status, reason in decisions.values_list("donor_id", "status", "reason_code"):
        reasons[donor] = reason
        if status == "eligible":
            eligible.add(donor)
    return funnel_of(
        {
            **{name: pk in having for name, having in sets.items()},
            "was_eligible": pk in eligible or status == "eligible",
            "status": status,
            "reason_code": reasons.get(pk),
        }
        for pk, status in donors.values_list("pk", "status")
    )
