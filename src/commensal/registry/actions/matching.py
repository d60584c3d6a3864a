"""Changes about what is proposed for a patient: match runs, care plans, re-plans, and a physician's word.

Nothing here orders treatment. A proposal is kept as it was made; what changed since is named, and then it
can no longer be signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.utils import timezone

from commensal import __version__
from commensal.errors import InputError, RefusedError
from commensal.matching import match, plan, replan, still_valid
from commensal.registry.actions.consents import demand_recordable, demand_treatable
from commensal.registry.actions.custody import append, day_of, demand_issuable
from commensal.registry.actions.desk import Desk, action
from commensal.registry.actions.records import facts_of
from commensal.registry.match_study import match_study
from commensal.registry.models import MODELS
from commensal.registry.proposals import content_of, digest_of, frames_of, kept_of, tables_of
from commensal.registry.tables.care import REFUSAL_REASONS
from commensal.study import Study, recipient_facts
from commensal.vocabulary import rule_set
from commensal.vocabulary.facts import Fact, facts, find_fact

TAKEN_ELSEWHERE = ("route", "indication", "evidence_status", "study_id")
"""Facts a run takes from its arguments or the patient's own row."""

Answers = Mapping[str, bool | float | str | None]


@action("physician", "coordinator")
def make_match(desk: Desk, *, patient: str, route: str, on: date, answers: Answers | None = None) -> Any:
    """Rank the stock of the patient's centre for one patient on one day, and keep the run.

    Refuses (SafetyError) a parenteral route, (RefusedError) a patient who may not be treated.
    """
    row = desk.one("patients", patient)
    demand_treatable(patient, on=on)
    study = match_study(row, on_day=day_of(on))
    said = answers_for(row, study, on=on, bedside=answers)
    run = match(study, recipient=patient, on_day=day_of(on), route=route, answers=said)
    head = run.match_run.row(0, named=True)
    return _keep(
        desk,
        patient,
        "match",
        on=on,
        route=route,
        run=run.match_run_id,
        inputs=head["input_hash"],
        rules=f"{head['policy']} · {head['profile']}",
        content=content_of(run.tables, answers=said),
    )


@action("physician", "coordinator")
def make_plan(
    desk: Desk, *, patient: str, on: date, route: str | None = None, answers: Answers | None = None
) -> Any:
    """Write a care plan for one patient on one day, and keep it."""
    row = desk.one("patients", patient)
    demand_treatable(patient, on=on)
    study = match_study(row, on_day=day_of(on))
    said = answers_for(row, study, on=on, bedside=answers)
    made = plan(study, recipient=patient, on_day=day_of(on), route=route, answers=said)
    return _keep(
        desk,
        patient,
        "care_plan",
        on=on,
        route=made.route.value if made.route else None,
        run=made.care_plan_id,
        inputs=made.care_plan_id,
        rules=made.protocol.name,
        content=content_of(made.tables, answers=said, verdict=made.verdict, unmet=list(made.unmet)),
    )


@action("physician", "coordinator")
def make_replan(desk: Desk, *, patient: str, on: date) -> Any:
    """Show what may follow a transplant, four weeks on, and keep it."""
    row = desk.one("patients", patient)
    demand_recordable(patient, on=on, today=on)
    made = replan(match_study(row, on_day=day_of(on)), recipient=patient, on_day=day_of(on))
    return _keep(
        desk,
        patient,
        "replan",
        on=on,
        run=made.replan_id,
        inputs=made.replan_id,
        rules=f"week {made.replan['week'][0]}",
        content=content_of(made.tables, answers={}, withheld=list(made.withheld)),
    )


def _keep(desk: Desk, patient: str, kind: str, *, on: date, content: str, **known: Any) -> Any:
    return desk.add(
        "proposals",
        patient_id=patient,
        kind=kind,
        made_on=on,
        made_at=timezone.now(),
        made_by=desk.name,
        software=f"commensal {__version__}",
        content=content,
        digest=digest_of(content),
        **known,
    )


@action("physician")
def sign_proposal(desk: Desk, *, proposal: str, on: date, choice: str = "", note: str = "") -> Any:
    """Sign a proposal: the unit of a match, the plan as it stands, the option of a re-plan.

    Refuses (RefusedError) one of another day or whose inputs have changed since, a unit that is not
    eligible, a plan with a binding rule that is open, and a second word on the same proposal.
    """
    row = _open_proposal(desk, proposal)
    demand_treatable(row.patient_id, on=on)
    _demand_current(row, on=on)
    _demand_signable(row, choice)
    return _rule(desk, row, "signed", choice=choice, note=note)


