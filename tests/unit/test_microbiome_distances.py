"""Distances of all pairs: what is refused, and which samples are compared at all."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.microbiome.conversion import abundance_from
from commensal.microbiome.diversity.distances import distance_matrix, study_distances
from commensal.study import Manifest, Study, study_of

THREE = abundance_from(
    np.array([[1, 1, 0], [0, 2, 2], [1, 1, 0]]),
    sample_ids=["a", "b", "c"],
    taxon_ids=["t", "u", "v"],
    is_counts=True,
)


def two_settings(*, region: str | None) -> Study:
    runs = {"run_id": ["r1", "r2"], "assay": ["16s"] * 2, "region": ["V4", region]}
    return study_of(
        {
            "sequencing_runs": pl.DataFrame(runs),
            "samples": pl.DataFrame({"sample_id": ["a", "b", "c"], "run_id": ["r1", "r1", "r2"]}),
            "abundances": pl.DataFrame(
                {"sample_id": ["a", "b", "c"], "taxon_id": ["t", "u", "t"], "count": [3, 4, 5]}
            ),
        },
        manifest=Manifest(origin="test"),
    )


@pytest.mark.slow
def test_by_hand() -> None:
    def between(distance: str) -> float:
        found = distance_matrix(THREE, distance=distance)
        assert found.sample_ids == ("a", "b", "c")
        assert found.values[0, 2] == 0
        return float(found.values[0, 1])

    assert between("bray_curtis") == pytest.approx(0.5)
    assert between("jaccard") == pytest.approx(2 / 3)
    assert between("hellinger") == pytest.approx(1.0)
    logs = np.log(np.array([1.5, 1.5, 0.5]) / np.array([0.5, 2.5, 2.5]))
    assert between("aitchison") == pytest.approx(np.sqrt(((logs - logs.mean()) ** 2).sum()))


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="'braycurtis' is no distance"):
        distance_matrix(THREE, distance="braycurtis")
    with pytest.raises(InputError, match="needs the tree"):
        distance_matrix(THREE, distance="unweighted_unifrac")
    shares = abundance_from(np.eye(2), sample_ids=["a", "b"], taxon_ids=["t", "u"], is_counts=False)
    with pytest.raises(RefusedError, match="half a read"):
        distance_matrix(shares, distance="aitchison")
    empty = abundance_from(
        np.array([[1, 0], [0, 0]]), sample_ids=["a", "b"], taxon_ids=["t", "u"], is_counts=True
    )
    with pytest.raises(RefusedError, match="'b' among them: their distances are unknown"):
        distance_matrix(empty, distance="bray_curtis")


@pytest.mark.slow
def test_samples_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"another 16S region \(V4 and V3-V4\)"):
        study_distances(two_settings(region="V3-V4"))
    assert study_distances(two_settings(region="V3-V4"), samples=["a", "b"]).values[0, 1] == 1
    assert study_distances(two_settings(region=None)).values[0, 2] == 0
    with pytest.raises(InputError, match="'z' has no abundances"):
        study_distances(two_settings(region=None), samples=["a", "z"])


@pytest.mark.slow
def test_more_samples_than_a_square_can_hold_are_refused() -> None:
    many = abundance_from(
        np.ones((10_001, 1)), sample_ids=[str(i) for i in range(10_001)], taxon_ids=["t"], is_counts=True
    )
    with pytest.raises(RefusedError, match="10,001 samples"):
        distance_matrix(many, distance="bray_curtis")
