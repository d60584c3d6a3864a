"""The kernels of source attribution against the same equations written plainly over a dense table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln

import commensal.microbiome.attribution._kernels as kernels
from commensal.microbiome.attribution import _drift_kernels as drifting
from commensal.microbiome.attribution.model import fits_of

pytestmark = pytest.mark.slow


def drawn(seed: int, *, n_sources: int, n_taxa: int, depth: int) -> dict[str, np.ndarray]:
    g = np.random.default_rng(seed)
    people = g.lognormal(0, 1.5, (n_sources + 3, n_taxa)) * (g.random((n_sources + 3, n_taxa)) < 0.4)
    people[:, 0] += 0.1
    people /= people.sum(axis=1, keepdims=True)
    mixed = g.dirichlet(np.ones(n_sources + 1)) @ people[: n_sources + 1]
    return {
        "sinks": g.multinomial(depth, mixed / mixed.sum())[None, :].astype(float),
        "sources": np.round(people[:n_sources] * 5000) + (np.arange(n_taxa) == 0),
        "members": np.arange(n_sources)[None, :],
        "people": people,
        "left_out": np.arange(n_sources + 1)[None, :],
    }


def background(case: dict[str, np.ndarray], taxa: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prevalence, level in those who have it, and mean share in the people not left out."""
    kept = np.delete(case["people"], case["left_out"][0], axis=0)[:, taxa]
    seen, share = (kept > 0).sum(axis=0), kept.sum(axis=0)
    is_known = seen > 0
    level = np.where(is_known, np.maximum(share / np.maximum(seen, 1), 1e-5), 1e-3)
    prevalence = np.where(is_known, np.clip(seen / len(kept), 0.02, 0.98), 0.02)
    return prevalence, level, np.where(is_known, share / len(kept), 0.0) + 1e-6


def naive_plain(reads: np.ndarray, profiles: np.ndarray) -> np.ndarray:
    mixing = np.full(len(profiles), 1 / len(profiles))
    for _ in range(kernels.PLAIN_STEPS):
        parts = mixing[:, None] * profiles
        whole = parts.sum(axis=0)
        moved = (parts * np.where(reads > 0, reads / np.where(whole > 0, whole, 1), 0)).sum(axis=1)
        moved /= moved.sum()
        change = np.abs(moved - mixing).max()
        mixing = moved
        if change < 1e-6:
            break
    return mixing


def naive_step(reads, x, depths, others, drift, mixing):  # type: ignore[no-untyped-def]
    """One step over (sources, taxa), every source at every taxon: log likelihood, shares, drifts."""
    prevalence, level, bg = others
    total = reads.sum()
    kept = 1 - 1 / (1 + (np.maximum(x, 1e-5) / 6e-4) ** 0.9)
    apart = np.where(x > 0, np.minimum(np.exp(0.64) / kept - 1, 8), 0)
    part = mixing[:-1, None]
    gain = 0.07 * np.minimum(1, drift)[:, None]
    mean = part * ((1 - gain) * x + gain * bg)
    var = part**2 * (x**2 * apart * drift[:, None] + x / depths[:, None] + 3 * gain * bg * level)
    m0, v0 = mean.sum(axis=0) + 1e-9, var.sum(axis=0) + 1e-17
    extra = mixing[-1] * level
    m1, v1 = m0 + extra, v0 + 3 * extra**2

    def of(m, v):  # type: ignore[no-untyped-def]
        a, b = m * m / v, m / v
        log_p = gammaln(a + reads) - gammaln(a) + a * np.log(b / (b + total)) - reads * np.log(b + total)
        return log_p, (reads + a) / (b + total), (reads + a) / (b + total) ** 2

    (l0, y0, c0), (l1, y1, c1) = of(m0, v0), of(m1, v1)
    l1 = l1 + np.log(prevalence / (1 - prevalence))
    both = np.logaddexp(l0, l1)
    on = np.exp(l1 - both)
    moved, spread, weight = np.zeros(len(x) + 1), np.zeros(len(x)), np.full(len(x), 1e-6)
    for m, v, y, c, p in ((m0, v0, y0, c0, 1 - on), (m1, v1, y1, c1, on)):
        r = var / v
        here = mean + r * (y - m)
        moved[:-1] += (p * np.where(x > 0, np.maximum(here, 0), here)).sum(axis=1)
        d = var * (1 - r) + r**2 * c + (r * (y - m)) ** 2
        seen = np.where(x > 0, np.minimum(1, x * part * total / 5), 0)
        spread += (p * seen * d / ((part * x) ** 2 * apart + 1e-14)).sum(axis=1)
        weight += (p * seen).sum(axis=1)
    moved[-1] = (on * np.maximum(extra + 3 * extra**2 / v1 * (y1 - m1), 0)).sum()
    moved = np.maximum(moved, 0)
    return both.sum(), moved / moved.sum(), spread / weight


