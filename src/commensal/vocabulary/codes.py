"""Closed lists of words: each word is a frozen entry with its source, each list a book.

An entry's class is its code system, so a route can never stand where an indication is meant.
Books are read from data files beside this module, once.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from commensal.errors import InputError, nearest
from commensal.vocabulary.sources import CONFIDENCES, read_table

_CODE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Sourced:
    """Something that was taken from somewhere.

    ``source`` names the publication or reasoning; ``confidence`` is a key of ``CONFIDENCES``.
    """

    source: str
    confidence: str

    def __post_init__(self) -> None:
        if not self.source.strip():
            raise ValueError(f"{self!r} names no source")
        if self.confidence not in CONFIDENCES:
            raise ValueError(f"confidence {self.confidence!r} is not one of {', '.join(CONFIDENCES)}")


@dataclass(frozen=True, kw_only=True)
class Entry(Sourced):
    """One word of a closed list: its code, a label for readers (English, Chinese) and its source."""

    code: str
    label: str
    label_zh: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"code {self.code!r} is not lower snake case")
        if not self.label.strip():
            raise ValueError(f"entry {self.code!r} has no label")


E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class Book(Generic[E]):
    """A closed list of entries of one kind, in the order of their file."""

    kind: str
    entries: tuple[E, ...]
    by_code: Mapping[str, E] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_code = {entry.code: entry for entry in self.entries}
        if len(by_code) != len(self.entries):
            raise ValueError(f"the list of {self.kind} codes holds a code twice")
        object.__setattr__(self, "by_code", MappingProxyType(by_code))

    def get(self, code: str) -> E:
        """Return the entry of ``code``; raise ``InputError`` with the nearest codes if there is none."""
        if code in self.by_code:
            return self.by_code[code]
        raise InputError(
            f"{code!r} is not a known {self.kind}",
            expected=nearest(code, self.by_code),
            do=f"use one of the {self.kind} codes of the vocabulary",
        )

    @property
    def codes(self) -> tuple[str, ...]:
        """Every code, in order."""
        return tuple(self.by_code)

    def __iter__(self) -> Iterator[E]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, code: object) -> bool:
        return code in self.by_code


def make(kind: type[Any], row: Mapping[str, Any]) -> Any:
    """Build a frozen value of class ``kind`` from a data row; lists become tuples, unknown keys fail."""
    known = {f.name for f in fields(kind) if f.init}
    if strange := set(row) - known:
        raise ValueError(f"{kind.__name__} {row.get('code', '')!r} has unknown fields {sorted(strange)}")
    return kind(**{key: _frozen(value) for key, value in row.items()})


def read_book(kind: str, entry: type[E], file: str, section: str) -> Book[E]:
    """Read the list ``section`` of the data file ``file`` as a book of ``entry`` values."""
    return Book(kind, tuple(make(entry, row) for row in read_table(file)[section]))


def plain(text: str) -> str:
    """Return ``text`` as it is compared: NFKC, lower case, accents and invisible characters dropped,
    every run of other signs a single space."""
    wide = unicodedata.normalize("NFKC", text)
    bare = "".join(
        c for c in unicodedata.normalize("NFKD", wide) if unicodedata.category(c) not in {"Cf", "Mn"}
    )
    composed = unicodedata.normalize("NFKC", bare).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in composed).split())


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return MappingProxyType({key: _frozen(item) for key, item in value.items()})
    return value
