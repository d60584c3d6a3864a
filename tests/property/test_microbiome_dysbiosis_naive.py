"""Distances to a reference, centiles and complementarity equal naive twins written one value at a time."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from commensal.microbiome.abundance import Abundance
from commensal.microbiome.reference.alpha import expected_richness
from commensal.microbiome.reference.complementarity import complementarity, donor_presence, pooled
from commensal.microbiome.reference.deficits import CENTILES, ranges_of
from commensal.microbiome.reference.dysbiosis import dysbiosis
from commensal.microbiome.reference.scores import Basis, Standing
from commensal.study import Manifest, Study, study_of

SEEDS = st.integers(0, 10_000)


def communities(generator: np.random.Generator, n: int, n_taxa: int) -> np.ndarray:
    counts = generator.poisson(4, (n, n_taxa)) * (generator.random((n, n_taxa)) < 0.5)
    counts[:, 0] += 1
    return counts


def naive_scores(
    mine: np.ndarray, own: str | None, reference: np.ndarray, subjects: list[str], k: int
) -> tuple[float, float]:
    """Median Bray–Curtis to the reference samples of others, and mean to the k nearest."""
    apart = []
    for other, subject in zip(reference, subjects, strict=True):
        if subject != own:
            p, q = mine / mine.sum(), other / other.sum()
            apart.append(sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2)
    apart.sort()
    middle = len(apart) // 2
    median = apart[middle] if len(apart) % 2 else (apart[middle - 1] + apart[middle]) / 2
    nearest = apart[:k]
    return median, sum(nearest) / len(nearest)


def csr_proportions(counts: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array(counts / counts.sum(axis=1, keepdims=True))


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 6))
def test_distances_to_a_reference_equal_the_naive_twin(seed: int, k: int) -> None:
    generator = np.random.default_rng(seed)
    reference, samples = communities(generator, 9, 7), communities(generator, 5, 7)
    subjects = [f"D{i}" for i in generator.integers(0, 5, 9)]
    if len(set(subjects)) < 2:
        return
    whose = [subjects[0], None, "nobody", subjects[3], None]
    basis = Basis(csr_proportions(reference), tuple(subjects), neighbours=k, draws=3, seed=seed)
    found = basis.scores(csr_proportions(samples), basis.numbers(whose), level=0.9)
    own = [naive_scores(r, s, reference, subjects, k)[1] for r, s in zip(reference, subjects, strict=True)]
    by_subject = [np.mean([o for o, s in zip(own, subjects, strict=True) if s == d]) for d in set(subjects)]
    for i, sample in enumerate(samples):
        median, nearest = naive_scores(sample, whose[i], reference, subjects, k)
        assert found["bray_curtis_to_reference"][i, 0] == pytest.approx(median)
        assert found["cloud"][i, 0] == pytest.approx(nearest / np.mean(by_subject))
    for scores in found.values():
        assert (scores[:, 1] <= scores[:, 0]).all()
        assert (scores[:, 0] <= scores[:, 2]).all()


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_a_resample_of_subjects_is_the_reference_with_subjects_repeated(seed: int) -> None:
    """Weights in the kernel mean what copying a subject's samples means."""
    generator = np.random.default_rng(seed)
    reference, samples = communities(generator, 6, 6), communities(generator, 3, 6)
    subjects = ["A", "A", "B", "C", "C", "C"]
    basis = Basis(csr_proportions(reference), tuple(subjects), neighbours=2, draws=8, seed=seed)
    medians, nearest = basis._walked(csr_proportions(samples), np.full(3, -1), basis.weightings)
    for b, weights in enumerate(basis.weightings):
        copies = [i for i, s in enumerate(subjects) for _ in range(int(weights["ABC".index(s)]))]
        for i, sample in enumerate(samples):
            expected = naive_scores(sample, None, reference[copies], [subjects[c] for c in copies], 2)
            assert (medians[i, b], nearest[i, b]) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.booleans())
