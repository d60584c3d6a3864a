"""What may be shipped of an instrument or code system."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from commensal.vocabulary.codes import Book, Entry, read_book


@dataclass(frozen=True, kw_only=True)
class Licence(Entry):
    """How far an instrument may be part of this software."""


@dataclass(frozen=True, kw_only=True)
class NotShipped(Entry):
    """Content that a site must obtain from its ``owner``; none of it is part of this software."""

    owner: str


@functools.cache
def licences() -> Book[Licence]:
    """Return the licence classes of instruments."""
    return read_book("licence class", Licence, "licences.toml", "licences")


@functools.cache
def not_shipped() -> Book[NotShipped]:
    """Return the content that is never part of this software."""
    return read_book("licensed content", NotShipped, "licences.toml", "not_shipped")
