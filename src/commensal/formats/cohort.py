"""From sample metadata to people: patients, donors, pools, sessions, units, outcomes and samples.

A published study without dates runs on the patient's clock: day 0 is the index, the first transplant.
One session at day 0 stands for what the patient received; its unit links patient and donor.
"""

from __future__ import annotations

import polars as pl

from commensal.errors import Problem
from commensal.formats.cohort_patients import TREATED, add_patient
from commensal.formats.cohort_samples import add_samples
from commensal.formats.cohort_transplants import add_course, read_pools
from commensal.formats.metadata import subjects
from commensal.formats.rows import Rows
from commensal.formats.sheets import Sheet


def cohort_frames(
    sheet: Sheet, *, problems: list[Problem], notes: list[str], has_samples: bool = True
) -> dict[str, pl.DataFrame]:
    """Return the tables of people, material and care that sample metadata speak of."""
    people = subjects(sheet, problems=problems)
    pools = read_pools(sheet, problems=problems)
    rows = Rows()
    for person in people:
        if person.role == "recipient":
            arm = add_patient(rows, person, sheet, problems=problems)
            if arm and arm in TREATED:
                add_course(rows, person, sheet, arm=arm, pools=pools, problems=problems)
        elif person.role in {"donor", "healthy_reference"} and person.subject_id not in pools:
            kind = "healthy_reference" if person.role == "healthy_reference" else None
            rows.add("donors", donor_id=person.subject_id, kind=kind)
    for pool, members in pools.items():
        rows.add("batches", batch_id=pool)
        for donor in members:
            rows.add("donors", donor_id=donor, kind=None)
    if has_samples:
        by_id = {p.subject_id: p for p in people}
        add_samples(rows, sheet, people=by_id, pools=pools, problems=problems)
    _note_assumptions(rows, sheet, notes)
    return _one_row_per_donor(rows.frames())


def _one_row_per_donor(frames: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """A donor is named by samples, by recipients and by pools; the row that says its kind wins."""
    if "donors" in frames:
        donors = frames["donors"].sort("donor_id", "kind", nulls_last=True)
        frames["donors"] = donors.unique("donor_id", keep="first", maintain_order=True)
    return frames


def _note_assumptions(rows: Rows, sheet: Sheet, notes: list[str]) -> None:
    if "arm" not in sheet and rows.tables.get("patients"):
        notes.append(f"{sheet.name} has no arm: every recipient is taken as treated with FMT")
    if rows.tables.get("donations"):
        notes.append("days of donations count from the index of the patient they were made for")
    if rows.tables.get("sessions"):
        notes.append("the source gives no date of each session: one session at day 0 stands for the course")
