"""Recall of material: what it reaches, what became of each unit, which clocks run, what is still open.

Pure: a small study goes in, rows come out. What was recorded as given counts as an exposure even where it
was taken back later: a recall must still ask about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from commensal.bank.stock import picked, unit_states
from commensal.bank.trace import exposures
from commensal.errors import InputError
from commensal.study import Study
from commensal.vocabulary.adverse_events import adverse_events, causality_categories

KINDS: dict[str, bool] = {
    "infection_suspected": True,
    "late_positive": True,
    "donor_illness": True,
    "defect": False,
    "cold_chain": False,
    "label_error": False,
    "other": False,
}
"""Reason of a recall → whether every donor behind the material is suspected, with all their other units."""

SEVERITIES = ("critical", "major", "minor")
STEPS = ("held", "listed", "first_contact", "all_contacted", "closed")
CLOCKS: dict[str, tuple[timedelta, ...]] = {
    "critical": tuple(timedelta(hours=h) for h in (1, 1, 24, 72, 30 * 24)),
    "major": tuple(timedelta(hours=h) for h in (4, 24, 72, 7 * 24, 30 * 24)),
    "minor": tuple(timedelta(hours=h) for h in (24, 72, 7 * 24, 30 * 24, 90 * 24)),
}
"""Time from detection to each step. Working values of this platform, for a centre's quality to confirm: no
guideline sets them for faecal material."""

KNOWN = ("held", "given", "returned", "destroyed")
OPEN = ("given_in_part", "not_back", "not_held", "unknown")
STATED = ("destroyed", "returned", "given", "lost")
"""Fates that quality may state where custody cannot tell; a lost unit was looked for and not found."""

OUTCOMES = ("well", "ill", "died", "declined", "not_found", "no_answer")
ENDING = OUTCOMES[:-1]
"""Outcomes after which a patient needs no further attempt. Nobody answering is not one."""

_FATE_OF = {
    "administered": "given",
    "wasted": "destroyed",
    "destroyed": "destroyed",
    "returned": "returned",
    "issued": "not_back",
    "shipped": "not_back",
    "partly_administered": "given_in_part",
    "none": "unknown",
}
GONE = ("administered", "wasted", "destroyed")
"""Custody states in which a hold would hold nothing."""


@dataclass(frozen=True)
class Reach:
    """What a recall reaches, all sorted. ``patients`` are those of units given or on the way to them."""

    units: tuple[str, ...]
    batches: tuple[str, ...]
    donors: tuple[str, ...]
    patients: tuple[str, ...]


@dataclass(frozen=True)
class Fate:
    """What became of one unit. ``patients`` received it, were recorded as such, or have it now."""

    unit_id: str
    fate: str
    custody: str
    hold: str
    patients: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether nobody has to look for the unit any more."""
        return self.fate in (*KNOWN, "lost", "in_stock")


@dataclass(frozen=True)
class Clock:
    """One step of a recall: until when, when it was done (null while it was not), whether it is late."""

    step: str
    due_at: datetime
    done_at: datetime | None
    is_late: bool


def reach(
    study: Study,
    *,
    kind: str,
    unit: str | None = None,
    batch: str | None = None,
    donor: str | None = None,
    donation: str | None = None,
) -> Reach:
    """Return what a recall of a kind reaches from exactly one unit, batch, donor or donation.

    Where the donor is suspected, the reach is every unit with a part of any donor behind the start; of a
    pool, all its donors. Otherwise it is the units named, made of the batch, or made of the donation.
    Batches are those that are reached whole. Refuses (InputError) none or several starts, an unknown kind.
    """
    named = [value for value in (unit, batch, donor, donation) if value is not None]
    if len(named) != 1 or kind not in KINDS:
        raise InputError(
            f"a recall of kind {kind!r} from {len(named)} starts",
            expected="one unit, batch, donor or donation, and a kind of " + ", ".join(KINDS),
        )
    parts, units = study.read("unit_donors"), study.read("units")
    if unit is not None or batch is not None:
        column, value = ("unit_id", unit) if unit is not None else ("batch_id", batch)
        started = set(units.filter(pl.col(column) == value)["unit_id"])
        donors = set(parts.filter(pl.col("unit_id").is_in(list(started)))["donor_id"])
    else:
        column, value = ("donor_id", donor) if donor is not None else ("donation_id", donation)
        mine = parts.filter(pl.col(column) == value)
        started = set(mine["unit_id"])
        owners = study.read("donations").filter(pl.col("donation_id") == (donation or ""))
        donors = {donor} if donor is not None else {*mine["donor_id"], *owners["donor_id"]}
    if KINDS[kind]:
        started |= set(parts.filter(pl.col("donor_id").is_in(list(donors)))["unit_id"])
    reached = started & set(units["unit_id"])
    return Reach(
        units=tuple(sorted(reached)),
        batches=_held_batches(units, reached, batch) if unit is None or KINDS[kind] else (),
        donors=tuple(sorted(donors)) if KINDS[kind] or donor is not None else (),
        patients=tuple(sorted({p for held in having(study, units=reached).values() for p in held})),
    )


