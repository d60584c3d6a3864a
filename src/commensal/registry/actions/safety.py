"""Changes about harm: adverse events, what two physicians judge without seeing each other, reports."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.utils import timezone

from commensal.errors import InputError, RefusedError
from commensal.registry.actions.desk import Desk, action
from commensal.registry.models import MODELS, Membership
from commensal.registry.reporting import agreement, duties
from commensal.registry.tables.care import JURISDICTIONS
from commensal.vocabulary.adverse_events import is_expected, is_serious

EVENT = (
    "adverse_event_id",
    "patient_id",
    "term",
    "grade",
    "is_serious",
    "seriousness_criteria",
    "causality",
    "is_expected",
    "aware_at",
)
"""What the clocks of an event ask."""


@action("physician", "coordinator")
def report_event(
    desk: Desk,
    *,
    patient: str,
    began_on: date,
    aware_at: datetime,
    criteria: Iterable[str] | None = None,
    is_donor_infection_suspected: bool | None = None,
    **values: Any,
) -> Any:
    """Record an adverse event; seriousness and expectedness follow from what is answered.

    ``criteria`` are the seriousness criteria ticked: none at all says that none applies, null that nobody
    answered. Refuses (InputError) an event without term and words, or attributed to somebody else's session.
    """
    row = desk.one("patients", patient)
    if not values.get("term") and not values.get("term_as_recorded"):
        raise InputError("the event has no name", expected="a term of the list, or words")
    _demand_own_session(desk, values.get("session_id"), patient)
    ticked = None if criteria is None else sorted(criteria)
    judged = {
        "is_serious": is_serious(values.get("term"), criteria=ticked),
        "is_expected": is_expected(values.get("term"), grade=values.get("grade")),
    }
    event = desk.add(
        "adverse_events",
        patient_id=row.pk,
        began_on=began_on,
        aware_at=aware_at,
        seriousness_criteria=None if ticked is None else ";".join(ticked),
        **judged,
        **values,
    )
    if values.get("causality") or values.get("related_to") or is_donor_infection_suspected is not None:
        _judge(
            desk,
            event,
            "reporter",
            causality=values.get("causality"),
            related_to=values.get("related_to"),
            is_donor_infection_suspected=is_donor_infection_suspected,
        )
    return event


def _demand_own_session(desk: Desk, session: str | None, patient: str) -> None:
    if session and desk.one("sessions", session).patient_id != patient:
        raise InputError("the session is another patient's", do="choose a session of this patient")


@action("physician", "coordinator", needs_reason=True)
def follow_event(desk: Desk, *, event: str, criteria: Iterable[str] | None = None, **values: Any) -> Any:
    """Record how an event went on: its grade, its end, its outcome; seriousness and expectedness follow."""
    row = desk.one("adverse_events", event)
    grade = values.get("grade", row.grade)
    if criteria is not None:
        ticked = sorted(criteria)
        values |= {
            "seriousness_criteria": ";".join(ticked),
            "is_serious": is_serious(row.term, criteria=ticked),
        }
    return desk.change(row, **values, is_expected=is_expected(row.term, grade=grade))


@action("physician")
def judge_event(
    desk: Desk,
    *,
    event: str,
    causality: str,
    related_to: str,
    is_donor_infection_suspected: bool | None = None,
    note: str | None = None,
) -> Any:
    """Give a blinded judgement of an event.

    Refuses (RefusedError) who reported the event or judged it already, and a fourth judgement.
    """
    row = desk.one("adverse_events", event)
    if not causality or not related_to:
        raise InputError("a judgement needs causality and attribution")
    given = MODELS["ae_assessments"].objects.filter(adverse_event=row)
    if given.filter(judged_by=desk.name).exists() or reporter_of(row.pk) == desk.name:
        raise RefusedError("you have reported or judged this event already", do="ask another physician")
    if given.filter(view="blinded").count() >= most_judges(row.pk):
        raise RefusedError("the event is adjudicated")
    return _judge(
        desk,
        row,
        "blinded",
        causality=causality,
        related_to=related_to,
        is_donor_infection_suspected=is_donor_infection_suspected,
        note=note,
    )


def _judge(desk: Desk, event: Any, view: str, **judged: Any) -> Any:
    return desk.add(
        "ae_assessments",
        adverse_event_id=event.pk,
        view=view,
        judged_at=timezone.now(),
        judged_by=desk.name,
        **judged,
    )


@action("physician", "coordinator")
def record_report(
    desk: Desk, *, event: str, duty: str, reported_at: datetime, reference: str | None = None
) -> Any:
    """Record that a report a clock asks for was sent. Refuses one that no clock of the event asks for."""
    row = desk.one("adverse_events", event)
    if duty not in {d.code for d in duties_of([row.pk])}:
        raise RefusedError(f"no clock of this event asks for {duty!r}")
    if row.aware_at is not None and reported_at < row.aware_at:
        raise InputError("reported before anybody was aware", expected="the moment it was sent")
    if row.reported_at is None:
        desk.change(row, reported_at=reported_at)
    return desk.add(
        "ae_reports",
        adverse_event_id=row.pk,
        duty=duty,
        reported_at=reported_at,
        reference=reference,
        reported_by=desk.name,
    )


@action("quality", needs_reason=True)
def set_jurisdiction(desk: Desk, *, site: str, jurisdiction: str) -> Any:
    """Say whose reporting clocks a centre keeps; "any" keeps every law's."""
    if jurisdiction not in JURISDICTIONS:
        raise InputError(f"{jurisdiction!r}", expected="one of " + ", ".join(JURISDICTIONS))
    return desk.add(
        "site_jurisdictions",
        site_id=desk.one("sites", site).pk,
        jurisdiction=jurisdiction,
        set_at=timezone.now(),
        set_by=desk.name,
    )


