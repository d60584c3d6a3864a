"""Changes to donors: first contact, consent, screening results and answers, and the decision on a donor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.utils import timezone

from commensal.bank.release import screening_results
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.custody import day_of
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS
from commensal.registry.rows import donor_study
from commensal.study import donor_facts
from commensal.vocabulary.donor_verdicts import ScreeningVerdict, donor_verdict
from commensal.vocabulary.questionnaires import QuestionAnswer, questionnaire_facts
from commensal.vocabulary.rules import Verdict, combine, judge_each, worst
from commensal.vocabulary.screening import Profile, screening_profile
from commensal.vocabulary.sources import read_table

PROFILE = "STRICT"
"""The profile the registry releases by: the most restrictive merge, the only one complete as shipped."""


def profile_on(on: date) -> Profile:
    """Return the screening profile in force on a date."""
    return screening_profile(PROFILE, on=on)


SAME_DAY = "same_day_questionnaire"
SAME_DAY_STATES = ("household_infection", "blood_in_stool", "menstruation")
FOLLOWED = ("pending", "equivocal", "invalid")
ASKED = ("questionnaire", "examination", "same_day_questionnaire")
"""What a donor was asked, at first contact or at a donation: a yes counts wherever it was said."""


@action("coordinator", "lab", "physician")
def add_donor(desk: Desk, **values: Any) -> Any:
    """Enter a donor; every donor starts as a candidate."""
    return desk.add("donors", **{**values, "status": "candidate"})


@action("coordinator", "physician", "lab")
def add_donor_consent(desk: Desk, *, donor: str, **values: Any) -> Any:
    """Record a donor's signed consent."""
    return desk.add("consents", donor_id=desk.one("donors", donor).pk, type="donor_consent", **values)


@action("lab", "physician", "coordinator")
def record_results(
    desk: Desk,
    *,
    donor: str,
    collected_on: date,
    results: Iterable[Mapping[str, Any]],
    donation: str | None = None,
) -> list[Any]:
    """Record test results or answers of one donor taken on one day.

    ``results`` are mappings with analyte, specimen, result and perhaps method, value, event_on; those without
    a result and a value are left out: not answered is not negative.
    """
    owner = desk.one("donors", donor)
    common = {
        "donor_id": owner.pk,
        "donation_id": donation,
        "collected_on": collected_on,
        "verified_by": desk.name,
    }
    given = [r for r in results if r.get("result") or r.get("value") is not None]
    if not given:
        raise InputError("no result was entered", do="choose a result for at least one test")
    return desk.add_all("screenings", [{**result, **common} for result in given])


@action("physician", needs_reason=True)
def resolve_result(desk: Desk, *, result: str) -> Any:
    """Record that a physician has cleared a finding, with the reason."""
    return desk.change(desk.one("screenings", result), is_resolved=True)


@action("lab", "physician")
def follow_result(
    desk: Desk,
    *,
    result: str,
    outcome: str,
    collected_on: date | None = None,
    reported_on: date | None = None,
    method: str | None = None,
) -> Any:
    """Record what became of a pending, equivocal or invalid result: the new one stands in its place.

    ``collected_on`` is the day of another specimen; empty where the same one was reported. Refuses
    (RefusedError) to follow a positive: that a physician clears, and nothing replaces.
    """
    old = desk.one("screenings", result)
    if old.result not in FOLLOWED:
        raise RefusedError(
            f"a {old.result or 'missing'} result is not followed by another",
            expected="a pending, equivocal or invalid one",
            do="a finding is cleared by a physician; a new screen is a new result",
        )
    if MODELS["screenings"].objects.filter(supersedes=old).exists():
        raise RefusedError("this result was followed by another already")
    if collected_on is not None and old.collected_on is not None and collected_on < old.collected_on:
        raise InputError(f"taken on {collected_on}", expected=f"{old.collected_on} or later")
    return desk.add(
        "screenings",
        donor_id=old.donor_id,
        donation_id=old.donation_id if collected_on is None else None,
        analyte=old.analyte,
        specimen=old.specimen,
        method=method or old.method,
        result=outcome,
        collected_on=collected_on or old.collected_on,
        reported_on=reported_on,
        supersedes=old.pk,
        verified_by=desk.name,
    )


