"""Where a figure comes from: every threshold of this room names one of these sources."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from commensal.errors import InputError, nearest

CONFIDENCES = {
    "H": "read in the named source",
    "M": "standard knowledge, not checked in the source: verify before it gates a decision",
    "L": "uncertain, or sources disagree",
    "D": "design choice of this project, not a published standard",
}


@dataclass(frozen=True)
class Source:
    """A guideline, paper, safety communication or design choice, with its year."""

    code: str
    title: str
    year: int


@cache
def read_table(name: str) -> dict[str, Any]:
    """Return one data file of this room, parsed once; the caller does not change it."""
    return tomllib.loads(files("commensal.vocabulary").joinpath(name).read_text(encoding="utf-8"))


@cache
def sources() -> dict[str, Source]:
    """Return every source by its code."""
    return {code: Source(code, **entry) for code, entry in read_table("sources.toml").items()}


def find_source(code: str) -> Source:
    """Return one source. Refuses (InputError) a code that is not listed."""
    if code not in sources():
        raise InputError(f"unknown source {code!r}", expected=nearest(code, sources()))
    return sources()[code]


def check_citation(source: str, confidence: str) -> None:
    """Refuse (InputError) an unknown source or confidence mark."""
    find_source(source)
    if confidence not in CONFIDENCES:
        raise InputError(f"unknown confidence {confidence!r}", expected=nearest(confidence, CONFIDENCES))
