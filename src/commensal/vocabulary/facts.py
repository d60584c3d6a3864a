"""The facts that rules ask: meaning, kind and unit of each, declared once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.sources import read_table

KINDS = ("number", "boolean", "text")


@dataclass(frozen=True)
class Fact:
    """One answer a rule may ask.

    ``kind`` is number, boolean or text; ``unit`` goes with a number (``1`` for a count or type, ``d`` for
    days); ``values`` closes a text. ``subject`` says whose fact it is.
    """

    code: str
    kind: str
    subject: str
    meaning: str
    unit: str = ""
    values: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(
                f"fact {self.code}: unknown kind {self.kind!r}", expected=nearest(self.kind, KINDS)
            )
        if (self.kind == "number") != bool(self.unit):
            raise InputError(f"fact {self.code}: a unit goes with a number, and only with one")


@cache
def facts() -> dict[str, Fact]:
    """Return every declared fact by code: those of facts.toml and those of the donor questionnaire.

    Refuses (InputError) a code declared with two meanings: the answer to one would be read as the other.
    """
    declared: dict[str, Fact] = {}
    for fact in declarations():
        if declared.setdefault(fact.code, fact) != fact:
            raise InputError(f"fact {fact.code} is declared twice", expected="one meaning for each code")
    return declared


def declarations() -> Iterator[Fact]:
    """Yield every declaration; two questions may ask one fact, in the same words."""
    for subject, entries in read_table("facts.toml").items():
        for code, entry in entries.items():
            yield Fact(code, subject=subject, **{**entry, "values": tuple(entry.get("values", ()))})
    for question in read_table("screening_questions.toml")["question"]:
        yield from _question_facts(question)


def find_fact(code: str) -> Fact:
    """Return one fact. Refuses (InputError) a code that is not declared."""
    if code not in facts():
        raise InputError(f"unknown fact {code!r}", expected=nearest(code, facts()))
    return facts()[code]


def _question_facts(question: dict[str, Any]) -> Iterator[Fact]:
    code, subject, meaning = question["code"], question["subject"], question["meaning"]
    if question["kind"] == "event":
        yield Fact(f"had_{code}", "boolean", subject, meaning)
        if any("days" in cell for cell in question["cells"]):
            yield Fact(f"days_since_{code}", "number", subject, f"days since: {meaning}", unit="d")
    elif question["kind"] == "state":
        yield Fact(question["fact"], "boolean", subject, meaning)
    else:
        yield Fact(question["fact"], "number", subject, meaning, unit=question["unit"])
