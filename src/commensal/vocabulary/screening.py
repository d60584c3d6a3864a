"""Donor-screening profiles: what each guideline asks of a donor, a donation and the laboratory.

A profile holds only what its source supports. STRICT is the most restrictive merge of all the others. Only a
complete profile, or one that a responsible physician has signed off for a centre, can clear a donor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.conditions import Between, Compare, Condition, Either, IsTrue, Not, clear_of
from commensal.vocabulary.rules import Rule
from commensal.vocabulary.sources import check_citation, read_table

IF_POSITIVE = ("record", "warn", "refer", "defer", "exclude")  # from least to most restrictive


@dataclass(frozen=True)
class Interval:
    """How old an opening screen may be, and when the closing screen may be taken, for a group of analytes.

    Days, all inclusive; None is blank. Only ``closing = False`` says that no closing screen is
    asked. Where it is asked or blank, and the lags are blank, no result can close: undetermined.
    """

    group: str
    max_opening_age_days: int | None = None
    min_closing_lag_days: int | None = None
    max_closing_lag_days: int | None = None
    max_gap_days: int | None = None
    closing: bool | None = None
    source: str = "DESIGN"
    confidence: str = "D"

    def __post_init__(self) -> None:
        check_citation(self.source, self.confidence)
        low, high = self.min_closing_lag_days, self.max_closing_lag_days
        if low is not None and (low < 1 or (high is not None and high < low)):
            raise InputError(
                f"closing lags {low} to {high} days for {self.group}",
                expected="at least one day after the donation, earliest before latest",
            )


@dataclass(frozen=True)
class Requirement:
    """One laboratory analyte that a profile asks of a donor.

    ``if_positive`` names what follows a positive result (``record`` never blocks). A negative counts from the
    ``specimens`` named, a positive from any. ``n_separate_days`` is how many negative specimens on different
    days one screen takes. ``closing`` is False where the closing screen does not ask the analyte.
    """

    analyte: str
    label: str
    specimens: tuple[str, ...]
    group: str
    if_positive: str
    source: str
    confidence: str
    needs_nucleic_acid_test: bool = False
    n_separate_days: int = 1
    closing: bool = True
    valid_from: date | None = None

    def __post_init__(self) -> None:
        check_citation(self.source, self.confidence)
        if self.if_positive not in IF_POSITIVE:
            raise InputError(f"unknown {self.if_positive!r}", expected=nearest(self.if_positive, IF_POSITIVE))


@dataclass(frozen=True)
class ShelfLife:
    """How long frozen material keeps: months, and days at the shortest span of as many months."""

    months: int
    days: int
    source: str
    confidence: str


@dataclass(frozen=True)
class Profile:
    """What one guideline asks, as far as its source supports it.

    ``rules`` are questionnaire and donation rules, ``requirements`` laboratory analytes, ``intervals`` by
    group of analytes. ``signed_by`` names the physician who completed and signed it for a centre.
    """

    code: str
    title: str
    is_complete: bool
    rules: tuple[Rule, ...]
    requirements: tuple[Requirement, ...]
    intervals: Mapping[str, Interval]
    shelf_life: ShelfLife | None
    signed_by: str = ""

    @property
    def can_clear(self) -> bool:
        """Whether the profile may say "met": its panel is complete or a physician signed it."""
        return self.is_complete or bool(self.signed_by)

    def rules_for(self, subject: str) -> tuple[Rule, ...]:
        """Return the rules on a ``donor`` or a ``donation``."""
        return tuple(rule for rule in self.rules if rule.subject == subject)

    def signed(self, *, by: str, intervals: Iterable[Interval] = ()) -> Profile:
        """Return the profile as a centre's responsible physician signs it, with their intervals."""
        if not by.strip():
            raise InputError(
                "a profile is signed by nobody", expected="the name of the responsible physician"
            )
        merged = {**self.intervals, **{interval.group: interval for interval in intervals}}
        return replace(self, signed_by=by, intervals=merged)


