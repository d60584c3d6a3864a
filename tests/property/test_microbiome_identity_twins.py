"""Identity: the fast scores equal naive ones, and the answer does not hang on the order of rows."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from commensal.microbiome.identity import identify
from commensal.microbiome.identity_evidence import flat_scores
from commensal.microbiome.identity_model import (
    Source,
    bearing,
    fit,
    ground,
    paired_scores,
    scores,
    softmax,
    source_of,
    weighed,
)
from commensal.study import Manifest, Study, study_of


def drawn_source(rng: np.random.Generator, n: int, n_taxa: int) -> Source:
    frequency = rng.integers(0, 3, (n, n_taxa)) / 2
    known = rng.random(n) < 0.7
    frequency = frequency * known[:, None]
    return source_of(frequency, frequency * rng.random((n, n_taxa)) * 0.1, n_samples=known)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_fast_scores_equal_naive_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_candidates, n_taxa = 5, 4, 11
    common, depth = rng.normal(size=n_taxa), rng.choice([-0.5, 0.0, 0.25], n)
    sources = [drawn_source(rng, n_candidates, n_taxa) for _ in range(3)]
    at = rng.normal(size=4 + 13)
    present = (rng.random((n, n_taxa)) < 0.4).astype(float)
    evidence = weighed(at[4:], common, sources)
    np.testing.assert_allclose(evidence, bearing(common, sources) @ at[4:], atol=1e-12)
    naive = np.empty((n, n_candidates))
    for i in range(n):
        for j in range(n_candidates):
            eta = ground(common, depth[i]) @ at[:4] + evidence[j]
            chance = 1 / (1 + np.exp(-eta))
            naive[i, j] = np.log(np.where(present[i] > 0, chance, 1 - chance)).sum()
    fast = scores(present, depth, evidence, base=lambda d: ground(common, d) @ at[:4])
    # Up to a constant of the sample: what the ground adds for the taxa that are there.
    constant = np.array([present[i] @ (ground(common, depth[i]) @ at[:4]) for i in range(n)])
    np.testing.assert_allclose(fast + constant[:, None], naive, atol=1e-9)
    paired = paired_scores(present[:4], depth[:4], evidence, base=lambda d: ground(common, d) @ at[:4])
    np.testing.assert_allclose(paired, np.diag(fast[:4]), atol=1e-9)
    parts = [
        scores(present[k : k + 1], depth[k : k + 1], evidence, base=lambda d: ground(common, d) @ at[:4])
        for k in range(n)
    ]
    np.testing.assert_allclose(np.concatenate(parts), fast, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_scores_over_a_donors_taxa_equal_scores_over_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, n_donors, n_taxa = 3, 4, 9
    common, depth = rng.normal(size=n_taxa), rng.choice([-0.5, 0.0], n)
    donors, before = drawn_source(rng, n_donors, n_taxa), drawn_source(rng, 1, n_taxa)
    donors = Source(donors.frequency, donors.level, np.ones(n_donors, dtype=bool))
    at = rng.normal(size=4 + 9)
    present = (rng.random((n, n_taxa)) < 0.4).astype(float)
    fast = flat_scores(present, depth, at, common, donors, before)
    each = [
        Source(
            np.repeat(before.frequency, n_donors, 0),
            np.repeat(before.level, n_donors, 0),
            np.repeat(before.is_known, n_donors),
        ),
        donors,
    ]
    full = scores(present, depth, weighed(at[4:], common, each), base=lambda d: ground(common, d) @ at[:4])
    np.testing.assert_allclose(softmax(fast), softmax(full), atol=1e-9)


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
