"""Which instrument measures what at which age: adult scores are not valid in children."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.codes import Sourced, make
from commensal.vocabulary.instruments.declaration import Instrument, instrument
from commensal.vocabulary.sources import read_table


@dataclass(frozen=True, kw_only=True)
class ByAge:
    """An instrument for ages from ``age_from`` to below ``age_below`` years; ``by_proxy`` when a parent
    answers."""

    instrument: str
    age_from: float
    age_below: float | None = None
    by_proxy: bool = False

    def covers(self, age_years: float) -> bool:
        """Return whether the age lies in the range."""
        return age_years >= self.age_from and (self.age_below is None or age_years < self.age_below)


@dataclass(frozen=True, kw_only=True)
class Choice(Sourced):
    """What is measured (``purpose``, and the indications whose activity it is) and with what at each age."""

    purpose: str
    indications: tuple[str, ...]
    by_age: tuple[ByAge, ...]


@functools.cache
def choices() -> Mapping[str, Choice]:
    """Return every purpose's choice, by purpose."""
    rows = read_table("instruments/general.toml")["choices"]
    made = [_choice(row) for row in rows]
    return {choice.purpose: choice for choice in made}


def choose(purpose: str, *, age_years: float) -> ByAge | None:
    """Return the instrument for a purpose or an indication's activity at an age; None if none is valid.

    Refuses
        ``InputError`` for a purpose or indication without any instrument.
    """
    for choice in choices().values():
        if purpose == choice.purpose or purpose in choice.indications:
            return next((option for option in choice.by_age if option.covers(age_years)), None)
    known = [name for choice in choices().values() for name in (choice.purpose, *choice.indications)]
    raise InputError(
        f"no instrument is chosen for {purpose!r}",
        expected=nearest(purpose, known),
        do="use one of the purposes or indications above",
    )


def instrument_for(purpose: str, *, age_years: float) -> Instrument | None:
    """Return the instrument for a purpose ("health_status") or an indication's activity ("uc") at an age.

    Under 18 the Mayo score gives way to PUCAI, CDAI to wPCDAI, RAND-36 to PedsQL; EQ-5D-5L to EQ-5D-Y under
    16. None when no instrument of the list is valid at that age.
    """
    option = choose(purpose, age_years=age_years)
    return None if option is None else instrument(option.instrument)


def _choice(row: Mapping[str, Any]) -> Choice:
    return make(Choice, {**row, "by_age": tuple(make(ByAge, option) for option in row["by_age"])})
