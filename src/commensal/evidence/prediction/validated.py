"""One question put to every learner under every validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.errors import RefusedError
from commensal.evidence.prediction.conformal_sets import ConformalSets
from commensal.evidence.prediction.folds import Split, by_donor, by_patient, one_site, temporal
from commensal.evidence.prediction.held_out import HeldOut, Patients, fit_and_predict, held_out
from commensal.evidence.prediction.questions import Question
from commensal.evidence.prediction.resampling import Judged, drawn
from commensal.evidence.prediction.settings import Settings

Array = np.ndarray

VERSION = "v1"
VALIDATIONS = ("by_patient", "by_donor", "temporal", "leave_site_out", "apparent")


@dataclass(frozen=True, eq=False)
class Validated:
    """What one learner said of the patients that one validation held out.

    ``rows`` are the question's rows of the patients predicted, the arrays (m,) in their order; ``judged``
    holds those with an outcome, ``is_judged`` (m,) says which. ``sets`` is None for the apparent validation.
    """

    model: str
    learner: str
    validation: str
    rows: pl.DataFrame
    probability: Array
    sets: ConformalSets | None
    has_sets: Array
    is_outside: Array
    is_judged: Array
    judged: Judged
    caution: str | None


@dataclass(frozen=True)
class NotValidated:
    """A validation that could not be made, and why."""

    validation: str
    reason: str


def model_name(question: Question, learner: str) -> str:
    """The name and version of a model."""
    return f"{learner}_{question.name}_{VERSION}"


def validate(
    question: Question,
    patients: Patients,
    received: pl.DataFrame,
    *,
    settings: Settings,
    generator: np.random.Generator,
) -> tuple[list[Validated], list[NotValidated], dict[str, int]]:
    """Return every learner under every validation, those not possible, and each learner's tuning value."""
    rows, folds = question.rows, settings.folds
    splits: dict[str, Callable[[], list[Split]]] = {
        "by_patient": lambda: [by_patient(rows["success"], folds=folds, generator=generator)],
        "by_donor": lambda: [by_donor(rows, received, folds=folds, generator=generator)],
        "temporal": lambda: [temporal(rows, folds=folds, generator=generator)],
        "leave_site_out": lambda: _sites(rows, folds=folds, generator=generator),
    }
    found: list[Validated] = []
    refused: list[NotValidated] = []
    best: dict[str, int] = {}
    for validation, make in splits.items():
        try:
            made = make()
            said = {
                learner: [_held(patients, split, learner, settings) for split in made]
                for learner in settings.learners
            }
        except RefusedError as error:
            refused.append(NotValidated(validation, error.what))
            continue
        if validation == "by_patient":
            best = {learner: held[0].best for learner, held in said.items()}
        found += _judge(question, patients, validation, made, said, settings=settings, generator=generator)
    if best:
        found += [_apparent(question, patients, learner, best[learner]) for learner in settings.learners]
    return found, refused, best


def _sites(rows: pl.DataFrame, *, folds: int, generator: np.random.Generator) -> list[Split]:
    seen = rows.filter(pl.col("success").is_not_null() & pl.col("site_id").is_not_null())
    sites = seen["site_id"].unique().sort().to_list()
    if len(sites) < 2:
        raise RefusedError(f"{len(sites)} known site: none to leave out")
    return [one_site(rows, site, folds=folds, generator=generator) for site in sites]


def _held(patients: Patients, split: Split, learner: str, settings: Settings) -> HeldOut:
    return held_out(
        patients.of(split.rows),
        split.folds,
        learner=learner,
        level=settings.conformal_level,
        only=split.held,
    )


def _judge(
    question: Question,
    patients: Patients,
    validation: str,
    splits: list[Split],
    said: dict[str, list[HeldOut]],
    *,
    settings: Settings,
    generator: np.random.Generator,
) -> list[Validated]:
    """Put the held-out patients of all splits together; the same bootstrap samples serve every learner."""
    parts = [np.isin(split.folds, split.held) for split in splits]
    where = np.concatenate([split.rows[part] for split, part in zip(splits, parts, strict=True)])
    order = np.argsort(where, kind="stable")
    where = where[order]
    is_judged = patients.is_observed[where]
    outcome, own = patients.outcome[where][is_judged], patients.weights[where][is_judged]
    weights = drawn(own, n_samples=settings.bootstraps, generator=generator)
    found = []
    for learner, held in said.items():

        def together(name: str, held: list[HeldOut] = held) -> Array:
            return np.concatenate([getattr(h, name)[part] for h, part in zip(held, parts, strict=True)])[
                order
            ]

        probability = together("probability")
        found.append(
            Validated(
                model=model_name(question, learner),
                learner=learner,
                validation=validation,
                rows=question.rows[where],
                probability=probability,
                sets=ConformalSets(
                    together("p_success"), together("p_failure"), level=settings.conformal_level
                ),
                has_sets=together("has_sets"),
                is_outside=together("is_outside"),
                is_judged=is_judged,
                judged=Judged(outcome, probability[is_judged], weights),
                caution=splits[0].caution,
            )
        )
    return found


def _apparent(question: Question, patients: Patients, learner: str, best: int) -> Validated:
    seen = patients.is_observed
    predicted, outside = fit_and_predict(patients, seen, seen, learner=learner)
    probability = predicted[:, best]
    return Validated(
        model=model_name(question, learner),
        learner=learner,
        validation="apparent",
        rows=question.rows.filter(pl.Series(seen)),
        probability=probability,
        sets=None,
        has_sets=np.zeros(len(probability), dtype=bool),
        is_outside=outside,
        is_judged=np.ones(len(probability), dtype=bool),
        judged=Judged(patients.outcome[seen], probability, patients.weights[seen][None]),
        caution="judged on the patients it was fitted on: too good",
    )
