"""How immunocompromised a recipient is: none, mild or moderate, severe, or not known, with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from commensal.vocabulary.conditions import Answer
from commensal.vocabulary.rules import Rule, Verdict, combine, judge_each, read_rules

SEVERE, MILD = "severe", "mild_moderate"


@dataclass(frozen=True)
class Immunocompromise:
    """The grade, null where it is not known, and the verdict of every rule it rests on."""

    grade: str | None
    verdicts: tuple[Verdict, ...]

    @property
    def reasons(self) -> tuple[Verdict, ...]:
        """What makes the grade, or keeps it from being known."""
        wanted = "undetermined" if self.grade is None else "not_met"
        return tuple(verdict for verdict in self.verdicts if verdict.outcome == wanted)


def immunocompromise_rules() -> tuple[Rule, ...]:
    """Return the rules; the profile of each is the grade that follows when it does not hold."""
    return read_rules("immunocompromise.toml")


def immunocompromise(facts: Mapping[str, Answer | None]) -> Immunocompromise:
    """Grade one recipient.

    Severe by any severe rule that is not met. Nothing less is said while a severe rule is unanswered, and
    "none" only where every rule is answered and met.
    """
    verdicts = judge_each(facts, rules=immunocompromise_rules())
    severe, mild = (combine(v for v in verdicts if v.rule.profile == grade) for grade in (SEVERE, MILD))
    if severe == "not_met":
        return Immunocompromise(SEVERE, verdicts)
    if severe == "undetermined" or mild == "undetermined":
        return Immunocompromise(None, verdicts)
    return Immunocompromise(MILD if mild == "not_met" else "none", verdicts)
