"""Lineages as tools write them (``d__Bacteria;p__Firmicutes`` or ``k__Bacteria|p__…``) and table taxa."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from commensal.study.inputs.samples import RANKS, TAXA

_PREFIXES = {
    "d": "domain", "k": "domain", "r": "domain", "p": "phylum", "c": "class", "o": "order",
    "f": "family", "g": "genus", "s": "species", "t": "strain",
}  # fmt: skip
_NAMELESS = {"", "na", "unassigned", "unclassified"}


def parse_lineage(text: str) -> dict[str, str]:
    """Return rank → name of a lineage; ranks without a name are left out.

    Parts are separated by ``;`` or ``|`` and carry a prefix (``g__``). A lineage without any prefix is
    read in the order domain to species.
    """
    parts = [p.strip() for p in text.replace("|", ";").split(";")]
    if not any(_prefix(p) for p in parts):
        named = zip(RANKS[:7], parts, strict=False)
        return (
            {rank: name for rank, name in named if name.casefold() not in _NAMELESS} if len(parts) > 1 else {}
        )
    found = {_PREFIXES[p[0]]: p[3:] for p in parts if _prefix(p)}
    return {rank: name for rank, name in found.items() if name and name.casefold() not in _NAMELESS}


def _prefix(part: str) -> bool:
    return len(part) >= 3 and part[1:3] == "__" and part[0] in _PREFIXES


def deepest_rank(names: Mapping[str, str]) -> str | None:
    """Return the lowest rank that has a name."""
    return next((rank for rank in reversed(RANKS) if rank in names), None)


def taxa_frame(
    taxon_ids: Sequence[str],
    *,
    lineages: Mapping[str, str],
    sequences: Mapping[str, str] | None = None,
    id_column: str = "",
) -> pl.DataFrame:
    """Return table taxa for the features of an abundance table.

    A feature with a sequence, or with an id beside its lineage, is an ASV. A feature that is named by
    its lineage has the lowest named rank. Where the id column is called by a rank (``species``), the id
    is the name at that rank.
    """
    sequences = sequences or {}
    rows = []
    for taxon_id in taxon_ids:
        lineage = lineages.get(taxon_id)
        names = parse_lineage(lineage or taxon_id)
        if id_column in RANKS and not names:
            names = {id_column: taxon_id}
        row = {rank: name for rank, name in names.items() if rank in RANKS[:7]}
        row |= {"taxon_id": taxon_id, "sequence": sequences.get(taxon_id)}
        row["rank"] = "asv" if lineage not in (None, taxon_id) else deepest_rank(names)
        row["lineage"] = lineage or (taxon_id if len(names) > 1 else None)
        rows.append(row)
    return pl.DataFrame(rows, schema=TAXA.schema)
