"""A patient's eligibility: facts from everything on record, verdicts, what is missing and where; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

from commensal.registry.permitted import MAJORITY_YEARS, Permitted, birthday, years_between
from commensal.vocabulary.conditions import Answer, holds
from commensal.vocabulary.eligibility import judge_routes, rule_set, study_rules
from commensal.vocabulary.facts import Fact, find_fact
from commensal.vocabulary.immunocompromise import immunocompromise, immunocompromise_rules
from commensal.vocabulary.routes import Route
from commensal.vocabulary.rules import Verdict, combine, in_force, judge_each

Facts = dict[str, Answer | None]

GRADES = ("none", "mild_moderate", "severe")
ANSWER_DAYS = 30
"""How long a clinician's answer counts; what a patient has "now" is asked again (this project's choice)."""

# Where a fact is entered, for those that no answer on the page of questions gives.
OWN_ROW, GRADE = "own_row", "grade"
ENTERED: dict[str, str] = {
    "age_at_index_years": OWN_ROW,
    "indication": OWN_ROW,
    "evidence_status": OWN_ROW,
    "cohort": OWN_ROW,
    "has_anaphylactic_food_allergy": OWN_ROW,
    "has_severe_complication_before_index": OWN_ROW,
    "recipient_cmv_igg": OWN_ROW,
    "recipient_ebv_igg": OWN_ROW,
    "immunocompromise": GRADE,
    "neutrophils_per_mm3": "lab_results",
    "lymphocytes_per_mm3": "lab_results",
    "albumin_grams_per_litre": "lab_results",
    "bmi": "lab_results",
    "prednisone_milligrams_per_day": "medication",
    "weeks_on_prednisone": "medication",
    "takes_chemotherapy": "medication",
    "takes_immunosuppressant": "medication",
    "takes_biologic": "medication",
    "takes_small_molecule": "medication",
    "has_treatment_consent": "consent",
    "has_informed_consent": "consent",
    "has_data_use_consent": "consent",
    "has_ethics_waiver": "consent",
    "has_guardian_permission": "consent",
    "has_assent": "consent",
    "study_id": "consent",
    "has_reconsented_at_majority": "consent",
    "days_from_informed_consent_to_first_procedure": "consent",
    "days_from_diagnosis_to_index": "diagnoses",
    "is_of_age_now": OWN_ROW,
    "n_sessions": "session",
}
NOT_ASKED = ("is_waiver_allowed", "route", "is_bowel_prepared", "is_sedated")
"""The centre's policy, the route itself, and what is known on the day of the procedure only."""

ALSO_ASKED = ("weeks_on_prednisone",)
"""Facts that the medication list gives only sometimes: they are asked as well."""


@dataclass(frozen=True)
class Missing:
    """One fact that is not known, its meaning and where it is entered ("answer": among the questions)."""

    fact: str
    meaning: str
    where: str


@dataclass(frozen=True)
class RouteVerdict:
    """What the rules say of one route: open, closed or not known, and what stands against it."""

    route: str
    outcome: str
    against: tuple[Verdict, ...]


@dataclass(frozen=True)
class Eligibility:
    """The verdicts on one patient on a day."""

    on: date
    outcome: str
    recipient: tuple[Verdict, ...]
    study: tuple[Verdict, ...]
    routes: tuple[RouteVerdict, ...]

    @property
    def blocking(self) -> tuple[Verdict, ...]:
        """Binding rules of the recipient that are not met."""
        return tuple(v for v in self.recipient if v.rule.is_binding and v.outcome == "not_met")

    @property
    def open(self) -> tuple[Verdict, ...]:
        """Binding rules of the recipient that cannot be answered yet."""
        return tuple(v for v in self.recipient if v.rule.is_binding and v.outcome == "undetermined")

    @property
    def warnings(self) -> tuple[Verdict, ...]:
        """Rules that only warn, and do not hold or cannot be answered."""
        return tuple(v for v in self.recipient if not v.rule.is_binding and v.outcome != "met")

    @property
    def missing(self) -> tuple[Missing, ...]:
        """Every fact that could still change a verdict on the recipient, each once."""
        return missing_of(self.recipient)


