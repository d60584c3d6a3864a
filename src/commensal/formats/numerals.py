"""Numbers as they stand in files: plain decimal figures, nothing that only looks like one."""

from __future__ import annotations

import re


def read_number(text: str) -> float | None:
    """Return the finite number that ``text`` is, None where it is none."""
    return (
        float(text)
        if re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,40})?([eE][+-]?\d{1,2})?", text, re.ASCII)
        else None
    )
