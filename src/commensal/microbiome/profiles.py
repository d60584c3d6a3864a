"""Communities as proportions and presence side by side, and several samples taken as one community."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from commensal.microbiome.abundance import Abundance, Matrix


@dataclass(frozen=True, eq=False)
class Profiles:
    """One row a community: proportions and presence, sparse, communities × taxa."""

    proportions: Matrix
    presence: Matrix

    def __getitem__(self, rows: Sequence[int] | np.ndarray) -> Profiles:
        chosen = np.asarray(rows, dtype=int)
        return Profiles(self.proportions[chosen], self.presence[chosen])


def profiles_of(abundance: Abundance) -> Profiles:
    """Return proportions and presence of all samples, in their order."""
    return Profiles(abundance.proportions, abundance.presence)


def composite(groups: Sequence[tuple[str, ...]], whole: Profiles, *, rows: Mapping[str, int]) -> Profiles:
    """Return one community for each group of samples: mean of the proportions, union of the presence."""
    joining = memberships(groups, rows=rows)
    size = np.asarray(joining.sum(axis=1)).ravel()
    weights = joining.astype(float)
    weights.data /= np.repeat(size, np.diff(weights.indptr))
    presence = sparse.csr_array(joining @ whole.presence)
    presence.data[:] = 1
    return Profiles(sparse.csr_array(weights @ whole.proportions), presence)


def memberships(groups: Sequence[tuple[str, ...]], *, rows: Mapping[str, int]) -> Matrix:
    """Return groups × samples with a one where the sample is of the group; ``rows`` names the samples."""
    members = [rows[sample] for group in groups for sample in group]
    owner = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    shape = (len(groups), len(rows))
    return sparse.csr_array((np.ones(len(members), dtype=np.int64), (owner, members)), shape=shape)
