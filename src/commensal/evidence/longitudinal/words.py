"""Words that rows about scores share."""

from __future__ import annotations

from commensal.evidence.remission import REGRESSION
from commensal.vocabulary.indications import indication, indications

POLICY = "treatment policy: scores as recorded, whatever was given since"
EVERYONE = "everyone treated for whom the instrument is meant"
KNOWN = "with a baseline score"
ACTIVE = "active at baseline by the instrument"
UNCONTROLLED = "change without a control group is no effect of treatment"
NOBODY_DUE = "nobody is due yet"


def joined(*parts: str | None) -> str | None:
    """The parts that say something, one after the other; None where none does."""
    said = [part for part in parts if part]
    return "; ".join(said) or None


def counted(n: int, words: str) -> str | None:
    """``n`` and the words, where n is above 0."""
    return f"{n} {words}" if n else None


def reference(code: str) -> str:
    """The published control-arm response of an indication, where known, and regression to the mean."""
    entry = indication(code) if code in indications() else None
    if entry is None or not entry.control_response_text:
        return REGRESSION
    return f"{entry.control_response_text} ({entry.control_response_source}); {REGRESSION}"
