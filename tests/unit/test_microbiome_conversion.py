"""AnnData and scikit-bio: what is carried along, and what is refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from commensal.errors import InputError
from commensal.microbiome.abundance import abundance_of
from commensal.microbiome.conversion import abundance_from, from_anndata, from_skbio, to_anndata, to_skbio
from commensal.study import Manifest, Study, study_of


def small_study() -> Study:
    return study_of(
        {
            "samples": pl.DataFrame(
                {"sample_id": ["a", "b"], "patient_id": ["P1", None], "donor_id": [None, "D1"]}
            ).with_columns(collected_on=pl.lit(dt.date(2024, 5, 1)), n_reads=pl.Series([6, None])),
            "taxa": pl.DataFrame({"taxon_id": ["t", "u"], "rank": "genus", "genus": ["T", None]}),
            "abundances": pl.DataFrame(
                {"sample_id": ["a", "a", "b"], "taxon_id": ["t", "u", "v"], "count": [4, 2, 9]}
            ),
        },
        manifest=Manifest(origin="test"),
    )


@pytest.mark.slow
def test_anndata_carries_what_the_study_knows(tmp_path: Path) -> None:
    import anndata

    study = small_study()
    made = to_anndata(abundance_of(study), study)
    assert made.shape == (2, 3)
    assert made.obs["patient_id"].tolist() == ["P1", ""]
    assert made.obs["collected_on"].tolist() == ["2024-05-01"] * 2
    assert made.obs["n_reads"].isna().tolist() == [False, True]
    assert made.var["genus"].tolist() == ["T", "", ""]
    assert "batch_id" not in made.obs
    made.write_h5ad(tmp_path / "study.h5ad")
    again = from_anndata(anndata.read_h5ad(tmp_path / "study.h5ad"), is_counts=True)
    assert (again.values != abundance_of(study).values).nnz == 0
    with pytest.raises(InputError, match="marked is_counts = True"):
        from_anndata(made, is_counts=False)


@pytest.mark.slow
def test_an_anndata_without_x_or_with_names_twice_is_refused() -> None:
    from anndata import AnnData

    with pytest.raises(InputError, match="no X"):
        from_anndata(AnnData(shape=(2, 2)), is_counts=True)
    twice = AnnData(np.eye(2))
    twice.obs_names = ["a", "a"]
    with pytest.raises(InputError, match="sample 'a' stands twice"):
        from_anndata(twice, is_counts=True)


@pytest.mark.slow
def test_a_table_has_taxa_as_rows() -> None:
    table = to_skbio(abundance_of(small_study()))
    assert table.shape == (3, 2)
    assert table.get_value_by_ids("v", "b") == 9
    assert from_skbio(table, is_counts=True).sample_ids == ("a", "b")


@pytest.mark.parametrize(
    ("values", "is_counts", "message"),
    [
        ([[60.0, 40.0], [99.5, 0.5]], False, "percentages"),
        ([[60.5, 39.5], [99.5, 0.5]], True, "percentages"),
        ([[60, 40], [100, 0]], False, "percentages"),
        ([[0.6, 0.6], [0.5, 0.5]], False, "proportions of sample 'a' sum to 1.2"),
        ([[3, 1], [2, 0.5]], True, "not a whole number"),
        ([[3, -1], [2, 1]], True, "first -1 in sample 'a', taxon 'u'"),
        ([[3, 1], [2, np.nan]], True, "first nan in sample 'b', taxon 'u'"),
        ([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]], False, "shape"),
    ],
)
def test_what_is_refused(values: list, is_counts: bool, message: str) -> None:
    for form in (np.array(values, dtype=float), sparse.coo_matrix(np.array(values, dtype=float))):
        with pytest.raises(InputError, match=message):
            abundance_from(form, sample_ids=["a", "b"], taxon_ids=["t", "u"], is_counts=is_counts)


def test_ids_are_names_given_once() -> None:
    with pytest.raises(InputError, match="taxon 't' stands twice"):
        abundance_from(np.eye(2), sample_ids=["a", "b"], taxon_ids=["t", "t"], is_counts=True)
    with pytest.raises(InputError, match="1 of 2 ids of a sample are no text"):
        abundance_from(np.eye(2), sample_ids=["a", " "], taxon_ids=["t", "u"], is_counts=True)


def test_whole_reads_of_a_hundred_are_believed_and_empty_samples_stay() -> None:
    made = abundance_from(
        np.array([[60, 40], [0, 0]]), sample_ids=["a", "b"], taxon_ids=["t", "u"], is_counts=True
    )
    assert made.totals.tolist() == [100, 0]
    assert made.values.nnz == 2
