"""May this unit be released? Every criterion judged, each with its source.

A unit is released by its pathway: screens before and after the donation (bookend), tests of the donation's
own stool (direct_testing) or a supplier's certificate (external_product). Historical material is recorded,
never released. A criterion that cannot be answered is undetermined, and an undetermined unit
stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
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
    shelf_life_rule,
)
from commensal.bank.custody import fold
from commensal.bank.stock import events_of, picked
from commensal.errors import InputError
from commensal.study import Study, donation_facts, unit_facts
from commensal.study.calendar import Lazy
from commensal.study.facts_material import LABORATORY
from commensal.vocabulary.donor_verdicts import ScreeningResult, release_window
from commensal.vocabulary.rules import BINDING, Rule, judge_each, worst
from commensal.vocabulary.screening import Profile
from commensal.vocabulary.sources import find_source

EPOCH = date(1970, 1, 1)
OF_DONORS = ("donors", "donations", "screenings", "consents")


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
    alone = _alone(study, unit)
    facts = _facts_of_unit(alone, unit, on=on, people=(released_by, signed_by))
    pathway = facts["release_pathway"]
    if pathway == "historical":
        return ReleaseDecision(unit, pathway, profile.code, on, (_never(unit),))
    if pathway == "external_product":
        rules = (*OF_THE_UNIT, *OF_A_SUPPLY)
        return ReleaseDecision(unit, pathway, profile.code, on, _judged(unit, facts, rules))
    criteria = _judged(unit, facts, (*OF_THE_UNIT, *OF_OWN_MATERIAL, *_shelf_life_rule(facts, profile)))
    donations = _by("donation_id", donation_facts(alone, on_day=_day(on)))
    for part in alone.frames["unit_donors"].rows(named=True):
        criteria += _part(alone, part, donations=donations, unit=facts, profile=profile, on=on)
    return ReleaseDecision(unit, pathway, profile.code, on, criteria)


def _alone(study: Study, unit: str) -> Study:
    """Return the study of one unit: what its facts are derived from, in memory."""
    units = picked(study, "units", key="unit_id", values=[unit])
    if units.is_empty():
        raise InputError(f"no unit_id {unit!r} in the study", expected="a row of the table units")
    parts = picked(study, "unit_donors", key="unit_id", values=[unit])
    donors = parts["donor_id"].unique().to_list()
    named = picked(study, "donations", key="donation_id", values=parts["donation_id"])
    frames = {
        "units": units,
        "unit_donors": parts,
        "batches": picked(study, "batches", key="batch_id", values=units["batch_id"]),
        "custody": picked(study, "custody", key="unit_id", values=[unit]),
        "holds": study.read("holds"),
        **{table: picked(study, table, key="donor_id", values=donors) for table in OF_DONORS},
    }
    # A donation of somebody else must be seen to be refused.
    frames["donations"] = pl.concat([frames["donations"], named]).unique("donation_id", maintain_order=True)
    return Study(manifest=study.manifest, frames=frames)


def _day(on: date) -> int:
    return (on - EPOCH).days


def _by(key: str, facts: Lazy) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in facts.collect("polars").to_native().iter_rows(named=True)}


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


def _facts_of_unit(
    alone: Study, unit: str, *, on: date, people: tuple[str | None, str | None]
) -> dict[str, Any]:
    """Return the unit's facts, with those that only its custody events and the people at the desk give."""
    facts = _by("unit_id", unit_facts(alone, on_day=_day(on)))[unit]
    state = fold(events_of(alone.frames["custody"]).get(unit, []), pathway=facts["release_pathway"])
    operators = alone.frames["batches"]["operator"].to_list() or [None]
    return {
        **facts,
        "custody": state.custody,
        "is_record_whole": not state.faults,
        "has_second_person": _is_second_person(*people, operator=operators[0]),
    }


def _is_second_person(released_by: str | None, signed_by: str | None, *, operator: str | None) -> bool | None:
    """Whether the signer is neither who asks nor who processed; unknown while nobody signs or asks."""
    if not signed_by or not released_by:
        return None
    return signed_by not in (released_by, operator)


def _shelf_life_rule(unit: dict[str, Any], profile: Profile) -> tuple[Rule, ...]:
    if profile.shelf_life is None or unit["product"] not in FROZEN:
        return ()
    return (shelf_life_rule(profile.shelf_life),)


# --- one donor's part


def _part(
    alone: Study,
    part: dict[str, Any],
    *,
    donations: dict[str, dict[str, Any]],
    unit: dict[str, Any],
    profile: Profile,
    on: date,
) -> tuple[Criterion, ...]:
    facts = _donation(alone, part, donations)
    if facts is None or facts["donated_day"] is None:
        return (_undated(part["donor_id"]),)
    asked = profile.rules_for("donation")
    covered = {rule.condition for rule in asked}
    rules = (*(rule for rule in OF_A_DONATION if rule.condition not in covered), *asked)
    if unit["product"] in FROZEN:
        rules = (*rules, IN_TIME)
    judged = _judged(facts["donation_id"], facts, rules)
    screenings = alone.frames["screenings"].filter(pl.col("donor_id") == part["donor_id"])
    return judged + _screened(facts, screenings, pathway=unit["release_pathway"], profile=profile, on=on)


def _donation(
    alone: Study, part: dict[str, Any], donations: dict[str, dict[str, Any]]
) -> dict[str, Any] | None:
    """Return the facts of a part's donation, if it is on record. InputError where it is another donor's."""
    donor, donation = part["donor_id"], part["donation_id"]
    if donor not in alone.frames["donors"]["donor_id"]:
        raise InputError(f"no donor_id {donor!r} in the study", expected="a row of the table donors")
    found = donations.get(donation)
    if found and found["donor_id"] != donor:
        raise InputError(f"donation {donation} is not of donor {donor}", do="correct the unit's donors")
    return found


def _undated(donor: str) -> Criterion:
    return Criterion(
        "release.donation",
        donor,
        "The donation and its date are on record.",
        "undetermined",
        "Undetermined, so not eligible: the donation or its date is not on record.",
        find_source("CAM19").title,
    )


def _screened(
    donation: dict[str, Any], screenings: pl.DataFrame, *, pathway: str, profile: Profile, on: date
) -> tuple[Criterion, ...]:
    verdict = release_window(
        screening_results(screenings),
        profile=profile,
        donated_on=EPOCH + timedelta(days=donation["donated_day"]),
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
