"""Time and memory of predicting communities: training, and expected engraftment for many donors.

The twin beside ``expected_engraftment`` asks the model for every pair and averages; the peer beside
training is LightGBM on the same features. Run: python benchmarks/bench_prediction.py
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from commensal.microbiome.prediction.donors import donor_terms, expected_engraftment
from commensal.microbiome.prediction.features import Pool
from commensal.microbiome.prediction.model import CommunityModel, fit, presence
from commensal.microbiome.prediction.validation import boosted

TRAINING = ((40, 200), (200, 500), (600, 1_000))
DONORS = ((200, 1_000), (2_000, 1_000), (10_000, 1_000))
TWIN_DONORS = 500


def drawn_pool(n_recipients: int, n_taxa: int, *, seed: int) -> Pool:
    """Three studies; about a fifth of the taxa in each sample, twice as often after FMT where before."""
    rng = np.random.default_rng(seed)
    shape = (n_recipients, n_taxa)
    share = rng.beta(0.5, 2, n_taxa)
    had = [rng.random(shape) < share for _ in range(2)]
    after = rng.random(shape) < np.clip(share * (0.5 + had[0] + had[1]), 0, 1)
    reads = [np.where(p, rng.lognormal(4, 1.5, shape).round() + 1, 0.0) for p in (*had, after)]
    return Pool(
        studies=("a", "b", "c"),
        study=np.arange(n_recipients) % 3,
        taxon_ids=tuple(f"t{i}" for i in range(n_taxa)),
        parents=tuple(f"f{i % 40}" for i in range(n_taxa)),
        donor=reads[0],
        baseline=reads[1],
        after=reads[2],
        routes=(None,) * n_recipients,
        preparations=(None,) * n_recipients,
    )


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def plain(model: CommunityModel, recipient: np.ndarray, pool: Pool) -> np.ndarray:
    asked = replace(pool, baseline=np.repeat(recipient[None, :], len(pool.study), axis=0))
    offered = (asked.donor > 0) & (asked.baseline == 0)
    return (presence(model, asked) * offered).sum(axis=1) / np.maximum(offered.sum(axis=1), 1)


def main() -> None:
    start = peak()
    fit(drawn_pool(30, 50, seed=0))
    boosted(drawn_pool(30, 50, seed=0))
    for n, taxa in TRAINING:
        pool = drawn_pool(n, taxa, seed=1)
        own, model = timed(lambda pool=pool: fit(pool))
        peer, _ = timed(lambda pool=pool: boosted(pool))
        print(
            f"train on {n:>4} recipients × {taxa:>5,} taxa: {own:.2f} s with {model.n_recipients} recipients "
            f"and its penalty chosen; LightGBM once {peer:.2f} s; {peak() - start:.0f} MB above imports"
        )
    model = fit(drawn_pool(60, 1_000, seed=1))
    for n, taxa in DONORS:
        pool = drawn_pool(n, taxa, seed=2)
        recipient = pool.baseline[0]
        ahead, terms = timed(
            lambda pool=pool: donor_terms(model, pool.donor, taxon_ids=pool.taxon_ids, parents=pool.parents)
        )
        expected_engraftment(model, recipient, terms)
        quick, found = timed(lambda r=recipient, t=terms: expected_engraftment(model, r, t))
        few = pool.of(np.arange(min(n, TWIN_DONORS)))
        slow, twin = timed(lambda r=recipient, f=few: plain(model, r, f))
        assert np.allclose(found[: len(twin)], twin), "the twin disagrees"
        print(
            f"{n:>6,} donors × {taxa:,} taxa: {quick * 1000:.1f} ms a recipient ({ahead:.2f} s ahead); "
            f"twin {slow / len(twin) * n * 1000:.0f} ms, {slow / len(twin) * n / quick:.0f} ×"
        )


if __name__ == "__main__":
    main()
