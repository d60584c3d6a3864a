"""The probability that a taxon is present after FMT, from donor, baseline and what other studies saw.

The model is a ridge logistic regression on the twelve features of ``prediction_features`` (and on route
and preparation, where these vary within a training study). A recipient's rates never count the recipient:
in training they come from the other studies (from the other fifths of the recipients where there is one
study), as they do for a new patient. The penalty is chosen on studies left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit

from commensal.errors import InputError, RefusedError
from commensal.microbiome.prediction.features import (
    FEATURES,
    Pool,
    Rates,
    Tally,
    features,
    pooled,
    rates,
    tally,
)
from commensal.microbiome.prediction.triads import MIN_READS, ON_DAY, triads
from commensal.study import Study

# Inverse penalties tried, on standardised features.
STRENGTHS = (0.001, 0.01, 0.1, 1.0)
FOLDS = 5
# Design choice: a rate over fewer recipients says nothing of a taxon.
LEAST_RECIPIENTS = 10

Level = tuple[str, str]


@dataclass(frozen=True, eq=False)
class CommunityModel:
    """A trained model: everything it needs to predict, as plain numbers.

    ``n`` and ``n_present`` (4, taxa) are the training counts (see ``Tally``); ``coefficients`` follow
    ``FEATURES``, then ``levels``; ``level_means`` stand in where a recipient's route or preparation is
    unknown. ``min_reads`` and ``on_day`` say which samples it was trained on. ``share_error`` is the root
    mean square error of the expected engraftment of one recipient, over training recipients whose group
    was left out.
    """

    rank: str
    on_day: int
    min_reads: int
    studies: tuple[str, ...]
    taxon_ids: tuple[str, ...]
    parents: tuple[str, ...]
    n: np.ndarray
    n_present: np.ndarray
    coefficients: np.ndarray
    intercept: float
    levels: tuple[Level, ...]
    level_means: tuple[float, ...]
    strength: float
    share_error: float

    def __post_init__(self) -> None:
        taxa = len(self.taxon_ids)
        if self.n.shape != (4, taxa) or self.n_present.shape != (4, taxa) or len(self.parents) != taxa:
            raise InputError("the model's counts do not fit its taxa", expected=f"shape (4, {taxa})")
        if self.coefficients.shape != (len(FEATURES) + len(self.levels),):
            raise InputError("the model's coefficients do not fit its features")
        if not np.isfinite(self.coefficients).all() or not np.isfinite(self.intercept):
            raise InputError("a coefficient of the model is not a number")

    @property
    def n_recipients(self) -> int:
        """Recipients trained on."""
        return int(self.n[:, 0].sum())

    def rates_of(self, taxon_ids: Sequence[str], parents: Sequence[str]) -> Rates:
        """Return the rates of some taxa; one not seen in training was absent in all of its recipients.

        ``parents`` names the group above each taxon; a taxon of the model keeps the model's.
        """
        unseen = [(t, p) for t, p in zip(taxon_ids, parents, strict=True) if t not in self._column]
        absent = np.zeros((4, len(unseen)), dtype=int)
        none = absent.copy()
        absent[0] = self.n_recipients
        counts = Tally(np.hstack([self.n, absent]), np.hstack([self.n_present, none]))
        known = rates(counts, [*self.parents, *(p for _, p in unseen)])
        column = self._column | {t: len(self.taxon_ids) + i for i, (t, _) in enumerate(unseen)}
        at = np.array([column[t] for t in taxon_ids], dtype=int)
        vectors = (known.after, known.donor, known.baseline, known.parent)
        return Rates(*(v[at] for v in vectors), by_cell=known.by_cell[:, at])

    @property
    def _column(self) -> dict[str, int]:
        return {t: i for i, t in enumerate(self.taxon_ids)}

    def prevalence(self, taxon_ids: Sequence[str]) -> np.ndarray:
        """Return the share of training recipients with each taxon after FMT, shape (taxa,)."""
        share = dict(zip(self.taxon_ids, self.n_present.sum(axis=0) / self.n_recipients, strict=True))
        return np.array([share.get(t, 0.0) for t in taxon_ids])

    def as_json(self) -> str:
        """Return the model as JSON; ``model_of`` reads it back to the same numbers."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in fields.items()})


