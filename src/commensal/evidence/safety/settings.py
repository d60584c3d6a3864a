"""What an analysis of safety can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commensal.errors import InputError
from commensal.evidence.covariates import known_covariates

SEXES = ("female", "male", "all")
RATE_CELLS = ("term", "sex", "age_from", "age_to", "per_100000_person_years", "source")


@dataclass(frozen=True)
class Settings:
    """Windows in days (both ends included), covariates of the route comparison, rates of a population.

    ``late_from_day`` is the day after which an event is late. ``reference_rates`` are tables of term (a code
    of the adverse events or the words of a diagnosis), sex (female, male, all), age_from, age_to (years, from
    included, to not), per_100000_person_years and source.
    """

    procedure_days: int = 7
    patient_days: int = 91
    late_from_day: int = 91
    adjusted_for: tuple[str, ...] = ("indication", "age_at_index_years", "sex")
    reference_rates: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for name in ("procedure_days", "patient_days", "late_from_day"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(
                    f"safety: {name} is {value!r}", expected="a whole number of days from 1", do="correct it"
                )
        known_covariates(self.adjusted_for)
        for n, rate in enumerate(self.reference_rates, start=1):
            _check_rate(rate, n)


def _check_rate(rate: Mapping[str, Any], n: int) -> None:
    where = f"safety: reference rate {n}"
    if missing := [name for name in RATE_CELLS if name not in rate]:
        raise InputError(
            f"{where} has no {', '.join(missing)}", expected=", ".join(RATE_CELLS), do="complete the table"
        )
    if rate["sex"] not in SEXES:
        raise InputError(f"{where}: sex is {rate['sex']!r}", expected=", ".join(SEXES))
    if not 0 <= rate["age_from"] < rate["age_to"]:
        raise InputError(f"{where}: ages {rate['age_from']} to {rate['age_to']}", expected="from below to")
    if not rate["per_100000_person_years"] >= 0:
        raise InputError(
            f"{where}: per_100000_person_years is {rate['per_100000_person_years']!r}",
            expected="a rate of zero or more",
        )
    if not str(rate["source"]).strip() or not str(rate["term"]).strip():
        raise InputError(
            f"{where} has an empty term or source", expected="a term, and where the rate is from"
        )
