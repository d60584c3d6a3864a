"""The sections of the report, each from the result tables it shows; a section without rows is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from commensal.engine import Shared, Workers
from commensal.errors import InputError, nearest
from commensal.report.care_sections import safety, time_courses
from commensal.report.checklists import checklist_section
from commensal.report.dysbiosis_sections import deficits, dysbiosis
from commensal.report.effect_sections import comparisons, donors, predictors, tests, time_models
from commensal.report.gut_sections import attribution, engraftment, identity, ordination, taxa
from commensal.report.match_sections import match_run, policy_trials, prediction
from commensal.report.missing_sections import follow_up, missing_data
from commensal.report.model_sections import models
from commensal.report.monitor_sections import monitoring
from commensal.report.outcome_sections import remission, reported
from commensal.report.people_sections import PURPOSE, baseline, donor_flow, evidence_status, flow, summary
from commensal.report.plan_sections import care_plan, replan
from commensal.report.score_sections import scores
from commensal.report.views import Section, TableView

Tables = Mapping[str, pl.DataFrame]

WHO = ("subject_id", "patient_id")
PERSONAL = (
    *("engraftment", "taxon_fates", "attributions", "identity", "dysbiosis", "deficits", "ordination"),
    *("care_plans", "replans"),
)

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


def limits(tables: Tables) -> Section | None:
    """What estimates of an uncontrolled programme cannot say; left out where none are shown."""
    return None if tables["estimates"].is_empty() else Section("limits", "Limits", cautions=LIMITS)


def checklists(tables: Tables) -> Section | None:
    """What reporting guidelines ask for; left out where nothing was estimated."""
    return None if tables["estimates"].is_empty() else checklist_section(tables)


def of_patient(tables: Tables, patient: str) -> dict[str, pl.DataFrame]:
    """Return the tables with the rows of one patient only; those that name no patient are empty.

    Raises :class:`~commensal.errors.InputError` where no table names the patient.
    """
    columns = {n: next((c for c in WHO if c in t.columns), None) for n, t in tables.items() if n in PERSONAL}
    kept = {n: tables[n].filter(pl.col(c) == patient) for n, c in columns.items() if c}
    if all(frame.is_empty() for frame in kept.values()):
        known = {p for n, c in columns.items() if c for p in tables[n][c].drop_nulls().to_list()}
        raise InputError(f"no result names the patient {patient!r}", expected=nearest(patient, known))
    return {n: kept.get(n, frame.clear()) for n, frame in tables.items()}


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


# In reading order.
SECTIONS: Mapping[str, Callable[[Tables], Section | None]] = {
    made.__name__: made
    for made in (
        summary,
        flow,
        donor_flow,
        evidence_status,
        baseline,
        follow_up,
        remission,
        missing_data,
        reported,
        time_courses,
        scores,
        safety,
        predictors,
        time_models,
        comparisons,
        donors,
        monitoring,
        models,
        tests,
        engraftment,
        attribution,
        taxa,
        identity,
        dysbiosis,
        deficits,
        ordination,
        prediction,
        match_run,
        care_plan,
        replan,
        policy_trials,
        limits,
        checklists,
        provenance,
    )
}
# Those with most to draw first, so that processes end together.
BY_LENGTH = ("time_courses", "monitoring", "dysbiosis", "remission", "models", "engraftment", "comparisons")


def sections_of(tables: Tables) -> list[Section]:
    """Every section that the tables have something to say on, in reading order."""
    made = [section(tables) for section in SECTIONS.values()]
    return [s for s in made if s is not None]


def sections_drawn(tables: Tables, *, team: Workers) -> list[Section]:
    """As :func:`sections_of`, their pictures drawn, put together by several processes."""
    shared = team.share(tables)
    order = sorted(SECTIONS, key=lambda name: BY_LENGTH.index(name) if name in BY_LENGTH else len(BY_LENGTH))
    given = [team.give(_drawn, name, shared) for name in order]
    made = dict(zip(order, team.results(given), strict=True))
    return [section for name in SECTIONS if (section := made[name]) is not None]


def _drawn(name: str, tables: Shared[Tables]) -> Section | None:
    section = SECTIONS[name](tables.value)
    return None if section is None else section.drawn()


def sections_of_patient(tables: Tables, patient: str) -> list[Section]:
    """The sections that have something to say of one patient, under a head that names the patient."""
    _, *others = sections_of(of_patient(tables, patient))
    return [Section("top", f"Recipient {patient}", PURPOSE), *others]
