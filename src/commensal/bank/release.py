"""May this unit be released? Every criterion judged, each with its source.

A unit is released by its pathway: screens before and after the donation (bookend), tests of the donation's
own stool (direct_testing) or a supplier's certificate (external_product). Historical material is recorded,
never released. A criterion that cannot be answered is undetermined, and an undetermined unit
stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from commensal.bank.criteria import (
    FROZEN,
    IN_TIME,
    OF_A_DONATION,
    OF_A_SUPPLY,
    OF_OWN_MATERIAL,
    OF_THE_UNIT,
    Criterion,
    criterion,
    release_rule,
)
from commensal.bank.custody import fold
from commensal.bank.stock import active_holds, events_of, picked
from commensal.errors import InputError
from commensal.study import Study
from commensal.vocabulary.conditions import Compare
from commensal.vocabulary.donor_verdicts import ScreeningResult, release_window
from commensal.vocabulary.rules import BINDING, Rule, judge_each, worst
from commensal.vocabulary.screening import Profile
from commensal.vocabulary.sources import find_source

EPOCH = date(1970, 1, 1)
LABORATORY = ("blood", "stool", "swab")


@dataclass(frozen=True)
class ReleaseDecision:
    """The decision on one unit: met only where every binding criterion is met."""

    unit_id: str
    pathway: str
    profile: str
    on: date
    criteria: tuple[Criterion, ...]

    @property
    def outcome(self) -> str:
        """met, not_met or undetermined."""
        return worst(c.outcome for c in self.criteria if c.consequence in BINDING)

    @property
    def may_release(self) -> bool:
        """Whether the unit may be released."""
        return self.outcome == "met"

    @property
    def open(self) -> tuple[Criterion, ...]:
        """The criteria that are not met."""
        return tuple(c for c in self.criteria if not c.is_met)


def release_decision(
    study: Study, *, unit: str, profile: Profile, on: date, released_by: str | None, signed_by: str | None
) -> ReleaseDecision:
    """Judge every criterion of releasing one unit on a date.

    Parameters
    ----------
    study : on a calendar clock; the unit, its batch, donors, donations, screenings, custody and holds.
    profile : the screening profile in force; only a complete or signed one can clear.
    released_by : who asks for the release; signed_by : who signs it, null while nobody has.

    Refuses (InputError) a unit the study does not hold and a study without calendar dates.
    """
    if study.manifest.clock != "calendar":
        raise InputError("release needs calendar dates", expected="a study on a calendar clock")
    row = _one(study, "units", key="unit_id", value=unit)
    pathway = row["release_pathway"]
    if pathway == "historical":
        return ReleaseDecision(unit, pathway, profile.code, on, (_never(unit),))
    batch = _one_or_none(study, "batches", key="batch_id", value=row["batch_id"])
    facts = _unit_facts(study, row, batch=batch, on=on, people=(released_by, signed_by))
    if pathway == "external_product":
        rules = (*OF_THE_UNIT, *OF_A_SUPPLY)
        return ReleaseDecision(unit, pathway, profile.code, on, _judged(unit, facts, rules))
    parts = picked(study, "unit_donors", key="unit_id", values=[unit]).rows(named=True)
    facts["are_parts_known"] = bool(parts) and all(part["donation_id"] for part in parts)
    criteria = _judged(unit, facts, (*OF_THE_UNIT, *OF_OWN_MATERIAL, *_shelf_life_rule(row, profile)))
    for part in parts:
        criteria += _part(study, part, unit=row, batch=batch, profile=profile, on=on)
    return ReleaseDecision(unit, pathway, profile.code, on, criteria)


def _never(unit: str) -> Criterion:
    return Criterion(
        "release.historical",
        unit,
        "Material of retrospective records is never released.",
        "not_met",
        "The unit was recorded from history; its screening is unknown.",
        find_source("DESIGN").title,
    )


def _judged(subject: str, facts: dict[str, Any], rules: Iterable[Rule]) -> tuple[Criterion, ...]:
    return tuple(criterion(subject, verdict) for verdict in judge_each(facts, rules=rules))


def _unit_facts(
    study: Study,
    row: dict[str, Any],
    *,
    batch: dict[str, Any] | None,
    on: date,
    people: tuple[str | None, str | None],
) -> dict[str, Any]:
    unit = row["unit_id"]
    today = (on - EPOCH).days
    custody = picked(study, "custody", key="unit_id", values=[unit])
    state = fold(events_of(custody).get(unit, []), pathway=row["release_pathway"])
    holds = active_holds(study, on_day=today, units=picked(study, "units", key="unit_id", values=[unit]))
    expires, produced = row["expires_day"], row["produced_day"]
    return {
        **{
            name: row[name]
            for name in ("is_cold_chain_unbroken", "is_label_verified", "has_retention_sample")
        },
        **{name: row[name] for name in ("has_supplier_certificate", "supplier_lot")},
        "days_until_expiry": None if expires is None else expires - today,
        "shelf_life_days": None if expires is None or produced is None else expires - produced,
        "hold": holds.get(unit, "none"),
        "custody": state.custody,
        "is_record_whole": not state.faults,
        "is_quality_passed": batch["is_quality_passed"] if batch else None,
        "has_second_person": _is_second_person(*people, operator=batch["operator"] if batch else None),
    }


def _is_second_person(released_by: str | None, signed_by: str | None, *, operator: str | None) -> bool | None:
    """Whether the signer is neither who asks nor who processed; unknown while nobody signs or asks."""
    if not signed_by or not released_by:
        return None
    return signed_by not in (released_by, operator)


def _shelf_life_rule(row: dict[str, Any], profile: Profile) -> tuple[Rule, ...]:
    life = profile.shelf_life
    if life is None or row["product"] not in FROZEN:
        return ()
    sentence = f"The expiry date lies at most {life.months} months after production."
    condition = Compare("shelf_life_days", "at_most", life.days)
    return (release_rule("shelf_life", sentence, condition, life.source, life.confidence, "lot"),)


# --- one donor's part


def _part(
    study: Study,
    part: dict[str, Any],
    *,
    unit: dict[str, Any],
    batch: dict[str, Any] | None,
    profile: Profile,
    on: date,
) -> tuple[Criterion, ...]:
    donor = _one(study, "donors", key="donor_id", value=part["donor_id"])
    donation = _one_or_none(study, "donations", key="donation_id", value=part["donation_id"])
    if donation is None or donation["donated_on"] is None:
        return (_undated(part["donor_id"]),)
    if donation["donor_id"] != donor["donor_id"]:
        raise InputError(
            f"donation {donation['donation_id']} is not of donor {donor['donor_id']}",
            do="correct the unit's donors",
        )
    screenings = picked(study, "screenings", key="donor_id", values=[donor["donor_id"]])
    facts = _donation_facts(study, donor, donation, batch=batch, screenings=screenings)
    asked = profile.rules_for("donation")
    covered = {rule.condition for rule in asked}
    rules = (*(rule for rule in OF_A_DONATION if rule.condition not in covered), *asked)
    if unit["product"] in FROZEN:
        rules = (*rules, IN_TIME)
    judged = _judged(donation["donation_id"], facts, rules)
    return judged + _screened(donation, screenings, pathway=unit["release_pathway"], profile=profile, on=on)


def _undated(donor: str) -> Criterion:
    return Criterion(
        "release.donation",
        donor,
        "The donation and its date are on record.",
        "undetermined",
        "Undetermined, so not eligible: the donation or its date is not on record.",
        find_source("CAM19").title,
    )


def _donation_facts(
    study: Study,
    donor: dict[str, Any],
    donation: dict[str, Any],
    *,
    batch: dict[str, Any] | None,
    screenings: pl.DataFrame,
) -> dict[str, Any]:
    donated = donation["donated_day"]
    earlier = picked(study, "donations", key="donor_id", values=[donor["donor_id"]])["donated_day"]
    return {
        "donor_status": donor["status"],
        "has_donor_consent": _consented(study, donor["donor_id"], day=donated),
        "is_accepted": donation["is_accepted"],
        "is_same_day_questionnaire_clean": donation["is_questionnaire_clean"],
        "bristol_type": donation["bristol_type"],
        "donation_mass_grams": donation["stool_mass_grams"],
        "is_menstruating": _is_menstruating(donor, donation, screenings),
        "is_first_donation": not (earlier.is_null().any() or (earlier < donated).any()),
        "days_since_opening_screen": _opening_age(screenings, donated=donated),
        "hours_to_freezer": _hours(donation["passed_at"], batch["frozen_at"] if batch else None),
    }


def _consented(study: Study, donor: str, *, day: int) -> bool | None:
    """Whether a consent was signed by the day and none withdrawn since; null where none is on record."""
    consents = picked(study, "consents", key="donor_id", values=[donor])
    given = consents.filter(pl.col("type") == "donor_consent")
    if given.is_empty() or given["signed_day"].is_null().all():
        return None
    standing = given.filter(pl.col("withdrawn_day").is_null() & pl.col("withdrawal_level").is_null())
    return bool((standing["signed_day"] <= day).any())


def _is_menstruating(
    donor: dict[str, Any], donation: dict[str, Any], screenings: pl.DataFrame
) -> bool | None:
    if donor["sex"] == "male":
        return False
    asked = screenings.filter(
        (pl.col("donation_id") == donation["donation_id"]) & (pl.col("analyte") == "menstruation")
    )
    answers = set(asked["result"].drop_nulls())
    return None if not answers <= {"negative", "positive"} or not answers else "positive" in answers


def _opening_age(screenings: pl.DataFrame, *, donated: int) -> int | None:
    """Days from the oldest of the latest laboratory results before the donation, analyte by analyte."""
    before = screenings.filter(pl.col("specimen").is_in(LABORATORY) & (pl.col("collected_day") <= donated))
    latest = before.group_by("analyte").agg(pl.col("collected_day").max())["collected_day"].to_list()
    return donated - min(latest) if latest else None


def _hours(start: datetime | None, end: datetime | None) -> float | None:
    """Hours between two moments; null where one is unknown or they are in the wrong order."""
    if start is None or end is None or end < start:
        return None
    return (end.astimezone(UTC) - start.astimezone(UTC)).total_seconds() / 3600


def _screened(
    donation: dict[str, Any], screenings: pl.DataFrame, *, pathway: str, profile: Profile, on: date
) -> tuple[Criterion, ...]:
    verdict = release_window(
        screening_results(screenings),
        profile=profile,
        donated_on=donation["donated_on"],
        on=on,
        pathway=pathway,
        donation_id=donation["donation_id"],
    )
    required = {need.analyte: need for need in profile.requirements}
    criteria = tuple(
        Criterion(
            f"screen.{analyte.analyte}",
            donation["donation_id"],
            f"{required[analyte.analyte].label} is clear around the donation.",
            analyte.outcome,
            analyte.reason,
            find_source(required[analyte.analyte].source).title,
        )
        for analyte in verdict.analytes
    )
    return (*criteria, _panel(donation["donation_id"], profile, verdict.reason, bool(verdict.analytes)))


def _panel(donation: str, profile: Profile, reason: str, is_asked: bool) -> Criterion:
    is_whole = profile.can_clear and is_asked
    return Criterion(
        "screen.profile",
        donation,
        "The screening profile is complete or signed by the responsible physician.",
        "met" if is_whole else "undetermined",
        profile.title
        if is_whole
        else reason or "The profile holds only part of its source and is not signed off.",
        find_source("DESIGN").title,
    )


def screening_results(screenings: pl.DataFrame) -> list[ScreeningResult]:
    """Return the laboratory results of a screenings frame as values that can be judged.

    A row without a result counts as pending: measured is not the same as judged. A row without a date cannot
    stand for a screen: a finding in it blocks from the first day on, anything else is left out.
    """
    return [
        _result(row)
        for row in screenings.filter(pl.col("specimen").is_in(LABORATORY)).iter_rows(named=True)
        if row["collected_on"] is not None or row["result"] != "negative"
    ]


def _result(row: dict[str, Any]) -> ScreeningResult:
    return ScreeningResult(
        result_id=row["result_id"],
        analyte=row["analyte"],
        specimen=row["specimen"],
        result=row["result"] or "pending",
        collected_on=row["collected_on"] or EPOCH,
        method=row["method"] or "",
        supersedes=row["supersedes"] or "",
        is_resolved=bool(row["is_resolved"]),
        donation_id=row["donation_id"] or "",
    )


def _one(study: Study, table: str, *, key: str, value: str) -> dict[str, Any]:
    found = _one_or_none(study, table, key=key, value=value)
    if found is None:
        raise InputError(f"no {key} {value!r} in the study", expected=f"a row of the table {table}")
    return found


def _one_or_none(study: Study, table: str, *, key: str, value: str | None) -> dict[str, Any] | None:
    rows = picked(study, table, key=key, values=[value] if value else []).rows(named=True)
    return rows[0] if rows else None
