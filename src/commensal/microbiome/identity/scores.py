"""Scores of samples under candidates: log-likelihoods of which taxa are there, up to a sample's constant.

Arrays in, arrays out; ``presence`` is a sparse matrix (samples × taxa), ``at`` the coefficients as fitted by
``identity_model``. A score is the sum of the evidence over the taxa that are there, which is a product of
matrices, less a normalising sum over all taxa, which samples of one depth share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from commensal.microbiome.abundance import Matrix
from commensal.microbiome.identity.model import Floats, Source, ground, weighed


@dataclass(frozen=True, eq=False)
class Stack:
    """Sources of the same candidates: frequency, level (sources × candidates × taxa) and is_known."""

    frequency: Floats
    level: Floats
    is_known: Floats


def stacked(sources: Sequence[Source]) -> Stack:
    """Return sources as one array of each kind."""
    return Stack(
        np.stack([s.frequency for s in sources]),
        np.stack([s.level for s in sources]),
        np.stack([s.is_known for s in sources]),
    )


def against_all(presence: Matrix, depth: Floats, at: Floats, common: Floats, sources: Stack) -> Floats:
    """Return the score of each sample under each candidate (samples × candidates)."""
    from commensal.microbiome.identity._kernels import add_up

    place, evidence, normaliser = _weighed(depth, at, common, sources)
    found = np.empty((presence.shape[0], evidence.shape[1]))
    add_up(*_rows(presence), place, evidence, normaliser, found)
    return found


def against_own(presence: Matrix, depth: Floats, at: Floats, common: Floats, sources: Stack) -> Floats:
    """Return the score of sample i under candidate i (samples,)."""
    from commensal.microbiome.identity._kernels import add_up_paired

    place, evidence, normaliser = _weighed(depth, at, common, sources)
    found = np.empty(presence.shape[0])
    add_up_paired(*_rows(presence), place, evidence, normaliser, found)
    return found


def _weighed(depth: Floats, at: Floats, common: Floats, sources: Stack) -> tuple[Floats, Floats, Floats]:
    """Return each sample's row of the normalising sums, the evidence (taxa × candidates), and these sums."""
    from commensal.microbiome.identity._kernels import weigh

    values, place = np.unique(depth, return_inverse=True)
    odds = np.exp(_grounds(values, at, common))
    _, n_candidates, n_taxa = sources.frequency.shape
    evidence, normaliser = np.empty((n_taxa, n_candidates)), np.empty((len(values), n_candidates))
    weigh(at[4:], common, sources.frequency, sources.level, sources.is_known, odds, evidence, normaliser)
    return place, evidence, normaliser


def _grounds(values: Floats, at: Floats, common: Floats) -> Floats:
    """Return the log-odds without sources (depths × taxa)."""
    return np.stack([ground(common, float(value)) @ at[:4] for value in values])


def _rows(presence: Matrix) -> tuple[Floats, Floats]:
    return presence.indptr.astype(np.int64), presence.indices.astype(np.int64)


def against_donors(
    presence: Matrix,
    depth: Floats,
    patient: Floats,
    at: Floats,
    common: Floats,
    *,
    donors: Source,
    before: Source,
) -> Floats:
    """Return samples × donors log-likelihoods against no donor: only taxa that a donor has take part.

    ``patient`` is the row of each sample's patient in ``before``, what the patients had; ``at`` the
    coefficients: four of the ground, four of ``before``, four of the donor, one of both together. All
    donors are known.
    """
    from commensal.microbiome.identity._kernels import add_up_donors

    values, place = np.unique(depth, return_inverse=True)
    gain = np.ascontiguousarray((donors.frequency * (at[8] + at[9] * donors.level + at[10] * common)).T)
    both = np.ascontiguousarray(at[12] * donors.frequency.T)
    most = (np.abs(gain) + np.abs(both)).max(axis=1)
    found = np.empty((presence.shape[0], gain.shape[1]))
    add_up_donors(
        *(*_rows(presence), place, patient, np.lexsort((place, patient))),
        *(_grounds(values, at, common), weighed(at[4:8], common, (before,)), before.frequency),
        *(gain, both, np.exp(gain), np.exp(gain + both), most, found),
    )
    return found
