"""Changes at the bank desk: donors, their screening, donations, units and their release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from commensal.bank import ReleaseDecision, release_decision
from commensal.bank.release import screening_results
from commensal.errors import InputError, RefusedError
from commensal.registry.actions.custody import append, day_of
from commensal.registry.actions.desk import Desk, action
from commensal.registry.rows import donor_study, unit_study
from commensal.registry.scope import Person, sites_of
from commensal.study import donor_facts
from commensal.vocabulary.donor_verdicts import ScreeningVerdict, donor_verdict
from commensal.vocabulary.questionnaires import QuestionAnswer, questionnaire_facts
from commensal.vocabulary.rules import Verdict, combine, judge_each, worst
from commensal.vocabulary.screening import Profile, screening_profile

PROFILE = "STRICT"
"""The profile the registry releases by: the most restrictive merge, the only one complete as shipped."""


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
        if row["specimen"] in ("questionnaire", "examination") and row["collected_on"] is not None
    ]
    return questionnaire_facts(answers, on=on)


@action("physician", needs_reason=True)
def set_donor_status(
    desk: Desk, *, donor: str, status: str, on: date, deferred_until_on: date | None = None
) -> Any:
    """Decide on a donor. Refuses (RefusedError) "eligible" while a rule is not met or not answered."""
    row = desk.one("donors", donor)
    if status == "eligible":
        laboratory, answers = donor_screen(row, on=on)
        outcome = worst((laboratory.outcome, combine(answers)))
        if outcome != "met":
            raise RefusedError(
                f"donor {donor} cannot be eligible: the screening is {outcome.replace('_', ' ')}",
                expected="every test and answer of the screening profile met",
                do="complete or clear: " + "; ".join(_open_points(laboratory, answers)[:5]),
            )
    return desk.change(row, status=status, deferred_until_on=deferred_until_on)


def _open_points(laboratory: ScreeningVerdict, answers: Iterable[Verdict]) -> list[str]:
    asked = [v.rule.sentence for v in answers if v.rule.is_binding and v.outcome != "met"]
    return [f"{verdict.analyte}: {verdict.reason}" for verdict in laboratory.open] + asked


@action("lab", "coordinator")
def add_donation(desk: Desk, *, donor: str, menstruating: bool | None = None, **values: Any) -> Any:
    """Record one stool donation of a donor, and the answer on menstruation where it was asked."""
    made = desk.add("donations", donor_id=desk.one("donors", donor).pk, **values)
    if menstruating is not None:
        desk.add(
            "screenings",
            donor_id=donor,
            donation_id=made.pk,
            analyte="menstruation",
            specimen="same_day_questionnaire",
            result="positive" if menstruating else "negative",
            collected_on=made.donated_on,
            verified_by=desk.name,
        )
    return made


@action("lab")
def make_units(
    desk: Desk,
    *,
    donation: str,
    site_id: str,
    n_units: int,
    batch: Mapping[str, Any],
    unit: Mapping[str, Any],
    is_frozen: bool = True,
) -> list[Any]:
    """Make units from one donation: the batch, the units, their donor and their first custody events.

    Refuses (RefusedError) a donation that was not accepted, (InputError) no unit or more than 200.
    """
    source = desk.one("donations", donation)
    if not source.is_accepted:
        raise RefusedError(f"donation {donation} was not accepted for processing")
    if not 1 <= n_units <= 200:
        raise InputError(f"{n_units} units", expected="1 to 200")
    made = desk.add("batches", operator=desk.name, **batch)
    units = [desk.add("units", batch_id=made.pk, site_id=site_id, **unit) for _ in range(n_units)]
    for row in units:
        desk.add("unit_donors", unit_id=row.pk, donor_id=source.donor_id, donation_id=source.pk, share=1.0)
        append(desk, row, "collected", on=source.donated_on)
        append(desk, row, "accepted", on=source.donated_on)
        append(desk, row, "processed", on=row.produced_on)
        append(desk, row, "frozen" if is_frozen else "stored", on=row.produced_on)
    return units


@action("lab", "quality")
def verify_unit(desk: Desk, *, unit: str, **values: Any) -> Any:
    """Record the checks of one unit: label, cold chain, retention sample, supplier's certificate."""
    return desk.change(desk.one("units", unit), **values)


def profile_on(on: date) -> Profile:
    """Return the screening profile in force on a date."""
    return screening_profile(PROFILE, on=on)


def decision_on(unit: str, *, on: date, released_by: str | None, signed_by: str | None) -> ReleaseDecision:
    """Return the decision on one unit with every criterion, from the registry's rows."""
    return release_decision(
        unit_study(unit, on_day=day_of(on)),
        unit=unit,
        profile=profile_on(on),
        on=on,
        released_by=released_by,
        signed_by=signed_by,
    )


@action("lab", "physician")
def release_unit(desk: Desk, *, unit: str, signer: Person, on: date) -> ReleaseDecision:
    """Release a unit, signed by a second person who has just proven who they are.

    Refuses (RefusedError) while a criterion is not met, and a signer who is neither of quality nor a
    physician at the unit's centre.
    """
    row = desk.one("units", unit, is_locked=True)
    if row.site_id not in sites_of(signer, roles=("quality", "physician")):
        raise RefusedError(f"{signer.get_username()} may not sign releases at {row.site_id}")
    decision = decision_on(unit, on=on, released_by=desk.name, signed_by=signer.get_username())
    if not decision.may_release:
        raise RefusedError(
            f"unit {unit} is not released; criteria not met: {len(decision.open)}",
            expected="every criterion met",
            do=" · ".join(criterion.sentence for criterion in decision.open[:3]),
        )
    append(desk, row, "released", on=on, signed_by=signer.get_username())
    return decision
