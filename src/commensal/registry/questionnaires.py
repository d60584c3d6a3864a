"""What a patient is asked in words: the questionnaires of instruments that may be shown; pure.

An instrument stands here only if its licence lets its items be shown. A question without an answer stays
without one.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from commensal.vocabulary.instruments.declaration import Instrument, Item, instrument

SHOWN_LICENCE = "ship"
SCALE = range(11)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question: the item it answers, its words, and the answers offered (none: a number is typed).

    ``scale`` are the words of the two ends of a scale from 0 to 10.
    """

    item: Item
    asks: str
    choices: tuple[tuple[float, str], ...] = ()
    scale: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.scale and (self.choices or len(self.scale) != 2):
            raise ValueError(f"the scale of {self.item.code!r} needs the words of two ends, and no choices")
        if wrong := [value for value, _ in self.offered if not self.item.admits(value)]:
            raise ValueError(f"item {self.item.code!r} does not admit {wrong}")

    @property
    def offered(self) -> tuple[tuple[float, str], ...]:
        """The answers that may be chosen, in order; none where a number is typed."""
        return tuple((float(step), str(step)) for step in SCALE) if self.scale else self.choices

    def admits(self, answer: float) -> bool:
        """Whether an answer is one of those offered, or a number the item may have."""
        offered = [value for value, _ in self.offered]
        return answer in offered if offered else self.item.admits(answer)


@dataclass(frozen=True, kw_only=True)
class Questionnaire:
    """One instrument as a patient sees it."""

    instrument: Instrument
    title: str
    about: str
    questions: tuple[Question, ...]

    def __post_init__(self) -> None:
        if self.instrument.licence != SHOWN_LICENCE:
            raise ValueError(f"{self.instrument.code!r} may not be shown: {self.instrument.licence}")
        asked = {question.item.code for question in self.questions}
        needed = {item.code for item in self.instrument.items} or {s.code for s in self.instrument.scores}
        if asked != needed:
            raise ValueError(f"{self.instrument.code!r} asks {sorted(asked)}, its items are {sorted(needed)}")

    def kept(self, answers: Mapping[str, Any]) -> dict[str, float]:
        """Return the answers that were given; what is empty or no answer to a question is left out."""
        given = ((q.item.code, answers.get(q.item.code), q) for q in self.questions)
        return {code: float(value) for code, value, q in given if value is not None and q.admits(value)}


@functools.cache
def questionnaires() -> Mapping[str, Questionnaire]:
    """Return every questionnaire a patient may answer alone, by the code of its instrument."""
    source = files("commensal.registry").joinpath("questionnaires.toml").read_text(encoding="utf-8")
    made = [_questionnaire(row) for row in tomllib.loads(source)["questionnaires"]]
    return {one.instrument.code: one for one in made}


def _questionnaire(row: Mapping[str, Any]) -> Questionnaire:
    declared = instrument(row["instrument"])
    return Questionnaire(
        instrument=declared,
        title=row["title"],
        about=row["about"],
        questions=tuple(_question(declared, given) for given in row["questions"]),
    )


def _question(declared: Instrument, row: Mapping[str, Any]) -> Question:
    return Question(
        item=declared.inputs[row["item"]],
        asks=row["asks"],
        choices=tuple((float(value), words) for value, words in row.get("choices", ())),
        scale=tuple(row.get("scale", ())),
    )
