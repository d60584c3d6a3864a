"""Rules a clinician could sign, and the verdicts they give.

A rule says what must hold. Its verdict is ``met``, ``not_met`` or ``undetermined``, with the answers it
rested on; unanswered is never eligible. ``judge`` reads one patient, ``frames.judge_all`` a table, and the
two agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.conditions import (
    Answer,
    Condition,
    Either,
    Not,
    answer,
    facts_of,
    holds,
    read_condition,
)
from commensal.vocabulary.sources import check_citation, find_source, read_table

OUTCOMES = ("met", "not_met", "undetermined")
CONSEQUENCES = {
    "exclude": "excludes",
    "defer": "defers",
    "refer": "needs a physician's review",
    "warn": "warns",
    "record": "is recorded",
}
BINDING = ("exclude", "defer", "refer")
SUBJECTS = ("donor", "donation", "lot", "recipient", "session", "analysis")


@dataclass(frozen=True)
class Rule:
    """One rule: what must hold, what follows if it does not, and who says so.

    ``consequence`` follows when the condition is not met: exclude, defer (``defer_days`` after the event
    counted by the fact ``defer_from``), refer to a physician, warn or record. ``profile`` is the screening
    profile or rule set it belongs to. A rule holds from ``valid_from`` until ``valid_until``, both included.
    """

    id: str
    sentence: str
    condition: Condition
    consequence: str
    source: str
    confidence: str
    subject: str
    profile: str = ""
    defer_days: int | None = None
    defer_from: str = ""
    valid_from: date | None = None
    valid_until: date | None = None

    def __post_init__(self) -> None:
        for value, known in ((self.consequence, CONSEQUENCES), (self.subject, SUBJECTS)):
            if value not in known:
                raise InputError(f"rule {self.id}: unknown {value!r}", expected=nearest(value, known))
        check_citation(self.source, self.confidence)
        if (self.consequence == "defer") != (self.defer_days is not None):
            raise InputError(f"rule {self.id}: defer goes with a number of days")
        if not self.sentence.strip() or (self.defer_days or 1) < 1:
            raise InputError(f"rule {self.id}: a sentence and positive days are expected")

    @property
    def is_binding(self) -> bool:
        """Whether the rule gates: warnings and records do not."""
        return self.consequence in BINDING

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """The facts the rule asks."""
        return facts_of(self.condition)

    @property
    def year(self) -> int:
        """Year of the rule's source."""
        return find_source(self.source).year

    def holds_on(self, on: date) -> bool:
        """Whether the rule is in force on a date."""
        return (self.valid_from or on) <= on <= (self.valid_until or on)


@dataclass(frozen=True)
class Verdict:
    """What one rule says of one subject: met, not_met or undetermined, and the answers it rested on."""

    rule: Rule
    outcome: str
    answers: tuple[tuple[str, Answer], ...]
    missing: tuple[str, ...]

    @property
    def defer_until_days(self) -> int | None:
        """Days from now until the deferral ends; None when not deferred or the event is undated."""
        since = dict(self.answers).get(self.rule.defer_from)
        if self.outcome != "not_met" or self.rule.defer_days is None or not isinstance(since, int | float):
            return None
        return max(0, int(self.rule.defer_days - since))

    def explain(self) -> str:
        """Return the verdict in words: outcome, rule, answers, what is missing, who says so."""
        rule = self.rule
        head = {
            "met": "Met",
            "not_met": f"Not met ({_consequence(rule)})",
            "undetermined": "Undetermined, so not eligible" if rule.is_binding else "Undetermined",
        }[self.outcome]
        parts = [f"{head}: {rule.sentence}"]
        if self.answers:
            parts.append("Answers: " + ", ".join(f"{fact} = {value}" for fact, value in self.answers) + ".")
        if self.missing:
            parts.append("Not answered: " + ", ".join(self.missing) + ".")
        parts.append(f"Source: {find_source(rule.source).title} (confidence {rule.confidence}).")
        return " ".join(parts)


def _consequence(rule: Rule) -> str:
    words = CONSEQUENCES[rule.consequence]
    return f"{words} for {rule.defer_days} days" if rule.defer_days else words


def judge(facts: Mapping[str, Answer | None], *, rule: Rule) -> Verdict:
    """Judge one subject by one rule; an absent fact is unknown, never false."""
    truth = holds(rule.condition, facts)
    outcome = "undetermined" if truth is None else "met" if truth else "not_met"
    answers = tuple((name, answer(facts, name)) for name in rule.facts)
    return Verdict(
        rule,
        outcome,
        answers=tuple(pair for pair in answers if pair[1] is not None),
        missing=tuple(name for name, value in answers if value is None),
    )


def judge_each(facts: Mapping[str, Answer | None], *, rules: Iterable[Rule]) -> tuple[Verdict, ...]:
    """Judge one subject by every rule, in order."""
    return tuple(judge(facts, rule=rule) for rule in rules)


def combine(verdicts: Iterable[Verdict]) -> str:
    """Return one outcome of many: any not_met wins, then any undetermined, then met.

    Only binding rules (exclude, defer, refer) count. No verdict at all is undetermined: nothing was asked.
    """
    verdicts = tuple(verdicts)
    outcomes = {verdict.outcome for verdict in verdicts if verdict.rule.is_binding}
    if not verdicts:
        return "undetermined"
    return worst(outcomes or {"met"})


def worst(outcomes: Iterable[str]) -> str:
    """Return the least favourable of outcomes; of none, undetermined."""
    found = set(outcomes)
    for outcome in ("not_met", "undetermined", "met"):
        if outcome in found:
            return outcome
    return "undetermined"


def in_force(rules: Iterable[Rule], *, on: date) -> tuple[Rule, ...]:
    """Return the rules that hold on a date."""
    return tuple(rule for rule in rules if rule.holds_on(on))


@cache
def read_rules(name: str) -> tuple[Rule, ...]:
    """Read the rules of one data file of this room.

    ``[defaults]`` fills absent fields; ``[named]`` holds conditions written once and used as ``"@name"``; a
    rule's ``when`` limits it: where ``when`` does not hold the rule is met.
    """
    table = read_table(name)
    rules = tuple(
        _read_rule({**table.get("defaults", {}), **entry}, table.get("named", {})) for entry in table["rule"]
    )
    if len({rule.id for rule in rules}) < len(rules):
        raise InputError(f"{name}: a rule id is used twice", expected="unique ids")
    return rules


def _read_rule(entry: dict[str, Any], named: Mapping[str, Any]) -> Rule:
    condition = read_condition(entry.pop("condition"), named=named)
    if "when" in entry:
        condition = Either((Not(read_condition(entry.pop("when"), named=named)), condition))
    return Rule(condition=condition, **entry)
