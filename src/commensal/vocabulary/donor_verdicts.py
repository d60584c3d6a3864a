"""What a donor's laboratory results say: may this donor give today, and may this donation be released.

Pending, equivocal and invalid are never negative. A positive blocks until it is documented as resolved; a
later negative does not overwrite it. Results are kept by their own id; repeats coexist.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from commensal.errors import InputError, nearest
from commensal.vocabulary.rules import worst
from commensal.vocabulary.screening import Interval, Profile, Requirement, release_pathways

RESULTS = {
    "negative": "nothing found, or within the reference limits",
    "positive": "found, or outside the reference limits",
    "equivocal": "neither; to be repeated",
    "invalid": "the test failed",
    "pending": "not reported yet",
}
Results = dict[str, list["ScreeningResult"]]  # analyte -> results
NUCLEIC_ACID_TESTS = ("nat", "naat", "pcr", "rt-pcr", "qpcr", "multiplex pcr", "nucleic acid test")


@dataclass(frozen=True)
class ScreeningResult:
    """One laboratory result of a donor.

    ``supersedes`` is the result_id this one replaces: it closes a pending, equivocal or invalid result, never
    a positive. ``is_resolved`` says that a physician has documented why a positive no longer counts.
    ``donation_id`` names the donation whose own stool was tested, if it was.
    """

    result_id: str
    analyte: str
    specimen: str
    result: str
    collected_on: date
    method: str = ""
    supersedes: str = ""
    is_resolved: bool = False
    donation_id: str = ""

    def __post_init__(self) -> None:
        if self.result not in RESULTS:
            raise InputError(
                f"result {self.result_id}: unknown {self.result!r}", expected=nearest(self.result, RESULTS)
            )

    @property
    def is_nucleic_acid_test(self) -> bool:
        """Whether the method is a nucleic-acid test; an unnamed method is not."""
        return self.method.strip().lower() in NUCLEIC_ACID_TESTS


@dataclass(frozen=True)
class AnalyteVerdict:
    """What one analyte says: met, not_met or undetermined, why, and the results it rests on."""

    analyte: str
    outcome: str
    reason: str
    result_ids: tuple[str, ...] = ()
    consequence: str = ""


@dataclass(frozen=True)
class Evidence:
    """What a donor's results say of one analyte before any window is asked about.

    ``results`` still speak; ``blocked`` is the verdict that unresolved findings force; ``usable`` are those
    that can stand for a screen.
    """

    requirement: Requirement
    results: tuple[ScreeningResult, ...]
    blocked: AnalyteVerdict | None
    usable: tuple[ScreeningResult, ...]


@dataclass(frozen=True)
class ScreeningVerdict:
    """The laboratory verdict on a donor or a donation, analyte by analyte."""

    profile: str
    outcome: str
    analytes: tuple[AnalyteVerdict, ...]
    reason: str = ""

    @property
    def open(self) -> tuple[AnalyteVerdict, ...]:
        """The analytes that are not met."""
        return tuple(verdict for verdict in self.analytes if verdict.outcome != "met")

    def explain(self) -> str:
        """Return the verdict in words, the open analytes first."""
        head = {"met": "Clear", "not_met": "Not clear", "undetermined": "Undetermined, so not clear"}
        lines = [f"{head[self.outcome]} by {self.profile}."]
        lines += [self.reason] if self.reason else []
        return " ".join(lines + [f"{verdict.analyte}: {verdict.reason}." for verdict in self.open])


def donor_verdict(results: Iterable[ScreeningResult], *, profile: Profile, on: date) -> ScreeningVerdict:
    """Judge a donor's laboratory screen on a day.

    An analyte is met when enough negatives, none older than the profile's opening age, are on file, and not
    met while a positive is unresolved. It is undetermined while an equivocal result is unresolved, and where
    nothing but stale, pending or invalid results are on file; so is every donor under a profile that is
    incomplete and unsigned. Results collected after ``on`` are not looked at.
    """
    evidence = evidence_of(results, profile=profile, on=on)
    return _screening_verdict(profile, [_opening_verdict(known, profile, on) for known in evidence])


def evidence_of(results: Iterable[ScreeningResult], *, profile: Profile, on: date) -> tuple[Evidence, ...]:
    """Return what a donor's results up to a day say of each analyte of a profile, whatever the donation."""
    known = _by_analyte(results, on)
    return tuple(_evidence(need, known) for need in profile.requirements)


