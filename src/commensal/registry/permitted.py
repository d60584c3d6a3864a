"""What may still be done with a person on a day, by consents and withdrawals; pure, asked everywhere.

Levels of withdrawal are the vocabulary's (W1 to W4). The gravest that stands decides; one without a date
stands from ever, one without a level stops everything new and keeps what was collected (as W3) until the
level is known. An informed consent signed on a later day ends it. Traceability and records of serious
adverse events outlive every level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from commensal.vocabulary.governance import withdrawal_levels

UNKNOWN_LEVEL = "W3"
BEGINS_AGAIN = ("informed_signed", "guardian_permission", "donor_consent")
OF_THE_WHOLE = (*BEGINS_AGAIN, "data_use_signed")
"""Consents whose withdrawal is the person's; that of storage or sharing ends only that."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Permitted:
    """What may be done, and why not: the gravest withdrawal that stands and its day (null: from ever)."""

    level: str | None = None
    since: date | None = None
    is_level_known: bool = True
    is_dead: bool = False
    is_lost: bool = False

    @property
    def may_treat(self) -> bool:
        """Whether the intervention may go on."""
        return not self.is_dead and (self.level is None or withdrawal_levels()[self.level].may_treat)

    @property
    def may_contact(self) -> bool:
        """Whether the person may be written to, called or reminded."""
        stopped = self.level is not None and not withdrawal_levels()[self.level].may_contact
        return not (stopped or self.is_dead or self.is_lost)

    @property
    def may_extract_records(self) -> bool:
        """Whether anything new may be recorded."""
        return self.level is None or withdrawal_levels()[self.level].may_extract_records

    @property
    def keeps_collected_data(self) -> bool:
        """Whether research copies (freezes, exports) may hold what was collected."""
        return self.level is None or withdrawal_levels()[self.level].keeps_collected_data

    @property
    def words(self) -> str:
        """What stands, in the vocabulary's words; empty where nothing does."""
        if self.level is None:
            return ""
        label = withdrawal_levels()[self.level].label
        return (
            f"{self.level}: {label}" if self.is_level_known else f"level not recorded, kept as {self.level}"
        )


def permitted(consents: Iterable[Row], dispositions: Iterable[Row], *, on: date) -> Permitted:
    """Return what may be done with one person on a day.

    ``consents`` have type, signed_on, withdrawn_on and withdrawal_level; ``dispositions`` kind, occurred_on
    and withdrawal_level. What happens after ``on`` is not looked at.
    """
    consents, dispositions = list(consents), list(dispositions)
    signed = [c["signed_on"] for c in consents if c["type"] in BEGINS_AGAIN and c["signed_on"] is not None]
    standing = [
        (level, since)
        for level, since in _withdrawals(consents, dispositions, on=on)
        if not any((since or date.min) < again <= on for again in signed) or since is None
    ]
    happened = {d["kind"] for d in dispositions if _is_by(d["occurred_on"], on)}
    ends = {"is_dead": "death" in happened, "is_lost": "lost_to_follow_up" in happened}
    if not standing:
        return Permitted(**ends)
    gravest = max(level or UNKNOWN_LEVEL for level, _ in standing)
    found = [(level, since) for level, since in standing if (level or UNKNOWN_LEVEL) == gravest]
    since = min((day or date.min for _, day in found), default=date.min)
    is_known = any(level is not None for level, _ in found)
    return Permitted(gravest, None if since == date.min else since, is_level_known=is_known, **ends)


def _withdrawals(
    consents: Iterable[Row], dispositions: Iterable[Row], *, on: date
) -> Iterable[tuple[str | None, date | None]]:
    """Every withdrawal by a day: its level and its date."""
    for row in dispositions:
        if row["kind"] == "withdrawal" and _is_by(row["occurred_on"], on):
            yield row["withdrawal_level"], row["occurred_on"]
    for row in consents:
        is_taken_back = row["withdrawn_on"] is not None or row["withdrawal_level"] is not None
        if row["type"] in OF_THE_WHOLE and is_taken_back and _is_by(row["withdrawn_on"], on):
            yield row["withdrawal_level"], row["withdrawn_on"]


def _is_by(day: date | None, on: date) -> bool:
    return day is None or day <= on


