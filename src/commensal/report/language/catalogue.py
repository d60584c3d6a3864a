"""Sentences and words of the report in another language, looked up by the English they stand for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files

from commensal.errors import InputError, nearest
from commensal.vocabulary.adverse_events import adverse_events
from commensal.vocabulary.indications import indications
from commensal.vocabulary.routes import routes

LANGUAGES = {"en": "en", "zh": "zh-Hans"}

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_BRACKET = re.compile(r"(.+?) \((.+)\)")
_LETTER = re.compile(r"[A-Za-z]{2}")


def translate(text: str, lang: str) -> str:
    """Return the text in a language; what the catalogue does not know stays as it is, in English.

    Tried in this order: the text itself; the text with its numbers left open; its parts between
    semicolons, each for itself; a name before a colon or a bracket; a list of known words between commas.

    Refuses (:class:`~commensal.errors.InputError`) a language there is no catalogue of.
    """
    if lang == "en":
        return text
    return _translated(text, _catalogue(lang))


def is_known(text: str, lang: str) -> bool:
    """Whether nothing of the text would be left in English (numbers and signs need no translation)."""
    if lang == "en":
        return True
    known = _catalogue(lang)
    return _known(text, known) is not None or not _LETTER.search(text)


Catalogue = dict[str, str]


def _translated(text: str, known: Catalogue) -> str:
    whole = _known(text, known)
    if whole is not None:
        return whole
    if "\n" in text:
        return "\n".join(_translated(line, known) for line in text.split("\n"))
    if "; " in text:
        return "；".join(_translated(part, known) for part in text.split("; "))
    return _begun(text, known) or text


def _known(text: str, known: Catalogue) -> str | None:
    """Return the text where all of it is known: whole, with numbers left open, or in parts."""
    if text in known:
        return known[text]
    if text.endswith(" *"):
        name = _known(text.removesuffix(" *"), known)
        return None if name is None else f"{name} *"
    return _numbered(text, known) or _in_parts(text, known)


def _numbered(text: str, known: Catalogue) -> str | None:
    numbers = _NUMBER.findall(text)
    template = known.get(_NUMBER.sub("{}", text)) if numbers else None
    return None if template is None else template.format(*numbers)


def _in_parts(text: str, known: Catalogue) -> str | None:
    for separator, joint in (("\n", "\n"), ("; ", "；"), (": ", "："), (", ", "，")):
        if separator in text:
            return _joined(text.split(separator), joint, known)
    bracket = _BRACKET.fullmatch(text)
    return _joined(bracket.groups(), "（", known, end="）") if bracket else None


def _joined(parts: Iterable[str], joint: str, known: Catalogue, *, end: str = "") -> str | None:
    told = [part if not _LETTER.search(part) else _known(part, known) for part in parts]
    return None if None in told else joint.join(t for t in told if t is not None) + end


def _begun(text: str, known: Catalogue) -> str | None:
    """Return a text whose beginning is known, before a colon or a bracket, and whose rest is a name."""
    for separator, joint, end in ((": ", "：", ""), (" (", "（", "）")):
        head, found, rest = text.partition(separator)
        name = _known(head, known) if found and text.endswith(end.replace("）", ")")) else None
        if name is not None:
            return name + joint + _translated(rest.removesuffix(")") if end else rest, known) + end
    return None


def _book(lang: str) -> Catalogue:
    file = files("commensal.report") / "language" / f"{lang}.toml"
    parts = tomllib.loads(file.read_text(encoding="utf-8"))
    return {english: text for part in parts.values() for english, text in part.items()}


def _labels() -> Catalogue:
    """Names of diseases, routes and events as the vocabulary has them, with and without a capital."""
    books: tuple[Callable[[], Iterable], ...] = (indications, routes, adverse_events)
    named = {e.label: e.label_zh for book in books for e in book() if e.label_zh}
    return named | {name[0].upper() + name[1:]: zh for name, zh in named.items()}


@cache
def _catalogue(lang: str) -> Catalogue:
    demand_language(lang)
    return _labels() | _book(lang)


def demand_language(lang: str) -> None:
    """Refuse (:class:`~commensal.errors.InputError`) a language the report is not written in."""
    if lang not in LANGUAGES:
        raise InputError(
            f"there is no report in the language {lang!r}",
            expected=nearest(lang, LANGUAGES),
            do="choose one of these",
        )
