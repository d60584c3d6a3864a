"""Mixed model for repeated measures: means at visits from all visits seen, by restricted likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from commensal.errors import InputError, RefusedError, nearest
from commensal.evidence.longitudinal._restricted_likelihood import (
    Array,
    Patterns,
    direction_covariance,
    maximise,
    patterns_of,
    sensitivity,
)


@dataclass(frozen=True)
class Contrast:
    """A linear combination of coefficients: estimate, standard error, Satterthwaite degrees of freedom,
    limits and two-sided p value of no difference from 0."""

    estimate: float
    se: float
    df: float
    lower: float
    upper: float
    p_value: float


@dataclass(frozen=True)
class RepeatedMeasures:
    """A fitted model for repeated measures.

    ``visits`` and ``groups`` in order; ``names``, ``coefficients`` (p,) and ``covariance`` (p, p): first the
    mean of each visit (and group) at the covariates' means ``centres``, then the slopes of the covariates.
    ``visit_covariance`` (V, V) is that of one patient's residuals. ``log_likelihood`` is restricted.
    """

    visits: tuple[Any, ...]
    groups: tuple[Any, ...]
    names: tuple[str, ...]
    coefficients: Array
    covariance: Array
    visit_covariance: Array
    log_likelihood: float
    centres: Array
    n_subjects: int
    n_rows: int
    level: float
    direction_covariance: Array
    sensitivity: Array

    def contrast(self, weights: Sequence[float] | Array) -> Contrast:
        """Return the combination of coefficients with these ``weights`` (p,), one for each of ``names``."""
        c = np.asarray(weights, dtype=float)
        if c.shape != self.coefficients.shape or not np.isfinite(c).all() or not c.any():
            raise InputError(
                f"weights of shape {c.shape} for {len(self.names)} coefficients",
                expected="one finite weight for each coefficient, not all zero: " + ", ".join(self.names),
            )
        estimate, variance = float(c @ self.coefficients), float(c @ self.covariance @ c)
        slope = np.einsum("i,rij,j->r", c, self.sensitivity, c)
        df = float(2 * variance**2 / (slope @ self.direction_covariance @ slope))
        se = variance**0.5
        half = float(student.ppf((1 + self.level) / 2, df)) * se
        p_value = float(2 * student.sf(abs(estimate) / se, df))
        return Contrast(estimate, se, df, estimate - half, estimate + half, p_value)

    def weights(self, visit: Any, *, group: Any = None, at: Sequence[float] | None = None) -> Array:
        """Return the weights of the mean at a visit in a group, at covariate values ``at`` (their means)."""
        found = np.zeros(len(self.names))
        column = _place(visit, self.visits, "visit")
        n_groups = max(len(self.groups), 1)
        found[column * n_groups + (_place(group, self.groups, "group") if self.groups else 0)] = 1.0
        if at is not None:
            away = np.asarray(at, dtype=float) - self.centres
            first = len(self.visits) * n_groups
            if len(self.names) - first == len(away):
                found[first:] = away
            else:
                found[first + column * len(away) : first + (column + 1) * len(away)] = away
        return found

    def mean(self, visit: Any, *, group: Any = None, at: Sequence[float] | None = None) -> Contrast:
        """Return the estimated mean at a visit, in a group where there are groups."""
        return self.contrast(self.weights(visit, group=group, at=at))

    def difference(self, visit: Any, *, group: Any, reference: Any) -> Contrast:
        """Return the difference of two groups' means at a visit, ``group`` less ``reference``."""
        return self.contrast(self.weights(visit, group=group) - self.weights(visit, group=reference))


