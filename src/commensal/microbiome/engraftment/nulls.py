"""Per-subject nulls: every measure of a sample against all donors of a study, and how its own donor ranks.

What a sample shares with a donor whom its subject never received is what healthy guts have in common; an
own donor's value means something only above that. A null value takes the sample and its own baseline as
they are and another donor's reference in the place of the own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control

from commensal.microbiome.abundance import Matrix
from commensal.microbiome.engraftment.projection import from_products
from commensal.microbiome.profiles import Profiles

# +1: a large value speaks for the own donor; −1: a small one.
DIRECTIONS: Mapping[str, int] = {
    "peds": 1,
    "peds_gained": 1,
    "peds_at_depth": 1,
    "share_gained_from_donor": 1,
    "engraftment_index": 1,
    "bray_curtis_to_donor": -1,
    "jaccard_to_donor": -1,
}
# Values this near are one value: the same sum can be made in two orders.
TIE = 1e-9
BLOCK = 2048


@dataclass(frozen=True, eq=False)
class Crossed:
    """What the measures of samples against all references are made from.

    ``samples`` and ``references`` are communities; ``chances`` their presence at a common depth, rows of
    zeros where there are too few reads, None without read counts. ``baselines`` are distinct baselines and
    ``baseline_of`` the baseline of each sample, −1 without one.
    """

    samples: Profiles
    references: Profiles
    chances: tuple[Matrix, Matrix] | None
    baselines: Profiles
    baseline_of: np.ndarray


def against_all(crossed: Crossed) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each measure with its values, shape (samples, references); NaN where it is not defined."""
    n_donor = np.diff(crossed.references.presence.indptr).astype(float)[None, :]
    common = _product(crossed.samples.presence, crossed.references.presence)
    yield "peds", _quotient(common, n_donor)
    union = np.diff(crossed.samples.presence.indptr)[:, None] + n_donor - common
    yield "jaccard_to_donor", _quotient(union - common, union, empty=0.0)
    del common, union
    yield "bray_curtis_to_donor", _bray_curtis(crossed.samples.proportions, crossed.references.proportions)
    if crossed.chances is not None:
        own, theirs = crossed.chances
        found = _product(own, theirs)
        found[np.diff(own.indptr) == 0] = np.nan
        yield "peds_at_depth", _quotient(found, np.asarray(theirs.sum(axis=1)).ravel()[None, :])
    yield from _above_baseline(crossed, n_donor)


def _above_baseline(crossed: Crossed, n_donor: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the measures in which the own baseline is taken off."""
    is_known = crossed.baseline_of >= 0
    shape = (is_known.size, crossed.references.presence.shape[0])
    rows, of = np.flatnonzero(is_known), crossed.baseline_of[is_known]
    own, before = crossed.samples[rows], crossed.baselines[of]
    gained = _product(_without(own.presence, before.presence), crossed.references.presence)
    lacked = n_donor - _product(crossed.baselines.presence, crossed.references.presence)[of]
    yield "peds_gained", _spread(_quotient(gained, lacked), rows, shape)
    share = _product(_without(own.proportions, before.presence), crossed.references.presence)
    share[lacked == 0] = np.nan
    yield "share_gained_from_donor", _spread(share, rows, shape)
    theirs, mine = crossed.references.proportions.sqrt(), own.proportions.sqrt()
    starts = crossed.baselines.proportions.sqrt()
    with_own = np.asarray(mine.multiply(starts[of]).sum(axis=1)).ravel()[:, None]
    along = from_products(with_own, _product(mine, theirs), _product(starts, theirs)[of]).along
    yield "engraftment_index", _spread(along, rows, shape)


def _spread(values: np.ndarray, rows: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    full = np.full(shape, np.nan)
    full[rows] = values
    return full


def _without(values: Matrix, presence: Matrix) -> Matrix:
    """Return the values at taxa that are not present."""
    kept = (values - values.multiply(presence)).tocsr()
    kept.eliminate_zeros()
    return kept


def _product(first: Matrix, second: Matrix) -> np.ndarray:
    """Return first · secondᵀ, dense, made block by block."""
    turned = second.T.tocsr()
    blocks = [(first[i : i + BLOCK] @ turned).toarray() for i in range(0, first.shape[0], BLOCK)]
    nothing = np.zeros((0, second.shape[0]))
    return np.concatenate([nothing, *blocks]).astype(float, copy=False)


def _quotient(above: np.ndarray, below: np.ndarray, *, empty: float = np.nan) -> np.ndarray:
    below = np.broadcast_to(below, above.shape)
    return np.divide(above, below, out=np.full(above.shape, empty), where=below > 0)


def _bray_curtis(first: Matrix, second: Matrix) -> np.ndarray:
    from commensal.microbiome.engraftment._overlap_kernels import shared_abundance

    shared = shared_abundance(
        *(first.data, first.indices, first.indptr),
        *(second.data, second.indices, second.indptr),
        first.shape[1],
    )
    total = np.asarray(first.sum(axis=1)).ravel()[:, None] + np.asarray(second.sum(axis=1)).ravel()[None, :]
    return _quotient(total - 2 * shared, total, empty=0.0)


@dataclass(frozen=True, eq=False)
class Null:
    """One null a sample: its mean, how many values, and the rank of the own donor as a probability."""

    mean: np.ndarray
    n: np.ndarray
    p: np.ndarray


def null_of(own: np.ndarray, values: np.ndarray, mismatched: np.ndarray, *, direction: int) -> Null:
    """Return the null of each own value from its row of ``values`` where ``mismatched``.

    p = (null values at least as extreme + 1) / (n + 1): never zero, and never under 1 / (n + 1). NaN,
    inside this room only, for a sample without an own value or without a mismatched one.
    References: Davison & Hinkley 1997, doi:10.1017/CBO9780511802843, section 4.2.
    """
    usable = mismatched & np.isfinite(values)
    n = usable.sum(axis=1)
    is_known = (n > 0) & np.isfinite(own)
    mean = np.where(usable, values, 0.0).sum(axis=1) / np.maximum(n, 1)
    is_extreme = usable & (direction * (values - own[:, None]) >= -TIE)
    p = (is_extreme.sum(axis=1) + 1) / (n + 1)
    return Null(np.where(n > 0, mean, np.nan), np.where(is_known, n, 0), np.where(is_known, p, np.nan))


def discovery_rates(p: np.ndarray, families: np.ndarray) -> np.ndarray:
    """Return q of each p within its family; NaN where there is no p.

    References: Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    q = np.full(p.shape, np.nan)
    for family in np.unique(families[np.isfinite(p)]):
        chosen = np.isfinite(p) & (families == family)
        q[chosen] = false_discovery_control(p[chosen])
    return q
