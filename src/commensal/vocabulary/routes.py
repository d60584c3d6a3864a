"""Routes of FMT administration: a closed list of ways into the gut.

A parenteral route has no value here. Reading one from text is a ``SafetyError`` that nothing overrides,
even when an enteral route is named beside it: fecal microbes in blood cause sepsis.
"""

from __future__ import annotations

import difflib
import functools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from commensal.errors import InputError, SafetyError, nearest
from commensal.vocabulary.codes import Book, Entry, plain, read_book
from commensal.vocabulary.sources import read_table


class Route(StrEnum):
    """Every way FMT may be given. There is no other value."""

    COLONOSCOPY = "colonoscopy"
    FLEXIBLE_SIGMOIDOSCOPY = "flexible_sigmoidoscopy"
    RETENTION_ENEMA = "retention_enema"
    NASOGASTRIC = "nasogastric"
    NASODUODENAL = "nasoduodenal"
    NASOJEJUNAL = "nasojejunal"
    GASTROSCOPY_DUODENAL = "gastroscopy_duodenal"
    PEG_PEJ_JEJUNOSTOMY = "peg_pej_jejunostomy"
    STOMA_DISTAL_LIMB = "stoma_distal_limb"
    ORAL_CAPSULE_FROZEN = "oral_capsule_frozen"
    ORAL_CAPSULE_LYOPHILISED = "oral_capsule_lyophilised"
    COLONIC_TET = "colonic_tet"
    MIDGUT_TET = "midgut_tet"

    @classmethod
    def _missing_(cls, value: object) -> Route:
        refuse_parenteral(str(value))
        raise _unknown(str(value))

    @property
    def entry(self) -> RouteEntry:
        """What is known about this route."""
        return routes().get(self.value)


@dataclass(frozen=True, kw_only=True)
class RouteEntry(Entry):
    """What is known about a route: ``reach`` is the gut segment (upper, lower, both), ``products`` the
    product types that can be given this way."""

    reach: str
    delivery: str
    needs_sedation: bool
    products: tuple[str, ...]
    synonyms: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reach not in {"upper", "lower", "both"}:
            raise ValueError(f"route {self.code!r} reaches {self.reach!r}")


@dataclass(frozen=True, kw_only=True)
class UnspecificRoute(Entry):
    """A wording that several routes share; which one was meant is not guessed."""

    candidates: tuple[str, ...]
    synonyms: tuple[str, ...]


@dataclass(frozen=True)
class ReadRoute:
    """What a text says about the route.

    ``codes`` are the routes it names, in order of appearance; ``unspecific`` the wordings that several
    routes share ("oral"); ``is_control`` says that it names a sham or placebo, which has no FMT route.
    All three are empty for a blank text.
    """

    text: str
    codes: tuple[Route, ...] = ()
    unspecific: tuple[str, ...] = ()
    is_control: bool = False

    @property
    def code(self) -> Route | None:
        """The route, when the text names exactly one and nothing vaguer beside it; else None."""
        return self.codes[0] if len(self.codes) == 1 and not self.unspecific else None


@functools.cache
def routes() -> Book[RouteEntry]:
    """Return what is known about every route, one entry per member of ``Route``."""
    book = read_book("route of administration", RouteEntry, "routes.toml", "routes")
    if set(book.codes) != {route.value for route in Route}:
        raise ValueError("routes.toml and the enumeration Route differ")
    return book


@functools.cache
def unspecific_routes() -> Book[UnspecificRoute]:
    """Return the wordings that several routes share."""
    return read_book("route wording", UnspecificRoute, "routes.toml", "unspecific")


def read_route(text: str | None) -> ReadRoute:
    """Read the routes that ``text`` names (codes, English or Chinese names, several at once).

    Blank text gives no codes. A sham or placebo gives no codes and ``is_control``.

    Refuses
        ``SafetyError`` for any parenteral wording; ``InputError`` for text that names no enteral route.
    """
    if text is None or not plain(text):
        if text is not None:
            _refuse_hidden(text)
        return ReadRoute(text or "")
    refuse_parenteral(text)
    words = plain(text)
    if _names_control(words):
        return ReadRoute(text, is_control=True)
    names = _names_in(words)
    if not names:
        raise _unknown(text)
    codes = tuple(Route(code) for code in names if code in routes())
    vague = [unspecific_routes().get(code) for code in names if code not in routes()]
    # "oral (frozen capsules)" says one thing twice; "colonoscopy and oral" says two.
    return ReadRoute(text, codes, tuple(word.code for word in vague if not set(word.candidates) & set(codes)))


def _names_control(words: str) -> bool:
    """Whether ``words`` holds a control word: whole in Latin script, anywhere in Chinese."""
    return any(
        (f" {word} " in f" {words} ") if word.isascii() else (word in words)
        for word in _section("control")["words"]
    )


