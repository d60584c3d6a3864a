"""Clinical response from the community: a question asked in the open, mostly answered by chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commensal.microbiome.prediction import STRENGTHS, ridge_logistic
from commensal.microbiome.prediction_auroc import BOOTSTRAP, auroc, interval, resampled
from commensal.microbiome.prediction_features import Pool
from commensal.microbiome.prediction_triads import Triads
from commensal.study import Study

RESPONSE_BEFORE = "clinical response from complementarity"
RESPONSE_AFTER = "clinical response from engraftment"
RECIPIENTS = "recipients with a reported outcome"
RESPONDED = {"remission": True, "response": True, "partial_response": True, "no_response": False}


def responses(
    found: Sequence[Triads], pool: Pool, studies: Mapping[str, Study], *, seed: int, level: float
) -> list[dict[str, Any]]:
    """Return the rows on clinical response, from before treatment and with the sample after it."""
    answer = _reported(found, studies)
    return [
        _response(pool, answer, columns, model=model, seed=seed, level=level)
        for model, columns in ((RESPONSE_BEFORE, _before(pool)), (RESPONSE_AFTER, _after(pool)))
    ]


def _reported(found: Sequence[Triads], studies: Mapping[str, Study]) -> np.ndarray:
    """Return 1, 0 or NaN (not reported, or not one answer) for each recipient of the pool."""
    answers = []
    for one in found:
        table = studies[one.study].read("reported_outcomes", columns=["patient_id", "label"])
        labels: dict[str, set[bool]] = {}
        for patient, label in table.iter_rows():
            if label in RESPONDED:
                labels.setdefault(patient, set()).add(RESPONDED[label])
        said = [labels.get(subject, set()) for subject in one.subject_ids]
        answers += [float(next(iter(s))) if len(s) == 1 else np.nan for s in said]
    return np.array(answers)


def _before(pool: Pool) -> np.ndarray:
    """Return log richness of baseline and donor, and the log of the taxa offered."""
    had, own = pool.donor > 0, pool.baseline > 0
    return np.log1p(np.column_stack([own.sum(axis=1), had.sum(axis=1), (had & ~own).sum(axis=1)]))


def _after(pool: Pool) -> np.ndarray:
    """Return the share of the offered taxa gained, of the own taxa kept, and log richness after FMT."""
    had, own, now = pool.donor > 0, pool.baseline > 0, pool.present
    gained = (now & had & ~own).sum(axis=1) / np.maximum((had & ~own).sum(axis=1), 1)
    kept = (now & own).sum(axis=1) / np.maximum(own.sum(axis=1), 1)
    return np.column_stack([gained, kept, np.log1p(now.sum(axis=1))])


def _response(
    pool: Pool, answer: np.ndarray, columns: np.ndarray, *, model: str, seed: int, level: float
) -> dict[str, Any]:
    """Return the row of one model of clinical response, each study predicted from the others.

    Recipients are compared within their study: the models of different studies left out differ in their
    level, which would count against the prediction.
    """
    known = np.flatnonzero(~np.isnan(answer))
    responded, study = answer[known] > 0.5, pool.study[known]
    row: dict[str, Any] = {
        "held_out": "all",
        "universe": RECIPIENTS,
        "model": model,
        "level": level,
        "n": len(known),
        "n_present": int(responded.sum()),
        "n_recipients": len(known),
    }
    probability = np.full(len(known), np.nan)
    for one in np.unique(study):
        rest = study != one
        if len(set(responded[rest])) == 2:
            slopes, intercept = ridge_logistic(columns[known][rest], responded[rest], strength=STRENGTHS[-1])
            probability[~rest] = 1 / (1 + np.exp(-(intercept + columns[known][~rest] @ slopes)))
    if np.isnan(probability).any() or not len(known):
        return row | {"reason": "reported outcomes of one kind only, or of one study"}
    weights = resampled(study, seed=seed, stream=len(pool.studies) + 1)
    area = auroc(probability, responded, np.arange(len(known)), weights, stratum=study)
    if np.isnan(area[0]):
        return row | {"reason": "no study has both responders and others"}
    limits = interval(area, None, level=level)
    return (
        row
        | limits
        | {
            "brier": float(np.mean((probability - responded) ** 2)),
            "method": f"ridge logistic on three measures, pairs within studies; {BOOTSTRAP}",
            "reason": "at chance: the interval holds one half"
            if limits["lower"] <= 0.5 <= limits["upper"]
            else None,
        }
    )
