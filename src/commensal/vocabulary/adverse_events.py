"""Adverse events: the closed list, grades, seriousness, causality and expectedness.

Grade (how severe) is not seriousness (what it led to). None means that it cannot be told.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from commensal.errors import InputError
from commensal.vocabulary.codes import Book, Entry, read_book
from commensal.vocabulary.sources import read_table

_FILE = "adverse_events.toml"
ORIGINS = ("delivery", "microbiota", "either", "disease", "none")
Answer = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, kw_only=True)
class AdverseEvent(Entry):
    """One term of the list.

    ``origin`` is the default class. The window runs in days after the session, both ends included; a None
    end is open. ``listed_grade`` is the highest grade listed as expected, None where no grade is.
    """

    origin: str
    is_always_serious: bool
    watch: str
    window_from_day: int | None = None
    window_to_day: int | None = None
    listed_grade: int | None = None
    action: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.origin not in ORIGINS:
            raise ValueError(f"adverse event {self.code!r} has origin {self.origin!r}")

    def is_in_window(self, days_after_session: int) -> bool | None:
        """Return whether the onset lies in the usual window; None where the term has no window."""
        if self.window_from_day is None:
            return None
        end = self.window_to_day
        return days_after_session >= self.window_from_day and (end is None or days_after_session <= end)


@dataclass(frozen=True, kw_only=True)
class Grade(Entry):
    """A CTCAE grade, 1 to 5."""

    grade: int


@dataclass(frozen=True, kw_only=True)
class SeriousnessCriterion(Entry):
    """A reason why an event is serious."""


@dataclass(frozen=True, kw_only=True)
class Causality(Entry):
    """A WHO-UMC category; ``is_suspected`` says whether it counts as a suspected reaction (what cannot be
    assessed does)."""

    is_suspected: bool


@dataclass(frozen=True, kw_only=True)
class Relatedness(Entry):
    """What an event may be related to; ``side`` is delivery, microbiota or other."""

    side: str


@dataclass(frozen=True, kw_only=True)
class PublishedIncidence(Entry):
    """A published figure: ``endpoint`` and ``unit`` as in the estimates, ``term`` empty for any event.

    ``unit`` is what it was counted over, per_procedure or per_patient; the two are not comparable.
    """

    endpoint: str
    unit: str
    term: str = ""


@functools.cache
def adverse_events() -> Book[AdverseEvent]:
    """Return the list of adverse events."""
    return read_book("adverse event", AdverseEvent, _FILE, "events")


@functools.cache
def grades() -> Book[Grade]:
    """Return the CTCAE grades."""
    return read_book("grade", Grade, _FILE, "grades")


@functools.cache
def seriousness_criteria() -> Book[SeriousnessCriterion]:
    """Return the criteria of seriousness."""
    return read_book("seriousness criterion", SeriousnessCriterion, _FILE, "seriousness")


@functools.cache
def causality_categories() -> Book[Causality]:
    """Return the WHO-UMC causality categories."""
    return read_book("causality category", Causality, _FILE, "causality")


@functools.cache
def relatedness() -> Book[Relatedness]:
    """Return what an event may be related to."""
    return read_book("relation", Relatedness, _FILE, "relatedness")


@functools.cache
def published_incidence() -> Book[PublishedIncidence]:
    """Return the published figures that stand beside a study's own."""
    return read_book("published incidence", PublishedIncidence, _FILE, "published")


def is_serious(event: str | None, *, criteria: Collection[str] | None) -> bool | None:
    """Return whether an event is serious.

    ``event`` is its code (None for free text only), ``criteria`` the criteria that were ticked: an empty
    collection says that none applies, None that nobody answered.

    Refuses
        ``InputError`` for an unknown code.
    """
    for code in criteria or ():
        seriousness_criteria().get(code)
    if criteria or (event is not None and adverse_events().get(event).is_always_serious):
        return True
    return None if criteria is None else False


