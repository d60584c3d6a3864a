"""What the gates and the ranking ask of one recipient, gathered from the study for one day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from commensal.errors import InputError, nearest
from commensal.study import Study
from commensal.vocabulary import causality_categories, indication, is_within

SEVERE_FROM_GRADE = 3
"""An adverse event from this grade on, or a serious one, bars its donor (design choice)."""


@dataclass(frozen=True)
class Recipient:
    """One recipient on one day.

    ``allergens`` is None where nobody asked, empty where there are none. ``reactions`` says of each donor
    whether a serious or severe event suspected of the material followed: True, or None where the record
    leaves it open; a donor that is not named caused none. ``facts`` are the gates' facts.
    """

    patient_id: str
    indication: str | None
    allergens: frozenset[str] | None
    reactions: Mapping[str, bool | None]
    weight_kilograms: float | None
    facts: Mapping[str, Any]

    @property
    def is_any_donor_enough(self) -> bool:
        """Whether no order is given: in C. difficile infection donor effects are not clinically relevant."""
        return self.indication is not None and is_within(self.indication, "cdi")


def read_recipient(study: Study, *, recipient: str, on: date, on_day: int, study_id: str | None) -> Recipient:
    """Return the recipient's facts on a day. Refuses (InputError) a patient the study does not hold."""
    patients = study.read("patients")
    found = patients.filter(pl.col("patient_id") == recipient)
    if found.is_empty():
        raise InputError(
            f"there is no patient {recipient!r} in the study",
            expected=nearest(recipient, patients["patient_id"].to_list()),
        )
    row = found.row(0, named=True)
    consents = _of(study, "consents", recipient)
    allergens = row["anaphylactic_allergens"]
    listed = None if allergens is None else allergen_words(allergens)
    return Recipient(
        patient_id=recipient,
        indication=row["indication"],
        allergens=listed,
        reactions=_reactions(study, recipient, on_day=on_day),
        weight_kilograms=_weight(study, recipient, on_day=on_day),
        facts={
            "has_anaphylactic_food_allergy": None if listed is None else bool(listed),
            "immunocompromise": row["immunocompromise"],
            "recipient_cmv_igg": _settled(row["cmv_igg"]),
            "recipient_ebv_igg": _settled(row["ebv_igg"]),
            "age_at_index_years": _age(row["born_on"], on),
            "has_treatment_consent": _consented(consents, "informed_signed", on_day=on_day),
            "has_guardian_permission": _consented(consents, "guardian_permission", on_day=on_day),
            "evidence_status": _evidence_status(row["indication"]),
            "study_id": study_id or _study_of(consents, on_day=on_day),
        },
    )


def allergen_words(text: str) -> frozenset[str]:
    """Return the foods of a list separated by ';', in lower case; 'none' is an empty list."""
    return frozenset(part.strip().lower() for part in text.split(";")) - {"", "none"}


def _of(study: Study, table: str, recipient: str) -> pl.DataFrame:
    return study.read(table).filter(pl.col("patient_id") == recipient)


def _settled(result: str | None) -> str | None:
    return result if result in ("negative", "positive") else None


def _age(born: date | None, on: date) -> int | None:
    """Return completed years; the age on the day, since a recipient to be matched may have no index yet."""
    return None if born is None else on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def _evidence_status(code: str | None) -> str | None:
    entry = indication(code) if code else None
    return None if entry is None or entry.is_group else entry.status


def _standing(consents: pl.DataFrame, *, on_day: int) -> pl.DataFrame:
    withdrawn = pl.col("withdrawn_day").is_not_null() & (pl.col("withdrawn_day") <= on_day)
    return consents.filter(
        (pl.col("signed_day") <= on_day)
        & ~withdrawn
        & ~(pl.col("withdrawn_day").is_null() & pl.col("withdrawal_level").is_not_null())
    )


def _consented(consents: pl.DataFrame, kind: str, *, on_day: int) -> bool | None:
    """Return True for a standing consent, False where one was withdrawn, None where none is on record."""
    signed = consents.filter(pl.col("type") == kind)
    if _standing(signed, on_day=on_day).height:
        return True
    withdrawn = signed.filter(
        pl.col("withdrawn_day").is_not_null() | pl.col("withdrawal_level").is_not_null()
    )
    return False if withdrawn.height else None


def _study_of(consents: pl.DataFrame, *, on_day: int) -> str | None:
    named = _standing(consents, on_day=on_day).filter(pl.col("study_id").is_not_null())
    return min(named["study_id"], default=None)


def _weight(study: Study, recipient: str, *, on_day: int) -> float | None:
    rows = _of(study, "lab_results", recipient).filter(
        (pl.col("analyte") == "body_mass") & (pl.col("collected_day") <= on_day) & (pl.col("unit") == "kg")
    )
    return rows.sort("collected_day", "lab_result_id")["value"][-1] if rows.height else None


def _reactions(study: Study, recipient: str, *, on_day: int) -> dict[str, bool | None]:
    """Return the donors after whose material a severe event suspected of it is, or may be, on record."""
    given = _donors_given(study, recipient)
    reactions: dict[str, bool | None] = {}
    for event in _of(study, "adverse_events", recipient).iter_rows(named=True):
        suspected = _is_reaction(event)
        if suspected is False or (event["began_day"] or on_day) > on_day:
            continue
        session = event["session_id"]
        rows = given.filter(pl.col("session_id") == session) if session else given
        for donor in rows["donor_id"]:
            is_sure = bool(suspected and session)
            reactions[donor] = True if is_sure or reactions.get(donor) else None
    return reactions


def _donors_given(study: Study, recipient: str) -> pl.DataFrame:
    sessions = _of(study, "sessions", recipient).select("session_id")
    used = sessions.join(study.read("session_units", columns=["session_id", "unit_id"]), on="session_id")
    donors = study.read("unit_donors", columns=["unit_id", "donor_id"])
    return (
        used.join(donors, on="unit_id")
        .select("session_id", "donor_id")
        .unique()
        .sort("session_id", "donor_id")
    )


def _is_reaction(event: Mapping[str, Any]) -> bool | None:
    """Return whether an event was severe and suspected of the material; None where the record is silent."""
    parts = (_is_severe(event), _is_suspected(event))
    if False in parts:
        return False
    return None if None in parts else True


def _is_severe(event: Mapping[str, Any]) -> bool | None:
    if event["is_serious"] or (event["grade"] or 0) >= SEVERE_FROM_GRADE:
        return True
    return False if event["grade"] is not None or event["is_serious"] is False else None


def _is_suspected(event: Mapping[str, Any]) -> bool | None:
    if event["related_to"] not in (None, "microbiota"):
        return False
    if event["causality"] is None:
        return None
    return causality_categories().get(event["causality"]).is_suspected
