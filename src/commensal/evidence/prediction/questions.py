"""What a model is asked: one landmark, one indication or all, whose outcomes, from which predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import polars as pl
from scipy.special import expit

from commensal.errors import InputError
from commensal.evidence.covariates import AFTER_INDEX, COVARIATES, Covariate, known_covariates
from commensal.evidence.ground import Ground
from commensal.evidence.logistic import logistic
from commensal.evidence.material import UNKNOWN
from commensal.evidence.prediction.held_out import Patients
from commensal.evidence.prediction.preparation import apply, learn, predictors_of
from commensal.evidence.prediction.sample_size import SampleSize, sample_size
from commensal.evidence.prediction.settings import Settings

Array = np.ndarray

ALL = "all"
ALL_ENDPOINTS = "primary endpoint of each indication"
OBSERVING_PENALTY = 1.0


@dataclass(frozen=True, eq=False)
class Question:
    """One endpoint at one landmark for one indication (or "all"), with one row per patient in ``rows``.

    ``rows`` are the treated patients of the primary population: [patient_id, indication, cohort, site_id,
    main_donor, sex, age_group, index_route, is_due, success, reason, weight] and every covariate.
    ``success`` is false of those who died before; null where not observed, ``is_due`` false where not due.
    ``n_unknown`` patients are in no population because their baseline activity is not known.
    """

    indication: str
    landmark: str
    endpoint: str
    rows: pl.DataFrame
    covariates: tuple[Covariate, ...]
    unknown: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name that models of this question begin with."""
        return f"{self.indication}_{self.landmark}"

    @property
    def outcome(self) -> Array:
        """Outcomes (n,) of 0 and 1; NaN where not observed."""
        return self.rows["success"].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()

    @property
    def n(self) -> int:
        """Patients with an observed outcome."""
        return int(self.rows["success"].count())

    @property
    def n_events(self) -> int:
        """Successes among them."""
        return int(self.rows["success"].sum() or 0)


def questions_of(
    ground: Ground, *, settings: Settings, microbiome: pl.DataFrame | None = None
) -> list[Question]:
    """Return every question that the settings ask of the study, sorted: all indications first.

    ``microbiome`` has [patient_id, …]: further numbers known at index. Refuses (InputError) one measured
    after index, by name.
    """
    further = _microbiome_covariates(microbiome)
    rows = _patients(ground, microbiome)
    primary = ground.outcomes.filter(pl.col("is_primary") & ~pl.col("is_comparator"))
    found: list[Question] = []
    for landmark in settings.landmarks:
        at = primary.filter(pl.col("landmark") == landmark)
        if "all" in settings.scopes and at["indication"].n_unique() > 1:
            found.append(_question(rows, at, ALL, landmark, ALL_ENDPOINTS, settings, further))
        if "each" in settings.scopes:
            pairs = at.select("indication", "endpoint").unique().sort("indication", "endpoint")
            for code, endpoint in pairs.iter_rows():
                of_one = at.filter((pl.col("indication") == code) & (pl.col("endpoint") == endpoint))
                found.append(_question(rows, of_one, code, landmark, endpoint, settings, further))
    return found


def _microbiome_covariates(microbiome: pl.DataFrame | None) -> tuple[Covariate, ...]:
    if microbiome is None:
        return ()
    names = [c for c in microbiome.columns if c != "patient_id"]
    for name in names:
        if name in AFTER_INDEX:
            known_covariates([name])
        if name in {c.name for c in COVARIATES}:
            raise InputError(
                f"the microbiome column {name!r} has the name of a covariate",
                expected="names of their own",
                do="rename it",
            )
    if microbiome["patient_id"].is_duplicated().any():
        raise InputError("the microbiome frame has a patient twice", expected="one row per patient")
    return tuple(Covariate(name, "continuous", name) for name in names)


def _patients(ground: Ground, microbiome: pl.DataFrame | None) -> pl.DataFrame:
    """One row per patient: covariates, cohort, site and main donor."""
    shares = ground.received.sort("patient_id", "share", "donor_id", descending=[False, True, False])
    main = shares.unique("patient_id", keep="first", maintain_order=True)
    age = pl.col("age_at_index_years")
    found = (
        ground.covariates.join(ground.cohort.select("patient_id", "site_id"), on="patient_id")
        .join(main.select("patient_id", main_donor="donor_id"), on="patient_id", how="left")
        .with_columns(
            pl.col("main_donor").fill_null(UNKNOWN),
            age_group=pl.when(age < 18)
            .then(pl.lit("under 18"))
            .when(age < 65)
            .then(pl.lit("18 to 64"))
            .when(age >= 65)
            .then(pl.lit("65 and over")),
        )
    )
    return found if microbiome is None else found.join(microbiome, on="patient_id", how="left")


