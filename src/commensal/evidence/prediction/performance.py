"""Rows of performance, calibration and net benefit, of everybody and of groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.prediction.metrics import THRESHOLDS
from commensal.evidence.prediction.resampling import (
    MEASURES,
    areas_of,
    brier_within,
    calibration_curves,
    measures_of,
    net_benefits,
    observed_to_expected,
    resampled,
)
from commensal.evidence.prediction.settings import Settings
from commensal.evidence.prediction.validated import NotValidated, Validated
from commensal.evidence.rows import rows_of

Array = np.ndarray

GROUPS = ("sex", "age_group", "cohort", "index_route", "indication")
GRID = 40
WEIGHTED = "weighted by the inverse probability of being observed"
BOOTSTRAP = f"bootstrap of patients without refitting, percentile limits, {WEIGHTED}"
APPARENT = f"{WEIGHTED}; no interval"
SHARED = "groups overlap and are many: a difference is a reason to look, not a finding"


def performance_rows(
    found: Iterable[Validated], *, learner: str, settings: Settings, level: float
) -> pl.DataFrame:
    """Return ``performance`` rows: every measure of everybody; of one learner by_patient also of groups."""
    rows: list[dict[str, Any]] = []
    for one in found:
        rows += _overall(one, settings=settings, level=level)
        if one.validation == "by_patient" and one.learner == learner:
            rows += _groups(one, settings=settings, level=level)
    return rows_of("performance", [pl.DataFrame(rows, infer_schema_length=None)] if rows else [])


def refused_rows(
    models: Sequence[str], refused: Iterable[NotValidated], *, n: int, n_events: int
) -> pl.DataFrame:
    """Return ``performance`` rows of the validations that could not be made, with the reason."""
    rows = [
        {
            **_keys(model, one.validation),
            "measure": "auroc",
            "n": n,
            "n_events": n_events,
            "reason": one.reason,
        }
        for model in models
        for one in refused
    ]
    return rows_of("performance", [pl.DataFrame(rows)] if rows else [])


def _keys(model: str, validation: str, variable: str = "all", name: str = "all") -> dict[str, Any]:
    return {"model": model, "validation": validation, "group_variable": variable, "group_level": name}


def too_few(outcome: Array, *, fewest: int) -> str | None:
    """Say why a group cannot be judged, or None: it needs ``fewest`` successes and as many failures."""
    n_events = int(outcome.sum())
    if min(n_events, len(outcome) - n_events) >= fewest:
        return None
    return (
        f"{n_events} successes and {len(outcome) - n_events} failures: at least {fewest} of each are needed"
    )


def _overall(one: Validated, *, settings: Settings, level: float) -> list[dict[str, Any]]:
    keys = _keys(one.model, one.validation)
    outcome = one.judged.outcome
    counts = {"n": len(outcome), "n_events": int(outcome.sum())}
    why = too_few(outcome, fewest=settings.smallest_group)
    if why:
        return [{**keys, **counts, "measure": "auroc", "reason": why}]
    values = measures_of(one.judged) | _sets(one)
    return [
        {**keys, **counts, "measure": name, **_cells(name, v, one, level=level)} for name, v in values.items()
    ]


def _cells(name: str, values: Array, one: Validated, *, level: float) -> dict[str, Any]:
    meaning = MEASURES.get(name) or SETS[name].format(level=one.sets.level if one.sets else 0)
    if not np.isfinite(values[0]):
        return {"method": meaning, "reason": "no finite value: predictions alike or outcomes told apart"}
    if len(values) == 1:
        return {"estimate": float(values[0]), "method": f"{meaning}; {APPARENT}", "reason": one.caution}
    return {
        **_interval(values, level=level),
        "method": f"{meaning}; {BOOTSTRAP}",
        "reason": _lost(values, one),
    }


def _interval(values: Array, *, level: float) -> dict[str, Any]:
    if np.isfinite(values[1:]).sum() < 2:
        return {"estimate": float(values[0])}
    found = resampled(values, level=level)
    spread = {"se": found.se, "lower": found.lower, "upper": found.upper, "level": level}
    return {"estimate": found.estimate, **spread}


def _lost(values: Array, one: Validated) -> str | None:
    n_lost = int((~np.isfinite(values[1:])).sum())
    lost = f"{n_lost} of {len(values) - 1} bootstrap samples had no value" if n_lost else None
    return "; ".join(s for s in (one.caution, lost) if s) or None


SETS = {
    "coverage_success": "share of the successes whose set holds success, {level:.0%} intended",
    "coverage_failure": "share of the failures whose set holds failure, {level:.0%} intended",
    "decided": "share of patients whose set holds one outcome alone",
}


def _sets(one: Validated) -> dict[str, Array]:
    """Coverage of the sets in each class and the share they decide, for each row of weights."""
    if one.sets is None or not one.has_sets[one.is_judged].all():
        return {}
    success, failure = one.sets.holds_success[one.is_judged], one.sets.holds_failure[one.is_judged]
    y, w = one.judged.outcome, one.judged.weights

    def share(of: Array, among: Array) -> Array:
        total = w @ among
        return np.divide(w @ (of * among), total, out=np.full(len(w), np.nan), where=total > 0)

    return {
        "coverage_success": share(success.astype(float), y),
        "coverage_failure": share(failure.astype(float), 1 - y),
        "decided": share((success != failure).astype(float), np.ones(len(y))),
    }


def _groups(one: Validated, *, settings: Settings, level: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    observed = one.rows.filter(pl.Series(one.is_judged))
    for variable in GROUPS:
        names = observed[variable].fill_null("not recorded")
        if names.n_unique() < 2:
            continue
        values = names.to_numpy()
        for name in names.unique().sort():
            rows += _group(one, variable, name, values == name, settings=settings, level=level)
    return rows


def _group(
    one: Validated, variable: str, name: str, is_member: Array, *, settings: Settings, level: float
) -> list[dict[str, Any]]:
    keys = _keys(one.model, one.validation, variable, name)
    outcome = one.judged.outcome
    counts = {"n": int(is_member.sum()), "n_events": int(outcome[is_member].sum())}
    why = too_few(outcome[is_member], fewest=settings.smallest_group)
    if why:
        return [{**keys, **counts, "measure": "auroc", "reason": why}]
    compares = too_few(outcome[~is_member], fewest=settings.smallest_group) is None
    rows = []
    for measure, make in (("auroc", areas_of), ("observed_to_expected", observed_to_expected)):
        values = make(one.judged, is_member)
        caution = _differs(values, make(one.judged, ~is_member), level=level) if compares else None
        cells = {**_interval(values, level=level), "method": f"{MEASURES[measure]}; {BOOTSTRAP}"}
        rows.append({**keys, **counts, "measure": measure, **cells, "reason": caution})
    cells = {
        **_interval(brier_within(one.judged, is_member), level=level),
        "method": f"{MEASURES['brier']}; {BOOTSTRAP}",
    }
    return [*rows, {**keys, **counts, "measure": "brier", **cells}]


def _differs(here: Array, others: Array, *, level: float) -> str | None:
    """Flag a group whose difference from the other patients has an interval that leaves 0 out."""
    difference = here - others
    if not np.isfinite(difference[0]) or np.isfinite(difference[1:]).sum() < 2:
        return None
    found = resampled(difference, level=level)
    if found.lower <= 0 <= found.upper:
        return None
    return (
        f"differs from the other patients by {found.estimate:+.3f} ({found.lower:+.3f} to "
        f"{found.upper:+.3f}, {level:.0%}); {SHARED}"
    )


def calibration_rows(found: Iterable[Validated], *, settings: Settings, level: float) -> pl.DataFrame:
    """Return ``calibration`` rows: the smooth curve of each model and validation, or why there is none."""
    return rows_of("calibration", [_curve(one, settings, level) for one in found])


def _curve(one: Validated, settings: Settings, level: float) -> pl.DataFrame:
    keys = {"model": one.model, "validation": one.validation}
    p = one.judged.predicted
    why = too_few(one.judged.outcome, fewest=settings.smallest_group)
    try:
        if why:
            raise RefusedError(why)
        lowest, highest = np.quantile(p, [0.01, 0.99])
        grid = np.unique(np.round(np.linspace(lowest, highest, GRID), 4))
        curves = calibration_curves(one.judged, grid)[1]
    except RefusedError as error:
        return pl.DataFrame([{**keys, "predicted": 0.5, "reason": error.what}])
    tail = (1 - level) / 2
    has_interval = len(curves) > 1
    lower, upper = np.quantile(curves[1:], [tail, 1 - tail], axis=0) if has_interval else (None, None)
    tenth = np.minimum((p * 10).astype(int), 9)
    n = np.bincount(tenth, minlength=10)[np.minimum((grid * 10).astype(int), 9)]
    interval = BOOTSTRAP if has_interval else APPARENT
    return pl.DataFrame(
        {
            **{k: [v] * len(grid) for k, v in keys.items()},
            "predicted": grid,
            "observed": curves[0],
            "lower": lower if has_interval else [None] * len(grid),
            "upper": upper if has_interval else [None] * len(grid),
            "n": n,
            "method": [f"loess of degree 2 and span 0.75; {interval}"] * len(grid),
        }
    )


def decision_rows(found: Iterable[Validated], *, settings: Settings, level: float) -> pl.DataFrame:
    """Return ``decision_curves`` rows: net benefit of the model, of everybody and of nobody."""
    parts = [part for one in found for part in _decisions(one, settings, level)]
    return rows_of("decision_curves", parts)


def _decisions(one: Validated, settings: Settings, level: float) -> list[pl.DataFrame]:
    keys = {"model": one.model, "validation": one.validation}
    thresholds, n = np.array(THRESHOLDS), len(one.judged.outcome)
    why = too_few(one.judged.outcome, fewest=settings.smallest_group)
    if why:
        return [pl.DataFrame([{**keys, "strategy": "model", "threshold": 0.5, "n": n, "reason": why}])]
    values = dict(net_benefits(one.judged, thresholds)) | {"none": np.zeros((1, len(thresholds)))}
    tail = (1 - level) / 2
    parts = []
    for strategy, benefit in values.items():
        spread = np.quantile(benefit[1:], [tail, 1 - tail], axis=0) if len(benefit) > 1 else None
        parts.append(
            pl.DataFrame(
                {
                    **{k: [v] * len(thresholds) for k, v in keys.items()},
                    "strategy": [strategy] * len(thresholds),
                    "threshold": thresholds,
                    "net_benefit": benefit[0],
                    "lower": [None] * len(thresholds) if spread is None else spread[0],
                    "upper": [None] * len(thresholds) if spread is None else spread[1],
                    "n": [n] * len(thresholds),
                }
            )
        )
    return parts