def is_expected(event: str | None, *, grade: int | None) -> bool | None:
    """Return whether an event is expected by the reference safety information.

    An unlisted event, or a grade above the listed one, is unexpected. Without a grade a listed event
    cannot be told (None). ``event`` None means that it is on no list.
    """
    _check_grade(grade)
    listed = adverse_events().get(event).listed_grade if event is not None else None
    if listed is None:
        return False
    return None if grade is None else grade <= listed


def grade_diarrhoea(stools_per_day: int | None, *, baseline_per_day: int | None) -> int | None:
    """Return the CTCAE v5 grade (0 to 3) of diarrhoea by stools *above baseline*; None if either is missing.

    Under 4 extra stools a day is grade 1, 4 to 6 grade 2, 7 or more grade 3. Grade 4 is a clinical
    judgement (life-threatening) that no count gives.
    """
    if stools_per_day is None or baseline_per_day is None:
        return None
    _check_count(stools_per_day)
    _check_count(baseline_per_day)
    extra = stools_per_day - baseline_per_day
    return 0 if extra <= 0 else 1 if extra < 4 else 2 if extra < 7 else 3


def grade_fever(celsius: float | None, *, hours: float | None = None) -> int | None:
    """Return the CTCAE v5 grade (0 to 4) of a fever of ``celsius`` that lasted ``hours``.

    38.0-39.0 is grade 1, over 39.0 to 40.0 grade 2, over 40.0 grade 3 up to 24 hours and grade 4 beyond;
    over 40.0 without a duration cannot be told (None).

    Refuses
        ``InputError`` outside 30-45 C (Fahrenheit, or a typing error).
    """
    if celsius is None:
        return None
    if not 30 <= celsius <= 45:
        raise InputError(
            f"a body temperature of {celsius!r} C is not plausible",
            expected="30 to 45 degrees Celsius",
            do="check the unit and the value",
        )
    if celsius > 40:
        return None if hours is None else 3 if hours <= 24 else 4
    return 0 if celsius < 38 else 1 if celsius <= 39 else 2


def grade_vomiting(
    *,
    needs_intervention: bool | None,
    needs_outpatient_fluids: bool | None,
    needs_admission: bool | None,
    is_life_threatening: bool | None,
) -> int | None:
    """Return the CTCAE v5 grade (1 to 4) of vomiting that occurred, from what it led to.

    The gravest "yes" decides if no graver question is unanswered; otherwise None. No intervention is
    grade 1, intervention or outpatient fluids grade 2, tube feeding or admission grade 3.
    """
    for grade, answers in (
        (4, [is_life_threatening]),
        (3, [needs_admission]),
        (2, [needs_outpatient_fluids, needs_intervention]),
    ):
        if any(answers):
            return grade
        if None in answers:
            return None
    return 1


def naranjo(answers: Sequence[Answer]) -> tuple[int, str]:
    """Return Naranjo's total (-4 to 13) and category for the ten answers in order.

    9 and above is definite, 5-8 probable, 1-4 possible, 0 and below doubtful. Built for drugs; for FMT
    prefer the WHO-UMC categories.
    """
    column = {"yes": 0, "no": 1, "unknown": 2}
    weights = read_table(_FILE)["naranjo"]["weights"]
    if len(answers) != len(weights) or any(answer not in column for answer in answers):
        raise InputError(
            f"Naranjo's scale was given {list(answers)!r}",
            expected="ten answers, each yes, no or unknown",
            do="answer every question, with unknown where it is not known",
        )
    total = sum(row[column[answer]] for row, answer in zip(weights, answers, strict=True))
    name = (
        "definite" if total >= 9 else "probable" if total >= 5 else "possible" if total >= 1 else "doubtful"
    )
    return total, name


def _check_grade(grade: int | None) -> None:
    if grade is not None and grade not in range(1, 6):
        raise InputError(f"grade {grade!r} is not a CTCAE grade", expected="1 to 5", do="correct the grade")


def _check_count(count: int) -> None:
    if count < 0:
        raise InputError(f"{count} stools a day", expected="0 or more", do="correct the count")
