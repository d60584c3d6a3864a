"""Predictors as numbers: what a model needs to know of its training patients, and of nobody else.

Centres, spreads, medians, levels and ranges are learnt from the rows a model is fitted on, so that a patient
held out leaves no trace in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.evidence.covariates import Covariate

Array = np.ndarray

UNRECORDED = "not recorded"
RARE = "other (rare)"


@dataclass(frozen=True, eq=False)
class Predictor:
    """One predictor of all patients: numbers (NaN where not recorded), or places (n,) among ``levels``.

    Of a predictor that is no number "not recorded" is a level like others: nobody knows that it means "no".
    """

    covariate: Covariate
    values: Array
    levels: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """Whether the predictor is continuous."""
        return self.covariate.kind == "continuous"


@dataclass(frozen=True)
class Learnt:
    """How one predictor becomes columns, as learnt from training patients.

    A number: (value − centre) / spread, the centre (median) where not recorded, and, where ``has_indicator``,
    a column that says so. Otherwise one column for each of ``columns``, the reference left out; ``places``
    gives the column of each level (−1 the reference, −2 never seen).
    """

    centre: float = 0.0
    spread: float = 1.0
    lowest: float = -np.inf
    highest: float = np.inf
    has_indicator: bool = False
    reference: str = ""
    columns: tuple[str, ...] = ()
    places: tuple[int, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """What was learnt of each predictor; None of one that is constant among the training patients."""

    predictors: tuple[Covariate, ...]
    learnt: tuple[Learnt | None, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, the intercept first."""
        found = ["intercept"]
        for covariate, learnt in zip(self.predictors, self.learnt, strict=True):
            if learnt is None:
                continue
            if covariate.kind == "continuous":
                found += [covariate.name] + [f"{covariate.name}: {UNRECORDED}"] * learnt.has_indicator
            else:
                found += [f"{covariate.name}: {c} against {learnt.reference}" for c in learnt.columns]
        return tuple(found)


def predictors_of(frame: pl.DataFrame, covariates: Sequence[Covariate]) -> tuple[Predictor, ...]:
    """Return the columns of a frame as predictors; infinite numbers count as not recorded."""
    return tuple(_predictor(frame[c.name], c) for c in covariates)


def _predictor(values: pl.Series, covariate: Covariate) -> Predictor:
    if covariate.kind == "continuous":
        numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
        numbers[~np.isfinite(numbers)] = np.nan
        return Predictor(covariate, numbers)
    names = values.cast(pl.String).fill_null(UNRECORDED)
    declared = {level: i for i, level in enumerate(covariate.levels)}
    levels = sorted(names.unique().to_list(), key=lambda v: (declared.get(v, len(declared)), v))
    place = {level: i for i, level in enumerate(levels)}
    return Predictor(covariate, np.array([place[v] for v in names.to_list()], dtype=int), tuple(levels))


def learn(predictors: Sequence[Predictor], rows: Array, *, at_least: int) -> Preparation:
    """Learn the preparation from training ``rows`` (positions); levels with fewer rows are put together."""
    learnt = tuple(
        _number(p.values[rows], at_least) if p.is_number else _levels(p, p.values[rows], at_least)
        for p in predictors
    )
    return Preparation(tuple(p.covariate for p in predictors), learnt)


def _number(values: Array, at_least: int) -> Learnt | None:
    known = values[~np.isnan(values)]
    n_missing = len(values) - len(known)
    spread = float(known.std(ddof=1)) if len(known) > 1 else 0.0
    if not len(known) or spread <= 1e-12 * max(1.0, abs(float(known.mean()))):
        return None
    return Learnt(
        centre=float(np.median(known)),
        spread=spread,
        lowest=float(known.min()),
        highest=float(known.max()),
        has_indicator=min(n_missing, len(known)) >= at_least,
    )


def _levels(predictor: Predictor, values: Array, at_least: int) -> Learnt | None:
    counts = np.bincount(values, minlength=len(predictor.levels))
    kept = [i for i, n in enumerate(counts) if n >= at_least]
    rare = [i for i, n in enumerate(counts) if 0 < n < at_least]
    groups = {predictor.levels[i]: [i] for i in kept} | ({RARE: rare} if rare else {})
    if len(groups) < 2:
        return None
    reference = max(groups, key=lambda name: int(counts[groups[name]].sum()))
    columns = tuple(name for name in groups if name != reference)
    places = np.full(len(predictor.levels), -2)
    for name, members in groups.items():
        places[members] = -1 if name == reference else columns.index(name)
    return Learnt(reference=reference, columns=columns, places=tuple(int(p) for p in places))


def apply(preparation: Preparation, predictors: Sequence[Predictor], rows: Array) -> tuple[Array, Array]:
    """Return the design matrix (n, p) of ``rows``, the intercept first, and who is outside the range (n,).

    Outside is a number below or above those of the training patients, and a level they did not have; it
    counts as the reference then.
    """
    columns, outside = [np.ones(len(rows))], np.zeros(len(rows), dtype=bool)
    for learnt, predictor in zip(preparation.learnt, predictors, strict=True):
        if learnt is None:
            continue
        values = predictor.values[rows]
        if predictor.is_number:
            columns += _scaled(learnt, values)
            outside |= (values < learnt.lowest) | (values > learnt.highest)
        else:
            place = np.array(learnt.places)[values]
            columns += [(place == i).astype(float) for i in range(len(learnt.columns))]
            outside |= place == -2
    return np.column_stack(columns), outside


def _scaled(learnt: Learnt, values: Array) -> list[Array]:
    is_missing = np.isnan(values)
    scaled = np.where(is_missing, 0.0, (values - learnt.centre) / learnt.spread)
    return [scaled, is_missing.astype(float)] if learnt.has_indicator else [scaled]
