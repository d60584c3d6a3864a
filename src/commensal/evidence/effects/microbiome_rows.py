"""The microbiome and the outcome: within one study, and across studies standardised within each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.stats import chi2, norm, t

from commensal.errors import InputError, RefusedError
from commensal.evidence.covariates import Covariate
from commensal.evidence.designs import design_of
from commensal.evidence.effects.e_values import e_value
from commensal.evidence.effects.observed import SUCCESSES, UNCONTROLLED, Observed, pooled_at, reported
from commensal.evidence.effects.settings import Settings
from commensal.evidence.ground import Ground
from commensal.evidence.logistic import logistic
from commensal.evidence.rows import rows_of
from commensal.study import Study

Array = np.ndarray

AFTER = ("peds_gained", "bray_curtis_to_donor_change")
# Only where strains were called.
STRAINS = ("strain_engraftment",)
BEFORE = ("bray_curtis_to_reference", "shannon", "cloud", "gmhi", "gmwi2")
AFTER_WARNING = (
    "measured after index: it shares causes with the outcome and is no baseline predictor; it must not be "
    "used to choose a donor or a patient"
)
UP_TO_INDEX = "last sample up to index"
BEFORE_NOTE = "known before the transplant: the sample is from before it"
OFFERED_NOTE = (
    "known before the transplant where the stool to be given was sequenced by then: what was on offer, not "
    "what engrafts"
)
LEAST = 10


@dataclass(frozen=True)
class Measure:
    """One number a patient: its name, whether it is measured after index, and what was counted."""

    name: str
    is_after_index: bool
    source: str
    caution: str


def microbiome_effects(
    ground: Ground, tables: Mapping[str, pl.DataFrame], *, settings: Settings, level: float
) -> dict[str, pl.DataFrame]:
    """Return ``effects`` rows: log odds of the primary endpoint per standard deviation of a microbiome
    measure.

    ``tables`` may hold ``engraftment`` (mean over each patient's samples after the transplant, with the
    warning that it is measured after index), ``dysbiosis`` and ``deficits`` (last sample up to index: how far
    the community is from the reference, and how many features it lacks) and ``complementarity`` (of the stool
    given to the baseline sample: [subject_id, value]). Each row says whether the measure is known before the
    transplant or only after it. What is absent gives no row, what is too little a row with a reason. Adjusted
    for the indication.
    """
    outcomes = [pooled_at(ground, landmark=at) for at in ground.landmarks]
    labelled = reported(ground)
    outcomes += [labelled] if labelled is not None else []
    values = _measures(tables)
    parts = [
        _association(one, measure, table, settings=settings, level=level)
        for one in outcomes
        for measure, table in values
    ]
    return {"effects": rows_of("effects", parts).sort("model", "endpoint", "landmark", "term")}


def _measures(tables: Mapping[str, pl.DataFrame]) -> list[tuple[Measure, pl.DataFrame]]:
    found: list[tuple[Measure, pl.DataFrame]] = []
    if "engraftment" in tables:
        for name in (*AFTER, *STRAINS):
            rows = after_transplant(tables["engraftment"], measure=name)
            if rows.height or name in AFTER:
                source = "mean over samples after the transplant"
                found.append((Measure(name, True, source, AFTER_WARNING), rows))
    if "dysbiosis" in tables:
        for name in BEFORE:
            rows = _before(tables["dysbiosis"].filter(pl.col("measure") == name))
            if rows.height:
                found.append((Measure(name, False, UP_TO_INDEX, BEFORE_NOTE), rows))
    if "deficits" in tables:
        rows = _before(_deficits(tables["deficits"], tables.get("dysbiosis")))
        if rows.height:
            found.append((Measure("features_in_deficit", False, UP_TO_INDEX, BEFORE_NOTE), rows))
    if "complementarity" in tables:
        known = tables["complementarity"].drop_nulls("value")
        rows = known.select("value", patient_id="subject_id").select("patient_id", "value")
        if rows.height:
            source = "baseline sample against the stool of the first session"
            found.append((Measure("complementarity", False, source, OFFERED_NOTE), rows))
    return found


def after_transplant(engraftment: pl.DataFrame, *, measure: str) -> pl.DataFrame:
    """Return [patient_id, value]: each recipient's mean of an engraftment measure after the transplant.

    Samples marked as before the first transplant, or on a day before 1, do not count.
    """
    before = pl.col("reason").str.starts_with("before the first transplant").fill_null(False)
    kept = engraftment.filter(
        (pl.col("measure") == measure)
        & pl.col("value").is_not_null()
        & ~before
        & (pl.col("day").is_null() | (pl.col("day") > 0))
    )
    return (
        kept.group_by("subject_id").agg(pl.col("value").mean()).rename({"subject_id": "patient_id"})
    ).sort("patient_id")


def _before(rows: pl.DataFrame) -> pl.DataFrame:
    """[patient_id, value] of the last sample up to index; a sample without a day cannot be placed."""
    kept = rows.filter(
        pl.col("subject_id").is_not_null() & pl.col("value").is_not_null() & (pl.col("day") <= 0)
    )
    last = kept.sort("subject_id", "day", "sample_id").unique("subject_id", keep="last", maintain_order=True)
    return last.select("value", patient_id="subject_id").select("patient_id", "value")


def _deficits(deficits: pl.DataFrame, dysbiosis: pl.DataFrame | None) -> pl.DataFrame:
    """[sample_id, subject_id, day, value]: features below the reference; days from dysbiosis."""
    counted = deficits.group_by("sample_id", "subject_id").agg(
        value=(pl.col("direction") == "deficit").sum().cast(pl.Float64)
    )
    if dysbiosis is None:
        return counted.with_columns(day=pl.lit(None, dtype=pl.Int64))
    days = dysbiosis.select("sample_id", "day").drop_nulls().unique("sample_id", keep="first")
    return counted.join(days.sort("sample_id"), on="sample_id", how="left")


def _association(
    one: Observed, measure: Measure, values: pl.DataFrame, *, settings: Settings, level: float
) -> pl.DataFrame:
    rows = one.rows.select("patient_id", "indication", "success").join(values, on="patient_id")
    rows = rows.filter(pl.col("success").is_not_null()).sort("patient_id")
    cells = {
        "model": "microbiome_after_index" if measure.is_after_index else "microbiome_at_baseline",
        **one.keys,
        "estimand": "observed outcomes of patients with a sample",
        "term": measure.name,
        "contrast": "per standard deviation",
        "unit": "log_odds_ratio",
        "level": level,
        "n": rows.height,
        "n_events": int(rows["success"].sum()),
        "n_missing": one.n_missing + one.rows.height - rows.height,
        "adjusted_for": "indication" if rows["indication"].n_unique() > 1 else None,
        "method": f"logistic regression, Wald limits; {measure.source}",
    }
    caution = f"{UNCONTROLLED}; {measure.caution}"
    try:
        cells |= _fitted(rows, settings=settings, level=level) | {"reason": caution}
    except RefusedError as refused:
        cells |= {"reason": f"{refused.what}; {caution}"}
    return pl.DataFrame([cells], infer_schema_length=None)


def _fitted(rows: pl.DataFrame, *, settings: Settings, level: float) -> dict[str, float | None]:
    n_events = int(rows["success"].sum())
    if min(n_events, rows.height - n_events) < LEAST:
        raise RefusedError(
            f"{n_events} successes among {rows.height} with a sample: fewer than {LEAST} of one outcome"
        )
    covariates = [
        Covariate("value", "continuous", "Measure"),
        Covariate("indication", "nominal", "Indication"),
    ]
    design = design_of(
        rows.with_columns(pl.col("indication").fill_null("unknown")), covariates, at_least=settings.at_least
    )
    if "value" in design.left_out:
        raise RefusedError(f"the measure is the same in all {rows.height} patients")
    fit = logistic(design.matrix, rows["success"].cast(pl.Int8).to_numpy())
    estimate, se = float(fit.coefficients[1]), float(np.sqrt(fit.covariance[1, 1]))
    half = float(norm.ppf((1 + level) / 2)) * se
    ratios = np.exp([estimate, estimate - half, estimate + half])
    found = e_value(ratios[0], lower=ratios[1], upper=ratios[2], scale="odds_ratio")
    return {
        "estimate": estimate,
        "se": se,
        "lower": estimate - half,
        "upper": estimate + half,
        "statistic": estimate / se,
        "p_value": float(2 * norm.sf(abs(estimate) / se)),
        "e_value": found.estimate,
        "e_value_limit": found.limit,
    }


@dataclass(frozen=True)
class MetaAnalysis:
    """A random-effects mean of estimates with Hartung–Knapp limits; ``variance`` is that between studies."""

    estimate: float
    se: float
    lower: float
    upper: float
    p_value: float
    variance: float
    heterogeneity: float
    p_heterogeneity: float
    n: int


def random_effects(
    estimates: Array | Sequence[float], variances: Array | Sequence[float], *, level: float = 0.95
) -> MetaAnalysis:
    """Combine estimates of several studies, each with its variance.

    Refuses (InputError) shapes that differ and variances that are not positive; RefusedError for fewer than
    two studies.

    Notes
    -----
    The variance between studies is Paule and Mandel's (the root of Q(τ²) = k − 1, zero where Q(0) is less);
    limits by Student's t with k − 1 degrees of freedom on Hartung and Knapp's standard error. With few
    studies the limits are wide, as they should be.

    References
    ----------
    Paule & Mandel 1982, doi:10.6028/jres.087.022; Hartung & Knapp 2001, doi:10.1002/sim.1009.
    """
    y, v = np.asarray(estimates, dtype=float), np.asarray(variances, dtype=float)
    if y.shape != v.shape or y.ndim != 1 or not np.isfinite(y).all() or not (v > 0).all():
        raise InputError("estimates and variances do not fit", expected="one positive variance an estimate")
    if len(y) < 2:
        raise RefusedError(f"{len(y)} study gives no mean over studies", expected="two or more")
    between = _paule_mandel(y, v)
    w = 1 / (v + between)
    mean = float((w * y).sum() / w.sum())
    se = float(np.sqrt((w * (y - mean) ** 2).sum() / ((len(y) - 1) * w.sum())))
    half = float(t.ppf((1 + level) / 2, len(y) - 1)) * se
    p = float(2 * t.sf(abs(mean) / se, len(y) - 1)) if se > 0 else 1.0
    q = _q(0.0, y, v)
    return MetaAnalysis(
        mean, se, mean - half, mean + half, p, between, q, float(chi2.sf(q, len(y) - 1)), len(y)
    )


def _q(between: float, y: Array, v: Array) -> float:
    w = 1 / (v + between)
    return float((w * (y - (w * y).sum() / w.sum()) ** 2).sum())


def _paule_mandel(y: Array, v: Array) -> float:
    surplus = len(y) - 1
    if _q(0.0, y, v) <= surplus:
        return 0.0
    high = float(np.var(y) * len(y) + v.max())
    while _q(high, y, v) > surplus:
        high *= 2
    root: float = brentq(lambda b: _q(b, y, v) - surplus, 0.0, high)  # pyright: ignore[reportAssignmentType]
    return root


def standardised_mean_difference(first: Array, second: Array) -> tuple[float, float]:
    """Return Hedges' g of second less first, and its variance.

    Refuses (RefusedError) groups of fewer than two, or without any spread.
    """
    n1, n2 = len(first), len(second)
    if min(n1, n2) < 2:
        raise RefusedError(
            f"groups of {n1} and {n2} give no standard deviation", expected="two or more in each"
        )
    df = n1 + n2 - 2
    spread = np.sqrt((first.var(ddof=1) * (n1 - 1) + second.var(ddof=1) * (n2 - 1)) / df)
    if spread <= 1e-12:
        raise RefusedError(f"all values in groups of {n1} and {n2} are alike")
    g = (1 - 3 / (4 * df - 1)) * (second.mean() - first.mean()) / spread
    return float(g), float(1 / n1 + 1 / n2 + g**2 / (2 * (n1 + n2)))


def outcome_by_engraftment(
    studies: Mapping[str, Study],
    engraftment: Mapping[str, pl.DataFrame],
    *,
    measure: str | Mapping[str, str] = "peds_gained",
    level: float = 0.95,
) -> pl.DataFrame:
    """Return ``effects`` rows: how much more of the donor engrafted in responders, by study and over studies.

    Parameters
    ----------
    studies : name → study with ``reported_outcomes``.
    engraftment : name → its table of ``engraftment``.
    measure : the measure, one for all or by study: it is standardised within each.

    Notes
    -----
    Hedges' g of each patient's mean measure after the transplant, responders (remission, response, partial
    response, resolved) less others; random effects over studies with Hartung–Knapp limits. Engraftment is
    measured after index: an association with the outcome says nothing on which comes first.
    """
    parts, kept = [], []
    for name in sorted(studies):
        used = measure if isinstance(measure, str) else measure[name]
        row, found = _one_study(studies[name], engraftment[name], used, name=name, level=level)
        parts.append(row)
        kept += [found] if found is not None else []
    parts.append(_over_studies(kept, level=level))
    return rows_of("effects", parts)


def _one_study(
    study: Study, engraftment: pl.DataFrame, measure: str, *, name: str, level: float
) -> tuple[pl.DataFrame, tuple[float, float, int, int] | None]:
    labels = study.read("reported_outcomes", columns=["patient_id", "label"])
    labels = labels.group_by("patient_id").agg(
        success=pl.col("label").is_in(SUCCESSES).first(),
        n_answers=pl.col("label").is_in(SUCCESSES).n_unique(),
    )
    values = after_transplant(engraftment, measure=measure)
    rows = labels.filter(pl.col("n_answers") == 1).join(values, on="patient_id").sort("patient_id")
    first = rows.filter(~pl.col("success"))["value"].to_numpy()
    second = rows.filter("success")["value"].to_numpy()
    cells = _meta_cells(name, measure, n=rows.height, n_events=len(second), level=level)
    cells["n_missing"] = labels.height - rows.height
    try:
        g, variance = standardised_mean_difference(first, second)
    except RefusedError as refused:
        return pl.DataFrame([{**cells, "reason": f"{refused.what}; {AFTER_WARNING}"}]), None
    se = variance**0.5
    half = float(norm.ppf((1 + level) / 2)) * se
    cells |= {"estimate": g, "se": se, "lower": g - half, "upper": g + half, "reason": AFTER_WARNING}
    cells |= {"p_value": float(2 * norm.sf(abs(g) / se)), "method": "Hedges' g, normal limits"}
    return pl.DataFrame([cells], infer_schema_length=None), (g, variance, rows.height, len(second))


def _over_studies(kept: Sequence[tuple[float, float, int, int]], *, level: float) -> pl.DataFrame:
    n, n_events = sum(k[2] for k in kept), sum(k[3] for k in kept)
    cells = _meta_cells("all studies", "standardised within study", n=n, n_events=n_events, level=level)
    try:
        found = random_effects([k[0] for k in kept], [k[1] for k in kept], level=level)
    except RefusedError as refused:
        return pl.DataFrame([{**cells, "reason": refused.what}], infer_schema_length=None)
    cells |= {"estimate": found.estimate, "se": found.se, "lower": found.lower, "upper": found.upper}
    cells |= {"p_value": found.p_value, "df": float(found.n - 1), "statistic": found.estimate / found.se}
    between = (
        f"{found.n} studies; variance between them {found.variance:.2f}, Q {found.heterogeneity:.2f}, "
        f"p {found.p_heterogeneity:.2f}"
    )
    method = "random effects (Paule–Mandel), Hartung–Knapp limits"
    cells |= {"method": method, "reason": f"{between}; {AFTER_WARNING}"}
    return pl.DataFrame([cells], infer_schema_length=None)


def _meta_cells(name: str, measure: str, *, n: int, n_events: int, level: float) -> dict[str, object]:
    return {
        "model": "outcome_by_engraftment",
        "endpoint": "reported_response",
        "population": name,
        "term": measure,
        "contrast": "responders less others",
        "unit": "standard_deviations",
        "level": level,
        "n": n,
        "n_events": n_events,
    }
