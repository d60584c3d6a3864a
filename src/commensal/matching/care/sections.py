"""A care plan put together: whether it may be carried out, then each section as a clinician reads it."""

from __future__ import annotations

from collections.abc import Sequence

from commensal.matching.care.checks import Checks, is_asked
from commensal.matching.care.items import (
    Item,
    Weight,
    baseline_items,
    cite,
    cited,
    dose_items,
    follow_up_items,
    meanings,
    product_items,
    route_items,
    session_items,
    watch_items,
    why,
)
from commensal.vocabulary import Verdict, indication
from commensal.vocabulary.conditions import facts_of, holds
from commensal.vocabulary.protocols import SECTIONS, Protocol, Regimen, Statement, no_figure
from commensal.vocabulary.rules import worst


def items_of(
    protocol: Protocol,
    checks: Checks,
    *,
    weight: Weight,
    regimen: Regimen | None,
    barred_donors: Sequence[str],
) -> list[Item]:
    """Return every item of a plan. A section on which nothing is known says so."""
    sections: dict[str, list[Item]] = {name: [] for name in SECTIONS}
    made = [
        *_evidence(protocol, checks),
        *_eligibility(checks),
        *baseline_items(protocol, checks),
        *route_items(protocol, checks),
        *product_items(protocol, checks, barred_donors=barred_donors),
        *dose_items(protocol, checks, weight=weight),
        *session_items(protocol, checks, regimen=regimen),
        *watch_items(),
        *follow_up_items(protocol, checks, regimen=regimen),
        *(_said(statement, checks) for statement in protocol.statements if _applies(statement, checks)),
    ]
    for item in made:
        sections[item.section].append(item)
    for name, items in sections.items():
        if not items:
            items.append(Item(section=name, item=name, content=no_figure(), source=cite("DESIGN", "D")))
    return [_head(protocol, checks), *(item for name in SECTIONS for item in sections[name])]


# ---- what may be done at all -----------------------------------------------------------------------------


def _head(protocol: Protocol, checks: Checks) -> Item:
    """Return the first row: whether the plan may be carried out, with every binding rule that is unmet."""
    failed = [v for v in checks.unmet if v.outcome == "not_met"]
    asked = [v for v in checks.unmet if v.outcome == "undetermined"]
    words = []
    if failed or checks.route.route is None:
        closed = ["every route of the protocol is closed"] if checks.route.route is None else []
        named = [*(f"{v.rule.id} ({v.rule.sentence.removesuffix('.')})" for v in failed), *closed]
        words.append(f"Not to be carried out: {'; '.join(named)}.")
    words += _questions(asked, protocol)
    if not words:
        words.append("No binding rule stands against the plan on the answers given; a physician decides.")
    return Item(
        section="eligibility",
        item="verdict",
        content=" ".join(words),
        verdict=checks.outcome,
        rule_id=";".join(v.rule.id for v in checks.unmet) or None,
        reason=f"{len(failed)} not met, {len(asked)} not answered",
        source=cite("DESIGN", "D"),
    )


def _questions(asked: Sequence[Verdict], protocol: Protocol) -> list[str]:
    """Return the open questions of binding rules: those to answer now, and those of the day itself."""
    facts = list(dict.fromkeys(fact for verdict in asked for fact in verdict.missing))
    later = [fact for fact in facts if fact in protocol.asked_on_the_day]
    now = [fact for fact in facts if fact not in later]
    words = [f"Not to be carried out before these are answered: {meanings(now)}."] if now else []
    if later:
        words.append(f"Not to be carried out before this is confirmed on the day: {meanings(later)}.")
    return words


def _evidence(protocol: Protocol, checks: Checks) -> list[Item]:
    entry, study = indication(protocol.indication), checks.facts.get("study_id")
    standing = {
        "guideline_supported": "A guideline supports it.",
        "trial_only": "Trial only.",
        "investigational": "Trial only; investigational.",
    }[entry.status]
    inside = f" Inside study {study}." if study else " No study id is recorded." if entry.needs_study else ""
    source = f"{entry.citation} ({entry.year})"
    items = [
        Item(
            section="evidence",
            item="standing",
            content=f"FMT for {entry.label}: {standing}{inside} {entry.stance}",
            source=source,
            reason=f"evidence status: {entry.status}",
        )
    ]
    if entry.control_response_text:
        said = f"Without FMT: {entry.control_response_text}."
        of = f"{entry.control_response_source} (confidence {entry.control_response_confidence})"
        items.append(Item(section="evidence", item="control arms", content=said, source=of))
    return items


def _eligibility(checks: Checks) -> list[Item]:
    return [
        Item(
            section="eligibility",
            item=f"rule {v.rule.id}",
            content=v.rule.sentence,
            verdict=v.outcome,
            rule_id=v.rule.id,
            reason=None if v.outcome == "met" else why(v),
            source=cited(v),
        )
        for v in checks.recipient
        if is_asked(v.rule, facts=checks.facts)
    ]


# ---- statements of the library ---------------------------------------------------------------------------


def _applies(statement: Statement, checks: Checks) -> bool:
    """Whether a statement is printed: its condition holds, or cannot be told."""
    return statement.when is None or holds(statement.when, checks.facts) is not False


def _said(statement: Statement, checks: Checks) -> Item:
    verdicts = [checks.preparation[code] for code in statement.rules if code in checks.preparation]
    reasons = [_condition(statement, checks), *(why(v) for v in verdicts if v.outcome != "met")]
    return Item(
        section=statement.section,
        item=statement.item,
        content=statement.content,
        value=statement.value,
        unit=statement.unit,
        verdict=worst(v.outcome for v in verdicts) if verdicts else None,
        rule_id=";".join(v.rule.id for v in verdicts) or None,
        reason=" ".join(filter(None, reasons)) or None,
        source=cite(statement.source, statement.confidence),
    )


def _condition(statement: Statement, checks: Checks) -> str | None:
    if statement.when is None or holds(statement.when, checks.facts):
        return None
    open_facts = [name for name in facts_of(statement.when) if checks.facts.get(name) is None]
    return f"Printed because it cannot be told whether it applies; open: {meanings(open_facts)}."
