"""How much of one community is found in another: PEDS, PRDF and PPRS on presence, with intervals.

PEDS is the share of the donor's features found in the recipient's sample, PPRS the share of the
recipient's own baseline features still found later, PRDF (feature PEDS) the share of recipients carrying a
feature among those whose donor carried it. Presence is any count above zero. None of them is a fraction
of the community that came from the donor: a feature may have been there before (look at the pre-FMT row).

References: Herman et al., q2-fmt (BSD-3-Clause), whose published test vectors these functions meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import norm

from commensal.errors import InputError
from commensal.microbiome.abundance import Matrix


@dataclass(frozen=True, eq=False)
class Share:
    """Numerators and denominators, one for each pair or feature; a zero denominator has no value."""

    n_events: np.ndarray
    n: np.ndarray

    @property
    def is_known(self) -> np.ndarray:
        """Where there is a denominator."""
        return self.n > 0

    @property
    def value(self) -> np.ndarray:
        """The shares; NaN inside this room only, where there is no denominator."""
        return np.divide(self.n_events, self.n, out=np.full(self.n.shape, np.nan), where=self.is_known)


def peds(samples: Matrix | np.ndarray, donors: Matrix | np.ndarray) -> Share:
    """Return |sample ∩ donor| / |donor| for row i of each (samples × features, counts or presence)."""
    first, second = _presence(samples), _presence(donors)
    if first.shape != second.shape:
        raise InputError(
            f"{first.shape} samples × features against {second.shape}",
            expected="rows in pairs, one feature set",
        )
    return Share(_sum(first.multiply(second), 1), _sum(second, 1))


def peds_gained(
    samples: Matrix | np.ndarray, donors: Matrix | np.ndarray, baselines: Matrix | np.ndarray
) -> Share:
    """Return |sample ∩ donor \\ baseline| / |donor \\ baseline| for row i of each.

    Of the features the donor had and the recipient lacked before, the share that is there now: what was
    shared before is in neither numerator nor denominator.
    """
    had, before = _presence(donors), _presence(baselines)
    return peds(samples, had - had.multiply(before))


def pprs(samples: Matrix | np.ndarray, baselines: Matrix | np.ndarray) -> Share:
    """Return |sample ∩ baseline| / |baseline| for row i of each: what persists of the recipient's own."""
    return peds(samples, baselines)


def peds_feature(samples: Matrix | np.ndarray, donors: Matrix | np.ndarray) -> Share:
    """Return PRDF of each feature: recipients who have it / recipients whose donor had it.

    Row i of ``donors`` is the donor of row i of ``samples``; give one sample of each recipient, all of one
    time point. A feature that no donor had has a zero denominator.
    """
    first, second = _presence(samples), _presence(donors)
    return Share(_sum(first.multiply(second), 0), _sum(second, 0))


def wilson(share: Share, *, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's score interval of each share; NaN where there is no denominator.

    The interval treats features (or recipients) as independent draws. Features of one community are not
    independent, so for PEDS and PPRS it is a floor on the uncertainty, not all of it.
    References: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    if not 0 < level < 1:
        raise InputError(f"a level of {level}", expected="a number between 0 and 1")
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    n = np.where(share.is_known, share.n, np.nan)
    events = share.n_events
    centre = (events + z2 / 2) / (n + z2)
    half = np.sqrt(z2) / (n + z2) * np.sqrt(events * (n - events) / n + z2 / 4)
    lower = np.where(events == 0, 0.0 * n, np.maximum(centre - half, 0.0))
    upper = np.where(events == share.n, 0.0 * n + 1.0, np.minimum(centre + half, 1.0))
    return lower, upper


def _presence(values: Matrix | np.ndarray) -> Matrix:
    if isinstance(values, sparse.csr_array) and values.dtype == np.int64 and _is_all_ones(values):
        return values
    seen = sparse.csr_array(values, dtype=np.int64, copy=True)
    seen.eliminate_zeros()
    seen.data[:] = 1
    return seen


def _is_all_ones(values: Matrix) -> bool:
    return bool((values.data == 1).all())


def _sum(values: Matrix, axis: int) -> np.ndarray:
    return np.asarray(values.sum(axis=axis), dtype=np.int64).ravel()
