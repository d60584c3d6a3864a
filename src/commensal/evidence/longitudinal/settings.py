"""What the analysis file may say of scores over visits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commensal.errors import InputError, nearest
from commensal.evidence.longitudinal.gee import CORRELATIONS
from commensal.study.lists import codes_in
from commensal.vocabulary.instruments.declaration import instrument

DRUGS = ("steroid", "immunosuppressant", "biologic", "laxative", "antidiarrhoeal", "analgesic", "ppi")


@dataclass(frozen=True)
class Settings:
    """Choices of the analysis of scores, checked at birth.

    ``instruments``: codes to analyse; empty for all that were recorded. ``scores``: "instrument.score" to
    analyse besides each instrument's primary score. ``deltas``: how much worse, in standard deviations of the
    baseline, a score is taken to be for each visit missed since last seen. ``least_patients``: fewer at
    a landmark are in no model. ``least_group``: a route with fewer patients is in no comparison of routes.
    ``working``: correlation of the marginal model. ``important_differences``: tables of ``instrument``,
    ``points`` and ``source``, for instruments whose vocabulary entry has no rule of response. ``drugs``:
    classes of exposure whose sparing is counted.

    Refuses (InputError) unknown names, deltas and counts below zero, a difference without points or source.
    """

    instruments: tuple[str, ...] = ()
    scores: tuple[str, ...] = ("mayo.partial",)
    deltas: tuple[float, ...] = (0.1, 0.2, 0.5)
    least_patients: int = 10
    least_group: int = 20
    working: str = "exchangeable"
    important_differences: tuple[Mapping[str, Any], ...] = ()
    drugs: tuple[str, ...] = DRUGS

    def __post_init__(self) -> None:
        for name in ("instruments", "scores", "deltas", "important_differences", "drugs"):
            value = getattr(self, name)
            if isinstance(value, str | bytes) or not isinstance(value, tuple | list):
                raise _wrong(name, value, "a list")
            object.__setattr__(self, name, tuple(value))
        for code in self.instruments:
            instrument(code)
        for both in self.scores:
            _known_score(both)
        if any(isinstance(d, bool) or not isinstance(d, int | float) or not 0 <= d <= 5 for d in self.deltas):
            raise _wrong("deltas", self.deltas, "numbers from 0 to 5, in standard deviations")
        for name, least in (("least_patients", 3), ("least_group", 3)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise _wrong(name, value, f"a whole number of {least} or more")
        if self.working not in CORRELATIONS:
            raise _wrong("working", self.working, nearest(self.working, CORRELATIONS))
        for difference in self.important_differences:
            _check_difference(difference)
        known = codes_in("exposures")
        for drug in self.drugs:
            if drug not in known:
                raise _wrong("drugs", drug, nearest(drug, known))

    def important_difference(self, code: str) -> tuple[float, str] | None:
        """Return the points and source given for an instrument, or None."""
        rows = [d for d in self.important_differences if d["instrument"] == code]
        return (float(rows[-1]["points"]), str(rows[-1]["source"])) if rows else None


def _known_score(both: str) -> None:
    code, dot, score = both.partition(".")
    if not dot:
        raise _wrong("scores", both, 'an instrument and a score with a dot between, such as "mayo.partial"')
    instrument(code).score(score)


def _check_difference(given: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping) or set(given) != {"instrument", "points", "source"}:
        raise _wrong("important_differences", given, "a table of instrument, points and source")
    instrument(given["instrument"])
    points, source = given["points"], given["source"]
    if isinstance(points, bool) or not isinstance(points, int | float) or not points > 0 or not source:
        raise _wrong("important_differences", given, "points above 0 and the source they are from")


def _wrong(name: str, value: object, expected: str) -> InputError:
    return InputError(
        f"setting {name} of the scores is {value!r}",
        expected=expected,
        do=f"correct {name} in the analysis file",
    )
