"""The whole study, in order: check, ground, every analysis, what rests on two of them, provenance."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import polars as pl

from commensal import __version__, engine
from commensal.evidence.effects import microbiome_effects
from commensal.evidence.ground import Ground, ground_of
from commensal.programme.analysis import Analysis, read_analysis
from commensal.programme.parts import PARTS, begin_on_ground, begin_on_study, finished, stacked
from commensal.study import RESULTS, Study, demand_usable, write_results
from commensal.study.folder import new_folder

OnProgress = Callable[[str, float], None]

# What another process reads in while this one checks the study.
READY = ("commensal.programme.parts",)

LIBRARIES = (
    "duckdb",
    "lightgbm",
    "narwhals",
    "numpy",
    "polars",
    "scikit-bio",
    "scikit-learn",
    "scipy",
)


def run(
    study: Study,
    folder: Path | str,
    *,
    analysis: Path | str | None = None,
    registered: Path | str | None = None,
    processes: int | engine.Workers = 1,
    on_progress: OnProgress | None = None,
) -> Path:
    """Run the analysis file (the default one without) on a study and write the result tables.

    ``registered`` is the analysis file as laid down before the data were locked; differences are listed in
    the provenance. ``processes`` (0: all cores; or :func:`engine.workers` already at work) changes no number;
    a study on Spark spreads imputations, folds and bootstraps over it instead. Returns the new folder. The
    same study, analysis file and versions give the same bytes.

    Refuses: OutputExistsError where the folder exists; InputError for an analysis file that is not as
    declared; ProblemsFoundError where the check of the study finds an error.
    """
    told = on_progress or (lambda _what, _share: None)
    new_folder(folder)
    chosen = read_analysis(analysis, registered=registered)
    with engine.workers(1 if study.engine == "spark" else processes, ready=READY) as team:
        told("checking the study", 0.0)
        warnings = demand_usable(study)
        begun = begin_on_study(study, chosen, team=team)
        told("cohort and outcomes", 0.05)
        ground = ground_of(study, landmarks=chosen.landmarks, windows=chosen.windows)
        begun |= begin_on_ground(ground, chosen, team=team)
        told("the analyses", 0.1)
        tables = finished(begun, team=team, on_done=lambda n: _say(told, n))
    tables = _with_communities(ground, chosen, tables)
    tables["provenance"] = _provenance(study, chosen, n_warnings=warnings.height)
    told("writing the results", 0.98)
    return write_results({name: tables[name] for name in RESULTS if name in tables}, folder)


def _say(told: OnProgress, n_done: int) -> None:
    told(f"the analyses: {n_done} of {len(PARTS)}", 0.1 + 0.8 * n_done / len(PARTS))


def _with_communities(
    ground: Ground, analysis: Analysis, tables: dict[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """Add what rests on outcomes and communities both."""
    settings = analysis.sections["effects"]
    more = microbiome_effects(ground, tables, settings=settings, level=analysis.level)
    return stacked([tables, more])


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
        "analysis_compared_with": analysis.compared_with,
        "analysis_deviations": "; ".join(analysis.deviations) or "none",
        "level": str(analysis.level),
        "seed": str(analysis.seed),
        "software": f"commensal {__version__}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        **{f"note_{n}": note for n, note in enumerate(manifest.notes, start=1)},
    }
    return pl.DataFrame({"item": list(facts), "value": list(facts.values())})
