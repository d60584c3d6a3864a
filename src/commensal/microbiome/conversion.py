"""Abundances to and from AnnData and scikit-bio, exactly, and nothing taken for what it is not.

A table from elsewhere does not say whether it holds reads, shares or percentages. Whoever brings it says
so with ``is_counts``; what contradicts this is refused, and nothing is scaled to make it fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy import sparse

from commensal.errors import InputError
from commensal.microbiome.abundance import SUM_TOLERANCE, Abundance, Matrix
from commensal.study import Study

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from skbio import Table


def to_anndata(abundance: Abundance, study: Study | None = None) -> AnnData:
    """Return an AnnData: samples as observations, taxa as variables, a sparse ``X`` of floats.

    With a study, ``obs`` and ``var`` carry its tables ``samples`` and ``taxa`` (dates as ISO text); a
    sample or taxon that these do not list has empty cells there. ``uns["is_counts"]`` says what X holds.
    """
    from anndata import AnnData

    samples = study.read("samples") if study else pl.DataFrame({"sample_id": abundance.sample_ids})
    taxa = study.read("taxa") if study else pl.DataFrame({"taxon_id": abundance.taxon_ids})
    return AnnData(
        X=sparse.csr_matrix(abundance.values, dtype=float),
        obs=_described(abundance.sample_ids, samples, key="sample_id"),
        var=_described(abundance.taxon_ids, taxa, key="taxon_id"),
        uns={"is_counts": abundance.is_counts},
    )


def _described(ids: Sequence[str], table: pl.DataFrame, *, key: str) -> pd.DataFrame:
    """Return a pandas table of ``ids`` with what is known of each; columns that are empty are left out."""
    import pandas as pd

    rows = pl.DataFrame({key: pl.Series(ids, dtype=pl.String)}).join(table, on=key, how="left")
    known = [c for c in rows.columns if c != key and rows[c].null_count() < rows.height]
    columns = {c: pd.Series(_portable(rows[c]), index=list(ids)) for c in known}
    return pd.DataFrame(columns, index=pd.Index(list(ids), dtype=object))


def _portable(values: pl.Series) -> np.ndarray:
    """Return a column as AnnData can write it: numbers as floats (missing is NaN there), all else as text."""
    if values.dtype.is_numeric():
        return values.cast(pl.Float64).to_numpy()
    return values.cast(pl.String).fill_null("").to_numpy().astype(object)


def from_anndata(adata: AnnData, *, is_counts: bool) -> Abundance:
    """Return the abundances in ``adata.X``; ``is_counts`` says whether these are reads or proportions.

    Refuses (InputError) a missing X, repeated names, values that are negative or not a number,
    reads that are not whole, percentages and proportions that sum to more than one; what
    :func:`to_anndata` marked as the other kind.
    """
    if adata.X is None:
        raise InputError("the AnnData holds no X", expected="samples × taxa in X")
    marked = adata.uns.get("is_counts")
    if marked is not None and bool(marked) != is_counts:
        raise InputError(
            f"the AnnData is marked is_counts = {bool(marked)}", expected=f"is_counts = {is_counts}"
        )
    values = adata.to_memory().X if adata.isbacked else adata.X
    return abundance_from(
        values, sample_ids=list(adata.obs_names), taxon_ids=list(adata.var_names), is_counts=is_counts
    )


def to_skbio(abundance: Abundance) -> Table:
    """Return a scikit-bio ``Table`` (a BIOM table): taxa as rows, samples as columns."""
    from skbio import Table

    return Table(
        sparse.csr_matrix(abundance.values.T, dtype=float),
        list(abundance.taxon_ids),
        list(abundance.sample_ids),
    )


def from_skbio(table: Table, *, is_counts: bool) -> Abundance:
    """Return the abundances of a scikit-bio ``Table`` (BIOM): taxa as rows, samples as columns.

    Refuses what :func:`from_anndata` refuses.
    """
    return abundance_from(
        sparse.csr_array(table.matrix_data).T,
        sample_ids=[str(s) for s in table.ids(axis="sample")],
        taxon_ids=[str(t) for t in table.ids(axis="observation")],
        is_counts=is_counts,
    )


def abundance_from(
    values: Any, *, sample_ids: Sequence[str], taxon_ids: Sequence[str], is_counts: bool
) -> Abundance:
    """Return abundances from an array, dense or SciPy sparse, of shape (samples, taxa).

    Zeros and cells that are not stored are taxa not seen. Refuses what :func:`from_anndata` refuses.
    """
    for name, ids in (("sample", sample_ids), ("taxon", taxon_ids)):
        _check_ids(name, ids)
    matrix: Matrix = sparse.csr_array(values, dtype=float, copy=True)
    matrix.sum_duplicates()
    _check_values(matrix, sample_ids, taxon_ids)
    matrix.eliminate_zeros()
    _check_no_percentages(matrix, sample_ids, is_counts=is_counts)
    return Abundance(matrix, tuple(sample_ids), tuple(taxon_ids), is_counts)


def _check_ids(name: str, ids: Sequence[str]) -> None:
    if unnamed := sum(not (isinstance(i, str) and i.strip()) for i in ids):
        raise InputError(f"{unnamed} of {len(ids)} ids of a {name} are no text", expected="a name for each")
    seen = set()
    for i in ids:
        if i in seen:
            raise InputError(
                f"{name} {i!r} stands twice", expected=f"each {name} once", do="give each its own id"
            )
        seen.add(i)


def _check_values(matrix: Matrix, sample_ids: Sequence[str], taxon_ids: Sequence[str]) -> None:
    bad = np.flatnonzero(~np.isfinite(matrix.data) | (matrix.data < 0))
    if bad.size and matrix.shape == (len(sample_ids), len(taxon_ids)):
        row = int(np.searchsorted(matrix.indptr, bad[0], side="right")) - 1
        where = f"sample {sample_ids[row]!r}, taxon {taxon_ids[int(matrix.indices[bad[0]])]!r}"
        raise InputError(
            f"{bad.size} abundances are below zero or no number: first {matrix.data[bad[0]]:g} in {where}",
            expected="numbers from 0 up; a missing value is not a zero",
        )


def _check_no_percentages(matrix: Matrix, sample_ids: Sequence[str], *, is_counts: bool) -> None:
    """Percentages are told by their sums; whole ones that were declared as reads are believed."""
    sums = np.asarray(matrix.sum(axis=1)).ravel()
    filled = sums[sums > 0]
    if is_counts and (matrix.data == np.round(matrix.data)).all():
        return
    if filled.size and (np.abs(filled - 100) <= 100 * SUM_TOLERANCE).all():
        raise InputError(
            f"each sample sums to 100 ({sample_ids[int(sums.argmax())]!r} to {sums.max():g}): percentages",
            expected="counts or shares of one",
            do="divide by 100 and give is_counts=False",
        )
