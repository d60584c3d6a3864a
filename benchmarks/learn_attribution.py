"""Learns the map of source attribution: from what the fits say of a mixture to its shares and their spread.

The loss of a source is half its negative Beta log likelihood plus a smoothed absolute error of its share;
Adam, falling step size. Several nets of different starts are joined side by side into one: their outputs
averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from commensal.microbiome.attribution.within_donor import (
    LEARNT,
    LOG_CONCENTRATION,
    ShareMap,
    disagreement,
    interval,
)

BATCH, STEP, ERROR_WEIGHT = 256, 1e-2, 30.0
LEAST_SHARE, LEAST_TRUTH = 1e-3, 2e-3
ADAM = (0.9, 0.99)
LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class Examples:
    """Mixtures as the map sees them: features (n, K+1, F), is_source and shares (n, K+1), who is in each."""

    features: np.ndarray
    is_source: np.ndarray
    shares: np.ndarray
    people: np.ndarray
    is_same: np.ndarray

    def where(self, kept: np.ndarray) -> Examples:
        return Examples(
            self.features[kept],
            self.is_source[kept],
            self.shares[kept],
            self.people[kept],
            self.is_same[kept],
        )

    def without(self, names: Sequence[str]) -> Examples:
        """The mixtures with none of these people, neither as source nor as stranger."""
        return self.where(np.array([not set(row.split("|")) & set(names) for row in self.people]))


@dataclass(frozen=True)
class Recipe:
    """Hidden units and epochs of a net, the weight decay, and one seed for each net."""

    hidden: int
    epochs: int
    decay: float
    seeds: tuple[int, ...]


def joined(parts: Sequence[Examples]) -> Examples:
    """Return several sets of mixtures as one, padded to the most sources."""
    width = max(p.is_source.shape[1] for p in parts)

    def wide(values: np.ndarray) -> np.ndarray:
        missing = width - values.shape[1]
        return np.pad(values, [(0, 0), (0, missing), *[(0, 0)] * (values.ndim - 2)])

    names = ("features", "is_source", "shares")
    features, is_source, shares = (np.concatenate([wide(getattr(p, n)) for p in parts]) for n in names)
    return Examples(
        features,
        is_source,
        shares,
        np.concatenate([p.people for p in parts]),
        np.concatenate([p.is_same for p in parts]),
    )


def learn(examples: Examples, *, recipe: Recipe) -> ShareMap:
    """Return the map of one net for each seed, joined."""
    known = examples.features[examples.is_source]
    centre, scale = known.mean(axis=0), known.std(axis=0) + 1e-6
    x = np.clip((examples.features - centre) / scale, -5.0, 5.0)
    nets = [_net(x, examples, recipe=recipe, seed=s) for s in recipe.seeds]
    return ShareMap(
        centre=centre,
        scale=scale,
        inward=np.concatenate([n["inward"] for n in nets], axis=1),
        offset=np.concatenate([n["offset"] for n in nets]),
        outward=np.concatenate([n["outward"] for n in nets]) / len(nets),
        direct=np.mean([n["direct"] for n in nets], axis=0),
        ends=np.mean([n["ends"] for n in nets], axis=0),
        stretch=1.0,
    )


def _net(x: np.ndarray, examples: Examples, *, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    f = x.shape[2]
    net = {
        "inward": generator.normal(size=(f, recipe.hidden)) * 0.7 / np.sqrt(f),
        "offset": np.zeros(recipe.hidden),
        "outward": generator.normal(size=(recipe.hidden, 2)) * 0.1,
        "direct": np.zeros((f, 2)),
        "ends": np.array([0.0, 2.5]),
    }
    fixed = (
        -np.log1p(np.exp(-examples.features[..., LEARNT])),
        disagreement(examples.features, is_source=examples.is_source),
    )
    moments = {name: (np.zeros_like(v), np.zeros_like(v)) for name, v in net.items()}
    step = 0
    for epoch in range(recipe.epochs):
        rate = STEP * 0.5 * (1.0 + np.cos(np.pi * epoch / recipe.epochs)) + 1e-5
        order = generator.permutation(len(x))
        for first in range(0, len(order), BATCH):
            rows = order[first : first + BATCH]
            step += 1
            slopes = _slopes(
                net,
                x[rows],
                examples.is_source[rows],
                examples.shares[rows],
                fixed[0][rows],
                fixed[1][rows],
            )
            for name, slope in slopes.items():
                _adam(net[name], slope + recipe.decay * net[name], moments[name], rate=rate, step=step)
    return net


def _adam(
    value: np.ndarray, slope: np.ndarray, moments: tuple[np.ndarray, np.ndarray], *, rate: float, step: int
) -> None:
    mean, square = moments
    mean[:] = ADAM[0] * mean + (1.0 - ADAM[0]) * slope
    square[:] = ADAM[1] * square + (1.0 - ADAM[1]) * slope**2
    value -= rate * (mean / (1.0 - ADAM[0] ** step)) / (np.sqrt(square / (1.0 - ADAM[1] ** step)) + 1e-8)


def _slopes(
    net: dict[str, np.ndarray],
    x: np.ndarray,
    is_source: np.ndarray,
    truth: np.ndarray,
    base: np.ndarray,
    gate: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the gradient of the mean loss of a batch; shapes as in ``ShareMap.shares``."""
    inner = np.tanh(x @ net["inward"] + net["offset"])
    out = inner @ net["outward"] + x @ net["direct"] + net["ends"]
    logs = np.where(is_source, base + gate[:, None] * out[..., 0], -np.inf)
    weight = np.exp(logs - logs.max(axis=1, keepdims=True))
    share = weight / weight.sum(axis=1, keepdims=True)
    by_share, by_log = _loss_slopes(share, out[..., 1], truth, is_source)
    by_shift = share * (by_share - (by_share * share).sum(axis=1, keepdims=True)) * gate[:, None]
    flat = np.stack([np.where(is_source, by_shift, 0.0), by_log], axis=-1).reshape(-1, 2)
    inputs, units = x.reshape(len(flat), -1), inner.reshape(len(flat), -1)
    back = (flat @ net["outward"].T) * (1.0 - units**2)
    return {
        "inward": inputs.T @ back,
        "offset": back.sum(axis=0),
        "outward": units.T @ flat,
        "direct": inputs.T @ flat,
        "ends": flat.sum(axis=0),
    }


