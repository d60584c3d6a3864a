"""Identity: the fast scores equal naive ones, and the answer does not hang on the order of rows."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from commensal.microbiome.identity import evidence as identity_evidence
from commensal.microbiome.identity import model as identity_model
from commensal.microbiome.identity.identify import identify
from commensal.microbiome.identity.model import (
    LOG_FACTORS,
    Source,
    bearing,
    fit,
    ground,
    softmax,
    source_of,
    tempered,
)
from commensal.microbiome.identity.scores import against_all, against_donors, against_own, stacked
from commensal.study import Manifest, Study, study_of


def drawn_source(rng: np.random.Generator, n: int, n_taxa: int) -> Source:
    frequency = rng.integers(0, 3, (n, n_taxa)) / 2
    known = rng.random(n) < 0.7
    frequency = frequency * known[:, None]
    return source_of(frequency, frequency * rng.random((n, n_taxa)) * 0.1, n_samples=known)


def naive_scores(
    present: np.ndarray, depth: np.ndarray, at: np.ndarray, common: np.ndarray, sources: list[Source]
) -> np.ndarray:
    """The log-likelihood of each sample under each candidate, less what the ground adds for its taxa."""
    evidence = bearing(common, sources) @ at[4:]
    found = np.empty((len(present), len(evidence)))
    for i, j in np.ndindex(found.shape):
        without = ground(common, float(depth[i])) @ at[:4]
        chance = 1 / (1 + np.exp(-(without + evidence[j])))
        likelihood = np.log(np.where(present[i] > 0, chance, 1 - chance)).sum()
        found[i, j] = likelihood - present[i] @ without
    return found


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([2, 3]))
def test_fast_scores_equal_naive_ones(seed: int, n_sources: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_candidates, n_taxa = 5, 4, 11
    common, depth = rng.normal(size=n_taxa), rng.choice([-0.5, 0.0, 0.25], n)
    sources = [drawn_source(rng, n_candidates, n_taxa) for _ in range(n_sources)]
    at = rng.normal(size=4 + 4 * n_sources + 1)
    present = (rng.random((n, n_taxa)) < 0.4).astype(float)
    seen, naive = sparse.csr_array(present), naive_scores(present, depth, at, common, sources)
    fast = against_all(seen, depth, at, common, stacked(sources))
    np.testing.assert_allclose(fast, naive, atol=1e-9)
    paired = against_own(seen[:4], depth[:4], at, common, stacked(sources))
    np.testing.assert_allclose(paired, np.diag(naive[:4]), atol=1e-9)
    # Not a digit changes with the samples and candidates that are scored together.
    alone = [against_all(seen[[k]], depth[[k]], at, common, stacked(sources)) for k in range(n)]
    np.testing.assert_array_equal(np.concatenate(alone), fast)
    parts = [stacked([s[np.array(some)] for s in sources]) for some in ([0, 1, 2], [3])]
    np.testing.assert_array_equal(np.hstack([against_all(seen, depth, at, common, p) for p in parts]), fast)


def test_sums_of_many_likely_taxa_neither_overflow_nor_vanish() -> None:
    n_taxa = 3000
    rng = np.random.default_rng(1)
    common, depth = np.zeros(n_taxa), np.zeros(2)
    have, lack = np.ones((1, n_taxa)), np.zeros((1, n_taxa))
    sources = [Source(have, lack, np.ones(1, dtype=bool))]
    present = (rng.random((2, n_taxa)) < 0.5).astype(float)
    for gain in (2.0, -2.0, 400.0):
        at = np.array([0.0, 0.0, 0.0, 0.0, gain, 0.0, 0.0, 0.0])
        found = against_all(sparse.csr_array(present), depth, at, common, stacked(sources))[:, 0]
        expected = present.sum(axis=1) * gain - n_taxa * np.logaddexp(0, gain)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_scores_over_a_donors_taxa_equal_scores_over_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_donors, n_taxa = 6, 4, 9
    common, depth = rng.normal(size=n_taxa), rng.choice([-0.5, 0.0], n)
    donors, before = drawn_source(rng, n_donors, n_taxa), drawn_source(rng, 3, n_taxa)
    donors = Source(donors.frequency, donors.level, np.ones(n_donors, dtype=bool))
    at, patient = rng.normal(size=4 + 9), rng.integers(0, 3, n)
    present = (rng.random((n, n_taxa)) < 0.4).astype(float)
    seen = sparse.csr_array(present)
    fast = against_donors(seen, depth, patient, at, common, donors=donors, before=before)
    for k in range(n):
        mine = [before[np.full(n_donors, patient[k])], donors]
        naive = naive_scores(present[[k]], depth[[k]], at, common, mine)
        np.testing.assert_allclose(softmax(fast[[k]]), softmax(naive), atol=1e-9)
        alone = against_donors(seen[[k]], depth[[k]], patient[[k]], at, common, donors=donors, before=before)
        np.testing.assert_array_equal(alone, fast[[k]])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_tempered_scores_equal_naive_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_candidates = 24, 7
    found, own = rng.normal(0, 30, (n, n_candidates)), rng.integers(0, n_candidates, n)
    found[np.arange(n), own] += rng.normal(20, 20, n)
    is_rival = rng.random(found.shape) < 0.1
    is_rival[np.arange(n), own] = False
    found[is_rival] = -np.inf
    weight, places = rng.choice([0.0, 0.5, 1.0], n), rng.integers(0, 3, n)
    fast = tempered(found, own, weight=weight, places=places, seed=0)
    for fold in np.unique(places):
        others = (places != fold) & (weight > 0)
        values = []
        for log_factor in LOG_FACTORS:
            chance = softmax(found * np.exp(log_factor))[np.arange(n), own]
            mixed = 0.99 * chance + 0.01 / np.isfinite(found).sum(axis=1)
            values.append(weight[others] @ np.log(mixed[others]) - (log_factor - np.log(0.1)) ** 2 / 2)
        naive = softmax(found * np.exp(LOG_FACTORS[int(np.argmax(values))]))
        np.testing.assert_allclose(fast[places == fold], naive[places == fold], atol=1e-9)


def test_the_fit_meets_its_gradient() -> None:
    rng = np.random.default_rng(1)
    features = np.c_[np.ones(400), rng.normal(size=(400, 2))]
    present = (rng.random(400) < 1 / (1 + np.exp(-(features @ [-1.0, 2.0, 0.0])))).astype(float)
    at = fit(features, present, weight=np.ones(400))
    slope = features.T @ (present - 1 / (1 + np.exp(-(features @ at)))) - at
    assert np.abs(slope).max() < 1e-6
    assert abs(at[1] - 2) < 0.5


def drawn_study(seed: int, *, shuffled: bool = False) -> Study:
    """Eight patients of four donors, two samples each; taxa of patients and of donors, drawn."""
    rng = np.random.default_rng(seed)
    own, given_ = rng.random((8, 40)) < 0.3, rng.random((4, 40)) < 0.4
    rows = [
        (f"D{d}.{k}", f"T{t:02d}", 5) for d in range(4) for k in range(2) for t in np.flatnonzero(given_[d])
    ]
    for p in range(8):
        after = own[p] | (given_[p % 4] & (rng.random(40) < 0.7))
        rows += [(f"P{p}@0", f"T{t:02d}", 5) for t in np.flatnonzero(own[p])]
        rows += [(f"P{p}@28", f"T{t:02d}", 5) for t in np.flatnonzero(after)]
    patients, donors = [f"P{p}" for p in range(8)], [f"D{d}" for d in range(4)]
    samples = [(f"{p}@{day}", p, None, day) for p in patients for day in (0, 28)]
    samples += [(f"{d}.{k}", None, d, None) for d in donors for k in range(2)]
    frames = {
        "patients": pl.DataFrame({"patient_id": patients, "arm": "fmt", "index_day": 0}),
        "sessions": pl.DataFrame({"session_id": patients, "patient_id": patients, "administered_day": 0}),
        "session_units": pl.DataFrame({"session_id": patients, "unit_id": patients}),
        "units": pl.DataFrame({"unit_id": patients, "release_pathway": "historical"}),
        "unit_donors": pl.DataFrame({"unit_id": patients, "donor_id": donors * 2}),
        "donors": pl.DataFrame({"donor_id": donors, "kind": "universal"}),
        "samples": pl.DataFrame(
            samples,
            schema={
                "sample_id": pl.String,
                "patient_id": pl.String,
                "donor_id": pl.String,
                "collected_day": pl.Int32,
            },
            orient="row",
        ),
        "abundances": pl.DataFrame(rows, schema=["sample_id", "taxon_id", "count"], orient="row"),
    }
    if shuffled:
        frames = {name: frame.sample(fraction=1, shuffle=True, seed=3) for name, frame in frames.items()}
    return study_of(frames, manifest=Manifest(origin="drawn", clock="patient"))


def test_the_order_of_rows_is_nothing() -> None:
    first, second = identify(drawn_study(1)), identify(drawn_study(1, shuffled=True))
    assert first.equals(second)
    assert first["donor_probability"].count() == 8
    assert first["subject_probability"].count() == 16


@pytest.mark.slow
def test_the_size_of_blocks_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = identify(drawn_study(2))
    for block in (1, 3):
        monkeypatch.setattr(identity_evidence, "BLOCK", block)
        assert identify(drawn_study(2)).equals(whole)


def test_a_draw_of_samples_tempers_as_all_do(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    n = 600
    found, own = rng.normal(0, 20, (n, 30)), rng.integers(0, 30, n)
    found[np.arange(n), own] += 25
    places, weight = rng.integers(0, 10, n), np.ones(n)
    whole = tempered(found, own, weight=weight, places=places, seed=0)
    monkeypatch.setattr(identity_model, "MOST_TO_TEMPER", 300)
    drawn = tempered(found, own, weight=weight, places=places, seed=0)
    assert np.array_equal(drawn, tempered(found, own, weight=weight, places=places, seed=0))
    assert not np.array_equal(drawn, whole)
    assert np.abs(drawn - whole).max() < 0.1
