"""Prediction of the community where the truth is known: gains where there are any, none elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from commensal.microbiome.prediction.auroc import auroc, interval, resampled
from commensal.microbiome.prediction.features import Pool
from commensal.microbiome.prediction.model import fit, presence

N_TAXA = 120


def world(seed: int, *, sizes: tuple[int, ...], donor: float, own: float) -> tuple[Pool, np.ndarray]:
    """Recipients of several studies with the true probability of each taxon after FMT.

    ``donor`` and ``own`` are what having the taxon before adds to its log-odds after; with 0 and 0 only
    the taxon matters and prevalence is all there is to know.
    """
    rng = np.random.default_rng(seed)
    shape = (sum(sizes), N_TAXA)
    common = np.random.default_rng(99).normal(-1, 1.6, N_TAXA)
    had = [rng.random(shape) < 1 / (1 + np.exp(-common)) for _ in range(2)]
    true = 1 / (1 + np.exp(-(common - (donor + own) / 4 + donor * had[0] + own * had[1])))
    after = rng.random(shape) < true
    reads = [np.where(p, rng.lognormal(4, 1.5, shape).round() + 1, 0.0) for p in (*had, after)]
    pool = Pool(
        studies=tuple("abcdef"[: len(sizes)]),
        study=np.repeat(np.arange(len(sizes)), sizes),
        taxon_ids=tuple(f"t{i:03d}" for i in range(N_TAXA)),
        parents=tuple(f"family {i % 12}" for i in range(N_TAXA)),
        donor=reads[0],
        baseline=reads[1],
        after=reads[2],
        routes=(None,) * shape[0],
        preparations=(None,) * shape[0],
    )
    return pool, true


def area(score: np.ndarray, present: np.ndarray) -> np.ndarray:
    n, taxa = present.shape
    return auroc(score.ravel(), present.ravel(), np.repeat(np.arange(n), taxa), np.ones((1, n)))


@pytest.mark.slow
def test_the_model_comes_near_the_truth_and_is_calibrated() -> None:
    pool, _ = world(1, sizes=(20, 20, 20), donor=2.0, own=1.5)
    new, true = world(2, sizes=(150,), donor=2.0, own=1.5)
    said = presence(fit(pool), new)
    best, prevalence = (
        area(true, new.present),
        area(np.broadcast_to(pool.present.mean(axis=0), true.shape), new.present),
    )
    found = area(said, new.present)
    assert found > prevalence + 0.8 * (best - prevalence)
    for low in np.arange(0, 1, 0.2):
        inside = (said >= low) & (said < low + 0.2)
        # Rates of 60 recipients are known to about 0.06; the mean over many taxa better.
        assert said[inside].mean() == pytest.approx(true[inside].mean(), abs=0.04)


@pytest.mark.slow
def test_where_prevalence_is_all_the_model_claims_nothing() -> None:
    """The difference to the true prevalence is never positive, whatever the seed."""
    for seed in range(5):
        pool, _ = world(seed, sizes=(20, 20), donor=0.0, own=0.0)
        new, true = world(100 + seed, sizes=(60,), donor=0.0, own=0.0)
        assert area(presence(fit(pool), new), new.present) <= area(true, new.present) + 0.002


@pytest.mark.slow
def test_intervals_of_the_difference_cover_as_stated() -> None:
    """Coverage of nine in ten: 120 draws of 40 recipients, the difference known from 20,000."""
    pool, _ = world(1, sizes=(15, 15), donor=1.0, own=1.0)
    model, base = fit(pool), pool.present.mean(axis=0)

    def gap(new: Pool, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        recipient = np.repeat(np.arange(len(new.study)), N_TAXA)
        present = new.present.ravel()
        scores = presence(model, new).ravel(), np.broadcast_to(base, new.present.shape).ravel()
        first, second = (auroc(s, present, recipient, weights) for s in scores)
        return first, second

    big = [gap(world(1000 + i, sizes=(200,), donor=1.0, own=1.0)[0], np.ones((1, 200))) for i in range(20)]
    truth = float(np.mean([m - b for m, b in big]))
    covered = 0
    for seed in range(120):
        new = world(5000 + seed, sizes=(40,), donor=1.0, own=1.0)[0]
        weights = resampled(np.zeros(40, dtype=int), seed=seed, stream=0)
        limits = interval(*gap(new, weights), level=0.9)
        covered += limits["difference_lower"] <= truth <= limits["difference_upper"]
    # Three Monte-Carlo errors of 120 draws at nine in ten are 0.082.
    assert covered / 120 == pytest.approx(0.9, abs=0.082)
