"""Laboratory units: one unit per analyte, and the way into it from the others.

The clinical thresholds are written in these units (albumin g/L, cells/mm3, CRP mg/L); a value without a
unit is never guessed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from commensal.errors import InputError, nearest
from commensal.vocabulary.codes import Book, Entry, read_book


@dataclass(frozen=True, kw_only=True)
class Analyte(Entry):
    """Something measured. ``unit`` is the unit it is kept in, ``factors`` what one of another unit is worth
    in it; values outside ``minimum`` to ``maximum`` (in ``unit``) are not plausible."""

    unit: str
    factors: Mapping[str, float]
    minimum: float
    maximum: float

    @property
    def units(self) -> tuple[str, ...]:
        """Every accepted unit, the kept one first."""
        return (self.unit, *self.factors)

    def factor(self, unit: str) -> float:
        """Return what one ``unit`` is worth in the kept unit; raise ``InputError`` if it is not accepted."""
        accepted = {_spelling(name): value for name, value in ((self.unit, 1.0), *self.factors.items())}
        if _spelling(unit) in accepted:
            return accepted[_spelling(unit)]
        raise InputError(
            f"{unit!r} is not a unit of {self.label}",
            expected=nearest(unit, self.units),
            do="write the unit the laboratory reported; it is never guessed",
        )


@functools.cache
def analytes() -> Book[Analyte]:
    """Return every analyte whose units are known."""
    return read_book("analyte", Analyte, "units.toml", "analytes")


def convert(value: float, *, analyte: str, unit: str) -> float:
    """Return ``value``, given in ``unit``, in the unit the analyte is kept in.

    Refuses
        ``InputError`` for an unknown analyte or unit, and for a value that is not finite or not plausible
        once converted (most often a wrong unit).
    """
    entry = analytes().get(analyte)
    kept = value * entry.factor(unit)
    if not math.isfinite(kept) or not entry.minimum <= kept <= entry.maximum:
        raise InputError(
            f"{entry.label} of {value!r} {unit} is {kept:.4g} {entry.unit}, which is not plausible",
            expected=f"{entry.minimum:g} to {entry.maximum:g} {entry.unit}",
            do="check the value and its unit",
        )
    return kept


# One spelling per unit: µ and μ are u, micro signs and case of litre differ between laboratories,
# "×10⁹/L" and "x10^9/l" are the same.
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def _spelling(unit: str) -> str:
    text = unit.strip().translate(_SUPERSCRIPTS).replace("µ", "u").replace("μ", "u").replace("mcg", "ug")
    text = text.replace("℃", "C").replace("°C", "C").replace("％", "%").replace("^", "").replace("*", "")
    text = text.replace("×", "").replace(" ", "").casefold()
    return text.removeprefix("x").replace("10e", "10")