def _loss_slopes(
    share: np.ndarray, log_concentration: np.ndarray, truth: np.ndarray, is_source: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Slopes of the mean loss by the share and by the log concentration."""
    n = is_source.sum()
    c = np.exp(np.clip(log_concentration, *LOG_CONCENTRATION))
    m, y = np.clip(share, LEAST_SHARE, 1.0 - LEAST_SHARE), np.clip(truth, LEAST_TRUTH, 1.0 - LEAST_TRUTH)
    a, b = m * c, (1.0 - m) * c
    common = digamma(a + b)
    by_a, by_b = np.log(y) - digamma(a) + common, np.log1p(-y) - digamma(b) + common
    is_inside = (m > LEAST_SHARE) & (m < 1.0 - LEAST_SHARE)
    by_share = -0.5 * c * (by_a - by_b) * is_inside
    error = share - truth
    by_share = by_share + ERROR_WEIGHT * error / np.sqrt(error**2 + 1e-4)
    moves = (log_concentration > LOG_CONCENTRATION[0]) & (log_concentration < LOG_CONCENTRATION[1])
    by_log = -c * (m * by_a + (1.0 - m) * by_b) * moves
    return np.where(is_source, by_share, 0.0) / n, np.where(is_source, by_log, 0.0) / n


def stretch_of(share: np.ndarray, concentration: np.ndarray, truth: np.ndarray) -> float:
    """Return the stretch at which 95 % intervals hold 95 % of the true shares, (n,) each: split conformal."""
    lower, upper = interval(share, concentration, level=LEVEL, stretch=1.0)
    below = (share - truth) / np.maximum(share - lower, 1e-4)
    above = (truth - share) / np.maximum(upper - share, 1e-4)
    rank = int(np.ceil((len(truth) + 1) * LEVEL))
    return float(np.sort(np.maximum(below, above))[min(rank, len(truth)) - 1])
