"""Lists of people by what they agreed to: who is left in peace, who must be asked."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from django.db.models import Q

from commensal.registry.permitted import ConsentDue, consents_due, not_to_contact, of_each, permitted
from commensal.registry.scope import within

CONSENT = ("patient_id", "type", "language", "signed_on", "withdrawn_on", "withdrawal_level")
END = ("patient_id", "kind", "occurred_on", "withdrawal_level")
TAKEN_BACK = Q(withdrawn_on__isnull=False) | Q(withdrawal_level__isnull=False)


def left_in_peace(sites: Iterable[str], *, on: date) -> frozenset[str]:
    """Return the patients of some centres whom nobody contacts: no reminder, no list of calls, no link."""
    sites = list(sites)
    ends = within("dispositions", sites=sites).exclude(kind="last_contact")
    consents = within("consents", sites=sites).filter(patient__isnull=False)
    left = Q(patient__in=ends.values("patient")) | Q(
        patient__in=consents.filter(TAKEN_BACK).values("patient")
    )
    return not_to_contact(consents.filter(left).values(*CONSENT), ends.values(*END), on=on)


def patients_to_ask(sites: Iterable[str], *, on: date, patient: str | None = None) -> list[ConsentDue]:
    """Return who must be asked for what, of some centres (of one patient), the longest due on top."""
    sites = list(sites)
    one = {"patient": patient} if patient else {}
    people = within("patients", sites=sites).filter(**({"pk": patient} if patient else {}))
    signed = of_each(within("consents", sites=sites).filter(**one).values(*CONSENT))
    ended = of_each(within("dispositions", sites=sites).filter(**one).values(*END))
    again = _asked_again(sites)
    found = [
        due
        for person in people.values("patient_id", "born_on", "site_id")
        for due in consents_due(
            person,
            signed.get(person["patient_id"], ()),
            on=on,
            standing=permitted(
                signed.get(person["patient_id"], ()), ended.get(person["patient_id"], ()), on=on
            ),
            asked_again=again.get(person["site_id"], {}),
        )
    ]
    return sorted(found, key=lambda due: (due.from_on or date.min, due.patient_id, due.what))


def _asked_again(sites: list[str]) -> dict[str, dict[tuple[str, str], date]]:
    """Centre → (kind, language) → first day of the newest text that asks again."""
    found: dict[str, dict[tuple[str, str], date]] = {}
    texts = within("consent_texts", sites=sites).filter(asks_again=True).order_by("valid_from_on")
    for text in texts.values("site_id", "type", "language", "valid_from_on"):
        found.setdefault(text["site_id"], {})[text["type"], text["language"]] = text["valid_from_on"]
    return found
