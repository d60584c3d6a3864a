"""Rows of hazard models and of tests between routes and cohorts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import CommensalError, RefusedError
from commensal.evidence.designs import Design, design_of
from commensal.evidence.rows import rows_of
from commensal.evidence.survival.courses import Course
from commensal.evidence.survival.cox import cox
from commensal.evidence.survival.fine_gray import CONVENTION, fine_gray
from commensal.evidence.survival.group_tests import GroupTest, gray_test, log_rank
from commensal.evidence.survival.proportional_hazards import proportional_hazards_test
from commensal.evidence.survival.settings import Settings

HANDLING = "death and colectomy are competing events; complete cases of the covariates"
CAUSE_SPECIFIC = "cause-specific Cox, {ties} ties, competing events censored, inverse information"
FINE_GRAY = f"Fine–Gray, {CONVENTION}"
ASSOCIATION = "an association at index, not an effect of treatment"
CHOSEN = "routes and cohorts were not assigned at random: a difference is no effect of them"
RARE_LEVEL = 5


def population_of(course: Course) -> str:
    """Who is in the model, the indication first."""
    return f"{course.indication}: {course.population}"


def endpoint_of(course: Course) -> str:
    """The endpoint of a course in the rows of models and tests."""
    return f"first_{course.event}" if course.event in ("remission", "response") else course.event


def hazard_models(
    courses: Sequence[Course], covariates: pl.DataFrame, *, settings: Settings, level: float
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return ``effects`` rows of both hazard models of each course, and tests of proportional hazards."""
    effects: list[dict[str, Any]] = []
    tests: list[dict[str, Any]] = []
    for course in courses:
        known = course.times.join(covariates, on="patient_id").sort("patient_id")
        # What nobody of the course has recorded is named in its own row; it does not empty the model.
        recorded = [name for name in settings.covariates if known[name].null_count() < known.height]
        used = replace(settings, covariates=recorded)
        complete = known.drop_nulls(recorded) if recorded else known
        base = {
            "endpoint": endpoint_of(course),
            "population": population_of(course),
            "n": complete.height,
            "n_events": int((complete["event"] == 1).sum()),
        }
        missing = known.height - complete.height
        refused = _too_few(complete, known.height, used)
        design = None if refused else design_of(complete, recorded, at_least=RARE_LEVEL)
        if design is not None:
            refused = _too_many(design, base["n_events"], used)
        absent = [name for name in settings.covariates if name not in recorded]
        for model, fitter in _models(course, complete, design, used).items():
            cells = {**base, "model": model, "n_missing": missing, "estimand": HANDLING, "level": level}
            effects += _effects(fitter, design, refused, cells, course, used, level=level)
            effects += [{**cells, "term": n, "method": fitter[1], "reason": "never recorded"} for n in absent]
        tests += _proportionality(complete, design, refused, base, used)
    return _frame("effects", effects), _frame("hypothesis_tests", tests)


def _too_few(complete: pl.DataFrame, n_known: int, settings: Settings) -> str | None:
    events = int((complete["event"] == 1).sum())
    if not events:
        return f"no event among {complete.height} patients with all covariates ({n_known} under observation)"
    if events < settings.events_per_parameter:
        return (
            f"{events} events among {complete.height} patients with all covariates ({n_known} under "
            f"observation): fewer than {settings.events_per_parameter} for one coefficient"
        )
    return None


def _too_many(design: Design, events: int, settings: Settings) -> str | None:
    columns = design.matrix.shape[1] - 1
    if not columns:
        return "every covariate is constant or was never recorded: nothing to model"
    if events < settings.events_per_parameter * columns:
        return (
            f"{events} events for {columns} coefficients: fewer than {settings.events_per_parameter} for each"
        )
    return None


Fitter = Callable[[], Any]


def _models(
    course: Course, complete: pl.DataFrame, design: Design | None, settings: Settings
) -> dict[str, tuple[Fitter, str]]:
    """The two models by name: what fits each (Fine–Gray refuses late entry), and its method."""
    entry = complete["entry"]
    is_late = entry.null_count() < len(entry)
    event = complete["event"].to_numpy()

    def hazard() -> Any:
        assert design is not None
        return cox(
            complete["time"],
            event == 1,
            design.matrix[:, 1:],
            entry=entry if is_late else None,
            ties=settings.ties,
            names=design.names[1:],
        )

    def subdistribution() -> Any:
        assert design is not None
        return fine_gray(complete["time"], event, design.matrix[:, 1:], names=design.names[1:])

    words = CAUSE_SPECIFIC.format(ties=settings.ties.capitalize())
    entered = "; entry at consent (left truncation)" if is_late else ""
    return {
        f"cox_{course.event}": (hazard, words + entered),
        f"fine_gray_{course.event}": (_not_offered if is_late else subdistribution, FINE_GRAY),
    }


def _not_offered() -> Any:
    raise RefusedError("patients enter at consent: the method is not offered with late entry")


