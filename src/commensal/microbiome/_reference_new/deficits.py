"""What a community lacks or has too much of against a reference, by taxon and by function.

A share is a deficit below the reference's 5th centile and an excess above its 95th. Each subject of the
reference counts once (the mean of its samples) and never for itself; a centile is a value of the reference,
not a point between two. Absence is a deficit only where the sample was read deeply enough to have shown a
taxon at the 5th centile with 95 % probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from commensal.microbiome.abundance import Abundance, Matrix
from commensal.microbiome.members import find_members, is_named
from commensal.microbiome.reference import LEAST_SUBJECTS, SUBJECTS_FOR_TAILS, Together, subject_means
from commensal.microbiome.reference_groups import Group
from commensal.vocabulary.taxon_functions import TaxonFunction, taxon_functions

CENTILES = (0.05, 0.5, 0.95)
# An excess of a taxon rarer than this is not listed: at 200 taxa ten would stand there by chance alone.
LEAST_EXCESS = 0.001
# Reads expected of a taxon that is there: −ln 0.05 of them, and 95 % of such samples show one.
READS_TO_SHOW = 3.0
BLOCK = 512


@dataclass(frozen=True, eq=False)
class Ranges:
    """The range of each feature in a reference: shares of its subjects in ascending order (subjects,
    features), the same unsorted, and prevalence (features,)."""

    ascending: np.ndarray
    shares: np.ndarray
    prevalence: np.ndarray

    def centile(self, centile: float, own: np.ndarray) -> np.ndarray:
        """Return the centile of each feature for each sample, its own subject left out: (samples, features).

        Of n subjects it is the ⌈centile · n⌉-th smallest.
        """
        n = len(self.ascending)
        found = np.repeat(self.ascending[_place(centile, n)][None, :], len(own), axis=0)
        inside = np.flatnonzero(own >= 0)
        if inside.size:
            at = _place(centile, n - 1)
            # Without a value at or below it, the one after it moves up into a place.
            is_below = self.shares[own[inside]] <= self.ascending[at]
            found[inside] = np.where(is_below, self.ascending[at + 1], self.ascending[at])
        return found


def _place(centile: float, n: int) -> int:
    return max(math.ceil(centile * n - 1e-9) - 1, 0)


def ranges_of(proportions: Matrix | np.ndarray, subjects: Sequence[str]) -> Ranges:
    """Return the ranges of a reference: ``proportions`` (samples, features) and whose each sample is."""
    dense = proportions if isinstance(proportions, np.ndarray) else proportions.toarray()
    averaging = subject_means(subjects)
    shares = averaging @ dense
    return Ranges(np.sort(shares, axis=0), shares, (averaging @ (dense > 0)).mean(axis=0))


@dataclass(frozen=True, eq=False)
class _Functions:
    """Shares of each function in every sample, and what is said of it."""

    shares: np.ndarray
    reasons: tuple[str | None, ...]
    cautions: tuple[str | None, ...]


def deficit_frames(groups: Sequence[Group], together: Together) -> list[pl.DataFrame]:
    """Return the rows of every group: each function, and each taxon outside the reference's range."""
    functions = _functions(together)
    frames = []
    for group in groups:
        frames.append(_function_rows(group, together, functions))
        if group.basis is not None and len(group.basis.names) >= LEAST_SUBJECTS:
            frames += _taxon_rows(group, together)
    return frames


def _functions(together: Together) -> _Functions:
    found = [find_members(together.lineages, function.members) for function in taxon_functions()]
    shares, reasons = function_shares(together.features, together.lineages)
    return _Functions(shares, reasons, tuple(f.caution for f in found))


def function_shares(features: Abundance, lineages: pl.DataFrame) -> tuple[np.ndarray, tuple[str | None, ...]]:
    """Return the share of each function's members in every sample, and why one cannot be told.

    ``lineages`` has one row for each taxon of ``features``, in their order (``members.lineages_of``); a
    taxon that is listed but never seen belongs there too (``members.with_all_taxa``). The
    shares have shape (samples, functions), in the order of the vocabulary; NaN where the reason stands.
    """
    book = taxon_functions()
    masks = [find_members(lineages, function.members).mask for function in book]
    reasons = tuple(_untold(function, lineages, mask) for function, mask in zip(book, masks, strict=True))
    members = sparse.csr_array(np.array(masks, dtype=float).T)
    shares = np.minimum(np.asarray((features.proportions @ members).todense()), 1.0)
    shares[:, [reason is not None for reason in reasons]] = np.nan
    return shares, reasons


def _untold(function: TaxonFunction, lineages: pl.DataFrame, mask: np.ndarray) -> str | None:
    """Return why the function cannot be told from the table's names."""
    if not is_named(lineages, function.told_at):
        return f"told at the rank {function.told_at}, which the table does not name"
    if not mask.any():
        # No name of a member is in the table: absent, or called by another name. Nobody can tell.
        return "no taxon of the table has the name of a member"
    return None