def naive_fit(reads, x, depths, others, drift, mixing, *, learns):  # type: ignore[no-untyped-def]
    likelihood = 0.0
    for _ in range(drifting.STEPS):
        likelihood, moved, spread = naive_step(reads, x, depths, others, drift, mixing)
        change = np.abs(moved - mixing).max()
        mixing = np.maximum(moved, 1e-5)
        mixing /= mixing.sum()
        if learns:
            new = np.clip(spread, 1e-3, 3)
            change = max(change, (0.01 * np.abs(new - drift)).max())
            drift = new
        if change < drifting.SETTLED:
            break
    return likelihood, mixing, drift


def naive(case: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shares by the four fits, (4, K+1), the learnt drift and the likelihoods of three fits."""
    taxa = np.flatnonzero(case["sinks"][0] + case["sources"].sum(axis=0))
    reads, counts = case["sinks"][0, taxa], case["sources"][:, taxa]
    depths = case["sources"].sum(axis=1)
    x, others = counts / depths[:, None], background(case, taxa)
    plain = naive_plain(reads, np.vstack([x, others[2]]))
    begin = 0.9 * plain + 0.1 / len(plain)
    made = [
        naive_fit(reads, x, depths, others, np.full(len(x), d), begin, learns=learns)
        for d, learns in ((1e-3, False), (1.0, False), (0.1, True))
    ]
    return np.array([plain, *(m[1] for m in made)]), made[2][2], np.array([m[0] for m in made])


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 10_000),
    st.integers(1, 5),
    st.sampled_from((20, 90)),
    st.sampled_from((300, 5000, 200_000)),
)
def test_fast_equals_naive(seed: int, n_sources: int, n_taxa: int, depth: int) -> None:
    case = drawn(seed, n_sources=n_sources, n_taxa=n_taxa, depth=depth)
    features, drift = fits_of(**case).features()
    shares, learnt, likelihood = naive(case)
    found = 1 / (1 + np.exp(-features[0, :, :4].T))
    np.testing.assert_allclose(found, np.clip(shares, 2e-4, 1 - 2e-4), atol=1e-5)
    np.testing.assert_allclose(drift[0], learnt, rtol=1e-3, atol=1e-5)
    apart = np.tanh((likelihood - likelihood.max()) / 20)
    np.testing.assert_allclose(features[0, 0, 4:7], apart, atol=1e-4)


@settings(deadline=None, max_examples=200)
@given(st.floats(1e-6, 1e6), st.one_of(st.integers(0, 100_000), st.floats(0, 1e5)), st.floats(1, 1e7))
def test_rising_factorials(shape: float, count: float, scale: float) -> None:
    expected = gammaln(shape + count) - gammaln(shape) - count * np.log(scale)
    found = drifting.log_rising(shape, float(count), scale)
    size = max(1.0, abs(gammaln(shape + count)), abs(count * np.log(scale)))
    assert abs(found - expected) <= 1e-9 * size + 1e-7