def model_of(text: str) -> CommunityModel:
    """Return the model that ``as_json`` wrote. Refuses (InputError) what is no model."""
    stored: dict[str, Any] = json.loads(text)
    if set(stored) != set(CommunityModel.__dataclass_fields__):
        raise InputError(
            "this is no community model", expected=", ".join(CommunityModel.__dataclass_fields__)
        )
    for name in ("studies", "taxon_ids", "parents", "level_means"):
        stored[name] = tuple(stored[name])
    for name in ("n", "n_present", "coefficients"):
        stored[name] = np.array(stored[name])
    stored["levels"] = tuple((field, value) for field, value in stored["levels"])
    return CommunityModel(**stored)


def train(
    studies: Mapping[str, Study], *, rank: str = "genus", on_day: int = ON_DAY, min_reads: int = MIN_READS
) -> CommunityModel:
    """Return a model of presence after FMT, trained on every recipient of the studies who has a triad.

    Refuses (RefusedError) fewer than 10 recipients with a triad, studies of settings that cannot be
    compared, and studies with hardly a taxon in common.
    """
    found = [triads(s, name=n, rank=rank, on_day=on_day, min_reads=min_reads) for n, s in studies.items()]
    used = [one for one in found if one.subject_ids]
    n = sum(len(one.subject_ids) for one in used)
    if n < LEAST_RECIPIENTS:
        reasons = sorted({r for one in found for r in one.left_out.values()})
        raise RefusedError(
            f"{n} recipients have donor, baseline and a sample after FMT ({'; '.join(reasons)})",
            expected=f"at least {LEAST_RECIPIENTS}",
        )
    return fit(pooled(used), rank=rank, on_day=on_day, min_reads=min_reads)


def fit(
    pool: Pool, *, rank: str = "genus", on_day: int = ON_DAY, min_reads: int = MIN_READS
) -> CommunityModel:
    """Return the model of a pool, its penalty chosen by the log-loss on groups of recipients left out."""
    group = groups(pool)
    held_out = {strength: np.empty(pool.present.shape) for strength in STRENGTHS}
    for one in np.unique(group):
        rest, left = pool.of(np.flatnonzero(group != one)), pool.of(np.flatnonzero(group == one))
        for strength, model in _fits(rest, STRENGTHS).items():
            held_out[strength][group == one] = presence(model, left)
    best = min(STRENGTHS, key=lambda strength: log_loss(pool.present, held_out[strength]))
    model = _fits(pool, (best,))[best]
    error = _share_error(pool, held_out[best])
    return replace(model, rank=rank, on_day=on_day, min_reads=min_reads, share_error=error)


def groups(pool: Pool) -> np.ndarray:
    """Return the group of each recipient: the study; of a single study a fifth of the recipients."""
    if len(np.unique(pool.study)) > 1:
        return pool.study
    return np.arange(len(pool.study)) % FOLDS


def _fits(pool: Pool, strengths: Sequence[float]) -> dict[float, CommunityModel]:
    """Return the model of a pool at each penalty."""
    counts = tally(pool)
    levels = _levels(pool)
    means = tuple(float(np.nanmean(_level_values(pool, level))) for level in levels)
    bare = CommunityModel(
        rank="",
        on_day=ON_DAY,
        min_reads=MIN_READS,
        studies=pool.studies,
        taxon_ids=pool.taxon_ids,
        parents=pool.parents,
        n=counts.n,
        n_present=counts.n_present,
        coefficients=np.zeros(len(FEATURES) + len(levels)),
        intercept=0.0,
        levels=levels,
        level_means=means,
        strength=1.0,
        share_error=0.0,
    )
    design = np.concatenate([crossed(pool), _level_columns(bare, pool)], axis=-1)
    rows, target = design.reshape(-1, design.shape[-1]), pool.present.ravel()
    fitted = {strength: ridge_logistic(rows, target, strength=strength) for strength in strengths}
    return {
        strength: replace(bare, coefficients=slopes, intercept=intercept, strength=strength)
        for strength, (slopes, intercept) in fitted.items()
    }