def _function_rows(group: Group, together: Together, functions: _Functions) -> pl.DataFrame:
    shares = functions.shares[group.rows]
    book = taxon_functions()
    ids = [together.features.sample_ids[row] for row in group.rows]
    n = len(group.basis.names) if group.basis is not None else 0
    ranges = None
    if group.basis is not None and n >= LEAST_SUBJECTS:
        ranges = ranges_of(functions.shares[group.reference_rows], group.basis.subjects)
    frames = []
    for at, function in enumerate(book):
        frame = pl.DataFrame({"sample_id": ids}).with_columns(
            kind=pl.lit("function"),
            feature=pl.lit(function.code),
            reference=pl.lit(group.label, dtype=pl.String),
        )
        if reason := functions.reasons[at]:
            frames.append(frame.with_columns(reason=pl.lit(reason)))
            continue
        said = [functions.cautions[at], group.caution, *_few(group, n)]
        one = _compared(shares[:, [at]], ranges, at, group, together) if ranges is not None else {}
        frame = frame.with_columns(pl.Series("proportion", shares[:, at]), **one)
        frames.append(_with_reason(frame, said))
    return pl.concat(frames, how="diagonal_relaxed")


def _few(group: Group, n: int) -> list[str | None]:
    if group.basis is None:
        return [group.reason]
    if n < LEAST_SUBJECTS:
        return [f"{n} reference subjects: no centile below {LEAST_SUBJECTS}"]
    if n < SUBJECTS_FOR_TAILS:
        return [f"{n} reference subjects: 5th and 95th centile are the lowest and highest of them"]
    return []


def _with_reason(frame: pl.DataFrame, said: Sequence[str | None]) -> pl.DataFrame:
    words = "; ".join(s for s in said if s)
    own = pl.col("reason") if "reason" in frame.columns else pl.lit(None, dtype=pl.String)
    joined = pl.concat_str([own, pl.lit(words or None, dtype=pl.String)], separator="; ", ignore_nulls=True)
    return frame.with_columns(reason=pl.when(joined != "").then(joined))


def _compared(
    shares: np.ndarray, ranges: Ranges, at: int, group: Group, together: Together
) -> dict[str, pl.Series]:
    """Return range, direction and reason of one feature's shares (samples, 1)."""
    one = Ranges(ranges.ascending[:, [at]], ranges.shares[:, [at]], ranges.prevalence[[at]])
    low, middle, high = (one.centile(c, group.own)[:, 0] for c in CENTILES)
    values = shares[:, 0]
    unseen = (values == 0) & (low > 0) & ~_would_show(low, group, together)
    direction = np.where(values < low, "deficit", np.where(values > high, "excess", "within"))
    reads = "absent, but read too shallowly to show the 5th centile of the reference"
    return {
        "reference_lower": pl.Series(low),
        "reference_median": pl.Series(middle),
        "reference_upper": pl.Series(high),
        "reference_prevalence": pl.Series(np.full(len(values), one.prevalence[0])),
        "n_reference": pl.Series(len(one.ascending) - (group.own >= 0)),
        "direction": pl.Series(np.where(unseen, "", direction)).replace("", None),
        "reason": pl.Series([reads if u else None for u in unseen], dtype=pl.String),
    }


def _would_show(low: np.ndarray, group: Group, together: Together) -> np.ndarray:
    """Return whether a taxon at share ``low`` would have been seen; proportions are taken at their word."""
    if not together.features.is_counts:
        return np.ones(low.shape, dtype=bool)
    reads = together.features.totals[group.rows]
    return low * (reads if low.ndim == 1 else reads[:, None]) >= READS_TO_SHOW


def _taxon_rows(group: Group, together: Together) -> list[pl.DataFrame]:
    """Return the taxa outside the range of the reference, block by block of samples."""
    assert group.basis is not None
    compared = together.compared
    ranges = ranges_of(compared.proportions[group.reference_rows], group.basis.subjects)
    proportions = compared.proportions[group.rows]
    few = _few(group, len(ranges.ascending))
    frames = []
    for start in range(0, len(group.rows), BLOCK):
        part = slice(start, start + BLOCK)
        block = Group(group.rows[part], group.setting, group.own[part], label=group.label)
        rows = _outside(block, together, ranges, proportions[part].toarray())
        frames.append(_with_reason(rows, [group.caution, *few]))
    return frames


def _outside(group: Group, together: Together, ranges: Ranges, values: np.ndarray) -> pl.DataFrame:
    low, middle, high = (ranges.centile(c, group.own) for c in CENTILES)
    is_deficit, is_excess = values < low, (values > high) & (values >= LEAST_EXCESS)
    row, taxon = np.nonzero(is_deficit | is_excess)
    unseen = ((values == 0) & is_deficit & ~_would_show(low, group, together))[row, taxon]
    direction = np.where(unseen, "", np.where(is_deficit[row, taxon], "deficit", "excess"))
    ids = np.array([together.features.sample_ids[r] for r in group.rows], dtype=object)
    names = np.array(together.compared.taxon_ids, dtype=object)
    reads = "absent, but read too shallowly to show the 5th centile of the reference"
    return pl.DataFrame(
        {
            "sample_id": pl.Series(ids[row], dtype=pl.String),
            "feature": pl.Series(names[taxon], dtype=pl.String),
            "proportion": np.minimum(values[row, taxon], 1.0),
            "reference_lower": low[row, taxon],
            "reference_median": middle[row, taxon],
            "reference_upper": high[row, taxon],
            "reference_prevalence": ranges.prevalence[taxon],
            "n_reference": (len(ranges.ascending) - (group.own >= 0))[row],
            "direction": pl.Series(direction).replace("", None),
            "reason": pl.Series(np.where(unseen, reads, "")).replace("", None),
        }
    ).with_columns(kind=pl.lit("taxon"), reference=pl.lit(group.label, dtype=pl.String))
