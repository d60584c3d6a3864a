"""Design matrices of covariates: coding learnt once, applied to any rows of the same kind.

A model's columns must not depend on which rows happen to be complete, imputed or held out, so the coding
(centre, spread, levels, reference) is a value of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.errors import InputError
from commensal.evidence.covariates import Covariate, known_covariates

Array = np.ndarray

INTERCEPT = "intercept"
RARE = "other (rare)"


@dataclass(frozen=True)
class Coded:
    """How one covariate becomes columns.

    ``continuous``: (value − centre) / spread. Otherwise an indicator of each of ``levels``, the ``reference``
    left out; levels in ``rare`` count as the level "other (rare)".
    """

    covariate: Covariate
    centre: float = 0.0
    spread: float = 1.0
    reference: str = ""
    levels: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()

    @property
    def contrasts(self) -> tuple[str, ...]:
        """What each column of the covariate compares, in words."""
        if self.covariate.kind == "continuous":
            step = f"{self.spread:.3g} {self.covariate.unit}".strip()
            return (f"per standard deviation ({step})",)
        return tuple(f"{level} against {self.reference}" for level in self.levels)


@dataclass(frozen=True)
class Coding:
    """The coding of several covariates; ``left_out`` names those (almost) constant or never recorded."""

    coded: tuple[Coded, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Design:
    """A design matrix (n, p), the first column the intercept, with one name, term and contrast a column.

    ``terms`` are the covariates' names (several columns share one), ``contrasts`` what a column compares,
    ``left_out`` the covariates without a column because they are constant or never recorded.
    """

    matrix: Array
    names: tuple[str, ...]
    terms: tuple[str, ...]
    contrasts: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def coding_of(frame: pl.DataFrame, covariates: Sequence[str | Covariate], *, at_least: int = 1) -> Coding:
    """Learn the coding of covariates from the rows of ``frame``; missing cells are passed over.

    Parameters
    ----------
    frame : one column for each covariate, of any storage.
    covariates : names of :data:`covariates.COVARIATES`, or declarations of other columns.
    at_least : levels with fewer rows than this are put together as "other (rare)", with the next rarest if
        they are still too few; a covariate of which one level is left so is left out.

    Refuses (InputError) a name measured after index, an unknown one, and a covariate that is no column.

    Notes
    -----
    Continuous columns are standardised by mean and standard deviation; the reference of a categorical one is
    its most frequent level, the first in order among equals.
    """
    declared = _declared(frame, covariates)
    coded = [_learnt(frame[c.name].drop_nulls(), c, at_least=at_least) for c in declared]
    left_out = tuple(c.name for c, found in zip(declared, coded, strict=True) if found is None)
    return Coding(tuple(found for found in coded if found is not None), left_out)


def design_of(
    frame: pl.DataFrame,
    covariates: Sequence[str | Covariate],
    *,
    coding: Coding | None = None,
    at_least: int = 1,
) -> Design:
    """Return the design matrix of ``frame`` by its covariates; ``coding`` from elsewhere, else learnt here.

    Refuses (InputError) missing cells, by covariate with their counts: the caller leaves rows out or imputes,
    and says how many. A level that the coding has not seen is missing too: nobody knows its coefficient.
    Otherwise as :func:`coding_of`.

    Example
    -------
    >>> import polars as pl
    >>> rows = pl.DataFrame({"sex": ["female", "male", "female"], "age_at_index_years": [20.0, 40.0, 60.0]})
    >>> design_of(rows, ["sex", "age_at_index_years"]).names
    ('intercept', 'sex: male against female', 'age_at_index_years: per standard deviation (20 years)')
    """
    declared = _declared(frame, covariates)
    _refuse_missing(frame, declared)
    known = coding or coding_of(frame, declared, at_least=at_least)
    columns, terms, contrasts = [np.ones(frame.height)], [INTERCEPT], [""]
    for coded in known.coded:
        columns += _columns(frame[coded.covariate.name], coded)
        terms += [coded.covariate.name] * len(coded.contrasts)
        contrasts += coded.contrasts
    names = tuple(f"{t}: {c}" if c else t for t, c in zip(terms, contrasts, strict=True))
    return Design(np.column_stack(columns), names, tuple(terms), tuple(contrasts), known.left_out)


def _declared(frame: pl.DataFrame, covariates: Sequence[str | Covariate]) -> list[Covariate]:
    found = [c if isinstance(c, Covariate) else known_covariates([c])[0] for c in covariates]
    for covariate in found:
        if covariate.name not in frame.columns:
            raise InputError(
                f"the rows have no column {covariate.name!r}", expected="a column for each covariate"
            )
    return found


def _refuse_missing(frame: pl.DataFrame, covariates: Sequence[Covariate]) -> None:
    missing = {c.name: _n_missing(frame[c.name]) for c in covariates}
    said = ", ".join(f"{name} in {n}" for name, n in missing.items() if n)
    if said:
        raise InputError(
            f"covariates are missing: {said} of {frame.height} rows",
            expected="every covariate known in every row",
            do="impute, or leave these rows out and count them",
        )


def _n_missing(values: pl.Series) -> int:
    return values.null_count() + (int(values.is_nan().sum()) if values.dtype.is_float() else 0)


def _learnt(values: pl.Series, covariate: Covariate, *, at_least: int) -> Coded | None:
    if covariate.kind == "continuous":
        numbers = values.cast(pl.Float64).to_numpy()
        spread = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else 0.0
        # A spread of rounding errors is none.
        centre = float(numbers.mean()) if len(numbers) else 0.0
        is_constant = spread <= 1e-12 * max(1.0, abs(centre))
        return None if is_constant else Coded(covariate, centre=centre, spread=spread)
    counts = {str(level): n for level, n in values.cast(pl.String).value_counts().iter_rows()}
    rare = _rare(counts, covariate, at_least=at_least)
    for level in rare:
        counts[RARE] = counts.get(RARE, 0) + counts.pop(level)
    order = _ordered(counts, covariate)
    if len(order) < 2:
        return None
    reference = max(order, key=lambda level: (counts[level], -order.index(level)))
    others = tuple(level for level in order if level != reference)
    return Coded(covariate, reference=reference, levels=others, rare=rare)


def _rare(counts: dict[str, int], covariate: Covariate, *, at_least: int) -> tuple[str, ...]:
    """The levels to put together: the rarest, until they are enough or nothing but one level is left."""
    by_size = sorted(_ordered(counts, covariate), key=lambda level: counts[level])
    rare: list[str] = []
    for level in by_size:
        n_rare = sum(counts[r] for r in rare)
        if counts[level] >= at_least and (not rare or n_rare >= at_least):
            break
        rare.append(level)
    return tuple(sorted(rare))


def _ordered(counts: dict[str, int], covariate: Covariate) -> list[str]:
    declared = {level: i for i, level in enumerate(covariate.levels)}
    return sorted(counts, key=lambda level: (declared.get(level, len(declared)), level == RARE, level))


def _columns(values: pl.Series, coded: Coded) -> list[Array]:
    if coded.covariate.kind == "continuous":
        return [(values.cast(pl.Float64).to_numpy() - coded.centre) / coded.spread]
    found = values.cast(pl.String).to_numpy().astype(object)
    found = np.where(np.isin(found, coded.rare), RARE, found)
    seen = (coded.reference, *coded.levels)
    if unseen := sorted(set(found) - set(seen)):
        raise InputError(
            f"{coded.covariate.name} has the level {unseen[0]!r}, which the coding has not seen",
            expected=", ".join(seen),
            do="leave these rows out and count them",
        )
    return [(found == level).astype(float) for level in coded.levels]
