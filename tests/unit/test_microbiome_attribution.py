"""Source attribution: exact vectors, what it refuses, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from commensal.errors import InputError
from commensal.microbiome.attribution.attribute import attribute
from commensal.microbiome.attribution.mixtures import draw_mixture
from commensal.microbiome.attribution.model import attribute_counts
from commensal.microbiome.attribution.within_donor import interval
from commensal.study import Manifest, Study, study_of

pytestmark = pytest.mark.slow


def people(n: int, n_taxa: int, *, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    drawn = generator.lognormal(0, 1.5, (n, n_taxa)) * (generator.random((n, n_taxa)) < 0.15)
    return drawn / drawn.sum(axis=1, keepdims=True)


def mixtures(n: int, *, seed: int) -> dict[str, np.ndarray]:
    """Sinks of two known people each and a third unknown."""
    profiles = people(12, 300, seed=seed)
    generator = np.random.default_rng(seed)
    members = np.array([generator.permutation(12)[:3] for _ in range(n)])
    shares = generator.dirichlet([1, 1, 1], n)
    sinks = np.array(
        [generator.multinomial(5000, s @ profiles[m]) for s, m in zip(shares, members, strict=True)]
    )
    return {
        "sinks": sinks.astype(float),
        "sources": np.round(profiles * 20_000),
        "members": members[:, :2],
        "people": profiles,
        "left_out": members,
        "shares": shares,
    }


def shares_of(case: dict[str, np.ndarray], rows: np.ndarray | slice = slice(None)) -> np.ndarray:
    return attribute_counts(
        case["sinks"][rows],
        case["sources"],
        members=case["members"][rows],
        people=case["people"],
        left_out=case["left_out"][rows],
    ).proportion


def test_sourcetracker_vector_v3() -> None:
    """SourceTracker (R) on caporaso-lab/sourcetracker2's test data (5e508b3), tolerance .01."""
    sources = np.zeros((3, 32))
    sources[0, 6], sources[1, [18, 31]], sources[2, 26] = 10, (16, 4), 19
    sinks = np.zeros((4, 32))
    reads = [(170, 385, 350, 95), (170, 380, 350, 100), (170, 378, 350, 102), (170, 386, 350, 94)]
    sinks[:, [6, 18, 26, 31]] = reads
    expected = [
        (0.1695, 0.4781, 0.3497, 0.0027),
        (0.1695, 0.4794, 0.3497, 0.0014),
        (0.1693, 0.4784, 0.3499, 0.0024),
        (0.1696, 0.4788, 0.3494, 0.0022),
    ]
    found = attribute_counts(sinks, sources, members=np.tile([0, 1, 2], (4, 1)))
    np.testing.assert_allclose(found.proportion, expected, atol=0.01)


def test_shares_sum_to_one_within_their_limits() -> None:
    case = mixtures(40, seed=1)
    found = attribute_counts(case["sinks"], case["sources"], members=case["members"], people=case["people"])
    np.testing.assert_allclose(found.proportion.sum(axis=1), 1)
    assert (found.lower <= found.proportion).all()
    assert (found.proportion <= found.upper).all()
    assert np.isfinite(found.lower).all()
    assert (found.upper <= 1).all()


def test_recovers_known_shares_of_the_same_stool() -> None:
    case = mixtures(100, seed=2)
    assert np.abs(shares_of(case) - case["shares"]).mean() < 0.05


def test_neither_neighbours_nor_order_change_a_sink() -> None:
    case = mixtures(30, seed=3)
    whole = shares_of(case)
    np.testing.assert_array_equal(shares_of(case, np.array([7])), whole[[7]])
    order = np.random.default_rng(0).permutation(30)
    np.testing.assert_array_equal(shares_of(case, order), whole[order])


def test_threads_and_order_of_sources_do_not_change_a_sink() -> None:
    import numba

    case = mixtures(30, seed=4)
    whole = shares_of(case)
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(shares_of(case), whole)
    finally:
        numba.set_num_threads(threads)
    turned = shares_of(case | {"members": case["members"][:, ::-1]})
    np.testing.assert_allclose(turned[:, [1, 0, 2]], whole, atol=1e-6)


def test_more_places_for_sources_than_a_sink_has() -> None:
    case = mixtures(10, seed=5)
    padded = np.c_[case["members"], np.full((10, 2), -1)]
    found = shares_of(case | {"members": padded})
    np.testing.assert_allclose(found[:, [0, 1, 4]], shares_of(case), atol=1e-12)
    assert (found[:, 2:4] == 0).all()


def test_stretched_limits_only_move_outwards() -> None:
    share = np.array([0.0, 0.004, 0.02, 0.5, 0.98, 1.0])
    for concentration in (2.0, 30.0, 5000.0):
        spread = np.full(share.shape, concentration)
        narrow = interval(share, spread, level=0.95)
        wide = interval(share, spread, level=0.95, stretch=1.5)
        assert (wide[0] <= narrow[0]).all()
        assert (wide[1] >= narrow[1]).all()
        assert (narrow[0] <= share).all()
        assert (narrow[1] >= share).all()
        assert narrow[0][:1] == 0
        assert narrow[1][-1:] == 1
    beta = stats.beta(10, 30)
    lower, upper = interval(np.array([0.25]), np.array([40.0]), level=0.9, stretch=2.0)
    assert lower[0] == pytest.approx(0.25 - 2 * (0.25 - beta.ppf(0.05)))
    assert upper[0] == pytest.approx(0.25 + 2 * (beta.ppf(0.95) - 0.25))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sinks": np.zeros((2, 300))}, "no reads"),
        ({"sinks": -np.ones((2, 300))}, "negative"),
        ({"sinks": np.ones((2, 7))}, "differ in taxa"),
        ({"members": np.array([[0, 99], [0, 1]])}, "does not exist"),
        ({"members": np.array([[-1, 0], [0, 1]])}, "no source"),
        ({"members": np.array([[0, -1, 1], [0, 1, 2]])}, "gap"),
        ({"members": np.array([[0, 1]])}, "one row for each"),
    ],
)
def test_refuses(change: dict[str, np.ndarray], words: str) -> None:
    case = {k: v[:2] if k in ("sinks", "members", "left_out") else v for k, v in mixtures(2, seed=6).items()}
    with pytest.raises(InputError, match=words):
        shares_of(case | change)


