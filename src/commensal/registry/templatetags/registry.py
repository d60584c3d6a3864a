"""What the templates cannot say themselves."""

from __future__ import annotations

from typing import Any

from django import template

register = template.Library()


class _Named:
    """A form waiting for the second half of a field's name."""

    def __init__(self, form: Any, first: str) -> None:
        self.form, self.first = form, first


@register.filter
def field(form: Any, name: str) -> Any:
    """Return the fields of a form whose names begin with a word; see ``of``."""
    return _Named(form, name)


@register.filter
def of(named: _Named, rest: str) -> Any:
    """Return the field named by both words."""
    return named.form[f"{named.first}-{rest}"]


@register.filter
def words(code: Any) -> str:
    """Return a code without underscores."""
    return "" if code is None else str(code).replace("_", " ")


@register.filter
def tone(outcome: str) -> str:
    """Return the colour class of a verdict or state; the word itself is always shown beside it."""
    good = {"met", "eligible", "released", "attended", "none"}
    bad = {"not_met", "excluded", "recall", "rejected", "expired"}
    return "good" if outcome in good else "bad" if outcome in bad else "caution-text"


@register.filter
def get(mapping: dict[str, Any], key: str) -> Any:
    """Return a value of a mapping."""
    return mapping.get(key)
