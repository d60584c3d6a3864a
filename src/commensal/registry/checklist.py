"""The check before a procedure: what each item says, and whether the procedure may begin; pure.

Rules that exclude or defer are never overridden, nor is what nobody can answer of them. What asks for a
physician's review may be overridden by one, for a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from commensal.vocabulary import rule_set

RULES = ("recipient", "preparation", "routes", "gates")
UPPER = ("nasogastric", "nasoduodenal", "nasojejunal", "gastroscopy_duodenal")
"""Routes by which the patient is kept upright: aspiration is the risk."""


@dataclass(frozen=True)
class Item:
    """One item that is open: ``is_firm`` is never overridden; ``unit`` names the unit it is about."""

    code: str
    sentence: str
    outcome: str
    is_firm: bool
    source: str
    unit: str = ""


def answered_items(
    *, route: str, is_identity_confirmed: bool | None, is_positioned: bool | None
) -> list[Item]:
    """Return what is open of the questions that only the bedside answers."""
    asked = [
        ("identity", "The patient was identified by two identifiers.", is_identity_confirmed, True),
    ]
    if route in UPPER:
        upright = "The patient lies with the head raised by 45 degrees or more."
        asked.append(("position", upright, is_positioned, False))
    return [
        Item(code, sentence, "undetermined" if said is None else "not_met", is_firm, "PRACTICE")
        for code, sentence, said, is_firm in asked
        if said is not True
    ]


def rule_items(refusals: Iterable[Mapping[str, Any]], *, units: Iterable[str]) -> list[Item]:
    """Return the rules that a match run found against some units; one against all of them is said once."""
    wanted, found = list(units), {}
    for row in refusals:
        if row["unit_id"] in wanted:
            found.setdefault((row["rule_id"], row["verdict"], row["explanation"]), []).append(row)
    return [
        Item(
            rule_id,
            explanation,
            verdict,
            is_firm_rule(rule_id),
            rows[0]["source"],
            "" if len(rows) == len(wanted) else ", ".join(row["unit_id"] for row in rows),
        )
        for (rule_id, verdict, explanation), rows in found.items()
    ]


def is_firm_rule(rule_id: str) -> bool:
    """Whether a rule is never overridden: it excludes or defers, or is not known here."""
    known = {rule.id: rule for name in RULES for rule in rule_set(name)}
    return rule_id not in known or known[rule_id].consequence != "refer"


def outcome_of(items: Iterable[Item], *, is_overridden: bool) -> str:
    """Return whether the procedure may begin: passed, overridden or blocked."""
    items = list(items)
    if not items:
        return "passed"
    return "overridden" if is_overridden and not any(item.is_firm for item in items) else "blocked"


def as_rows(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Return items as plain rows, to be kept."""
    return [asdict(item) for item in items]