def test_shares_of_the_reference_equal_the_naive_twin(seed: int, high_is_unusual: bool) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 12, 25)
    values = np.round(generator.normal(size=25), 1)
    values[generator.random(25) < 0.1] = np.nan
    values[0] = np.inf
    asked = np.array([values[0], 0.3, -np.inf, np.nan, values[5]])
    own = np.array([codes[0], -1, -1, -1, codes[5]])
    standing = Standing(values, codes, high_is_unusual=high_is_unusual)
    shares, n = standing.shares(asked, own)
    for i, value in enumerate(asked):
        if np.isnan(value):
            assert np.isnan(shares[i])
            continue
        others = {c for c, v in zip(codes, values, strict=True) if c != own[i] and not np.isnan(v)}
        extreme = 0.0
        for subject in others:
            scores = [v for c, v in zip(codes, values, strict=True) if c == subject and not np.isnan(v)]
            extreme += np.mean([v >= value if high_is_unusual else v <= value for v in scores])
        assert n[i] == len(others)
        assert shares[i] == pytest.approx((extreme + 1) / (len(others) + 1))


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(10, 41))
def test_at_most_a_tenth_of_the_reference_lies_beyond_its_threshold(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).normal(size=n)
    for high_is_unusual in (True, False):
        standing = Standing(values, np.arange(n), high_is_unusual=high_is_unusual)
        assert standing.is_beyond(values, standing.threshold).sum() == math.floor(n / 10 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(4, 30))
def test_centiles_without_one_subject_are_those_of_the_others(seed: int, n: int) -> None:
    generator = np.random.default_rng(seed)
    shares = np.round(generator.random((n, 3)), 1)
    ranges = ranges_of(shares, [f"{i:02d}" for i in range(n)])
    own = np.array([0, -1, n - 1])
    for centile in CENTILES:
        found = ranges.centile(centile, own)
        for row, subject in enumerate(own):
            others = shares if subject < 0 else np.delete(shares, subject, axis=0)
            at = max(math.ceil(centile * len(others) - 1e-9) - 1, 0)
            assert found[row].tolist() == np.sort(others, axis=0)[at].tolist()


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(1, 30))
def test_expected_richness_is_the_mean_over_all_draws(seed: int, depth: int) -> None:
    counts = communities(np.random.default_rng(seed), 4, 6)
    abundance = Abundance(
        sparse.csr_array(counts.astype(float)), tuple("abcd"), tuple("123456"), is_counts=True
    )
    for found, row in zip(expected_richness(abundance, depth=depth), counts, strict=True):
        total = int(row.sum())
        if total < depth:
            assert np.isnan(found)
            continue
        ways = math.comb(total, depth)
        assert found == pytest.approx(sum(1 - math.comb(total - int(c), depth) / ways for c in row if c))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_complementarity_equals_the_naive_twin(seed: int) -> None:
    generator = np.random.default_rng(seed)
    recipient = generator.poisson(0.7, 12).astype(float)
    recipient[0], recipient[1] = 1.0, 0.0
    prevalence = np.round(generator.random(12), 2)
    prevalence[1] = 0.5
    samples = (generator.random((7, 12)) < 0.4).astype(float)
    donors, names = donor_presence(sparse.csr_array(samples), list("BABCCCA"))
    assert names == ("A", "B", "C")
    found = complementarity(recipient, donors, prevalence=prevalence, least_prevalence=0.2)
    lacking = [t for t in range(12) if recipient[t] == 0 and prevalence[t] >= 0.2]
    assert found.lacking.tolist() == lacking
    for row, rows in enumerate(((1, 6), (0, 2), (3, 4, 5))):
        has = [np.mean([samples[r, t] for r in rows]) for t in range(12)]
        weight = sum(prevalence[t] for t in lacking)
        assert found.values[row] == pytest.approx(sum(prevalence[t] * has[t] for t in lacking) / weight)
        assert found.n_supplied[row] == pytest.approx(sum(has[t] for t in lacking))
        assert found.lower[row] <= found.values[row] <= found.upper[row]
    pool = complementarity(recipient, pooled(donors, [0, 2]), prevalence=prevalence, least_prevalence=0.2)
    assert pool.values[0] >= max(found.values[0], found.values[2]) - 1e-12


