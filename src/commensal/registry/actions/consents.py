"""Changes to what was agreed to: texts, signatures and their scopes, withdrawals, files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.conf import settings
from django.utils import timezone

from commensal.errors import InputError, RefusedError
from commensal.registry import files
from commensal.registry.actions.desk import Desk, action
from commensal.registry.actions.people import the_vault
from commensal.registry.models import MODELS
from commensal.registry.permitted import Permitted, permitted
from commensal.vocabulary.governance import withdrawal_levels

UNSIGNED = ("waiver_irb",)
"""Kinds that nobody signs a text for."""

ENDED_BY = ("W3", "W4")
"""Levels by which a signed consent itself no longer stands; below, follow-up or records go on under it."""

IDENTIFYING = ("signed_consent", "letter")
"""Kinds of files that show a name."""


@action("coordinator", "data_manager", "quality")
def add_consent_text(desk: Desk, *, site_id: str, file: bytes | None = None, **values: Any) -> Any:
    """Enter one version of a consent text; ``file`` is the text itself."""
    attachment = None
    if file is not None:
        kept = _keep(desk, file, kind="consent_text", title="Text of a consent", site_id=site_id)
        attachment = kept.pk
    return desk.add("consent_texts", site_id=site_id, attachment_id=attachment, **values)


@action("coordinator", "data_manager", "quality", needs_reason=True)
def end_consent_text(desk: Desk, *, text: str, on: date) -> Any:
    """Say from which day on a text is no longer signed."""
    return desk.change(desk.one("consent_texts", text), valid_until_on=on)


@action("coordinator", "physician", "lab")
def sign_consent(
    desk: Desk,
    *,
    text: str,
    signed_on: date,
    patient: str | None = None,
    donor: str | None = None,
    scopes: Mapping[str, bool | None] | None = None,
    study_id: str | None = None,
    scan: bytes | None = None,
) -> Any:
    """Record a signed consent: which text, when, and what of it was allowed or refused.

    What was neither allowed nor refused is not recorded, and is not allowed. Refuses (RefusedError) a text
    that was not in use on the day of the signature, or is another centre's.
    """
    owner = desk.one("patients", patient) if patient else desk.one("donors", donor)
    version = desk.one("consent_texts", text)
    _demand_in_use(version, signed_on)
    if version.site_id != owner.site_id:
        raise RefusedError("the text is of another centre than the person", do="choose the centre's own text")
    if (version.type == "donor_consent") != (donor is not None):
        raise RefusedError(f"a text of the kind {version.type.replace('_', ' ')} is not for this person")
    mine = {"patient_id": patient} if patient else {"donor_id": donor}
    made = desk.add(
        "consents",
        type=version.type,
        version=version.version,
        language=version.language,
        signed_on=signed_on,
        study_id=study_id,
        **mine,
    )
    answered = {scope: answer for scope, answer in (scopes or {}).items() if answer is not None}
    desk.add_all(
        "consent_scopes",
        [{"consent_id": made.pk, "scope": scope, "is_granted": answer} for scope, answer in answered.items()],
    )
    if scan is not None:
        _keep(desk, scan, kind="signed_consent", title="Signed consent", consent_id=made.pk, **mine)
    return made


def _demand_in_use(text: Any, on: date) -> None:
    if not text.valid_from_on <= on <= (text.valid_until_on or on):
        raise RefusedError(
            f"version {text.version} was not in use on {on}",
            expected=f"a signature from {text.valid_from_on} on"
            + (f" until {text.valid_until_on}" if text.valid_until_on else ""),
            do="choose the version that was signed, or correct its dates first",
        )


def texts_in_use(*, sites: Iterable[str], is_donor: bool) -> list[Any]:
    """Return the texts of some centres that a patient or a donor may sign, the newest first."""
    rows = MODELS["consent_texts"].objects.filter(site__in=list(sites))
    rows = rows.filter(type="donor_consent") if is_donor else rows.exclude(type="donor_consent")
    return list(rows.order_by("-valid_from_on", "type", "version"))


@action("coordinator", "physician", needs_reason=True)
def withdraw_patient(desk: Desk, *, patient: str, level: str, on: date, note: str = "") -> Any:
    """Record that a patient withdrew, and how far; everything obeys from this moment on.

    The signature itself ends by W3 and W4 only: below, records or follow-up go on under it.
    """
    row = desk.one("patients", patient)
    _demand_level(level)
    made = desk.add(
        "dispositions",
        patient_id=row.pk,
        kind="withdrawal",
        occurred_on=on,
        withdrawal_level=level,
        cause=note or None,
    )
    if level in ENDED_BY:
        _end_consents(desk, MODELS["consents"].objects.filter(patient=row), level=level, on=on)
    return made


@action("coordinator", "physician", needs_reason=True)
def withdraw_donor(desk: Desk, *, donor: str, level: str, on: date, note: str = "") -> Any:
    """Record that a donor withdrew: no donation any more, unissued material held, what was issued is traced.

    What becomes of the held units, quality decides by what the donor agreed to.
    """
    row = desk.one("donors", donor)
    _demand_level(level)
    _end_consents(desk, MODELS["consents"].objects.filter(donor=row), level=level, on=on)
    now = timezone.now()
    reason = f"The donor withdrew ({level})."
    desk.add(
        "holds",
        kind="quarantine",
        donor_id=row.pk,
        placed_on=timezone.localdate(now),
        placed_at=now,
        placed_by=desk.name,
        reason=reason,
    )
    desk.add(
        "donor_decisions",
        donor_id=row.pk,
        decided_on=on,
        decided_at=now,
        status="retired",
        reason_code="own_wish",
        reason=note or reason,
        decided_by=desk.name,
    )
    return desk.change(row, status="retired", deferred_until_on=None)


def _demand_level(level: str) -> None:
    if level not in withdrawal_levels():
        raise InputError(f"level {level!r}", expected="one of " + ", ".join(withdrawal_levels()))


def _end_consents(desk: Desk, consents: Any, *, level: str, on: date) -> None:
    for consent in consents.filter(withdrawn_on__isnull=True, withdrawal_level__isnull=True):
        desk.change(consent, withdrawn_on=on, withdrawal_level=level)


# --- what is allowed, asked by every action that treats, contacts or records


def permitted_of(patient: str, *, on: date) -> Permitted:
    """Return what may be done with a patient on a day."""
    consents = MODELS["consents"].objects.filter(patient=patient)
    ends = MODELS["dispositions"].objects.filter(patient=patient)
    return permitted(
        consents.values("type", "signed_on", "withdrawn_on", "withdrawal_level"),
        ends.values("kind", "occurred_on", "withdrawal_level"),
        on=on,
    )


def demand_treatable(patient: str, *, on: date) -> None:
    """Refuse (RefusedError) to treat a patient who died or withdrew from treatment."""
    state = permitted_of(patient, on=on)
    if not state.may_treat:
        raise RefusedError(
            f"patient {patient} may not be treated: {state.words or 'died'}",
            do="a new informed consent, signed on a later day, ends a withdrawal",
        )


def demand_recordable(patient: str, *, on: date | None, today: date) -> None:
    """Refuse (RefusedError) new data of a patient who stopped them (W3, W4).

    What is dated before the withdrawal may still be entered by W3; what has no date may not.
    """
    state = permitted_of(patient, on=today)
    if state.may_extract_records:
        return
    is_before = on is not None and state.since is not None and on <= state.since
    if not (is_before and state.keeps_collected_data):
        raise RefusedError(
            f"nothing new is recorded of patient {patient}: {state.words}",
            do="record adverse events only; a new consent, signed on a later day, ends a withdrawal",
        )


# --- files


@action("coordinator", "physician", "lab", "data_manager", "quality")
def attach(
    desk: Desk,
    *,
    file: bytes,
    kind: str,
    title: str | None = None,
    patient: str | None = None,
    donor: str | None = None,
    site: str | None = None,
) -> Any:
    """Keep a file of a patient, a donor or a centre. Refuses (InputError) what is no PDF, PNG or JPEG."""
    for table, pk in (("patients", patient), ("donors", donor), ("sites", site)):
        if pk:
            desk.one(table, pk)
    owner = {"patient_id": patient, "donor_id": donor, "site_id": site}
    return _keep(desk, file, kind=kind, title=title, **{k: v for k, v in owner.items() if v})


def _keep(desk: Desk, content: bytes, *, kind: str, title: str | None, **owner: Any) -> Any:
    media_type = files.media_type_of(content)
    digest = files.keep(content, folder=settings.FOLDER, vault=the_vault())
    return desk.add(
        "attachments",
        sha256=digest,
        kind=kind,
        media_type=media_type,
        n_bytes=len(content),
        title=title,
        uploaded_at=timezone.now(),
        uploaded_by=desk.name,
        **owner,
    )


@action("coordinator", "physician", "quality", "monitor")
def open_file(desk: Desk, *, attachment: str) -> tuple[Any, bytes]:
    """Return a file that may show a name; the look is recorded."""
    return _opened(desk, attachment)


@action("coordinator", "physician", "lab", "data_manager", "quality", "monitor")
def open_plain_file(desk: Desk, *, attachment: str) -> tuple[Any, bytes]:
    """Return a file that shows no name; the look is recorded. Refuses (RefusedError) one that may."""
    if desk.one("attachments", attachment).kind in IDENTIFYING:
        raise RefusedError("this file shows who the person is", do="ask a coordinator or a physician")
    return _opened(desk, attachment)


def _opened(desk: Desk, attachment: str) -> tuple[Any, bytes]:
    row = desk.one("attachments", attachment)
    content = files.fetch(row.sha256, folder=settings.FOLDER, vault=the_vault())
    desk.add(
        "accesses",
        seen_at=timezone.now(),
        actor=desk.name,
        kind="vault" if row.kind in IDENTIFYING else "page",
        page="attachment",
        site_id=row.site_id or (row.patient or row.donor).site_id,
        patient_id=row.patient_id,
        donor_id=row.donor_id,
    )
    return row, content
