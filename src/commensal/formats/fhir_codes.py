"""How a study stands in FHIR: the system of its codes, and what the codes of others are taken for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SYSTEM = "urn:commensal:"
"""Every code of a study is in the system ``urn:commensal:<table>.<column>``."""
GENDERS = {"male": "male", "female": "female", "intersex": "other", "unknown": "unknown"}
FROM_GENDER = {"male": "male", "female": "female", "unknown": "unknown"}
"""``other`` is not read: FHIR means by it anything that is neither, the study something definite."""
UCUM = "http://unitsofmeasure.org"


def system(table: str, column: str) -> str:
    """Return the system of a column's codes."""
    return f"{SYSTEM}{table}.{column}"


def concept(table: str, column: str, code: str | None, *, words: str | None = None) -> dict[str, Any] | None:
    """Return a CodeableConcept of a column's code, its words as text; none where neither is known."""
    made: dict[str, Any] = {}
    if code is not None:
        made["coding"] = [{"system": system(table, column), "code": code, "display": code.replace("_", " ")}]
    if words:
        made["text"] = words
    return made or None


def code_in(given: Any, table: str, column: str) -> str | None:
    """Return this study's code among the codings of one or several CodeableConcepts."""
    wanted = system(table, column)
    for concept_ in given if isinstance(given, list) else [given]:
        for coding in _listed(concept_, "coding"):
            if coding.get("system") == wanted and isinstance(coding.get("code"), str):
                return coding["code"]
    return None


def words_of(given: Any) -> str | None:
    """Return the words of a CodeableConcept: its text, else a display, else a code with its system."""
    first = given[0] if isinstance(given, list) and given else given
    if not isinstance(first, Mapping):
        return None
    if isinstance(first.get("text"), str) and first["text"].strip():
        return first["text"].strip()
    for coding in _listed(first, "coding"):
        for key in ("display", "code"):
            if isinstance(coding.get(key), str):
                return coding[key]
    return None


def _listed(given: Any, key: str) -> list[Mapping[str, Any]]:
    found = given.get(key) if isinstance(given, Mapping) else None
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def extension(name: str, **value: Any) -> dict[str, Any]:
    """Return an extension of the study: a fact FHIR has no place for."""
    return {"url": f"{SYSTEM}{name}", **value}


def extended(resource: Mapping[str, Any], name: str) -> Any:
    """Return the value of one of the study's extensions, whatever its type."""
    for found in _listed(resource, "extension"):
        if found.get("url") == f"{SYSTEM}{name}":
            return next((v for k, v in found.items() if k.startswith("value")), None)
    return None