def release_window(
    results: Iterable[ScreeningResult],
    *,
    profile: Profile,
    donated_on: date,
    on: date,
    pathway: str = "bookend",
    donation_id: str = "",
) -> ScreeningVerdict:
    """Judge whether the screens around a donation allow its release on a day.

    Each analyte has its own window: an opening screen no older than its opening age at the donation, a
    closing screen within its closing lags, no longer between the two than its gap, and nothing pending up to
    the closing screen. By ``direct_testing`` the stool analytes rest on the donation's own stool
    (``donation_id``) instead. An ``external_product`` is undetermined here: its supplier's certificate
    decides. A ``historical`` record is never issuable. Blood drawn before the earliest closing lag never
    releases.
    """
    return window_verdict(
        evidence_of(results, profile=profile, on=on),
        profile=profile,
        donated_on=donated_on,
        pathway=pathway,
        donation_id=donation_id,
    )


def window_verdict(
    evidence: Iterable[Evidence],
    *,
    profile: Profile,
    donated_on: date,
    pathway: str = "bookend",
    donation_id: str = "",
) -> ScreeningVerdict:
    """Judge one donation as :func:`release_window` does, from evidence gathered once for all of a donor's."""
    pathways = release_pathways()
    if pathway not in pathways:
        raise InputError(f"unknown release pathway {pathway!r}", expected=nearest(pathway, pathways))
    if not pathways[pathway].can_issue:
        return ScreeningVerdict(profile.code, "not_met", (), reason=pathways[pathway].label + ".")
    if pathway == "external_product":
        return ScreeningVerdict(
            profile.code, "undetermined", (), reason="The supplier's certificate decides."
        )
    own_stool = donation_id if pathway == "direct_testing" else None
    return _screening_verdict(
        profile, [_window_verdict(known, profile, donated_on, own_stool) for known in evidence]
    )


def _screening_verdict(profile: Profile, verdicts: Sequence[AnalyteVerdict]) -> ScreeningVerdict:
    outcome, reason = worst(verdict.outcome for verdict in verdicts), ""
    if (outcome == "met" and not profile.can_clear) or not verdicts:
        outcome, reason = "undetermined", "The profile holds only part of its source and is not signed off."
    return ScreeningVerdict(profile.code, outcome, tuple(verdicts), reason=reason)


# --- one analyte


def _by_analyte(results: Iterable[ScreeningResult], on: date) -> Results:
    grouped: Results = {}
    for result in results:
        if result.collected_on <= on:
            grouped.setdefault(result.analyte, []).append(result)
    return grouped


def _of(requirement: Requirement, results: Results) -> list[ScreeningResult]:
    """Return the results of an analyte that still speak: all but the superseded; a positive always speaks."""
    mine = results.get(requirement.analyte, [])
    replaced = {result.supersedes for result in mine if result.supersedes}
    return [result for result in mine if result.result == "positive" or result.result_id not in replaced]


def _evidence(requirement: Requirement, results: Results) -> Evidence:
    mine = tuple(_of(requirement, results))
    return Evidence(requirement, mine, _blocked(requirement, mine), tuple(_usable(requirement, mine)))


def _blocked(requirement: Requirement, results: Sequence[ScreeningResult]) -> AnalyteVerdict | None:
    """Return the verdict that unresolved findings force, if any."""
    if requirement.if_positive == "record":
        return None
    for outcome, found, words in (
        ("not_met", "positive", "a positive result is unresolved"),
        ("undetermined", "equivocal", "an equivocal result is unresolved"),
    ):
        ids = tuple(r.result_id for r in results if r.result == found and not r.is_resolved)
        if ids:
            return AnalyteVerdict(requirement.analyte, outcome, words, ids, requirement.if_positive)
    return None


def _usable(requirement: Requirement, results: Iterable[ScreeningResult]) -> list[ScreeningResult]:
    """Return results that can stand for a screen: negatives of an accepted specimen and method.

    Of an analyte that is only recorded, any answer stands.
    """
    accepted = ("negative", "positive") if requirement.if_positive == "record" else ("negative",)
    return [
        result
        for result in results
        if result.result in accepted
        and result.specimen in requirement.specimens
        and (result.is_nucleic_acid_test or not requirement.needs_nucleic_acid_test)
    ]


def _interval_of(requirement: Requirement, result: ScreeningResult, profile: Profile) -> Interval | None:
    """Return the interval of a result: a nucleic-acid test of a blood virus has its own."""
    is_nat = requirement.group == "blood_virus" and result.is_nucleic_acid_test
    return profile.intervals.get("blood_nat" if is_nat else requirement.group)


