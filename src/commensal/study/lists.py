"""The closed list behind a column that names a list of the vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from commensal.errors import InputError, nearest
from commensal.study.declaration import Column


@cache
def codes_of(column: Column) -> tuple[str, ...]:
    """The codes a CODE column may hold, the vocabulary's list read where it is named."""
    return codes_in(column.codes) if isinstance(column.codes, str) else column.codes


def codes_in(name: str) -> tuple[str, ...]:
    """The codes of the vocabulary's list ``name``. Raises :class:`InputError` for a list there is not."""
    if name not in _LISTS:
        raise InputError(f"the vocabulary has no list {name!r}", expected=nearest(name, _LISTS))
    return _LISTS[name]()


# Read when a list is first asked for: opening a study does not need the vocabulary's files.


def _indications() -> tuple[str, ...]:
    from commensal.vocabulary.indications import indications

    return indications().codes


def _routes() -> tuple[str, ...]:
    from commensal.vocabulary.routes import routes

    return routes().codes


def _products() -> tuple[str, ...]:
    from commensal.vocabulary.materials import products

    return products().codes


def _exposures() -> tuple[str, ...]:
    from commensal.vocabulary.materials import exposure_classes, support_items

    return exposure_classes().codes + support_items().codes


def _analytes() -> tuple[str, ...]:
    from commensal.vocabulary.units import analytes

    return analytes().codes


def _adverse_event_terms() -> tuple[str, ...]:
    from commensal.vocabulary.adverse_events import adverse_events

    return adverse_events().codes


def _causalities() -> tuple[str, ...]:
    from commensal.vocabulary.adverse_events import causality_categories

    return causality_categories().codes


def _screening_analytes() -> tuple[str, ...]:
    from commensal.vocabulary.sources import read_table

    tests = read_table("screening_analytes.toml")["analyte"]
    questions = read_table("screening_questions.toml")["question"]
    return tuple(entry["code"] for entry in (*tests, *questions))


def _visits() -> tuple[str, ...]:
    from commensal.vocabulary.windows import visits

    return tuple(visits())


def _instruments() -> tuple[str, ...]:
    from commensal.vocabulary.instruments.declaration import instruments

    return instruments().codes


_LISTS: dict[str, Callable[[], tuple[str, ...]]] = {
    "indications": _indications,
    "routes": _routes,
    "products": _products,
    "exposures": _exposures,
    "analytes": _analytes,
    "adverse_event_terms": _adverse_event_terms,
    "causalities": _causalities,
    "instruments": _instruments,
    "screening_analytes": _screening_analytes,
    "visits": _visits,
}