def crossed(pool: Pool) -> np.ndarray:
    """Return the features of a pool's own pairs, each group's rates counted over the other groups."""
    group = groups(pool)
    out = np.empty((*pool.present.shape, len(FEATURES)))
    for one in np.unique(group):
        known = rates(tally(pool.of(np.flatnonzero(group != one))), pool.parents)
        rows = group == one
        out[rows] = features(pool.donor[rows], pool.baseline[rows], known)
    return out


def presence(model: CommunityModel, pool: Pool) -> np.ndarray:
    """Return the probability of presence after FMT of each taxon in each recipient, (recipients, taxa)."""
    known = model.rates_of(pool.taxon_ids, pool.parents)
    design = np.concatenate(
        [features(pool.donor, pool.baseline, known), _level_columns(model, pool)], axis=-1
    )
    return expit(model.intercept + design @ model.coefficients)


def _levels(pool: Pool) -> tuple[Level, ...]:
    """Return the routes and preparations with a coefficient: those that vary within a training study.

    One that only tells a study from another would carry whatever else differs between the two.
    """
    found = []
    for name in ("route", "preparation"):
        given = np.array([v or "" for v in getattr(pool, f"{name}s")])
        varied = [set(given[(pool.study == s) & (given != "")]) for s in np.unique(pool.study)]
        # The first of a varying set is the reference the others are told from.
        found += [(name, v) for v in sorted(set().union(*(set(sorted(s)[1:]) for s in varied)))]
    return tuple(found)


def _level_values(pool: Pool, level: Level) -> np.ndarray:
    name, value = level
    given = getattr(pool, f"{name}s")
    return np.array([np.nan if v is None else float(v == value) for v in given])


def _level_columns(model: CommunityModel, pool: Pool) -> np.ndarray:
    """Return one column a level, shape (recipients, taxa, levels); unknown is the training mean."""
    columns = [
        np.nan_to_num(_level_values(pool, level), nan=mean)
        for level, mean in zip(model.levels, model.level_means, strict=True)
    ]
    recipients = np.stack(columns, axis=-1) if columns else np.zeros((len(pool.study), 0))
    return np.broadcast_to(recipients[:, None, :], (*pool.donor.shape, len(model.levels)))


def ridge_logistic(rows: np.ndarray, target: np.ndarray, *, strength: float) -> tuple[np.ndarray, float]:
    """Return slopes and intercept of a logistic regression with a penalty on standardised slopes.

    Notes: minimises the log-loss summed over rows + |b|² / (2 strength), b the slopes per standard
    deviation and the intercept free, by Newton's method.
    """
    middle, scale = rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = np.column_stack([(rows - middle) / scale, np.ones(len(rows))])
    penalty = np.full(design.shape[1], 1.0 / strength)
    penalty[-1] = 0.0
    beta = np.zeros(design.shape[1])
    rate = np.clip(target.mean(), 1e-3, 1 - 1e-3)
    beta[-1] = np.log(rate / (1 - rate))
    for _ in range(50):
        fitted = expit(design @ beta)
        gradient = design.T @ (fitted - target) + penalty * beta
        weights = fitted * (1 - fitted)
        hessian = (design * weights[:, None]).T @ design + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        # A damped step: far from the optimum a whole Newton step of a logistic fit can overshoot.
        beta = beta - step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-9:
            break
    slopes = beta[:-1] / scale
    return slopes, float(beta[-1] - slopes @ middle)


def log_loss(target: np.ndarray, probability: np.ndarray) -> float:
    """Return the mean negative log-likelihood of outcomes under probabilities."""
    sure = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(target, np.log(sure), np.log1p(-sure))))


def _share_error(pool: Pool, probability: np.ndarray) -> float:
    offered = (pool.donor > 0) & (pool.baseline == 0)
    n = np.maximum(offered.sum(axis=1), 1)
    miss = ((pool.present - probability) * offered).sum(axis=1) / n
    return float(np.sqrt(np.mean(miss**2)))
