"""The protocol library: what a care plan is made of, per indication, each statement with its source.

A protocol is a value: routes in order of preference, published regimens, an adult dose, and statements that
are printed where their condition holds. Where no source gives a figure a statement says so. The library has
a version; a centre may hand in a protocol of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.conditions import Condition, facts_of, read_condition
from commensal.vocabulary.facts import find_fact
from commensal.vocabulary.indications import indication, indications, is_within
from commensal.vocabulary.materials import dosing_limits, least_dose_grams
from commensal.vocabulary.routes import Route
from commensal.vocabulary.sources import check_citation, read_table

SECTIONS = (
    "evidence",
    "eligibility",
    "tests_before",
    "preparation",
    "route",
    "product",
    "dose",
    "sessions",
    "supportive",
    "observation",
    "follow_up",
    "stop_rules",
    "limits",
)
EVERYTHING = "all"
_FILE = "protocols.toml"


@dataclass(frozen=True, kw_only=True)
class Cited:
    """Something a source says; ``source`` is a handle of ``sources.toml``."""

    source: str
    confidence: str

    def __post_init__(self) -> None:
        check_citation(self.source, self.confidence)


@dataclass(frozen=True, kw_only=True)
class Statement(Cited):
    """One sentence of a plan. ``when`` None holds always; ``rules`` are the ids it is checked by."""

    section: str
    item: str
    content: str
    when: Condition | None = None
    value: float | None = None
    unit: str | None = None
    rules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.section not in SECTIONS:
            raise InputError(
                f"statement {self.item!r}: section {self.section!r}", expected=nearest(self.section, SECTIONS)
            )
        if not self.content.endswith(".") or (self.value is None) != (self.unit is None):
            raise InputError(f"statement {self.item!r}: a sentence, and a unit with every number")
        for fact in facts_of(self.when) if self.when is not None else ():
            find_fact(fact)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Sessions of a regimen: ``n_sessions`` in each of ``n_courses``, one every ``every_days``, a course
    every ``course_every_days``, from day ``from_day`` of the plan. None where the source gives no figure."""

    n_courses: int = 1
    n_sessions: int | None = None
    every_days: int | None = None
    course_every_days: int | None = None
    from_day: int | None = None
    words: str = ""

    def __post_init__(self) -> None:
        total = self.total
        if self.n_courses < 1 or (total is not None and total < 1):
            raise InputError(f"a stage of {self.n_courses} courses of {self.n_sessions} sessions")
        intervals = [n for n in (self.every_days, self.course_every_days) if n is not None]
        if min(intervals, default=1) < 1 or (self.from_day or 0) < 0:
            raise InputError(f"a stage with an interval below one day: {self}")

    @property
    def total(self) -> int | None:
        """Sessions of all courses."""
        return None if self.n_sessions is None else self.n_courses * self.n_sessions

    @property
    def last_day(self) -> int | None:
        """Day of the last session; None where a figure is missing."""
        if self.from_day is None or self.n_sessions is None:
            return None
        steps = ((self.n_sessions, self.every_days), (self.n_courses, self.course_every_days))
        if any(n > 1 and every is None for n, every in steps):
            return None
        return self.from_day + sum((n - 1) * (every or 0) for n, every in steps)


@dataclass(frozen=True, kw_only=True)
class Regimen(Cited):
    """One published course of sessions, and the routes it was given ``by``."""

    code: str
    label: str
    by: tuple[str, ...]
    stages: tuple[Stage, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        for route in self.by:
            Route(route)
        if not self.by or not self.stages:
            raise InputError(f"regimen {self.code}: no route, or no session")


@dataclass(frozen=True, kw_only=True)
class RouteOrder(Cited):
    """Routes in order of preference, and why."""

    order: tuple[str, ...]
    reason: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.order)) < len(self.order) or not self.order:
            raise InputError(f"order of routes {self.order}", expected="at least one route, each once")
        for route in self.order:
            Route(route)


