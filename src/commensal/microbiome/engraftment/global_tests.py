"""Over all subjects: does the own donor stand out, and do recipients differ from comparators?

A sum of z scores of single samples breaks on one p of 1; these tests take each subject once and permute
what was assigned. No single value can move the mean of many by more than its share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, permutations
from math import comb, factorial

import numpy as np
from scipy.special import stdtrit

from commensal.microbiome.engraftment.nulls import TIE

# Up to so many arrangements all are walked through; above, N_DRAWN are drawn by the seed.
MOST_WALKED = 5_040
N_DRAWN = 1_999


@dataclass(frozen=True)
class Finding:
    """The answer to one global question; what cannot be told is None, with the reason."""

    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    p: float | None = None
    n: int = 0
    n_null: int = 0
    reason: str | None = None


def donor_test(
    values: np.ndarray,
    own: np.ndarray,
    column: np.ndarray,
    mismatched: np.ndarray,
    groups: np.ndarray,
    *,
    direction: int,
    seed: int,
    level: float,
) -> Finding:
    """Test whether subjects are nearer to their own donors than to others', by permuting donor labels.

    ``values`` (subjects × references) is one measure against every reference, ``own`` that of the own,
    ``column`` the place of the own among the references (−1: not there), ``mismatched`` the references of
    each subject's null; labels are exchanged within ``groups`` (the settings).

    The estimate is the mean over subjects of own − mean mismatched. Its interval is Student's over
    subjects, those of one donor taken together (a donor's richness moves them together). The p value is
    one-sided: the share of label arrangements with a mean at least as extreme, in which neither a subject's
    nor a donor's general level plays a part, as all arrangements hold the same subjects and donors.

    What cannot be told has a reason: fewer than two subjects, all of one donor.
    """
    has_null = (mismatched & np.isfinite(values)).any(axis=1) & np.isfinite(own)
    n = int(has_null.sum())
    if n < 2:
        return Finding(n=n, reason=f"{n} subject(s) with a donor and a mismatched one: at least 2 are needed")
    above = own[has_null] - _row_means(values[has_null], mismatched[has_null])
    lower, upper = _interval(above, column[has_null], level=level)
    p, n_null, why = _permuted(values, column, groups, has_null, direction=direction, seed=seed)
    return Finding(float(above.mean()), lower, upper, p, n, n_null, why)


def _row_means(values: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    usable = chosen & np.isfinite(values)
    return np.where(usable, values, 0.0).sum(axis=1) / usable.sum(axis=1)


def _interval(values: np.ndarray, cluster: np.ndarray, *, level: float) -> tuple[float | None, float | None]:
    """Return Student's interval of the mean with the values of one cluster taken together."""
    place = np.where(cluster >= 0, cluster, cluster.max() + 1 + np.arange(cluster.size))
    _, of = np.unique(place, return_inverse=True)
    sums = np.bincount(of, weights=values - values.mean())
    n_clusters = sums.size
    if n_clusters < 2:
        return None, None
    error = np.sqrt(n_clusters / (n_clusters - 1) * (sums**2).sum()) / values.size
    half = float(stdtrit(n_clusters - 1, (1 + level) / 2) * error)
    return float(values.mean()) - half, float(values.mean()) + half


def _permuted(
    values: np.ndarray,
    column: np.ndarray,
    groups: np.ndarray,
    has_null: np.ndarray,
    *,
    direction: int,
    seed: int,
) -> tuple[float | None, int, str | None]:
    """Return p, arrangements, and what to bear in mind."""
    chosen, blocks = np.zeros(has_null.size, dtype=bool), []
    for group in np.unique(groups[has_null]):
        members = np.flatnonzero(has_null & (groups == group) & (column >= 0))
        used, label = np.unique(column[members], return_inverse=True)
        block = values[np.ix_(members, used)]
        whole = np.isfinite(block).all(axis=1)
        if np.unique(label[whole]).size > 1:
            blocks.append((block[whole], label[whole]))
            chosen[members[whole]] = True
    if not blocks:
        return None, 0, "no p value: labels cannot be exchanged where all subjects have one donor"
    sums = direction * _sums(blocks, seed=seed)
    p = float((sums >= sums[0] - TIE * sums.size).mean())
    left = int((has_null & ~chosen).sum())
    return p, sums.size, f"p without {left} subject(s) whose labels cannot be exchanged" if left else None


def _sums(blocks: list[tuple[np.ndarray, np.ndarray]], *, seed: int) -> np.ndarray:
    """Return Σ over subjects for each arrangement of labels, the recorded one first.

    A block holds the values of its subjects against its donors, and the donor's place of each subject.
    """
    sizes = [len(block) for block, _ in blocks]
    if len(blocks) == 1 and factorial(sizes[0]) <= MOST_WALKED:
        walked = np.array(list(permutations(range(sizes[0]))))
        block, label = blocks[0]
        return block[np.arange(sizes[0]), label[walked]].sum(axis=1)
    total = np.zeros(N_DRAWN + 1)
    for place, (block, label) in enumerate(blocks):
        starts = np.arange(len(block)) * block.shape[1]
        total += block.take(label[_orders(len(block), place, seed)] + starts).sum(axis=1)
    return total


@lru_cache(maxsize=4)
def _orders(size: int, place: int, seed: int) -> np.ndarray:
    """Return the recorded order and the drawn ones; all measures of a time point are dealt the same."""
    generator = np.random.default_rng([seed, place, size])
    recorded = np.arange(size, dtype=np.int32)
    return np.vstack([recorded, generator.permuted(np.tile(recorded, (N_DRAWN, 1)), axis=1)])


def arm_test(recipients: np.ndarray, comparators: np.ndarray, *, seed: int, level: float) -> Finding:
    """Test whether recipients' values are greater than comparators', by permuting the arms.

    The estimate is the difference of means, its interval Welch's; p is one-sided, the share of all ways
    (above a few thousand: of seeded draws) to deal the arms with a difference at least as large. Random
    assignment makes it a test of the transplant; without, the two groups may have differed before.
    References: Welch 1947, doi:10.1093/biomet/34.1-2.28.
    """
    n, m = recipients.size, comparators.size
    if n < 2 or m < 2:
        return Finding(n=n + m, reason=f"{n} recipients and {m} comparators: at least 2 of each are needed")
    pooled = np.concatenate([recipients, comparators])
    sums = np.array([pooled[chosen].sum() for chosen in _deals(n, n + m, seed=seed)])
    difference = float(recipients.mean() - comparators.mean())
    parts = [x.var(ddof=1) / x.size for x in (recipients, comparators)]
    error = float(np.sqrt(sum(parts)))
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (n - 1) + parts[1] ** 2 / (m - 1)) if error else 1.0
    half = float(stdtrit(freedom, (1 + level) / 2)) * error
    p = float((sums >= sums[0] - TIE * n).mean())
    return Finding(difference, difference - half, difference + half, p, n + m, sums.size)


def _deals(n_chosen: int, n: int, *, seed: int) -> Iterator[np.ndarray]:
    """Yield who is dealt to the first arm: as recorded, then all other ways or drawn ones."""
    if comb(n, n_chosen) <= MOST_WALKED:
        yield from (np.array(c) for c in combinations(range(n), n_chosen))
        return
    generator = np.random.default_rng(seed)
    yield np.arange(n_chosen)
    for _ in range(N_DRAWN):
        yield generator.permutation(n)[:n_chosen]
