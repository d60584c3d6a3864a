"""Mappings as the text of a mapping file: what the browser asks and the command line reads are one thing."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def mapping_text(mapping: Mapping[str, Any]) -> str:
    """Return a mapping as TOML, its tables last; reading it again gives the same mapping."""
    return "\n".join(_lines(mapping)) + "\n"


def _lines(mapping: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{_key(k)} = {_value(v)}" for k, v in mapping.items() if k != "tables")
    for table in mapping.get("tables", ()):
        yield ""
        yield "[[tables]]"
        yield from (f"{_key(k)} = {_value(v)}" for k, v in table.items() if k != "columns")
        yield "[tables.columns]"
        yield from (f"{_key(k)} = {_value(v)}" for k, v in table.get("columns", {}).items())


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _text(text)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, dt.date | int | float):
        return str(value)
    return _text(str(value))


def _text(text: str) -> str:
    # A TOML string is a JSON string, but for DEL, which TOML wants escaped too.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
