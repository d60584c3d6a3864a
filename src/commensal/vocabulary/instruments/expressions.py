"""Scoring formulas: one small tree, two interpreters.

A formula is written in the instrument's data file and parsed here into a frozen tree. ``evaluate`` computes
it for one patient in plain Python, ``expression`` for a whole frame in Polars; a missing answer is None or
null in both and the two agree (a property test).

Missing answers: arithmetic and comparison on a missing answer are missing; ``and``, ``or``, ``not`` follow
Kleene's logic. Only ``mean_of`` and ``scaled_sum`` skip missing answers, by the rule they name.

========================  ====================================================================
``a + b - c * d / e``     arithmetic; division by zero is missing
``a <= b``, ``==``        comparison, also chained
``and``, ``or``, ``not``  three-valued logic
``sum(a, b)``             sum, missing if any part is
``count(a >= 1, …)``      how many conditions hold, missing if any is
``max(a, b)``, ``min``    missing if any part is
``sqrt(a)``, ``ln(a)``    missing outside their domain
``mean_of(share, a, …)``  mean of the answered parts, missing if fewer than ``share`` are answered
``scaled_sum(a, b)``      sum of the answered parts scaled up by parts / answered
``if_else(c, a, b)``      ``a`` where ``c`` holds, else ``b``; missing if ``c`` is
``baseline(a)``           the value at baseline (in response rules only)
``drop(a)``, ``rise(a)``  baseline minus now; now minus baseline
``"name_*"``              every item whose code starts so, as arguments
========================  ====================================================================
"""

from __future__ import annotations

import ast
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

BASELINE = "baseline:"
"""Prefix of the column that holds a value at baseline."""

Value = float | bool | None


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """An item or an earlier score."""

    code: str


@dataclass(frozen=True)
class Call:
    """An operation on parts."""

    operation: str
    parts: tuple[Node, ...]


Node = Number | Name | Call

_BINARY: Mapping[type, str] = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide"}
_COMPARE: Mapping[type, str] = {
    ast.LtE: "at_most",
    ast.Lt: "below",
    ast.GtE: "at_least",
    ast.Gt: "above",
    ast.Eq: "equals",
}
FUNCTIONS = frozenset({"sum", "count", "max", "min", "sqrt", "ln", "mean_of", "scaled_sum", "if_else"})


@functools.cache
def parse(formula: str, items: tuple[str, ...]) -> Node:
    """Return the tree of ``formula``; ``items`` are the codes that a wildcard may stand for.

    Refuses
        ``ValueError`` for anything that the table at the top of this module does not hold.
    """
    return _Parser(items).read(ast.parse(formula, mode="eval").body)


def names(node: Node) -> frozenset[str]:
    """Return every name a tree reads (those at baseline with their prefix)."""
    if isinstance(node, Name):
        return frozenset({node.code})
    return frozenset().union(*map(names, node.parts)) if isinstance(node, Call) else frozenset()


@dataclass(frozen=True)
class _Parser:
    items: tuple[str, ...]

    def read(self, tree: ast.expr) -> Node:
        match tree:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return Number(float(value))
            case ast.Name(id=code):
                return Name(code)
            case ast.BinOp(left, operator, right) if type(operator) in _BINARY:
                return Call(_BINARY[type(operator)], (self.read(left), self.read(right)))
            case ast.UnaryOp(ast.USub(), operand):
                return Call("subtract", (Number(0.0), self.read(operand)))
            case ast.UnaryOp(ast.Not(), operand):
                return Call("not", (self.read(operand),))
            case ast.BoolOp(operator, values):
                return Call("and" if isinstance(operator, ast.And) else "or", tuple(map(self.read, values)))
            case ast.Compare(ops=operators) if all(type(operator) in _COMPARE for operator in operators):
                return self._comparison(tree)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
                return self._call(name, args)
        raise ValueError(f"a formula may not hold {ast.unparse(tree)!r}")

    def _comparison(self, tree: ast.Compare) -> Node:
        sides = [tree.left, *tree.comparators]
        steps = tuple(
            Call(_COMPARE[type(operator)], (self.read(left), self.read(right)))
            for left, operator, right in zip(sides, tree.ops, sides[1:], strict=False)
        )
        return steps[0] if len(steps) == 1 else Call("and", steps)

    def _call(self, name: str, args: Sequence[ast.expr]) -> Node:
        if name in {"baseline", "drop", "rise"}:
            (arg,) = args
            return self._change(name, self.read(arg))
        if name not in FUNCTIONS:
            raise ValueError(f"a formula may not call {name!r}")
        return Call(name, tuple(part for arg in args for part in self._expand(arg)))

    def _change(self, name: str, now: Node) -> Node:
        if not isinstance(now, Name):
            raise ValueError(f"{name}(…) takes one item or score")
        before = Name(BASELINE + now.code)
        if name == "baseline":
            return before
        return Call("subtract", (before, now) if name == "drop" else (now, before))

    def _expand(self, arg: ast.expr) -> list[Node]:
        if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
            stem = arg.value.removesuffix("*")
            found = [code for code in self.items if code.startswith(stem)]
            if stem == arg.value or not found:
                raise ValueError(f"wildcard {arg.value!r} stands for no item")
            return [Name(code) for code in found]
        return [self.read(arg)]


# ---- one patient, plain Python ---------------------------------------------------------------------------


