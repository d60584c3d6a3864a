"""A donor's answers, as facts that the questionnaire rules ask."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.conditions import Answer
from commensal.vocabulary.donor_verdicts import RESULTS
from commensal.vocabulary.sources import read_table


@dataclass(frozen=True)
class QuestionAnswer:
    """One answer of a donor to one question.

    ``result`` positive is yes, negative is no, anything else is no answer. ``event_on`` dates the event that
    a yes reports, ``value`` is the measurement where the question asks a number.
    """

    question: str
    result: str | None
    answered_on: date
    event_on: date | None = None
    value: float | None = None
    is_resolved: bool = False

    def __post_init__(self) -> None:
        if self.result is not None and self.result not in RESULTS:
            raise InputError(f"unknown answer {self.result!r}", expected=nearest(self.result, RESULTS))


def questionnaire_facts(answers: Iterable[QuestionAnswer], *, on: date) -> dict[str, Answer | None]:
    """Return the facts that a donor's answers give on a day; what was not answered is None.

    A yes stays a yes until a physician resolved it; an event counts its days from its last date, and from
    nothing known when one of its dates is missing. A requirement (consent, a clean questionnaire) and a
    number take the latest answer. Answers given after ``on`` are not looked at.
    """
    given: dict[str, list[QuestionAnswer]] = {}
    for answer in sorted((a for a in answers if a.answered_on <= on), key=lambda a: a.answered_on):
        given.setdefault(answer.question, []).append(answer)
    found: dict[str, Answer | None] = {}
    for question in read_table("screening_questions.toml")["question"]:
        mine = given.get(question["code"], [])
        for fact, value in _facts(question, mine, on):
            if value is not None or fact not in found:  # two questions may ask one fact
                found[fact] = value
    return found


def _facts(
    question: Mapping[str, Any], answers: list[QuestionAnswer], on: date
) -> Iterator[tuple[str, Answer | None]]:
    if question["kind"] == "event":
        yield f"had_{question['code']}", _yes(answers)
        yield f"days_since_{question['code']}", _days_since(answers, on)
    elif question["kind"] == "range":
        yield question["fact"], answers[-1].value if answers else None
    elif question.get("must_be", False):
        latest = answers[-1].result if answers else None
        yield question["fact"], {"positive": True, "negative": False}.get(latest or "")
    else:
        yield question["fact"], _yes(answers)


def _yes(answers: list[QuestionAnswer]) -> bool | None:
    """Return yes while one is unresolved, no if the latest answer is no, else unknown."""
    if any(answer.result == "positive" and not answer.is_resolved for answer in answers):
        return True
    return False if answers and answers[-1].result == "negative" else None


def _days_since(answers: list[QuestionAnswer], on: date) -> int | None:
    events = [a.event_on for a in answers if a.result == "positive" and not a.is_resolved]
    dated = [event for event in events if event is not None]
    return (on - max(dated)).days if dated and len(dated) == len(events) else None
