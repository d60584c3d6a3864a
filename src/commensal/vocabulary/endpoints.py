"""Endpoints: what counts as remission or response, per indication and landmark, and by whose definition.

Where no source defines remission the row says so; none is invented, and rows of different indications are
never pooled without being labelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.conditions import OPERATORS
from commensal.vocabulary.instruments.declaration import instrument
from commensal.vocabulary.sources import check_citation, read_table
from commensal.vocabulary.windows import landmarks

KINDS = ("remission", "response", "not_defined")
TIERS = ("clinical", "endoscopic", "biomarker")


@dataclass(frozen=True)
class Measure:
    """A criterion of an instrument, with its main bound: below, at_most, equals, at_least or above.

    The instrument's criterion decides; the bound is for readers. Where ``Endpoint.is_change`` holds it is on
    the improvement since baseline (of fibromyalgia pain, as a share of baseline).
    """

    instrument: str
    criterion: str
    score: str
    direction: str
    threshold: float

    def __post_init__(self) -> None:
        if self.direction not in OPERATORS:
            raise InputError(
                f"unknown direction {self.direction!r}", expected=nearest(self.direction, OPERATORS)
            )


@dataclass(frozen=True)
class ChildSubstitute:
    """The measure that takes an endpoint's place below ``below_years``, and that of active disease."""

    measure: Measure
    active: Measure
    below_years: float
    source: str
    confidence: str


@dataclass(frozen=True)
class Endpoint:
    """One endpoint of one indication at one landmark.

    ``measure`` is None where nothing is defined; ``is_change`` says that its bound is on the improvement
    since baseline. ``active`` is what makes disease active at baseline, None where that is not asked. Of
    C. difficile infection the clock of ``cure.rcdi_cure`` decides. ``is_steroid_free``: remission counts only
    without steroids. ``rule`` says all of it in words.
    """

    indication: str
    landmark: str
    code: str
    kind: str
    tier: str
    is_primary: bool
    rule: str
    source: str
    confidence: str
    measure: Measure | None = None
    is_change: bool = False
    active: Measure | None = None
    is_steroid_free: bool = False
    child: ChildSubstitute | None = None

    def __post_init__(self) -> None:
        for value, known in ((self.kind, KINDS), (self.tier, TIERS), (self.landmark, landmarks())):
            if value not in known:
                raise InputError(f"endpoint {self.code}: unknown {value!r}", expected=nearest(value, known))
        if (self.kind == "not_defined") != (self.measure is None):
            raise InputError(
                f"endpoint {self.code}: a measure goes with a defined endpoint, and only with one"
            )
        check_citation(self.source, self.confidence)

    @property
    def requires_active_at_baseline(self) -> bool:
        """Whether only patients with active disease at baseline count (the others: maintenance)."""
        return self.active is not None

    def measure_at(self, age_years: float | None) -> Measure | None:
        """Return the measure for an age: the paediatric one below its limit, None where none is valid.

        Without an age it is the measure for adults: an instrument counts only where it was recorded.
        """
        return self._at(age_years, self.measure, self.child.measure if self.child else None)

    def active_at(self, age_years: float | None) -> Measure | None:
        """Return what makes disease active at baseline, for an age; None as in ``measure_at``."""
        return self._at(age_years, self.active, self.child.active if self.child else None)

    def _at(self, age_years: float | None, adult: Measure | None, child: Measure | None) -> Measure | None:
        if age_years is None or adult is None:
            return adult
        chosen = child if self.child and age_years < self.child.below_years else adult
        return chosen if chosen and instrument(chosen.instrument).is_for_age(age_years) else None


@cache
def endpoints() -> tuple[Endpoint, ...]:
    """Return every endpoint: indications in file order, landmarks in order of time."""
    table = read_table("endpoints.toml")
    rows = [{**table["defaults"], **entry} for entry in table["endpoint"]]
    found = [
        _endpoint(row, indication, landmark)
        for row in rows
        for indication in row["indications"]
        for landmark in row["landmarks"]
    ]
    return tuple(found)


def endpoints_for(indication: str, *, landmark: str | None = None) -> tuple[Endpoint, ...]:
    """Return the endpoints of an indication, at one landmark or all.

    Refuses (InputError) an indication or landmark without any row.
    """
    known = {endpoint.indication for endpoint in endpoints()}
    if indication not in known:
        raise InputError(f"no endpoints for indication {indication!r}", expected=nearest(indication, known))
    if landmark is not None and landmark not in landmarks():
        raise InputError(f"unknown landmark {landmark!r}", expected=nearest(landmark, landmarks()))
    return tuple(
        endpoint
        for endpoint in endpoints()
        if endpoint.indication == indication and landmark in (None, endpoint.landmark)
    )


def primary_endpoint(indication: str, *, landmark: str) -> Endpoint | None:
    """Return the primary endpoint of an indication at a landmark; None where there is none."""
    rows = endpoints_for(indication, landmark=landmark)
    return next((endpoint for endpoint in rows if endpoint.is_primary), None)


def _endpoint(row: Mapping[str, Any], indication: str, landmark: str) -> Endpoint:
    start = row["steroid_free_from"]
    order = landmarks()
    return Endpoint(
        indication=indication,
        landmark=landmark,
        code=row["code"],
        kind=row["kind"],
        tier=row["tier"],
        is_primary=row["primary"],
        rule=row["rule"],
        source=row["source"],
        confidence=row["confidence"],
        measure=_measure(row) if "instrument" in row else None,
        is_change=row["change"],
        active=_measure(row["active"], of=row["instrument"]) if "active" in row else None,
        is_steroid_free=bool(start) and order.index(landmark) >= order.index(start),
        child=_child(row["child"]) if "child" in row else None,
    )


def _measure(row: Mapping[str, Any], *, of: str = "") -> Measure:
    return Measure(
        row.get("instrument", of), row["criterion"], row["score"], row["direction"], row["threshold"]
    )


def _child(row: Mapping[str, Any]) -> ChildSubstitute:
    check_citation(row["source"], row["confidence"])
    return ChildSubstitute(
        measure=_measure(row),
        active=Measure(row["instrument"], "active", row["score"], "at_least", row["active"]),
        below_years=row["below_years"],
        source=row["source"],
        confidence=row["confidence"],
    )
