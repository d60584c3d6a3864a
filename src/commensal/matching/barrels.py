"""Rules that say several things, taken apart so that a refusal says one.

A rule whose condition joins parts by "and" is not met as soon as one part is not. A refusal names the part:
``REC08.has_intestinal_obstruction``. Together the parts say what the rule says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from commensal.vocabulary.conditions import (
    All,
    Between,
    Compare,
    Condition,
    Either,
    IsTrue,
    Known,
    Not,
    OneOf,
    facts_of,
)
from commensal.vocabulary.facts import find_fact
from commensal.vocabulary.rules import Rule

WORDS = {
    "below": "below",
    "at_most": "at most",
    "equals": "exactly",
    "at_least": "at least",
    "above": "above",
}


def single_barrelled(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules with each that joins several parts in its parts, in order; the others as they are."""
    return tuple(part for rule in rules for part in _apart(rule))


def _apart(rule: Rule) -> tuple[Rule, ...]:
    parts = _parts(rule.condition)
    # A deferral counts from one fact: such a rule stays whole.
    if len(parts) < 2 or rule.defer_days is not None:
        return (rule,)
    return tuple(
        replace(
            rule,
            id=f"{rule.id}.{_name(asked)}",
            sentence=f"{_sentence(asked)}.",
            condition=whole,
        )
        for whole, asked in parts
    )


def _parts(condition: Condition) -> list[tuple[Condition, Condition]]:
    """Return each part as it is judged (with the limit of the rule) and as it is asked."""
    match condition:
        case All(of):
            return [(part, part) for part in of]
        case Either((Not() as limit, All(of))):
            return [(Either((limit, part)), part) for part in of]
        case _:
            return [(condition, condition)]


def _name(asked: Condition) -> str:
    return "_or_".join(facts_of(asked))


def _sentence(asked: Condition) -> str:
    """Return a part in words, from the meaning of its fact."""
    match asked:
        case Not(IsTrue(fact)):
            return f"No: {find_fact(fact).meaning}"
        case IsTrue(fact):
            return f"Yes: {find_fact(fact).meaning}"
        case Known(fact):
            return f"Known: {find_fact(fact).meaning}"
        case Compare(fact, name, value):
            return f"{_measured(fact)} {WORDS[name]} {value}"
        case Between(fact, low, high):
            return f"{_measured(fact)} from {low} to {high}"
        case OneOf(fact, values):
            return f"{_measured(fact)} one of {', '.join(values)}"
        case Not(of):
            return f"Not so: {_sentence(of)}"
        case Either(of):
            return " or ".join(_sentence(part) for part in of)
        case All(of):
            return " and ".join(_sentence(part) for part in of)


def _measured(fact: str) -> str:
    declared = find_fact(fact)
    unit = f" ({declared.unit})" if declared.unit not in ("", "1") else ""
    meaning = declared.meaning.split(",")[0]
    return f"{meaning[:1].upper()}{meaning[1:]}{unit}:"
