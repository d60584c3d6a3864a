"""What a research copy (a freeze, an export) leaves out because a person withdrew.

W3: what is dated after the withdrawal. W4: all of it; where a unit's custody names the patient, a row
without any attribute stands in the patient's place, so that the unit's story stays whole. Nothing is taken
from the registry itself: the trace of material and records of serious adverse events are kept there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from commensal.registry.permitted import Permitted, of_each, permitted

Frames = dict[str, pl.DataFrame]
DATED = {
    "visits": "visited_on",
    "diaries": "recorded_on",
    "reported_outcomes": "assessed_on",
    "lab_results": "collected_on",
    "exposures": "started_on",
    "diagnoses": "diagnosed_on",
    "procedures": "performed_on",
    "hospitalisations": "admitted_on",
    "adverse_events": "began_on",
    "dispositions": "occurred_on",
}
"""Tables of what is collected about a patient, and the day it is about. Sessions are exposures, and stay."""

OF_A_PATIENT = (*DATED, "assessments", "sessions", "courses", "consents")
STAND_IN = "withdrawn"
OF_A_DONOR = ("sex", "born_on", "bmi", "cmv_igg", "ebv_igg", "recent_foods", "deferred_until_on")


@dataclass(frozen=True)
class Withheld:
    """How much was left out: people removed, people without new data and the rows that went with them."""

    n_patients_removed: int = 0
    n_patients_cut: int = 0
    n_donors_bared: int = 0
    n_rows: int = 0
    n_levels_unknown: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """In words, for the manifest; nothing where nothing was left out."""
        said = (
            (self.n_patients_removed, "patients left out who asked for deletion (W4)"),
            (self.n_patients_cut, "patients without what came after their withdrawal (W3)"),
            (self.n_donors_bared, "donors without health data, who asked for deletion (W4)"),
            (self.n_rows, "rows left out for a withdrawal"),
            (self.n_levels_unknown, "withdrawals whose level is not recorded, taken as W3"),
        )
        return tuple(f"{n} {words}" for n, words in said if n)


def withhold(frames: Mapping[str, pl.DataFrame], *, on: date) -> tuple[Frames, Withheld]:
    """Return the frames without what may not be used on a day, and how much that was.

    ``frames`` are those of every table the registry records.
    """
    patients, donors = standing(frames, "patient_id", on=on), standing(frames, "donor_id", on=on)
    removed = sorted(who for who, p in patients.items() if not p.keeps_collected_data)
    cut = {w: p for w, p in patients.items() if p.keeps_collected_data and not p.may_extract_records}
    bared = sorted(who for who, p in donors.items() if not p.keeps_collected_data)
    kept = _without_donors_health(_removed(_cut(dict(frames), cut), removed), bared)
    n_rows = sum(frame.height for frame in frames.values()) - sum(frame.height for frame in kept.values())
    n_unknown = sum(not p.is_level_known for p in (*patients.values(), *donors.values()))
    return kept, Withheld(len(removed), len(cut), len(bared), n_rows, n_unknown)


def standing(frames: Mapping[str, pl.DataFrame], who: str, *, on: date) -> dict[str, Permitted]:
    """Return what may be done with those of whom a withdrawal is on record."""
    consents = frames["consents"].filter(pl.col(who).is_not_null())
    ends = frames["dispositions"] if who == "patient_id" else frames["dispositions"].clear()
    left = {
        *consents.filter(pl.col("withdrawn_on").is_not_null() | pl.col("withdrawal_level").is_not_null())[
            who
        ],
        *ends.filter(pl.col("kind") == "withdrawal")["patient_id"],
    }
    consents = consents.filter(pl.col(who).is_in(left))
    ends = ends.filter(pl.col("patient_id").is_in(left))
    signed = of_each(consents.iter_rows(named=True), who)
    ended = of_each(ends.iter_rows(named=True))
    return {person: permitted(signed.get(person, ()), ended.get(person, ()), on=on) for person in left}


def _cut(frames: Frames, cut: Mapping[str, Permitted]) -> Frames:
    """Without what is dated after a patient's withdrawal; what has no date was known before it."""
    if not cut:
        return frames
    last = pl.DataFrame(
        {"patient_id": list(cut), "last": [p.since for p in cut.values()]},
        schema={"patient_id": pl.String, "last": pl.Date},
    )
    for table, day in DATED.items():
        marked = frames[table].join(last, on="patient_id", how="left", maintain_order="left")
        is_after = (pl.col(day) > pl.col("last")).fill_null(False)
        # The withdrawal itself is of that day; one from ever has no day, and leaves what was collected.
        frames[table] = marked.filter(~is_after).drop("last")
    return _without_orphans(frames)


def _removed(frames: Frames, patients: list[str]) -> Frames:
    """Without some patients; where custody or a donor's row names one, a stand-in without attributes."""
    if not patients:
        return frames
    for table in OF_A_PATIENT:
        # A donor's consent names no patient, and stays.
        frames[table] = frames[table].filter(~pl.col("patient_id").is_in(patients).fill_null(False))
    named = {*frames["custody"]["patient_id"], *frames["donors"]["patient_id"]}
    stand_ins = {who: f"{STAND_IN}-{i}" for i, who in enumerate((p for p in patients if p in named), 1)}
    own = frames["patients"]
    arms = dict(own.select("patient_id", "arm").iter_rows())
    rows = pl.DataFrame(
        {"patient_id": list(stand_ins.values()), "arm": [arms[who] for who in stand_ins]},
        schema={"patient_id": pl.String, "arm": pl.String},
    )
    kept = own.filter(~pl.col("patient_id").is_in(patients))
    frames["patients"] = pl.concat([kept, rows], how="diagonal")
    for table in ("custody", "donors"):
        frames[table] = frames[table].with_columns(pl.col("patient_id").replace(stand_ins))
    is_gone = pl.col("patient_id").is_in(list(stand_ins.values())).fill_null(False)
    frames["custody"] = frames["custody"].with_columns(
        session_id=pl.when(~is_gone).then(pl.col("session_id")),
        reason=pl.when(~is_gone).then(pl.col("reason")),
    )
    return _without_orphans(frames)


def _without_orphans(frames: Frames) -> Frames:
    """Without rows of visits and sessions that were left out."""
    for table, key, target in (
        ("assessments", "visit_id", "visits"),
        ("session_units", "session_id", "sessions"),
    ):
        there = frames[target].select(key)
        frames[table] = frames[table].join(there, on=key, how="semi", maintain_order="left")
    return frames


def _without_donors_health(frames: Frames, donors: Iterable[str]) -> Frames:
    """Donors keep their pseudonym, for the trace of their material; what is known of their health goes."""
    gone = list(donors)
    if not gone:
        return frames
    is_gone = pl.col("donor_id").is_in(gone).fill_null(False)
    frames["donors"] = frames["donors"].with_columns(
        [pl.when(~is_gone).then(pl.col(name)).alias(name) for name in OF_A_DONOR]
    )
    frames["screenings"] = frames["screenings"].filter(~is_gone)
    return frames
