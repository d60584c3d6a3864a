"""Predictors of the primary endpoints: logistic regression on what is known at index, as ``effects`` rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import norm

from commensal.errors import RefusedError
from commensal.evidence.covariates import known_covariates
from commensal.evidence.designs import Coding, Design, coding_of, design_of
from commensal.evidence.effects.e_values import e_value
from commensal.evidence.effects.observed import (
    UNCONTROLLED,
    Observed,
    complete,
    observed_at,
    with_absorbed,
)
from commensal.evidence.effects.settings import Settings
from commensal.evidence.ground import Ground
from commensal.evidence.logistic import logistic
from commensal.evidence.pooling import pool

Array = np.ndarray

COMPLETE, IMPUTED = "predictors_complete_cases", "predictors_imputed"
ESTIMAND = "observed outcomes, whatever happened in between"
# An outcome in more than this share is common: odds ratios overstate risk ratios.
COMMON = 0.15


def predictor_rows(ground: Ground, *, settings: Settings, level: float, seed: int) -> list[pl.DataFrame]:
    """Return parts of ``effects``: every covariate's log odds ratio for each primary endpoint and landmark.

    Complete cases, and beside them chained imputations pooled by Rubin's rules. The indication is a covariate
    where an endpoint has several. What cannot be fitted is a row with a reason.
    """
    found = [one for at in ground.landmarks for one in observed_at(ground, landmark=at)]
    parts = [_complete_cases(one, settings=settings, level=level) for one in found]
    if settings.n_imputations:
        parts += _imputed(ground, found, settings=settings, level=level, seed=seed)
    return parts


def _names(one: Observed, settings: Settings) -> list[str]:
    """The covariates of a model: those with two values among its patients."""
    return [c for c in settings.covariates if one.rows[c].drop_nulls().n_unique() > 1]


def _complete_cases(one: Observed, *, settings: Settings, level: float) -> pl.DataFrame:
    names = _names(one, settings)
    rows, lacking = complete(with_absorbed(one.rows, names), names)
    n_missing = one.n_missing + one.rows.height - rows.height
    try:
        design = design_of(rows, names, at_least=settings.at_least)
        y = rows["success"].cast(pl.Int8).to_numpy()
        _refuse_few(y, design.matrix.shape[1], settings)
        fit = logistic(design.matrix, y)
    except RefusedError as refused:
        return _refused(one, COMPLETE, rows, n_missing, _joined(refused.what, lacking))
    se = np.sqrt(np.diag(fit.covariance))
    half = norm.ppf((1 + level) / 2) * se
    z = fit.coefficients / se
    frame = pl.DataFrame(
        {
            "estimate": fit.coefficients,
            "se": se,
            "lower": fit.coefficients - half,
            "upper": fit.coefficients + half,
            "statistic": z,
            "p_value": 2 * norm.sf(np.abs(z)),
        }
    )
    method = "logistic regression, complete cases, maximum likelihood, Wald limits"
    return _described(one, COMPLETE, frame, design, rows, n_missing, lacking, method=method, level=level)


def _refuse_few(y: Array, n_columns: int, settings: Settings) -> None:
    rarer = int(min(y.sum(), len(y) - y.sum()))
    if rarer < settings.events_per_column * n_columns:
        raise RefusedError(
            f"too few for {n_columns} columns: {int(y.sum())} successes among {len(y)}, of the rarer outcome "
            f"{rarer} where {settings.events_per_column * n_columns} are needed"
        )


def _described(
    one: Observed,
    model: str,
    frame: pl.DataFrame,
    design: Design,
    rows: pl.DataFrame,
    n_missing: int,
    lacking: str,
    *,
    method: str,
    level: float,
) -> pl.DataFrame:
    """Add what the estimates are of, their E-values and cautions; the intercept is left out."""
    n_events = int(rows["success"].sum())
    is_common = n_events > COMMON * rows.height
    terms = sorted(set(design.terms[1:]), key=design.terms.index)
    adjusted = [", ".join(t for t in terms if t != own) for own in design.terms]
    constant = f"constant or almost so here: {', '.join(design.left_out)}" if design.left_out else ""
    values = [_e_value(r, is_common=is_common) for r in frame.iter_rows(named=True)]
    return frame.with_columns(
        *(pl.lit(value).alias(name) for name, value in one.keys.items()),
        model=pl.lit(model),
        estimand=pl.lit(ESTIMAND),
        term=pl.Series(design.terms),
        contrast=pl.Series(design.contrasts),
        level=pl.lit(level),
        unit=pl.lit("log_odds_ratio"),
        e_value=pl.Series([v[0] for v in values], dtype=pl.Float64),
        e_value_limit=pl.Series([v[1] for v in values], dtype=pl.Float64),
        n=pl.lit(rows.height),
        n_events=pl.lit(n_events),
        n_missing=pl.lit(n_missing),
        adjusted_for=pl.Series(adjusted),
        method=pl.lit(method),
        reason=pl.lit(_joined(UNCONTROLLED, lacking, constant)),
    )[1:]


def _e_value(row: dict[str, Any], *, is_common: bool) -> tuple[float | None, float | None]:
    ratios = [float(np.exp(np.clip(row[c], -30, 30))) for c in ("estimate", "lower", "upper")]
    found = e_value(ratios[0], lower=ratios[1], upper=ratios[2], scale="odds_ratio", is_common=is_common)
    return found.estimate, found.limit


def _refused(one: Observed, model: str, rows: pl.DataFrame, n_missing: int, reason: str) -> pl.DataFrame:
    cells = {
        "model": model,
        **one.keys,
        "estimand": ESTIMAND,
        "term": "all",
        "contrast": "none",
        "n": rows.height,
        "n_events": int(rows["success"].sum()),
        "n_missing": n_missing,
        "unit": "log_odds_ratio",
        "reason": reason,
    }
    return pl.DataFrame([cells], infer_schema_length=None)


def _joined(*parts: str) -> str:
    return "; ".join(p for p in parts if p)


def _imputed(
    ground: Ground, found: Sequence[Observed], *, settings: Settings, level: float, seed: int
) -> list[pl.DataFrame]:
    """The same models on imputed covariates: imputed once for all, outcomes in the imputation model.

    Patients without an observed outcome help to impute and are left out of the fits: their imputed outcome
    would add noise and nothing else.
    """
    from commensal.evidence.missing import impute

    wide = _wide(ground, found, settings)
    names = [c for c in settings.covariates if wide[c].drop_nulls().n_unique() > 1]
    outcomes = [c for c in wide.columns if c.startswith("success_") and wide[c].drop_nulls().n_unique() > 1]
    incomplete = [c for c in names if wide[c].null_count()]
    if not incomplete:
        return []
    kinds = {c.name: c.kind for c in known_covariates(names)} | dict.fromkeys(outcomes, "binary")
    made = impute(
        wide.select(*names, *outcomes),
        kinds=kinds,
        m=settings.n_imputations,
        iterations=settings.n_iterations,
        seed=seed,
    )
    completed = [
        with_absorbed(made.completed(i).with_columns(wide["patient_id"]), names)
        for i in range(settings.n_imputations)
    ]
    return [_pooled(one, completed, incomplete, settings=settings, level=level) for one in found]


def _wide(ground: Ground, found: Sequence[Observed], settings: Settings) -> pl.DataFrame:
    """[patient_id, the covariates, success_<landmark>] of everyone treated."""
    frame = ground.covariates.join(ground.treated.select("patient_id"), on="patient_id", how="semi")
    frame = with_absorbed(frame, settings.covariates)
    for landmark in sorted({one.landmark for one in found if one.landmark}):
        parts = [o.rows.select("patient_id", "success") for o in found if o.landmark == landmark]
        outcome = pl.concat(parts).rename({"success": f"success_{landmark}"})
        frame = frame.join(outcome, on="patient_id", how="left")
    return frame.sort("patient_id")


def _pooled(
    one: Observed,
    completed: Sequence[pl.DataFrame],
    incomplete: Sequence[str],
    *,
    settings: Settings,
    level: float,
) -> pl.DataFrame:
    names = _names(one, settings)
    outcome = one.rows.select("patient_id", "success")
    frames = [outcome.join(c.select("patient_id", *names), on="patient_id") for c in completed]
    try:
        coding = coding_of(pl.concat(frames), names, at_least=settings.at_least * len(frames))
        fits = [_fit(f, coding, names, settings) for f in frames]
    except RefusedError as refused:
        return _refused(one, IMPUTED, one.rows, one.n_missing, refused.what)
    pooled = pool(
        np.array([f.coefficients for f in fits]),
        np.array([np.diag(f.covariance) for f in fits]),
        df_complete=one.rows.height - len(fits[0].coefficients),
        level=level,
    )
    frame = pl.DataFrame(
        {
            "estimate": pooled.estimate,
            "se": pooled.se,
            "lower": pooled.lower,
            "upper": pooled.upper,
            "statistic": np.asarray(pooled.estimate) / np.asarray(pooled.se),
            "df": np.where(np.isfinite(pooled.df), pooled.df, np.nan),
            "p_value": pooled.p_value,
        }
    ).with_columns(pl.col("df").fill_nan(None))
    design = design_of(frames[0], names, coding=coding)
    missing = {c: one.rows[c].null_count() for c in incomplete if c in names}
    lacking = "imputed: " + ", ".join(f"{c} in {n}" for c, n in missing.items() if n)
    lacking = "" if lacking == "imputed: " else lacking
    method = (
        f"logistic regression, {len(frames)} chained imputations of the covariates, Rubin's rules, "
        "Barnard–Rubin degrees of freedom"
    )
    return _described(
        one, IMPUTED, frame, design, one.rows, one.n_missing, lacking, method=method, level=level
    )


def _fit(frame: pl.DataFrame, coding: Coding, names: Sequence[str], settings: Settings):
    design = design_of(frame, names, coding=coding)
    y = frame["success"].cast(pl.Int8).to_numpy()
    _refuse_few(y, design.matrix.shape[1], settings)
    return logistic(design.matrix, y)
