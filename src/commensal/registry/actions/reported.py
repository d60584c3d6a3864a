"""What patients report by link: links made and taken back by staff, answers kept and sent by the holder.

Who holds a link acts in its name, at the centre of its patient, and may do nothing else.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Max
from django.utils import timezone

from commensal.errors import InputError, RefusedError, nearest
from commensal.registry.actions.consents import demand_recordable, permitted_of
from commensal.registry.actions.desk import Desk, action
from commensal.registry.audit import acting
from commensal.registry.models import MODELS
from commensal.registry.questionnaires import Questionnaire, questionnaires
from commensal.vocabulary.instruments.declaration import instrument
from commensal.vocabulary.instruments.scoring import score_one
from commensal.vocabulary.windows import visits

TOKEN_BYTES = 16
LONGEST_DAYS = 60
MODE = "questionnaire"


# --- by staff


@action("coordinator", "physician")
def make_link(
    desk: Desk,
    *,
    patient: str,
    instruments: Sequence[str],
    due: str | None = None,
    visit: str | None = None,
    days: int = 14,
) -> tuple[Any, str]:
    """Make a link and return it with what stands in its address, which is kept nowhere.

    ``visit`` is a visit recorded already; else the answers become one of their own, meant as ``due``.
    Refuses (RefusedError) a patient who may not be contacted, an instrument that is not shown to patients
    or is answered or asked already, and (InputError) an adult's instrument for a child.
    """
    row = desk.one("patients", patient)
    today = timezone.localdate()
    _demand_contact(row.pk, on=today)
    known = _demand_visit(desk, row, due=due, visit=visit)
    chosen = list(dict.fromkeys(instruments))
    if not chosen:
        raise InputError("no questionnaire was chosen", do="choose at least one")
    if not 1 <= days <= LONGEST_DAYS:
        raise InputError(f"the link would hold for {days} days", expected=f"from 1 to {LONGEST_DAYS}")
    for code in chosen:
        _demand_askable(code, born_on=row.born_on, on=today)
    _demand_not_asked(row, chosen, due=due, visit=known)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    now = timezone.now()
    made = desk.add(
        "report_links",
        patient_id=row.pk,
        due=due,
        visit_id=known.pk if known else None,
        instruments=";".join(chosen),
        digest=digest_of(token),
        made_at=now,
        made_by=desk.name,
        expires_at=now + timedelta(days=days),
    )
    return made, token


def _demand_contact(patient: str, *, on: date) -> None:
    state = permitted_of(patient, on=on)
    if not state.may_contact:
        why = "died" if state.is_dead else state.words or "lost to follow-up"
        raise RefusedError(f"patient {patient} may not be contacted: {why}")
    demand_recordable(patient, on=on, today=on)


def _demand_visit(desk: Desk, patient: Any, *, due: str | None, visit: str | None) -> Any | None:
    if due is not None and due not in visits():
        raise InputError(f"visit {due!r}", expected=nearest(due, list(visits())))
    if visit is None:
        return None
    row = desk.one("visits", visit)
    if row.patient_id != patient.pk:
        raise InputError(f"visit {visit} is another patient's", do="choose a visit of this patient")
    if row.status != "attended" or due not in (None, row.visit):
        raise InputError(f"visit {visit} did not take place, or is not {due}", do="choose another visit")
    return row


def _demand_askable(code: str, *, born_on: date | None, on: date) -> None:
    declared = instrument(code)
    if code not in questionnaires():
        raise RefusedError(
            f"{declared.label} is not shown to patients",
            expected="one of " + ", ".join(questionnaires()),
            do="let a trained person ask it at the visit and record its scores",
        )
    if born_on is not None and not declared.is_for_age((on - born_on).days / 365.25):
        raise InputError(f"{declared.label} is not meant for the patient's age")


def _demand_not_asked(patient: Any, codes: Sequence[str], *, due: str | None, visit: Any | None) -> None:
    """No questionnaire of one visit is asked twice at a time, nor one that is answered."""
    if visit is not None:
        answered = MODELS["assessments"].objects.filter(visit=visit, instrument__in=codes)
        if found := sorted(set(answered.values_list("instrument", flat=True))):
            raise RefusedError(f"{', '.join(found)}: recorded for this visit already")
    for link in MODELS["report_links"].objects.filter(patient=patient, due=due, visit=visit):
        asked = sorted(set(codes) & set(codes_of(link)))
        if asked and state_of(link) in ("open", "begun"):
            raise RefusedError(
                f"{', '.join(asked)}: an open link asks it already", do="take the other link back first"
            )


@action("coordinator", "physician")
def revoke_link(desk: Desk, *, report_link: str) -> Any:
    """Take a link back; what was answered and not sent is dropped."""
    row = desk.one("report_links", report_link, is_locked=True)
    if row.sent_at is not None:
        raise RefusedError("the answers were sent already", do="correct them at the visit, with a reason")
    if row.revoked_at is not None:
        return row
    return desk.change(row, revoked_at=timezone.now(), revoked_by=desk.name, draft=None)


# --- what a link is


def digest_of(token: str) -> str:
    """Return what is kept of a link: it has 128 random bits, so that a plain digest is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def link_of(token: str) -> Any | None:
    """Return the link of an address, open or closed, or None."""
    return MODELS["report_links"].objects.filter(digest=digest_of(token)).first()