def judged(facts: Mapping[str, Answer | None], *, on: date) -> Eligibility:
    """Judge one patient by the vocabulary's rules for recipients, routes and the study."""
    recipient = judge_each(facts, rules=in_force(rule_set("recipient"), on=on))
    routes = judge_routes(facts, routes=[route.value for route in Route])
    return Eligibility(
        on,
        combine(recipient),
        recipient,
        judge_each(facts, rules=in_force(study_rules(), on=on)),
        tuple(RouteVerdict(route, outcome, against) for route, (outcome, against) in routes.items()),
    )


def missing_of(verdicts: Iterable[Verdict]) -> tuple[Missing, ...]:
    """Return the facts that could still change a verdict that is not met, each once."""
    wanted = dict.fromkeys(
        name for v in verdicts if v.outcome != "met" for name in v.missing if _matters(name, v)
    )
    return tuple(Missing(name, find_fact(name).meaning, where_of(name)) for name in wanted)


def _matters(name: str, verdict: Verdict) -> bool:
    """Whether an answer could change a verdict, whatever else is answered: a guardian's is not an adult's."""
    if find_fact(name).kind != "boolean":
        return True
    condition, known = verdict.rule.condition, dict(verdict.answers)
    others = [other for other in verdict.missing if other != name and find_fact(other).kind == "boolean"]
    return any(
        holds(condition, {**known, **dict(zip(others, said, strict=True)), name: True})
        != holds(condition, {**known, **dict(zip(others, said, strict=True)), name: False})
        for said in product((True, False, None), repeat=len(others))
    )


def where_of(fact: str) -> str:
    """Return where a fact is entered."""
    return ENTERED.get(fact, "nowhere" if fact in NOT_ASKED else "answer")


def gathered(
    recorded: Mapping[str, Answer | None],
    drugs: Mapping[str, Answer | None],
    answers: Iterable[Mapping[str, Any]],
    *,
    on: date,
    standing: Permitted,
) -> Facts:
    """Return one patient's facts: those of the tables, else of the medication list, else answered.

    Of the immunocompromise on record and the one that the facts give now, the graver holds. Whoever withdrew
    from treatment has no consent to it, whatever was signed before.
    """
    facts: Facts = dict(answered(answers, on=on))
    for source in (drugs, recorded):
        facts |= {name: value for name, value in source.items() if value is not None}
    grade = graver(facts.get("immunocompromise"), immunocompromise(facts).grade)
    if grade is not None:
        facts["immunocompromise"] = grade
    if not standing.may_treat:
        facts["has_treatment_consent"] = False
        facts["has_guardian_permission"] = False
    return facts


def answered(answers: Iterable[Mapping[str, Any]], *, on: date) -> Facts:
    """Return the latest answer to each question that is not too old; of one day the last given counts."""
    facts: Facts = {}
    for row in sorted(answers, key=lambda row: (row["found_on"], row["answered_at"])):
        if 0 <= (on - row["found_on"]).days <= ANSWER_DAYS:
            facts[row["fact"]] = row["is_so"] if row["is_so"] is not None else row["value"]
    return facts


def graver(recorded: Answer | None, found: str | None) -> Answer | None:
    """Return the graver of the grade on record and the one that the facts give now."""
    known = [grade for grade in (recorded, found) if grade in GRADES]
    return max(known, key=GRADES.index, default=None)


def coming_of_age(born_on: date | None, consents: Iterable[Any], *, on: date) -> Facts:
    """Return whether a patient has come of age since, and consented anew."""
    if born_on is None:
        return {}
    majority = birthday(born_on, MAJORITY_YEARS)
    signed = [
        row["signed_on"]
        for row in consents
        if row["type"] == "informed_signed" and row["signed_on"] is not None and row["withdrawn_on"] is None
    ]
    return {
        "is_of_age_now": years_between(born_on, on) >= MAJORITY_YEARS,
        "has_reconsented_at_majority": any(majority <= day <= on for day in signed),
    }


def asked_facts() -> tuple[Fact, ...]:
    """Return the facts that a clinician is asked, in the order of the rules."""
    rules = (*rule_set("recipient"), *immunocompromise_rules(), *rule_set("routes"))
    names = dict.fromkeys(fact for rule in rules for fact in rule.facts)
    return tuple(find_fact(n) for n in names if where_of(n) == "answer" or n in ALSO_ASKED)
