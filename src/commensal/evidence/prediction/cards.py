"""The card of a model: what it is for, on whom it rests, how well it did, what it is not for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import polars as pl

from commensal import __version__
from commensal.evidence.prediction.learners import TUNED
from commensal.evidence.prediction.questions import ALL, Carried, Question
from commensal.evidence.prediction.resampling import MEASURES
from commensal.evidence.prediction.settings import Settings
from commensal.evidence.prediction.validated import NotValidated, model_name
from commensal.evidence.rows import rows_of

Entry = tuple[str, str, str, float | None, str | None]

LEARNER_WORDS = {
    "ridge": "logistic regression with a ridge penalty",
    "boosting": "boosted trees (LightGBM, one thread, deterministic)",
}
LIMITS = (
    "An association in treated patients: it does not say what FMT does, nor what another donor would do.",
    "Being observed is modelled from what was known at index alone; where leaving depends on how patients "
    "fared since, these figures are biased.",
    "Intervals are those of the held-out predictions; that another sample would give another model is not "
    "in them.",
    "Sets of outcomes hold the true outcome as often as stated on average over patients like these, not "
    "for every one of them.",
)
NO_GROUP = "No group's interval sets it apart; groups too small are listed with the reason."
NOT_JUDGED = "Groups are judged for the other learner."
NOT_FOR = (
    "Not for refusing or choosing treatment without a physician, not for promising a result, not for "
    "stopping other treatment, not for patients outside the population or of whom the model abstains."
)


def card_rows(
    question: Question,
    carried: Carried,
    performance: pl.DataFrame,
    *,
    settings: Settings,
    seed: int,
    best: dict[str, int],
    chosen: str | None,
    refused: Sequence[NotValidated] = (),
    caution: str | None = None,
) -> pl.DataFrame:
    """Return ``model_cards`` rows: one card for each learner, or one card that says why there is no model."""
    first, last = _about(question), _use(settings, seed)
    sample = _sample(question, carried, settings, caution)
    if not best:
        return _card(question.name, [*first, *sample, *last])
    parts = []
    for learner in settings.learners:
        name = model_name(question, learner)
        fitted = _fitted(learner, best[learner], carried, is_chosen=learner == chosen)
        judged = _judged(performance.filter(pl.col("model") == name), refused, is_judged=learner == chosen)
        parts.append(_card(name, [*first, *sample, *fitted, *judged, *last]))
    return rows_of("model_cards", parts)


def _card(model: str, entries: Iterable[Entry]) -> pl.DataFrame:
    rows: list[dict[str, Any]] = [
        {"model": model, "position": i, "section": s, "item": t, "content": c, "value": v, "reason": r}
        for i, (s, t, c, v, r) in enumerate(entries, start=1)
    ]
    return rows_of("model_cards", [pl.DataFrame(rows, infer_schema_length=None)])


def _plain(section: str, item: str, content: str) -> Entry:
    return section, item, content, None, None


def _about(question: Question) -> list[Entry]:
    is_all = question.indication == ALL
    whom = "patients of every indication" if is_all else question.indication
    scope = " Success differs between indications; the indication is a predictor." if is_all else ""
    outcome = f"{question.endpoint} at {question.landmark}; death before counts as failure.{scope}"
    active = "Treated, with active disease at baseline where the endpoint asks for it"
    return [
        _plain(
            "purpose", "purpose", f"Chance of success at {question.landmark}, told at index. Research only."
        ),
        _plain("population", "population", f"{active}: {whom}."),
        _plain("outcome", "outcome", outcome),
    ]


def _sample(question: Question, carried: Carried, settings: Settings, caution: str | None) -> list[Entry]:
    rows = question.rows
    n_due = int(rows["is_due"].sum() or 0)
    n_died = int((rows["has_died"].fill_null(False) & rows["is_due"].fill_null(False)).sum())
    data: list[Entry] = [
        ("data", "population", "Patients of the population.", float(rows.height), None),
        ("data", "due", "Patients whose window has closed.", float(n_due), None),
        ("data", "observed", "Patients with an observed outcome.", float(question.n), None),
        ("data", "successes", "Successes among them.", float(question.n_events), None),
        ("data", "died", "Died before the window closed, counted as failures.", float(n_died), None),
        ("data", "unobserved", "Due without an outcome; the observed are weighted by the inverse probability "
         "of being observed.", float(n_due - question.n), caution),
        ("data", "baseline_unknown", "In no population, as active disease at baseline is not known.",
         float(len(question.unknown)), None),
    ]  # fmt: skip
    return [*data, *_missing(question), *_sizes(question, carried, settings)]


def _missing(question: Question) -> list[Entry]:
    observed = question.rows.filter(pl.col("success").is_not_null())
    counts = {c.name: observed[c.name].null_count() for c in question.covariates}
    said = ", ".join(f"{name} {n}" for name, n in counts.items() if n) or "none"
    how = "numbers by the training median with an indicator, others as a level 'not recorded', inside folds"
    return [
        ("predictors", "missing", f"Not recorded of {observed.height}: {said}. Handled: {how}.", None, None)
    ]


def _sizes(question: Question, carried: Carried, settings: Settings) -> list[Entry]:
    entries: list[Entry] = []
    words = (
        "Criteria: expected shrinkage at least 0.9, optimism at most 0.05, overall risk within 0.05; R² "
        f"taken as {settings.share_of_r_squared:.0%} of the greatest possible."
    )
    if carried.needed is not None:
        item = f"needed for {carried.n_parameters} parameters"
        entries.append(("sample_size", item, words, float(carried.needed.required), None))
    if carried.needed_for_all is not None:
        item = f"needed for all {len(question.covariates)} predictors"
        content = f"{carried.n_parameters_of_all} parameters."
        entries.append(("sample_size", item, content, float(carried.needed_for_all.required), None))
    verdict = (
        "not fitted" if carried.refusal else f"{len(carried.kept)} predictors, the first in order of priority"
    )
    return [*entries, ("sample_size", "verdict", verdict, None, carried.refusal)]


def _fitted(learner: str, best: int, carried: Carried, *, is_chosen: bool) -> list[Entry]:
    name, values = TUNED[learner]
    choice = "The learner with the smaller Brier score by patient; its predictions are listed."
    other = "The other learner had the smaller Brier score by patient; this one's predictions are not listed."
    return [
        ("predictors", "predictors", ", ".join(c.name for c in carried.kept), float(len(carried.kept)), None),
        ("model", "learner", LEARNER_WORDS[learner], None, None),
        ("model", name, "Chosen by patients held out; chosen anew inside every fold.", values[best], None),
        ("model", "choice", choice if is_chosen else other, None, None),
    ]


def _judged(rows: pl.DataFrame, refused: Sequence[NotValidated], *, is_judged: bool) -> list[Entry]:
    overall = rows.filter((pl.col("group_variable") == "all") & pl.col("measure").is_in(list(MEASURES)))
    entries: list[Entry] = [
        ("performance", f"{r['measure']}, {r['validation']}", _told(r), r["estimate"], r["reason"])
        for r in overall.iter_rows(named=True)
        if r["estimate"] is not None
    ]
    flagged = rows.filter((pl.col("group_variable") != "all") & pl.col("reason").str.contains("differs"))
    fair: list[Entry] = [
        ("fairness", f"{r['measure']}, {r['group_variable']} {r['group_level']}", _told(r), r["estimate"],
         r["reason"])
        for r in flagged.iter_rows(named=True)
    ]  # fmt: skip
    none = _plain("fairness", "groups", NO_GROUP if is_judged else NOT_JUDGED)
    missing: list[Entry] = [("performance", one.validation, "", None, one.reason) for one in refused]
    return [*entries, *missing, *(fair or [none])]


def _told(row: dict[str, Any]) -> str:
    if row["lower"] is None:
        return f"{row['estimate']:.3f}, {row['n']} patients"
    return f"{row['estimate']:.3f} ({row['lower']:.3f} to {row['upper']:.3f}), {row['n']} patients"


def _use(settings: Settings, seed: int) -> list[Entry]:
    software = f"commensal {__version__}, numpy {version('numpy')}, lightgbm {version('lightgbm')}"
    limits: list[Entry] = [
        ("limits", f"limit {i}", text, None, None) for i, text in enumerate(LIMITS, start=1)
    ]
    return [
        *limits,
        ("use", "not for", NOT_FOR, None, None),
        ("versions", "software", software, None, None),
        (
            "versions",
            "seed",
            f"{settings.folds} folds, {settings.bootstraps} bootstrap samples.",
            float(seed),
            None,
        ),
    ]
