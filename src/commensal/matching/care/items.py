"""The items of a care plan that are worked out for the patient: route, product, dose, sessions, visits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from commensal.matching.care.checks import NOT_ASKED_HERE, Checks
from commensal.vocabulary import (
    Verdict,
    adverse_events,
    endpoints_for,
    find_fact,
    indication,
    is_within,
    products,
    routes,
    window_of,
)
from commensal.vocabulary.endpoints import Endpoint
from commensal.vocabulary.instruments import instrument
from commensal.vocabulary.protocols import (
    ADULT_FROM_YEARS,
    Protocol,
    Regimen,
    Stage,
    no_figure,
)
from commensal.vocabulary.rules import CONSEQUENCES
from commensal.vocabulary.sources import find_source

LICENSED = ("live_biotherapeutic_rectal", "live_biotherapeutic_oral")
OWN_STOOL = "autologous"
COHORT = "prospective"
"""A plan is made ahead, so its visits have the windows of prospective patients."""
WATCHED = ("ae11", "ae12", "ae15", "ae16", "ae19")
"""Events that are asked for by name while the patient is watched, and at every contact."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One row of ``care_plans`` before it is numbered."""

    section: str
    item: str
    content: str
    source: str
    value: float | None = None
    unit: str | None = None
    day: int | None = None
    verdict: str | None = None
    rule_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Weight:
    """Body weight on record, in kilograms, and how many days before the plan it was measured."""

    kilograms: float | None
    age_days: int | None


def cite(source: str, confidence: str) -> str:
    """Return a source with its year and the project's confidence in it, as it is printed."""
    found = find_source(source)
    return f"{found.title} ({found.year}; confidence {confidence})"


def why(verdict: Verdict) -> str:
    """Return what a verdict rests on, in a clinician's words; the rule and its source stand beside it."""
    head = {
        "met": "Met.",
        "not_met": f"Not met ({CONSEQUENCES[verdict.rule.consequence]}).",
        "undetermined": "Not answered, so not met." if verdict.rule.is_binding else "Not answered.",
    }[verdict.outcome]
    parts = [head]
    told = [f"{_meaning(f)}: {_value(v)}" for f, v in verdict.answers if f not in NOT_ASKED_HERE]
    if told:
        parts.append(f"On record: {'; '.join(told)}.")
    if verdict.missing:
        parts.append(f"Open: {meanings(verdict.missing)}.")
    return " ".join(parts)


def meanings(facts: Iterable[str]) -> str:
    """Return facts in words."""
    return "; ".join(_meaning(fact) for fact in facts)


def _meaning(fact: str) -> str:
    return find_fact(fact).meaning


