"""The whole study, in order: check, cohort, baseline, remission, curves, safety, labels, communities."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import polars as pl

from commensal import __version__
from commensal.evidence.baseline import baseline
from commensal.evidence.cohort import cohort_of
from commensal.evidence.eligibility import eligible, verdicts
from commensal.evidence.flow import flow
from commensal.evidence.landmarks import due_at, windows_of
from commensal.evidence.outcomes import records_of
from commensal.evidence.remission import missingness, not_defined, on_treatment, outcome_rows, remission
from commensal.evidence.reported import reported_outcomes
from commensal.evidence.safety import Window, adverse_event_incidence
from commensal.evidence.standing import evidence_status
from commensal.evidence.time_courses import time_courses
from commensal.programme.analysis import Analysis, read_analysis
from commensal.programme.communities import OnProgress, communities
from commensal.study import RESULTS, Study, demand_usable, write_results
from commensal.study.folder import new_folder
from commensal.vocabulary.windows import visits

LIBRARIES = ("duckdb", "narwhals", "numpy", "polars", "scipy")


def run(
    study: Study,
    folder: Path | str,
    *,
    analysis: Path | str | None = None,
    on_progress: OnProgress | None = None,
) -> Path:
    """Run the analysis file (the default one without) on a study and write the result tables.

    Returns the new folder. The same study, analysis file and versions give the same bytes.

    Refuses: OutputExistsError where the folder exists; InputError for an analysis file that is not as
    declared; ProblemsFoundError where the check of the study finds an error.
    """
    told = on_progress or (lambda _what, _share: None)
    new_folder(folder)
    chosen = read_analysis(analysis)
    windows = windows_of(chosen.windows)
    told("checking the study", 0.0)
    warnings = demand_usable(study)
    tables = {**_people(study, chosen, windows, told), **_communities(study, chosen, told)}
    tables["provenance"] = _provenance(study, chosen, n_warnings=warnings.height)
    told("writing the results", 0.98)
    return write_results({name: tables[name] for name in RESULTS if name in tables}, folder)


def _people(
    study: Study, analysis: Analysis, windows: pl.DataFrame, told: OnProgress
) -> dict[str, pl.DataFrame]:
    at, level = analysis.landmarks, analysis.level
    told("the cohort", 0.2)
    cohort = cohort_of(study)
    due = due_at(cohort, windows=windows, at=at)
    told("scoring the instruments", 0.25)
    records = records_of(study, cohort, due)
    told("remission at each landmark", 0.35)
    outcomes = outcome_rows(records, landmarks=at)
    estimates = [
        remission(outcomes, level=level),
        not_defined(cohort, due, landmarks=at),
        on_treatment(cohort, due, level=level),
        reported_outcomes(study, cohort, level=level),
    ]
    told("curves", 0.45)
    drawn, at_risk = time_courses(records, level=level)
    told("adverse events", 0.5)
    window = Window(procedure_days=analysis.procedure_days, patient_days=analysis.patient_days)
    estimates.append(adverse_event_incidence(study, cohort, window=window, level=level))
    return {
        "verdicts": verdicts(cohort),
        "flow": flow(
            cohort, outcomes, landmarks={code: visits()[code] for code in at}, verdicts=eligible(cohort)
        ),
        "baseline": baseline(study, cohort, records.assessed),
        "estimates": pl.concat(estimates),
        "missingness": missingness(outcomes),
        "curves": drawn,
        "numbers_at_risk": at_risk,
        "evidence_status": evidence_status(cohort),
    }


def _communities(study: Study, analysis: Analysis, told: OnProgress) -> dict[str, pl.DataFrame]:
    return communities(
        study,
        seed=analysis.seed,
        level=analysis.level,
        rarefy_to=analysis.rarefy_to or None,
        told=lambda what, share: told(what, 0.55 + 0.4 * share),
    )


def _provenance(study: Study, analysis: Analysis, *, n_warnings: int) -> pl.DataFrame:
    manifest = study.manifest
    cut = manifest.data_cut_day
    facts = {
        "origin": manifest.origin,
        "data_hash": manifest.data_hash if manifest.tables else "not hashed: a study in memory",
        "data_made_with": f"commensal {manifest.code_version}",
        "data_seed": "none" if manifest.seed is None else str(manifest.seed),
        "clock": manifest.clock,
        "data_cut_day": "unknown: who is due cannot be told" if cut is None else str(cut),
        "check_warnings": str(n_warnings),
        "analysis": analysis.title,
        "analysis_file": analysis.name,
        "analysis_hash": analysis.sha256,
        "analysis_deviations": "; ".join(analysis.deviations) or "none",
        "level": str(analysis.level),
        "seed": str(analysis.seed),
        "software": f"commensal {__version__}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        **{f"note_{n}": note for n, note in enumerate(manifest.notes, start=1)},
    }
    return pl.DataFrame({"item": list(facts), "value": list(facts.values())})