def drawn_study(seed: int, *, n_donors: int = 12, n_patients: int = 4, n_taxa: int = 15) -> Study:
    """Donors of one or two samples, patients of two; genera of a taxonomy of their own."""
    generator = np.random.default_rng(seed)
    samples = [(f"D{d:02d}-{k}", None, f"D{d:02d}") for d in range(n_donors) for k in range(1 + d % 2)]
    samples += [(f"P{p}-{k}", f"P{p}", None) for p in range(n_patients) for k in range(2)]
    counts = communities(generator, len(samples), n_taxa)
    row, taxon = np.nonzero(counts)
    classes = ["Bacteroidia", "Clostridia", "Gammaproteobacteria", "Bacilli"]
    names = ["Faecalibacterium", "Bacteroides", "Escherichia", "Enterococcus", "Roseburia"]
    names += [f"Genus{i}" for i in range(n_taxa - len(names))]
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": [f"P{p}" for p in range(n_patients)], "arm": "fmt"}),
            "donors": pl.DataFrame({"donor_id": [f"D{d:02d}" for d in range(n_donors)], "kind": "universal"}),
            "samples": pl.DataFrame(samples, schema=["sample_id", "patient_id", "donor_id"], orient="row"),
            "taxa": pl.DataFrame(
                {
                    "taxon_id": [f"T{j:02d}" for j in range(n_taxa)],
                    "rank": "genus",
                    "class": [classes[j % 4] for j in range(n_taxa)],
                    "family": "Family",
                    "genus": names,
                }
            ),
            "abundances": pl.DataFrame(
                {
                    "sample_id": [samples[i][0] for i in row],
                    "taxon_id": [f"T{j:02d}" for j in taxon],
                    "count": counts[row, taxon],
                }
            ),
        },
        manifest=Manifest(origin="drawn", clock="patient"),
    )


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(SEEDS)
def test_neither_row_order_nor_other_samples_change_a_row(seed: int) -> None:
    study = drawn_study(seed)
    tables = dysbiosis(study, depth=10, draws=20, seed=seed)
    shuffled = {n: f.sample(fraction=1.0, shuffle=True, seed=seed) for n, f in study.frames.items()}
    again = dysbiosis(study_of(shuffled, manifest=study.manifest), depth=10, draws=20, seed=seed)
    gone = study.read("samples").filter(pl.col("patient_id") == "P0")["sample_id"]
    frames = {
        **study.frames,
        "samples": study.read("samples").filter(~pl.col("sample_id").is_in(gone.implode())),
        "abundances": study.read("abundances").filter(~pl.col("sample_id").is_in(gone.implode())),
    }
    fewer = dysbiosis(study_of(frames, manifest=study.manifest), depth=10, draws=20, seed=seed)
    for name, table in tables.items():
        assert table.equals(again[name]), name
        kept = table.filter(~pl.col("sample_id").is_in(gone.implode()))
        assert kept.equals(fewer[name]), name


@pytest.mark.slow
@settings(max_examples=3, deadline=None)
@given(SEEDS)
def test_a_donor_is_never_its_own_reference(seed: int) -> None:
    """A donor's rows are those it would have as a patient, against the other donors."""
    study = drawn_study(seed)
    of_donor = pl.col("donor_id") == "D03"
    samples = study.read("samples").with_columns(
        patient_id=pl.when(of_donor).then(pl.lit("P9")).otherwise("patient_id"),
        donor_id=pl.when(~of_donor).then("donor_id"),
    )
    patients = pl.concat(
        [
            study.read("patients"),
            study_of(
                {"patients": pl.DataFrame({"patient_id": ["P9"], "arm": "fmt"})}, manifest=study.manifest
            ).read("patients"),
        ]
    )
    other = study_of({**study.frames, "samples": samples, "patients": patients}, manifest=study.manifest)
    columns = ["sample_id", "measure", "value", "reference_share"]
    one, two = (
        dysbiosis(s, depth=10, draws=2)["dysbiosis"]
        .filter(pl.col("sample_id").str.starts_with("D03"), measure="bray_curtis_to_reference")
        .select(columns[:3])
        for s in (study, other)
    )
    assert one.equals(two)
    deficits = [
        dysbiosis(s, depth=10, draws=2)["deficits"]
        .filter(pl.col("sample_id").str.starts_with("D03"))
        .drop("subject_id", "donor_id", "reference")
        for s in (study, other)
    ]
    shown = ["sample_id", "kind", "feature", "proportion", "reference_lower", "reference_upper", "direction"]
    assert deficits[0].select(shown).equals(deficits[1].select(shown))
