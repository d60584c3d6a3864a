"""Taxonomy tables: feature, lineage and, where known, sequence."""

from __future__ import annotations

from commensal.errors import InputError
from commensal.formats.sheets import Sheet
from commensal.vocabulary.codes import plain

COLUMNS = {
    "feature": ("feature id", "featureid", "otu id", "asv", "id"),
    "lineage": ("taxonomy", "taxon", "lineage", "consensus lineage"),
    "sequence": ("sequence", "refseq"),
}


def read_taxonomy(sheet: Sheet) -> tuple[dict[str, str], dict[str, str]]:
    """Return feature → lineage and feature → sequence of a taxonomy table."""
    found = {
        meaning: next((c for c in sheet.columns if plain(c) in names), "")
        for meaning, names in COLUMNS.items()
    }
    if not found["feature"] or not found["lineage"]:
        raise InputError(
            f"{sheet.name} has the columns {', '.join(list(sheet.columns)[:8])}",
            expected="feature_id and taxonomy (and sequence, where known)",
            do="name the columns so",
        )
    features = sheet.get(found["feature"])
    columns = [sheet.get(found["lineage"]), sheet.get(found["sequence"])]
    lineages, sequences = (
        {f: cell for f, cell in zip(features, column, strict=True) if f and cell} for column in columns
    )
    return lineages, sequences
