"""Which taxa of a table are members of a named group, and what the table cannot tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from commensal.microbiome.abundance import Abundance
from commensal.study.inputs.samples import RANKS
from commensal.vocabulary.taxon_functions import names_of, plain_taxon

NAMED_RANKS = RANKS[:7]


@dataclass(frozen=True, eq=False)
class Found:
    """The members of a group in a table of taxa.

    ``mask`` is true for taxa that are members, shape (taxa,); ``n_members`` counts the members of the
    group, ``missing`` are those the table names nowhere, ``untold`` those of a rank it does not name at all.
    """

    mask: np.ndarray
    n_members: int
    missing: tuple[str, ...]
    untold: tuple[str, ...]

    @property
    def caution(self) -> str | None:
        """What to bear in mind of a sum over the members; None where all are named."""
        absent = [*self.missing, *self.untold]
        if not absent:
            return None
        shown = ", ".join(absent[:4]) + (" …" if len(absent) > 4 else "")
        return f"{len(absent)} of {self.n_members} members are not named in the table ({shown})"


def lineages_of(taxa: pl.DataFrame, taxon_ids: Sequence[str]) -> pl.DataFrame:
    """Return the taxa table in the order of ``taxon_ids``; a taxon it does not list has no names."""
    wanted = pl.DataFrame({"taxon_id": list(taxon_ids)}, schema={"taxon_id": pl.String})
    listed = taxa.select("taxon_id", "rank", *NAMED_RANKS, "lineage").unique("taxon_id", keep="first")
    return wanted.join(listed, on="taxon_id", how="left", maintain_order="left")


def with_all_taxa(abundance: Abundance, taxa: pl.DataFrame) -> Abundance:
    """Return the abundances with a column for every taxon the table lists, seen in a sample or not.

    What a table can name then does not depend on which samples are looked at.
    """
    unseen = sorted(set(taxa["taxon_id"]) - set(abundance.taxon_ids))
    values = abundance.values.copy()
    values.resize(values.shape[0], values.shape[1] + len(unseen))
    return replace(abundance, values=values, taxon_ids=(*abundance.taxon_ids, *unseen))


def names_at(lineages: pl.DataFrame, rank: str) -> np.ndarray:
    """Return each taxon's name at a rank as it is compared, '' where it has none; shape (taxa,), strings.

    A species given as an epithet alone (``coli``) gets its genus before it.
    """
    names = [plain_taxon(name) if name else "" for name in lineages[rank].to_list()]
    if rank != "species":
        return np.array(names, dtype=str)
    genera = names_at(lineages, "genus")
    return np.array([_binomial(n, g) for n, g in zip(names, genera, strict=True)], dtype=str)


def _binomial(species: str, genus: str) -> str:
    if not species or " " in species:
        return species
    return f"{genus} {species}" if genus else ""


def find_members(lineages: pl.DataFrame, members: Mapping[str, tuple[str, ...]]) -> Found:
    """Return which taxa are members of a group; ``lineages`` as :func:`lineages_of` gives them.

    Under ``unnamed_genus_of`` stand families whose taxa without a genus are members.
    """
    mask = np.zeros(lineages.height, dtype=bool)
    missing: list[str] = []
    untold: list[str] = []
    for rank, listed in members.items():
        names = _names_under(lineages, rank)
        told = bool((names != "").any()) or rank == "unnamed_genus_of"
        for member in listed:
            hit = np.isin(names, names_of(member))
            mask |= hit
            if not hit.any():
                (missing if told else untold).append(member.split("|")[0])
    return Found(mask, sum(map(len, members.values())), tuple(missing), tuple(untold))


def _names_under(lineages: pl.DataFrame, rank: str) -> np.ndarray:
    if rank != "unnamed_genus_of":
        return names_at(lineages, rank)
    return np.where(names_at(lineages, "genus") == "", names_at(lineages, "family"), "")


def is_named(lineages: pl.DataFrame, rank: str) -> bool:
    """Return whether the table names any taxon at the rank."""
    return bool((names_at(lineages, rank) != "").any())
