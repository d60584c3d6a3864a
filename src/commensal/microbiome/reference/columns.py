"""One measure of some samples as rows of the table: values, limits, standing, and all that is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from commensal.microbiome.abundance import Abundance
from commensal.microbiome.reference.cohort import LEAST_SUBJECTS
from commensal.microbiome.reference.scores import Standing


@dataclass(frozen=True, eq=False)
class Column:
    """One measure of the samples of a group: (samples, 3) of value and limits, and all that is said of it.

    NaN is undefined (``undefined`` says why), ±∞ unbounded. ``reason`` stands where there is no value at
    all; ``caution`` beside every value.
    """

    measure: str
    scores: np.ndarray
    reference: str | None
    method: str | None
    level: float | None
    shares: np.ndarray | None = None
    n_reference: np.ndarray | None = None
    threshold: float | None = None
    is_beyond: np.ndarray | None = None
    reason: str | None = None
    caution: str | None = None
    undefined: str = "undefined in this sample"


def frame_of(sample_ids: Sequence[str], column: Column, shallow: Sequence[str | None]) -> pl.DataFrame:
    """Return one row for each sample; ``shallow`` is a caution for each."""
    values, lower, upper = (_floats(column.scores[:, i]) for i in range(3))
    n = len(sample_ids)
    frame = pl.DataFrame(
        {
            "sample_id": pl.Series(sample_ids, dtype=pl.String),
            "value": values,
            "lower": lower,
            "upper": upper,
            "reference_share": _floats(column.shares, n),
            "n_reference": pl.Series(
                [None] * n if column.n_reference is None else column.n_reference, dtype=pl.Int64
            ),
            "is_beyond": _flags(column, n),
            "reason": pl.Series(_reasons(column, shallow), dtype=pl.String),
        }
    )
    has_limits = pl.col("lower").is_not_null() | pl.col("upper").is_not_null()
    return frame.with_columns(
        measure=pl.lit(column.measure),
        reference=pl.lit(column.reference, dtype=pl.String),
        method=pl.lit(column.method, dtype=pl.String),
        threshold=pl.lit(column.threshold, dtype=pl.Float64),
        level=pl.when(has_limits).then(pl.lit(column.level, dtype=pl.Float64)),
    )


def _flags(column: Column, n: int) -> pl.Series:
    """Return what lies beyond the threshold; null where the value is undefined or there is no threshold."""
    if column.is_beyond is None:
        return pl.Series([None] * n, dtype=pl.Boolean)
    return pl.Series(column.is_beyond, dtype=pl.Boolean).set(pl.Series(np.isnan(column.scores[:, 0])), None)


def _reasons(column: Column, shallow: Sequence[str | None]) -> list[str | None]:
    said = []
    for value, few in zip(column.scores[:, 0], shallow, strict=True):
        why = None
        if np.isnan(value):
            why = column.reason or column.undefined
        elif np.isinf(value):
            why = f"unbounded {'above' if value > 0 else 'below'}: none of the taxa on one side was found"
        said.append("; ".join(w for w in (why, column.caution, few) if w) or None)
    return said


def _floats(values: np.ndarray | None, n: int = 0) -> pl.Series:
    """Return numbers as a series; NaN and ±∞ do not leave the room."""
    if values is None:
        return pl.Series([None] * n, dtype=pl.Float64)
    finite = np.isfinite(values)
    return pl.Series(np.where(finite, values, 0.0)).set(pl.Series(~finite), None)


def stood(column: Column, own: np.ndarray, standing: Standing, *, threshold: float | None = None) -> Column:
    """Return the column with its share of the reference and its threshold, or the caution that says why not.

    ``own`` numbers the subject of each sample in the reference; ``threshold`` is the published one.
    """
    values = column.scores[:, 0]
    shares = n = None
    cautions = [column.caution]
    if standing.is_enough:
        shares, n = standing.shares(values, own)
        if threshold is None and np.isfinite(standing.threshold):
            threshold = standing.threshold
    else:
        n = np.full(len(values), standing.n_subjects)
        cautions.append(f"{standing.n_subjects} reference subjects: no centile below {LEAST_SUBJECTS}")
    beyond = None if threshold is None else standing.is_beyond(values, threshold)
    return replace(
        column,
        shares=shares,
        n_reference=n,
        threshold=threshold,
        is_beyond=beyond,
        caution="; ".join(c for c in cautions if c) or None,
    )


def shallow_cautions(features: Abundance, rows: np.ndarray, *, depth: int) -> list[str | None]:
    """Return a caution for each sample of fewer reads than ``depth``; proportions have no reads."""
    if not features.is_counts:
        return [None] * len(rows)
    reads = features.totals[rows]
    return [f"shallow: {n:.0f} reads, fewer than {depth:,}" if n < depth else None for n in reads]
