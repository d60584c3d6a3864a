"""The allocation policies on trial: each sees the outcomes known so far and the stock, no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from commensal.matching.allocation import OUTCOME_COLUMNS, TrialProtocol, allocate, draw

PROTOCOL = TrialProtocol(study_id="simulated policy trial")


@dataclass(frozen=True)
class Known:
    """What a policy may look at: the outcomes known so far, one row a recipient, and the stock."""

    outcomes: pl.DataFrame
    stock: Mapping[str, int]
    recipients: tuple[str, ...]

    def counts(self) -> pl.DataFrame:
        """Recipients and remissions by donor and indication."""
        sums = self.outcomes.group_by("donor_id", "indication").agg(
            n=pl.len().cast(pl.Int64), n_success=pl.col("is_success").sum().cast(pl.Int64)
        )
        return sums.select(OUTCOME_COLUMNS).sort("donor_id", "indication")

    def by_donor(self) -> tuple[list[str], np.ndarray, np.ndarray]:
        """Donors in order, recipients with a known outcome, remissions."""
        names = sorted(self.stock)
        sums = self.counts().group_by("donor_id").agg(pl.col("n").sum(), pl.col("n_success").sum())
        found = {d: (n, x) for d, n, x in sums.iter_rows()}
        pairs = np.array([found.get(d, (0, 0)) for d in names], dtype=float)
        return names, pairs[:, 0], pairs[:, 1]


Policy = Callable[[Known, np.random.Generator], dict[str, str]]


def random(known: Known, rng: np.random.Generator) -> dict[str, str]:
    """Any donor with a unit left, all alike."""
    return _each(known, lambda names: rng.random(len(names)))


def greedy(known: Known, rng: np.random.Generator) -> dict[str, str]:
    """The donor with the highest rate so far, (remissions + 1) / (recipients + 2); ties by lot."""
    names, n, successes = known.by_donor()
    rate = dict(zip(names, (successes + 1) / (n + 2) + 1e-9 * rng.random(len(names)), strict=True))
    return _each(known, lambda able: np.array([rate[d] for d in able]))


def thompson(known: Known, rng: np.random.Generator) -> dict[str, str]:
    """The donor best in a draw from independent Beta(1, 1) posteriors: donors are taken to differ."""
    names, n, successes = known.by_donor()
    at = {name: i for i, name in enumerate(names)}

    def drawn(able: Sequence[str]) -> np.ndarray:
        rows = [at[d] for d in able]
        return rng.beta(1 + successes[rows], 1 + (n - successes)[rows])

    return _each(known, drawn)


def null_aware(known: Known, rng: np.random.Generator) -> dict[str, str]:
    """The mixture of an even spread and the best donor, capped: ``matching.allocation``."""
    made = allocate(known.counts(), donors=sorted(known.stock), protocol=PROTOCOL)
    drawn = draw(made, known.recipients, stock=known.stock, seed=int(rng.integers(2**31)))
    given = drawn.filter(pl.col("donor_id").is_not_null())
    return dict(zip(given["recipient_id"], given["donor_id"], strict=True))


def oracle(truth: Mapping[str, float]) -> Policy:
    """Return the policy that knows the true effects: the best donor with a unit left."""
    return lambda known, _: _each(known, lambda able: np.array([truth[d] for d in able]))


POLICIES: Mapping[str, Policy] = {
    "random": random,
    "greedy": greedy,
    "thompson": thompson,
    "null_aware": null_aware,
}
ORACLE = "oracle"


def _each(known: Known, worth: Callable[[Sequence[str]], np.ndarray]) -> dict[str, str]:
    """Give each recipient in turn the donor of most worth among those with a unit left."""
    left = dict(sorted(known.stock.items()))
    given: dict[str, str] = {}
    for recipient in sorted(known.recipients):
        able = [donor for donor, n in left.items() if n > 0]
        if able:
            chosen = able[int(np.argmax(worth(able)))]
            given[recipient] = chosen
            left[chosen] -= 1
    return given
