"""The fast measures equal naive twins written taxon by taxon, and answers do not hang on row order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from commensal.microbiome import abundance_of, engraft, rarefy
from commensal.microbiome.diversity import measures as diversity
from commensal.microbiome.engraftment.overlap import Share, peds, peds_feature, wilson
from commensal.microbiome.engraftment.panel import MEASURES
from commensal.study import Manifest, Study, study_of

Counts = dict[str, dict[str, int]]
COUNTS = arrays.arrays(np.int64, st.tuples(st.integers(2, 6), st.integers(1, 8)), elements=st.integers(0, 9))


def naive_engraft(counts: dict[str, dict[str, int]], sample: str, donor: str) -> dict[str, Any]:
    """PEDS, distances and alpha of one sample against one donor sample, one taxon at a time."""
    mine, theirs = counts[sample], counts[donor]
    total_mine, total_theirs = sum(mine.values()), sum(theirs.values())
    shared = sum(1 for taxon in theirs if taxon in mine)
    every = set(mine) | set(theirs)
    apart = sum(abs(mine.get(t, 0) / total_mine - theirs.get(t, 0) / total_theirs) for t in every)
    entropy = -sum(c / total_mine * math.log(c / total_mine) for c in mine.values())
    donors_entropy = -sum(c / total_theirs * math.log(c / total_theirs) for c in theirs.values())
    return {
        "peds": shared / len(theirs),
        "bray_curtis_to_donor": apart / 2,
        "jaccard_to_donor": 1 - shared / len(every),
        "richness": len(mine),
        "shannon": entropy,
        "simpson": 1 - sum((c / total_mine) ** 2 for c in mine.values()),
        "richness_minus_donor": len(mine) - len(theirs),
        "shannon_minus_donor": entropy - donors_entropy,
    }


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(COUNTS)
def test_shares_equal_the_naive_twin(counts: np.ndarray) -> None:
    half = len(counts) // 2
    samples, donors = counts[:half], counts[half : 2 * half]
    share = peds(samples, donors)
    by_feature = peds_feature(samples, donors)
    seen, had = samples > 0, donors > 0
    assert share.n_events.tolist() == [int((x & y).sum()) for x, y in zip(seen, had, strict=True)]
    assert share.n.tolist() == [sum(row) for row in had]
    assert by_feature.n_events.tolist() == [
        int((seen[:, t] & had[:, t]).sum()) for t in range(counts.shape[1])
    ]
    assert by_feature.n.tolist() == had.sum(axis=0).tolist()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(COUNTS)
def test_distances_are_symmetric_and_bounded(counts: np.ndarray) -> None:
    one, other = sparse.csr_array(counts[:1]), sparse.csr_array(counts[1:2])
    for function in (diversity.bray_curtis, diversity.jaccard):
        assert function(one, other) == pytest.approx(function(other, one))
        assert 0 <= function(one, other)[0] <= 1
        assert function(one, one)[0] == 0
    assert diversity.aitchison(one, one, pseudocount=0.5)[0] == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(1, 40), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_holds_the_share_and_is_the_score_test_inverted(events: int, n: int, level: float) -> None:
    events = min(events, n)
    lower, upper = (float(x[0]) for x in wilson(Share(np.array([events]), np.array([n])), level=level))
    assert 0 <= lower <= events / n <= upper <= 1
    z = {0.8: 1.2815515655, 0.95: 1.9599639845, 0.99: 2.5758293035}[level]
    for limit in (lower, upper):
        if 0 < limit < 1:
            assert abs(events / n - limit) / math.sqrt(limit * (1 - limit) / n) == pytest.approx(z, rel=1e-6)


def drawn_study(seed: int, *, n_patients: int, n_taxa: int) -> Study:
    """Patients with a baseline and two later samples each, one donor each of three, sparse counts."""
    generator = np.random.default_rng(seed)
    patients = [f"P{i:03d}" for i in range(n_patients)]
    donor_of = {p: f"D{i % 3}" for i, p in enumerate(patients)}
    samples = [(f"{p}-{day}", p, None, day) for p in patients for day in (-5, 14, 90)]
    samples += [(f"{d}-{k}", None, d, k) for d in ("D0", "D1", "D2") for k in (1, 2)]
    counts = generator.poisson(3, (len(samples), n_taxa)) * (generator.random((len(samples), n_taxa)) < 0.3)
    counts[:, 0] += 1
    row, taxon = np.nonzero(counts)
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": patients, "arm": "fmt", "index_day": 0}),
            "sessions": pl.DataFrame({"session_id": patients, "patient_id": patients, "administered_day": 0}),
            "session_units": pl.DataFrame({"session_id": patients, "unit_id": patients}),
            "units": pl.DataFrame({"unit_id": patients, "release_pathway": "historical"}),
            "unit_donors": pl.DataFrame({"unit_id": patients, "donor_id": [donor_of[p] for p in patients]}),
            "donors": pl.DataFrame({"donor_id": ["D0", "D1", "D2"], "kind": "universal"}),
            "samples": pl.DataFrame(
                samples, schema=["sample_id", "patient_id", "donor_id", "collected_day"], orient="row"
            ),
            "abundances": pl.DataFrame(
                {
                    "sample_id": [samples[i][0] for i in row],
                    "taxon_id": [f"T{j:05d}" for j in taxon],
                    "count": counts[row, taxon],
                }
            ),
        },
        manifest=Manifest(origin="test", clock="patient"),
    )


def panel(given: Study) -> pl.DataFrame:
    """The table of measures."""
    return engraft(given)["engraftment"]


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_the_table_equals_the_naive_twin(seed: int) -> None:
    study = drawn_study(seed, n_patients=4, n_taxa=12)
    counts: dict[str, dict[str, int]] = {}
    for sample, taxon, count in study.read("abundances").select("sample_id", "taxon_id", "count").iter_rows():
        counts.setdefault(sample, {})[taxon] = count
    table = panel(study)
    for row in table.filter(pl.col("measure") == "peds").iter_rows(named=True):
        references = [s for s in counts if s.startswith(f"{row['donor_id']}-")]
        deepest = min(references, key=lambda s: (-sum(counts[s].values()), s))
        assert row["reference_sample_id"] == deepest
        expected = naive_engraft(counts, row["sample_id"], deepest)
        mine = table.filter(pl.col("sample_id") == row["sample_id"])
        found = dict(zip(mine["measure"], mine["value"], strict=True))
        assert {m: found[m] for m in expected} == pytest.approx(expected)
        assert set(found) == set(MEASURES)


def naive_gained(counts: Counts, sample: str, donor: str, before: str) -> dict[str, float]:
    """What is adjusted for the baseline, of one sample, one donor and one baseline, by sets."""
    mine, theirs, own = set(counts[sample]), set(counts[donor]), set(counts[before])
    reads = sum(counts[sample].values())
    root = {
        s: {t: math.sqrt(c / sum(counts[s].values())) for t, c in counts[s].items()}
        for s in (sample, donor, before)
    }
    every = mine | theirs | own
    s, d, b = ([root[x].get(t, 0.0) for t in sorted(every)] for x in (sample, donor, before))
    axis = [y - z for y, z in zip(d, b, strict=True)]
    moved = [x - z for x, z in zip(s, b, strict=True)]
    return {
        "peds_gained": len(mine & theirs - own) / len(theirs - own) if theirs - own else math.nan,
        "share_gained_from_donor": (
            sum(counts[sample][t] for t in mine & theirs - own) / reads if theirs - own else math.nan
        ),
        "engraftment_index": sum(x * y for x, y in zip(moved, axis, strict=True)) / sum(x * x for x in axis),
        "peds": len(mine & theirs) / len(theirs),
        "jaccard_to_donor": 1 - len(mine & theirs) / len(mine | theirs),
    }


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_adjusted_measures_and_their_nulls_equal_the_naive_twin(seed: int) -> None:
    study = drawn_study(seed, n_patients=4, n_taxa=15)
    counts: Counts = {}
    for sample, taxon, count in study.read("abundances").select("sample_id", "taxon_id", "count").iter_rows():
        counts.setdefault(sample, {})[taxon] = count
    deepest = {
        d: min((f"{d}-1", f"{d}-2"), key=lambda s: (-sum(counts[s].values()), s)) for d in ("D0", "D1", "D2")
    }
    table = panel(study).filter(pl.col("sample_id").str.ends_with("-14"))
    for (sample, donor), mine in table.filter(pl.col("donor_id").is_not_null()).group_by(
        "sample_id", "donor_id"
    ):
        before = f"{str(sample).split('-')[0]}--5"
        against = {d: naive_gained(counts, str(sample), s, before) for d, s in deepest.items()}
        found = {row["measure"]: row for row in mine.iter_rows(named=True)}
        for measure, value in against[str(donor)].items():
            others = [v[measure] for d, v in against.items() if d != donor and math.isfinite(v[measure])]
            row = found[measure]
            assert row["value"] == (None if math.isnan(value) else pytest.approx(value, abs=1e-9))
            if math.isfinite(value) and others:
                assert row["null_mean"] == pytest.approx(sum(others) / len(others), abs=1e-9)
                assert row["n_null"] == len(others)


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10_000))
def test_neither_row_order_nor_strangers_change_a_row(seed: int) -> None:
    study = drawn_study(seed, n_patients=4, n_taxa=12)
    shuffled = {n: f.sample(fraction=1.0, shuffle=True, seed=seed) for n, f in study.frames.items()}
    one, other = engraft(study), engraft(study_of(shuffled, manifest=study.manifest))
    assert {name: table.equals(other[name]) for name, table in one.items()} == dict.fromkeys(one, True)
    fewer = {**study.frames, "patients": study.read("patients").filter(pl.col("patient_id") != "P003")}
    kept = panel(study).filter(pl.col("subject_id") != "P003").drop("q")
    # q is of a family of samples: it alone may hang on the others.
    assert kept.equals(panel(study_of(fewer, manifest=study.manifest)).drop("q"))


def test_rarefaction_is_seeded_and_of_each_sample_alone() -> None:
    abundance = abundance_of(drawn_study(3, n_patients=5, n_taxa=40))
    drawn = rarefy(abundance, depth=20, seed=1)
    assert set(drawn.totals) == {20.0}
    again = rarefy(abundance.select(drawn.sample_ids[-3:]), depth=20, seed=1)
    assert (again.values != drawn.select(drawn.sample_ids[-3:]).values).nnz == 0
    assert (rarefy(abundance, depth=20, seed=2).values != drawn.values).nnz > 0
    assert (drawn.values > abundance.select(drawn.sample_ids).values).nnz == 0
