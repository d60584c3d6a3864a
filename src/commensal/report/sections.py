"""The sections of the report, each from the result tables it shows; a section without rows is left out."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from commensal.report.care_sections import safety, time_courses
from commensal.report.gut_sections import engraftment
from commensal.report.outcome_sections import remission, reported
from commensal.report.people_sections import baseline, evidence_status, flow, summary
from commensal.report.views import Section, TableView

Tables = Mapping[str, pl.DataFrame]

LIMITS = (
    "This is an observational record of one programme. What changed after transplant is not thereby caused "
    "by it: patients are treated when they are at their worst, and many improve without treatment "
    "(regression to the mean). Where a published control arm is known, it stands beside the estimate.",
    "Follow-up is incomplete. Estimates from observed cases assume that those who were not seen fare like "
    "those who were; counting the unseen as failures assumes the opposite. The truth may lie outside both.",
    "Remission is defined for each disease by its own instrument and is not pooled across diseases. Where no "
    "remission is defined, none is reported.",
    "Status is known at visits only; the day of a change between two visits is not.",
)


def sections_of(tables: Tables) -> list[Section]:
    """Every section that the tables have something to say on, in reading order."""
    made = [
        summary(tables),
        flow(tables),
        evidence_status(tables),
        baseline(tables),
        remission(tables),
        reported(tables),
        time_courses(tables),
        safety(tables),
        engraftment(tables),
        Section("limits", "Limits", cautions=LIMITS),
        provenance(tables),
    ]
    return [s for s in made if s is not None]


def provenance(tables: Tables) -> Section | None:
    """How the results were made: hashes, versions, seed, analysis file."""
    rows = tables["provenance"]
    if rows.is_empty():
        return None
    cells = tuple((r["item"], r["value"] or "") for r in rows.iter_rows(named=True))
    return Section(
        "provenance",
        "Provenance",
        "The same study, analysis file and version give the same bytes.",
        tables=(TableView("How these results were made", ("Item", "Value"), cells),),
    )
