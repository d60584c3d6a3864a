"""Rule sets on recipients, routes, preparation, the study and matching gates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from commensal.errors import InputError, nearest
from commensal.vocabulary.conditions import Answer
from commensal.vocabulary.rules import Rule, Verdict, combine, judge_each, read_rules

RULE_SETS = {
    "recipient": "eligibility_recipient.toml",
    "routes": "eligibility_routes.toml",
    "preparation": "eligibility_preparation.toml",
    "study": "eligibility_study.toml",
    "gates": "gates.toml",
}


def rule_set(name: str) -> tuple[Rule, ...]:
    """Return the rules of one set. Refuses (InputError) an unknown name."""
    if name not in RULE_SETS:
        raise InputError(f"unknown rule set {name!r}", expected=nearest(name, RULE_SETS))
    return read_rules(RULE_SETS[name])


def study_rules(*, subject: str = "recipient") -> tuple[Rule, ...]:
    """Return the study's rules: gates of a ``recipient``, or flags of the ``analysis`` that never gate."""
    return tuple(rule for rule in rule_set("study") if rule.subject == subject)


def judge_routes(
    facts: Mapping[str, Answer | None], *, routes: Iterable[str]
) -> dict[str, tuple[str, tuple[Verdict, ...]]]:
    """Judge each route for one recipient: the combined outcome and the verdicts that do not meet.

    A route that a hard rule closes is not_met; one whose questions are unanswered is undetermined.
    """
    judged = {}
    for route in routes:
        verdicts = judge_each({**facts, "route": route}, rules=rule_set("routes"))
        judged[route] = (combine(verdicts), tuple(v for v in verdicts if v.outcome != "met"))
    return judged


def cohort_of(
    *, index_day: int | None, informed_consent_day: int | None, data_use_consent_day: int | None = None
) -> str | None:
    """Return how a patient entered: prospective, ambispective, retrospective, or None when it cannot be told.

    Prospective: informed consent on or before the index day. Ambispective: informed consent after it, and
    with it follow-up that is planned from then on. Retrospective: consent for use of data only. A patient
    keeps one cohort: a new course after consent does not make a second patient.
    """
    if index_day is None:
        return None
    if informed_consent_day is not None:
        return "prospective" if informed_consent_day <= index_day else "ambispective"
    return "retrospective" if data_use_consent_day is not None else None