def _opens(requirement: Requirement, result: ScreeningResult, profile: Profile, day: date) -> bool:
    interval = _interval_of(requirement, result, profile)
    age = (day - result.collected_on).days
    limit = interval.max_opening_age_days if interval else None
    return limit is not None and 0 <= age <= limit


def _closes(requirement: Requirement, result: ScreeningResult, profile: Profile, donated_on: date) -> bool:
    interval = _interval_of(requirement, result, profile)
    if interval is None or interval.min_closing_lag_days is None or interval.max_closing_lag_days is None:
        return False
    lag = (result.collected_on - donated_on).days
    return interval.min_closing_lag_days <= lag <= interval.max_closing_lag_days


def _has_enough(requirement: Requirement, results: Iterable[ScreeningResult]) -> bool:
    return len({result.collected_on for result in results}) >= requirement.n_separate_days


def _opening_verdict(evidence: Evidence, profile: Profile, day: date) -> AnalyteVerdict:
    requirement = evidence.requirement
    if evidence.blocked:
        return evidence.blocked
    opening = [r for r in evidence.usable if _opens(requirement, r, profile, day)]
    if _has_enough(requirement, opening):
        return _met(requirement, opening)
    return _undetermined(requirement, f"no valid {requirement.label} on file in time")


def _window_verdict(
    evidence: Evidence, profile: Profile, donated_on: date, own_stool: str | None
) -> AnalyteVerdict:
    requirement = evidence.requirement
    if evidence.blocked:
        return evidence.blocked
    if own_stool is not None and "stool" in requirement.specimens:
        return _own_stool_verdict(evidence, own_stool)
    opening = [r for r in evidence.usable if _opens(requirement, r, profile, donated_on)]
    if not _has_enough(requirement, opening):
        return _undetermined(requirement, "no valid opening screen before the donation")
    if not requirement.closing or not _asks_closing(requirement, profile):
        return _met(requirement, opening)
    return _closing_verdict(evidence, opening, profile, donated_on)


def _asks_closing(requirement: Requirement, profile: Profile) -> bool:
    interval = profile.intervals.get(requirement.group)
    return interval is None or interval.closing is not False


def _own_stool_verdict(evidence: Evidence, donation_id: str) -> AnalyteVerdict:
    requirement = evidence.requirement
    own = [result for result in evidence.results if donation_id and result.donation_id == donation_id]
    negative = _usable(requirement, own)
    if negative and not _awaited(own):
        return _met(requirement, negative)
    return _undetermined(requirement, "the donation's own stool has no valid result")


def _awaited(results: Iterable[ScreeningResult]) -> bool:
    return any(result.result == "pending" for result in results)


def _closing_verdict(
    evidence: Evidence, opening: Sequence[ScreeningResult], profile: Profile, donated_on: date
) -> AnalyteVerdict:
    requirement = evidence.requirement
    closing = [r for r in evidence.usable if _closes(requirement, r, profile, donated_on)]
    if not _has_enough(requirement, closing):
        return _undetermined(requirement, "no valid closing screen within its lags after the donation")
    closed_on = max(result.collected_on for result in closing)
    if _awaited(r for r in evidence.results if r.collected_on <= closed_on):
        return _undetermined(requirement, "a specimen of the window is not reported yet")
    interval = profile.intervals.get(requirement.group)
    max_gap = interval.max_gap_days if interval else None
    gap = _gap_days(requirement, opening, closing)
    if max_gap is not None and gap > max_gap:
        return _undetermined(requirement, f"{gap} days between opening and closing screen, at most {max_gap}")
    return _met(requirement, [*opening, *closing])


def _gap_days(
    requirement: Requirement, opening: Sequence[ScreeningResult], closing: Sequence[ScreeningResult]
) -> int:
    """Return days from the day the opening screen was complete to the day the closing screen was."""
    opened = max(result.collected_on for result in opening)
    closed = sorted({result.collected_on for result in closing})[requirement.n_separate_days - 1]
    return (closed - opened).days


def _met(requirement: Requirement, rests_on: Iterable[ScreeningResult]) -> AnalyteVerdict:
    ids = tuple(sorted(result.result_id for result in rests_on))
    return AnalyteVerdict(requirement.analyte, "met", f"{requirement.label} negative in time", ids)


def _undetermined(requirement: Requirement, reason: str) -> AnalyteVerdict:
    return AnalyteVerdict(requirement.analyte, "undetermined", reason)
