"""What FMT is given for: a tree of indications, each with the standing of its evidence."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from commensal.errors import InputError, nearest
from commensal.vocabulary.codes import Book, Entry, plain, read_book

STATUSES = ("guideline_supported", "trial_only", "investigational", "unspecified")


@dataclass(frozen=True, kw_only=True)
class Indication(Entry):
    """A disease FMT is given for, or (status ``unspecified``) a group of them.

    ``stance`` says in our words what the cited guideline or trial says. ``control_response_low`` and
    ``_high`` are the published share of control patients who responded, None where none is known.
    """

    parent: str
    status: str
    stance: str
    citation: str
    year: int
    study_group: str = ""
    synonyms: tuple[str, ...] = ()
    control_response_low: float | None = None
    control_response_high: float | None = None
    control_response_text: str = ""
    control_response_source: str = ""
    control_response_confidence: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.status not in STATUSES:
            raise ValueError(f"indication {self.code!r} has status {self.status!r}")
        if not self.citation or not 1990 <= self.year <= 2100:
            raise ValueError(f"indication {self.code!r} has no dated citation")
        if (self.control_response_low is None) != (not self.control_response_source):
            raise ValueError(f"the control response of {self.code!r} has no source")

    @property
    def is_group(self) -> bool:
        """Whether this names a group; a patient needs a disease."""
        return self.status == "unspecified"

    @property
    def needs_study(self) -> bool:
        """Whether treating this needs a study id: everything that no guideline supports."""
        return self.status != "guideline_supported"


@functools.cache
def indications() -> Book[Indication]:
    """Return every indication, groups first met before their members."""
    book = read_book("indication", Indication, "indications.toml", "indications")
    for entry in book:
        if entry.parent and entry.parent not in book:
            raise ValueError(f"indication {entry.code!r} has the unknown parent {entry.parent!r}")
    return book


def indication(code: str) -> Indication:
    """Return the indication of ``code``; raise ``InputError`` with the nearest codes if unknown."""
    return indications().get(code)


def ancestors(code: str) -> tuple[Indication, ...]:
    """Return the parents of ``code``, nearest first; empty at the top of the tree."""
    entry = indication(code)
    return (indication(entry.parent), *ancestors(entry.parent)) if entry.parent else ()


def is_within(code: str, group: str) -> bool:
    """Return whether ``code`` is ``group`` or lies below it."""
    indication(group)
    return code == group or any(entry.code == group for entry in ancestors(code))


def treatable_without_study() -> tuple[Indication, ...]:
    """Return the indications that may be treated without a study id."""
    return tuple(entry for entry in indications() if not entry.needs_study)


def find_indication(text: str) -> Indication:
    """Return the indication that a code, a name or free text means (English or Chinese).

    Names may stand inside longer text ("autism with GI symptoms"); the longest name decides, and a
    subtype wins over its own group.

    Refuses
        ``InputError`` when no name is found, or names of several unrelated indications are.
    """
    words = plain(text)
    names = _names()
    if words in names:
        return indication(names[words])
    found = _without_ancestors(_contained(words, names))
    if len(found) == 1:
        return indication(found[0])
    raise InputError(
        f"{text!r} names {'more than one indication' if found else 'no known indication'}",
        expected="one of " + ", ".join(found)
        if found
        else nearest(words, [entry.label for entry in indications()]),
        do="give one indication a row, by its code",
    )


@functools.cache
def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in indications():
        for name in filter(None, (entry.code, entry.label, entry.label_zh, *entry.synonyms)):
            if names.setdefault(plain(name), entry.code) != entry.code:
                raise ValueError(f"{name!r} names both {names[plain(name)]} and {entry.code}")
    return names


def _contained(words: str, names: dict[str, str]) -> list[str]:
    found: list[str] = []
    rest = f" {words} "
    for name in sorted(names, key=len, reverse=True):
        # Latin names match whole words only ("ms" is not in "symptoms"); Chinese has no spaces.
        needle = f" {name} " if name.isascii() else name
        if needle in rest:
            rest = rest.replace(needle, "  ")
            found.append(names[name])
    return list(dict.fromkeys(found))


def _without_ancestors(codes: list[str]) -> list[str]:
    above = {entry.code for code in codes for entry in ancestors(code)}
    return [code for code in codes if code not in above]
