"""What the rules say of one recipient and one route, before a care plan is written.

Facts come from the study and from answers given at the bedside; an unanswered fact is unknown, and unknown
never passes. A route is chosen among those that no rule closes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary import Route, Rule, Verdict, combine, find_fact, judge_each, rule_set
from commensal.vocabulary.conditions import Either, Not, holds
from commensal.vocabulary.protocols import Protocol
from commensal.vocabulary.rules import in_force, worst

KINDS: dict[str, tuple[type, ...]] = {"boolean": (bool,), "text": (str,), "number": (int, float)}
NOT_ASKED_HERE = ("route", "indication", "evidence_status", "study_id")
"""Facts that a plan takes from elsewhere: its arguments, or the patient's own row."""


@dataclass(frozen=True)
class RouteChoice:
    """One route for one recipient.

    ``route`` is None where every route of the protocol is closed. ``outcome`` combines the binding rules;
    ``open`` are the verdicts that do not meet, ``others`` what was said of each other route, in words.
    """

    route: Route | None
    outcome: str
    open: tuple[Verdict, ...]
    reason: str
    others: tuple[str, ...]


@dataclass(frozen=True)
class Checks:
    """Every rule a plan is checked by: of the recipient, of the preparation, of the route chosen."""

    facts: Mapping[str, Any]
    recipient: tuple[Verdict, ...]
    preparation: Mapping[str, Verdict]
    route: RouteChoice

    @property
    def unmet(self) -> tuple[Verdict, ...]:
        """Binding rules that are not met or cannot be told."""
        found = (*self.recipient, *self.preparation.values(), *self.route.open)
        return tuple(v for v in found if v.rule.is_binding and v.outcome != "met")

    @property
    def outcome(self) -> str:
        """One outcome of all: met only where every binding rule is."""
        parts = (self.recipient, tuple(self.preparation.values()))
        return worst([*(combine(part) for part in parts), self.route.outcome])


def with_answers(facts: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with the bedside answers beside them.

    Refuses (InputError) a fact that does not exist or is not asked here, an answer of the wrong kind, and an
    answer that contradicts the study: the record is corrected, never overruled in silence.
    """
    for name, value in answers.items():
        _check_answer(name, value)
        known = facts.get(name)
        if known is not None and known != value:
            raise InputError(
                f"the answer {name} = {value!r} contradicts the study, which says {known!r}",
                expected=f"{known!r}, or no answer",
                do="correct the record, then plan again",
            )
    return {**facts, **answers}


def _check_answer(name: str, value: Any) -> None:
    fact = find_fact(name)
    if name in NOT_ASKED_HERE:
        raise InputError(f"{name} is not answered at the bedside", expected="the argument, or the record")
    is_kind = isinstance(value, KINDS[fact.kind]) and (fact.kind != "number" or not isinstance(value, bool))
    if not is_kind or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"the answer {name} = {value!r}", expected=f"a {fact.kind}: {fact.meaning}")
    if fact.values and value not in fact.values:
        raise InputError(f"the answer {name} = {value!r}", expected=nearest(str(value), fact.values))


def checks_of(
    facts: Mapping[str, Any], *, protocol: Protocol, wanted: Route | None, on: date | None
) -> Checks:
    """Judge one recipient by every rule that a plan rests on. ``on`` None asks all rules."""
    chosen = choose_route(facts, protocol=protocol, wanted=wanted, on=on)
    known = {**facts, "route": chosen.route.value if chosen.route else None}
    prepared = judge_each(known, rules=_rules("preparation", on=on))
    return Checks(
        facts=known,
        recipient=judge_each(known, rules=_rules("recipient", on=on)),
        preparation={verdict.rule.id: verdict for verdict in prepared},
        route=chosen,
    )


def is_asked(rule: Rule, *, facts: Mapping[str, Any]) -> bool:
    """Whether a rule is about this patient at all: one limited to another disease or route is met idly."""
    match rule.condition:
        case Either((Not() as limit, *_)):
            return holds(limit, facts) is not True
        case _:
            return True


def _rules(name: str, *, on: date | None) -> tuple[Rule, ...]:
    return rule_set(name) if on is None else in_force(rule_set(name), on=on)


def choose_route(
    facts: Mapping[str, Any], *, protocol: Protocol, wanted: Route | None, on: date | None
) -> RouteChoice:
    """Choose the route: the one wanted, else the protocol's first that no rule closes or cautions against.

    A route that a hard rule closes is never chosen; one with a caution only where none is without. A route
    whose questions are open can be chosen, and its outcome is then undetermined.
    """
    rules = _rules("routes", on=on)
    first = [wanted.value] if wanted else []
    order: list[str] = [*first, *(code for code in protocol.routes.order if code not in first)]
    judged = {code: judge_each({**facts, "route": code}, rules=rules) for code in order}
    outcomes = {code: combine(verdicts) for code, verdicts in judged.items()}
    cautions = {code: _cautions(judged[code]) for code in order}
    free = [code for code in order if outcomes[code] != "not_met"]
    free.sort(key=lambda code: bool(cautions[code]))
    code = wanted.value if wanted else free[0] if free else None
    others = tuple(_other(c, judged[c], outcomes[c]) for c in order if c != code)
    if code is None:
        return RouteChoice(None, "not_met", _closing(judged.values()), "Every route is closed.", others)
    return RouteChoice(
        Route(code),
        outcomes[code],
        tuple(v for v in judged[code] if v.outcome != "met"),
        _why(code, protocol=protocol, is_wanted=wanted is not None, outcomes=outcomes, cautions=cautions),
        others,
    )


def _cautions(verdicts: Iterable[Verdict]) -> list[str]:
    return [v.rule.id for v in verdicts if not v.rule.is_binding and v.outcome == "not_met"]


def _closing(judged: Iterable[Iterable[Verdict]]) -> tuple[Verdict, ...]:
    found = [v for verdicts in judged for v in verdicts if v.rule.is_binding and v.outcome == "not_met"]
    return tuple({verdict.rule.id: verdict for verdict in found}.values())


def _other(code: str, verdicts: Iterable[Verdict], outcome: str) -> str:
    label = Route(code).entry.label
    unmet = [v.rule.id for v in verdicts if v.rule.is_binding and v.outcome == outcome]
    words = {
        "not_met": f"closed by {', '.join(unmet)}",
        "undetermined": f"open questions ({', '.join(unmet)})",
        "met": "open",
    }
    return f"{label}: {words[outcome]}"


def _why(
    code: str,
    *,
    protocol: Protocol,
    is_wanted: bool,
    outcomes: Mapping[str, str],
    cautions: Mapping[str, list[str]],
) -> str:
    """Return the reason for a route in words: who chose it, what the order rests on, what was passed over."""
    order = protocol.routes.order
    if is_wanted:
        place = f"place {order.index(code) + 1} of {len(order)}" if code in order else "not among them"
        return f"Asked for by the clinician; in the protocol's order of preference: {place}."
    before = order[: order.index(code)]
    why = {c: "closed" if outcomes[c] == "not_met" else f"caution {', '.join(cautions[c])}" for c in before}
    passed = [f"{Route(c).entry.label} ({why[c]})" for c in before]
    first = f"First in the protocol's order of preference that is not closed: {protocol.routes.reason}."
    return f"{first} Passed over: {', '.join(passed)}." if passed else first
