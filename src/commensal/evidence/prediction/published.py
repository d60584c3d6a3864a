"""Rows for patients and for other rooms: predictions, and the parameters of the penalised model."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import polars as pl
from scipy.special import expit

from commensal.evidence.covariates import Covariate
from commensal.evidence.prediction.held_out import Patients
from commensal.evidence.prediction.learners import PENALTIES, ridge_path
from commensal.evidence.prediction.preparation import RARE, UNRECORDED, Learnt, apply, learn
from commensal.evidence.prediction.questions import Question
from commensal.evidence.prediction.validated import Validated, model_name
from commensal.evidence.rows import rows_of

Array = np.ndarray

KEPT = ("by_patient", "by_donor", "temporal")
UNSURE = {"either": "neither outcome can be ruled out", "neither": "unlike patients of either outcome"}
OUTSIDE = "a predictor lies outside what the model was fitted on"
NO_SETS = "too few successes or failures to calibrate sets"
UNKNOWN_BASELINE = "active disease at baseline cannot be told: in no population"
NOT_A_FACT = "not on record as a fact of a recipient: matching cannot apply the model without it"
RARE_LEVEL = "levels too rare to name: matching cannot tell which, and leaves such a recipient out"


def prediction_rows(found: Iterable[Validated], question: Question, *, learner: str) -> pl.DataFrame:
    """Return ``predictions`` rows of one learner: by_patient, by_donor and temporal.

    by_patient holds everybody of the population, unobserved and not yet due included, and those whose
    population is not known with the reason.
    """
    parts = [_of_one(v, question) for v in found if v.learner == learner and v.validation in KEPT]
    if parts and question.unknown:
        parts.append(
            pl.DataFrame({"patient_id": question.unknown}).with_columns(
                _question_cells(question),
                model=pl.lit(model_name(question, learner)),
                validation=pl.lit("by_patient"),
                is_abstained=pl.lit(True),
                reason=pl.lit(UNKNOWN_BASELINE),
            )
        )
    return rows_of("predictions", parts)


def _question_cells(question: Question) -> list[pl.Expr]:
    named = {"endpoint": question.endpoint, "landmark": question.landmark}
    return [pl.lit(value).alias(name) for name, value in named.items()]


def _of_one(one: Validated, question: Question) -> pl.DataFrame:
    sets = one.sets.labels if one.sets is not None else []
    labels = [s if has else None for s, has in zip(sets, one.has_sets.tolist(), strict=True)]
    reasons = [_abstention(s, out) for s, out in zip(labels, one.is_outside.tolist(), strict=True)]
    is_seen = pl.col("success").is_not_null()
    return one.rows.select(
        "patient_id",
        "indication",
        "success",
        *_question_cells(question),
        model=pl.lit(one.model),
        validation=pl.lit(one.validation),
        probability=pl.Series(one.probability),
        conformal_set=pl.Series(labels, dtype=pl.String),
        is_abstained=pl.Series([reason is not None for reason in reasons]),
        weight=pl.when(is_seen).then("weight"),
        reason=pl.Series(reasons, dtype=pl.String),
    )


def _abstention(label: str | None, is_outside: bool) -> str | None:
    why = [NO_SETS] if label is None else [UNSURE[label]] if label in UNSURE else []
    return "; ".join([*why, OUTSIDE] if is_outside else why) or None


def parameter_rows(
    question: Question, patients: Patients, *, penalty: int, facts: Collection[str]
) -> pl.DataFrame:
    """Return ``model_parameters`` rows: the ridge model refitted on everybody observed.

    ``penalty`` is the place of the penalty in :data:`learners.PENALTIES`; ``facts`` are the names on record
    for a recipient. Standard errors are square roots of the diagonal of the inverse penalised information.
    """
    training = np.flatnonzero(patients.is_observed)
    preparation = learn(patients.predictors, training, at_least=patients.rare_level)
    design, _ = apply(preparation, patients.predictors, training)
    weights = patients.weights[training] / patients.weights[training].mean()
    beta = ridge_path(design, patients.outcome[training], weights)[penalty]
    se = _errors(design, weights, beta, PENALTIES[penalty])
    cells = [("intercept", 0.0, 1.0, None)]
    for covariate, learnt in zip(preparation.predictors, preparation.learnt, strict=True):
        cells += _terms(covariate, learnt, facts) if learnt is not None else []
    rows: list[dict[str, Any]] = [
        {"term": t, "centre": c, "scale": s, "reason": r, "coefficient": float(b), "se": float(e)}
        for (t, c, s, r), b, e in zip(cells, beta, se, strict=True)
    ]
    of_all = {
        "model": model_name(question, "ridge"),
        "endpoint": question.endpoint,
        "landmark": question.landmark,
        "indication": question.indication,
    }
    return rows_of("model_parameters", [pl.DataFrame([{**of_all, **row} for row in rows])])


def _errors(design: Array, weights: Array, beta: Array, penalty: float) -> Array:
    mu = expit(design @ beta)
    added = np.diag(np.r_[0.0, np.full(len(beta) - 1, penalty)])
    information = (design * (weights * mu * (1 - mu))[:, None]).T @ design + added
    return np.sqrt(np.diag(np.linalg.inv(information)))


Term = tuple[str, float, float, str | None]


def _terms(covariate: Covariate, learnt: Learnt, facts: Collection[str]) -> list[Term]:
    """Term, centre, scale and caution of each column of one predictor."""
    name = covariate.name
    caution = None if name in facts else NOT_A_FACT
    if covariate.kind == "continuous":
        indicator = [(f"{name}: {UNRECORDED}", 0.0, 1.0, caution)] * learnt.has_indicator
        return [(name, learnt.centre, learnt.spread, caution), *indicator]
    if covariate.kind == "binary" and {learnt.reference, *learnt.columns} == {"true", "false"}:
        # The column is "true" itself, or 1 minus it where "true" is the reference.
        is_true = learnt.reference == "false"
        return [(name, 0.0 if is_true else 1.0, 1.0 if is_true else -1.0, caution)]
    return [
        (f"{name}: {c} against {learnt.reference}", 0.0, 1.0, caution or (RARE_LEVEL if c == RARE else None))
        for c in learnt.columns
    ]