# --- what is missing in writing, and who must be asked again

MAJORITY_YEARS, ASSENT_YEARS, AHEAD_DAYS = 18, 7, 90


@dataclass(frozen=True)
class ConsentDue:
    """One consent to be asked of one patient: what, why, and from which day."""

    patient_id: str
    what: str
    why: str
    from_on: date | None


def consents_due(
    patient: Row,
    consents: Iterable[Row],
    *,
    on: date,
    standing: Permitted,
    asked_again: Mapping[tuple[str, str], date] | None = None,
    majority_years: int = MAJORITY_YEARS,
) -> list[ConsentDue]:
    """Return what is to be asked of a patient; nothing of one who died or may not be contacted.

    Nobody's consent on record; a minor without a guardian's permission or, from seven years, without assent;
    one who has come of age, or does within 90 days, and signed nothing since; and who signed a version
    older than one that asks again (``asked_again``: (type, language) → its first day).
    """
    if not standing.may_contact:
        return []
    mine = [c for c in consents if c["withdrawn_on"] is None and c["withdrawal_level"] is None]
    born: date | None = patient["born_on"]
    age = years_between(born, on) if born else None
    found = [("informed_signed", "no consent or waiver is on record", None)] if not mine else []
    if born is not None and age is not None:
        found += _of_a_minor(mine, age) if age < majority_years else []
        found += _on_coming_of_age(mine, born=born, on=on, majority_years=majority_years)
    found += _of_a_new_text(mine, asked_again or {}, on=on)
    return [ConsentDue(patient["patient_id"], what, why, day) for what, why, day in found]


Due = tuple[str, str, date | None]


def _of_a_minor(consents: list[Row], age: int) -> list[Due]:
    types = {c["type"] for c in consents}
    found: list[Due] = []
    if "guardian_permission" not in types:
        found.append(("guardian_permission", f"{age} years old, no guardian's permission", None))
    if age >= ASSENT_YEARS and "assent" not in types:
        found.append(("assent", f"{age} years old, no assent", None))
    return found


def _on_coming_of_age(consents: list[Row], *, born: date, on: date, majority_years: int) -> list[Due]:
    """Who was a minor when a guardian signed decides anew at majority."""
    majority = birthday(born, majority_years)
    was_minor = any(c["type"] in ("guardian_permission", "assent") for c in consents)
    own = [c["signed_on"] for c in consents if c["type"] == "informed_signed" and c["signed_on"] is not None]
    if not was_minor or any(day >= majority for day in own) or (majority - on).days > AHEAD_DAYS:
        return []
    return [("informed_signed", "comes of age and decides anew", majority)]


def _of_a_new_text(
    consents: list[Row], asked_again: Mapping[tuple[str, str], date], *, on: date
) -> list[Due]:
    found: list[Due] = []
    for (kind, language), since in asked_again.items():
        signed = [c["signed_on"] for c in consents if c["type"] == kind and c["language"] in (language, None)]
        if signed and since <= on and all(day is None or day < since for day in signed):
            found.append((kind, "a new version of the text asks again", since))
    return found


def birthday(born: date, years: int) -> date:
    """Return the day a person completes some years of age; 1 March for who was born on 29 February."""
    try:
        return born.replace(year=born.year + years)
    except ValueError:
        return date(born.year + years, 3, 1)


def years_between(born: date, on: date) -> int:
    """Return completed years of age on a day."""
    return on.year - born.year - (birthday(born, on.year - born.year) > on)


def not_to_contact(consents: Iterable[Row], dispositions: Iterable[Row], *, on: date) -> frozenset[str]:
    """Return the patients nobody contacts any more: dead, lost, or withdrawn from contact.

    Rows name their ``patient_id``; a patient whose rows say nothing of it may be contacted.
    """
    signed, ended = of_each(consents), of_each(dispositions)
    return frozenset(
        who
        for who in {*signed, *ended}
        if not permitted(signed.get(who, ()), ended.get(who, ()), on=on).may_contact
    )


def of_each(rows: Iterable[Row], key: str = "patient_id") -> dict[str, list[Row]]:
    """Return rows by the person they name; rows that name nobody are left out."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row[key] is not None:
            found.setdefault(row[key], []).append(row)
    return found