@action("lab", "coordinator", "physician")
def answer_same_day(
    desk: Desk, *, donation: str, answers: Mapping[str, tuple[str | None, date | None]]
) -> Any:
    """Record the health questions of one donation, asked that day: question → (result, date of the event).

    The questionnaire is clean only where every question was answered with no; one that was not answered
    leaves it unknown. Refuses (RefusedError) to ask twice.
    """
    row = desk.one("donations", donation)
    asked = same_day_questions(row.donated_on or date.max, sex=row.donor.sex)
    if unknown := sorted(set(answers) - set(asked)):
        raise InputError(f"{unknown[0]!r} is not asked at a donation")
    mine = MODELS["screenings"].objects.filter(donation=row, specimen=SAME_DAY)
    if mine.exclude(analyte="menstruation").exists():
        raise RefusedError("the questions of this donation are answered already")
    known = set(mine.values_list("analyte", flat=True))
    given = {name: answer for name, answer in answers.items() if answer[0] and name not in known}
    desk.add_all(
        "screenings",
        [
            {
                "donor_id": row.donor_id,
                "donation_id": row.pk,
                "analyte": name,
                "specimen": SAME_DAY,
                "result": result,
                "event_on": event_on,
                "collected_on": row.donated_on,
                "verified_by": desk.name,
            }
            for name, (result, event_on) in given.items()
        ],
    )
    said = dict(mine.values_list("analyte", "result"))
    return desk.change(row, is_questionnaire_clean=is_clean([said.get(name) for name in asked]))


def is_clean(answers: Iterable[str | None]) -> bool | None:
    """Whether a questionnaire raised nothing: yes if all is no, no if one is yes, else not known."""
    answers = list(answers)
    if "positive" in answers:
        return False
    return True if answers and all(answer == "negative" for answer in answers) else None


def same_day_questions(on: date, *, sex: str | None) -> dict[str, str]:
    """Return what is asked at every donation: events that defer, infection around, menstruation."""
    asked = {rule.id.split(".", 1)[1] for rule in profile_on(on).rules if rule.consequence != "record"}
    return {
        question["code"]: question["meaning"]
        for question in read_table("screening_questions.toml")["question"]
        if question["code"] in asked
        and (question["kind"] == "event" or question["code"] in SAME_DAY_STATES)
        and (question["code"] != "menstruation" or sex != "male")
    }


def donor_screen(donor: Any, *, on: date) -> tuple[ScreeningVerdict, tuple[Verdict, ...]]:
    """Return the laboratory verdict on a donor and the verdicts of the questionnaire, on a day."""
    profile = profile_on(on)
    study = donor_study(donor.pk, on_day=day_of(on))
    found = study.read("screenings")
    laboratory = donor_verdict(screening_results(found), profile=profile, on=on)
    facts = donor_facts(study, on_day=day_of(on)).collect("polars").to_native().row(0, named=True)
    recorded = {fact: value for fact, value in facts.items() if value is not None}
    asked = {**_questionnaire(found, on=on), **recorded}
    return laboratory, judge_each(asked, rules=profile.rules_for("donor"))


def _questionnaire(screenings: Any, *, on: date) -> dict[str, Any]:
    """Return what a donor's answers say on a day; what the donor's own record says goes before it."""
    answers = [
        QuestionAnswer(
            row["analyte"],
            row["result"],
            row["collected_on"],
            event_on=row["event_on"],
            value=row["value"],
            is_resolved=bool(row["is_resolved"]),
        )
        for row in screenings.iter_rows(named=True)
        if row["specimen"] in ASKED and row["collected_on"] is not None
    ]
    return questionnaire_facts(answers, on=on)


@action("physician", needs_reason=True)
def set_donor_status(
    desk: Desk,
    *,
    donor: str,
    status: str,
    on: date,
    deferred_until_on: date | None = None,
    reason_code: str | None = None,
    note: str | None = None,
) -> Any:
    """Decide on a donor, with a coded reason and the end of a deferral.

    Refuses (RefusedError) "eligible" while a rule is not met or not answered, and (InputError) the end of a
    deferral that ends before it begins, or of anything else.
    """
    row = desk.one("donors", donor)
    if deferred_until_on is not None and (status != "deferred" or deferred_until_on < on):
        raise InputError(
            f"{status} until {deferred_until_on}", expected="the end of a deferral, not before its beginning"
        )
    if status == "eligible":
        _demand_clear(row, on=on)
    desk.add(
        "donor_decisions",
        donor_id=row.pk,
        decided_on=on,
        decided_at=timezone.now(),
        status=status,
        reason_code=reason_code,
        deferred_until_on=deferred_until_on,
        reason=note,
        decided_by=desk.name,
    )
    return desk.change(row, status=status, deferred_until_on=deferred_until_on)


def _demand_clear(donor: Any, *, on: date) -> None:
    laboratory, answers = donor_screen(donor, on=on)
    outcome = worst((laboratory.outcome, combine(answers)))
    if outcome != "met":
        raise RefusedError(
            f"donor {donor.pk} cannot be eligible: the screening is {outcome.replace('_', ' ')}",
            expected="every test and answer of the screening profile met",
            do="complete or clear: " + "; ".join(_open_points(laboratory, answers)[:5]),
        )


def _open_points(laboratory: ScreeningVerdict, answers: Iterable[Verdict]) -> list[str]:
    asked = [v.rule.sentence for v in answers if v.rule.is_binding and v.outcome != "met"]
    return [f"{verdict.analyte}: {verdict.reason}" for verdict in laboratory.open] + asked