# --- what is judged and due, for the pages


def reporter_of(event: str) -> str | None:
    """Return who recorded a judgement with the report of an event."""
    given = MODELS["ae_assessments"].objects.filter(adverse_event=event, view="reporter")
    return given.values_list("judged_by", flat=True).first()


def most_judges(event: str) -> int:
    """Return how many blinded judgements an event takes: a third only where two disagree."""
    return 3 if agreement(blinded(event))[0] in ("third", "settled") else 2


def blinded(event: str) -> list[tuple[str, str | None, str | None]]:
    """Return the blinded judgements of an event in order: who, causality, attribution."""
    given = MODELS["ae_assessments"].objects.filter(adverse_event=event, view="blinded")
    return list(given.order_by("judged_at", "pk").values_list("judged_by", "causality", "related_to"))


def duties_of(events: Iterable[str]) -> list[Any]:
    """Return every report that some events ask for, the first due on top."""
    keys = list(events)
    rows = MODELS["adverse_events"].objects.filter(pk__in=keys)
    sites = dict(rows.values_list("pk", "patient__site"))
    laws = jurisdictions_of(sites.values())
    suspicions, reported = (
        _by_event("ae_assessments", "causality", keys),
        _by_event("ae_reports", "duty", keys),
    )
    found = [
        duty
        for event in rows.values(*EVENT)
        for duty in duties(
            event,
            suspicions.get(event["adverse_event_id"], ()),
            jurisdiction=laws.get(sites[event["adverse_event_id"]]),
            reported=reported.get(event["adverse_event_id"], ()),
        )
    ]
    return sorted(found, key=lambda d: (d.due_at is not None, d.due_at, d.event_id, d.code))


def _by_event(table: str, column: str, events: list[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    rows = MODELS[table].objects.filter(adverse_event__in=events)
    for event, value in rows.values_list("adverse_event_id", column):
        found.setdefault(event, []).append(value)
    return found


def jurisdictions_of(sites: Iterable[str]) -> dict[str, str]:
    """Return the law each centre set last; none where none was set."""
    rows = MODELS["site_jurisdictions"].objects.filter(site__in=set(sites)).order_by("set_at", "pk")
    return dict(rows.values_list("site_id", "jurisdiction"))


def may_judge(event: str, person: Any) -> bool:
    """Whether a person could still give a blinded judgement of an event."""
    row = MODELS["adverse_events"].objects.filter(pk=event).select_related("patient").first()
    name = person.get_username()
    is_physician = Membership.objects.filter(user=person, site=row.patient.site_id, role="physician").exists()
    given = MODELS["ae_assessments"].objects.filter(adverse_event=event)
    has_said = given.filter(judged_by=name).exists()
    return is_physician and not has_said and given.filter(view="blinded").count() < most_judges(event)
