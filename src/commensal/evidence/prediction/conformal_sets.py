"""Sets of outcomes that are not ruled out, with a stated chance of holding the true one in each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commensal.errors import InputError, RefusedError
from commensal.evidence.prediction.metrics import checked

Array = np.ndarray
Numbers = Sequence[float] | Array

LABELS = {(True, False): "success", (False, True): "failure", (True, True): "either"}


@dataclass(frozen=True, eq=False)
class ConformalSets:
    """Sets of patients (n,): the p-value of each outcome and whether the set holds it, at ``level``."""

    p_success: Array
    p_failure: Array
    level: float

    @property
    def holds_success(self) -> Array:
        """Whether success is not ruled out, (n,)."""
        return self.p_success > 1 - self.level

    @property
    def holds_failure(self) -> Array:
        """Whether failure is not ruled out, (n,)."""
        return self.p_failure > 1 - self.level

    @property
    def labels(self) -> list[str]:
        """success, failure, either (nothing ruled out) or neither (unlike both), for each patient."""
        pairs = zip(self.holds_success.tolist(), self.holds_failure.tolist(), strict=True)
        return [LABELS.get(pair, "neither") for pair in pairs]


def conformal(
    outcome: Numbers,
    predicted: Numbers,
    new_predicted: Numbers,
    *,
    level: float = 0.9,
    weights: Numbers | None = None,
    new_weights: Numbers | None = None,
) -> ConformalSets:
    """Class-conditional split conformal sets of new predictions (k,).

    Parameters
    ----------
    outcome, predicted : of calibration patients (n,) whom the model was not fitted on.
    weights, new_weights : where observing the calibration patients had unequal chances, one over that chance;
        new patients count 1 otherwise.

    Returns the p-values of both outcomes for each new patient.

    Refuses: InputError for shapes, values or a level outside 0 to 1; RefusedError where a class has fewer
    than (level / (1 − level)) calibration patients, so that it could never be ruled out.

    Notes
    -----
    p_y = (w + Σ w_i 1{y_i = y, s_i ≥ s}) / (w + Σ w_i 1{y_i = y}) with the score s = 1 − P(y); an outcome is
    in the set where p_y > 1 − ``level``. Of the patients with outcome y, at least the share ``level`` have y
    in their set, whatever the model, if they are exchangeable with the calibration patients of that outcome
    (given the weights).

    References
    ----------
    Vovk et al. 2005, Algorithmic Learning in a Random World. Tibshirani et al. 2019, arXiv:1904.06019.

    Example
    -------
    >>> y = [0] * 20 + [1] * 20
    >>> p = [i / 40 for i in range(40)]
    >>> conformal(y, p, [0.01, 0.5, 0.99]).labels
    ['failure', 'neither', 'success']
    """
    y, p, w = checked(outcome, predicted, weights)
    return cross_conformal(
        y, p, np.zeros(len(y), dtype=int), np.asarray(new_predicted, dtype=float)[:, None],
        level=level, weights=w, new_weights=new_weights,
    )  # fmt: skip


def cross_conformal(
    outcome: Numbers,
    predicted: Numbers,
    folds: Sequence[int] | Array,
    new_predicted: Array,
    *,
    level: float = 0.9,
    weights: Numbers | None = None,
    new_weights: Numbers | None = None,
) -> ConformalSets:
    """Class-conditional cross-conformal sets, where the sample is too small to set patients aside.

    ``predicted`` (n,) are out-of-fold predictions, ``folds`` (n,) their folds from 0, ``new_predicted``
    (k, folds) those of new patients by the model of each fold. Each calibration patient is compared with the
    new one under the same model, that of its fold. Otherwise as :func:`conformal`, which is the case of one
    fold.

    Notes
    -----
    Coverage is at least 2 · level − 1 in theory and close to ``level`` in practice.

    References
    ----------
    Vovk 2015, doi:10.1007/s10472-013-9368-4. Barber et al. 2021, doi:10.1214/20-AOS1965.
    """
    y, p, w = checked(outcome, predicted, weights)
    fold, new = np.asarray(folds, dtype=int), np.asarray(new_predicted, dtype=float)
    own = np.ones(len(new)) if new_weights is None else np.asarray(new_weights, dtype=float)
    _check(y, fold, new, own, level=level)
    values = [_p_values(1 - abs(c - p), y == c, fold, w, 1 - abs(c - new), own) for c in (0, 1)]
    return ConformalSets(p_success=values[1], p_failure=values[0], level=level)


def _check(y: Array, fold: Array, new: Array, own: Array, *, level: float) -> None:
    is_fit = fold.shape == y.shape and new.ndim == 2 and own.shape == new.shape[:1]
    if not is_fit or fold.min() < 0 or fold.max() >= new.shape[1]:
        raise InputError(
            f"{fold.shape} folds and new predictions of shape {new.shape}",
            expected="a fold for each calibration patient, a prediction for each new patient and fold",
        )
    if not ((new >= 0) & (new <= 1)).all() or not (np.isfinite(own) & (own >= 0)).all() or not 0 < level < 1:
        raise InputError(
            "new predictions, weights or the level are out of range",
            expected="probabilities, weights of zero or more, a level between 0 and 1",
        )
    counts = [int((y == c).sum()) for c in (1, 0)]
    fewest = fewest_of_a_class(level)
    if min(counts) < fewest:
        raise RefusedError(
            f"{counts[0]} successes and {counts[1]} failures to calibrate with: at {level:.0%} a class of "
            f"fewer than {fewest} is never ruled out"
        )


def fewest_of_a_class(level: float) -> int:
    """Return the calibration patients of a class below which it is in every set."""
    return int(np.ceil(level / (1 - level) - 1e-9))


def _p_values(agreement: Array, is_class: Array, fold: Array, w: Array, new: Array, own: Array) -> Array:
    """p-values of one class: ``agreement`` = P(class); the less, the stranger."""
    total, reached = own.copy(), own.copy()
    for k in range(new.shape[1]):
        here = is_class & (fold == k)
        order = np.argsort(agreement[here], kind="stable")
        summed = np.concatenate([[0.0], np.cumsum(w[here][order])])
        reached = reached + summed[np.searchsorted(agreement[here][order], new[:, k], side="right")]
        total = total + summed[-1]
    return reached / total