@dataclass(frozen=True)
class Pathway:
    """A way by which a unit may come to be issued; ``can_issue`` is False for retrospective records."""

    code: str
    label: str
    can_issue: bool
    source: str
    confidence: str


def profile_codes() -> tuple[str, ...]:
    """Return the codes of all screening profiles."""
    return tuple(entry["code"] for entry in read_table("screening_profiles.toml")["profile"])


def screening_analytes() -> dict[str, str]:
    """Return everything a donor is screened for, laboratory analytes and questions: code to label."""
    analytes = {entry["code"]: entry["label"] for entry in read_table("screening_analytes.toml")["analyte"]}
    questions = read_table("screening_questions.toml")["question"]
    return analytes | {entry["code"]: entry["meaning"] for entry in questions}


@cache
def release_pathways() -> dict[str, Pathway]:
    """Return the four release pathways by code."""
    return {entry["code"]: Pathway(**entry) for entry in read_table("screening_profiles.toml")["pathway"]}


def screening_profile(code: str, *, on: date) -> Profile:
    """Return a profile as in force for stool donated on a date; one value for every day between two changes.

    Refuses (InputError) an unknown code.
    """
    return _profile(code, max((day for day in _days_of_change() if day <= on), default=date.min))


@cache
def _profile(code: str, on: date) -> Profile:
    entries = {entry["code"]: entry for entry in read_table("screening_profiles.toml")["profile"]}
    if code not in entries:
        raise InputError(f"unknown screening profile {code!r}", expected=nearest(code, entries))
    merges = tuple(entries[code].get("merges", (code,)))
    shelf_lives = [
        ShelfLife(**entries[name]["shelf_life"]) for name in merges if "shelf_life" in entries[name]
    ]
    return Profile(
        code=code,
        title=entries[code]["title"],
        is_complete=entries[code]["is_complete"],
        rules=_rules(code, merges, on),
        requirements=_requirements(merges, on),
        intervals=_intervals(merges),
        shelf_life=min(shelf_lives, key=lambda shelf_life: shelf_life.days, default=None),
    )


@cache
def _days_of_change() -> frozenset[date]:
    """The days from which a cell of some profile holds: nothing else of a profile depends on the date."""
    asked = (
        *read_table("screening_questions.toml")["question"],
        *read_table("screening_analytes.toml")["analyte"],
    )
    return frozenset(cell["valid_from"] for entry in asked for cell in entry["cells"] if "valid_from" in cell)


# --- merging: of several cells for one question the most restrictive holds


def _cells(entry: Mapping[str, Any], merges: tuple[str, ...], on: date) -> list[dict[str, Any]]:
    cells = [cell for cell in entry["cells"] if cell["profile"] in merges]
    return [cell for cell in cells if cell.get("valid_from", on) <= on]


def _rules(code: str, merges: tuple[str, ...], on: date) -> tuple[Rule, ...]:
    rules = []
    for question in read_table("screening_questions.toml")["question"]:
        cells = _cells(question, merges, on)
        if cells:
            cell = _merged_range(cells) if question["kind"] == "range" else max(cells, key=_severity)
            rules.append(_rule(code, question, cell))
    return tuple(rules)


def _severity(cell: Mapping[str, Any]) -> tuple[int, int]:
    consequence = cell.get("consequence", "defer")
    return IF_POSITIVE.index(consequence), cell.get("days", 0)