def _question(
    patients: pl.DataFrame,
    outcomes: pl.DataFrame,
    indication: str,
    landmark: str,
    endpoint: str,
    settings: Settings,
    further: tuple[Covariate, ...],
) -> Question:
    observed = pl.when(pl.col("is_due")).then(
        pl.when(pl.col("reason") == "died").then(pl.lit(False)).otherwise(pl.col("success"))
    )
    told = outcomes.filter("is_active").select(
        "patient_id", "is_due", "reason", success=observed, has_died=pl.col("reason") == "died"
    )
    rows = told.join(patients, on="patient_id").sort("patient_id")
    names = [n for n in settings.predictors if n != "indication"]
    names = ["indication", *names] if indication == ALL else names
    unknown = outcomes.filter(pl.col("is_active").is_null())["patient_id"].unique().sort()
    covariates = (*known_covariates(names), *further)
    return Question(indication, landmark, endpoint, rows, covariates, tuple(unknown))


def with_weights(question: Question, *, settings: Settings) -> tuple[Question, str | None]:
    """Return the question with a column ``weight``: one over the chance of being observed when due.

    The chance is that of a ridge logistic regression of being observed among those due on all predictors,
    scaled by the overall share; weights above ``largest_weight`` are cut. Patients not due have the weight
    that they would have. The second value is a caution, or None.
    """
    rows = question.rows
    due = rows["is_due"].fill_null(False).to_numpy()
    seen = rows["success"].is_not_null().to_numpy()
    if not due.any() or seen[due].all() or not seen[due].any():
        return _weighted(question, np.ones(rows.height)), None
    predictors = predictors_of(rows, question.covariates)
    preparation = learn(predictors, np.flatnonzero(due), at_least=settings.rare_level)
    design, _ = apply(preparation, predictors, np.arange(rows.height))
    fit = logistic(design[due], seen[due].astype(float), ridge=OBSERVING_PENALTY)
    weights = seen[due].mean() / expit(design @ fit.coefficients)
    n_cut = int((weights[seen] > settings.largest_weight).sum())
    caution = f"{n_cut} weights cut at {settings.largest_weight:g}" if n_cut else None
    return _weighted(question, np.minimum(weights, settings.largest_weight)), caution


def _weighted(question: Question, weights: Array) -> Question:
    rows = question.rows.with_columns(weight=pl.Series(weights, dtype=pl.Float64))
    return Question(
        question.indication, question.landmark, question.endpoint, rows, question.covariates, question.unknown
    )


@dataclass(frozen=True)
class Carried:
    """How many predictors a sample carries: those kept, their parameters and what all would need."""

    kept: tuple[Covariate, ...]
    n_parameters: int
    needed: SampleSize | None
    needed_for_all: SampleSize | None
    n_parameters_of_all: int
    refusal: str | None


def carried(question: Question, *, settings: Settings) -> Carried:
    """Return how many predictors, in order of priority, the observed patients carry; or why there is no
    model.

    Looks at how many patients and successes there are, never at which predictors go with success.
    """
    n, n_events = question.n, question.n_events
    if not 0 < n_events < n:
        why = f"{n} observed outcomes, {n_events} successes: nothing to tell apart"
        return Carried((), 0, None, None, 0, why)
    observed = np.flatnonzero(question.rows["success"].is_not_null().to_numpy())
    predictors = predictors_of(question.rows, question.covariates)
    own = [len(learn([p], observed, at_least=settings.rare_level).names) - 1 for p in predictors]
    sizes = list(accumulate(own))
    needed = [_needed(size, n_events / n, settings) for size in sizes]
    most = max((i + 1 for i, s in enumerate(needed) if s.required <= n), default=0)
    floor = min(settings.fewest_predictors, len(predictors))
    if most < floor or sizes[most - 1] < 1:
        least = needed[floor - 1]
        why = (
            f"too few patients: {n} observed with {n_events} successes; the first {floor} predictors "
            f"({sizes[floor - 1]} parameters) need {least.required} (shrinkage {least.for_shrinkage}, "
            f"optimism {least.for_optimism}, overall risk {least.for_overall_risk}), all {len(sizes)} need "
            f"{needed[-1].required}"
        )
        return Carried((), sizes[floor - 1], least, needed[-1], sizes[-1], why)
    kept = question.covariates[:most]
    return Carried(kept, sizes[most - 1], needed[most - 1], needed[-1], sizes[-1], None)


def _needed(n_parameters: int, prevalence: float, settings: Settings) -> SampleSize:
    return sample_size(max(n_parameters, 1), prevalence=prevalence, nagelkerke=settings.share_of_r_squared)


def patients_of(question: Question, covariates: Sequence[Covariate], *, settings: Settings) -> Patients:
    """Return the question's patients as models take them."""
    return Patients(
        predictors=predictors_of(question.rows, covariates),
        outcome=question.outcome,
        weights=question.rows["weight"].to_numpy(),
        rare_level=settings.rare_level,
    )