def _held_batches(units: pl.DataFrame, reached: set[str], batch: str | None) -> tuple[str, ...]:
    """Batches that are reached whole, and the one that was named."""
    whole = (
        units.filter(pl.col("batch_id").is_not_null())
        .group_by("batch_id")
        .agg(pl.col("unit_id").is_in(list(reached)).all().alias("is_whole"))
    )
    named = set() if batch is None else {batch}
    return tuple(sorted(named | set(whole.filter(pl.col("is_whole"))["batch_id"])))


def having(study: Study, *, units: Iterable[str]) -> dict[str, set[str]]:
    """Return unit → patients who received it, were recorded as such, or for whom it left the bank."""
    ids = sorted(units)
    used = exposures(study, units=ids).select("unit_id", "patient_id")
    left = picked(study, "custody", key="unit_id", values=ids).filter(pl.col("event") == "issued")
    found: dict[str, set[str]] = {}
    for unit_id, patient in (*used.iter_rows(), *left.select("unit_id", "patient_id").iter_rows()):
        found.setdefault(unit_id, set())
        if patient is not None:
            found[unit_id].add(patient)
    return found


def fates(
    study: Study,
    *,
    units: Iterable[str],
    on_day: int,
    stated: Mapping[str, str] | None = None,
    is_drill: bool = False,
) -> list[Fate]:
    """Return what became of each unit by the end of a day, sorted by unit; open ones first.

    ``stated`` are fates that quality stated for units custody cannot tell. In a drill nothing is held:
    stock that is where it should be counts as found. A unit with part left is open until the rest is.
    """
    ids, stated = sorted(units), stated or {}
    patients = having(study, units=ids)
    used = exposures(study, units=ids).filter(~pl.col("is_taken_back"))
    given = set(used["unit_id"])
    found = [
        _fate(row, patients.get(row["unit_id"], set()), given, stated, is_drill=is_drill)
        for row in unit_states(study, on_day=on_day, units=ids).iter_rows(named=True)
    ]
    known = {fate.unit_id for fate in found}
    found += [Fate(u, stated.get(u, "unknown"), "none", "none") for u in ids if u not in known]
    return sorted(found, key=lambda fate: (fate.is_known, fate.unit_id))


def _fate(
    row: Mapping[str, str],
    patients: set[str],
    given: set[str],
    stated: Mapping[str, str],
    *,
    is_drill: bool,
) -> Fate:
    unit, custody, hold = row["unit_id"], row["custody"], row["hold"]
    fate = _FATE_OF.get(custody)
    if fate == "unknown" and unit in given:
        fate = "given"
    if fate is None:
        fate = "in_stock" if is_drill else "held" if hold != "none" else "not_held"
    if fate in OPEN:
        fate = stated.get(unit, fate)
    return Fate(unit, fate, custody, hold, tuple(sorted(patients)))


def clocks(
    *, severity: str, detected_at: datetime, done: Mapping[str, datetime | None], now: datetime
) -> list[Clock]:
    """Return the steps of a recall with due and done times, in order."""
    return [
        Clock(step, due, at := done.get(step), (at or now) > due)
        for step, lag in zip(STEPS, CLOCKS[severity], strict=True)
        for due in [detected_at + lag]
    ]


def open_points(
    found: Iterable[Fate], *, patients: Mapping[str, str | None], is_drill: bool = False
) -> list[str]:
    """Return, in words, why a recall may not be closed yet; empty where it may.

    ``patients`` is patient → outcome of the last contact, null where there was none. A drill contacts nobody.
    """
    lost = [fate for fate in found if not fate.is_known]
    waiting = [p for p, outcome in patients.items() if outcome not in ENDING] if not is_drill else []
    said = [f"unit {fate.unit_id}: {fate.fate.replace('_', ' ')}" for fate in lost]
    return said + [f"patient {patient}: not contacted to an end" for patient in sorted(waiting)]


def asks_look_back(term: str | None, *, causality: str | None) -> bool:
    """Whether an adverse event asks to look back to the donor.

    A suspected infection from the donor always does; sepsis does unless a physician found it not to be
    suspected. What nobody assessed is suspected.
    """
    action = adverse_events().get(term).action if term is not None else ""
    if action == "look_back":
        return True
    is_suspected = causality is None or causality_categories().get(causality).is_suspected
    return action == "quarantine_donor" and is_suspected


LOOK_BACK_TERMS = tuple(e.code for e in adverse_events() if e.action in ("look_back", "quarantine_donor"))

INFECTION_TERMS, CLUSTER_DAYS, CLUSTER_PATIENTS = ("ae15", "ae16"), 30, 2
"""What makes a cluster of a donor's recipients: the defaults of the study's alarms (a test holds them equal),
kept here because a page must not load the machinery of those alarms."""


def clustered(infections: Iterable[tuple[int, str]]) -> list[set[str]]:
    """Return the patients of each cluster among the infections (day, patient) laid to one donor.

    A cluster opens with enough patients within the days, and goes on while the next infection lies within
    them of the one before.
    """
    told = sorted(set(infections))
    found: list[tuple[int, set[str]]] = []
    for n, (day, patient) in enumerate(told):
        near = {p for d, p in told[: n + 1] if day - d <= CLUSTER_DAYS}
        if found and day - found[-1][0] <= CLUSTER_DAYS:
            found[-1] = (day, found[-1][1] | {patient})
        elif len(near) >= CLUSTER_PATIENTS:
            found.append((day, near))
    return [patients for _, patients in found]