def _merged_range(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the intersection of ranges; the source named is that of the narrowest bound."""
    lows = [cell for cell in cells if "low" in cell]
    highs = [cell for cell in cells if "high" in cell]
    tightest = max(cells, key=lambda cell: ("low" in cell) + ("high" in cell))
    merged = {**tightest, **max(cells, key=_severity)}
    if lows:
        merged = {**merged, **max(lows, key=lambda cell: cell["low"])}
    if highs:
        high = min(highs, key=lambda cell: cell["high"])
        merged = {**merged, "high": high["high"], "source": high["source"], "confidence": high["confidence"]}
    return merged


def _rule(code: str, question: Mapping[str, Any], cell: Mapping[str, Any]) -> Rule:
    deferred = "days" in cell
    return Rule(
        id=f"{code}.{question['code']}",
        sentence=question["sentence"],
        condition=_condition(question, cell),
        consequence="defer" if deferred else cell.get("consequence", "exclude"),
        source=cell["source"],
        confidence=cell["confidence"],
        subject=question["subject"],
        profile=code,
        defer_days=cell.get("days"),
        defer_from=f"days_since_{question['code']}" if deferred else "",
        valid_from=cell.get("valid_from"),
    )


def _condition(question: Mapping[str, Any], cell: Mapping[str, Any]) -> Condition:
    if question["kind"] == "event":
        code = question["code"]
        return clear_of(code, days=cell["days"]) if "days" in cell else Not(IsTrue(f"had_{code}"))
    if question["kind"] == "state":
        asked = IsTrue(question["fact"])
        return asked if question.get("must_be", False) else Not(asked)
    within = _range(question["fact"], cell)
    return Either((Not(IsTrue(question["only_if"])), within)) if "only_if" in question else within


def _range(fact: str, cell: Mapping[str, Any]) -> Condition:
    if "low" in cell and "high" in cell:
        return Between(fact, cell["low"], cell["high"])
    return Compare(fact, "at_least", cell["low"]) if "low" in cell else Compare(fact, "at_most", cell["high"])


def _requirements(merges: tuple[str, ...], on: date) -> tuple[Requirement, ...]:
    found = []
    for analyte in read_table("screening_analytes.toml")["analyte"]:
        cells = _cells(analyte, merges, on)
        if cells:
            found.append(_requirement(analyte, cells))
    return tuple(found)


def _requirement(analyte: Mapping[str, Any], cells: list[dict[str, Any]]) -> Requirement:
    strictest = max(cells, key=lambda cell: IF_POSITIVE.index(cell["if_positive"]))
    return Requirement(
        analyte=analyte["code"],
        label=analyte["label"],
        specimens=(analyte["specimen"], *analyte.get("also_from", ())),
        group=analyte["group"],
        if_positive=strictest["if_positive"],
        source=strictest["source"],
        confidence=strictest["confidence"],
        needs_nucleic_acid_test=any(cell.get("needs_nucleic_acid_test", False) for cell in cells),
        n_separate_days=max(cell.get("n_separate_days", 1) for cell in cells),
        closing=analyte.get("closing", True),
        valid_from=strictest.get("valid_from"),
    )


def _intervals(merges: tuple[str, ...]) -> dict[str, Interval]:
    by_group: dict[str, list[dict[str, Any]]] = {}
    for entry in read_table("screening_intervals.toml")["interval"]:
        if entry["profile"] in merges:
            for group in entry["groups"]:
                by_group.setdefault(group, []).append(entry)
    return {group: _interval(group, entries) for group, entries in by_group.items()}


def _interval(group: str, entries: list[dict[str, Any]]) -> Interval:
    def merged(name: str, pick: Any) -> int | None:
        return pick((entry[name] for entry in entries if name in entry), default=None)

    weakest = max(entries, key=lambda entry: "HMLD".index(entry["confidence"]))
    return Interval(
        group=group,
        max_opening_age_days=merged("max_opening_age_days", min),
        min_closing_lag_days=merged("min_closing_lag_days", max),
        max_closing_lag_days=merged("max_closing_lag_days", min),
        max_gap_days=merged("max_gap_days", min),
        closing=max((entry["closing"] for entry in entries if "closing" in entry), default=None),
        source=weakest["source"],
        confidence=weakest["confidence"],
    )