def mmrm(
    outcome: Sequence[float] | Array,
    *,
    subject: Sequence[Any] | Array,
    visit: Sequence[Any] | Array,
    group: Sequence[Any] | Array | None = None,
    covariates: Sequence[Any] | Array | None = None,
    is_covariate_by_visit: bool = True,
    visits: Sequence[Any] | None = None,
    level: float = 0.95,
) -> RepeatedMeasures:
    """Fit the mixed model for repeated measures to rows of one subject at one visit.

    Parameters: ``outcome`` (n,) in the score's unit, present rows alone: a visit that was missed has no row.
    ``subject``, ``visit`` and ``group`` (n,) are labels; ``visits`` gives their order (default sorted).
    A group is a subject's, not a row's. ``covariates`` (n,) or (n, c) enter centred on their mean over
    subjects, with a slope of their own at each visit unless ``is_covariate_by_visit`` is False.

    Refuses: InputError for shapes, missing values, a subject twice at one visit or in two groups.
    RefusedError, with the counts, for one visit only, a visit and group without rows, two visits that nobody
    shares, fewer subjects than covariance parameters, an outcome or covariate that is constant, and a
    covariance that is singular.

    Notes: y_ij = mean of visit j in the subject's group + slopes × (covariates − means) + e_ij, with e_i
    normal, Cov(e_i) unstructured and the same in all groups; restricted maximum likelihood; standard errors
    from the model and Satterthwaite degrees of freedom. Valid where visits are missed at random given the
    covariates and the scores seen before.
    References: Mallinckrodt et al. 2008, doi:10.1177/009286150804200402; Fai and Cornelius 1996,
    doi:10.1080/00949659608811740.
    """
    y = _column(outcome, "outcome")
    x = _covariates(covariates, len(y))
    who, who_codes = _labels(subject, len(y), "subject")
    when, when_codes = _labels(visit, len(y), "visit", order=visits)
    which, which_codes = _labels(group, len(y), "group") if group is not None else ((), np.zeros(len(y), int))
    if not 0 < level < 1:
        raise InputError(f"level {level} is no confidence level", expected="a number between 0 and 1")
    order = np.lexsort((when_codes, who_codes))
    y, x = y[order], x[order]
    who_codes, when_codes, which_codes = who_codes[order], when_codes[order], which_codes[order]
    _refuse_bad_rows(who, who_codes, when, when_codes, which_codes)
    _refuse_unfit(y, x, who_codes, when, when_codes, which, which_codes)
    centres = np.array([np.bincount(who_codes, c) @ (1 / np.bincount(who_codes)) for c in x.T]) / len(who)
    # Everything is fitted in units of its own spread; estimates are turned back at the end.
    shift, scale, spread = float(y.mean()), float(y.std()), x.std(axis=0)
    slopes = (x - centres) / spread
    design = _design(when_codes, len(when), which_codes, max(len(which), 1), slopes, is_covariate_by_visit)
    _refuse_rank(design)
    rows = np.column_stack([design, (y - shift) / scale])
    patterns = patterns_of(rows, subject=who_codes, visit=when_codes, n_visits=len(when))
    sigma, best = maximise(_start(rows, when_codes, len(when)), patterns)
    n_cells = len(when) * max(len(which), 1)
    repeats = (design.shape[1] - n_cells) // max(len(spread), 1)
    back = np.concatenate([np.full(n_cells, scale), np.tile(scale / spread, repeats)])
    offset = np.concatenate([np.full(n_cells, shift), np.zeros(design.shape[1] - n_cells)])
    return _turned_back(
        patterns,
        sigma=sigma,
        beta=best.beta * back + offset,
        covariance=best.beta_covariance,
        back=back,
        scale=scale,
        log_likelihood=best.log_likelihood - _log_units(len(y), scale=scale, back=back),
        visits=tuple(when),
        groups=tuple(which),
        names=_names(when, which, slopes.shape[1], is_covariate_by_visit),
        centres=centres,
        n_rows=len(y),
        level=level,
    )


def _turned_back(
    patterns: Patterns,
    *,
    sigma: Array,
    beta: Array,
    covariance: Array,
    back: Array,
    scale: float,
    **rest: Any,
) -> RepeatedMeasures:
    """The fit in the units of the outcome; covariance elements stay in units of the outcome's spread."""
    unit = np.outer(back, back)
    return RepeatedMeasures(
        coefficients=beta,
        covariance=covariance * unit,
        visit_covariance=sigma * scale**2,
        n_subjects=int(patterns.n.sum()),
        direction_covariance=direction_covariance(sigma, patterns),
        sensitivity=sensitivity(sigma, patterns, covariance) * unit,
        **rest,
    )


def _log_units(n_rows: int, *, scale: float, back: Array) -> float:
    """What the restricted log likelihood gains by fitting in other units of the outcome and the design."""
    return (n_rows - len(back)) * float(np.log(scale)) + float(np.log(scale / back).sum())


def _place(label: Any, labels: tuple[Any, ...], what: str) -> int:
    if label not in labels:
        raise InputError(
            f"there is no {what} {label!r} in the model",
            expected=nearest(str(label), [str(v) for v in labels]),
        )
    return labels.index(label)


def _column(values: Sequence[float] | Array, what: str) -> Array:
    found = np.asarray(values, dtype=float)
    if found.ndim != 1 or not len(found):
        raise InputError(f"{what} of shape {found.shape}", expected="one number for each row, at least one")
    _refuse_missing(found, what)
    return found


def _covariates(values: Sequence[Any] | Array | None, n: int) -> Array:
    if values is None:
        return np.zeros((n, 0))
    found = np.asarray(values, dtype=float)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2 or len(found) != n:
        raise InputError(
            f"covariates of shape {found.shape} for {n} rows", expected="one row for each outcome"
        )
    _refuse_missing(found, "covariates")
    return found


def _refuse_missing(values: Array, what: str) -> None:
    if not np.isfinite(values).all():
        raise InputError(
            f"{what}: {int((~np.isfinite(values)).sum())} values are missing or not finite",
            expected="finite numbers",
            do="leave out the rows of missed visits, and count them",
        )