@action("physician")
def refuse_proposal(desk: Desk, *, proposal: str, reason_code: str, note: str = "") -> Any:
    """Refuse a proposal for a coded reason."""
    if reason_code not in REFUSAL_REASONS:
        raise InputError("no reason is chosen", expected="one of " + ", ".join(REFUSAL_REASONS))
    return _rule(desk, _open_proposal(desk, proposal), "refused", reason_code=reason_code, note=note)


@action("physician", "coordinator", "lab")
def reserve_ranked(desk: Desk, *, proposal: str, unit: str, on: date) -> Any:
    """Reserve a unit that a signed match run found eligible, for its patient.

    Refuses (RefusedError) a run nobody signed, one that no longer stands, and a unit it did not find
    eligible; and whatever the bank refuses.
    """
    row = desk.one("proposals", proposal)
    ruling = MODELS["proposal_rulings"].objects.filter(proposal=row).first()
    if row.kind != "match" or ruling is None or ruling.decision != "signed":
        raise RefusedError("no physician has signed this match run", do="have it signed first")
    if ruling.choice != unit:
        raise RefusedError(f"the physician signed unit {ruling.choice}", do="reserve that, or match again")
    _demand_current(row, on=on)
    stock = desk.one("units", unit, is_locked=True)
    demand_issuable(stock, patient=row.patient_id, on=on)
    return append(desk, stock, "reserved", on=on, patient_id=row.patient_id)


def _open_proposal(desk: Desk, proposal: str) -> Any:
    row = desk.one("proposals", proposal)
    if MODELS["proposal_rulings"].objects.filter(proposal=row).exists():
        raise RefusedError("a physician has ruled on this already", do="make a new one")
    return row


def _rule(desk: Desk, row: Any, decision: str, **said: Any) -> Any:
    return desk.add(
        "proposal_rulings",
        proposal_id=row.pk,
        decision=decision,
        digest=row.digest,
        ruled_at=timezone.now(),
        ruled_by=desk.name,
        **said,
    )


def _demand_current(row: Any, *, on: date) -> None:
    if changes := changed_since(row, on=on):
        raise RefusedError("this no longer stands: " + ", ".join(changes), do="make a new one")


def _demand_signable(row: Any, choice: str) -> None:
    tables = tables_of(row.content)
    if row.kind == "match":
        eligible = {lot["unit_id"] for lot in tables["rankings"] if lot["is_eligible"]}
        if choice not in eligible:
            raise RefusedError(
                f"unit {choice or '—'} is not eligible in this run", expected="a unit that passed every gate"
            )
    if row.kind == "care_plan" and (unmet := kept_of(row.content)["unmet"]):
        raise RefusedError("binding rules are open or not met: " + ", ".join(unmet), do="answer them first")
    if row.kind == "replan" and choice not in {option["option"] for option in tables["replans"]}:
        raise RefusedError(f"{choice or '—'} is not among the options")


# --- what a run is asked, and whether it still stands


def changed_since(row: Any, *, on: date) -> list[str]:
    """Return what has changed since a proposal was made; none where it still stands."""
    if row.made_on != on:
        return ["the day"]
    if row.kind != "match":
        return []
    tables = frames_of(row.content, ("match_runs", "match_watch"))
    return still_valid(tables, match_study(row.patient, on_day=day_of(on)))


def bedside_questions(known: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return the questions of the preparation that no record and no earlier answer has answered."""
    names = dict.fromkeys(name for rule in rule_set("preparation") for name in rule.facts)
    asked = [n for n in names if n not in TAKEN_ELSEWHERE and known.get(n) is None]
    return tuple(find_fact(name) for name in asked)


def answers_for(patient: Any, study: Study, *, on: date, bedside: Answers | None) -> dict[str, Any]:
    """Return what a run is told beside the record: answers to the rules, and those given for this run.

    Refuses (RefusedError) a grade of immunocompromise on record that is milder than the facts give.
    """
    recorded = recipient_facts(study, on_day=day_of(on)).collect("polars").to_native()
    own = recorded.row(0, named=True)
    known = facts_of(patient, on=on)
    grade = known.get("immunocompromise")
    if own.get("immunocompromise") is not None and grade != own["immunocompromise"]:
        raise RefusedError(
            f"the facts say {grade} where {own['immunocompromise']} is on record as immunocompromise",
            do="have a physician grade the immunocompromise first",
        )
    said = {n: v for n, v in known.items() if v is not None and own.get(n) is None}
    said |= {n: v for n, v in (bedside or {}).items() if v is not None and own.get(n) is None}
    return {n: v for n, v in said.items() if n in facts() and n not in TAKEN_ELSEWHERE}
