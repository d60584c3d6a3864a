"""Instruments as data: items, scores, bands and rules, read from the files beside this module."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from commensal.errors import InputError, nearest
from commensal.vocabulary.codes import Book, Entry, Sourced, make
from commensal.vocabulary.instruments.expressions import BASELINE, Node, names, parse
from commensal.vocabulary.licences import licences
from commensal.vocabulary.sources import read_table

FILES = ("bowel", "functional", "rheumatology", "neurology", "general")
DIRECTIONS = ("higher_worse", "higher_better", "neither")
CRITERION_KINDS = ("remission", "response", "active", "healing", "improvement", "worsening", "diagnosis")


@dataclass(frozen=True, kw_only=True)
class Item:
    """One number that is asked for or measured.

    Values run from ``minimum`` to ``maximum`` in steps of ``step`` (0: any value between), or are exactly
    ``values``. ``recode`` gives the scored value of each raw value from ``minimum`` upwards in steps of 1.
    """

    code: str
    label: str
    minimum: float
    maximum: float
    label_zh: str = ""
    unit: str = ""
    step: float = 1.0
    values: tuple[float, ...] = ()
    recode: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.minimum < self.maximum:
            raise ValueError(f"item {self.code!r} has an empty range")
        if self.recode and len(self.recode) != self.maximum - self.minimum + 1:
            raise ValueError(f"item {self.code!r} has {len(self.recode)} recoded values")

    def admits(self, value: float) -> bool:
        """Return whether ``value`` may be an answer (NaN may not)."""
        if self.values:
            return value in self.values
        if not self.minimum <= value <= self.maximum:
            return False
        steps = (value - self.minimum) / self.step if self.step else 0.0
        return abs(steps - round(steps)) < 1e-6

    def scored(self, value: float) -> float:
        """Return what an admitted ``value`` counts for."""
        return float(self.recode[round(value - self.minimum)]) if self.recode else float(value)


@dataclass(frozen=True, kw_only=True)
class Score(Entry):
    """A number computed from items (``formula``) or recorded as such (an empty formula: only recorded).

    A recorded value stands in where items are missing; where both are known and differ by more than
    ``tolerance``, neither is trusted.
    """

    minimum: float
    maximum: float
    formula: str = ""
    unit: str = ""
    step: float = 0.0
    values: tuple[float, ...] = ()
    tree: Node | None = field(default=None, repr=False)
    reads: frozenset[str] = frozenset()

    @property
    def tolerance(self) -> float:
        """How far a recorded value may be from the computed one: rounding, never a whole point."""
        return 0.5 if self.maximum - self.minimum >= 10 else 0.05

    def as_item(self) -> Item:
        """The recorded total as an input."""
        return Item(
            code=self.code,
            label=self.label,
            minimum=self.minimum,
            maximum=self.maximum,
            unit=self.unit,
            step=self.step,
            values=self.values,
        )


@dataclass(frozen=True, kw_only=True)
class Criterion(Entry):
    """A rule over items and scores, three-valued; kinds ``response`` and ``improvement`` compare with
    baseline."""

    kind: str
    formula: str
    tree: Node

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in CRITERION_KINDS:
            raise ValueError(f"criterion {self.code!r} is of kind {self.kind!r}")


@dataclass(frozen=True, kw_only=True)
class Band(Sourced):
    """A named range of a score: everything under ``below``, or up to and including ``up_to``, that no
    earlier band holds; the last band has neither."""

    name: str
    below: float | None = None
    up_to: float | None = None

    def holds(self, value: float) -> bool:
        """Return whether ``value`` is under the band's upper end."""
        if self.below is not None:
            return value < self.below
        return self.up_to is None or value <= self.up_to


