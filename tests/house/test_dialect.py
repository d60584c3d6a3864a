"""The restricted dialect: Narwhals verbs that give the same answer on DuckDB, Polars and Spark.

Scans the sources of every module that uses Narwhals. A verb outside the list was either never tried on all
engines or found to differ: date arithmetic, ``rank``, ``Expr.filter``, ``join_asof``, ``offset_by``; ``any``
and ``all`` read null as no; ``n_unique`` counts null; ``mean`` and ``std`` of floats depend on the order of
the rows. A sum is cast to a fixed type, because DuckDB sums integers into a wider one.
"""

import ast
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[2] / "src" / "commensal"

FUNCTIONS = {
    "Boolean", "Date", "Float64", "Int32", "Int64", "String", "Unknown",
    "Expr", "LazyFrame", "DataFrame", "from_native", "to_native",
    "all_horizontal", "any_horizontal", "coalesce", "col", "concat", "concat_str", "len", "lit",
    "max_horizontal", "min_horizontal", "when",
}  # fmt: skip
FORBIDDEN = {
    "any", "all", "dt", "ewm_mean", "filter_over", "gather_every", "interpolate", "join_asof", "map_batches",
    "median", "n_unique", "offset_by", "quantile", "rank", "replace_strict", "rolling_mean", "rolling_sum",
    "sample", "shift", "sort_by", "str_to_datetime", "to_datetime", "to_date", "truncate", "with_row_index",
}  # fmt: skip


def modules() -> list[Path]:
    return [p for p in sorted(SOURCES.rglob("*.py")) if "import narwhals" in p.read_text(encoding="utf-8")]


def faults(source: str) -> list[str]:
    """What a module says outside the dialect, with its line."""
    tree = ast.parse(source)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nw":
            if node.attr not in FUNCTIONS:
                found.append(f"line {node.lineno}: nw.{node.attr}")
        elif isinstance(node, ast.Attribute) and is_expression(node.value):
            if node.attr in FORBIDDEN | {"filter"}:
                found.append(f"line {node.lineno}: .{node.attr} of an expression")
            if node.attr == "sum" and not is_cast(tree, node):
                found.append(f"line {node.lineno}: .sum() without a cast")
        elif isinstance(node, ast.Attribute) and node.attr in {"join_asof", "offset_by"}:
            found.append(f"line {node.lineno}: .{node.attr}")
    return found


def is_expression(node: ast.AST) -> bool:
    """Whether a chain of calls begins with nw.col, nw.when, nw.lit …"""
    while isinstance(node, ast.Call | ast.Attribute):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "nw":
            return node.attr in FUNCTIONS - {"from_native", "to_native", "concat", "LazyFrame", "DataFrame"}
        node = node.func if isinstance(node, ast.Call) else node.value
    return False


def is_cast(tree: ast.AST, total: ast.Attribute) -> bool:
    """Whether the call of this ``sum`` is at once cast: ``….sum().cast(…)``."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == "cast"
        and isinstance(node.value, ast.Call)
        and node.value.func is total
        for node in ast.walk(tree)
    )


@pytest.mark.parametrize("module", modules(), ids=lambda p: str(p.relative_to(SOURCES)))
def test_a_module_keeps_to_the_dialect(module):
    assert faults(module.read_text(encoding="utf-8")) == []


def test_there_are_modules_to_look_at():
    assert SOURCES / "study" / "facts.py" in modules()


@pytest.mark.parametrize(
    "line",
    [
        "nw.col('a').rank().over('b')",
        "nw.col('a').filter(nw.col('b') > 1)",
        "nw.col('a').dt.year()",
        "nw.col('a').any()",
        "nw.col('a').sum()",
        "nw.col('a').cast(nw.Int64).n_unique()",
        "nw.Datetime",
        "nw.new_series('a', [1])",
        "frame.join_asof(other, on='a')",
        "nw.when(nw.col('a')).then(nw.col('b')).otherwise(nw.lit(1)).shift(1)",
    ],
)
def test_the_lint_finds_what_is_forbidden(line):
    assert faults(line)


@pytest.mark.parametrize(
    "line",
    [
        "nw.col('a').sum().cast(nw.Int64).alias('n')",
        "frame.filter(nw.col('a') > 1).group_by('b').agg(nw.len().alias('n'))",
        "nw.col('a').cum_count().over('b', order_by='c')",
        "frame['a'].sum()",
    ],
)
def test_the_lint_lets_the_dialect_pass(line):
    assert faults(line) == []
