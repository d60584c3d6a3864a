"""Words for codes: the vocabulary's labels where it has them, else the code without underscores."""

from __future__ import annotations

from collections.abc import Callable

from commensal.vocabulary.adverse_events import adverse_events, causality_categories
from commensal.vocabulary.indications import indications
from commensal.vocabulary.instruments.declaration import instruments
from commensal.vocabulary.materials import exposure_classes, products
from commensal.vocabulary.routes import routes
from commensal.vocabulary.windows import visits

BOOKS: dict[str, Callable[[], object]] = {
    "indications": indications,
    "routes": routes,
    "products": products,
    "exposures": exposure_classes,
    "adverse_event_terms": adverse_events,
    "causalities": causality_categories,
    "instruments": instruments,
}


def label_of(codes: tuple[str, ...] | str, code: str) -> str:
    """Return the words for a code of a list."""
    if codes == "visits":
        return f"{code} · {visits().get(code, code)}"
    book = BOOKS[codes]() if isinstance(codes, str) and codes in BOOKS else None
    if book is not None and code in book:  # type: ignore[operator]
        return book.get(code).label  # type: ignore[attr-defined]
    return code.replace("_", " ")
