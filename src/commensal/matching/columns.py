"""Facts of many lots as coded columns, and rules judged once for each answer that occurs.

Ten thousand lots give a handful of different answers to a rule: each is judged by the interpreter for one
lot, words included, and every lot is pointed to its verdict. The two can therefore not disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from commensal.vocabulary.rules import OUTCOMES, Rule, judge

DENSE = 1 << 16
"""Up to this many possible combinations are counted in a table, more are sorted."""

MET = OUTCOMES.index("met")


@dataclass(frozen=True, eq=False)
class Column:
    """One fact of some lots: ``values[codes[i]]`` is the answer of lot i; None is unknown."""

    values: tuple[Any, ...]
    codes: np.ndarray

    def at(self, lot: int) -> Any:
        """The answer of one lot."""
        return self.values[self.codes[lot]]

    def map(self, function: Any) -> Column:
        """The column with a function of each value, each result once."""
        made = column_of([function(value) for value in self.values])
        return Column(made.values, made.codes[self.codes] if self.values else self.codes)


def column_of(answers: Sequence[Any]) -> Column:
    """Return answers, one a lot, as a coded column; values in order of first appearance."""
    places: dict[Any, int] = {}
    codes = np.fromiter(
        (places.setdefault(answer, len(places)) for answer in answers), dtype=np.int32, count=len(answers)
    )
    return Column(tuple(places), codes)


@dataclass(frozen=True, eq=False)
class Judged:
    """One rule on all lots: ``verdicts`` (lots,) index OUTCOMES, ``texts[which[i]]`` is the verdict of lot i
    in words. ``is_common`` says that no fact of a lot was asked: the answer is the same for all."""

    rule: Rule
    verdicts: np.ndarray
    texts: tuple[str, ...]
    which: np.ndarray
    is_common: bool

    @property
    def is_failed(self) -> np.ndarray:
        """Lots for which the rule is not met or undetermined, shape (lots,)."""
        return self.verdicts != MET


def judge_columns(
    rules: Sequence[Rule], columns: Mapping[str, Column], *, facts: Mapping[str, Any], n_lots: int
) -> list[Judged]:
    """Judge all lots by each rule; ``facts`` hold for every lot, ``columns`` differ between them."""
    return [_judged(rule, columns, facts, n_lots) for rule in rules]


def _judged(rule: Rule, columns: Mapping[str, Column], facts: Mapping[str, Any], n_lots: int) -> Judged:
    names = [name for name in rule.facts if name in columns]
    first, which = _combinations([columns[name] for name in names], n_lots)
    answers = [{**facts, **{name: columns[name].at(lot) for name in names}} for lot in first]
    verdicts = [judge(answer, rule=rule) for answer in answers]
    outcomes = np.array([OUTCOMES.index(v.outcome) for v in verdicts], dtype=np.int8)
    texts = tuple("" if v.outcome == "met" else v.explain() for v in verdicts)
    return Judged(rule, outcomes[which], texts, which, is_common=not names)


def _combinations(columns: Sequence[Column], n_lots: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a lot for each combination of answers that occurs, and the combination of each lot."""
    joined = np.zeros(n_lots, dtype=np.int64)
    size = 1
    for column in columns:
        joined = joined * len(column.values) + column.codes
        size *= len(column.values)
    if not columns or size > DENSE:
        _, first, which = np.unique(joined, return_index=True, return_inverse=True)
        return first, which.astype(np.int32)
    first = np.full(size, -1, dtype=np.int64)
    first[joined[::-1]] = np.arange(n_lots)[::-1]
    occurs = np.flatnonzero(first >= 0)
    place = np.zeros(size, dtype=np.int32)
    place[occurs] = np.arange(occurs.size)
    return first[occurs], place[joined]