def _labels(
    values: Sequence[Any] | Array, n: int, what: str, order: Sequence[Any] | None = None
) -> tuple[list[Any], Array]:
    given = list(values)
    if len(given) != n or any(v is None for v in given):
        raise InputError(f"{len(given)} labels of {what} for {n} rows", expected="a label for each row")
    names = sorted(set(given)) if order is None else [v for v in order if v in set(given)]
    if unknown := sorted({str(v) for v in given} - {str(v) for v in names}):
        raise InputError(f"{what} {unknown[0]!r} is not in the order given", expected="every label once")
    place = {name: code for code, name in enumerate(names)}
    return names, np.array([place[v] for v in given])


def _refuse_bad_rows(who: list[Any], subject: Array, when: list[Any], visit: Array, group: Array) -> None:
    pairs, counts = np.unique(subject * len(when) + visit, return_counts=True)
    if (counts > 1).any():
        code = int(pairs[counts > 1][0])
        raise InputError(
            f"subject {who[code // len(when)]!r} has several rows at visit {when[code % len(when)]!r}",
            expected="one row for each subject and visit",
        )
    first = np.zeros(len(who), int)
    first[subject] = group
    if (first[subject] != group).any():
        raise InputError("a subject is in two groups", expected="one group for each subject")


def _refuse_unfit(
    y: Array, x: Array, subject: Array, when: list[Any], visit: Array, which: Sequence[Any], group: Array
) -> None:
    n_subjects, n_visits = int(subject.max()) + 1, len(when)
    if n_visits < 2:
        raise RefusedError(f"one visit only ({n_subjects} subjects): no repeated measures")
    if np.ptp(y) == 0:
        raise RefusedError(f"the outcome is {y[0]:g} in all {len(y)} rows of {n_subjects} subjects")
    if x.size and (np.ptp(x, axis=0) == 0).any():
        raise RefusedError(f"a covariate is constant over {n_subjects} subjects")
    cells = np.bincount(visit * max(len(which), 1) + group, minlength=n_visits * max(len(which), 1))
    if (cells == 0).any():
        empty = int(np.flatnonzero(cells == 0)[0])
        raise RefusedError(
            f"nobody was seen at visit {when[empty // len(which)]} in group {which[empty % len(which)]}"
        )
    n_parameters = n_visits * (n_visits + 1) // 2
    if n_subjects - max(len(which), 1) < n_parameters:
        raise RefusedError(
            f"{n_subjects} subjects for {n_parameters} covariance parameters of {n_visits} visits"
        )
    _refuse_unshared(subject, visit, when)


def _refuse_unshared(subject: Array, visit: Array, when: list[Any]) -> None:
    seen = np.zeros((int(subject.max()) + 1, len(when)))
    seen[subject, visit] = 1
    shared = seen.T @ seen
    if (shared < 2).any():
        a, b = (int(i) for i in np.argwhere(shared < 2)[0])
        raise RefusedError(f"{int(shared[a, b])} subjects were seen at both {when[a]} and {when[b]}")


def _refuse_rank(design: Array) -> None:
    # Cells are 0 and 1 and slopes are in units of their spread, so their products tell the rank.
    products = design.T @ design
    roots = np.sqrt(np.diag(products))
    smallest = np.linalg.eigvalsh(products / np.outer(roots, roots))[0] if (roots > 0).all() else 0.0
    if len(design) <= design.shape[1] or smallest < 1e-10:
        raise RefusedError(
            f"{len(design)} rows do not determine {design.shape[1]} coefficients: some columns repeat others"
        )


def _design(visit: Array, n_visits: int, group: Array, n_groups: int, slopes: Array, by_visit: bool) -> Array:
    cells = np.zeros((len(visit), n_visits * n_groups))
    cells[np.arange(len(visit)), visit * n_groups + group] = 1.0
    if not by_visit:
        return np.column_stack([cells, slopes])
    return np.column_stack([cells, *[slopes * (visit == j)[:, None] for j in range(n_visits)]])


def _names(when: list[Any], which: Sequence[Any], n_slopes: int, by_visit: bool) -> tuple[str, ...]:
    cells = [f"{v}, {g}" for v in when for g in which] if which else [str(v) for v in when]
    slopes = [f"covariate {c + 1}" for c in range(n_slopes)]
    return (*cells, *([f"{s}, {v}" for v in when for s in slopes] if by_visit else slopes))


def _start(rows: Array, visit: Array, n_visits: int) -> Array:
    """Residual variances of the visits around least squares, correlated by a half."""
    design, y = rows[:, :-1], rows[:, -1]
    residual = y - design @ np.linalg.solve(design.T @ design, design.T @ y)
    squares = np.bincount(visit, residual**2, minlength=n_visits) / np.bincount(visit, minlength=n_visits)
    deviations = np.sqrt(np.maximum(squares, 1e-6 * max(float(squares.max()), 1e-12)))
    return np.outer(deviations, deviations) * (0.5 + 0.5 * np.eye(n_visits))
