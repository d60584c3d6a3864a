"""How well presence after FMT is predicted in a study the model has not seen, and clinical response.

Each study is left out in turn; prevalence, rates, coefficients and penalty come from the others alone. The
model stands beside the prevalence baseline over two universes of recipient–taxon pairs: every taxon found
in any sample of the studies (most are absent before and after: an easy question), and the taxa that the
donor or the baseline had (the question a matcher asks).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from commensal.errors import InputError, RefusedError
from commensal.microbiome.prediction.auroc import BOOTSTRAP, auroc, interval, resampled
from commensal.microbiome.prediction.features import Pool, features, pooled, rates, tally
from commensal.microbiome.prediction.model import (
    LEAST_RECIPIENTS,
    crossed,
    fit,
    presence,
)
from commensal.microbiome.prediction.response import responses
from commensal.microbiome.prediction.triads import MIN_READS, ON_DAY, Triads, triads
from commensal.study import RESULTS, Study

ALL = "all"
EVERY_TAXON, OFFERED_OR_OWN = "all taxa", "taxa in donor or baseline"
LOGISTIC, BOOSTING = "ridge logistic", "gradient boosting"
PREVALENCE, PREVALENCE_ANYWHERE = "prevalence after FMT", "prevalence in all samples"


METHODS = {
    LOGISTIC: "ridge logistic, penalty chosen on studies left out",
    BOOSTING: "LightGBM, 150 trees of 8 leaves, the same features",
    PREVALENCE: "share of training recipients with the taxon after FMT",
    PREVALENCE_ANYWHERE: "mean share of training donors, baselines and samples after FMT with the taxon",
}


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Probabilities for every pair, each from training without the pair's study.

    ``found`` has one entry a study; ``probability`` one array (recipients, taxa) a model.
    """

    found: tuple[Triads, ...]
    pool: Pool
    probability: Mapping[str, np.ndarray]

    @property
    def universes(self) -> dict[str, np.ndarray]:
        """The pairs of each universe, shape (recipients, taxa)."""
        had = (self.pool.donor > 0) | (self.pool.baseline > 0)
        return {EVERY_TAXON: np.ones_like(had), OFFERED_OR_OWN: had}


def validate_prediction(
    studies: Mapping[str, Study],
    *,
    seed: int,
    level: float = 0.95,
    rank: str = "genus",
    on_day: int = ON_DAY,
    min_reads: int = MIN_READS,
) -> pl.DataFrame:
    """Return how well each model predicts studies left out, in ``community_validation``.

    Parameters
    ----------
    studies : name → study. One without a triad is a row with its reason.
    level : confidence level of the intervals.
    rank, on_day, min_reads : see ``prediction_triads.triads``.

    Returns
    -------
    For each study left out and ``all``, each universe and each model a row: AUROC, its difference to
    the prevalence baseline, both with intervals, and the Brier score; at the end the clinical response.

    Refuses
    -------
    RefusedError for fewer than two studies with triads, or where leaving one out leaves fewer than ten
    recipients; for settings or taxonomies that cannot be pooled.

    Notes
    -----
    AUROC of ``all`` is over all pairs of all studies together. Intervals resample recipients within their
    study, the same recipients for model and baseline.

    References
    ----------
    The question: Ianiro et al. 2022, doi:10.1038/s41591-022-01964-3.
    """
    if not 0 < level < 1:
        raise InputError(f"a level of {level}", expected="between 0 and 1")
    found = [triads(s, name=n, rank=rank, on_day=on_day, min_reads=min_reads) for n, s in studies.items()]
    made = leave_studies_out(found)
    rows = [row for held_out in (*made.pool.studies, ALL) for row in _rows(made, held_out, seed, level)]
    rows += [_absent(one) for one in found if not one.subject_ids]
    rows += responses(made.found, made.pool, studies, seed=seed, level=level)
    table = RESULTS["community_validation"]
    return pl.DataFrame(rows, schema=table.schema, orient="row")


def leave_studies_out(found: Sequence[Triads]) -> HeldOut:
    """Return each model's probabilities for every study, from training on the others."""
    used = tuple(one for one in found if one.subject_ids)
    if len(used) < 2:
        raise RefusedError(
            f"{len(used)} studies have recipients with donor, baseline and a sample after FMT",
            expected="at least 2: one is left out at a time",
        )
    pool = pooled(used)
    probability = {name: np.zeros(pool.present.shape) for name in METHODS}
    for position, name in enumerate(pool.studies):
        rest = pool.of(np.flatnonzero(pool.study != position))
        rows = np.flatnonzero(pool.study == position)
        if len(rest.study) < LEAST_RECIPIENTS:
            raise RefusedError(
                f"without {name} there are {len(rest.study)} recipients to train on",
                expected=f"at least {LEAST_RECIPIENTS}",
            )
        for model, predicted in _predictors(rest).items():
            probability[model][rows] = predicted(pool.of(rows))
    return HeldOut(used, pool, probability)