@dataclass(frozen=True, kw_only=True)
class Banding(Entry):
    """One published way to cut a score into bands, lowest first."""

    score: str
    bands: tuple[Band, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        ends = [b.below if b.below is not None else b.up_to for b in self.bands]
        known = [end for end in ends[:-1] if end is not None]
        if ends[-1] is not None or known != sorted(set(known)) or len(known) != len(ends) - 1:
            raise ValueError(f"the bands of {self.code!r} do not tile the score")

    def name_of(self, value: float | None) -> str | None:
        """Return the band of ``value``; None if it is missing."""
        return None if value is None else next(band.name for band in self.bands if band.holds(value))


@dataclass(frozen=True, kw_only=True)
class Instrument(Entry):
    """A questionnaire, index or measurement.

    ``primary`` is the score that speaks for it; ``recall`` the time it asks about; ``missing`` its rule for
    missing answers in words; ages are in years, ``age_below`` exclusive.
    """

    licence: str
    direction: str
    recall: str
    missing: str
    primary: str
    items: tuple[Item, ...]
    scores: tuple[Score, ...]
    criteria: tuple[Criterion, ...] = ()
    bandings: tuple[Banding, ...] = ()
    age_from: float | None = None
    age_below: float | None = None
    suspect_if_never_above: float | None = None
    attribution: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        licences().get(self.licence)
        if self.direction not in DIRECTIONS:
            raise ValueError(f"instrument {self.code!r} has direction {self.direction!r}")
        if self.primary not in {score.code for score in self.scores}:
            raise ValueError(f"instrument {self.code!r} has no score {self.primary!r}")

    @property
    def inputs(self) -> Mapping[str, Item]:
        """What may be recorded: the items, and each score as a recorded total."""
        totals = {s.code: s.as_item() for s in self.scores}
        return totals | {item.code: item for item in self.items}

    def input_code(self, name: str) -> str:
        """Return the input that ``name`` stands for: "total" may name the only score of an instrument."""
        return self.primary if name == "total" and len(self.scores) == 1 else name

    def score(self, code: str) -> Score:
        """Return a score by its code."""
        return _by_code(self.scores, code, f"score of {self.code}")

    def criterion(self, code: str) -> Criterion:
        """Return a criterion by its code."""
        return _by_code(self.criteria, code, f"criterion of {self.code}")

    def criteria_of(self, kind: str) -> tuple[Criterion, ...]:
        """Return the criteria of one kind, the standard one first."""
        return tuple(criterion for criterion in self.criteria if criterion.kind == kind)

    def banding(self, code: str | None = None) -> Banding | None:
        """Return a banding by its code; without one, the first of the primary score, or None."""
        if code is not None:
            return _by_code(self.bandings, code, f"banding of {self.code}")
        return next((banding for banding in self.bandings if banding.score == self.primary), None)

    def is_for_age(self, age_years: float) -> bool:
        """Return whether the instrument is meant for this age."""
        too_young = self.age_from is not None and age_years < self.age_from
        return not too_young and (self.age_below is None or age_years < self.age_below)


@functools.cache
def instruments() -> Book[Instrument]:
    """Return every instrument."""
    rows = [row for name in FILES for row in read_table(f"instruments/{name}.toml")["instruments"]]
    return Book("instrument", tuple(_instrument(row) for row in rows))


def instrument(code: str) -> Instrument:
    """Return the instrument of ``code``; raise ``InputError`` with the nearest codes if unknown."""
    return instruments().get(code)


def _by_code(entries: tuple[Any, ...], code: str, what: str) -> Any:
    for entry in entries:
        if entry.code == code:
            return entry
    raise InputError(
        f"{code!r} is not a {what}",
        expected=nearest(code, [entry.code for entry in entries]),
        do="use one of the names above",
    )


def _instrument(row: Mapping[str, Any]) -> Instrument:
    items = tuple(item for given in row.get("items", ()) for item in _items(given))
    codes = tuple(item.code for item in items)
    origin = {"source": row["source"], "confidence": row["confidence"]}
    scores: list[Score] = []
    for given in row["scores"]:
        scores.append(_score({**origin, **given}, codes, scores))
    known = frozenset(codes) | {score.code for score in scores}
    return make(
        Instrument,
        {
            **row,
            "items": items,
            "scores": tuple(scores),
            "criteria": tuple(
                _criterion({**origin, **given}, codes, known) for given in row.get("criteria", ())
            ),
            "bandings": tuple(_banding({**origin, **given}) for given in row.get("bandings", ())),
        },
    )


def _items(row: Mapping[str, Any]) -> list[Item]:
    """One item, or with ``repeat`` as many, numbered in place of ``{n}``."""
    plain = {key: value for key, value in row.items() if key != "repeat"}
    return [
        make(
            Item,
            {
                key: value.replace("{n}", str(n)) if isinstance(value, str) else value
                for key, value in plain.items()
            },
        )
        for n in range(1, row.get("repeat", 1) + 1)
    ]


def _score(row: Mapping[str, Any], items: tuple[str, ...], earlier: list[Score]) -> Score:
    formula = row.get("formula", "")
    tree = parse(formula, items) if formula else None
    read = names(tree) if tree is not None else frozenset()
    before = {score.code: score.reads for score in earlier}
    if unknown := read - set(items) - set(before):
        raise ValueError(f"score {row['code']!r} reads unknown names {sorted(unknown)}")
    reads = frozenset().union(*(before.get(name, frozenset()) | {name} for name in read))
    return make(Score, {"label": row["code"], **row, "tree": tree, "reads": reads})


def _criterion(row: Mapping[str, Any], items: tuple[str, ...], known: frozenset[str]) -> Criterion:
    tree = parse(row["formula"], items)
    if unknown := {name.removeprefix(BASELINE) for name in names(tree)} - known:
        raise ValueError(f"criterion {row['code']!r} reads unknown names {sorted(unknown)}")
    return make(Criterion, {"label": row["code"], **row, "tree": tree})


def _banding(row: Mapping[str, Any]) -> Banding:
    origin = {"source": row["source"], "confidence": row["confidence"]}
    bands = tuple(make(Band, {**origin, **band}) for band in row["bands"])
    return make(Banding, {"label": row["code"], **row, "bands": bands})
