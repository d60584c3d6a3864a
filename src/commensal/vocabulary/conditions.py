"""A rule's condition: a small tree over facts. ``frames`` reads the same tree for whole tables.

Eight kinds of node: ``Compare``, ``Between``, ``OneOf`` and ``IsTrue`` ask one fact, ``Known`` asks whether
it was answered, and ``All``, ``Either`` and ``Not`` join other nodes. Answers are numbers, booleans and
text; a time is a whole number of days. A missing answer, NaN and blank text are *unknown*, and unknown
travels through the tree by Kleene's three-valued logic: ``False and unknown`` is False, ``True and unknown``
is unknown.
"""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commensal.errors import InputError, nearest

Answer = object
OPERATORS = {
    "below": operator.lt,
    "at_most": operator.le,
    "equals": operator.eq,
    "at_least": operator.ge,
    "above": operator.gt,
}


@dataclass(frozen=True)
class Compare:
    """One fact against one value: below, at_most, equals, at_least or above."""

    fact: str
    operator: str
    value: float | str

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise InputError(
                f"unknown comparison {self.operator!r}", expected=nearest(self.operator, OPERATORS)
            )
        if isinstance(self.value, str) and self.operator != "equals":
            raise InputError(f"text {self.value!r} has no order", expected="a number, or equals")


@dataclass(frozen=True)
class Between:
    """A number from ``low`` to ``high``, both included."""

    fact: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InputError(f"empty range {self.low} to {self.high} for {self.fact}", expected="low <= high")


@dataclass(frozen=True)
class OneOf:
    """Text that is one of a closed list."""

    fact: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise InputError(f"empty list for {self.fact}", expected="at least one value")


@dataclass(frozen=True)
class IsTrue:
    """A yes-or-no fact that is yes."""

    fact: str


@dataclass(frozen=True)
class Known:
    """The fact was answered; the only node that is never unknown."""

    fact: str


@dataclass(frozen=True)
class All:
    """Every part holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    """At least one part holds."""

    of: tuple[Condition, ...]


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    of: Condition


Condition = Compare | Between | OneOf | IsTrue | Known | All | Either | Not


def facts_of(condition: Condition) -> tuple[str, ...]:
    """Return the facts a condition asks, each once, in reading order."""
    match condition:
        case All(of) | Either(of):
            names = [name for part in of for name in facts_of(part)]
        case Not(of):
            names = list(facts_of(of))
        case _:
            names = [condition.fact]
    return tuple(dict.fromkeys(names))


def kind_of(condition: Compare | Between | OneOf | IsTrue) -> str:
    """Return the kind of answer a node expects: number, boolean or text."""
    match condition:
        case IsTrue():
            return "boolean"
        case OneOf() | Compare(value=str()):
            return "text"
        case _:
            return "number"


def kinds_of(condition: Condition) -> tuple[tuple[str, str], ...]:
    """Return every (fact, expected kind) pair in a condition; ``Known`` expects none."""
    match condition:
        case All(of) | Either(of):
            return tuple(pair for part in of for pair in kinds_of(part))
        case Not(of):
            return kinds_of(of)
        case Known():
            return ()
        case _:
            return ((condition.fact, kind_of(condition)),)


# --- one patient, in Python


def answer(facts: Mapping[str, Answer | None], fact: str) -> Any:
    """Return one answer, or None when it is absent, NaN or blank text."""
    value = facts.get(fact)
    if isinstance(value, float) and math.isnan(value):
        return None
    return None if value == "" else value


def holds(condition: Condition, facts: Mapping[str, Answer | None]) -> bool | None:
    """Return whether a condition holds for one patient; None is unknown.

    Refuses (InputError) an answer of the wrong kind: text where a number is asked is not "unknown".
    """
    match condition:
        case All(of):
            return _kleene_all([holds(part, facts) for part in of])
        case Either(of):
            return _invert(_kleene_all([_invert(holds(part, facts)) for part in of]))
        case Not(of):
            return _invert(holds(of, facts))
        case Known(fact):
            return answer(facts, fact) is not None
        case _:
            value = answer(facts, condition.fact)
            return (
                None
                if value is None
                else _ask(condition, _checked(value, condition.fact, kind_of(condition)))
            )


def _ask(condition: Compare | Between | OneOf | IsTrue, value: Any) -> bool:
    match condition:
        case Compare(_, name, bound):
            return bool(OPERATORS[name](value, bound))
        case Between(_, low, high):
            return bool(low <= value <= high)
        case OneOf(_, values):
            return value in values
        case IsTrue():
            return value is True


def _checked(value: Any, fact: str, kind: str) -> Any:
    actual = "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "other"
    if actual == "other" and isinstance(value, numbers.Real):
        actual = "number"
    if actual != kind:
        raise wrong_kind(fact, repr(value), kind)
    return value


def wrong_kind(fact: str, found: str, kind: str) -> InputError:
    """Return the refusal of an answer that is not of its fact's kind."""
    return InputError(
        f"fact {fact} is {found}",
        expected=f"a {kind}, or nothing when it is not known",
        do="answer the fact in its declared type; times are whole numbers of days",
    )


def _invert(value: bool | None) -> bool | None:
    return None if value is None else not value


def _kleene_all(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True


# --- from a data file

_JOINS = {"all": All, "any": Either}


def read_condition(text: Mapping[str, Any] | str, *, named: Mapping[str, Any] | None = None) -> Condition:
    """Read a condition from its form in a data file.

    ``{fact = "bmi", at_least = 15}``, ``{fact = "bmi", between = [15, 30]}``, ``{fact = "route", one_of =
    ["..."]}``, ``{true = "is_pregnant"}``, ``{false = "is_pregnant"}``, ``{known = "bmi"}``,
    ``{all = [...]}``, ``{any = [...]}``, ``{not = {...}}``; ``{clear_of = "antibiotic", days = 92}`` reads
    "never had one, or the last was at least 92 days ago"; ``"@name"`` stands for a named condition of the
    same file.
    """
    if isinstance(text, str):
        return read_condition((named or {})[text.removeprefix("@")], named=named)
    entry = dict(text)
    for key, join in _JOINS.items():
        if key in entry:
            return join(tuple(read_condition(part, named=named) for part in entry[key]))
    if "not" in entry:
        return Not(read_condition(entry["not"], named=named))
    return _read_leaf(entry)


def _read_leaf(entry: dict[str, Any]) -> Condition:
    match entry:
        case {"true": str(fact)}:
            return IsTrue(fact)
        case {"false": str(fact)}:
            return Not(IsTrue(fact))
        case {"known": str(fact)}:
            return Known(fact)
        case {"clear_of": str(event), "days": int(days)}:
            return clear_of(event, days=days)
        case {"fact": str(fact), "between": [low, high]}:
            return Between(fact, low, high)
        case {"fact": str(fact), "one_of": list(values)}:
            return OneOf(fact, tuple(values))
        case {"fact": str(fact)} if len(entry) == 2:
            ((name, value),) = ((key, entry[key]) for key in entry if key != "fact")
            return Compare(fact, name, value)
    raise InputError(f"unreadable condition {entry!r}", expected="one of the forms of read_condition")


def clear_of(event: str, *, days: int) -> Condition:
    """Return "never had it, or the last was at least ``days`` days ago".

    Two facts, because a donor who never took an antibiotic has no days since one: ``had_<event>`` is the
    answer to the question, ``days_since_<event>`` is asked only after a yes.
    """
    return Either((Not(IsTrue(f"had_{event}")), Compare(f"days_since_{event}", "at_least", days)))