def _predictors(rest: Pool) -> dict[str, Callable[[Pool], np.ndarray]]:
    """Return what each model, trained on ``rest``, says of another pool on the same taxa."""
    model = fit(rest)
    after = rest.present.mean(axis=0)
    anywhere = np.mean([(part > 0).mean(axis=0) for part in (rest.donor, rest.baseline, rest.after)], axis=0)
    trees = boosted(rest)
    return {
        LOGISTIC: lambda left: presence(model, left),
        BOOSTING: trees,
        PREVALENCE: lambda left: np.broadcast_to(after, left.present.shape),
        PREVALENCE_ANYWHERE: lambda left: np.broadcast_to(anywhere, left.present.shape),
    }


def boosted(rest: Pool) -> Callable[[Pool], np.ndarray]:
    """Return what gradient-boosted trees trained on a pool say of another pool on the same taxa."""
    import lightgbm

    settings: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": 8,
        "learning_rate": 0.05,
        "min_data_in_leaf": 30,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbose": -1,
        "seed": 0,
    }
    design = crossed(rest)
    data = lightgbm.Dataset(design.reshape(-1, design.shape[-1]), rest.present.ravel().astype(float))
    trees = lightgbm.train(settings, data, num_boost_round=150)
    known = rates(tally(rest), rest.parents)

    def predicted(left: Pool) -> np.ndarray:
        asked = features(left.donor, left.baseline, known)
        return np.asarray(trees.predict(asked.reshape(-1, asked.shape[-1]))).reshape(left.present.shape)

    return predicted


def _rows(made: HeldOut, held_out: str, seed: int, level: float) -> list[dict[str, Any]]:
    """Return the rows of one study left out, or of all."""
    pool = made.pool
    position = len(pool.studies) if held_out == ALL else pool.studies.index(held_out)
    own = np.full(len(pool.study), True) if held_out == ALL else pool.study == position
    weights = resampled(pool.study[own], seed=seed, stream=position)
    return [
        row
        for universe, pairs in made.universes.items()
        for row in _compared(made, own, pairs, weights, names=(held_out, universe), level=level)
    ]


def _compared(
    made: HeldOut,
    own: np.ndarray,
    pairs: np.ndarray,
    weights: np.ndarray,
    *,
    names: tuple[str, str],
    level: float,
) -> list[dict[str, Any]]:
    """Return one row a model over the pairs of some recipients in one universe."""
    inside = pairs[own]
    recipient = np.nonzero(inside)[0]
    present = made.pool.present[own][inside]
    said = {model: p[own][inside] for model, p in made.probability.items()}
    if present.all() or not present.any():
        reason = "every taxon is present" if present.all() else "no taxon is present"
        return [_row(names, model, present, own, level, reason=f"no AUROC: {reason}") for model in said]
    area = {model: auroc(p, present, recipient, weights) for model, p in said.items()}
    return [
        _row(names, model, present, own, level)
        | interval(area[model], area[PREVALENCE] if model != PREVALENCE else None, level=level)
        | {"brier": float(np.mean((said[model] - present) ** 2)), "method": f"{METHODS[model]}; {BOOTSTRAP}"}
        for model in said
    ]


def _row(
    names: tuple[str, str],
    model: str,
    present: np.ndarray,
    own: np.ndarray,
    level: float,
    *,
    reason: str | None = None,
) -> dict[str, Any]:
    return {
        "held_out": names[0],
        "universe": names[1],
        "model": model,
        "level": level,
        "n": present.size,
        "n_present": int(present.sum()),
        "n_recipients": int(own.sum()),
        "reason": reason,
    }


def _absent(one: Triads) -> dict[str, Any]:
    reasons = "; ".join(sorted(set(one.left_out.values()))) or "no patients"
    return {
        "held_out": one.study,
        "universe": EVERY_TAXON,
        "model": LOGISTIC,
        "n_recipients": 0,
        "reason": f"no recipient with donor, baseline and a sample after FMT: {reasons}",
    }


def held_out_predictions(
    studies: Mapping[str, Study], *, rank: str = "genus", on_day: int = ON_DAY, min_reads: int = MIN_READS
) -> pl.DataFrame:
    """Return the model's probability for every pair of every study left out, in ``community_predictions``.

    ``prevalence`` is that of the training studies; ``is_present`` what was found. Refuses as
    ``validate_prediction`` does.
    """
    found = [triads(s, name=n, rank=rank, on_day=on_day, min_reads=min_reads) for n, s in studies.items()]
    made = leave_studies_out(found)
    pool = made.pool
    n, taxa = pool.present.shape
    patients = [s for one in made.found for s in one.subject_ids]
    donors = [d for one in made.found for d in one.donor_ids]
    frame = pl.DataFrame(
        {
            "patient_id": [p for p in patients for _ in range(taxa)],
            "donor_id": [d for d in donors for _ in range(taxa)],
            "taxon_id": list(pool.taxon_ids) * n,
            "probability": made.probability[LOGISTIC].ravel(),
            "prevalence": made.probability[PREVALENCE].ravel(),
            "is_in_donor": (pool.donor > 0).ravel(),
            "is_in_baseline": (pool.baseline > 0).ravel(),
            "is_present": pool.present.ravel(),
            "held_out": [pool.studies[s] for s in pool.study for _ in range(taxa)],
        }
    )
    return pl.concat([RESULTS["community_predictions"].empty(), frame], how="diagonal_relaxed")
