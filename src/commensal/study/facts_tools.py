"""The few shapes facts are made of, in the restricted dialect."""

from __future__ import annotations

from functools import reduce

import narwhals as nw

from commensal.study.calendar import Lazy

SETTLED = ("negative", "positive", "equivocal")


def settled(column: str) -> nw.Expr:
    """A test result that says something; pending and invalid are unknown."""
    return nw.when(nw.col(column).is_in(SETTLED)).then(nw.col(column))


def yes_if_any(frame: Lazy, by: str, *, name: str) -> Lazy:
    """One row, saying yes, for each value of ``by`` that has a row."""
    return frame.select(by).unique().filter(~nw.col(by).is_null()).with_columns(nw.lit(True).alias(name))


def count(name: str) -> nw.Expr:
    """The number of rows of a group, as a 64-bit integer on every engine."""
    return nw.len().cast(nw.Int64).alias(name)


def since_index(day: str) -> nw.Expr:
    """Days from index to the day in a column; null where either is unknown."""
    return nw.col(day).cast(nw.Int64) - nw.col("index_day").cast(nw.Int64)


def any_known(yes: str, unknown: str) -> nw.Expr:
    """True where one of a group is, null where none is and one is unknown; both columns are 0 or 1."""
    no = nw.when(nw.col(unknown) == 0).then(nw.lit(False))
    return nw.when(nw.col(yes) == 1).then(nw.lit(True)).otherwise(no)


def consent_stands(*, on_day: int | None = None) -> nw.Expr:
    """Whether a consent was not withdrawn, by a day if one is given; a withdrawal without a day counts."""
    never = nw.col("withdrawn_day").is_null() & nw.col("withdrawal_level").is_null()
    return never if on_day is None else never | (nw.col("withdrawn_day") > on_day).fill_null(False)


def beside(first: Lazy, *parts: Lazy, on: str = "patient_id") -> Lazy:
    """The rows of the first frame with the columns of the others, which have one row for each key."""
    return reduce(lambda left, part: left.join(part, on=on, how="left"), parts, first)