@dataclass(frozen=True, kw_only=True)
class AdultDose(Cited):
    """Stool an adult's session stands for, in grams; a child's dose is capped at it."""

    grams: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not dosing_limits().get("stool_grams_per_session").admits(self.grams):
            raise InputError(f"an adult dose of {self.grams} g", expected="a plausible dose")

    def of(self, *, age_years: float | None, weight_kilograms: float | None) -> float | None:
        """Return the dose in grams: the adult's, or a child's by weight, never above the adult's.

        None where the age is unknown, where a child's weight is, and where the dose by weight is not
        plausible (a premature baby, a wrong unit).
        """
        if age_years is None:
            return None
        least = least_dose_grams(age_years=age_years, weight_kilograms=weight_kilograms)
        if least is None:
            return None
        dose = min(least, self.grams) if age_years < ADULT_FROM_YEARS else self.grams
        return dose if dosing_limits().get("stool_grams_per_session").admits(dose) else None


ADULT_FROM_YEARS: float = read_table("materials.toml")["low_dose"]["adult_from_years"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything the library says of one indication. ``signed_by`` is the physician who put it in force."""

    code: str
    version: str
    indication: str
    routes: RouteOrder
    dose: AdultDose
    regimens: tuple[Regimen, ...]
    statements: tuple[Statement, ...]
    asked_on_the_day: tuple[str, ...] = ()
    signed_by: str = ""

    def __post_init__(self) -> None:
        if indication(self.indication).is_group:
            raise InputError(f"{self.indication!r} names a group of diseases", expected="one disease")
        for fact in self.asked_on_the_day:
            find_fact(fact)

    @property
    def name(self) -> str:
        """Code and version."""
        return f"{self.code} {self.version}"

    def regimens_by(self, route: str) -> tuple[Regimen, ...]:
        """Return the regimens that were given by a route, the one that is planned first."""
        return tuple(regimen for regimen in self.regimens if route in regimen.by)


def no_figure() -> str:
    """Return the sentence that stands where no source gives a figure."""
    return read_table(_FILE)["library"]["no_figure"]


@cache
def protocol(code: str) -> Protocol:
    """Return the protocol of an indication. Refuses (InputError) an unknown code and a group of diseases."""
    entry = indication(code)
    if entry.is_group:
        members = [other.code for other in indications() if is_within(other.code, code) and other != entry]
        raise InputError(
            f"{entry.label} names a group, which has no protocol", expected="one of " + ", ".join(members)
        )
    table = read_table(_FILE)
    library = table["library"]
    return Protocol(
        code=f"library_{code}",
        version=library["version"],
        indication=code,
        routes=_order(next(row for row in table["routes"] if _names(row, code))),
        dose=_dose(table["dose"]),
        regimens=tuple(_regimen(row) for row in table["regimen"] if _names(row, code)),
        statements=tuple(_statement(row) for row in table["statement"] if _names(row, code)),
        asked_on_the_day=tuple(library["asked_on_the_day"]),
    )


def _names(row: Mapping[str, Any], code: str) -> bool:
    def among(groups: list[str]) -> bool:
        return any(group == EVERYTHING or is_within(code, group) for group in groups)

    return among(row["of"]) and not among(row.get("not_of", []))


def _order(row: Mapping[str, Any]) -> RouteOrder:
    return RouteOrder(order=tuple(row["order"]), **_pick(row, "reason", "source", "confidence"))


def _dose(row: Mapping[str, Any]) -> AdultDose:
    return AdultDose(grams=row["adult_grams"], **_pick(row, "source", "confidence"))


def _regimen(row: Mapping[str, Any]) -> Regimen:
    stages = tuple(Stage(**stage) for stage in row["stages"])
    return Regimen(by=tuple(row["by"]), stages=stages, **_pick(row, "code", "label", "source", "confidence"))


def _statement(row: Mapping[str, Any]) -> Statement:
    named = read_table(_FILE)["named"]
    content = f"{row['content']} {no_figure()}" if row.get("no_figure") else row["content"]
    return Statement(
        content=content,
        when=read_condition(row["when"], named=named) if "when" in row else None,
        value=row.get("value"),
        unit=row.get("unit"),
        rules=tuple(row.get("rules", ())),
        **_pick(row, "section", "item", "source", "confidence"),
    )


def _pick(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}
