"""The parts of the engraftment panel, each by hand: gains, fates, index, C2R, depth, nulls, tests."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from commensal.errors import InputError, RefusedError
from commensal.microbiome import Abundance, engraft, peds_gained
from commensal.microbiome.engraftment.colonisers import c2r
from commensal.microbiome.engraftment.depth import expected_presence, peds_at_depth, union_presence
from commensal.microbiome.engraftment.fates import FATES, summary_of
from commensal.microbiome.engraftment.global_tests import arm_test, donor_test
from commensal.microbiome.engraftment.nulls import discovery_rates, null_of
from commensal.microbiome.engraftment.projection import engraftment_index
from commensal.study import Manifest, Study, study_of


def rows(*values: list[float]) -> sparse.csr_array:
    return sparse.csr_array(np.array(values, dtype=float))


def test_peds_gained_leaves_out_what_was_shared_before() -> None:
    share = peds_gained(
        np.array([[1, 1, 0, 1], [1, 0, 0, 0]]),
        np.array([[1, 1, 1, 0], [1, 1, 0, 0]]),
        np.array([[1, 0, 0, 0], [1, 1, 0, 0]]),
    )
    assert share.n_events.tolist() == [1, 0]
    assert share.n.tolist() == [2, 0]
    assert math.isnan(share.value[1])


def test_fates_count_every_taxon_once_and_share_out_the_sample() -> None:
    #                 novel, gained, shared, persisted, lost, donor alone, both but lost
    sample = rows([0.1, 0.2, 0.3, 0.4, 0, 0, 0])
    donor = rows([0, 0.25, 0.25, 0, 0, 0.25, 0.25])
    baseline = rows([0, 0, 0.25, 0.25, 0.25, 0, 0.25])
    summary = summary_of(sample, donor, baseline)
    assert {f: summary.taxa[f].tolist() for f in FATES} == {
        "gained_from_donor": [1],
        "shared_before": [1],
        "persisted": [1],
        "novel": [1],
        "lost": [2],
        "donor_not_engrafted": [1],
    }
    shares = {f: s[0] for f, s in summary.shares.items()}
    assert shares == pytest.approx(
        {"gained_from_donor": 0.2, "shared_before": 0.3, "persisted": 0.4, "novel": 0.1}
    )


def test_the_index_is_a_true_projection() -> None:
    baseline, donor = rows([1, 0, 0]), rows([0, 1, 0])
    halfway = rows([0.25, 0.25, 0.5])
    away = rows([0, 0, 1])
    # Square roots: b = (1,0,0), d = (0,1,0); (s−b)·(d−b) / 2.
    assert engraftment_index(baseline, baseline, donor).along.tolist() == [0]
    assert engraftment_index(donor, baseline, donor).along.tolist() == [1]
    assert engraftment_index(donor, baseline, donor).off.tolist() == [0]
    moved = engraftment_index(halfway, baseline, donor)
    assert moved.along[0] == pytest.approx(0.5)
    assert moved.off[0] == pytest.approx(math.sqrt(0.5 / 2))
    assert engraftment_index(away, baseline, donor).along[0] == pytest.approx(0.5)
    assert np.isnan(engraftment_index(donor, baseline, baseline).along).all()


# Toy tables of bioinfo-biols/FMT_Enterotype (C2R/): baseline, donor, after; and the published index.
C2R = [
    ([1, 16, 5, 8, 2], [15, 1, 4, 10, 10], [7, 8, 2, 15, 15], 1.3083316),
    ([2, 17, 6, 5, 3], [15, 1, 3, 16, 16], [8, 6, 2, 16, 16], 1.6094362),
    ([3, 15, 10, 6, 3], [15, 1, 3, 12, 12], [7, 5, 2, 14, 14], 1.6094359),
    ([4, 14, 14, 4, 2], [15, 0, 1, 18, 18], [4, 7, 2, 5, 2], 0.2006712),
    ([1, 16, 5, 8, 3], [15, 1, 4, 10, 10], [7, 8, 2, 15, 15], 1.3083316),
    ([2, 17, 6, 5, 4], [15, 1, 3, 16, 16], [8, 6, 2, 16, 16], 1.6094362),
    ([4, 14, 14, 4, 2], [14, 0, 1, 10, 10], [4, 7, 2, 5, 2], 0.2006712),
]


def test_c2r_repeats_the_published_toy_values() -> None:
    before, donors, after = (rows(*(row[i] for row in C2R)) for i in range(3))
    assert c2r(after, before, donors) == pytest.approx([row[3] for row in C2R], abs=5e-8)


def test_c2r_is_undefined_where_one_side_is_empty() -> None:
    assert np.isnan(c2r(rows([0.5, 0.5]), rows([0, 0]), rows([0.5, 0.5]))).all()


def abundance(counts: np.ndarray, *, is_counts: bool = True) -> Abundance:
    values = sparse.csr_array(counts.astype(float))
    names = tuple(f"s{i}" for i in range(len(counts))), tuple(f"t{i}" for i in range(counts.shape[1]))
    return Abundance(values, *names, is_counts)


def naive_presence(count: int, reads: int, depth: int) -> float:
    return 1 - math.comb(reads - count, depth) / math.comb(reads, depth)


def test_expected_presence_is_the_mean_of_all_rarefactions() -> None:
    counts = np.array([[3, 2, 1, 0], [4, 1, 0, 0]])
    found = expected_presence(abundance(counts), depth=3).toarray()
    pool = np.repeat(np.arange(4), counts[0])
    draws = [np.isin(np.arange(4), pool[list(chosen)]) for chosen in combinations(range(6), 3)]
    assert found[0] == pytest.approx(np.mean(draws, axis=0))
    assert found[1] == pytest.approx([naive_presence(c, 5, 3) for c in counts[1]])


def test_expected_presence_at_full_depth_is_presence_and_shallow_has_none() -> None:
    chances = expected_presence(abundance(np.array([[600, 399, 1], [1, 1, 0]])), depth=1000).toarray()
    assert chances[0] == pytest.approx([1, 1, 1])
    assert chances[1].tolist() == [0, 0, 0]
    with pytest.raises(RefusedError):
        expected_presence(abundance(np.array([[0.5, 0.5]]), is_counts=False), depth=10)
    with pytest.raises(InputError):
        expected_presence(abundance(np.array([[5]])), depth=0)


def test_peds_at_depth_and_the_union_of_two_donors() -> None:
    chances = rows([0.5, 1, 0], [0.5, 0, 0.25])
    union = union_presence(rows([1, 1]), chances).toarray()[0]
    assert union == pytest.approx([0.75, 1, 0.25])
    assert peds_at_depth(rows([1, 0.5, 0]), rows([0.5, 1, 0.5])) == pytest.approx([1 / 2])


def test_a_null_is_of_mismatched_donors_and_never_says_zero() -> None:
    values = np.array([[0.9, 0.1, 0.2, np.nan], [0.1, 0.5, 0.5, 0.9]])
    mismatched = np.array([[False, True, True, True], [True, False, True, True]])
    null = null_of(np.array([0.9, 0.5]), values, mismatched, direction=1)
    assert null.mean == pytest.approx([0.15, 0.5])
    assert null.n.tolist() == [2, 3]
    assert null.p == pytest.approx([1 / 3, 3 / 4])
    assert null_of(np.array([0.9, 0.5]), values, mismatched, direction=-1).p == pytest.approx([1, 3 / 4])
    nothing = null_of(np.array([np.nan, 0.5]), values, mismatched & False, direction=1)
    assert np.isnan(nothing.p).all()


def test_discovery_is_controlled_within_a_family() -> None:
    p = np.array([0.01, 0.04, np.nan, 0.5])
    q = discovery_rates(p, np.array([0, 0, 0, 1]))
    assert q[[0, 1, 3]] == pytest.approx([0.02, 0.04, 0.5])
    assert np.isnan(q[2])


def test_own_donors_that_stand_out_are_found_exactly() -> None:
    values = np.full((6, 6), 0.2) + np.diag([0.5] * 6)
    found = permuted(values)
    assert found.estimate == pytest.approx(0.5)
    assert found.p == pytest.approx(1 / 720)
    assert (found.n, found.n_null) == (6, 720)


def permuted(values: np.ndarray, column: np.ndarray | None = None, *, seed: int = 0):
    n = len(values)
    column = np.arange(n) if column is None else column
    mismatched = column[:, None] != np.arange(values.shape[1])[None, :]
    own = values[np.arange(n), column]
    groups = np.zeros(n, dtype=int)
    return donor_test(values, own, column, mismatched, groups, direction=1, seed=seed, level=0.95)


def test_one_subject_with_p_of_one_does_not_break_the_global_test() -> None:
    generator = np.random.default_rng(3)
    values = generator.normal(0.3, 0.02, (20, 20)) + np.diag([0.2] * 20)
    assert permuted(values).p < 0.002
    # The last subject is as far from the own donor as can be: alone its p is 1.
    values[19, 19] = 0
    found = permuted(values)
    assert found.p < 0.002
    assert found.lower is not None
    assert found.lower > 0


def test_general_levels_of_subjects_and_donors_play_no_part() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(0.3, 0.05, (12, 12))
    shifted = values + generator.normal(0, 1, (12, 1)) + generator.normal(0, 1, (1, 12))
    assert permuted(values).p == permuted(shifted).p


def test_why_there_is_no_global_test() -> None:
    assert "at least 2" in str(permuted(np.array([[0.5, 0.1]]), np.array([0])).reason)
    same = permuted(np.array([[0.5, 0.1], [0.4, 0.2], [0.3, 0.2]]), np.zeros(3, dtype=int))
    assert same.p is None
    assert same.estimate == pytest.approx((0.4 + 0.2 + 0.1) / 3)
    assert same.lower is None
    assert "one donor" in str(same.reason)


def test_arms_are_permuted_exactly_where_few() -> None:
    found = arm_test(np.array([3.0, 4.0]), np.array([1.0, 2.0, 0.0]), seed=0, level=0.95)
    assert found.p == pytest.approx(1 / 10)
    assert (found.estimate, found.n, found.n_null) == (2.5, 5, 10)
    assert "at least 2" in str(arm_test(np.array([1.0]), np.zeros(5), seed=0, level=0.95).reason)


@pytest.mark.slow
def test_the_donor_test_holds_its_level_when_donors_are_shared() -> None:
    """Subjects and donors have levels of their own, three subjects share each donor, nothing engrafts."""
    generator = np.random.default_rng(11)
    column = np.repeat(np.arange(4), 3)
    n_trials, p, covered = 300, [], 0
    for seed in range(n_trials):
        values = generator.normal(0, 1, (12, 4)) + generator.normal(0, 2, (12, 1))
        found = permuted(values + generator.normal(0, 2, (1, 4)), column, seed=seed)
        p.append(found.p)
    rejected = sum(value <= 0.05 for value in p if value is not None)
    assert len([v for v in p if v is not None]) == n_trials
    # Binomial(300, .05): mean 15, four standard errors 15.
    assert rejected <= 15 + 4 * math.sqrt(300 * 0.05 * 0.95)
    assert np.mean([v for v in p if v is not None]) == pytest.approx(0.5, abs=4 * math.sqrt(1 / 12 / 300))
    for _ in range(n_trials):
        own_values = generator.normal(0, 1, (10, 10)) + np.diag([0.7] * 10)
        found = permuted(own_values)
        assert found.lower is not None
        assert found.upper is not None
        covered += found.lower <= 0.7 <= found.upper
    assert covered / n_trials == pytest.approx(0.95, abs=4 * math.sqrt(0.05 * 0.95 / n_trials))


def course_study(
    samples: list[tuple[str, str, int | None, str, str]],
    *,
    sessions: list[tuple[str, str, int, str]],
    arms: dict[str, str],
    runs: dict[str, str] | None = None,
) -> Study:
    """Samples as (id, owner, day, timepoint, taxa), sessions as (patient, course, day, donor)."""
    donors = sorted({d for *_, d in sessions} | {o for _, o, *_ in samples if o.startswith("D")})
    frames = {
        "patients": pl.DataFrame([{"patient_id": p, "arm": a, "index_day": 0} for p, a in arms.items()]),
        "sessions": pl.DataFrame(
            [
                {"session_id": f"s{i}", "patient_id": p, "course_id": c, "administered_day": d}
                for i, (p, c, d, _) in enumerate(sessions)
            ]
        ),
        "session_units": pl.DataFrame(
            [{"session_id": f"s{i}", "unit_id": f"u{i}"} for i in range(len(sessions))]
        ),
        "units": pl.DataFrame(
            [{"unit_id": f"u{i}", "release_pathway": "historical"} for i in range(len(sessions))]
        ),
        "unit_donors": pl.DataFrame([{"unit_id": f"u{i}", "donor_id": s[3]} for i, s in enumerate(sessions)]),
        "donors": pl.DataFrame([{"donor_id": d, "kind": "universal"} for d in donors]),
        "samples": pl.DataFrame(
            [
                {
                    "sample_id": s,
                    "patient_id": None if o.startswith("D") else o,
                    "donor_id": o if o.startswith("D") else None,
                    "collected_day": day,
                    "timepoint": word,
                    "run_id": (runs or {}).get(s),
                }
                for s, o, day, word, _ in samples
            ],
            schema_overrides={"donor_id": pl.String, "patient_id": pl.String, "run_id": pl.String},
        ),
        "abundances": pl.DataFrame(
            [{"sample_id": s, "taxon_id": t, "count": 1000} for s, *_, taxa in samples for t in taxa]
        ),
    }
    if runs:
        regions = [{"run_id": r, "assay": "16s", "region": r} for r in sorted(set(runs.values()))]
        frames["sequencing_runs"] = pl.DataFrame(regions)
    return study_of(frames, manifest=Manifest(origin="test", clock="patient"))


TWO_COURSES = [
    ("pre", "P", -5, "pre", "ab"),
    ("one", "P", 14, "post 1", "abc"),
    ("two", "P", 60, "post 2", "abcde"),
    ("three", "P", 90, "post 3", "abe"),
    ("d", "D1", None, "donor", "cde"),
    ("x", "D2", None, "donor", "axy"),
]
SESSIONS = [("P", "c1", 0, "D1"), ("P", "c2", 30, "D1")]


def value(table: pl.DataFrame, sample: str, measure: str) -> tuple[float | None, str | None]:
    row = table.row(by_predicate=(pl.col("sample_id") == sample) & (pl.col("measure") == measure), named=True)
    return row["value"], row["reason"]


def test_repeated_courses_and_persistence() -> None:
    table = engraft(course_study(TWO_COURSES, sessions=SESSIONS, arms={"P": "fmt"}))["engraftment"]
    assert value(table, "one", "peds_gained")[0] == pytest.approx(1 / 3)
    assert value(table, "two", "peds_gained")[0] == 1
    # Since the second course: the last sample before it had c already.
    assert value(table, "two", "peds_gained_latest_course")[0] == 1
    assert value(table, "three", "peds_gained_latest_course")[0] == pytest.approx(1 / 2)
    assert value(table, "three", "pprs_latest_course")[0] == pytest.approx(2 / 3)
    late = table.filter(pl.col("measure") == "peds_gained_latest_course")
    assert late["sample_id"].to_list() == ["two", "three"]
    assert value(table, "one", "gained_still_there") == (None, "the first sample after the transplant")
    assert value(table, "two", "gained_still_there")[0] == 1
    assert value(table, "three", "gained_still_there")[0] == 0
    assert value(table, "two", "taxa_gained_from_donor")[0] == 3


def test_the_null_is_the_donor_never_received() -> None:
    table = engraft(course_study(TWO_COURSES, sessions=SESSIONS, arms={"P": "fmt"}))["engraftment"]
    row = table.filter((pl.col("sample_id") == "two") & (pl.col("measure") == "peds")).to_dicts()[0]
    assert (row["value"], row["null_mean"], row["n_null"], row["p"]) == (1, pytest.approx(1 / 3), 1, 0.5)
    received = [*SESSIONS, ("P", "c2", 31, "D2")]
    table = engraft(course_study(TWO_COURSES, sessions=received, arms={"P": "fmt"}))["engraftment"]
    row = table.filter((pl.col("sample_id") == "one") & (pl.col("measure") == "peds")).to_dicts()[0]
    assert (row["donor_id"], row["null_mean"], row["n_null"], row["p"]) == ("D1", None, None, None)


def test_comparators_are_the_null_where_all_had_one_donor() -> None:
    samples = [*TWO_COURSES[:5], ("c", "C", 40, "post", "abd"), ("c0", "C", -4, "pre", "ab")]
    table = engraft(course_study(samples, sessions=SESSIONS, arms={"P": "fmt", "C": "placebo"}))
    row = (
        table["engraftment"]
        .filter((pl.col("sample_id") == "two") & (pl.col("measure") == "peds_gained"))
        .to_dicts()[0]
    )
    assert (row["null_mean"], row["n_null"], row["p"]) == (pytest.approx(1 / 3), 1, 0.5)
    assert "comparator" in row["method"]
    assert value(table["engraftment"], "c", "peds")[1] == "no donor: comparator patient"
    assert value(table["engraftment"], "c", "peds_to_all_donors")[0] == pytest.approx(1 / 3)
    tests = table["engraftment_tests"]
    assert tests.filter(pl.col("estimate").is_null() & pl.col("reason").is_null()).is_empty()


def test_another_region_is_refused_in_words() -> None:
    runs = {"pre": "V4", "one": "V4", "two": "V4", "three": "V4", "d": "V3", "x": "V4"}
    table = engraft(course_study(TWO_COURSES, sessions=SESSIONS, arms={"P": "fmt"}, runs=runs))
    found, reason = value(table["engraftment"], "two", "peds")
    assert found is None
    assert reason == "not comparable: another 16S region (V4 and V3)"
    assert value(table["engraftment"], "two", "pprs")[0] == 1
    assert table["taxon_outcomes"]["reason"].to_list() == [
        "no recipient has both a profile and a donor's profile"
    ]


def test_fates_are_listed_of_last_samples_alone_when_there_are_too_many_and_it_is_said() -> None:
    study = course_study(TWO_COURSES, sessions=SESSIONS, arms={"P": "fmt"})
    full, cut = engraft(study), engraft(study, most_fates=6)
    assert set(full["taxon_fates"]["sample_id"]) == {"one", "two", "three"}
    assert set(cut["taxon_fates"]["sample_id"]) == {"three"}
    assert "not listed one by one" in str(value(cut["engraftment"], "one", "taxa_lost")[1])
    assert value(cut["engraftment"], "three", "taxa_lost")[1] is None
    listed = full["taxon_fates"].filter(pl.col("sample_id") == "three")
    assert dict(listed.select("taxon_id", "fate").iter_rows()) == {
        "a": "persisted",
        "b": "persisted",
        "c": "donor_not_engrafted",
        "d": "donor_not_engrafted",
        "e": "gained_from_donor",
    }
    assert listed["proportion"].sum() == pytest.approx(1)