def test_a_mixture_says_what_it_is_made_of() -> None:
    profiles = people(6, 200, seed=7)
    named = {f"P{i}": [i] for i in range(4)} | {"D": [4, 5]}
    drawn = [
        draw_mixture(
            profiles,
            sources=[named["D"], [0]],
            people=named,
            is_same=[same, True],
            shares=np.array([0.6, 0.4, 0.0]),
            depth=4000,
            seed=[1],
        )
        for same in (True, False)
    ]
    assert drawn[0].given == drawn[0].shown
    assert drawn[1].given[0] != drawn[1].shown[0]
    assert drawn[1].stranger in (1, 2, 3)
    mixed = 0.6 * profiles[drawn[1].given[0]] + 0.4 * profiles[0]
    assert drawn[1].reads.sum() == 4000
    assert not drawn[1].reads[mixed == 0].any()


SAMPLES = (
    ("donor", None, "D1", None),
    ("other", None, "D2", None),
    ("before", "P", None, -5),
    ("after", "P", None, 20),
    ("shallow", "P", None, 30),
    ("control", "C", None, 20),
    ("nothing", "P", None, 40),
)


def study(*, is_proportion: bool = False, n_reads: int | None = None) -> Study:
    """P got D1's stool, C nothing; what P has after is 70 % D1 and 30 % its own."""
    profiles = people(4, 120, seed=8)
    generator = np.random.default_rng(8)
    mixed = 0.7 * profiles[0] + 0.3 * profiles[2]
    drawn = {
        "donor": np.round(profiles[0] * 20_000),
        "other": np.round(profiles[1] * 20_000),
        "before": np.round(profiles[2] * 20_000),
        "after": generator.multinomial(8000, mixed),
        "shallow": generator.multinomial(50, mixed),
        "control": np.round(profiles[3] * 20_000),
    }
    rows = [(s, f"T{t:03d}", int(c)) for s, v in drawn.items() for t, c in enumerate(v) if c > 0]
    abundances = pl.DataFrame(rows, schema=["sample_id", "taxon_id", "count"], orient="row")
    if is_proportion:
        share = (pl.col("count") / pl.col("count").sum().over("sample_id")).alias("proportion")
        abundances = abundances.with_columns(share).drop("count")
    samples = pl.DataFrame(
        SAMPLES, schema=["sample_id", "patient_id", "donor_id", "collected_day"], orient="row"
    ).with_columns(pl.col("collected_day").cast(pl.Int32), n_reads=pl.lit(n_reads, dtype=pl.Int64))
    return study_of(
        {
            "patients": pl.DataFrame({"patient_id": ["P", "C"], "arm": ["fmt", "control"], "index_day": 0}),
            "sessions": pl.DataFrame({"session_id": ["S"], "patient_id": ["P"], "administered_day": 0}),
            "session_units": pl.DataFrame({"session_id": ["S"], "unit_id": ["U"]}),
            "units": pl.DataFrame({"unit_id": ["U"], "release_pathway": "historical"}),
            "unit_donors": pl.DataFrame({"unit_id": ["U"], "donor_id": ["D1"]}),
            "donors": pl.DataFrame({"donor_id": ["D1", "D2"], "kind": "universal"}),
            "samples": samples,
            "abundances": abundances,
        },
        manifest=Manifest(origin="test", clock="patient"),
    )


def rows_of(table: pl.DataFrame, sink: str) -> dict[str, dict]:
    return {row["source_id"]: row for row in table.filter(pl.col("sink_id") == sink).iter_rows(named=True)}


def test_each_sample_of_a_study_has_its_rows() -> None:
    table = attribute(study())
    after = rows_of(table, "after")
    assert list(after) == ["D1", "before", "unknown"]
    assert after["D1"]["proportion"] == pytest.approx(0.7, abs=0.06)
    assert after["D1"]["lower"] < 0.7 < after["D1"]["upper"]
    assert sum(row["proportion"] for row in after.values()) == pytest.approx(1)
    before = rows_of(table, "before")
    assert "control" in before["D1"]["reason"]
    assert before["D1"]["proportion"] < 0.2
    assert before["baseline"]["proportion"] is None
    assert before["baseline"]["reason"] == "this sample is the baseline"
    assert rows_of(table, "shallow")["D1"]["reason"] == "only 50 reads: fewer than 200"
    assert rows_of(table, "nothing")["D1"]["reason"] == "no abundance profile of this sample"
    assert rows_of(table, "control")["donor"]["reason"] == "no donor: comparator patient"


def test_other_donors_are_a_source_on_request() -> None:
    after = rows_of(attribute(study(), other_donors=True), "after")
    assert after["other_donors"]["source_role"] == "other_donor"
    assert after["other_donors"]["proportion"] < 0.05
    assert sum(row["proportion"] for row in after.values()) == pytest.approx(1)


def test_proportions_need_a_number_of_reads() -> None:
    without = rows_of(attribute(study(is_proportion=True)), "after")
    assert "number of reads" in without["D1"]["reason"]
    stated = rows_of(attribute(study(is_proportion=True, n_reads=8000)), "after")
    assert stated["D1"]["proportion"] == pytest.approx(0.7, abs=0.06)
