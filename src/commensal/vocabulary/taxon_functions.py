"""What groups of gut bacteria do, and the published indices of dysbiosis: names, each with its source.

Nothing here reads genes: a function told by names is as good as the names. A member is one or several names
of the same taxon at a rank (``Escherichia|Escherichia/Shigella``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from commensal.vocabulary.codes import Book, Entry, plain, read_book
from commensal.vocabulary.sources import find_source

MEMBER_RANKS = ("class", "order", "family", "genus", "species", "unnamed_genus_of")
CONCERNS = ("deficit", "excess")
FORMS = ("ratio", "log10_ratio", "shannon_ratio", "coefficients")

Members = Mapping[str, tuple[str, ...]]


def _check_members(code: str, members: Members) -> None:
    for rank, names in members.items():
        if rank not in MEMBER_RANKS or not all(name.strip() for name in names):
            raise ValueError(f"{code!r} has members at the unknown rank {rank!r}, or one without a name")


def _check_sources(source: str) -> None:
    for handle in source.split("; "):
        find_source(handle)


@dataclass(frozen=True, kw_only=True)
class TaxonFunction(Entry):
    """A function told by who is there.

    ``members`` maps a rank to names; ``told_at`` is the coarsest rank at which the function can be told;
    ``concern`` is the side that is looked at (``deficit`` or ``excess``).
    """

    told_at: str
    concern: str
    members: Members

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_members(self.code, self.members)
        _check_sources(self.source)
        if self.concern not in CONCERNS or self.told_at not in self.members:
            raise ValueError(f"function {self.code!r} is told at {self.told_at!r}, concern {self.concern!r}")


@dataclass(frozen=True, kw_only=True)
class DysbiosisIndex(Entry):
    """A published index: its form, the taxa above and below the line, and its own threshold if it has one.

    ``low_is`` says what a low value means (``healthy`` or ``unhealthy``). ``assay`` and ``database`` are
    what the index was made on, empty where any will do. ``moved`` names orders that newer taxonomies put
    into a class of the index. The coefficients of GMWI2 are not among the data: they are given by the user.
    """

    version: str
    form: str
    low_is: str
    numerator: Members = field(default_factory=lambda: MappingProxyType({}))
    denominator: Members = field(default_factory=lambda: MappingProxyType({}))
    moved: Members = field(default_factory=lambda: MappingProxyType({}))
    threshold: float | None = None
    assay: str = ""
    database: str = ""
    least_proportion: float = 0.0
    richness_numerator: int = 0
    richness_denominator: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_members(self.code, self.numerator)
        _check_members(self.code, self.denominator)
        _check_sources(self.source)
        if self.form not in FORMS or self.low_is not in {"healthy", "unhealthy"}:
            raise ValueError(f"index {self.code!r} has the form {self.form!r}, low is {self.low_is!r}")


@functools.cache
def taxon_functions() -> Book[TaxonFunction]:
    """Return every function that is told by names of taxa."""
    return read_book("function", TaxonFunction, "taxon_functions.toml", "functions")


@functools.cache
def dysbiosis_indices() -> Book[DysbiosisIndex]:
    """Return the published indices of dysbiosis."""
    return read_book("dysbiosis index", DysbiosisIndex, "dysbiosis_indices.toml", "indices")


@functools.lru_cache(maxsize=100_000)
def plain_taxon(name: str) -> str:
    """Return a taxon's name as it is compared: without rank prefix (``g__``), GTDB's suffix (``_A``), signs
    and capitals."""
    bare = re.sub(r"^[dkpcofgst]__", "", name.strip())
    return plain(" ".join(re.sub(r"_[A-Z]$", "", word) for word in bare.split()))


def names_of(member: str) -> tuple[str, ...]:
    """Return the names of one member, each as it is compared."""
    return tuple(plain_taxon(name) for name in member.split("|"))
