"""What would be expected of a unit: a model of the outcome that has not seen the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import expit

from commensal.evidence.covariates import known_covariates
from commensal.evidence.designs import INTERCEPT, Design, design_of
from commensal.evidence.logistic import logistic

Array = np.ndarray

UNKNOWN = "unknown"
# One Newton step is enough for a unit that hardly moves the coefficients.
SMALL_UNIT = 20
MOST_STEPS = 25
CLOSE = 1e-7
FEWEST_IN_A_CELL = 10
CROSSED = (("indication", "index_route"), ("indication", "index_year"))
NEVER_SURE = 1e-6


def risk_design(frame: pl.DataFrame, covariates: Sequence[str]) -> tuple[Array, str]:
    """Return the design of the risk model (n, p) and words for what is in it and what was missing.

    Missing categories are the level "unknown", missing numbers stand at the mean. Indication is crossed with
    route and with calendar time where both are in the model.
    """
    declared = known_covariates(covariates)
    filled = frame.with_columns(
        pl.col(c.name).fill_null(pl.col(c.name).mean())
        if c.kind == "continuous"
        else pl.col(c.name).cast(pl.String).fill_null(UNKNOWN)
        for c in declared
    )
    used = [c.name for c in declared if frame[c.name].null_count() < frame.height]
    design = design_of(filled, used)
    matrix = np.column_stack([design.matrix, *_crossed(design)])
    return matrix, _said(frame, used, design, matrix.shape[1])


def _said(frame: pl.DataFrame, used: Sequence[str], design: Design, n_columns: int) -> str:
    terms = [name for name in dict.fromkeys(design.terms) if name != INTERCEPT]
    if not terms:
        return "their mean alone: every covariate is constant or not recorded"
    crossed = " (indication crossed with route and time)" if n_columns > len(design.terms) else ""
    missing = [f"{n} in {frame[n].null_count()}" for n in used if n in terms and frame[n].null_count()]
    unknown = "; unknown, at the mean or a level of its own: " + ", ".join(missing) if missing else ""
    return f"{', '.join(terms)}{crossed}, {n_columns} columns{unknown}"


def _crossed(design: Design) -> list[Array]:
    terms = np.array(design.terms)
    found = []
    for first, second in CROSSED:
        for i in np.flatnonzero(terms == first):
            for j in np.flatnonzero(terms == second):
                product = design.matrix[:, i] * design.matrix[:, j]
                if (product != 0).sum() >= FEWEST_IN_A_CELL:
                    found.append(product)
    return found


@dataclass(frozen=True, eq=False)
class RiskModel:
    """A model of the outcome fitted to all courses, from which any unit can be taken out.

    ``design`` (n, p), ``outcome`` (n,) of 0 and 1, ``information`` (p, p) of the penalised fit.
    """

    design: Array
    outcome: Array
    ridge: float
    coefficients: Array
    covariance: Array
    information: Array

    def without(self, rows: Array) -> Array:
        """Return the probability of the event in the courses ``rows`` by the model fitted to all others."""
        if not len(rows):
            return np.empty(0)
        mine = self.design[rows]
        fitted = expit(mine @ self.coefficients)
        weights, residuals = fitted * (1 - fitted), self.outcome[rows] - fitted
        if len(rows) <= SMALL_UNIT:
            spread = self.covariance @ mine.T
            kept = np.eye(len(rows)) - weights[:, None] * (mine @ spread)
            found = self.coefficients - spread @ np.linalg.solve(kept, residuals)
        else:
            information = self.information - (mine * weights[:, None]).T @ mine
            found = self._settled(rows, np.linalg.inv(information), mine.T @ residuals)
        return np.clip(expit(mine @ found), NEVER_SURE, 1 - NEVER_SURE)

    def uncertainty(self, rows: Array) -> float:
        """Return the standard deviation of the error that the expected log-odds of these courses share.

        Of the mean linear predictor of the unit, each course weighted by its information, under the
        covariance of the fit to all other courses.
        """
        mine = self.design[rows]
        fitted = expit(mine @ self.coefficients)
        weights = fitted * (1 - fitted)
        kept = self.information - (mine * weights[:, None]).T @ mine
        centre = weights @ mine / weights.sum()
        return float(np.sqrt(centre @ np.linalg.solve(kept, centre)))

    def _settled(self, rows: Array, inverse: Array, score: Array) -> Array:
        """Steps with one fixed information until they no longer move: the fit to the rows that stay."""
        keep = np.ones(len(self.outcome))
        keep[rows] = 0.0
        penalty = np.full(len(self.coefficients), self.ridge)
        penalty[0] = 0.0
        found = self.coefficients - inverse @ score
        for _ in range(MOST_STEPS):
            residuals = keep * (self.outcome - expit(self.design @ found))
            step = inverse @ (self.design.T @ residuals - penalty * found)
            found = found + step
            if np.abs(step).max() < CLOSE:
                break
        return found


def risk_model(design: Array, outcome: Array, *, ridge: float = 1.0) -> RiskModel:
    """Fit the model of all courses by penalised maximum likelihood.

    Refuses (RefusedError) outcomes that are all alike, with the counts. ``design``, ``outcome`` and
    ``ridge`` as in :func:`expected_without`.
    """
    fit = logistic(design, outcome, ridge=ridge)
    information = np.linalg.inv(fit.covariance)
    return RiskModel(design, outcome, ridge, fit.coefficients, fit.covariance, information)


def expected_without(
    design: Array, outcome: Array, *, members: Sequence[Array], ridge: float = 1.0
) -> list[Array]:
    """Return, for each unit, the probability of the event in its courses by a model fitted to all others.

    Parameters
    ----------
    design : (n, p), the first column the intercept.
    outcome : (n,) of 0 and 1.
    members : for each unit the positions of its courses; a course may belong to several units.
    ridge : penalty on the squared coefficients besides the intercept.

    Refuses: as :func:`risk_model`.

    Notes
    -----
    From the fit to all courses, with C the inverse information, W the weights and r the residuals of the
    unit, one Newton step without the unit's rows X: β − C Xᵀ (I − W X C Xᵀ)⁻¹ r. Units above 20 courses go
    on from there until the steps are below 1e-7.
    """
    model = risk_model(design, outcome, ridge=ridge)
    return [model.without(rows) for rows in members]