def refuse_parenteral(text: str) -> None:
    """Raise ``SafetyError`` if ``text`` says, in any spelling, that material goes anywhere but the gut."""
    hit = _parenteral_wording(text)
    if hit is None:
        return
    raise SafetyError(
        f"{text!r} names a parenteral route of administration, outside the gut ({hit})",
        expected="an enteral route: " + ", ".join(route.value for route in Route),
        do="stop: fecal material is never injected, infused into blood or inhaled. Check the source record",
    )


def _parenteral_wording(text: str) -> str | None:
    rules = _section("parenteral")
    words = plain(_latin(text))
    joined = words.replace(" ", "")
    spelled_out = plain(text).replace(" ", "")
    return (
        next((stem for stem in rules["joined"] if stem in joined), None)
        or next((word for word in rules["words"] if f" {word} " in f" {words} "), None)
        or next((w for w in words.split() if w.startswith(tuple(rules["starts"]))), None)
        or next((stem for stem in rules["other_scripts"] if stem in spelled_out), None)
        or _abbreviated(_latin(text))
        or next((w for w in words.split() if _nearly(w, tuple(rules["spelled"]))), None)
    )


# i.v., I V, i/v, s.c., i.m., i.p.: single letters with anything but a letter or digit between. The letters
# of i.t., i.a. and i.d. are also English words or dosing terms, so those count only with their stops.
_LETTERS = re.compile(
    r"(?<![a-z0-9])(?:p[\W_]*)?(?:i[\W_]*v|i[\W_]*m|i[\W_]*p|s[\W_]*c|s[\W_]*q)(?![a-z0-9])"
)
_DOTTED = re.compile(r"(?<![a-z0-9])(?<![a-z0-9][.])(?:i[.] ?[tad])[.](?! ?[a-z][.])")


def _abbreviated(text: str) -> str | None:
    bare = _bare(text)
    hit = _LETTERS.search(bare) or _DOTTED.search(bare)
    return hit.group() if hit else None


# Letters of other scripts that look like Latin ones, so that a mixed spelling cannot slip through.
_LOOKALIKES = str.maketrans(
    "аеорсхуіјѕνιοαеτυвкмнтАВЕКМНОРСТХІЅΑΒΕΙΚΜΝΟΡΤΥΧɪᴠᴍꜱᴄᴘ",
    "aeopcxyijsvioaetuvkmhtABEKMHOPCTXISABEIKMNOPTYXivmscp",
)


def _latin(text: str) -> str:
    return unicodedata.normalize("NFKC", text).translate(_LOOKALIKES)


def _bare(text: str) -> str:
    wide = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text))
    return "".join(c for c in wide if unicodedata.category(c) not in {"Cf", "Mn"}).casefold()


def _refuse_hidden(text: str) -> None:
    """Nothing but signs: harmless, unless what is left of it is not blank space."""
    if _bare(text).strip(" \t\r\n-–—.?/_"):
        raise _unknown(text)


@functools.lru_cache(maxsize=4096)
def _nearly(word: str, spelled: tuple[str, ...]) -> bool:
    """Whether ``word`` is a misspelling of a parenteral word (and no word of an enteral route)."""
    if len(word) < 8 or word in _known_words():
        return False
    return bool(difflib.get_close_matches(word, spelled, n=1, cutoff=0.86))


@functools.cache
def _known_words() -> frozenset[str]:
    return frozenset(word for name in _names() for word in name.split()) | {
        "intraduodenal",
        "intrajejunal",
        "intragastric",
        "intracolonic",
        "intraluminal",
        "intestinal",
        "enteral",
    }


@functools.cache
def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for entry in (*routes(), *unspecific_routes()):
        for name in filter(None, (entry.code, entry.label, entry.label_zh, *entry.synonyms)):
            if names.setdefault(plain(name), entry.code) != entry.code:
                raise ValueError(f"{name!r} names both {names[plain(name)]} and {entry.code}")
    return names


def _names_in(words: str) -> list[str]:
    """Return the codes named in ``words`` in order of appearance, the longest name first at each place."""
    rest, found = f" {words} ", []
    for name in sorted(_names(), key=len, reverse=True):
        needle = f" {name} " if name.isascii() else name
        while (at := rest.find(needle)) >= 0:
            found.append((at, _names()[name]))
            rest = rest[:at] + " " + "\0" * (len(needle) - 2) + " " + rest[at + len(needle) :]
    return list(dict.fromkeys(code for _, code in sorted(found)))


def _unknown(text: str) -> InputError:
    close = difflib.get_close_matches(plain(text), _names(), cutoff=0.5)
    return InputError(
        f"{text!r} is not a known route of administration",
        expected=nearest(plain(text), close or [route.value for route in Route]),
        do="write the code of an enteral route, or map this value in the mapping file",
    )


def _section(name: str) -> Mapping[str, Any]:
    return read_table("routes.toml")[name]
