"""Scores of eligible lots: parts between 0 and 1, each in plain words, with a seeded bootstrap.

What is resampled: the taxa that make up complementarity (one resample for all lots, so that differences
are paired) and which of a donor's samples stands for the donor. Freshness and stock are known, and only
what was measured is uncertain. No part has been shown to predict outcome: the order is exploratory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from commensal.matching.policy import Policy
from commensal.matching.stock import Lot
from commensal.microbiome import Abundance
from commensal.microbiome.abundance import Matrix, deepest, totals_by_sample
from commensal.microbiome.diversity import shannon

Sources = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Part:
    """One part of the score of some lots: values (lots,), draws (lots, bootstrap), words for each lot."""

    name: str
    values: np.ndarray
    draws: np.ndarray
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of some lots with their draws, the words of each lot, and the parts left out with the reason."""

    values: np.ndarray
    draws: np.ndarray
    words: tuple[str, ...]
    left_out: tuple[str, ...]

    def interval(self, *, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the percentile interval of each score, widened where it would not hold the score."""
        tail = (1 - level) / 2
        lower, upper = np.quantile(self.draws, [tail, 1 - tail], axis=1)
        return np.minimum(lower, self.values), np.maximum(upper, self.values)


@dataclass(frozen=True, eq=False)
class Communities:
    """The abundances known, the samples of each lot by part, and the recipient's sample."""

    abundance: Abundance
    sources: Mapping[str, Sources]
    recipient_sample: str | None


def score_lots(
    lots: Sequence[Lot], communities: Communities, *, policy: Policy, on_day: int, seed: int
) -> Scores:
    """Return the scores of lots under a policy; a part that not every lot has is left out for all."""
    made = [_freshness(lots, policy=policy, on_day=on_day), _stock(lots, policy=policy)]
    made += _microbial(lots, communities, policy=policy, seed=seed)
    parts = [p for p in made if isinstance(p, Part)]
    weights = {name: weight for name, weight in policy.weights if weight > 0}
    used = [p for p in parts if p.name in weights]
    total = sum(weights[p.name] for p in used)
    if not total:
        nothing = np.zeros(len(lots))
        return Scores(nothing, np.zeros((len(lots), policy.n_bootstrap)), ("",) * len(lots), _left_out(made))
    return Scores(
        values=np.sum([weights[p.name] * p.values for p in used], axis=0) / total,
        draws=np.sum([weights[p.name] * p.draws for p in used], axis=0) / total,
        words=tuple("; ".join(p.words[i] for p in used) for i in range(len(lots))),
        left_out=_left_out(made),
    )


def _left_out(made: Sequence[Part | str]) -> tuple[str, ...]:
    return tuple(m for m in made if isinstance(m, str))


def _known(name: str, values: np.ndarray, words: Sequence[str], *, policy: Policy) -> Part:
    """Return a part without uncertainty: the same value in every draw."""
    return Part(name, values, np.repeat(values[:, None], policy.n_bootstrap, axis=1), tuple(words))


def _freshness(lots: Sequence[Lot], *, policy: Policy, on_day: int) -> Part | str:
    spans = [(lot.unit["produced_day"], lot.unit["expires_day"]) for lot in lots]
    if any(made is None or end is None or end <= made for made, end in spans):
        return "freshness: a lot has no day of production or expiry"
    left = np.array([end - on_day for _, end in spans], dtype=float)
    whole = np.array([end - made for made, end in spans], dtype=float)
    values = np.clip(left / whole, 0, 1)
    words = [
        f"freshness {v:.2f}: {d:.0f} of {w:.0f} days of shelf life left"
        for v, d, w in zip(values, left, whole, strict=True)
    ]
    return _known("freshness", values, words, policy=policy)


def _stock(lots: Sequence[Lot], *, policy: Policy) -> Part:
    donors = [lot.donor_ids for lot in lots]
    counts = [donors.count(d) for d in donors]
    values = np.array(counts, dtype=float) / max(counts)
    words = [
        f"stock {v:.2f}: {n} eligible {'lot' if n == 1 else 'lots'} of this donor"
        for v, n in zip(values, counts, strict=True)
    ]
    return _known("stock", values, words, policy=policy)


def _microbial(
    lots: Sequence[Lot], communities: Communities, *, policy: Policy, seed: int
) -> list[Part | str]:
    """Return diversity and complementarity, or why one cannot be computed."""
    sources = [communities.sources[lot.unit_id] for lot in lots]
    if not all(sources):
        without = sum(not s for s in sources)
        why = f"{without} of {len(lots)} eligible lots have no sample with a profile of every donor"
        return [f"diversity: {why}", f"complementarity: {why}"]
    distinct = list(dict.fromkeys(sources))
    chosen = {s: _choices(s, communities.abundance, policy=policy, seed=seed) for s in distinct}
    where = [distinct.index(s) for s in sources]
    return [
        _diversity([chosen[s] for s in distinct], communities.abundance, where),
        _complementarity([chosen[s] for s in distinct], communities, where, policy=policy, seed=seed),
    ]


@dataclass(frozen=True, eq=False)
class _Choices:
    """Rows of the abundance table that stand for a lot: its deepest samples, and those of each draw."""

    deepest: np.ndarray
    drawn: np.ndarray


def _choices(sources: Sources, abundance: Abundance, *, policy: Policy, seed: int) -> _Choices:
    """Return one sample of each source: the deepest, and one at random in each draw (parts, draws)."""
    generator = np.random.default_rng([seed, *";".join("|".join(s) for s in sources).encode()])
    depth = totals_by_sample(abundance)
    first = [abundance.rows[deepest(s, depth=depth) or s[0]] for s in sources]
    drawn = [
        np.array([abundance.rows[s] for s in samples])[
            generator.integers(len(samples), size=policy.n_bootstrap)
        ]
        for samples in sources
    ]
    return _Choices(np.array(first), np.array(drawn))


def _diversity(choices: Sequence[_Choices], abundance: Abundance, where: Sequence[int]) -> Part | str:
    """Return the mean Shannon diversity of a lot's samples over the largest among the eligible lots."""
    entropy = shannon(abundance.proportions)
    values = np.array([entropy[c.deepest].mean() for c in choices])
    top = values.max()
    if top <= 0:
        return "diversity: no eligible lot holds more than one taxon"
    draws = np.array([entropy[c.drawn].mean(axis=0) for c in choices])
    words = [f"diversity {v / top:.2f}: Shannon {v:.2f} nats, the highest here {top:.2f}" for v in values]
    return Part(
        "diversity", values[where] / top, np.clip(draws[where] / top, 0, 1), tuple(words[i] for i in where)
    )


def _complementarity(
    choices: Sequence[_Choices], communities: Communities, where: Sequence[int], *, policy: Policy, seed: int
) -> Part | str:
    """Return the share of common donor taxa missing in the recipient that the lot's samples hold."""
    if communities.recipient_sample is None:
        return "complementarity: no sample of the recipient with a profile up to this day"
    donors = _donor_rows(communities)
    if len(donors) < policy.min_donors:
        return (
            f"complementarity: {len(donors)} donors with a profile, at least {policy.min_donors} are needed"
        )
    abundance = communities.abundance
    seen = abundance.presence
    common = np.asarray(seen[donors].mean(axis=0)).ravel() >= policy.prevalence
    own = seen[[abundance.rows[communities.recipient_sample]]].toarray().ravel() > 0
    missing = np.flatnonzero(common & ~own)
    if not missing.size:
        return "complementarity: the recipient lacks no common donor taxon"
    has = seen[:, missing].tocsr()
    resample = np.random.default_rng(seed).multinomial(
        missing.size, np.full(missing.size, 1 / missing.size), size=policy.n_bootstrap
    )
    held = [_held(has, c.deepest[:, None])[0] for c in choices]
    drawn = np.array([(_held(has, c.drawn) * resample).sum(axis=1) for c in choices]) / missing.size
    values = np.array([h.sum() for h in held]) / missing.size
    words = [
        f"complementarity {v:.2f}: holds {h.sum()} of {missing.size} common donor taxa the recipient lacks"
        for v, h in zip(values, held, strict=True)
    ]
    return Part("complementarity", values[where], drawn[where], tuple(words[i] for i in where))


def _held(has: Matrix, rows: np.ndarray) -> np.ndarray:
    """Return which taxa the union of samples holds: rows (parts, draws) → (draws, taxa) of 0 and 1."""
    distinct, place = np.unique(rows, return_inverse=True)
    return has[distinct].toarray()[place.reshape(rows.shape)].max(axis=0)


def _donor_rows(communities: Communities) -> list[int]:
    """Return the deepest sample of each distinct source among all candidate lots."""
    depth = totals_by_sample(communities.abundance)
    distinct = sorted({samples for sources in communities.sources.values() for samples in sources})
    return [communities.abundance.rows[deepest(s, depth=depth) or s[0]] for s in distinct]


def bands(scores: Scores, *, policy: Policy) -> np.ndarray:
    """Return the band of each lot, 1 the best; lots of one band do not differ credibly from its leader.

    From the best downwards: a lot opens a new band when the interval of the leader's advantage over it lies
    wholly above the smallest difference that matters.
    """
    order = np.argsort(-scores.values, kind="stable")
    found = np.zeros(len(order), dtype=int)
    leader, band = order[0], 1
    for lot in order:
        advantage = scores.draws[leader] - scores.draws[lot]
        if np.quantile(advantage, (1 - policy.level) / 2) > policy.smallest_difference:
            leader, band = lot, band + 1
        found[lot] = band
    return found
