"""Predictions of patients by models that never saw them, tuned by patients that neither saw.

For every held-out fold k the model without k predicts it; the models without k and j, for every other fold j,
predict both. What they say of j chooses the tuning value and calibrates the sets of outcomes; the outcomes of
k enter neither. A model without two folds serves both of them, so five folds need fifteen fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from commensal.errors import RefusedError
from commensal.evidence.prediction.conformal_sets import cross_conformal, fewest_of_a_class
from commensal.evidence.prediction.learners import LEARNERS
from commensal.evidence.prediction.preparation import Predictor, apply, learn

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Patients:
    """Those a model is about: predictors (n,), outcome (n,) NaN where not observed, weights (n,)."""

    predictors: tuple[Predictor, ...]
    outcome: Array
    weights: Array
    rare_level: int

    @property
    def is_observed(self) -> Array:
        """Whether the outcome was observed, (n,)."""
        return ~np.isnan(self.outcome)

    def of(self, rows: Array) -> Patients:
        """Return the patients at these positions."""
        predictors = tuple(replace(p, values=p.values[rows]) for p in self.predictors)
        return Patients(predictors, self.outcome[rows], self.weights[rows], self.rare_level)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What models said of patients they had not seen, all (n,); NaN (False) for patients not held out.

    ``is_outside``: a predictor lies outside what the model was fitted on. ``has_sets``: each class had enough
    patients to calibrate with. ``tuned`` is the place of the tuning value chosen for each fold, ``best`` that
    which suits all held-out patients together.
    """

    probability: Array
    p_success: Array
    p_failure: Array
    is_outside: Array
    has_sets: Array
    tuned: dict[int, int]
    best: int


def held_out(
    patients: Patients, folds: Array, *, learner: str, level: float, only: Sequence[int] | None = None
) -> HeldOut:
    """Predict every fold (or ``only`` some) by models fitted without it; ``folds`` (n,) from 0.

    Refuses (RefusedError) fewer than three folds and a training set with one outcome only, with the counts.
    """
    labels = np.unique(folds)
    if len(labels) < 3:
        raise RefusedError(
            f"{len(labels)} groups of patients: at least three are needed to hold out and to tune"
        )
    outer = [int(k) for k in (labels if only is None else only)]
    said, outside = _all_predictions(patients, folds, outer, [int(k) for k in labels], learner)
    n = len(folds)
    probability, p_success, p_failure = np.full((3, n), np.nan)
    best = _best(patients, folds, outer, said)
    found = HeldOut(probability, p_success, p_failure, outside, np.zeros(n, dtype=bool), {}, best)
    for k in outer:
        _fill(found, patients, folds, k, said, level=level)
    return found


def _all_predictions(
    patients: Patients, folds: Array, outer: list[int], labels: list[int], learner: str
) -> tuple[dict[tuple[int, int], Array], Array]:
    """Predictions (n_j, tuning values) of fold j by the model without j and k, by (j, k); j = k without j."""
    said: dict[tuple[int, int], Array] = {}
    outside = np.zeros(len(folds), dtype=bool)
    pairs = [pair for pair in combinations(labels, 2) if set(pair) & set(outer)]
    for left_out in [*((k,) for k in outer), *pairs]:
        is_new = np.isin(folds, left_out)
        predicted, is_outside = fit_and_predict(patients, ~is_new, is_new, learner=learner)
        where = folds[is_new]
        for j in left_out:
            other = left_out[0] if j == left_out[-1] else left_out[-1]
            said[j, other] = predicted[where == j]
        if len(left_out) == 1:
            outside[is_new] = is_outside
    return said, outside


def _best(patients: Patients, folds: Array, outer: list[int], said: dict[tuple[int, int], Array]) -> int:
    rows = np.concatenate([np.flatnonzero(folds == k) for k in outer])
    seen = patients.is_observed[rows]
    predicted = np.concatenate([said[k, k] for k in outer])[seen]
    return int(np.argmin(deviance(patients.outcome[rows][seen], predicted, patients.weights[rows][seen])))


def fit_and_predict(
    patients: Patients, is_training: Array, is_new: Array, *, learner: str
) -> tuple[Array, Array]:
    """Fit on the training patients who were observed; predict the new ones at every tuning value.

    Everything that is learnt, the preparation of predictors included, is learnt from the training patients.
    """
    training = np.flatnonzero(is_training & patients.is_observed)
    y = patients.outcome[training]
    if not len(y) or y.min() == y.max():
        raise RefusedError(
            f"{int(y.sum())} successes among {len(y)} training patients: all outcomes are alike"
        )
    preparation = learn(patients.predictors, training, at_least=patients.rare_level)
    design, _ = apply(preparation, patients.predictors, training)
    new, is_outside = apply(preparation, patients.predictors, np.flatnonzero(is_new))
    weights = patients.weights[training]
    return LEARNERS[learner](design, y, weights / weights.mean(), new), is_outside


def deviance(outcome: Array, predicted: Array, weights: Array) -> Array:
    """Weighted mean −2 log-likelihood of predictions (n, t): (t,)."""
    p = np.clip(predicted, 1e-9, 1 - 1e-9)
    y = outcome[:, None]
    loss = -2 * (y * np.log(p) + (1 - y) * np.log(1 - p))
    return weights @ loss / weights.sum()


def _fill(
    found: HeldOut,
    patients: Patients,
    folds: Array,
    k: int,
    said: dict[tuple[int, int], Array],
    *,
    level: float,
) -> None:
    """Write what is said of the patients of fold k into ``found``."""
    inner = [j for j in np.unique(folds).tolist() if j != k]
    rows = np.concatenate([np.flatnonzero(folds == j) for j in inner])
    by_inner = np.concatenate([said[j, k] for j in inner])
    seen = patients.is_observed[rows]
    rows, by_inner = rows[seen], by_inner[seen]
    outcome, weights = patients.outcome[rows], patients.weights[rows]
    best = int(np.argmin(deviance(outcome, by_inner, weights)))
    here = np.flatnonzero(folds == k)
    found.tuned[k] = best
    found.probability[here] = said[k, k][:, best]
    if min((outcome == 1).sum(), (outcome == 0).sum()) < fewest_of_a_class(level):
        return
    place = np.searchsorted(inner, folds[rows])
    new = np.column_stack([said[k, j][:, best] for j in inner])
    sets = cross_conformal(
        outcome,
        by_inner[:, best],
        place,
        new,
        level=level,
        weights=weights,
        new_weights=patients.weights[here],
    )
    found.p_success[here], found.p_failure[here] = sets.p_success, sets.p_failure
    found.has_sets[here] = True
