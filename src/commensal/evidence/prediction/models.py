"""The prediction models of a study, from its ground to rows of the result tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal import engine
from commensal.errors import RefusedError
from commensal.evidence.ground import Ground
from commensal.evidence.prediction.cards import card_rows
from commensal.evidence.prediction.folds import temporal
from commensal.evidence.prediction.performance import (
    calibration_rows,
    decision_rows,
    performance_rows,
    refused_rows,
)
from commensal.evidence.prediction.published import parameter_rows, prediction_rows
from commensal.evidence.prediction.questions import (
    Carried,
    Question,
    carried,
    patients_of,
    questions_of,
    with_weights,
)
from commensal.evidence.prediction.resampling import brier_of
from commensal.evidence.prediction.settings import Settings
from commensal.evidence.prediction.validated import NotValidated, Validated, validate
from commensal.evidence.rows import rows_of
from commensal.study.results import RESULTS

TABLES = ("predictions", "performance", "calibration", "decision_curves", "model_cards", "model_parameters")
ROOM = 5
Tables = dict[str, pl.DataFrame]


@dataclass(frozen=True, eq=False)
class Task:
    """One question with all that answering it takes, ready to be sent to another process."""

    question: Question
    received: pl.DataFrame
    facts: frozenset[str]
    settings: Settings
    level: float
    seed: int


def prediction_models(
    ground: Ground,
    *,
    settings: Settings,
    level: float,
    seed: int,
    processes: int = 1,
    microbiome: pl.DataFrame | None = None,
) -> Tables:
    """Fit and validate models of success from what is known at index.

    Parameters
    ----------
    ground : the study, read for at least the landmarks of the settings; others are passed over.
    microbiome : [patient_id, …], further numbers known at index (of a baseline sample); null unknown.

    Returns the tables predictions, performance, calibration, decision_curves, model_cards and
    model_parameters. A question that too few patients can answer is a row with the reason and the number
    needed; nothing is raised for it.

    Refuses (InputError) a predictor measured after index, by name.
    """
    tasks = [
        Task(
            question, _received_by(question, ground), frozenset(ground.cohort.columns), settings, level, seed
        )
        for question in questions_of(ground, settings=settings, microbiome=microbiome)
    ]
    own = int(np.random.SeedSequence([seed, ROOM]).generate_state(1)[0])
    answers = engine.map(answer, tasks, seed=own, processes=processes)
    found = {name: rows_of(name, [a[name] for a in answers if name in a]) for name in TABLES}
    return {name: rows.sort(RESULTS[name].key) for name, rows in found.items()}


def _received_by(question: Question, ground: Ground) -> pl.DataFrame:
    return ground.received.join(question.rows.select("patient_id"), on="patient_id", how="semi")


def answer(task: Task, generator: np.random.Generator) -> Tables:
    """Answer one question: models under every validation, or the reason why there is none."""
    sized = carried(task.question, settings=task.settings)
    if sized.refusal is not None:
        return _refused(task, sized, generator)
    question, caution = with_weights(task.question, settings=task.settings)
    patients = patients_of(question, sized.kept, settings=task.settings)
    found, missing, best = validate(
        question, patients, task.received, settings=task.settings, generator=generator
    )
    if not best:
        reasons = "; ".join(one.reason for one in missing)
        return _refused(task, Carried((), sized.n_parameters, sized.needed, sized.needed_for_all,
                                      sized.n_parameters_of_all, reasons), generator)  # fmt: skip
    chosen = _chosen(found)
    names = sorted({v.model for v in found})
    performance = rows_of(
        "performance",
        [
            performance_rows(found, learner=chosen, settings=task.settings, level=task.level),
            refused_rows(names, missing, n=question.n, n_events=question.n_events),
        ],
    )
    tables = {
        "performance": performance,
        "calibration": calibration_rows(found, settings=task.settings, level=task.level),
        "decision_curves": decision_rows(found, settings=task.settings, level=task.level),
        "predictions": prediction_rows(found, question, learner=chosen),
        "model_cards": card_rows(
            question, sized, performance, settings=task.settings, seed=task.seed, best=best, chosen=chosen,
            refused=missing, caution=caution,
        ),
    }  # fmt: skip
    if "ridge" in best:
        tables["model_parameters"] = parameter_rows(
            question, patients, penalty=best["ridge"], facts=task.facts
        )
    return tables


def _chosen(found: list[Validated]) -> str:
    """The learner with the smaller Brier score by patient; the first of equals."""
    scores = {v.learner: float(brier_of(v.judged)[0][0]) for v in found if v.validation == "by_patient"}
    return min(scores, key=lambda learner: scores[learner])


def _refused(task: Task, sized: Carried, generator: np.random.Generator) -> Tables:
    question = task.question
    missing = [NotValidated("by_patient", sized.refusal or "")]
    try:
        temporal(question.rows, folds=task.settings.folds, generator=generator)
    except RefusedError as error:
        missing.append(NotValidated("temporal", error.what))
    rows = refused_rows([question.name], missing, n=question.n, n_events=question.n_events)
    card = card_rows(
        question, sized, rows, settings=task.settings, seed=task.seed, best={}, chosen=None, refused=missing
    )
    return {"performance": rows, "model_cards": card}
