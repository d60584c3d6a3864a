"""Complementarity: what a recipient lacks that a donor has.

With L the taxa the recipient lacks and w the share of reference subjects who have each, the complementarity
of a donor is Σ w over the taxa of L the donor has, divided by Σ w over L: from 0 (supplies nothing common
that is missing) to 1 (supplies all of it). It says what is on offer, not what will engraft: no threshold of
it is known to predict anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import norm

from commensal.errors import InputError, RefusedError
from commensal.microbiome.abundance import Matrix

# Taxa rarer than this among the reference's subjects are nobody's deficit.
LEAST_PREVALENCE = 0.1


@dataclass(frozen=True, eq=False)
class Complementarity:
    """Complementarity of donors to one recipient; arrays of shape (donors,).

    ``n_supplied`` counts the lacking taxa a donor has, of ``n_lacking``; ``lacking`` are their columns and
    ``weights`` (lacking,) their prevalence. ``effective`` is the number of equally weighted taxa worth as
    much as these (Kish): what the interval rests on.
    """

    values: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    n_supplied: np.ndarray
    n_lacking: int
    lacking: np.ndarray
    weights: np.ndarray
    effective: float


def complementarity(
    recipient: np.ndarray,
    donors: Matrix,
    *,
    prevalence: np.ndarray,
    least_prevalence: float = LEAST_PREVALENCE,
    level: float = 0.95,
) -> Complementarity:
    """Return the complementarity of every donor to one recipient.

    Parameters
    ----------
    recipient
        Abundances of the recipient's sample, shape (taxa,): zero is lacking.
    donors
        CSR (donors, taxa), built once for all recipients: 1 where the donor has the taxon, or the share of
        the donor's samples that have it (:func:`donor_presence`); a pool is a row (:func:`pooled`).
    prevalence
        Share of reference subjects with each taxon, shape (taxa,).
    least_prevalence
        Taxa rarer than this in the reference are not looked for.
    level
        Confidence level.

    Refuses
    -------
    ``InputError`` for arrays of other lengths or values that are no shares; ``RefusedError`` where the
    recipient lacks no taxon common in the reference: nothing can complement it.

    Notes
    -----
    The interval is Wilson's with n = (Σ w)² / Σ w²: it treats the lacking taxa as independent draws of what
    such a donor could supply. Taxa go together, so it is the least uncertainty; sampling of the recipient's
    reads is not in it.
    """
    lacking = _lacking(recipient, prevalence, least_prevalence=least_prevalence)
    if donors.shape[1] != len(prevalence):
        raise InputError(f"donors of {donors.shape[1]} taxa", expected=f"{len(prevalence)} taxa")
    weights = prevalence[lacking]
    total = weights.sum()
    # Two columns, one pass over the donors: the weighted sum and the count.
    sides = np.zeros((len(prevalence), 2))
    sides[lacking, 0], sides[lacking, 1] = weights / total, 1.0
    found = donors @ sides
    values = np.clip(found[:, 0], 0.0, 1.0)
    effective = float(total**2 / (weights**2).sum())
    lower, upper = _wilson(values, effective, level=level)
    return Complementarity(values, lower, upper, found[:, 1], lacking.size, lacking, weights, effective)


def _lacking(recipient: np.ndarray, prevalence: np.ndarray, *, least_prevalence: float) -> np.ndarray:
    """Return the columns of the common taxa that the recipient lacks."""
    if recipient.shape != prevalence.shape:
        raise InputError(
            f"a recipient of {recipient.shape} taxa against {prevalence.shape}", expected="one set of taxa"
        )
    for name, values in (("an abundance", recipient), ("a prevalence", prevalence)):
        if not np.isfinite(values).all() or (values < 0).any():
            raise InputError(f"{name} is negative or not a number", expected="zero or more")
    if (prevalence > 1).any() or not 0 < least_prevalence <= 1:
        raise InputError("a prevalence above one, or a least prevalence out of range", expected="shares of 1")
    if not recipient.any():
        raise RefusedError("the recipient's sample is empty", expected="a profile with at least one taxon")
    lacking = np.flatnonzero((recipient == 0) & (prevalence >= least_prevalence))
    if not lacking.size:
        raise RefusedError(
            "the recipient lacks no taxon common in the reference",
            expected=f"a taxon with a prevalence of at least {least_prevalence:g} that was not found",
        )
    return lacking


def _wilson(values: np.ndarray, n: float, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's interval of shares of n, n not whole; it holds the share."""
    if not 0 < level < 1:
        raise InputError(f"a level of {level}", expected="a number between 0 and 1")
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    centre = (values * n + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * n * values * (1 - values) + z2**2 / 4) / (n + z2)
    return np.clip(centre - half, 0.0, values), np.clip(centre + half, values, 1.0)


def donor_presence(presence: Matrix, donor_ids: Sequence[str]) -> tuple[Matrix, tuple[str, ...]]:
    """Return for each donor the share of its samples with each taxon, CSR (donors, taxa), and the donors.

    ``presence`` (samples, taxa) holds 1 where a taxon was seen; ``donor_ids`` names each sample's donor.
    Donors come in the order of their ids. A single sample cannot show that a donor's stool varies.
    """
    names, codes = np.unique(np.array(donor_ids, dtype=str), return_inverse=True)
    share = 1.0 / np.bincount(codes)[codes]
    averaging = sparse.csr_array((share, (codes, np.arange(len(codes)))), shape=(len(names), len(codes)))
    return sparse.csr_array(averaging @ presence), tuple(names.tolist())


def pooled(donors: Matrix, rows: Sequence[int]) -> Matrix:
    """Return a pool of some donors as one row (1, taxa): 1 − Π (1 − share), the chance that one has it."""
    if not len(rows):
        raise InputError("a pool of no donor", expected="at least one row")
    absent = np.prod(1.0 - donors[list(rows)].toarray(), axis=0)
    return sparse.csr_array(1.0 - absent[None, :])


@dataclass(frozen=True, eq=False)
class FunctionsSupplied:
    """Functions a recipient lacks, (functions,), and those each donor supplies, (donors, functions)."""

    is_lacking: np.ndarray
    is_supplied: np.ndarray


def functions_supplied(recipient: np.ndarray, donors: np.ndarray, *, least: np.ndarray) -> FunctionsSupplied:
    """Return which functions a recipient lacks and which of those each donor has in the usual measure.

    ``recipient`` (functions,) and ``donors`` (donors, functions) are shares of the community, NaN where a
    function cannot be told; ``least`` (functions,) is the reference's 5th centile. A function is lacking
    where the share is zero or below ``least``; what cannot be told is neither lacking nor supplied.
    """
    if donors.ndim != 2 or donors.shape[1:] != recipient.shape or least.shape != recipient.shape:
        raise InputError(
            f"functions of {recipient.shape}, {donors.shape} and {least.shape}",
            expected="one set of functions",
        )
    with np.errstate(invalid="ignore"):
        lacking = (recipient == 0) | (recipient < least)
        enough = (donors > 0) & (donors >= least)
    return FunctionsSupplied(lacking, enough & lacking)
