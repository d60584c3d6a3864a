"""Ordination: every sample has a row, comparable samples share a plane, order changes nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from commensal.errors import InputError, RefusedError
from commensal.microbiome.diversity import ordination
from commensal.microbiome.diversity.distances import Distances
from commensal.microbiome.diversity.ordination import ordinate, principal_coordinates
from commensal.study import RESULTS, Manifest, Study, study_of

pytestmark = pytest.mark.slow


def square(points: np.ndarray) -> Distances:
    apart = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    return Distances(apart, tuple(f"s{i:04d}" for i in range(len(points))), "test")


def shuffled(distances: Distances, *, seed: int) -> tuple[Distances, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(distances.sample_ids))
    ids = tuple(distances.sample_ids[i] for i in order)
    return Distances(distances.values[np.ix_(order, order)], ids, "test"), order


def test_points_in_a_plane_come_back() -> None:
    points = np.random.default_rng(1).normal(size=(12, 2)) * [3, 1]
    plane = principal_coordinates(square(points))
    assert square(plane.axes).values == pytest.approx(square(points).values)
    assert plane.explained is not None
    assert sum(plane.explained) == pytest.approx(1)
    assert plane.explained[0] > plane.explained[1]


def test_it_agrees_with_scikit_bio() -> None:
    from skbio import DistanceMatrix
    from skbio.stats.ordination import pcoa

    points = np.random.default_rng(2).normal(size=(15, 6)) * [4, 3, 2, 1, 1, 1]
    found = principal_coordinates(square(points))
    theirs = pcoa(DistanceMatrix(square(points).values), dimensions=15, warn_neg_eigval=False)
    assert np.abs(found.axes) == pytest.approx(np.abs(theirs.samples.iloc[:, :2].to_numpy()))
    assert found.explained == pytest.approx(theirs.proportion_explained.iloc[:2].tolist())


@pytest.mark.parametrize("all_axes_up_to", [2_000, 10])
def test_the_order_of_samples_changes_nothing(monkeypatch: pytest.MonkeyPatch, all_axes_up_to: int) -> None:
    monkeypatch.setattr(ordination, "ALL_AXES_UP_TO", all_axes_up_to)
    first = square(np.random.default_rng(3).normal(size=(40, 5)))
    second, order = shuffled(first, seed=4)
    one, other = principal_coordinates(first), principal_coordinates(second)
    assert np.array_equal(one.axes[order], other.axes)
    assert one.explained == other.explained
    farthest = np.abs(one.axes).argmax(axis=0)
    assert (one.axes[farthest, [0, 1]] > 0).all()


def test_two_axes_by_iteration_are_those_of_all_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    distances = square(np.random.default_rng(5).normal(size=(60, 8)) * np.arange(8, 0, -1))
    exact = principal_coordinates(distances)
    monkeypatch.setattr(ordination, "ALL_AXES_UP_TO", 10)
    short = principal_coordinates(distances)
    assert short.axes == pytest.approx(exact.axes, abs=1e-8)
    assert short.explained == pytest.approx(exact.explained)
    assert short.is_bound
    assert not exact.is_bound


def test_too_few_and_all_alike() -> None:
    with pytest.raises(RefusedError, match="2 samples"):
        principal_coordinates(square(np.eye(2)))
    assert principal_coordinates(square(np.ones((4, 2)))).explained is None


def mixed_study() -> Study:
    """Two 16S regions, a shotgun sample, controls, a sample without profile; patients and donors."""
    runs = [("r1", "16s", "V4"), ("r2", "16s", "V3-V4"), ("r3", "shotgun", None), ("r4", "16s", "V4")]
    samples = [(f"a{i}", "P1", None, None, "r1", None) for i in range(4)]
    samples += [(f"b{i}", None, "D1", None, "r2", None) for i in range(3)]
    samples += [("c0", "P1", None, None, "r3", None), ("a9", None, None, "B1", "r4", None)]
    samples += [("n0", None, None, None, "r1", "negative"), ("x0", "P1", None, None, "r1", None)]
    rows = [s[0] for s in samples if s[0] != "x0"]
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 50, size=(len(rows), 5))
    row, taxon = np.nonzero(counts)
    names = ["sample_id", "patient_id", "donor_id", "batch_id", "run_id", "control"]
    return study_of(
        {
            "sequencing_runs": pl.DataFrame(runs, schema=["run_id", "assay", "region"], orient="row"),
            "samples": pl.DataFrame(samples, schema=dict.fromkeys(names, pl.String), orient="row"),
            "abundances": pl.DataFrame(
                {
                    "sample_id": [rows[i] for i in row],
                    "taxon_id": [f"t{i}" for i in taxon],
                    "count": counts[row, taxon],
                }
            ),
        },
        manifest=Manifest(origin="test"),
    )


def test_every_sample_has_a_row_and_each_setting_a_plane() -> None:
    table = ordinate(mixed_study(), distance="jaccard")
    assert table.height == 11
    table = ordinate(mixed_study())
    assert table.schema == pl.Schema(RESULTS["ordination"].schema)
    assert table["sample_id"].to_list() == sorted(mixed_study().read("samples")["sample_id"])
    rows = {r["sample_id"]: r for r in table.iter_rows(named=True)}
    assert {s for s, r in rows.items() if r["axis_1"] is not None} == {
        *("a0", "a1", "a2", "a3", "a9"),
        *("b0", "b1", "b2"),
    }
    assert rows["a0"]["setting"] == "16s, V4"
    assert rows["b0"]["setting"] == "16s, V3-V4"
    assert rows["a0"]["reason"] == "samples of 2 sequencing runs are drawn together"
    assert rows["b0"]["reason"] is None
    assert rows["c0"]["reason"] == ordination.TOO_FEW
    assert rows["x0"]["reason"] == ordination.NO_PROFILE
    assert rows["n0"]["reason"] == ordination.CONTROL.format("negative")
    assert (rows["b0"]["donor_id"], rows["a9"]["donor_id"], rows["a0"]["subject_id"]) == ("D1", "B1", "P1")
    for setting in ("16s, V4", "16s, V3-V4"):
        drawn = table.filter(pl.col("setting") == setting, pl.col("axis_1").is_not_null())
        assert drawn["axis_1"].sum() == pytest.approx(0, abs=1e-9)


def test_strangers_of_another_setting_move_no_sample() -> None:
    study = mixed_study()
    whole = ordinate(study).filter(pl.col("setting") == "16s, V3-V4")
    alone = ordinate(study, samples=["b0", "b1", "b2"])
    assert whole.equals(alone)


def test_what_is_refused() -> None:
    study = mixed_study()
    with pytest.raises(InputError, match="'bray' is no distance"):
        ordinate(study, distance="bray")
    with pytest.raises(InputError, match="'zz' is no sample"):
        ordinate(study, samples=["zz"])
    with pytest.raises(RefusedError, match="keeps no tree"):
        ordinate(study, distance="unweighted_unifrac")


def test_shares_that_do_not_add_up_are_told_and_a_study_without_samples_has_no_rows() -> None:
    rows = {
        "sample_id": ["a", "a", "b", "c"],
        "taxon_id": ["t", "u", "t", "u"],
        "proportion": [0.5, 0.2, 1, 1],
    }
    samples = pl.DataFrame({"sample_id": ["a", "b", "c"]})
    study = study_of({"samples": samples, "abundances": pl.DataFrame(rows)}, manifest=Manifest(origin="test"))
    found = ordinate(study)
    assert found["reason"].to_list()[1:] == [None, None]
    assert "only 70%" in found["reason"][0]
    assert ordinate(study_of({}, manifest=Manifest(origin="test"))).height == 0
