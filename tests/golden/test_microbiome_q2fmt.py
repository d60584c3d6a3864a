"""The exact vectors of q2-fmt's own tests (qiime2/q2-fmt 9a27849, BSD-3-Clause, test_engraftment.py)."""

from __future__ import annotations

import numpy as np
import pytest

from commensal.microbiome.engraftment.mismatch import mismatch_test
from commensal.microbiome.engraftment.overlap import peds, peds_feature, pprs
from commensal.microbiome.pairs import baseline_rows, mismatched_pairs, pairs_within


def test_peds_of_samples() -> None:
    samples = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 1], [1, 1, 1]])
    donors = {"donor1": [1, 1, 1], "donor2": [1, 1, 1]}
    references = ["donor1", "donor1", "donor1", "donor2"]
    share = peds(samples, np.array([donors[d] for d in references]))
    assert share.value == pytest.approx([0, 1 / 3, 1, 1])
    assert share.n.tolist() == [3, 3, 3, 3]


def test_peds_of_features_drops_what_no_donor_had() -> None:
    samples = np.array([[0, 0, 0], [0, 1, 0], [1, 1, 1]])
    share = peds_feature(samples, np.array([[1, 1, 0]] * 3))
    assert share.value[:2] == pytest.approx([1 / 3, 2 / 3])
    assert share.is_known.tolist() == [True, True, False]


def test_pprs() -> None:
    table = np.array([[1, 0, 1, 0, 0, 0], [0, 0, 1, 1, 0, 1]]).T
    rows = baseline_rows(["sub1"] * 3 + ["sub2"] * 3, [1, 2, 3, 1, 2, 3], baseline=1)
    assert rows == [None, 0, 0, None, 3, 3]
    later = [1, 2, 4, 5]
    share = pprs(table[later], table[[rows[i] for i in later]])
    assert share.n_events.tolist() == [0, 1, 0, 1]
    assert share.n.tolist() == [1, 1, 1, 1]


def test_pprs_with_dropped_time_points() -> None:
    table = np.array([[1, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]]).T
    subjects = ["sub1", "sub1", "sub2", "sub2", "sub1", "sub2"]
    rows = baseline_rows(subjects, [1, 2, 2, 3, 0, 0], baseline=0)
    assert rows == [4, 4, 5, 5, None, None]
    share = pprs(table[[1, 2]], table[[rows[1], rows[2]]])
    assert share.n_events.tolist() == [1, 3]
    assert share.n.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("value", "mismatched", "n_at_least", "p"),
    [
        (1.0, [0.0] * 10, 0, 1 / 11),
        (0.0, [1.0] * 10, 10, 1.0),
        (0.5, [0.5] * 10, 10, 1.0),
        (0.5, [0.5] * 5 + [1.0] * 5, 10, 1.0),
        (0.5, [0.5] * 5 + [0.0] * 5, 5, 6 / 11),
    ],
)
def test_monte_carlo_p(value: float, mismatched: list[float], n_at_least: int, p: float) -> None:
    test = mismatch_test(np.array([value]), np.array(mismatched))
    assert test.n_at_least.tolist() == [n_at_least]
    assert test.p == pytest.approx([p])
    assert test.q == pytest.approx([p])
    assert test.statistic.tolist() == [10 - n_at_least]


def test_mismatched_pairs() -> None:
    assert mismatched_pairs(["d1", "d2", "d3"]) == [
        (0, "d2"),
        (0, "d3"),
        (1, "d1"),
        (1, "d3"),
        (2, "d1"),
        (2, "d2"),
    ]


NAMES = ["A", "B", "C", "D", "E", "donor1", "donor2", "donor3"]
DISTANCES = {
    ("A", "donor1"): 0.45,
    ("B", "donor1"): 0.40,
    ("C", "donor2"): 0.28,
    ("D", "donor3"): 0.78,
    ("E", "donor2"): 0.66,
    ("donor1", "donor2"): 0.24,
    ("donor1", "donor3"): 0.41,
    ("donor2", "donor3"): 0.74,
    ("B", "C"): 0.37,
    ("B", "D"): 0.44,
    ("C", "D"): 0.31,
    ("A", "C"): 0.52,
    ("A", "D"): 0.51,
    ("B", "E"): 0.36,
    ("A", "B"): 0.48,
}


def distance(first: str, second: str) -> float:
    return DISTANCES[(first, second) if (first, second) in DISTANCES else (second, first)]


def between(pairs: list[tuple[int, int]], names: list[str]) -> list[float]:
    return [distance(names[i], names[j]) for i, j in pairs]


def test_distance_to_donor_with_references_and_controls() -> None:
    donor_of = ["donor1", "donor1", "donor2", "donor3", "donor2"]
    to_donor = [distance(name, donor) for name, donor in zip(NAMES, donor_of, strict=False)]
    assert to_donor == [0.45, 0.40, 0.28, 0.78, 0.66]
    donors = sorted(set(donor_of))
    assert between(pairs_within(["reference"] * 3), donors) == [0.24, 0.41, 0.74]
    controls = pairs_within([None, "control1", "control1", "control1", None])
    assert between(controls, NAMES) == [0.37, 0.44, 0.31]


def test_distance_to_baseline() -> None:
    subjects = ["subject1", "subject2", "subject1", "subject1", "subject2"]
    rows = baseline_rows(subjects, [7, 7, 9, 11, 11], baseline=7)
    found = {NAMES[i]: distance(NAMES[i], NAMES[j]) for i, j in enumerate(rows) if j is not None}
    assert found == {"C": 0.52, "D": 0.51, "E": 0.36}
    baselines = [NAMES[i] for i, j in enumerate(rows) if j is None]
    assert between(pairs_within(["reference"] * 2), baselines) == [0.48]


def test_alpha_to_donor() -> None:
    alpha = dict(zip("ABCDEFG", [24, 37, 15, 6, 44, 17, 29], strict=True))
    donors = {"donor1": 32, "donor2": 51, "donor3": 3, "donor4": 19}
    donor_of = ["donor1", "donor1", "donor2", "donor4", "donor2", "donor3", "donor3"]
    assert [donors[d] for d in dict.fromkeys(donor_of)] == [32, 51, 19, 3]
    minus = [alpha[s] - donors[d] for s, d in zip("ABCDEFG", donor_of, strict=True)]
    assert minus == [-8, 5, -36, -13, -7, 14, 26]
    controls = pairs_within([None, None, "control1", "control1", "control2", "control2", None])
    assert [("ABCDEFG"[i], "ABCDEFG"[j]) for i, j in controls] == [("C", "D"), ("E", "F")]
