"""Answers to instruments: items the instrument has, values it admits."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from commensal.errors import nearest
from commensal.study.check_files import Tables
from commensal.study.problems import problems_at
from commensal.vocabulary.instruments import instrument, instruments

KEYS = ["instrument", "item", "value"]


def check_answers(tables: Tables) -> Iterator[pl.DataFrame]:
    """An unknown item is an error; a value its item does not admit is a warning, and no score uses it."""
    answers = tables.read("assessments", *KEYS)
    known = answers.filter(pl.col("instrument").is_in(instruments().codes))
    distinct = known.select(KEYS).unique().sort(KEYS)
    faults = [_fault(*row) for row in distinct.iter_rows()]
    judged = known.join(
        distinct.with_columns(fault=pl.Series(faults, dtype=pl.String)), on=KEYS, nulls_equal=True
    ).sort("row")
    unknown = judged.filter(pl.col("fault") == "unknown_item")
    for code in unknown["instrument"].unique().sort():
        message = f"{code} has no such item; expected {nearest('', instrument(code).inputs)}"
        rows = unknown.filter(pl.col("instrument") == code)
        yield problems_at(rows, "assessments", column="item", rule="unknown_item", message=message)
    outside = judged.filter(pl.col("fault") == "out_of_range")
    message = "outside what the item admits: no score uses it"
    yield problems_at(
        outside, "assessments", column="value", rule="out_of_range", message=message, severity="warning"
    )


def _fault(code: str, item: str | None, value: float | None) -> str | None:
    declared = instrument(code)
    inputs = declared.inputs
    name = declared.input_code(item or "")
    if name not in inputs:
        return "unknown_item"
    return "out_of_range" if value is not None and not inputs[name].admits(value) else None