def evaluate(node: Node, values: Mapping[str, float | None]) -> Value:
    """Return the value of ``node`` for one patient: a float, a bool, or None when it cannot be told."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return values.get(node.code)
    parts = [evaluate(part, values) for part in node.parts]
    if node.operation in _LENIENT:
        return _LENIENT[node.operation](parts)
    return None if None in parts else _STRICT[node.operation](parts)


def _mean_of(parts: Sequence[Any]) -> float | None:
    share, *rest = parts
    answered = [part for part in rest if part is not None]
    return sum(answered) / len(answered) if answered and len(answered) >= share * len(rest) else None


def _scaled_sum(parts: Sequence[Any]) -> float | None:
    answered = [part for part in parts if part is not None]
    return sum(answered) * (len(parts) / len(answered)) if answered else None


def _kleene_and(parts: Sequence[Any]) -> bool | None:
    return False if False in parts else None if None in parts else True


def _kleene_or(parts: Sequence[Any]) -> bool | None:
    return True if True in parts else None if None in parts else False


_LENIENT: Mapping[str, Callable[[Sequence[Any]], Value]] = {
    "mean_of": _mean_of,
    "scaled_sum": _scaled_sum,
    "and": _kleene_and,
    "or": _kleene_or,
    "if_else": lambda p: None if p[0] is None else p[1] if p[0] else p[2],
}
_STRICT: Mapping[str, Callable[[Sequence[Any]], Value]] = {
    "add": lambda p: p[0] + p[1],
    "subtract": lambda p: p[0] - p[1],
    "multiply": lambda p: p[0] * p[1],
    "divide": lambda p: p[0] / p[1] if p[1] else None,
    "at_most": lambda p: p[0] <= p[1],
    "below": lambda p: p[0] < p[1],
    "at_least": lambda p: p[0] >= p[1],
    "above": lambda p: p[0] > p[1],
    "equals": lambda p: p[0] == p[1],
    "not": lambda p: not p[0],
    "sum": lambda p: float(sum(p)),
    "count": lambda p: float(sum(p)),
    "max": max,
    "min": min,
    "sqrt": lambda p: math.sqrt(p[0]) if p[0] >= 0 else None,
    "ln": lambda p: math.log(p[0]) if p[0] > 0 else None,
}


# ---- a frame, Polars -------------------------------------------------------------------------------------


def expression(node: Node) -> pl.Expr:
    """Return ``node`` as a Polars expression over columns named like its names (Float64, null = missing)."""
    import polars as pl

    if isinstance(node, Number):
        return pl.lit(node.value, dtype=pl.Float64)
    if isinstance(node, Name):
        return pl.col(node.code)
    return _VECTOR[node.operation]([expression(part) for part in node.parts])


def _total(parts: Sequence[pl.Expr]) -> pl.Expr:
    return functools.reduce(lambda left, right: left + right, parts)


def _answered(parts: Sequence[pl.Expr]) -> pl.Expr:
    import polars as pl

    return _total([part.is_not_null().cast(pl.Float64) for part in parts])


def _where(condition: pl.Expr, value: pl.Expr) -> pl.Expr:
    import polars as pl

    return pl.when(condition).then(value)


def _mean_of_expr(parts: Sequence[pl.Expr]) -> pl.Expr:
    share, *rest = parts
    n = _answered(rest)
    return _where((n > 0) & (n >= share * len(rest)), _total([part.fill_null(0.0) for part in rest]) / n)


def _scaled_sum_expr(parts: Sequence[pl.Expr]) -> pl.Expr:
    n = _answered(parts)
    return _where(n > 0, _total([part.fill_null(0.0) for part in parts]) * (float(len(parts)) / n))


def _extreme(parts: Sequence[pl.Expr], *, largest: bool) -> pl.Expr:
    import polars as pl

    chosen = pl.max_horizontal(*parts) if largest else pl.min_horizontal(*parts)
    return _where(functools.reduce(lambda a, b: a & b, [part.is_not_null() for part in parts]), chosen)


def _if_else_expr(parts: Sequence[pl.Expr]) -> pl.Expr:
    import polars as pl

    condition, yes, no = parts
    return pl.when(condition).then(yes).when(~condition).then(no)


def _count_expr(parts: Sequence[pl.Expr]) -> pl.Expr:
    import polars as pl

    return _total([part.cast(pl.Float64) for part in parts])


_VECTOR: Mapping[str, Callable[[Sequence[Any]], Any]] = {
    "mean_of": _mean_of_expr,
    "scaled_sum": _scaled_sum_expr,
    "and": lambda p: functools.reduce(lambda a, b: a & b, p),
    "or": lambda p: functools.reduce(lambda a, b: a | b, p),
    "if_else": _if_else_expr,
    "add": lambda p: p[0] + p[1],
    "subtract": lambda p: p[0] - p[1],
    "multiply": lambda p: p[0] * p[1],
    "divide": lambda p: _where(p[1] != 0, p[0] / p[1]),
    "at_most": lambda p: p[0] <= p[1],
    "below": lambda p: p[0] < p[1],
    "at_least": lambda p: p[0] >= p[1],
    "above": lambda p: p[0] > p[1],
    "equals": lambda p: p[0] == p[1],
    "not": lambda p: ~p[0],
    "sum": _total,
    "count": _count_expr,
    "max": lambda p: _extreme(p, largest=True),
    "min": lambda p: _extreme(p, largest=False),
    "sqrt": lambda p: _where(p[0] >= 0, p[0].sqrt()),
    "ln": lambda p: _where(p[0] > 0, p[0].log()),
}
