"""What the gates and the ranking ask of one recipient, gathered from the study for one day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from commensal.bank.stock import picked
from commensal.errors import InputError, nearest
from commensal.study import Study, recipient_facts
from commensal.vocabulary import causality_categories, is_within

TABLES = ("exposures", "lab_results", "consents")
"""The tables, beside the patient's own row, that a recipient's facts rest on."""

SEVERE_FROM_GRADE = 3
"""An adverse event from this grade on, or a serious one, bars its donor (design choice)."""


@dataclass(frozen=True)
class Recipient:
    """One recipient on one day.

    ``allergens`` is None where nobody asked, empty where there are none. ``reactions`` says of each donor
    whether a serious or severe event suspected of the material followed: True, or None where the record
    leaves it open; a donor that is not named caused none. ``facts`` are the
    recipient's facts on the day, as the study defines them.
    """

    patient_id: str
    indication: str | None
    allergens: frozenset[str] | None
    reactions: Mapping[str, bool | None]
    facts: Mapping[str, Any]

    @property
    def is_any_donor_enough(self) -> bool:
        """Whether no order is given: in C. difficile infection donor effects are not clinically relevant."""
        return self.indication is not None and is_within(self.indication, "cdi")


def read_recipient(
    study: Study,
    *,
    recipient: str,
    on_day: int,
    study_id: str | None,
    known: Mapping[str, Any] | None = None,
) -> Recipient:
    """Return the recipient's facts on a day. Refuses (InputError) a patient the study does not hold.

    ``known`` are the facts of the day worked out ahead (``facts_of_recipients``).
    """
    patients = study.read("patients")
    found = patients.filter(pl.col("patient_id") == recipient)
    if found.is_empty():
        raise InputError(
            f"there is no patient {recipient!r} in the study",
            expected=nearest(recipient, patients["patient_id"].to_list()),
        )
    allergens = found["anaphylactic_allergens"][0]
    facts = known or facts_of_recipients(study, found, on_day=on_day)[recipient]
    return Recipient(
        patient_id=recipient,
        indication=facts["indication"],
        allergens=None if allergens is None else allergen_words(allergens),
        reactions=_reactions(study, recipient, on_day=on_day),
        facts={**facts, "study_id": study_id or facts["study_id"]},
    )


def facts_of_recipients(study: Study, patients: pl.DataFrame, *, on_day: int) -> dict[str, dict[str, Any]]:
    """Return the facts of some patients on a day, by patient; ``patients`` are their rows."""
    of = {table: picked(study, table, key="patient_id", values=patients["patient_id"]) for table in TABLES}
    alone = Study(manifest=study.manifest, frames={"patients": patients, **of})
    facts = recipient_facts(alone, on_day=on_day).collect("polars").to_native()
    return {row["patient_id"]: row for row in facts.iter_rows(named=True)}


def allergen_words(text: str) -> frozenset[str]:
    """Return the foods of a list separated by ';', in lower case; 'none' is an empty list."""
    return frozenset(part.strip().lower() for part in text.split(";")) - {"", "none"}


def _of(study: Study, table: str, recipient: str) -> pl.DataFrame:
    return study.read(table).filter(pl.col("patient_id") == recipient)


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
