"""Whom an estimate is about: analysis sets, and the levels of indication, route, cohort and donor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.evidence.eligibility import eligible
from commensal.evidence.ground import Ground
from commensal.evidence.material import UNKNOWN
from commensal.evidence.missing.panel import Panel, Target

Array = np.ndarray

DONOR_CAUTION = (
    "patients with one donor; raw, by chance alone the best of many looks good: see shrunken effects"
)


@dataclass(frozen=True, eq=False)
class Group:
    """A level of a group variable inside an analysis set: flags (r,) over a target's rows."""

    population: str
    variable: str
    level: str
    member: Array
    caution: str = ""


@dataclass(frozen=True, eq=False)
class Membership:
    """Of each patient of the panel: analysis sets as flags, route, cohort and only donor as words."""

    sets: dict[str, Array]
    route: Array
    cohort: Array
    donor: Array


def membership_of(ground: Ground, panel: Panel) -> Membership:
    """Read which sets and levels each patient of the panel is in."""
    ids = panel.patients.select("patient_id")
    verdict = ids.join(eligible(ground.cohort), on="patient_id", how="left")["verdict"]
    facts = ids.join(ground.cohort, on="patient_id", how="left")
    contacts = (facts["has_baseline_record"] & (facts["n_contacts_after_index"] >= 1)).fill_null(False)
    only = ground.received.filter((pl.col("share") > 1 - 1e-9) & (pl.col("donor_id") != UNKNOWN))
    donor = ids.join(only.select("patient_id", "donor_id"), on="patient_id", how="left")["donor_id"]
    return Membership(
        sets={
            "": np.ones(ids.height, dtype=bool),
            "as registered": (verdict == "met").fill_null(False).to_numpy(),
            "full data": contacts.to_numpy(),
        },
        route=panel.patients["route"].fill_null("unknown").to_numpy().astype(object),
        cohort=panel.patients["cohort"].fill_null("unknown").to_numpy().astype(object),
        donor=donor.fill_null("").to_numpy().astype(object),
    )


def by_indication(target: Target, membership: Membership) -> list[Group]:
    """The indication of a target in every analysis set."""
    words = {name: f"{target.population}; {name}" if name else target.population for name in membership.sets}
    return [
        Group(words[name], "indication", target.indication, flags[target.rows])
        for name, flags in membership.sets.items()
    ]


def by_level(target: Target, membership: Membership, *, least: int) -> Iterator[Group]:
    """Routes, cohorts and single donors of all treated.

    Donors with fewer than ``least`` patients due are put together.
    """
    for variable in ("route", "cohort"):
        found = getattr(membership, variable)[target.rows]
        for level in sorted(set(found)):
            yield Group(target.population, variable, str(level), found == level)
    donor = membership.donor[target.rows]
    counts = {d: int((donor == d).sum()) for d in sorted(set(donor)) if d}
    for name in (d for d, n in counts.items() if n >= least):
        yield Group(target.population, "donor", name, donor == name, DONOR_CAUTION)
    rest = np.isin(donor, [d for d, n in counts.items() if n < least])
    words = f"donors with fewer than {least} patients due"
    yield Group(target.population, "donor", words, rest, DONOR_CAUTION)