def _effects(
    fitter: tuple[Fitter, str],
    design: Design | None,
    refused: str | None,
    cells: dict[str, Any],
    course: Course,
    settings: Settings,
    *,
    level: float,
) -> list[dict[str, Any]]:
    fit, method = fitter
    cells = {**cells, "method": method}
    found = None
    if refused is None:
        try:
            found = fit()
        except CommensalError as error:
            refused = error.what
    if found is None or design is None:
        why = "; ".join(filter(None, (refused, course.reason)))
        return [{**cells, "term": name, "reason": why} for name in settings.covariates]
    unit = "log_hazard_ratio" if cells["model"].startswith("cox") else "log_subdistribution_hazard_ratio"
    lower, upper = found.limits(level)
    caution = "; ".join(filter(None, (ASSOCIATION, course.reason)))
    rows = []
    for i, (term, contrast) in enumerate(zip(design.terms[1:], design.contrasts[1:], strict=True)):
        others = [name for name in settings.covariates if name != term and name not in design.left_out]
        estimate, se = float(found.coefficients[i]), float(found.se[i])
        rows.append(
            {
                **cells,
                "term": term,
                "contrast": contrast,
                "estimate": estimate,
                "se": se,
                "lower": float(lower[i]),
                "upper": float(upper[i]),
                "unit": unit,
                "statistic": estimate / se,
                "p_value": float(found.p_values[i]),
                "adjusted_for": ", ".join(others) or None,
                "reason": caution,
            }
        )
    constant = [{**cells, "term": name, "reason": "constant"} for name in design.left_out]
    return rows + constant


def _proportionality(
    complete: pl.DataFrame,
    design: Design | None,
    refused: str | None,
    base: dict[str, Any],
    settings: Settings,
) -> list[dict[str, Any]]:
    cells = {
        **base,
        "test": "proportional_hazards",
        "method": "score test of β(t) linear in 1 − S(t−), cause-specific Cox (as cox.zph)",
    }
    if refused is None and design is not None:
        entry = complete["entry"]
        try:
            found = proportional_hazards_test(
                complete["time"],
                complete["event"].to_numpy() == 1,
                design.matrix[:, 1:],
                entry=entry if entry.null_count() < len(entry) else None,
                ties=settings.ties,
                names=design.names[1:],
            )
        except CommensalError as error:
            refused = error.what
        else:
            each = zip(found.names, found.statistics, found.p_values, strict=True)
            rows = [_tested(cells, name, float(s), 1, float(p)) for name, s, p in each]
            whole = (float(found.global_statistic), found.global_df, float(found.global_p_value))
            return [_tested(cells, "all covariates", *whole), *rows]
    return [{**cells, "group_variable": "all covariates", "reason": refused}]


def _tested(cells: dict[str, Any], name: str, statistic: float, df: int, p: float) -> dict[str, Any]:
    return {**cells, "group_variable": name, "statistic": statistic, "df": float(df), "p_value": p}


def group_comparisons(courses: Sequence[Course], *, settings: Settings) -> pl.DataFrame:
    """``hypothesis_tests`` rows: log-rank and Gray's test of each course by route and by cohort."""
    rows = []
    for course in courses:
        for by in ("route", "cohort"):
            rows += _compared(course, by=by, least=settings.least_group)
    return _frame("hypothesis_tests", rows)


def _compared(course: Course, *, by: str, least: int) -> list[dict[str, Any]]:
    groups = course.patients.filter(pl.col(by).is_not_null()).select("patient_id", level=by)
    times = course.times.join(groups, on="patient_id").sort("patient_id")
    sizes = times.group_by("level").len().sort("level")
    kept = sizes.filter(pl.col("len") >= least)["level"].to_list()
    used = times.filter(pl.col("level").is_in(kept))
    small = [f"{name} ({n})" for name, n in sizes.filter(pl.col("len") < least).iter_rows()]
    cells = {
        "endpoint": endpoint_of(course),
        "population": population_of(course),
        "group_variable": by,
        "n": used.height,
        "n_events": int((used["event"] == 1).sum()),
        "n_groups": len(kept),
    }
    left_out = f"left out with fewer than {least} under observation: {', '.join(small)}" if small else None
    entry = used["entry"]
    is_late = entry.null_count() < len(entry)
    words = "cause-specific log-rank, competing events censored"
    tests: dict[str, tuple[str, Callable[[], GroupTest]]] = {
        "log_rank": (
            words + ("; entry at consent" if is_late else ""),
            lambda: log_rank(
                used["time"], used["event"] == 1, used["level"], entry=entry if is_late else None
            ),
        )
    }
    tests["gray"] = (
        "Gray's test of cumulative incidence, rho 0 (as cmprsk)",
        _not_offered if is_late else lambda: gray_test(used["time"], used["event"], used["level"]),
    )
    return [
        {**cells, "test": name, "method": method, **_result(test, cells, (left_out, course.reason))}
        for name, (method, test) in tests.items()
    ]


def _result(
    test: Callable[[], GroupTest], cells: dict[str, Any], cautions: tuple[str | None, ...]
) -> dict[str, Any]:
    counts = f"{cells['n_events']} events among {cells['n']} patients"
    if cells["n_groups"] < 2 or not cells["n_events"]:
        why = "no events" if cells["n_groups"] > 1 else "fewer than two groups large enough"
        return {"reason": "; ".join(filter(None, (f"{why} ({counts})", *cautions)))}
    try:
        found = test()
    except CommensalError as error:
        return {"reason": "; ".join(filter(None, (error.what, *cautions)))}
    if not np.isfinite(found.statistic) or found.df < 1:
        return {
            "reason": "; ".join(
                filter(None, (f"the groups were never at risk together ({counts})", *cautions))
            )
        }
    return {
        "statistic": found.statistic,
        "df": float(found.df),
        "p_value": found.p_value,
        "reason": "; ".join(filter(None, (CHOSEN, *cautions))),
    }


def _frame(table: str, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    return rows_of(table, [pl.DataFrame(rows, infer_schema_length=None)] if rows else [])
