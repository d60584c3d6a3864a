"""The few shapes facts are made of, in the restricted dialect."""

from __future__ import annotations

import narwhals as nw

from commensal.study.calendar import Lazy

SETTLED = ("negative", "positive", "equivocal")


def settled(column: str) -> nw.Expr:
    """A test result that says something; pending and invalid are unknown."""
    return nw.when(nw.col(column).is_in(SETTLED)).then(nw.col(column))


def yes_if_any(frame: Lazy, by: str, *, name: str) -> Lazy:
    """One row, saying yes, for each value of ``by`` that has a row."""
    return frame.select(by).unique().filter(~nw.col(by).is_null()).with_columns(nw.lit(True).alias(name))


def first_day(frame: Lazy, who: Lazy, day: str, *, name: str) -> Lazy:
    """Days from index to the patient's earliest row; null where its day, or index, is unknown."""
    firsts = frame.group_by("patient_id").agg(nw.col(day).min().alias("at"))
    return _from_index(firsts, who, name=name)


def last_day(frame: Lazy, who: Lazy, day: str, *, name: str) -> Lazy:
    """Days from index to the patient's latest row; null where its day, or index, is unknown."""
    lasts = frame.group_by("patient_id").agg(nw.col(day).max().alias("at"))
    return _from_index(lasts, who, name=name)


def _from_index(days: Lazy, who: Lazy, *, name: str) -> Lazy:
    elapsed = nw.col("at").cast(nw.Int64) - nw.col("index_day").cast(nw.Int64)
    return days.join(who, on="patient_id", how="inner").select("patient_id", elapsed.alias(name))
