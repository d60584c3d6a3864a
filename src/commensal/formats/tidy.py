"""The tidy layout: a folder with abundance.tsv, metadata.tsv and, where known, taxonomy.tsv and a tree.

Features are rows and samples columns of abundance.tsv; metadata.tsv has one row for each sample. What
the columns mean is read from their names, the same for every study.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from commensal.errors import Problem
from commensal.formats.abundance import Matrix, read_matrix
from commensal.formats.faults import collecting
from commensal.formats.feature_tables import checked_options
from commensal.formats.files import kept_sources
from commensal.formats.imported import Draft, Imported, folder_of
from commensal.formats.samestr import COMPETITION, add_strains
from commensal.formats.sheets import Sheet, read_sheet
from commensal.formats.taxonomy import COLUMNS, read_taxonomy
from commensal.study import Manifest
from commensal.vocabulary.codes import plain


def read_tidy(source: Path, *, mapping: Mapping[str, Any] | None = None) -> Imported:
    """Read a folder in the tidy layout.

    ``mapping`` may say ``abundance`` (counts, proportions, percent, coverage) where the values alone do
    not, and ``assay``. Where the folder holds SameStr's competition table, its abundance table is not
    imported: it lists only species with strain evidence, in samples made up for the purpose.

    Refuses
        ``ProblemsFoundError`` with every fault of every file.
    """
    folder = folder_of(source)
    options = checked_options(mapping)
    draft = Draft(folder.name)
    sheet = _metadata(folder, draft)
    has_strains = (folder / COMPETITION).is_file()
    if has_strains:
        add_strains(draft, folder / COMPETITION, sheet=sheet)
        assay = "strain_calls"
    else:
        assay = _add_abundances(folder, draft, sheet, options.get("abundance"))
    draft.add_run(assay=options.get("assay") or assay)
    kept, notes = kept_sources(folder, without=() if has_strains else ("abundance.tsv",))
    draft.sources |= kept
    draft.notes += notes
    return draft.finish(Manifest(origin=f"tidy folder {folder.name}", clock="patient"))


def _metadata(folder: Path, draft: Draft) -> Sheet | None:
    with collecting(draft.problems, "metadata.tsv"):
        return draft.add_people(read_sheet(folder / "metadata.tsv", problems=draft.problems))
    return None


def _add_abundances(folder: Path, draft: Draft, sheet: Sheet | None, declared: str | None) -> str | None:
    matrix: Matrix | None = None
    with collecting(draft.problems, "abundance.tsv"):
        matrix = read_matrix(folder / "abundance.tsv", problems=draft.problems)
    lineages, sequences = _taxonomy(folder, draft)
    if matrix is None:
        return None
    if plain(matrix.id_column) in COLUMNS["lineage"]:
        lineages = {taxon: taxon for taxon in matrix.taxon_ids}
    elif lineages:
        _check_taxonomy(matrix, lineages, draft)
    with collecting(draft.problems, "abundance.tsv"):
        draft.add_matrix(
            matrix, name="abundance.tsv", declared=declared, lineages=lineages, sequences=sequences
        )
    if sheet is not None:
        draft.match_samples(matrix, sheet, name="abundance.tsv")
        _check_reads(draft)
    return "16s" if _are_bacteria(lineages) else None


def _check_reads(draft: Draft) -> None:
    """More counts than reads: the rows of the metadata may belong to other samples."""
    counts, samples = draft.frames.get("abundances"), draft.frames.get("samples")
    if counts is None or samples is None or "count" not in counts.columns:
        return
    sums = counts.group_by("sample_id").agg(pl.col("count").sum())
    for row in samples.with_row_index("row", offset=1).join(sums, on="sample_id").iter_rows(named=True):
        if row["n_reads"] is not None and row["count"] > row["n_reads"]:
            message = f"{row['sample_id']} has {row['count']:,} counts, more than its reads"
            draft.problems.append(
                Problem(
                    table="metadata.tsv",
                    row=row["row"],
                    column="n_reads",
                    value=str(row["n_reads"]),
                    rule="counts_exceed_reads",
                    message=message,
                    severity="warning",
                )
            )


def _are_bacteria(lineages: Mapping[str, str]) -> bool:
    return any("__Bacteria" in lineage for lineage in lineages.values())


def _check_taxonomy(matrix: Matrix, lineages: Mapping[str, str], draft: Draft) -> None:
    for taxon in matrix.taxon_ids:
        if taxon not in lineages:
            draft.problems.append(
                Problem("abundance.tsv", 0, matrix.id_column, taxon, "no_lineage", "not in taxonomy.tsv")
            )


def _taxonomy(folder: Path, draft: Draft) -> tuple[dict[str, str], dict[str, str]]:
    path = folder / "taxonomy.tsv"
    if not path.is_file():
        return {}, {}
    with collecting(draft.problems, path.name):
        return read_taxonomy(read_sheet(path, problems=draft.problems))
    return {}, {}
