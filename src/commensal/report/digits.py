"""Numbers as a reader sees them. A missing number is a dash, never a zero."""

from __future__ import annotations

DASH = "–"


def whole(value: float | None) -> str:
    """A count with thousands separated."""
    return DASH if value is None else f"{value:,.0f}"


def number(value: float | None, *, digits: int = 1) -> str:
    """A measurement with a fixed number of decimals."""
    return DASH if value is None else f"{value:,.{digits}f}"


def percent(value: float | None, *, digits: int = 1) -> str:
    """A proportion in percent."""
    return DASH if value is None else f"{100 * value:.{digits}f} %"


def quantity(value: float | None, unit: str | None) -> str:
    """An estimate in its unit: proportions in percent, the rest with significant digits."""
    if value is None:
        return DASH
    if unit == "proportion" or unit is None:
        return percent(value)
    if unit in ("per_procedure", "per_patient"):
        return f"{100 * value:.3g}"
    return f"{value:,.3g}"


def interval(lower: float | None, upper: float | None, unit: str | None) -> str:
    """An interval, ``from to to``; a dash where there is none."""
    if lower is None and upper is None:
        return DASH
    return f"{quantity(lower, unit).removesuffix(' %')} to {quantity(upper, unit).removesuffix(' %')}"


def fraction(part: int | None, whole_: int | None) -> str:
    """A numerator over its denominator."""
    if part is None or whole_ is None:
        return DASH
    return f"{part:,}/{whole_:,}"


def span(lower: float | None, upper: float | None, *, digits: int = 3) -> str:
    """An interval of a measurement without a unit; a dash where there is none."""
    if lower is None and upper is None:
        return DASH
    return f"{number(lower, digits=digits)} to {number(upper, digits=digits)}"


def probability(value: float | None) -> str:
    """A p or q value; never rounded to zero."""
    if value is None:
        return DASH
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
