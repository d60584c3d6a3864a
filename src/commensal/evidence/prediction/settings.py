"""What is to be predicted, from what, and how it is judged: the section of the analysis file."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from commensal.errors import InputError, nearest
from commensal.evidence.covariates import known_covariates
from commensal.evidence.prediction.learners import LEARNERS
from commensal.vocabulary.windows import landmarks

SCOPES = ("all", "each")

# In order of priority: where a sample cannot carry all, the first ones are taken.
PREDICTORS = (
    "baseline_severity",
    "age_at_index_years",
    "disease_duration_years",
    "sex",
    "n_sessions_planned",
    "albumin_grams_per_litre",
    "bmi",
    "index_route",
    "immunocompromise",
    "had_recipient_antibiotic",
    "is_mucosal_barrier_injured",
)


@dataclass(frozen=True)
class Settings:
    """Choices of the prediction models; the defaults are those of the study.

    ``scopes``: "all" is one model over all indications with the indication as a predictor, "each" one model
    for each. ``predictors`` stand in order of priority: a model takes as many as the sample-size criteria
    allow and is refused below ``fewest_predictors``. ``share_of_r_squared`` is the share of the greatest
    Cox–Snell R² that these criteria expect. ``rare_level``: levels of a predictor with fewer training
    patients are put together. ``smallest_group``: a group is judged with at least that many successes and
    failures. ``largest_weight`` cuts inverse probabilities of being observed. ``conformal_level`` is the
    chance of holding the true outcome, in each class.
    """

    landmarks: tuple[str, ...] = ("M3", "Y1", "Y5")
    predictors: tuple[str, ...] = PREDICTORS
    learners: tuple[str, ...] = ("ridge", "boosting")
    scopes: tuple[str, ...] = SCOPES
    folds: int = 5
    bootstraps: int = 500
    conformal_level: float = 0.9
    fewest_predictors: int = 3
    share_of_r_squared: float = 0.15
    rare_level: int = 20
    smallest_group: int = 10
    largest_weight: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), list):
                object.__setattr__(self, field.name, tuple(value))
        for name, known in (("landmarks", landmarks()), ("learners", LEARNERS), ("scopes", SCOPES)):
            _within(name, getattr(self, name), tuple(known))
        known_covariates(self.predictors)
        _refuse(
            "predictors", self.predictors, "each named once", len(set(self.predictors)) < len(self.predictors)
        )
        _refuse("folds", self.folds, "a whole number from 3 to 20", not _is_whole(self.folds, 3, 20))
        wanted = "a whole number from 20 to 10,000"
        _refuse("bootstraps", self.bootstraps, wanted, not _is_whole(self.bootstraps, 20, 10_000))
        for name in ("conformal_level", "share_of_r_squared"):
            value = getattr(self, name)
            _refuse(name, value, "a number above 0 and below 1", not (_is_number(value) and 0 < value < 1))
        for name in ("fewest_predictors", "rare_level", "smallest_group"):
            value = getattr(self, name)
            _refuse(name, value, "a whole number from 1 to 1,000", not _is_whole(value, 1, 1000))
        _refuse("fewest_predictors", self.fewest_predictors, "no more than there are predictors",
                self.fewest_predictors > len(self.predictors))  # fmt: skip
        wrong = not (_is_number(self.largest_weight) and self.largest_weight > 1)
        _refuse("largest_weight", self.largest_weight, "a number above 1", wrong)


def _within(name: str, values: Any, known: tuple[str, ...]) -> None:
    is_list = isinstance(values, tuple) and len(values) > 0
    _refuse(name, values, "a list of at least one of " + ", ".join(known), not is_list)
    for value in values:
        _refuse(name, value, nearest(str(value), known), value not in known)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _refuse(name: str, value: Any, expected: str, is_wrong: bool) -> None:
    if is_wrong:
        raise InputError(
            f"prediction.{name} is {value!r}", expected=expected, do="correct it in the analysis file"
        )