def codes_of(link: Any) -> list[str]:
    """Return the instruments a link asks, in order."""
    return [code for code in (link.instruments or "").split(";") if code]


def asked_by(link: Any) -> list[Questionnaire]:
    """Return the questionnaires of a link, one a page."""
    return [questionnaires()[code] for code in codes_of(link) if code in questionnaires()]


def state_of(link: Any, *, now: datetime | None = None) -> str:
    """Return where a link stands: sent, revoked, expired, closed, begun or open.

    It is closed once its patient died or withdrew from contact or from new data. A patient thought lost
    who answers is not lost.
    """
    now = now or timezone.now()
    if link.sent_at is not None:
        return "sent"
    if link.revoked_at is not None:
        return "revoked"
    if link.expires_at is None or link.expires_at <= now:
        return "expired"
    state = permitted_of(link.patient_id, on=timezone.localdate(now))
    is_withdrawn = state.level is not None and not state.may_contact
    if state.is_dead or is_withdrawn or not state.may_extract_records:
        return "closed"
    return "begun" if link.draft else "open"


def draft_of(link: Any) -> dict[str, dict[str, float]]:
    """Return what was answered and not yet sent: instrument → item → value."""
    return json.loads(link.draft) if link.draft else {}


# --- by the holder


@dataclass(frozen=True)
class Holder:
    """Who holds a link: nobody the registry knows by name."""

    link: str

    def get_username(self) -> str:
        """Who acts, as recorded."""
        return f"link {self.link}"


@contextmanager
def _held(token: str, *, reason: str) -> Iterator[tuple[Desk, Any]]:
    """Give the desk of a link's holder and the link, locked. Refuses (RefusedError) one that is closed."""
    found = link_of(token)
    if found is None:
        raise RefusedError("this link does not work")
    holder = Holder(found.pk)
    with acting(holder.get_username(), reason=reason):
        desk = Desk(holder, ("holder",), (found.patient.site_id,))
        link = desk.one("report_links", found.pk, is_locked=True)
        if state_of(link) not in ("open", "begun"):
            raise RefusedError("this link is closed")
        yield desk, link


def keep_answers(token: str, *, code: str, answers: Mapping[str, Any]) -> None:
    """Keep the answers of one page; those of the other pages stay as they are."""
    with _held(token, reason="answers kept") as (desk, link):
        if code not in codes_of(link):
            raise RefusedError("this link does not ask that")
        draft = draft_of(link) | {code: questionnaires()[code].kept(answers)}
        desk.change(link, draft=json.dumps(draft))


def send_answers(token: str) -> None:
    """Record what was answered as assessments of the visit, and close the link for ever.

    What was not answered is not recorded. Where the instrument was recorded at the visit meanwhile, the
    answers are its next occurrence. Refuses (InputError) to send nothing.
    """
    with _held(token, reason="answers sent") as (desk, link):
        draft = draft_of(link)
        given = {q.instrument.code: q.kept(draft.get(q.instrument.code, {})) for q in asked_by(link)}
        given = {code: answers for code, answers in given.items() if answers}
        if not given:
            raise InputError("nothing is answered yet", do="answer at least one question")
        visit = link.visit_id or _questionnaire_visit(desk, link).pk
        for code, answers in given.items():
            if problems := score_one(code, answers).problems:
                raise InputError("; ".join(problems), do="correct the answers")
            _record(desk, link.patient_id, visit=visit, code=code, answers=answers)
        desk.change(link, sent_at=timezone.now(), visit_id=visit, draft=None)


def _questionnaire_visit(desk: Desk, link: Any) -> Any:
    return desk.add(
        "visits",
        patient_id=link.patient_id,
        visit=link.due,
        visited_on=timezone.localdate(),
        status="attended",
        mode=MODE,
    )


def _record(desk: Desk, patient: str, *, visit: str, code: str, answers: Mapping[str, float]) -> None:
    there = MODELS["assessments"].objects.filter(visit=visit, instrument=code)
    last = there.aggregate(last=Max("occurrence"))["last"] or 0
    common = {"visit_id": visit, "patient_id": patient, "instrument": code, "occurrence": last + 1}
    desk.add_all("assessments", [{**common, "item": item, "value": v} for item, v in answers.items()])