def _value(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else f"{value}"


def cited(verdict: Verdict) -> str:
    """Return the source of a verdict's rule, as it is printed."""
    return cite(verdict.rule.source, verdict.rule.confidence)


# ---- route, product, dose --------------------------------------------------------------------------------


def route_items(protocol: Protocol, checks: Checks) -> list[Item]:
    """Return the route with its reason, every rule of it that is open, and the other routes."""
    chosen = checks.route
    order = protocol.routes
    label = f"{chosen.route.entry.label}: {chosen.route.entry.delivery}." if chosen.route else "No route."
    items = [
        Item(
            section="route",
            item="route",
            content=label,
            verdict=chosen.outcome,
            rule_id=";".join(v.rule.id for v in chosen.open) or None,
            reason=chosen.reason,
            source=cite(order.source, order.confidence),
        )
    ]
    items += [
        Item(
            section="route",
            item=f"rule {v.rule.id}",
            content=v.rule.sentence,
            verdict=v.outcome,
            rule_id=v.rule.id,
            reason=_answered(v, protocol),
            source=cited(v),
        )
        for v in chosen.open
    ]
    others = "; ".join(chosen.others) or "none in the protocol"
    said = f"Other routes of the protocol: {others}."
    source = cite(order.source, order.confidence)
    return [*items, Item(section="route", item="other routes", content=said, source=source)]


def _answered(verdict: Verdict, protocol: Protocol) -> str:
    """Return why a rule of the route is open, and when its questions are answered."""
    today = [fact for fact in verdict.missing if fact not in protocol.asked_on_the_day]
    later = [fact for fact in verdict.missing if fact in protocol.asked_on_the_day]
    words = [why(verdict)]
    words += ["To be answered before."] if today else []
    words += [f"To be confirmed on the day of the session: {meanings(later)}."] if later else []
    return " ".join(words)


def product_items(protocol: Protocol, checks: Checks, *, barred_donors: Sequence[str]) -> list[Item]:
    """Return the kinds of product the route takes, and the donors that are not used again."""
    route = checks.route.route
    items = []
    if route is not None:
        fit = [code for code in routes().get(route.value).products if _is_given(code, protocol, checks)]
        kinds = ", ".join(products().get(code).label for code in fit)
        said = f"Any of: {kinds}." if fit else "No product of the list can be given by this route."
        items.append(
            Item(
                section="product",
                item="kind",
                content=said,
                source=f"List of products for {route.entry.label}",
            )
        )
    if barred_donors:
        said = f"No material of donor {', '.join(barred_donors)}: a severe reaction followed or may have."
        items.append(
            Item(section="product", item="donors not used again", content=said, source=cite("DESIGN", "D"))
        )
    return items


def _is_given(product: str, protocol: Protocol, checks: Checks) -> bool:
    """Own stool is for research and placebo alone; the licensed products prevent recurrence in adults."""
    if product in LICENSED:
        return protocol.indication == "rcdi" and (checks.facts["age_at_index_years"] or 0) >= ADULT_FROM_YEARS
    return product != OWN_STOOL


def dose_items(protocol: Protocol, checks: Checks, *, weight: Weight) -> list[Item]:
    """Return the dose of one session in grams of stool, or why there is none."""
    age = checks.facts.get("age_at_index_years")
    grams = protocol.dose.of(age_years=age, weight_kilograms=weight.kilograms)
    said = f"{grams:g} g of stool a session." if grams is not None else "No dose can be given."
    return [
        Item(
            section="dose",
            item="dose",
            content=said,
            value=grams,
            unit="g" if grams is not None else None,
            reason=_dose_reason(protocol, age=age, weight=weight, grams=grams),
            source=cite(protocol.dose.source, protocol.dose.confidence)
            if age is not None and age >= ADULT_FROM_YEARS
            else cite("CN20", "H"),
        )
    ]


def _dose_reason(protocol: Protocol, *, age: float | None, weight: Weight, grams: float | None) -> str:
    if age is None:
        return "The age is not known, so neither is whether the dose goes by weight."
    if age >= ADULT_FROM_YEARS:
        return "The adult's standard dose; a study's own protocol may set another."
    if weight.kilograms is None:
        return "A child's dose goes by body weight, and none is recorded in kilograms."
    measured = f"weighed {weight.age_days} days before" if weight.age_days is not None else "day unknown"
    said = f"1 g per kilogram at {weight.kilograms:g} kg ({measured}; weigh again before the session)"
    if grams is None:
        return f"{said}: outside the plausible range of a dose; a paediatrician decides."
    return f"{said}, never above the adult's {protocol.dose.grams:g} g."


# ---- sessions and what follows ---------------------------------------------------------------------------


def session_items(protocol: Protocol, checks: Checks, *, regimen: Regimen | None) -> list[Item]:
    """Return the regimen with its stages, and the other published ones."""
    route = checks.route.route
    others = [r for r in protocol.regimens if r != regimen]
    if regimen is None:
        by = f" by {route.entry.label}" if route else ""
        said = f"No published regimen for this indication{by}. {no_figure()}"
        items = [Item(section="sessions", item="regimen", content=said, source=cite("DESIGN", "D"))]
    else:
        source = cite(regimen.source, regimen.confidence)
        said = f"As published: {regimen.label}."
        needs_study = indication(protocol.indication).needs_study
        note = "A study's own protocol comes first." if needs_study else None
        items = [Item(section="sessions", item="regimen", content=said, source=source, reason=note)]
        items += [_stage(n, stage, source=source) for n, stage in enumerate(regimen.stages, start=1)]
    return items + [
        Item(
            section="sessions",
            item="another published regimen",
            content=f"Also published: {other.label} ({_by(other)}).",
            source=cite(other.source, other.confidence),
        )
        for other in others
    ]


def _by(regimen: Regimen) -> str:
    return "by " + ", ".join(routes().get(route).label for route in regimen.by)


def _stage(number: int, stage: Stage, *, source: str) -> Item:
    missing = []
    if stage.n_sessions is None:
        missing.append("number of sessions")
    if stage.every_days is None and (stage.n_sessions or 2) > 1:
        missing.append("interval")
    return Item(
        section="sessions",
        item=f"stage {number}",
        content=_stage_words(stage),
        value=None if stage.total is None else float(stage.total),
        unit=None if stage.total is None else "sessions",
        day=stage.from_day,
        reason=f"No figure in the source: {', '.join(missing)}. {no_figure()}" if missing else None,
        source=source,
    )


def _stage_words(stage: Stage) -> str:
    count = "Sessions" if stage.n_sessions is None else _plural(stage.n_sessions, "session")
    parts = [f"{_plural(stage.n_courses, 'course')} of {count.lower()}" if stage.n_courses > 1 else count]
    if stage.every_days is not None:
        parts.append("daily" if stage.every_days == 1 else f"every {stage.every_days} days")
    if stage.course_every_days is not None:
        parts.append(f"a course every {stage.course_every_days} days")
    if stage.from_day is not None:
        parts.append(f"from day {stage.from_day}")
    return ", ".join([*parts, *filter(None, [stage.words])]) + "."


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def baseline_items(protocol: Protocol, checks: Checks) -> list[Item]:
    """Return the scores that must exist before the first session, without which no outcome can be read."""
    window = window_of("SCR", cohort=COHORT)
    names = _instruments(protocol, checks)
    said = f"Severity by {', '.join(names)}" if names else "Severity: no score is defined here; by the study"
    return [
        Item(
            section="tests_before",
            item="baseline severity",
            content=f"{said}, on day {window.open} to {window.close}, before preparation antibiotics.",
            day=window.target,
            source=cite(window.source, window.confidence),
        )
    ]


def _instruments(protocol: Protocol, checks: Checks) -> list[str]:
    age = checks.facts.get("age_at_index_years")
    measures = [e.measure_at(age) for e in endpoints_for(protocol.indication)]
    codes = dict.fromkeys(m.instrument for m in measures if m is not None)
    return [instrument(code).label for code in codes]


def watch_items() -> list[Item]:
    """Return the events that are asked for by name."""
    names = ", ".join(adverse_events().get(code).label for code in WATCHED)
    return [
        Item(
            section="observation",
            item="asked for by name",
            content=f"At discharge and at every contact: {names}. The patient has a number to call.",
            source=cite("PRACTICE", "M"),
        )
    ]


VISITS = ("W1", "W4", "W8", "M3", "M6", "Y1", "Y2", "Y3", "Y4", "Y5")


def follow_up_items(protocol: Protocol, checks: Checks, *, regimen: Regimen | None) -> list[Item]:
    """Return the visits with their windows and what is read at each."""
    items = [_visit(code, protocol, checks) for code in VISITS]
    last = _last_day(regimen)
    if is_within(protocol.indication, "cdi") and last:
        days = f"The last session planned is on day {last}: week 8 is read from day {last + 56} on."
        source = cite("ECOSPOR3", "H")
        items.append(
            Item(section="follow_up", item="week 8 of this plan", content=days, day=last + 56, source=source)
        )
    return items


def _last_day(regimen: Regimen | None) -> int | None:
    days = [stage.last_day for stage in regimen.stages] if regimen else [None]
    return None if None in days else max(day for day in days if day is not None)


def _visit(code: str, protocol: Protocol, checks: Checks) -> Item:
    window = window_of(code, cohort=COHORT)
    read = _endpoint(code, protocol) if window.is_landmark else None
    purpose = _read(read, checks) if read else "Adverse events, symptoms, new disease"
    return Item(
        section="follow_up",
        item=f"visit {code}",
        content=f"{window.label}: day {window.target} ({window.open} to {window.close}). {purpose}.",
        day=window.target,
        source=cite(window.source, window.confidence),
        reason=f"Endpoint: {_endpoint_source(read, checks)}" if read else None,
    )


def _endpoint(code: str, protocol: Protocol) -> Endpoint | None:
    """Return the primary endpoint at a landmark; None where there is none."""
    rows = endpoints_for(protocol.indication, landmark=code)
    return next((row for row in rows if row.is_primary), None)


def _endpoint_source(endpoint: Endpoint, checks: Checks) -> str:
    measure = endpoint.measure_at(checks.facts["age_at_index_years"])
    if endpoint.child is not None and measure == endpoint.child.measure:
        return cite(endpoint.child.source, endpoint.child.confidence)
    return cite(endpoint.source, endpoint.confidence)


def _read(endpoint: Endpoint, checks: Checks) -> str:
    """Return what is read at a landmark, by the measure that is valid at the patient's age."""
    measure, name = endpoint.measure_at(checks.facts["age_at_index_years"]), endpoint.code.replace("_", " ")
    if measure == endpoint.measure:
        return endpoint.rule.removesuffix(".")
    if measure is None:
        return f"No measure of {name} is valid at this age"
    return f"The paediatric measure of {name}: {instrument(measure.instrument).label}"
