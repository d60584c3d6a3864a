"""Rules over whole tables, in the restricted Narwhals dialect.

Apart from the rules themselves, so that the words load without a library of tables.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any

import narwhals as nw

from commensal.errors import InputError
from commensal.vocabulary.conditions import (
    OPERATORS,
    All,
    Between,
    Compare,
    Condition,
    Either,
    IsTrue,
    Known,
    Not,
    OneOf,
    kind_of,
    kinds_of,
    wrong_kind,
)
from commensal.vocabulary.rules import BINDING, Rule

_EMPTY = {"number": nw.Float64, "boolean": nw.Boolean, "text": nw.String}


def answer_column(fact: str, schema: Mapping[str, Any], *, kind: str) -> nw.Expr:
    """Return the column of one fact with NaN and blank text as null; all null when the frame lacks it."""
    dtype = schema.get(fact)
    if dtype is None or dtype == nw.Unknown:
        return nw.lit(None, dtype=_EMPTY[kind])
    column = nw.col(fact)
    if dtype == nw.String:
        return nw.when(column != "").then(column)
    return nw.when(~column.is_nan()).then(column) if dtype.is_float() else column


def express(condition: Condition, schema: Mapping[str, Any]) -> nw.Expr:
    """Return a condition as a Narwhals expression: True, False or null for unknown.

    ``schema`` maps the frame's columns to their Narwhals types. Refuses (InputError) a column of the wrong
    kind.
    """
    match condition:
        case All(of):
            return reduce(operator.and_, [express(part, schema) for part in of])
        case Either(of):
            return reduce(operator.or_, [express(part, schema) for part in of])
        case Not(of):
            return ~express(of, schema)
        case Known(fact):
            return ~answer_column(fact, schema, kind="number").is_null()
        case _:
            kind = kind_of(condition)
            _check_column(condition.fact, schema, kind)
            return _ask_column(condition, answer_column(condition.fact, schema, kind=kind))


def _ask_column(condition: Compare | Between | OneOf | IsTrue, column: nw.Expr) -> nw.Expr:
    match condition:
        case Compare(_, name, bound):
            return OPERATORS[name](column, bound)
        case Between(_, low, high):
            return (column >= low) & (column <= high)
        case OneOf(_, values):
            # Equalities, because is_in turns null into False on some engines.
            return reduce(operator.or_, [column == value for value in values])
        case IsTrue():
            return column


def _check_column(fact: str, schema: Mapping[str, Any], kind: str) -> None:
    dtype = schema.get(fact)
    if dtype is None or dtype == nw.Unknown:
        return
    numeric = "number" if dtype.is_numeric() else str(dtype)
    actual = {nw.Boolean: "boolean", nw.String: "text"}.get(type(dtype), numeric)
    if actual != kind:
        raise wrong_kind(fact, f"a column of {actual}", kind)


def judge_all(frame: Any, *, rules: Sequence[Rule], keys: Sequence[str]) -> Any:
    """Judge every row of a table of facts by every rule.

    Parameters
    ----------
    frame : one row per subject: key columns and fact columns (an absent column is unknown for everyone);
        Polars, DuckDB, Spark or Narwhals, eager or lazy.
    rules : the rules; keys : the columns that name the subject.

    Returns
    -------
    Rows [keys, rule_id, subject, consequence, verdict, missing], one per row and rule, of the same kind as
    ``frame``; ``missing`` joins unanswered facts with ";". Not sorted.
    """
    if not rules:
        raise InputError("no rules to judge by", expected="at least one rule")
    table = nw.from_native(frame)
    schema = dict(table.collect_schema())
    parts = [table.select(*keys, *_verdict_columns(rule, schema)) for rule in rules]
    judged = nw.concat(parts, how="vertical")
    return judged if table is frame else judged.to_native()


def _verdict_columns(rule: Rule, schema: Mapping[str, Any]) -> list[nw.Expr]:
    truth = express(rule.condition, schema)
    verdict = nw.when(truth).then(nw.lit("met")).when(~truth).then(nw.lit("not_met"))
    kinds = dict(kinds_of(rule.condition))
    unanswered = [
        nw.when(answer_column(fact, schema, kind=kinds.get(fact, "number")).is_null()).then(nw.lit(fact))
        for fact in rule.facts
    ]
    return [
        nw.lit(rule.id).alias("rule_id"),
        nw.lit(rule.subject).alias("subject"),
        nw.lit(rule.consequence).alias("consequence"),
        verdict.otherwise(nw.lit("undetermined")).alias("verdict"),
        nw.concat_str(unanswered, separator=";", ignore_nulls=True).alias("missing"),
    ]


def combine_all(verdicts: Any, *, keys: Sequence[str]) -> Any:
    """Return one row per subject [keys, verdict] from the rows of ``judge_all``, as ``combine`` does."""
    table = nw.from_native(verdicts)
    binding = nw.col("consequence").is_in(list(BINDING))
    rank = nw.when(binding & (nw.col("verdict") == "not_met")).then(2)
    rank = rank.when(binding & (nw.col("verdict") == "undetermined")).then(1).otherwise(0)
    worst_rank = table.with_columns(rank.alias("_rank")).group_by(*keys).agg(nw.col("_rank").max())
    word = nw.when(nw.col("_rank") == 2).then(nw.lit("not_met"))
    word = word.when(nw.col("_rank") == 1).then(nw.lit("undetermined")).otherwise(nw.lit("met"))
    combined = worst_rank.with_columns(word.alias("verdict")).drop("_rank")
    return combined if table is verdicts else combined.to_native()
